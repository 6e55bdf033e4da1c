"""The room decides: a pure function from what the room is and what happened to what it becomes and wants done.

Whoever enters waits, unless admitted before. The host's first admission begins the session and its recording. A
seat outlives its connection, and has one at most. Nothing here does input or output or reads a clock.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from signaling import alarms, pausing
from signaling.closing import CloseReason
from signaling.effects import (
    AddToMedia,
    CloseConnection,
    CloseMedia,
    Effect,
    OpenMedia,
    RecordDeparture,
    RecordEntry,
    RecordRefusal,
    RecordSendingBack,
)
from signaling.events import (
    ActionFailed,
    AddingFailed,
    AdmissionFailed,
    ConnectionClosed,
    Drained,
    EndingFailed,
    Entered,
    Event,
    InterruptionRecorded,
    LinkBroke,
    LinkStood,
    Measured,
    MediaMoved,
    MediaOpened,
    MediaStopped,
    News,
    OfferMade,
    Outcome,
    PicturesMissed,
    Received,
    RecordingSaved,
    SeatAdmitted,
    SeatSentBack,
    SessionEnded,
    SessionStarted,
    Told,
    TroubleArose,
)
from signaling.lines import is_full, with_second
from signaling.messages import LinkStats, Notice, Offer, Refused, Saved, Stats
from signaling.recess import RecessBegan, RecessEnded, RecessFailed
from signaling.requests import received
from signaling.state import Place, Room
from signaling.steps import (
    Decision,
    begin_admission,
    bring_into_media,
    journal,
    keep_lines,
    refuse,
    send,
    show,
    take_out_of_media,
    vacate,
)
from signaling.trouble import RecordingMended, RecordingTroubled

MEDIA_TRIES = 5
"""How often a link that does not stand is offered afresh before only the person's coming back starts it again."""


def decide(room: Room, event: Event) -> Decision:
    """Return the room after `event`, and what is to be done about it, in order."""
    match event:
        case Entered():
            return _entered(room, event)
        case ConnectionClosed():
            return _connection_closed(room, event)
        case Received():
            return received(room, event)
        case (
            SessionStarted()
            | MediaOpened()
            | AdmissionFailed()
            | SeatAdmitted()
            | SeatSentBack()
            | SessionEnded()
            | EndingFailed()
            | RecessBegan()
            | RecessEnded()
            | RecessFailed()
            | ActionFailed()
            | AddingFailed()
            | InterruptionRecorded()
            | TroubleArose()
        ):
            return _outcome(room, event)
        case (
            OfferMade()
            | LinkStood()
            | LinkBroke()
            | PicturesMissed()
            | Measured()
            | RecordingSaved()
            | RecordingTroubled()
            | RecordingMended()
            | MediaMoved()
            | MediaStopped()
            | Told()
            | Drained()
        ):
            return _news(room, event)
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
            return room, [taken, RecordRefusal(seated.seat_id, CloseReason.SEAT_TAKEN)]
        moved = [CloseConnection(kept.connection.connection_id, CloseReason.MOVED)]
        departed = [RecordDeparture(seated.seat_id, CloseReason.MOVED)]
    place = room.seated(seated)
    room = room.with_place(place)
    written = journal(room, "SeatEntered", seat_id=place.seat_id, role=place.role)
    room, media = bring_into_media(room, place)
    # The record comes last: a database that is slow must not keep people from seeing each other.
    return room, [*moved, *show(room), *written, *media, *departed, RecordEntry(place.seat_id)]


def _connection_closed(room: Room, event: ConnectionClosed) -> Decision:
    place = room.places.get(event.seat_id)
    if place is None or place.connection is None or place.connection.connection_id != event.connection_id:
        return room, []  # refused at the door, or its seat has gone on without it
    return vacate(room, place, event.reason)


def _outcome(room: Room, event: Outcome) -> Decision:
    match event:
        case SessionStarted():
            return _session_started(room, event)
        case MediaOpened():
            return _media_opened(room, event)
        case SeatAdmitted():
            return _seat_admitted(room, event)
        case SeatSentBack():
            return _seat_sent_back(room, event)
        case SessionEnded():
            return _everybody_out(replace(room, phase="ended", recording=False), CloseReason.ENDED)
        case EndingFailed():
            room = _without_media(room)
            return room, [OpenMedia(), *show(room)]
        case RecessBegan() | RecessEnded() | RecessFailed():
            return pausing.outcome(room, event)
        case InterruptionRecorded(interruption):
            return alarms.kept(room, interruption), []
        case AdmissionFailed() | ActionFailed() | AddingFailed() | TroubleArose():
            return _failed(room, event)
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
    room, added = _everybody_in(room)
    return room, [*written, *show(room), *added, *alarmed]


def _media_moved(room: Room) -> Decision:
    if not room.recording:
        return room, []  # closed, or ended, meanwhile
    room, added = _everybody_in(replace(alarms.orphaned(_without_media(room)), recording=True))
    return room, [*show(room), *added]


def _media_stopped(room: Room, at: datetime | None) -> Decision:
    if not room.recording:
        return room, []
    room, alarmed = alarms.not_recording(_without_media(room), at)
    return room, [*send(room.hosts(), Refused("recording_unavailable", {})), *alarmed]


def _everybody_in(room: Room) -> Decision:
    added: list[Effect] = []
    for place in list(room.present()):
        room, media = bring_into_media(room, place)
        added += media
    return room, added


def _without_media(room: Room) -> Room:
    places = {seat_id: place.without_media() for seat_id, place in room.places.items()}
    return replace(room, places=places, recording=False, unseen={})


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


def _adding_failed(room: Room, event: AddingFailed) -> Decision:
    place = room.places.get(event.seat_id)
    if place is None or not place.in_media:
        return room, []
    place = replace(place.without_media(), link="lost")
    room = room.with_place(place)
    told = [place, *(host for host in room.hosts() if host != place)]
    return room, [*send(told, Refused(event.code, {"seat_id": place.seat_id})), *show(room)]


def _news(room: Room, event: News) -> Decision:
    match event:
        case OfferMade() | LinkStood() | LinkBroke():
            return _link_news(room, event)
        case PicturesMissed():
            return _pictures_missed(room, event)
        case Measured(people):
            return _measured(room, people)
        case RecordingSaved() | RecordingTroubled() | RecordingMended():
            return _recording_news(room, event)
        case MediaMoved():
            return _media_moved(room)
        case MediaStopped(_, at):
            return _media_stopped(room, at)
        case Told(topic, data, to):
            readers = [place for place in room.present() if place.seat_id == to or (to is None and place.admitted)]
            return room, send(readers, Notice(topic, dict(data)))
        case Drained(reason):
            return _everybody_out(room, reason)
    assert_never(event)


def _recording_news(room: Room, event: RecordingSaved | RecordingTroubled | RecordingMended) -> Decision:
    match event:
        case RecordingSaved(elapsed_ms, saved_ms, at):
            room, alarmed = alarms.saved(replace(room, elapsed_ms=elapsed_ms, saved_ms=saved_ms), at)
            # Also to those who wait: it is how a page knows that its line still lives.
            return room, [*send(room.present(), Saved(elapsed_ms, saved_ms)), *alarmed]
        case RecordingTroubled():
            return alarms.troubled(room, event)
        case RecordingMended():
            return alarms.mended(room, event)
    assert_never(event)


def _measured(room: Room, people: Mapping[str, LinkStats]) -> Decision:
    told = send(_admitted(room), Stats(dict(people)))
    if not room.recording:
        return room, told
    room = replace(room, lines=with_second(room.lines, people))
    if not is_full(room.lines):
        return room, told
    room, kept = keep_lines(room)
    return room, [*told, *kept, *alarms.keep_untold(room)]


def _link_news(room: Room, event: OfferMade | LinkStood | LinkBroke) -> Decision:
    place = room.places.get(event.seat_id)
    if place is None or not place.in_media:
        return room, []  # news of a link that was dropped meanwhile
    match event:
        case OfferMade():
            return room, send([place], Offer(event.offer_id, event.sdp, dict(event.streams)))
        case LinkStood():
            room = room.with_place(replace(place, link="connected", media_tries=0))
            return room, show(room)
        case LinkBroke():
            return _link_broke(room, place)
    assert_never(event)


def _pictures_missed(room: Room, event: PicturesMissed) -> Decision:
    """Show it in place of the picture; the hosts are told besides, because only they can ask for another browser."""
    before = room.unseen
    room = replace(room, unseen=dict(event.unseen))
    effects = show(room)
    for seat_id, blind in room.unseen.items():
        for by in blind:
            sender, receiver = room.places.get(seat_id), room.places.get(by)
            if by not in before.get(seat_id, ()) and sender is not None and receiver is not None:
                told = Refused("picture_unseen", {"name": sender.name, "by": receiver.name})
                effects += send(room.hosts(), told)
    return room, effects


def _link_broke(room: Room, place: Place) -> Decision:
    again = place.media_tries < MEDIA_TRIES
    room = room.with_place(replace(place, link="lost", media_tries=place.media_tries + 1))
    effects = show(room)
    if again:
        return room, [*effects, AddToMedia(place.seat_id, place.muted, place.publishes)]
    told = [place, *(host for host in room.hosts() if host.seat_id != place.seat_id)]
    return room, [*effects, *send(told, Refused("media_unreachable", {"seat_id": place.seat_id}))]


def _everybody_out(room: Room, reason: CloseReason) -> Decision:
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


def _admitted(room: Room) -> list[Place]:
    return [place for place in room.present() if place.admitted]
