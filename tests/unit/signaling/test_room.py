"""What a room decides: who comes in, who is heard, what is shown to whom."""

from dataclasses import replace

import pytest

from signaling.closing import CloseReason, Departure
from signaling.effects import (
    AddToMedia,
    CloseConnection,
    SendTo,
)
from signaling.events import (
    ConnectionClosed,
    Drained,
    PicturesMissed,
    Received,
    SeatAdmitted,
    SessionEnded,
)
from signaling.messages import (
    Admit,
    End,
    FromClient,
    Hand,
    Mute,
    Prompt,
    Refused,
    Resume,
    RoomShown,
    SendBack,
    Word,
)
from signaling.ports import Opening, SeatCard
from signaling.room import decide
from signaling.state import Room, snapshot
from tests.unit.signaling.room_model import NOON, Model, in_session, restart, seated


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
