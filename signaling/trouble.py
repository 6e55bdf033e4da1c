"""When the recording does not reach the disk: what the room knows of it, as immutable values."""

from dataclasses import dataclass
from datetime import datetime

Span = tuple[int, int]
"""From when to when, in milliseconds of the recording."""


@dataclass(frozen=True, slots=True)
class Interruption:
    """A time in which the recording did not reach the disk, as it goes on record.

    `to_ms` None: until the hearing's end, when there was still something to be written. `lost`: what was not recorded
    at all; None when everything that waited was written afterwards.
    """

    error: str
    from_ms: int
    to_ms: int | None
    lost: Span | None


@dataclass(frozen=True, slots=True)
class Trouble:
    """The recording does not reach the disk now; or did not until `mended_at`, and something was lost.

    `error`: a `JournalTrouble`'s, or `not_recording`: the media plane is not open, nobody is heard. Everything before
    `saved_ms` is safe (None: not known); `room_s`: for how long memory still holds what comes (None: not known);
    `losing`: not any more. `orphaned_ms`: where the recording stood when the process died that held it in memory.
    """

    error: str
    since: datetime | None
    saved_ms: int | None
    room_s: int | None = None
    losing: bool = False
    mended_at: datetime | None = None
    lost: Span | None = None
    orphaned_ms: int | None = None

    @property
    def lasts(self) -> bool:
        """Whether it goes on."""
        return self.mended_at is None


def joined(one: Span | None, other: Span | None) -> Span | None:
    """Return the span over both."""
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), max(one[1], other[1])


@dataclass(frozen=True, slots=True)
class RecordingTroubled:
    """What arrives does not reach the disk; see `signaling.media.events.JournalTrouble`."""

    error: str
    saved_ms: int
    room_s: int | None
    losing: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class RecordingMended:
    """What waited for the disk is there; `lost` was not recorded."""

    elapsed_ms: int
    lost: Span | None
    at: datetime
