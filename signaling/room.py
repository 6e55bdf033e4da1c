"""The room decides: a pure function from what the room is and what happened to what it becomes and wants done.

Whoever enters waits, unless admitted before. The host's first admission begins the session and its recording. A
seat outlives its connection, and has one at most. Nothing here does input or output or reads a clock.
"""

from dataclasses import replace
from typing import assert_never

from signaling.closing import CloseReason
from signaling.effects import (
    CloseConnection,
    Effect,
    RecordDeparture,
    RecordEntry,
)
from signaling.events import (
    ConnectionClosed,
    Entered,
    Event,
    News,
    Outcome,
    Received,
)
from signaling.messages import Words
from signaling.news import news
from signaling.outcomes import outcome
from signaling.requests import received
from signaling.state import Room
from signaling.steps import (
    Decision,
    bring_into_media,
    journal,
    note_refusal,
    send,
    show,
    vacate,
)
from signaling.words import missed


def decide(room: Room, event: Event) -> Decision:
    """Return the room after `event`, and what is to be done about it, in order."""
    if isinstance(event, Outcome):
        return outcome(room, event)
    if isinstance(event, News):
        return news(room, event)
    match event:
        case Entered():
            return _entered(room, event)
        case ConnectionClosed():
            return _connection_closed(room, event)
        case Received():
            return received(room, event)
    assert_never(event)


def _entered(room: Room, event: Entered) -> Decision:
    seated = event.seated
    if room.phase == "ended":
        return room, [CloseConnection(seated.connection_id, CloseReason.ENDED)]
    moved: list[Effect] = []
    departed: list[Effect] = []
    kept = room.places.get(seated.seat_id)
    if kept is not None and kept.connection is not None:
        # The same browser is never asked: its older page is a tab being reloaded, or a socket not yet known dead.
        if not seated.takeover and kept.connection.device != seated.device:
            taken = CloseConnection(seated.connection_id, CloseReason.SEAT_TAKEN)
            room, noted = note_refusal(room, kept, CloseReason.SEAT_TAKEN)
            return room, [taken, *noted]
        moved = [CloseConnection(kept.connection.connection_id, CloseReason.MOVED)]
        departed = [RecordDeparture(seated.seat_id, CloseReason.MOVED)]
    place = room.seated(seated)
    room = room.with_place(place)
    if place.is_host:
        room = replace(room, no_host_since=None)
    written = journal(room, "SeatEntered", seat_id=place.seat_id, role=place.role)
    room, media = bring_into_media(room, place)
    # What was written towards a line that was dead and not known to be is lost on it.
    words = tuple(missed(room.words, seated.words_after, place.seat_id, is_host=place.is_host))
    recalled = send([place], Words(words)) if words else []
    # The record comes last: a database that is slow must not keep people from seeing each other.
    return room, [*moved, *show(room), *recalled, *written, *media, *departed, RecordEntry(place.seat_id)]


def _connection_closed(room: Room, event: ConnectionClosed) -> Decision:
    place = room.places.get(event.seat_id)
    if place is None or place.connection is None or place.connection.connection_id != event.connection_id:
        return room, []  # refused at the door, or its seat has gone on without it
    return vacate(room, place, event.reason)
