"""The steps that decisions are made of, each a pure function of the room."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeAlias

from signaling.effects import (
    AddToMedia,
    Effect,
    OpenMedia,
    RecordDeparture,
    RecordLines,
    RecordRefusal,
    RemoveFromMedia,
    SendTo,
    StartSession,
    WriteJournal,
)
from signaling.events import SeatAdmitted
from signaling.messages import FromServer, Json, Refused
from signaling.state import Place, Room, snapshot

Decision: TypeAlias = tuple[Room, list[Effect]]
REFUSALS_RECORDED_MAX = 20
"""How many of one seat's are put on record."""
NO_PARAMS: Mapping[str, str | int] = MappingProxyType({})


def show(room: Room) -> list[Effect]:
    """Show everybody present the room as they may see it."""
    return list(_send(room.present(), lambda place: snapshot(room, place)))


def send(places: Iterable[Place], message: FromServer) -> list[Effect]:
    """Send the same message to those of `places` who are present."""
    return list(_send(places, lambda _: message))


def refuse(place: Place, code: str, params: Mapping[str, str | int] = NO_PARAMS) -> list[Effect]:
    """Tell a seat that what it asked is not done."""
    return send([place], Refused(code, dict(params)))


def note_refusal(room: Room, place: Place, code: str) -> Decision:
    """Have it on record that a seat asked for what it must not have; not without end, or that fills the record."""
    if place.refusals >= REFUSALS_RECORDED_MAX:
        return room, []
    return room.with_place(replace(place, refusals=place.refusals + 1)), [RecordRefusal(place.seat_id, code)]


def journal(room: Room, event: str, **details: Json) -> list[Effect]:
    """Write into the recording, when there is one."""
    return [WriteJournal({"event": event, **details})] if room.recording else []


def bring_into_media(room: Room, place: Place) -> Decision:
    """Let a seat see and hear the others, if it may; the recording is opened first when it is not running.

    The only place that adds anybody to media: nobody is heard who was not admitted, and nobody unrecorded.
    """
    if room.phase != "in_session" or not place.admitted or not place.present:
        return room, []
    if not room.recording:
        return room, [OpenMedia()]
    room = room.with_place(replace(place, in_media=True, link="connecting", media_tries=1))
    return room, [AddToMedia(place.seat_id, place.muted, place.publishes)]


def keep_lines(room: Room) -> Decision:
    """Keep what was measured of people's lines, in the recording and on record."""
    if not room.lines:
        return room, []
    people: dict[str, Json] = {seat_id: line.as_json() for seat_id, line in room.lines.items()}
    return replace(room, lines={}), [*journal(room, "LinesMeasured", people=people), RecordLines(room.lines)]


def begin_admission(room: Room, admission: SeatAdmitted) -> list[Effect]:
    """Begin what an admission on record still lacks: the session, or its recording. The seat comes in with that."""
    return [StartSession(admission)] if room.phase == "waiting" else [OpenMedia(admission)]


def take_out_of_media(room: Room, place: Place) -> Decision:
    """Have a seat neither see nor hear nor be recorded any more."""
    gone: list[Effect] = [RemoveFromMedia(place.seat_id)] if place.in_media else []
    return room.with_place(place.without_media()), gone


def vacate(room: Room, place: Place, reason: str) -> Decision:
    """Empty a seat and keep it: who comes back finds admission, mute and devices as they were."""
    room, effects = take_out_of_media(room, place)
    room = room.with_place(replace(room.places[place.seat_id], connection=None, hand=False))
    left = journal(room, "SeatLeft", seat_id=place.seat_id, reason=reason)
    return room, [*effects, *left, *show(room), RecordDeparture(place.seat_id, reason)]


def everybody_in(room: Room) -> Decision:
    """Let everybody who is there and may see and hear the others."""
    added: list[Effect] = []
    for place in list(room.present()):
        room, media = bring_into_media(room, place)
        added += media
    return room, added


def without_media(room: Room) -> Room:
    """Return the room as it is when the media plane does not carry it."""
    places = {seat_id: place.without_media() for seat_id, place in room.places.items()}
    return replace(room, places=places, recording=False, unseen={})


def _send(places: Iterable[Place], message: Callable[[Place], FromServer]) -> Iterator[Effect]:
    for place in places:
        if place.connection is not None:
            yield SendTo(place.connection.connection_id, message(place))
