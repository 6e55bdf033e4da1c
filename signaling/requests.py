"""What people ask over their connection, and whether they get it."""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from signaling import alarms, pausing
from signaling.closing import CloseReason
from signaling.effects import (
    CloseConnection,
    Effect,
    RecordAdmission,
    RecordSendingBack,
    RecordWord,
    SetMuted,
    TakeAnswer,
)
from signaling.ending import bring_to_end
from signaling.events import Received, SeatAdmitted
from signaling.lines import Line
from signaling.messages import (
    Admit,
    Answer,
    ClientMessage,
    Devices,
    End,
    Hand,
    Leave,
    Mute,
    Pause,
    Prompt,
    Quality,
    RecordAgain,
    Resume,
    SendBack,
    Word,
)
from signaling.ports import ADMIT, END, MUTE_OTHERS, PAUSE, PROMPT, RAISE_HAND, SEND_BACK, WORD
from signaling.state import Place, Room
from signaling.steps import Decision, begin_admission, journal, note_refusal, refuse, show, vacate

NEEDS: dict[type[ClientMessage], str] = {
    Admit: ADMIT,
    SendBack: SEND_BACK,
    Mute: MUTE_OTHERS,
    Prompt: PROMPT,
    Pause: PAUSE,
    Resume: PAUSE,
    RecordAgain: ADMIT,
    End: END,
    Word: WORD,
    Hand: RAISE_HAND,
}
"""The ability each request needs; those not named are everybody's."""


def received(room: Room, event: Received) -> Decision:
    """Decide what a message brings about. One from a connection that no longer holds the seat brings nothing."""
    place = room.places.get(event.seat_id)
    if place is None or place.connection is None or place.connection.connection_id != event.connection_id:
        return room, []
    needed = NEEDS.get(type(event.message))
    if needed is not None and needed not in place.abilities:
        # The page offers no such button to this person: somebody tries things out.
        told = refuse(place, "not_permitted")
        room, noted = note_refusal(room, place, "not_permitted")
        return room, [*told, *noted]
    match event.message:
        case Admit() | SendBack() | Mute() | Prompt() | RecordAgain() | End():
            return _host_asks(room, place, event.message)
        case Pause(reason):
            return room, pausing.pause(room, place, reason, event.at)
        case Resume():
            return room, pausing.resume(room, place)
        case Word(text):
            return room, _word(place, text, event.at)
        case Answer() | Devices() | Hand() | Quality() | Leave():
            return _person_asks(room, place, event.message)
    assert_never(event.message)


def _person_asks(room: Room, place: Place, message: Answer | Devices | Hand | Quality | Leave) -> Decision:
    match message:
        case Answer(offer_id, sdp):
            if not place.in_media:
                # Sent back, or the hearing over, while the browser was still preparing its answer.
                return room, refuse(place, "no_call_now")
            return room, [TakeAnswer(place.seat_id, offer_id, sdp)]
        case Devices(microphone, camera):
            changed = replace(place, microphone=microphone, camera=camera)
            return _changed(room, place, changed, "DevicesChanged", microphone=microphone, camera=camera)
        case Hand(raised):
            return _changed(room, place, replace(place, hand=raised), "HandRaised" if raised else "HandLowered")
        case Quality(freezes, frozen_ms):
            if not place.in_media or room.recess is not None:
                return room, []
            line = room.lines.get(place.seat_id, Line()).froze(freezes, frozen_ms)
            return replace(room, lines={**room.lines, place.seat_id: line}), []
        case Leave() if place.connection is not None:
            closing = CloseConnection(place.connection.connection_id, CloseReason.LEFT)
            room, effects = vacate(room, place, CloseReason.LEFT)
            return room, [closing, *effects]
    return room, []


def _host_asks(room: Room, host: Place, message: Admit | SendBack | Mute | Prompt | RecordAgain | End) -> Decision:
    match message:
        case Prompt(text):
            if text == room.prompt:
                return room, []
            room = replace(room, prompt=text)
            return room, [*journal(room, "PromptShown", text=text), *show(room)]
        case RecordAgain():
            return alarms.asked_again(room, host)
        case End():
            return _end(room, host)
        case Admit() | SendBack() | Mute():
            target = room.places.get(message.seat_id)
            if target is None:
                return room, refuse(host, "seat_unknown")
            if isinstance(message, Admit):
                return room, _admit(room, host, target)
            if isinstance(message, SendBack):
                return room, _send_back(host, target)
            return _mute(room, host, target, muted=message.muted)
    assert_never(message)


def _admit(room: Room, host: Place, target: Place) -> list[Effect]:
    if target.admitted:
        # A double click. But if what an admission brings about failed and could not be taken back, or the recording
        # could not be opened again after a restart, it asks to try once more.
        if room.recording or target.never_waits:
            return []
        return begin_admission(room, SeatAdmitted(host.seat_id, target.seat_id))
    if not target.present:
        return refuse(host, "seat_absent")
    return [RecordAdmission(host.seat_id, target.seat_id)]


def _send_back(host: Place, target: Place) -> list[Effect]:
    if target.never_waits:
        return refuse(host, "not_permitted")
    return [RecordSendingBack(host.seat_id, target.seat_id)] if target.admitted else []


def _mute(room: Room, host: Place, target: Place, *, muted: bool) -> Decision:
    event = "SeatMuted" if muted else "SeatUnmuted"
    room, effects = _changed(room, target, replace(target, muted=muted), event, by=host.seat_id)
    if effects and target.in_media:
        return room, [SetMuted(target.seat_id, room.places[target.seat_id].muted), *effects]
    return room, effects


def _end(room: Room, host: Place) -> Decision:
    if room.phase == "waiting":
        return room, refuse(host, "hearing_not_started")
    return bring_to_end(room, host.seat_id)


def _word(place: Place, text: str, at: datetime) -> list[Effect]:
    """Have a written word on record, where it is encrypted; the others get it then, and what is refused nobody gets."""
    return [RecordWord(place.seat_id, text, at)] if text.strip() else refuse(place, "text_empty")


def _changed(room: Room, before: Place, after: Place, event: str, **details: str) -> Decision:
    if before == after:
        return room, []
    room = room.with_place(after)
    return room, [*journal(room, event, seat_id=after.seat_id, **details), *show(room)]
