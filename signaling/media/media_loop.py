"""The event loop of a media process: while it waits, the express lane carries ordinary packets.

A loop that is woken for every few packets spends more on waking up than on them. Here the waiting itself does the work
(`express_wait` in `express.c`), and the loop wakes up for what is Python's: timers, other descriptors, and what the
express lane hands up.
"""

import asyncio
import os
import selectors
import time
from collections.abc import Callable

from signaling.media.express import Express


class _LaneSelector(selectors.EpollSelector):
    """Waits as any selector does; with an express lane, in there."""

    def __init__(self) -> None:
        super().__init__()
        self.express: Express | None = None
        self.bell = -1
        """A descriptor that is never ready by itself: its reader is called for what was handed up."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        express = self.express
        if express is None:
            return super().select(timeout)
        until = None if timeout is None else time.monotonic() + timeout
        ready = super().select(0) if express.wait(self.fileno(), until) else []
        if express.has_handed_up:
            ready.append((self.get_key(self.bell), selectors.EVENT_READ))
        return ready


class MediaLoop(asyncio.SelectorEventLoop):
    """An event loop with room for one express lane."""

    def __init__(self) -> None:
        self._lane = _LaneSelector()
        super().__init__(self._lane)

    def carry(self, express: Express, on_handed_up: Callable[[], None]) -> bool:
        """Wait in this express lane from now on; False when there is one already."""
        if self._lane.express is not None:
            return False
        self._lane.bell = os.eventfd(0, os.EFD_CLOEXEC)
        self.add_reader(self._lane.bell, on_handed_up)
        self._lane.express = express
        return True

    def carry_no_more(self, express: Express) -> None:
        """Wait without it again; one that is not carried stays so."""
        if self._lane.express is express:
            self._lane.express = None
            self.remove_reader(self._lane.bell)
            os.close(self._lane.bell)
