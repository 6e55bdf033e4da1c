"""A room whose effects are done in a world of sets, which checks after each what must hold."""

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from signaling.absence import PATIENCE
from signaling.closing import CloseReason, Departure
from signaling.effects import (
    AddToMedia,
    CloseConnection,
    CloseMedia,
    Effect,
    EndSession,
    OpenMedia,
    RecordAdmission,
    RecordDeparture,
    RecordEntry,
    RecordSendingBack,
    RecordWord,
    RemoveFromMedia,
    SendTo,
    SetMuted,
    StartSession,
    TakeAnswer,
    WriteJournal,
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
    Looked,
    MediaOpened,
    Outcome,
    Received,
    SeatAdmitted,
    SeatSentBack,
    SessionEnded,
    SessionStarted,
    TroubleArose,
    WordRecorded,
)
from signaling.messages import (
    Admit,
    FromClient,
    FromServer,
    Words,
    WordSaid,
)
from signaling.ports import Opening, Seated
from signaling.recess import BeginRecess, EndRecess, Recess, RecessBegan, RecessEnded, RecessFailed, SetPaused
from signaling.room import decide
from signaling.state import Room
from tests.support.room_page import PEOPLE

NOON = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)
SEATS = tuple(PEOPLE)


def seated(
    seat_id: str, connection_id: str, device: str = "phone", *, takeover: bool = False, words_after: int = 0
) -> Seated:
    role, name, abilities = PEOPLE[seat_id]
    return Seated("h", seat_id, role, name, role, abilities, connection_id, device, takeover, words_after)


@dataclass
class Model:
    """Does a room's effects in a world of sets, and checks after each what must hold."""

    room: Room = field(default_factory=lambda: Room("h"))
    live: dict[str, str] = field(default_factory=dict)
    """Open connection to its seat, as the endpoints see it."""
    deaf: set[str] = field(default_factory=set)
    """Connections that nothing comes through any more, which nobody has noticed."""
    read: dict[str, list[int]] = field(default_factory=dict)
    """Seat to the numbers of the words on its page."""
    recording: bool = False
    paused: bool = False
    """Whether the media plane drops everything."""
    recess_on_record: Recess | None = None
    heard: set[str] = field(default_factory=set)
    sounding: set[str] = field(default_factory=set)
    watching: set[str] = field(default_factory=set)
    """Whom the media plane takes nothing from."""
    admitted: set[str] = field(default_factory=set)
    present: list[str] = field(default_factory=list)
    record_phase: str = "waiting"
    words_left: int = 0
    enders: list[str | None] = field(default_factory=list)
    at: datetime = NOON
    without_host: timedelta = timedelta(0)
    """For how long no host has been seen to be there."""
    connections: int = 0
    record_refuses: bool = False
    sessions_refused: bool = False
    media_fails: bool = False

    def happens(self, event: Event) -> None:
        events: deque[Event] = deque([event])
        while events:
            self.room, effects = decide(self.room, events.popleft())
            for effect in effects:
                events.extend(self._do(effect))
        self._check()

    def enters(self, seat_id: str, device: str, *, takeover: bool) -> None:
        self.connections += 1
        connection_id = f"c{self.connections}"
        self.live[connection_id] = seat_id
        last = max(self.read.setdefault(seat_id, []), default=0)
        self.happens(Entered(seated(seat_id, connection_id, device, takeover=takeover, words_after=last)))

    def says(self, seat_id: str, message: FromClient) -> None:
        for connection_id in [key for key, seat in self.live.items() if seat == seat_id]:
            self.happens(Received(seat_id, connection_id, message, NOON))

    def waits(self, minutes: int) -> None:
        """Time goes by, and the room is looked at."""
        self.at += timedelta(minutes=minutes)
        alone = self.room.phase == "in_session" and "li" not in self.live.values()
        self.without_host = self.without_host + timedelta(minutes=minutes) if alone else timedelta(0)
        self.happens(Looked(self.at))

    def goes(self, seat_id: str) -> None:
        for connection_id in [key for key, seat in self.live.items() if seat == seat_id]:
            del self.live[connection_id]
            self.happens(ConnectionClosed(seat_id, connection_id, Departure.LOST))

    def _do(self, effect: Effect) -> list[Outcome]:
        match effect:
            case SendTo(connection_id, message):
                assert connection_id in self.live, "nothing is sent over a connection that was closed"
                self._shows(connection_id, message)
            case CloseConnection(connection_id, _):
                del self.live[connection_id]
            case RecordEntry(seat_id):
                assert seat_id not in self.present, "nobody enters twice"
                self.present.append(seat_id)
            case RecordDeparture(seat_id, _):
                self.present.remove(seat_id)
            case RecordWord():
                return self._take_down(effect)
            case StartSession() | RecordAdmission() | RecordSendingBack() | EndSession():
                return self._record(effect)
            case BeginRecess() | EndRecess() | SetPaused():
                return self._rest(effect)
            case OpenMedia() | CloseMedia() | WriteJournal():
                return self._recording(effect)
            case AddToMedia() | RemoveFromMedia() | SetMuted() | TakeAnswer():
                return self._media(effect)
        return []

    def _take_down(self, effect: RecordWord) -> list[Outcome]:
        if self.record_refuses:
            return [ActionFailed(effect.seat_id, "refused")]
        self.words_left += 1
        return [WordRecorded(self.words_left, effect.seat_id, effect.text, effect.at)]

    def _shows(self, connection_id: str, message: FromServer) -> None:
        words = message.said if isinstance(message, Words) else (message,) if isinstance(message, WordSaid) else ()
        if connection_id not in self.deaf:
            self.read[self.live[connection_id]] += [word.number for word in words]

    def _rest(self, effect: BeginRecess | EndRecess | SetPaused) -> list[Outcome]:
        assert self.recording, "there is something to pause"
        match effect:
            case SetPaused(paused):
                self.paused = paused
            case BeginRecess(recess):
                self.paused = True
                if self.record_refuses:
                    return [RecessFailed(), ActionFailed(recess.by, "session_refused")]
                assert self.recess_on_record is None, "a recess begins once"
                self.recess_on_record = recess
                return [RecessBegan(recess)]
            case EndRecess(by):
                if self.record_refuses:
                    return [ActionFailed(by, "session_refused")]
                self.recess_on_record = None
                return [RecessEnded(by)]
        return []

    def _recording(self, effect: OpenMedia | CloseMedia | WriteJournal) -> list[Outcome]:
        match effect:
            case OpenMedia(admission):
                assert not self.recording
                if self.media_fails:
                    undone: list[Outcome] = [] if admission is None else [AdmissionFailed(admission)]
                    return [*undone, TroubleArose("recording_unavailable")]
                self.recording = True
                self.paused = self.room.recess is not None
                return [MediaOpened(0)]
            case CloseMedia():
                assert self.recording
                self.recording = False
                self.heard.clear()
            case WriteJournal():
                assert self.recording, "events are written only into a running recording"
        return []

    def _media(self, effect: AddToMedia | RemoveFromMedia | SetMuted | TakeAnswer) -> list[Outcome]:
        match effect:
            case AddToMedia(seat_id, muted, publishes):
                assert self.recording, "nobody is heard unrecorded"
                if self.media_fails:
                    self.heard.discard(seat_id)
                    return [AddingFailed(seat_id, "media_unavailable")]
                self.heard.add(seat_id)
                (self.watching.discard if publishes else self.watching.add)(seat_id)
                (self.sounding.discard if muted or not publishes else self.sounding.add)(seat_id)
            case RemoveFromMedia(seat_id):
                self.heard.discard(seat_id)
            case SetMuted(seat_id, muted):
                (self.sounding.discard if muted or seat_id in self.watching else self.sounding.add)(seat_id)
            case TakeAnswer(seat_id):
                assert seat_id in self.heard
        return []

    def _end(self, by: str | None) -> list[Outcome]:
        assert self.record_phase == "in_session", "a session ends once, and only when it has begun"
        self.recording = False
        self.heard.clear()
        if self.record_refuses:
            return [EndingFailed(), *([ActionFailed(by, "session_refused")] if by else [])]
        assert by or self.without_host >= PATIENCE, "nobody is sent away while a host may come back"
        self.enders.append(by)
        self.record_phase = "ended"
        return [SessionEnded(by)]

    def _record(self, effect: StartSession | RecordAdmission | RecordSendingBack | EndSession) -> list[Outcome]:
        if isinstance(effect, EndSession):
            return self._end(effect.by)
        by = effect.admission.by if isinstance(effect, StartSession) else effect.by
        if isinstance(effect, StartSession) and (self.record_refuses or self.sessions_refused):
            return [AdmissionFailed(effect.admission), ActionFailed(by, "session_refused")]
        if self.record_refuses:
            return [ActionFailed(by, "session_refused")]
        match effect:
            case StartSession(admission):
                assert self.record_phase == "waiting", "a session starts once"
                assert admission.seat_id in self.admitted, "a session starts for somebody who may come in"
                self.record_phase = "in_session"
                return [SessionStarted(admission, NOON)]
            case RecordAdmission():
                self.admitted.add(effect.seat_id)
                return [SeatAdmitted(by, effect.seat_id)]
            case RecordSendingBack():
                self.admitted.discard(effect.seat_id)
                return [SeatSentBack(by, effect.seat_id)]

    def _check(self) -> None:
        for seat_id in self.heard:
            place = self.room.places[seat_id]
            assert seat_id in self.admitted or place.never_waits, "nobody un-admitted is heard"
            assert place.present, "nobody absent is heard"
            assert not (place.muted and seat_id in self.sounding), "nobody muted is heard"
            assert (seat_id in self.watching) == (not place.publishes), "nothing is taken from whoever only watches"
        self._check_words()
        seats = list(self.live.values())
        assert len(seats) == len(set(seats)), "a seat has one connection"
        assert sorted(self.present) == sorted(seats), "the record knows who is there"
        assert {place.seat_id for place in self.room.present()} == set(seats)
        assert set(self.enders) <= {"li", None}, "the host alone ends, or time"
        assert self.room.phase == self.record_phase
        assert self.room.recording == self.recording
        assert self.room.recess == self.recess_on_record
        assert not self.recording or self.paused == (self.room.recess is not None), "nobody is heard in a recess"
        if self.room.phase != "in_session":
            assert not self.recording
            assert not self.heard
        if self.room.phase == "ended":
            assert not self.live, "ended is final"

    def _check_words(self) -> None:
        kept = self.room.words
        for connection_id, seat_id in self.live.items():
            is_host = "admit" in PEOPLE[seat_id][2]
            due = [word.number for word in kept if word.is_for(seat_id, is_host=is_host)]
            read = [number for number in self.read[seat_id] if kept and number >= kept[0].number]
            assert connection_id in self.deaf or read == due, "every word comes once, in order"


def restart(model: Model) -> None:
    """The server stops in good order, and starts with nothing but the record."""
    model.happens(Drained(CloseReason.SERVER_RESTARTING))
    assert not model.live
    phase, started_at, words = model.room.phase, model.room.started_at, model.room.words
    opening = Opening(phase, started_at, frozenset(model.admitted), (), model.recess_on_record, words)
    model.room = Room.opened("h", opening)
    model.without_host = timedelta(0)


def in_session() -> Model:
    """Li hosts, Gao is admitted, Zhao waits."""
    model = Model()
    for seat_id in ("li", "gao", "zhao"):
        model.enters(seat_id, "phone", takeover=False)
    model.says("li", Admit("gao"))
    assert model.heard == {"li", "gao"}
    return model
