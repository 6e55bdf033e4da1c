"""A recess, as the room decides on it."""

from signaling.messages import (
    End,
    Pause,
    Quality,
    Resume,
)
from signaling.state import snapshot
from tests.unit.signaling.room_model import NOON, Model, in_session, restart


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
