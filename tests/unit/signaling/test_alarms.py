"""What is said to be lost of a recording is what was to be recorded, and was not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from signaling.effects import RecordInterruption
from signaling.events import MediaOpened, MediaStopped
from signaling.recess import Recess
from signaling.room import decide
from signaling.state import Room
from signaling.trouble import Interruption, RecordingMended, RecordingTroubled, Span

TEN = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """Return the moment so long after the recording began."""
    return TEN + timedelta(seconds=seconds)


def hearing(*, saved_s: float, rests_since_s: float | None) -> Room:
    """A hearing that has lasted for 60 s, of which so many are on the disk."""
    recess = None if rests_since_s is None else Recess(after(rests_since_s), "li", "")
    room = Room("h", phase="in_session", recording=True, started_at=TEN, recess=recess)
    return replace(room, elapsed_ms=60_000, saved_ms=int(saved_s * 1000))


@pytest.mark.parametrize(
    ("saved_s", "rests_since_s", "lost"),
    [
        (59.3, None, (59_300, 90_000)),
        (59.3, 20, None),
        (59.3, 59.1, None),
        (59.3, 59.8, (59_300, 59_800)),
    ],
    ids=["nobody rests", "it rests long since", "all of before is safe", "a little of before is not"],
)
def test_of_media_lost_in_a_recess_only_what_came_before_it_is_missing(
    saved_s: float, rests_since_s: float | None, lost: Span | None
) -> None:
    room, _ = decide(hearing(saved_s=saved_s, rests_since_s=rests_since_s), MediaStopped("no_worker", after(60)))
    room, effects = decide(room, MediaOpened(90_000, after(90)))
    (kept,) = [effect.interruption for effect in effects if isinstance(effect, RecordInterruption)]
    assert kept == Interruption("not_recording", int(saved_s * 1000), 90_000, lost)
    assert (room.trouble is not None) == (lost is not None), "the alarm stays for what is missing, and for nothing else"


def test_of_a_disk_that_held_nothing_in_a_recess_only_what_came_before_it_is_missing() -> None:
    room = hearing(saved_s=40, rests_since_s=50)
    room, _ = decide(room, RecordingTroubled("disk_full", 40_000, 0, True, after(60)))
    _, effects = decide(room, RecordingMended(80_000, (45_000, 80_000), after(80)))
    (kept,) = [effect.interruption for effect in effects if isinstance(effect, RecordInterruption)]
    assert kept.lost == (45_000, 50_000)
