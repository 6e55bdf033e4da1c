"""Decides how it goes on once it is known how something went. Pure functions of the room."""

from dataclasses import replace
from typing import assert_never

from signaling import alarms, ending, pausing
from signaling.effects import (
    OpenMedia,
    RecordSendingBack,
)
from signaling.events import (
    ActionFailed,
    AddingFailed,
    AdmissionFailed,
    EndingFailed,
    InterruptionRecorded,
    MediaOpened,
    OnRecord,
    Outcome,
    SeatAdmitted,
    SeatSentBack,
    SessionEnded,
    SessionStarted,
    TroubleArose,
    WordRecorded,
)
from signaling.messages import Refused
from signaling.recess import (
    RecessBegan,
    RecessEnded,
    RecessFailed,
)
from signaling.state import Room
from signaling.steps import (
    Decision,
    begin_admission,
    bring_into_media,
    everybody_in,
    journal,
    refuse,
    send,
    show,
    take_out_of_media,
    without_media,
)


def outcome(room: Room, event: Outcome) -> Decision:
    """Return the room after it is known how something went that it wanted done."""
    match event:
        case MediaOpened():
            return _media_opened(room, event)
        case RecessBegan() | RecessEnded() | RecessFailed():
            return pausing.outcome(room, event)
        case EndingFailed():
            # It goes on: who was waited for is waited for anew.
            room = replace(without_media(room), no_host_since=None)
            return room, [*([OpenMedia()] if any(room.present()) else []), *show(room)]
        case AdmissionFailed() | ActionFailed() | AddingFailed() | TroubleArose():
            return _failed(room, event)
        case _:
            return _on_record(room, event)


def _on_record(room: Room, event: OnRecord) -> Decision:
    match event:
        case SessionStarted():
            return _session_started(room, event)
        case SeatAdmitted():
            return _seat_admitted(room, event)
        case SeatSentBack():
            return _seat_sent_back(room, event)
        case WordRecorded():
            return _word_recorded(room, event)
        case SessionEnded(by):
            return ending.ended(room, by)
        case InterruptionRecorded(interruption):
            return alarms.kept(room, interruption), []
    assert_never(event)


def _failed(room: Room, event: AdmissionFailed | ActionFailed | AddingFailed | TroubleArose) -> Decision:
    match event:
        case AdmissionFailed(admission):
            return room, [RecordSendingBack(admission.by, admission.seat_id)]
        case ActionFailed(seat_id, code, params):
            asker = room.places.get(seat_id)
            return room, [] if asker is None else refuse(asker, code, params)
        case AddingFailed():
            return _adding_failed(room, event)
        case TroubleArose(code, params, at):
            told = send(room.hosts(), Refused(code, dict(params)))
            if code != "recording_unavailable" or room.phase != "in_session" or room.recording:
                return room, told
            room, shown = alarms.not_recording(room, at)
            return room, [*told, *shown]
    assert_never(event)


def _session_started(room: Room, event: SessionStarted) -> Decision:
    room = replace(room, phase="in_session", started_at=event.at)
    return room, [OpenMedia(event.admission)]


def _media_opened(room: Room, event: MediaOpened) -> Decision:
    room = replace(room, recording=True, elapsed_ms=event.elapsed_ms)
    written = journal(
        room,
        "RecordingOpened",
        seats=[{"seat_id": place.seat_id, "role": place.role} for place in room.present() if place.admitted],
    )
    room, alarmed = alarms.opened_again(room, event.elapsed_ms, event.at)
    room, added = everybody_in(room)
    return room, [*written, *show(room), *added, *alarmed]


def _seat_admitted(room: Room, event: SeatAdmitted) -> Decision:
    place = room.places.get(event.seat_id)
    if place is None:
        return room, []
    place = replace(place, admitted=True)
    room = room.with_place(place)
    if not room.recording:
        # Nothing is shown yet: people are let in together with the recording, or not at all.
        return room, begin_admission(room, event)
    room, media = bring_into_media(room, place)
    return room, [*journal(room, "SeatAdmitted", seat_id=event.seat_id, by=event.by), *show(room), *media]


def _seat_sent_back(room: Room, event: SeatSentBack) -> Decision:
    place = room.places.get(event.seat_id)
    if place is None:
        return room, []
    room, media = take_out_of_media(room, replace(place, admitted=False))
    return room, [*media, *journal(room, "SeatSentBack", seat_id=event.seat_id, by=event.by), *show(room)]


def _word_recorded(room: Room, event: WordRecorded) -> Decision:
    writer = room.places.get(event.seat_id)
    if writer is None:
        return room, []
    room = room.with_word(event.number, writer, event.text, event.at)
    word = room.words[-1]
    readers = [place for place in room.present() if word.is_for(place.seat_id, is_host=place.is_host)]
    # What it says is on record, encrypted, and not in the recording.
    return room, [*journal(room, "WordSaid", seat_id=writer.seat_id), *send(readers, word.as_message())]


def _adding_failed(room: Room, event: AddingFailed) -> Decision:
    place = room.places.get(event.seat_id)
    if place is None or not place.in_media:
        return room, []
    place = replace(place.without_media(), link="lost")
    room = room.with_place(place)
    told = [place, *(host for host in room.hosts() if host != place)]
    return room, [*send(told, Refused(event.code, {"seat_id": place.seat_id})), *show(room)]
