"""How much may wait in a process's memory for disks that take nothing: all its journals together."""

from typing import Protocol

GO_ON_BELOW = 0.5
"""A journal that was refused is taken up again when no more than this part is in use: a hole is one, not a hundred."""


class Waiting(Protocol):
    """A journal, as far as it lies in memory."""

    @property
    def waiting_bytes(self) -> int:
        """What of it is not on the disk, in bytes; 0 when it is closed."""
        ...

    @property
    def closed(self) -> bool:
        """Whether nothing is added any more."""
        ...


class Memory:
    """A bound for all journals of a process. One thread asks and adds; others may flush, open and close meanwhile.

    What is added is counted at once, what was stored only when the bound seems to be reached: usually one comparison.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._journals: list[Waiting] = []
        self._used = 0

    def join(self, journal: Waiting) -> None:
        """Count a journal, too, until it is closed."""
        self._journals.append(journal)

    def took(self, size: int) -> None:
        """Count what a journal has taken."""
        self._used += size

    def is_full(self, size: int) -> bool:
        """Tell whether there is no room for so many bytes more."""
        return self._used + size > self._bytes_max and self._counted() + size > self._bytes_max

    @property
    def room_left(self) -> float:
        """How much is free, 0 to 1."""
        return max(0.0, 1 - self._counted() / self._bytes_max)

    @property
    def is_roomy(self) -> bool:
        """Whether there is room for who was refused."""
        return self.room_left >= 1 - GO_ON_BELOW

    def _counted(self) -> int:
        for journal in [journal for journal in self._journals if journal.closed]:
            self._journals.remove(journal)
        self._used = sum(journal.waiting_bytes for journal in list(self._journals))
        return self._used
