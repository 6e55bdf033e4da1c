"""A hearing whose host does not come back: people are told, and after a while it is over."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from records.clock import FixedClock
from signaling.absence import PATIENCE, PATIENCE_IN_RECESS
from signaling.ports import Ports
from tests.support.media_fake import NOON, FakeMediaPlane, MemoryProceedings
from tests.support.room_page import SETTINGS, House, begin, serving

HEARING = "hearing-1"
OFTEN = replace(SETTINGS, look_every_s=0.01)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
async def house(media: FakeMediaPlane, ports: Ports, clock: FixedClock) -> AsyncIterator[House]:
    async with serving(media, ports, OFTEN, clock=clock) as house:
        media.on_event = house.hub.take_media_event
        yield house


async def test_whoever_is_left_is_told_until_when_they_wait_and_then_that_it_is_over(
    house: House, media: FakeMediaPlane, record: MemoryProceedings, clock: FixedClock
) -> None:
    li, gao = await begin(house)
    li.cut()
    ends_at = (NOON + PATIENCE).isoformat()
    await gao.told("room", host_awaited={"since": NOON.isoformat(), "ends_at": ends_at})
    clock.advance(PATIENCE.total_seconds())
    await gao.told("room", phase="ended")
    assert await gao.closed() == ("host_absent", 4005)
    assert record.happened.count(("ended", "nobody", "with")) == 1
    assert media.hearings == {}
    late = await house.comes("li", read=False)
    assert await late.closed() == ("ended", 4001)


async def test_a_host_who_comes_back_in_time_goes_on(house: House, clock: FixedClock) -> None:
    li, gao = await begin(house)
    li.cut()
    await gao.until(lambda message: message["type"] == "room" and message["host_awaited"])
    clock.advance(PATIENCE.total_seconds() - 1)
    li = await house.comes("li")
    await gao.until(lambda message: message["type"] == "room" and message["host_awaited"] is None)
    clock.advance(PATIENCE.total_seconds())
    await li.say("word", text="我回来了")
    await gao.told("word", text="我回来了")


async def test_a_hearing_in_recess_waits_longer(house: House, record: MemoryProceedings, clock: FixedClock) -> None:
    li, gao = await begin(house)
    await li.say("pause", reason="午休")
    await gao.until(lambda message: message["type"] == "room" and message["recess"])
    li.cut()
    shown = await gao.until(lambda message: message["type"] == "room" and message["host_awaited"])
    assert shown["host_awaited"]["ends_at"] == (NOON + PATIENCE_IN_RECESS).isoformat()
    clock.advance(PATIENCE_IN_RECESS.total_seconds())
    assert await gao.closed() == ("host_absent", 4005)


async def test_a_hearing_that_nobody_comes_back_to_after_a_restart_ends_too(
    media: FakeMediaPlane, ports: Ports, record: MemoryProceedings, clock: FixedClock
) -> None:
    async with serving(media, ports, OFTEN, clock=clock) as house:
        media.on_event = house.hub.take_media_event
        await begin(house)
    clock.advance(2 * PATIENCE.total_seconds())
    async with serving(media, ports, OFTEN, clock=clock) as house:
        # While the server was down nobody could come: the host has as long as ever.
        gao = await house.comes("gao")
        await gao.until(lambda message: message["type"] == "room" and message["host_awaited"])
        await gao.go()
        await record.until("left", "gao", "page_closed")
        clock.advance(PATIENCE.total_seconds())
        await record.until("ended", "nobody", "with")
    assert record.hearings[HEARING].phase == "ended"


async def test_an_end_that_the_record_refuses_is_tried_again_and_who_is_left_stays(
    house: House, media: FakeMediaPlane, record: MemoryProceedings, clock: FixedClock
) -> None:
    li, gao = await begin(house)
    li.cut()
    await gao.until(lambda message: message["type"] == "room" and message["host_awaited"])
    record.fail["ended"] = OSError("database")
    clock.advance(PATIENCE.total_seconds())
    await gao.until(lambda message: message["type"] == "room" and message["host_awaited"] is None)
    await gao.told("offer")
    assert media.heard(HEARING) == {"gao"}
    await gao.until(lambda message: message["type"] == "room" and message["host_awaited"])
    del record.fail["ended"]
    clock.advance(PATIENCE.total_seconds())
    assert await gao.closed() == ("host_absent", 4005)
