"""The server stops and starts, the disk or the record fails: what was said stays, and people are told."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from records.clock import FixedClock
from records.journal import read_journal
from records.journal_records import Event as Written
from records.journal_records import JournalFault, SegmentStart
from records.refusals import Refusal
from signaling import runner
from signaling.closing import CloseReason, Departure
from signaling.events import ConnectionClosed, Drained, Event, LinkStood, Received
from signaling.media.events import (
    HearingLost,
    HearingMoved,
    JournalFlushed,
    LinkConnected,
    LinkLost,
    Moment,
    PersonStats,
    StatsMeasured,
    StillUnavailable,
)
from signaling.messages import Hand, Json
from signaling.news import MEDIA_TRIES
from signaling.ports import Ports
from signaling.room import decide
from signaling.state import Room
from signaling.steps import Decision
from tests.support.media_fake import NOON, FakeMediaPlane, FolderJournals, Gate, MemoryProceedings
from tests.support.room_page import SETTINGS, House, begin, serving

CLOCK = FixedClock(NOON)


async def test_a_server_that_stops_sends_everybody_away_to_come_again(
    media: FakeMediaPlane, record: MemoryProceedings, ports: Ports
) -> None:
    async with serving(media, ports) as house:
        media.on_event = house.hub.take_media_event
        li, gao = await begin(house)
        await house.hub.drain()
        assert await li.closed() == ("server_restarting", 4010)
        assert await gao.closed() == ("server_restarting", 4010)
        assert media.hearings == {}
        late = await house.comes("gao", read=False)
        assert await late.closed() == ("server_restarting", 4010)
    await record.until("left", "gao", "server_restarting")
    assert record.hearings["hearing-1"].phase == "in_session"


async def test_whoever_comes_in_as_the_server_stops_is_sent_away_to_come_again(
    media: FakeMediaPlane, record: MemoryProceedings, ports: Ports
) -> None:
    gate = record.held["opening"] = Gate()
    async with serving(media, ports) as house:
        gao = await house.comes("gao", read=False)
        async with asyncio.timeout(15):
            await gate.reached.wait()
        async with asyncio.TaskGroup() as group:
            stopping = group.create_task(house.hub.drain())
            li = await house.comes("li", read=False)
            assert await li.closed() == ("server_restarting", 4010)
            assert not stopping.done()
            gate.open.set()
        assert await gao.closed() == ("server_restarting", 4010)


async def test_after_a_restart_both_are_back_by_themselves_and_the_recording_goes_on(
    media: FakeMediaPlane, record: MemoryProceedings, ports: Ports, journals: FolderJournals
) -> None:
    async with serving(media, ports) as house:
        media.on_event = house.hub.take_media_event
        await begin(house)
        before = house.hub.position("hearing-1")
        assert before is not None

    async with serving(media, ports) as house:
        media.on_event = house.hub.take_media_event
        gao = await house.comes("gao")
        await gao.told("offer")
        assert gao.room["phase"] == "in_session"
        li = await house.comes("li")
        await li.told("offer")
        assert media.heard("hearing-1") == {"li", "gao"}
        after = house.hub.position("hearing-1")
        assert after is not None
        assert after.elapsed_ms >= before.elapsed_ms
        await li.say("end")
        await li.closed()

    kept = list(await asyncio.to_thread(lambda: list(read_journal(journals.root / "hearing-1"))))
    assert not [entry for entry in kept if isinstance(entry, JournalFault)]
    assert len([entry for entry in kept if isinstance(entry, SegmentStart)]) == 2
    events = [entry.data["event"] for entry in kept if isinstance(entry, Written)]
    assert events.count("RecordingOpened") == 2
    assert events[-1] == "HearingEnded"
    assert [entry[0] for entry in record.happened].count("started") == 1


async def test_somebody_who_waited_before_a_restart_still_waits_after_it(media: FakeMediaPlane, ports: Ports) -> None:
    async with serving(media, ports) as house:
        media.on_event = house.hub.take_media_event
        await begin(house)
        zhao = await house.comes("zhao")
        assert {person["seat_id"] for person in zhao.room["people"]} == {"li", "zhao"}
    async with serving(media, ports) as house:
        media.on_event = house.hub.take_media_event
        zhao = await house.comes("zhao")
        li = await house.comes("li")
        await li.told("offer")
        await li.sees("zhao", present=True, admitted=False)
        assert media.heard("hearing-1") == {"li"}


async def test_somebody_who_has_not_consented_starts_no_recording(
    house: House, media: FakeMediaPlane, record: MemoryProceedings
) -> None:
    li = await house.comes("li")
    gao = await house.comes("gao")
    await li.sees("gao", present=True)
    record.fail["admitted"] = Refusal("consent_missing", kind="recording")
    await li.say("admit", seat_id="gao")
    await li.told("refused", code="consent_missing", params={"kind": "recording"})
    assert media.calls == []
    assert record.hearings["hearing-1"].phase == "waiting"
    assert gao.room["phase"] == "waiting"


async def test_a_session_the_record_will_not_begin_stays_in_the_waiting_room(
    house: House, media: FakeMediaPlane, record: MemoryProceedings
) -> None:
    li = await house.comes("li")
    gao = await house.comes("gao")
    await li.sees("gao", present=True)
    record.fail["started"] = Refusal("session_cancelled")
    await li.say("admit", seat_id="gao")
    await li.told("refused", code="session_cancelled")
    assert media.calls == []
    assert gao.room["phase"] == "waiting"
    del record.fail["started"]
    await li.say("admit", seat_id="gao")
    await gao.told("offer")


async def test_nobody_is_let_in_while_the_recording_cannot_be_opened(
    house: House, media: FakeMediaPlane, record: MemoryProceedings
) -> None:
    li = await house.comes("li")
    gao = await house.comes("gao")
    await li.sees("gao", present=True)
    media.fail["open_hearing"] = OSError(28, "No space left on device")
    await li.say("admit", seat_id="gao")
    await li.told("refused", code="recording_unavailable")
    await li.say("admit", seat_id="gao")
    await li.told("refused", code="recording_unavailable")
    assert media.heard("hearing-1") == set()
    assert record.hearings["hearing-1"].admitted == set()

    del media.fail["open_hearing"]
    await li.say("admit", seat_id="gao")
    await gao.told("offer")
    assert media.heard("hearing-1") == {"li", "gao"}
    assert [entry[0] for entry in record.happened].count("started") == 1


async def test_an_end_that_the_record_refuses_is_no_end_and_the_recording_goes_on(
    house: House, media: FakeMediaPlane, record: MemoryProceedings
) -> None:
    li, gao = await begin(house)
    record.fail["ended"] = Refusal("verification_open")
    await li.say("end")
    await li.told("refused", code="verification_open")
    await gao.told("offer")
    await li.told("offer")
    assert media.heard("hearing-1") == {"li", "gao"}
    del record.fail["ended"]
    await li.say("end")
    assert await gao.closed() == ("ended", 4001)


async def test_a_hearing_whose_recording_could_not_be_opened_again_can_still_be_ended(
    media: FakeMediaPlane, record: MemoryProceedings, ports: Ports
) -> None:
    async with serving(media, ports) as house:
        media.on_event = house.hub.take_media_event
        await begin(house)
    media.fail["open_hearing"] = OSError(28, "No space left on device")
    async with serving(media, ports) as house:
        li = await house.comes("li")
        await li.told("refused", code="recording_unavailable")
        await li.say("end")
        assert await li.closed() == ("ended", 4001)
    assert ("ended", "li", "without") in record.happened


async def test_a_record_out_of_reach_is_told_to_the_host_and_nobody_falls_out(
    house: House, record: MemoryProceedings
) -> None:
    li, gao = await begin(house)
    record.fail["said"] = ConnectionError("database")
    await gao.say("word", text="听得到吗")
    await gao.told("refused", code="record_unavailable")
    record.fail["entered"] = ConnectionError("database")
    zhao = await house.comes("zhao")
    await li.told("refused", code="record_unavailable")
    await zhao.say("hand", raised=True)
    await li.sees("zhao", hand=True)


async def test_a_record_that_hangs_is_given_up_on(
    media: FakeMediaPlane, record: MemoryProceedings, ports: Ports
) -> None:
    # In the waiting room, where nothing but the record is asked for anything.
    async with serving(media, ports, replace(SETTINGS, port_timeout_s=0.5)) as house:
        li, gao = await house.comes("li"), await house.comes("gao")
        gate = record.held["said"] = Gate()
        await gao.say("word", text="听得到吗")
        await gao.told("refused", code="record_unavailable")
        gate.open.set()
        await gao.say("word", text="现在呢")
        await li.told("word", text="现在呢")


async def test_a_link_that_does_not_stand_is_offered_afresh_a_few_times_and_then_named(
    house: House, media: FakeMediaPlane
) -> None:
    li, gao = await begin(house)
    for _ in range(MEDIA_TRIES):
        media.on_event(LinkLost("hearing-1", "gao", "silent"))
        await gao.told("offer")
    media.on_event(LinkLost("hearing-1", "gao", "unanswered"))
    await gao.told("refused", code="media_unreachable")
    await li.told("refused", code="media_unreachable", params={"seat_id": "gao"})
    await li.sees("gao", present=True, link="lost")
    again = await house.comes("gao")
    await again.told("offer")
    media.on_event(LinkConnected("hearing-1", "gao"))
    await li.sees("gao", link="connected")


async def test_a_hearing_whose_worker_died_goes_on_with_everybody_added_afresh(
    house: House, media: FakeMediaPlane
) -> None:
    li, gao = await begin(house)
    zhao = await house.comes("zhao")
    await li.say("mute", seat_id="gao")
    await li.sees("gao", muted=True)
    media.forget_links("hearing-1")
    media.on_event(HearingMoved("hearing-1", "died"))
    for page in (li, gao):
        offer = await page.told("offer")
        await page.say("answer", offer_id=offer["offer_id"], sdp="v=0 answer")
    await li.sees("gao", link="connected")
    await gao.sees("li", link="connected")
    assert media.heard("hearing-1") == {"li", "gao"}
    assert media.hearings["hearing-1"].muted == {"gao"}
    assert not any(message["type"] == "offer" for message in zhao.received)


async def test_a_hearing_that_no_worker_takes_is_told_to_the_host_and_opened_when_somebody_comes(
    house: House, media: FakeMediaPlane
) -> None:
    li, gao = await begin(house)
    await media.close_hearing("hearing-1")
    media.on_event(HearingLost("hearing-1", "no_worker"))
    await li.told("refused", code="recording_unavailable")
    await gao.sees("gao", link="none")
    again = await house.comes("gao")
    await again.told("offer")
    await li.told("offer")
    assert media.heard("hearing-1") == {"li", "gao"}


async def test_news_of_a_worker_that_died_as_the_hearing_ended_bring_nobody_back(
    house: House, media: FakeMediaPlane, record: MemoryProceedings
) -> None:
    li, _ = await begin(house)
    gate = record.held["ended"] = Gate()
    await li.say("end")
    await gate.reached.wait()
    media.on_event(HearingMoved("hearing-1", "died"))
    media.on_event(HearingLost("hearing-1", "no_worker"))
    gate.open.set()
    assert await li.closed() == ("ended", 4001)
    assert media.hearings == {}


async def test_somebody_who_cannot_be_added_is_told_and_can_try_again(house: House, media: FakeMediaPlane) -> None:
    li = await house.comes("li")
    gao = await house.comes("gao")
    await li.sees("gao", present=True)
    media.fail["add_participant"] = RuntimeError("no more")
    await li.say("admit", seat_id="gao")
    await gao.told("refused", code="media_unavailable", params={"seat_id": "gao"})
    await li.sees("gao", link="lost", admitted=True)
    del media.fail["add_participant"]
    gao = await house.comes("gao")
    await gao.told("offer")


async def test_an_overtaken_answer_is_passed_over_and_a_broken_one_is_named(house: House) -> None:
    _, gao = await begin(house)
    await gao.say("answer", offer_id=-1, sdp="v=0 old")
    await gao.say("word", text="之后")
    await gao.told("word", text="之后")
    assert not any(message["type"] == "refused" for message in gao.received)
    again = await house.comes("gao")
    offer = await again.told("offer")
    await again.say("answer", offer_id=offer["offer_id"], sdp="nonsense")
    await again.told("refused", code="media_unavailable", params={"seat_id": "gao"})


async def test_lines_are_shown_to_those_admitted_and_the_clock_to_everybody(
    house: House, media: FakeMediaPlane
) -> None:
    li, gao = await begin(house)
    zhao = await house.comes("zhao")
    media.on_event(StatsMeasured("hearing-1", {"gao": PersonStats(1.5, None, 800, 30, 4, fewer_pictures=True)}))
    media.on_event(JournalFlushed("hearing-1", 9000, 8500))
    stats = await gao.told("stats")
    line = {"loss_pct": 1.5, "rtt_ms": None, "kbps": 800, "level": 30, "jitter_ms": 4}
    assert stats["people"]["gao"] == line | {"sound_alone": False, "fewer_pictures": True}
    await gao.told("saved", elapsed_ms=9000, saved_ms=8500)
    await li.say("prompt", text="请出示身份证")
    await gao.told("room", prompt="请出示身份证", saved_ms=8500)
    await zhao.told("room", prompt="请出示身份证")
    assert any(message["type"] == "saved" for message in zhao.received)
    assert not any(message["type"] == "stats" for message in zhao.received)
    assert not any(message["type"] == "refused" for message in gao.received)


async def test_a_still_comes_from_the_media_plane_or_says_why_not(house: House) -> None:
    await begin(house)
    still = await house.hub.take_still("hearing-1", "gao")
    assert still.jpeg
    with pytest.raises(StillUnavailable):
        await house.hub.take_still("hearing-1", "nobody")


async def test_the_rest_of_the_house_writes_into_the_recording(house: House, media: FakeMediaPlane) -> None:
    assert house.hub.position("hearing-1") is None
    await begin(house)
    event: Mapping[str, Json] = {"event": "DecisionReadOut", "case": "一"}
    assert isinstance(await house.hub.record_event("hearing-1", event), Moment)
    assert event in media.journaled
    present = {person.seat_id: person.present for person in house.hub.presence("hearing-1")}
    assert present == {"li": True, "gao": True}
    assert house.hub.presence("hearing-2") == ()


async def test_an_empty_room_is_dropped_and_built_anew(
    media: FakeMediaPlane, record: MemoryProceedings, ports: Ports
) -> None:
    async with serving(media, ports, replace(SETTINGS, idle_s=0)) as house:
        gao = await house.comes("gao")
        await gao.go()
        await record.until("left", "gao", "page_closed")
        gao = await house.comes("gao")
        assert gao.room["phase"] == "waiting"
    assert record.happened.count(("opening", "hearing-1")) == 2


async def test_hearings_do_not_hear_of_each_other(house: House, record: MemoryProceedings) -> None:
    li, gao = await begin(house)
    other = await house.comes("zhao", hearing="hearing-2")
    assert {person["seat_id"] for person in other.room["people"]} == {"zhao"}
    record.fail["opening"] = OSError("gone")
    broken = await house.comes("zhao", hearing="hearing-3", read=False)
    assert await broken.closed() == ("server_restarting", 4010)
    await gao.say("word", text="我在")
    await li.told("word", text="我在")


async def test_nothing_that_people_say_or_are_called_is_in_the_log(
    house: House, record: MemoryProceedings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    li, gao = await begin(house)
    record.fail["said"] = ValueError("INSERT ... 我的身份证号是370832196803129963")
    await gao.say("word", text="我的身份证号是370832196803129963")
    await gao.told("refused", code="record_unavailable")
    await gao.say("word", text="长" * 501)
    await gao.told("refused", code="text_too_long")
    await gao.say_raw('{"type": "word", "text": "高秀兰" ')
    await gao.told("refused", code="message_malformed")
    await li.say("end")
    await gao.closed()
    assert "failed hearing_id=hearing-1 wanted=RecordWord error=ValueError" in caplog.text
    for private in ("370832", "高", "李", "身份证", "长长"):
        assert private not in caplog.text


async def test_a_defect_in_deciding_costs_one_event_and_not_the_hearing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    li, gao = await begin(house)

    def decide_but_not_hands(room: Room, event: Event) -> Decision:
        if isinstance(event, Received) and isinstance(event.message, Hand):
            raise KeyError("defect")
        return decide(room, event)

    monkeypatch.setattr(runner, "decide", decide_but_not_hands)
    await gao.say("hand", raised=True)
    await gao.say("word", text="还在")
    await li.told("word", text="还在")


async def test_a_room_that_dies_takes_no_other_with_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    li, gao = await begin(house)

    async def die(self: runner.RoomRunner) -> None:
        raise RuntimeError("defect")

    with monkeypatch.context() as patch:
        patch.setattr(runner.RoomRunner, "run", die)
        zhao = await house.comes("zhao", hearing="hearing-2", read=False)
        assert await zhao.closed() == ("server_restarting", 4010)
    await gao.say("word", text="还在")
    await li.told("word", text="还在")
    await house.comes("zhao", hearing="hearing-2")


def standing_room() -> runner.RoomRunner:
    """Return a room that nobody runs."""
    ports = Ports(MemoryProceedings(), FolderJournals(Path()))
    return runner.RoomRunner("h", FakeMediaPlane(), ports, SETTINGS, CLOCK)


def test_whoever_floods_a_room_that_stands_still_is_thrown_out_and_nobody_else() -> None:
    room = standing_room()
    taken = [room.take(Received("gao", "c", Hand(True), CLOCK.at)) for _ in range(runner.UNREAD_MESSAGES + 1)]
    assert taken == [None] * runner.UNREAD_MESSAGES + [CloseReason.RATE]
    assert room.take(Received("li", "d", Hand(True), CLOCK.at)) is None
    for number in range(runner.INBOX_MESSAGES):
        room.post(Received(f"{number}", f"{number}", Hand(True), CLOCK.at))
    assert room.take(Received("zhao", "e", Hand(True), CLOCK.at)) is CloseReason.SLOW, "and may come again"


def test_a_full_inbox_turns_clients_away_first_and_never_a_goodbye() -> None:
    room = standing_room()
    raised = Received("gao", "c", Hand(True), CLOCK.at)
    assert all(room.post(raised) for _ in range(runner.INBOX_MESSAGES))
    assert not room.post(raised)
    link = LinkStood("gao")
    assert all(room.post(link) for _ in range(runner.INBOX_EVENTS - runner.INBOX_MESSAGES))
    assert not room.post(link)
    assert room.post(ConnectionClosed("gao", "c", Departure.LOST))
    assert room.post(Drained(CloseReason.SERVER_RESTARTING))
