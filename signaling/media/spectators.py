"""Whoever only watches must not slow a hearing down: on a thin line they get sound alone until it carries more.

Every camera has one picture for everybody, so that the thinnest line decides how good it is. That is right among those
who talk with each other. A spectator's line is heeded down to a floor; below it their pictures are held back.
"""

PICTURE_BPS_MIN = 150_000
"""What a line must carry for each camera to be heeded."""
HOLDS_S = (10.0, 20.0, 40.0, 80.0)
"""How long pictures are held back at least: longer each time, for each try to bring them back costs some sound."""
STEADY_S = 60.0
"""Pictures that went well for so long: the next time is the first again."""


class SoundFirst:
    """Whether a spectator gets pictures now."""

    def __init__(self) -> None:
        self.pictures = True
        self._holds = 0
        self._until = 0.0
        self._resumed_at = 0.0

    def look(self, share_bps: float | None, at: float) -> bool:
        """Take what the line carries for each camera (None: no limit is known); return whether that changed it."""
        enough = share_bps is None or share_bps >= PICTURE_BPS_MIN
        if self.pictures:
            if enough:
                return False
            if at - self._resumed_at > STEADY_S:
                self._holds = 0
            self._until = at + HOLDS_S[min(self._holds, len(HOLDS_S) - 1)]
            self._holds += 1
            self.pictures = False
            return True
        if not enough or at < self._until:
            return False
        self._resumed_at = at
        self.pictures = True
        return True
