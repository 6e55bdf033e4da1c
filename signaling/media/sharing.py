"""How one picture is shared among lines that carry more and less: who gets all of it, who fewer pictures a second, who
sound alone, and how much its sender is told to send.

Every camera has one picture for everybody. With one receiver its sender slows down to what that line carries. With
several, whoever's line is much thinner than the others' gets its lower layers alone, as many as leave the others a good
picture, so that they wait only for those; and below a floor sound alone, so that a hearing never goes blind for one
line.

A share is what a receiver's line carries for one camera, sound and picture together, in bit/s; infinite while nothing
speaks for a limit. Layers and parts: see `layers`.
"""

import math

from signaling.media.layers import ALL, Parts

SOUND_BPS = 45_000
"""What somebody's sound takes, with its headers."""
ALONE_BPS_MIN = 70_000
"""Below this a picture only harms the sound: browsers send none in less than 30 kbit/s, however little is asked."""
PICTURE_BPS_MIN = 150_000
"""Less than this nobody is told to send for one line's sake while another carries more."""
GOOD_BPS = 600_000
"""A good picture: to see a better one, nobody may put another on fewer pictures."""
GAIN = 1.5
"""How much better others' pictures must become by that."""
LIMITS = 0.85
"""From this part of a line on, what is sent may be less because of the line."""
RISING = 0.9
HOLDS_S = (10.0, 20.0, 40.0, 80.0)
"""How long something is held back at least: longer each time, for each try to bring it back may cost some sound."""
STEADY_S = 60.0
"""What went well for so long: the next time is the first again."""
PATIENCE_S = 4.0
"""A line that stood still for a moment is found to carry next to nothing, and then 10 % more each second."""


class Held:
    """Something that a thin line does without for a while. Does not flap: see `HOLDS_S`."""

    def __init__(self) -> None:
        self.given = True
        self._holds = 0
        self._until = 0.0
        self._thin_since: float | None = None
        self._returned_at = 0.0

    def look(self, too_thin: bool, wide_enough: bool, at: float, *, patience_s: float = 0.0) -> bool:
        """Take how the line is at monotonic second `at`; return whether that changed what is given.

        `patience_s`: how long it must be too thin before that counts, unless it has just been tried again.
        """
        if not self.given:
            if not wide_enough or not self.may_return(at):
                return False
            self.give_back(at)
            return True
        if not too_thin:
            self._thin_since = None
            return False
        if self._thin_since is None:
            self._thin_since = at
        tried = self._holds > 0 and at - self._returned_at <= STEADY_S
        if not tried and at - self._thin_since < patience_s:
            return False
        self.hold(at)
        return True

    def hold(self, at: float) -> None:
        """Hold back from monotonic second `at` on."""
        if at - self._returned_at > STEADY_S:
            self._holds = 0
        self._until = at + HOLDS_S[min(self._holds, len(HOLDS_S) - 1)]
        self._holds += 1
        self._thin_since = None
        self.given = False

    def give_back(self, at: float, *, whole: bool = True) -> None:
        """Give it back at monotonic second `at`; not `whole`: give more of it, and hold the rest back a while yet."""
        self._returned_at = at
        self._until = at + HOLDS_S[0]
        self.given = whole

    def may_return(self, at: float) -> bool:
        """Tell whether it has been held back for long enough."""
        return at >= self._until


def lowest_bps(best_other_bps: float, parts: Parts) -> float:
    """Return the share below which somebody gets sound alone. `best_other_bps`: the best of the other receivers'
    shares, 0 when there is none: then nobody waits for the line, and the sender slows down as far as it can."""
    if best_other_bps < PICTURE_BPS_MIN:
        return ALONE_BPS_MIN
    return carried_bps(PICTURE_BPS_MIN, parts[0])


def carried_bps(sent_bps: float, part: float) -> float:
    """Return what whoever gets a part of a picture gets of what is sent."""
    return SOUND_BPS + part * max(0.0, sent_bps - SOUND_BPS)


def sendable_bps(share_bps: float, part: float) -> float:
    """Return how much may be sent of a picture so that a line carries a part of it."""
    return SOUND_BPS + max(0.0, share_bps - SOUND_BPS) / part


def is_waited_for(sendable: float, best_other_bps: float, sent_bps: float) -> bool:
    """Tell whether others wait for a line for which `sendable` bit/s may be sent: they must gain much if it got less,
    and what is sent must not be less anyway."""
    others_gain = GAIN * sendable < min(GOOD_BPS, best_other_bps) or sendable < PICTURE_BPS_MIN <= best_other_bps
    return others_gain and sent_bps > LIMITS * sendable


def layers_for(share_bps: float, best_other_bps: float, sent_bps: float, parts: Parts) -> int:
    """Return up to which layer a line gets a picture: as many pictures a second as it can without being waited for."""
    for top in range(ALL, 0, -1):
        if not is_waited_for(sendable_bps(share_bps, parts[top]), best_other_bps, sent_bps):
            return top
    return 0


def more_layers_for(share_bps: float, best_other_bps: float, sent_bps: float, parts: Parts, top: int) -> int:
    """Return up to which layer a line, which gets a picture up to `top`, carries what is sent of it, or would not be
    waited for if it did not."""
    for higher in range(ALL, top, -1):
        sendable = sendable_bps(share_bps, parts[higher])
        if sendable >= sent_bps or sendable >= best_other_bps:
            return higher
    return top


def asked_bps(share_bps: float, parts: Parts, top: int, *, rising: bool) -> float:
    """Return how much its sender may send for a line that gets a picture's layers up to `top`.

    `rising`: the line may get more again; when it carries a good picture so, its sender is slowed down to that first.
    """
    for higher in range(ALL, top, -1) if rising else ():
        sendable = sendable_bps(share_bps, parts[higher])
        if sendable >= GOOD_BPS:
            return RISING * sendable
    return sendable_bps(share_bps, parts[top])


def told_bps(asked: list[float], shares: list[float]) -> float:
    """Return what a sender is told: the least that is asked of it, but no less than a picture takes while a receiver's
    line carries that. Infinite: nothing."""
    floor = PICTURE_BPS_MIN if max(shares, default=math.inf) >= PICTURE_BPS_MIN else 0.0
    return max(floor, min(asked, default=math.inf))
