"""What no order of events may bring about in a room, tried with orders nobody thought of."""

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    RecordLines,
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
    LinkBroke,
    LinkStood,
    Looked,
    Measured,
    MediaMoved,
    MediaOpened,
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
    WordRecorded,
)
from signaling.messages import (
    Admit,
    Answer,
    Devices,
    End,
    FromClient,
    FromServer,
    Hand,
    Leave,
    LinkStats,
    Mute,
    Pause,
    Prompt,
    Quality,
    RecordAgain,
    Refused,
    Resume,
    RoomShown,
    SendBack,
    Word,
    Words,
    WordSaid,
)
from signaling.ports import Opening, SeatCard, Seated
from signaling.recess import BeginRecess, EndRecess, Recess, RecessBegan, RecessEnded, RecessFailed, SetPaused
from signaling.room import decide
from signaling.state import Room, snapshot
from signaling.trouble import RecordingMended, RecordingTroubled
from signaling.words import WORDS_KEPT
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
            case RecordWord(seat_id, text, at):
                return [ActionFailed(seat_id, "refused")] if self.record_refuses else [WordRecorded(seat_id, text, at)]
            case StartSession() | RecordAdmission() | RecordSendingBack() | EndSession():
                return self._record(effect)
            case BeginRecess() | EndRecess() | SetPaused():
                return self._rest(effect)
            case OpenMedia() | CloseMedia() | WriteJournal():
                return self._recording(effect)
            case AddToMedia() | RemoveFromMedia() | SetMuted() | TakeAnswer():
                return self._media(effect)
        return []

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


seat_ids = st.sampled_from(SEATS)
link_events = st.one_of(
    st.builds(LinkStood, seat_ids),
    st.builds(LinkBroke, seat_ids, st.sampled_from(("silent", "unanswered"))),
    st.builds(OfferMade, seat_ids, st.integers(0, 9), st.just("v=0"), st.just({"0": "gao"})),
    st.builds(Told, st.just("still"), st.just({}), seat_ids | st.none()),
    st.just(TroubleArose("recording_trouble")),
    st.just(RecordingSaved(2, 1, NOON)),
    st.builds(RecordingTroubled, st.just("disk_full"), st.just(1), st.none(), st.booleans(), st.just(NOON)),
    st.builds(RecordingMended, st.just(2), st.none() | st.just((1, 2)), st.just(NOON)),
    st.just(MediaMoved("died")),
    st.just(Measured({"gao": LinkStats(0.0, None, 1, 1)})),
)
device_states = st.sampled_from(("on", "off", "missing"))
messages = st.one_of(
    st.builds(Admit, seat_ids | st.just("nobody")),
    st.builds(SendBack, seat_ids),
    st.builds(Mute, seat_ids, st.booleans()),
    st.builds(Pause, st.sampled_from(("", "歇十分钟"))),
    st.just(Resume()),
    st.builds(Prompt, st.sampled_from(("", "请出示身份证"))),
    st.builds(Hand, st.booleans()),
    st.builds(Word, st.sampled_from(("", "听得到吗"))),
    st.builds(Devices, device_states, device_states),
    st.builds(Answer, st.integers(0, 9), st.just("v=0")),
    st.builds(Quality, st.integers(0, 9), st.integers(0, 5000)),
    st.just(RecordAgain()),
    st.just(Leave()),
    st.just(End()),
)
steps = st.one_of(
    st.tuples(st.just("enters"), seat_ids, st.sampled_from(("phone", "tablet")), st.booleans()),
    st.tuples(st.just("admits"), seat_ids),
    st.tuples(st.just("says"), seat_ids, messages),
    st.tuples(st.just("goes"), seat_ids),
    st.tuples(st.just("goes deaf"), seat_ids),
    st.tuples(st.just("news"), link_events),
    st.tuples(st.just("fails"), st.booleans(), st.booleans()),
    st.tuples(st.just("waits"), st.integers(0, 50)),
    st.tuples(st.just("restarts")),
)


def restart(model: Model) -> None:
    """The server stops in good order, and starts with nothing but the record."""
    model.happens(Drained(CloseReason.SERVER_RESTARTING))
    assert not model.live
    phase, started_at, words = model.room.phase, model.room.started_at, model.room.words
    opening = Opening(phase, started_at, frozenset(model.admitted), (), model.recess_on_record, words)
    model.room = Room.opened("h", opening)
    model.without_host = timedelta(0)


def take(model: Model, step: tuple[object, ...]) -> None:
    """Let one step of a story happen."""
    match step:
        case ("enters", str(seat_id), str(device), bool(takeover)):
            model.enters(seat_id, device, takeover=takeover)
        case ("admits", str(seat_id)):
            model.says("li", Admit(seat_id))
        case ("says", str(seat_id), message):
            model.says(seat_id, message)  # type: ignore[arg-type]
        case ("goes", str(seat_id)):
            model.goes(seat_id)
        case ("goes deaf", str(seat_id)):
            model.deaf |= {key for key, seat in model.live.items() if seat == seat_id}
        case ("news", event):
            model.happens(event)  # type: ignore[arg-type]
        case ("fails", bool(record), bool(media)):
            model.record_refuses, model.media_fails = record, media
        case ("waits", int(minutes)):
            model.waits(minutes)
        case ("restarts",):
            restart(model)


@settings(max_examples=400, deadline=None)
@given(st.booleans(), st.lists(steps, max_size=60))
def test_whatever_happens_nobody_is_heard_unadmitted_or_unrecorded(
    begun: bool, story: list[tuple[object, ...]]
) -> None:
    model = in_session() if begun else Model()
    for step in story:
        take(model, step)


def in_session() -> Model:
    """Li hosts, Gao is admitted, Zhao waits."""
    model = Model()
    for seat_id in ("li", "gao", "zhao"):
        model.enters(seat_id, "phone", takeover=False)
    model.says("li", Admit("gao"))
    assert model.heard == {"li", "gao"}
    return model


def test_the_model_itself_reaches_a_hearing_and_its_end() -> None:
    model = in_session()
    model.says("zhao", End())
    model.says("gao", End())
    assert model.room.phase == "in_session"
    model.says("li", End())
    assert model.record_phase == "ended"
    assert model.live == {}


@pytest.mark.parametrize(
    "message", [Admit("gao"), Mute("gao", False), Prompt(""), Resume(), Hand(False), SendBack("zhao")]
)
def test_what_is_so_already_is_done_in_silence(message: FromClient) -> None:
    model = in_session()
    asker = "gao" if isinstance(message, Hand) else "li"
    connection = next(key for key, seat in model.live.items() if seat == asker)
    assert decide(model.room, Received(asker, connection, message, NOON)) == (model.room, [])


def test_a_message_from_a_connection_that_lost_its_seat_does_nothing() -> None:
    model = in_session()
    old = next(key for key, seat in model.live.items() if seat == "li")
    model.enters("li", "phone", takeover=False)
    assert decide(model.room, Received("li", old, End(), NOON)) == (model.room, [])
    assert decide(model.room, ConnectionClosed("li", old, Departure.LOST)) == (model.room, [])


def test_a_host_is_never_sent_back_nor_a_colleague_who_enters_freely() -> None:
    model = in_session()
    model.enters("wang", "phone", takeover=False)
    assert "wang" in model.heard
    for seat_id in ("li", "wang"):
        model.says("li", SendBack(seat_id))
        assert seat_id in model.heard


def test_a_raised_hand_goes_down_when_its_owner_goes() -> None:
    model = in_session()
    model.says("gao", Hand(True))
    assert model.room.places["gao"].hand
    model.goes("gao")
    assert not model.room.places["gao"].hand


def test_an_absent_visitor_is_admitted_only_once_there() -> None:
    model = in_session()
    model.goes("zhao")
    model.says("li", Admit("zhao"))
    assert "zhao" not in model.admitted


def test_somebody_gone_at_the_moment_of_admission_is_admitted_and_not_heard() -> None:
    model = in_session()
    model.goes("zhao")
    room, effects = decide(model.room, SeatAdmitted("li", "zhao"))
    assert room.places["zhao"].admitted
    assert not any(isinstance(effect, AddToMedia) for effect in effects)


@pytest.mark.parametrize("failing", ["session", "recording"])
def test_an_admission_that_comes_to_nothing_is_taken_back(failing: str) -> None:
    model = Model()
    model.enters("li", "phone", takeover=False)
    model.enters("gao", "phone", takeover=False)
    model.sessions_refused = failing == "session"
    model.media_fails = failing == "recording"
    model.says("li", Admit("gao"))
    assert not model.room.places["gao"].admitted
    assert model.admitted == set()
    model.sessions_refused = model.media_fails = False
    model.says("li", Admit("gao"))
    assert model.heard == {"li", "gao"}


def test_an_admission_that_the_record_refuses_begins_nothing() -> None:
    model = Model(record_refuses=True)
    model.enters("li", "phone", takeover=False)
    model.enters("gao", "phone", takeover=False)
    model.says("li", Admit("gao"))
    assert (model.record_phase, model.recording) == ("waiting", False)


def test_a_recording_that_could_not_be_opened_again_is_tried_again_when_the_host_asks() -> None:
    model = in_session()
    restart(model)
    model.media_fails = True
    for seat_id in ("li", "gao", "zhao"):
        model.enters(seat_id, "phone", takeover=False)
    assert not model.recording
    model.media_fails = False
    model.says("li", Admit("gao"))
    assert model.heard == {"li", "gao"}


def test_the_room_shows_each_what_they_may_know() -> None:
    model = in_session()
    places = model.room.places

    def seen_by(seat_id: str) -> set[str]:
        return {person.seat_id for person in snapshot(model.room, places[seat_id]).people}

    assert seen_by("li") == {"li", "gao", "zhao"}
    assert seen_by("gao") == {"li", "gao"}
    assert seen_by("zhao") == {"li", "zhao"}


def measured(model: Model, seconds: int, loss_pct: float = 0.0) -> list[Effect]:
    """Let so many seconds be measured of Gao; return what the room wanted done."""
    wanted: list[Effect] = []
    for _ in range(seconds):
        model.room, effects = decide(model.room, Measured({"gao": LinkStats(loss_pct, 40, 800, 30, 3)}))
        wanted += effects
    return wanted


def test_ten_seconds_of_peoples_lines_are_kept_as_one() -> None:
    model = in_session()
    assert not [effect for effect in measured(model, 9) if not isinstance(effect, SendTo)]
    model.says("gao", Quality(2, 1500))
    model.says("zhao", Quality(9, 9000))
    written, recorded = (effect for effect in measured(model, 1, 5.0) if not isinstance(effect, SendTo))
    assert isinstance(written, WriteJournal)
    line = {
        "measured_s": 10,
        "loss_pct": 0.5,
        "loss_pct_max": 5.0,
        "rtt_ms": 40,
        "jitter_ms_max": 3,
        "kbps": 800,
        "freezes": 2,
        "frozen_ms": 1500,
    }
    assert written.mapping == {"event": "LinesMeasured", "people": {"gao": line}}, "whoever waits has no line"
    assert isinstance(recorded, RecordLines)
    assert recorded.lines["gao"].freezes == 2
    assert model.room.lines == {}


def test_what_was_measured_last_is_kept_when_the_hearing_ends() -> None:
    model = in_session()
    measured(model, 3)
    connection = next(key for key, seat in model.live.items() if seat == "li")
    _, effects = decide(model.room, Received("li", connection, End(), NOON))
    assert [type(effect) for effect in effects] == [WriteJournal, RecordLines, WriteJournal, EndSession]


def test_what_was_written_towards_a_dead_line_is_there_for_whoever_comes_back_once() -> None:
    model = in_session()
    model.says("li", Word("听得到吗"))
    model.deaf |= {key for key, seat in model.live.items() if seat == "gao"}
    model.says("zhao", Word("我到了"))
    model.says("li", Word("还在吗"))
    assert model.read["gao"] == [1]
    model.enters("gao", "phone", takeover=False)
    assert model.read["gao"] == [1, 3], "not what another visitor wrote to the host"
    restart(model)
    for seat_id in ("gao", "zhao", "li"):
        model.enters(seat_id, "phone", takeover=False)
    model.read["gao"].clear()
    model.enters("gao", "tablet", takeover=True)
    assert model.read == {"li": [1, 2, 3], "gao": [1, 3], "zhao": [1, 2, 3]}, "a page begun anew gets all"


def test_a_word_that_the_record_refuses_reaches_nobody() -> None:
    model = in_session()
    model.record_refuses = True
    model.says("gao", Word("听得到吗"))
    assert model.room.words == ()


def test_a_long_talk_is_sent_again_by_its_end_alone() -> None:
    model = in_session()
    for number in range(WORDS_KEPT + 3):
        model.says("zhao", Word(str(number)))
    model.read["li"].clear()
    model.enters("li", "desk", takeover=True)
    assert model.read["li"] == list(range(4, WORDS_KEPT + 4))


def test_whoever_watches_comes_in_and_is_known_to_everybody_inside() -> None:
    model = in_session()
    model.enters("chen", "desk", takeover=False)
    assert "chen" in model.heard & model.watching
    shown = snapshot(model.room, model.room.places["gao"]).people
    assert [(person.role, person.present) for person in shown if person.seat_id == "chen"] == [("observer", True)]
    model.says("chen", Word("我来说两句"))
    model.says("chen", Hand(True))
    assert not model.room.places["chen"].hand
    model.says("li", Mute("chen", False))
    assert "chen" not in model.sounding


def test_a_recess_is_the_hosts_to_begin_and_to_end_and_everybody_sees_it() -> None:
    model = in_session()
    model.says("gao", Pause())
    assert not model.paused
    model.says("li", Pause(" 歇十分钟 "))
    assert model.paused
    for seat_id in ("li", "gao", "zhao"):
        shown = snapshot(model.room, model.room.places[seat_id]).recess
        assert shown is not None
        assert (shown.since, shown.by, shown.reason) == (NOON.isoformat(), "李检察官", "歇十分钟")
    model.says("gao", Resume())
    assert model.paused
    model.says("li", Resume())
    assert not model.paused
    assert snapshot(model.room, model.room.places["gao"]).recess is None


def test_nobody_rests_before_the_hearing_has_begun() -> None:
    model = Model()
    model.enters("li", "phone", takeover=False)
    model.says("li", Pause())
    assert model.room.recess is None


def test_a_recess_that_the_record_refuses_stops_nothing() -> None:
    model = in_session()
    model.record_refuses = True
    model.says("li", Pause())
    assert not model.paused
    assert model.room.recess is None
    model.record_refuses = False
    model.says("li", Pause())
    model.record_refuses = True
    model.says("li", Resume())
    assert model.paused, "what is on record as a recess stays one"


def test_a_recess_outlives_the_server_and_the_hearing_can_be_ended_in_it() -> None:
    model = in_session()
    model.says("li", Pause())
    restart(model)
    model.enters("gao", "phone", takeover=False)
    assert model.paused
    assert model.heard == {"gao"}, "the link stands, for the moment in which the hearing goes on"
    model.enters("li", "phone", takeover=False)
    model.says("li", End())
    assert model.record_phase == "ended"


def test_a_recess_cannot_end_while_nothing_records_but_the_recording_is_tried_again() -> None:
    model = in_session()
    model.says("li", Pause())
    restart(model)
    model.media_fails = True
    model.enters("li", "phone", takeover=False)
    model.media_fails = False
    model.says("li", Resume())
    assert model.paused
    model.says("li", Resume())
    assert not model.paused


def test_a_picture_that_stands_still_in_a_recess_is_no_fault_of_the_line() -> None:
    model = in_session()
    model.says("li", Pause())
    model.says("gao", Quality(1, 5000))
    assert model.room.lines == {}


def test_a_hearing_waits_half_an_hour_for_its_host_and_says_so() -> None:
    model = in_session()
    model.goes("li")
    model.waits(0)
    awaited = snapshot(model.room, model.room.places["gao"]).host_awaited
    assert awaited is not None
    assert (awaited.since, awaited.ends_at) == (NOON.isoformat(), (NOON + timedelta(minutes=30)).isoformat())
    model.waits(29)
    assert model.room.phase == "in_session"
    model.waits(1)
    assert (model.enders, model.live, model.recording) == ([None], {}, False)


def test_a_host_who_comes_back_is_waited_for_no_more() -> None:
    model = in_session()
    model.goes("li")
    model.waits(0)
    model.waits(20)
    model.enters("li", "phone", takeover=False)
    assert snapshot(model.room, model.room.places["gao"]).host_awaited is None
    model.goes("li")
    model.waits(0)
    model.waits(20)
    assert model.room.phase == "in_session"


def test_a_hearing_in_recess_waits_until_after_lunch() -> None:
    model = in_session()
    model.says("li", Pause("午休"))
    model.goes("li")
    model.waits(0)
    model.waits(180)
    assert model.room.phase == "in_session"
    model.waits(60)
    assert model.record_phase == "ended"


def test_after_a_restart_a_hearing_that_nobody_comes_back_to_ends_too() -> None:
    model = in_session()
    restart(model)
    model.waits(0)
    model.waits(30)
    assert (model.record_phase, model.enders) == ("ended", [None])


def test_an_end_that_the_record_refuses_is_tried_again_half_an_hour_later() -> None:
    model = in_session()
    model.goes("li")
    model.waits(0)
    model.record_refuses = True
    model.waits(30)
    assert model.recording, "who is left goes on being recorded"
    model.record_refuses = False
    model.waits(0)
    model.waits(29)
    assert model.record_phase == "in_session"
    model.waits(1)
    assert model.record_phase == "ended"


def test_who_cannot_see_whom_is_shown_to_all_who_know_of_both_and_told_to_the_host_once() -> None:
    model = in_session()
    blind = PicturesMissed({"gao": ("li", "zhao")})
    model.room, effects = decide(model.room, blind)
    places = model.room.places

    def unseen(viewer: str) -> dict[str, tuple[str, ...]]:
        shown = snapshot(model.room, places[viewer]).people
        return {person.seat_id: person.unseen_by for person in shown if person.unseen_by}

    assert unseen("li") == {"gao": ("li", "zhao")}
    # Gao does not know that Zhao waits.
    assert unseen("gao") == {"gao": ("li",)}
    alarms = [
        effect.message for effect in effects if isinstance(effect, SendTo) and isinstance(effect.message, Refused)
    ]
    assert [(alarm.code, alarm.params["by"]) for alarm in alarms] == [
        ("picture_unseen", places["li"].name),
        ("picture_unseen", places["zhao"].name),
    ]
    model.room, effects = decide(model.room, blind)
    assert not any(isinstance(effect, SendTo) and isinstance(effect.message, Refused) for effect in effects)
    model.room, _ = decide(model.room, PicturesMissed({}))
    assert unseen("li") == {}


def test_a_seat_known_only_as_admitted_is_not_shown_nameless() -> None:
    room = Room.opened("h", Opening("in_session", NOON, frozenset({"gao"})))
    host = room.seated(seated("li", "c1"))
    assert [person.seat_id for person in snapshot(room.with_place(host), host).people] == ["li"]


def test_an_admission_cut_short_by_a_crash_is_to_be_made_again() -> None:
    room = Room.opened("h", Opening("waiting", None, frozenset({"gao"}), (SeatCard("gao", "applicant", "高某", ""),)))
    assert not room.places["gao"].admitted


def test_deciding_never_changes_the_room_it_was_given() -> None:
    model = in_session()
    before = replace(model.room, places=dict(model.room.places))
    decide(model.room, Drained(CloseReason.SERVER_RESTARTING))
    assert model.room == before


def test_the_last_picture_of_an_ended_hearing_comes_before_its_closing() -> None:
    model = in_session()
    _, effects = decide(replace(model.room, recording=False), SessionEnded("li"))
    shown = [effect for effect in effects if isinstance(effect, SendTo)]
    assert all(isinstance(effect.message, RoomShown) and effect.message.phase == "ended" for effect in shown)
    kinds = [type(effect) for effect in effects]
    assert kinds.index(CloseConnection) == len(shown) == 3
