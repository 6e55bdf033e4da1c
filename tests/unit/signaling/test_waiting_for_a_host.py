"""A hearing whose host is gone."""

from datetime import timedelta

from signaling.messages import (
    Pause,
)
from signaling.state import snapshot
from tests.unit.signaling.room_model import NOON, in_session, restart


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
