"""What a line loses because too much is sent, told from what it loses by itself.

A line that is too thin, and drops what it cannot carry instead of queueing it, loses less as soon as less is sent. Bad
radio loses as much as before: there sending less spoils the picture and mends nothing, which sending again does. So the
senders are slowed down for a loss once; what did not get better by that is the line's own.
"""

LOSS_HIGH_PCT = 12
"""Beyond what a line loses by itself; less is the business of sending again."""
SHOWS_AFTER_S = 2.0
"""How long it takes until less is sent and that is seen in a second's loss."""
HELPED = 0.5
"""A loss of less than this share of the loss before: it has helped."""
FORGETS_S = 10.0
"""How fast a line's own loss is forgotten once it loses less."""


class LineLoss:
    """Watches what one line loses."""

    def __init__(self) -> None:
        self._own_pct = 0.0
        self._slowed: tuple[float, float] | None = None
        """When the senders were last slowed down for a loss, and for how much of it."""
        self._looked_at = 0.0

    def waits(self, at: float) -> bool:
        """Tell whether it is still to be seen, at monotonic second `at`, what sending less brings."""
        return self._slowed is not None and at - self._slowed[0] < SHOWS_AFTER_S

    def is_too_much(self, loss_pct: float, at: float) -> bool:
        """Take the loss of the second before monotonic second `at`; tell whether to slow the senders down for it."""
        passed_s, self._looked_at = max(0.0, at - self._looked_at), at
        if loss_pct < self._own_pct:
            self._own_pct -= (self._own_pct - loss_pct) * min(1.0, passed_s / FORGETS_S)
        if self.waits(at):
            return False
        if self._slowed is not None:
            slowed_at, before_pct = self._slowed
            self._slowed = None
            if at - slowed_at < FORGETS_S and loss_pct > HELPED * before_pct:
                self._own_pct = max(self._own_pct, loss_pct)
        if loss_pct <= self._own_pct + LOSS_HIGH_PCT:
            return False
        self._slowed = (at, loss_pct)
        return True
