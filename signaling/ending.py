"""Decides how a hearing is brought to its end, and everybody sent away. Pure functions of the room."""

from dataclasses import replace

from signaling import alarms
from signaling.absence import HOST_ABSENT
from signaling.closing import CloseReason
from signaling.effects import CloseConnection, CloseMedia, Effect, EndSession, RecordDeparture
from signaling.state import Room
from signaling.steps import Decision, journal, keep_lines, show


def bring_to_end(room: Room, by: str | None) -> Decision:
    """Have the hearing ended, at the word of a seat or for want of a host; what is not kept yet is kept first."""
    room, kept = keep_lines(room)
    written = journal(room, "HearingEnded", by=by) if by else journal(room, "HearingEnded", reason=HOST_ABSENT)
    return room, [*kept, *alarms.keep_untold(room), *written, EndSession(by)]


def ended(room: Room, by: str | None) -> Decision:
    """The hearing is over on record: show it, and send everybody away."""
    room = replace(room, phase="ended", recording=False)
    return everybody_out(room, CloseReason.ENDED if by else CloseReason.HOST_ABSENT)


def everybody_out(room: Room, reason: CloseReason) -> Decision:
    """Close every connection, and the recording if it still runs."""
    effects = show(room) if room.phase == "ended" else []
    departed: list[Effect] = []
    for place in room.present():
        if place.connection is not None:
            effects.append(CloseConnection(place.connection.connection_id, reason))
            effects += journal(room, "SeatLeft", seat_id=place.seat_id, reason=reason)
            departed.append(RecordDeparture(place.seat_id, reason))
    room, kept = keep_lines(room)
    effects += kept
    if room.recording:
        effects.append(CloseMedia())
    effects += departed
    emptied = {
        seat_id: replace(place.without_media(), connection=None, hand=False) for seat_id, place in room.places.items()
    }
    return replace(room, places=emptied, recording=False), effects
