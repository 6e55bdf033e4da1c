"""Decides what is told, and kept, of a recording that does not reach the disk. Pure functions of the room."""

from dataclasses import replace
from datetime import datetime, timedelta

from signaling.effects import Effect, OpenMedia, RecordAgain, RecordInterruption, RecordTrouble
from signaling.state import Place, Room
from signaling.steps import Decision, journal, refuse, show
from signaling.trouble import Interruption, RecordingMended, RecordingTroubled, Span, Trouble, joined

NOT_RECORDING = "not_recording"
UNTOLD_MAX = 16
"""How many interruptions may wait for a record that cannot be written to either."""
CAUGHT_UP_MS = 2000


def troubled(room: Room, event: RecordingTroubled) -> Decision:
    """Show everybody admitted what is the matter, and have it on record when it is new."""
    before = room.trouble
    new = before is None or not before.lasts or before.orphaned_ms is not None
    behind_ms = max(0, (room.elapsed_ms or 0) - event.saved_ms)
    since = event.at - timedelta(milliseconds=behind_ms)
    lost = None
    if before is not None and before.lasts:
        since, lost = before.since or since, _orphaned(before)
    room = replace(
        room,
        trouble=Trouble(event.error, since, event.saved_ms, room_s=event.room_s, losing=event.losing, lost=lost),
    )
    return room, [*show(room), *([RecordTrouble(event.error, event.saved_ms)] if new else [])]


def not_recording(room: Room, at: datetime | None) -> Decision:
    """Show that the media plane records nothing, and nobody is heard."""
    before = room.trouble
    if before is not None and before.lasts:
        trouble = replace(before, error=NOT_RECORDING, room_s=None, losing=True)
    else:
        trouble = Trouble(NOT_RECORDING, at, room.saved_ms, losing=True)
    room = replace(room, trouble=trouble)
    return room, [*show(room), RecordTrouble(NOT_RECORDING, trouble.saved_ms)]


def mended(room: Room, event: RecordingMended) -> Decision:
    """Have it on record. The alarm ends; when something was lost, it stays and says so until the host has seen it."""
    trouble = room.trouble
    if trouble is None or not trouble.lasts:
        return room, []
    lost = joined(trouble.lost, joined(_orphaned(trouble), event.lost))
    lost = _before_recess(room, lost, event)
    from_ms = event.elapsed_ms if trouble.saved_ms is None else trouble.saved_ms
    interruption = Interruption(trouble.error, from_ms, event.elapsed_ms, lost)
    seen = replace(trouble, mended_at=event.at, lost=lost, room_s=None, losing=False, orphaned_ms=None)
    room = replace(room, trouble=seen if lost is not None else None, untold=(*room.untold, interruption)[-UNTOLD_MAX:])
    return room, [*show(room), RecordInterruption(interruption)]


def opened_again(room: Room, elapsed_ms: int | None, at: datetime | None) -> Decision:
    """Note that the media plane records again after it did not."""
    trouble = room.trouble
    if trouble is None or not trouble.lasts or trouble.error != NOT_RECORDING or elapsed_ms is None or at is None:
        return room, []
    from_ms = trouble.saved_ms
    if from_ms is None:
        return mended(room, RecordingMended(elapsed_ms, None, at))
    if elapsed_ms < from_ms:
        # Another journal, begun anew: what was recorded before is not where it was either.
        over_ms = 0 if trouble.since is None else (at - trouble.since) // timedelta(milliseconds=1)
        to_ms = from_ms + over_ms
        return mended(room, RecordingMended(to_ms, (0, to_ms), at))
    hole = (from_ms, elapsed_ms) if elapsed_ms > from_ms else None
    return mended(room, RecordingMended(elapsed_ms, hole, at))


def _before_recess(room: Room, lost: Span | None, event: RecordingMended) -> Span | None:
    """Return what was lost before the hearing's recess: in it nothing was to be recorded."""
    if lost is None or room.recess is None:
        return lost
    rested_ms = max(0, (event.at - room.recess.since) // timedelta(milliseconds=1))
    to_ms = min(lost[1], event.elapsed_ms - rested_ms)
    return (lost[0], to_ms) if to_ms > lost[0] else None


def orphaned(room: Room) -> Room:
    """Note that the process is gone that held in memory what the disk would not take."""
    trouble = room.trouble
    if trouble is None or not trouble.lasts:
        return room
    return replace(room, trouble=replace(trouble, orphaned_ms=room.elapsed_ms or 0, room_s=None))


def saved(room: Room, at: datetime | None) -> Decision:
    """See whether the process that went on has reached the disk, where the one before it had not."""
    trouble = room.trouble
    if trouble is None or trouble.orphaned_ms is None or at is None:
        return room, []
    if (room.elapsed_ms or 0) - (room.saved_ms or 0) > CAUGHT_UP_MS:
        return room, []
    return mended(room, RecordingMended(room.saved_ms or 0, None, at))


def asked_again(room: Room, host: Place) -> Decision:
    """The host wants the recording to go on, or has seen that it does."""
    if room.phase != "in_session":
        return room, refuse(host, "hearing_not_started")
    if not room.recording:
        return room, [OpenMedia()]
    trouble = room.trouble
    if trouble is None:
        return room, []
    if trouble.lasts:
        return room, [*journal(room, "RecordingAskedAgain", by=host.seat_id), RecordAgain(host.seat_id)]
    room = replace(room, trouble=None)
    return room, [*journal(room, "HoleSeen", by=host.seat_id), *show(room)]


def keep_untold(room: Room) -> list[Effect]:
    """Try again to have on record what could not be kept when it happened."""
    return [RecordInterruption(interruption) for interruption in room.untold]


def kept(room: Room, interruption: Interruption) -> Room:
    """Note that it is on record."""
    return replace(room, untold=tuple(other for other in room.untold if other != interruption))


def at_the_end(room: Room, elapsed_ms: int, *, unwritten: bool) -> Interruption | None:
    """Return what is to be on record of a hearing that ends in trouble, or whose end the disk did not take in time."""
    trouble = room.trouble
    if trouble is not None and trouble.lasts:
        lost = joined(trouble.lost, _orphaned(trouble))
        from_ms = elapsed_ms if trouble.saved_ms is None else trouble.saved_ms
        return Interruption(trouble.error, from_ms, None if unwritten else elapsed_ms, lost)
    return Interruption("disk_slow", room.saved_ms or 0, None, None) if unwritten else None


def _orphaned(trouble: Trouble) -> Span | None:
    if trouble.orphaned_ms is None or trouble.saved_ms is None:
        return None
    return trouble.saved_ms, trouble.orphaned_ms
