"""The one source of "now", so that tests can say what time it is."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the present instant, aware and in UTC."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the present instant, aware and in UTC."""
        return datetime.now(UTC)


class SteadyClock:
    """A clock set once from the machine's and then driven by its monotonic counter.

    A wall clock that is set in mid-hearing would move every later second of the recording.
    """

    def __init__(self) -> None:
        self._set_at = datetime.now(UTC)
        self._counter_ns = time.monotonic_ns()

    def now(self) -> datetime:
        """Return the present instant, aware and in UTC."""
        return self._set_at + timedelta(microseconds=(time.monotonic_ns() - self._counter_ns) // 1000)


@dataclass
class FixedClock:
    """A clock that stands still until it is told to move."""

    at: datetime

    def now(self) -> datetime:
        """Return the instant this clock was set to."""
        return self.at

    def advance(self, seconds: float) -> None:
        """Move the clock forward by `seconds`."""
        self.at += timedelta(seconds=seconds)
