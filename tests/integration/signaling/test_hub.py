"""A hearing over real WebSockets: a fake media plane, real journals, a record in memory."""

import asyncio

from records.refusals import Refusal
from signaling.media.events import PersonStats, StatsMeasured
from signaling.steps import REFUSALS_RECORDED_MAX
from tests.support.media_fake import FakeMediaPlane, Gate, MemoryProceedings
from tests.support.room_page import House, begin


async def test_whoever_enters_waits_and_the_first_admission_starts_the_recording(
    house: House, media: FakeMediaPlane, record: MemoryProceedings
) -> None:
    li = await house.comes("li")
    gao = await house.comes("gao")
    assert gao.room["phase"] == "waiting"
    assert media.calls == []

    await li.sees("gao", present=True, admitted=False)
    await li.say("admit", seat_id="gao")

    await gao.sees("gao", admitted=True)
    assert (await gao.told("offer"))["streams"] == {"0": "gao", "1": "gao"}
    assert gao.room["phase"] == "in_session"
    assert gao.room["started_at"] is not None
    assert media.heard("hearing-1") == {"li", "gao"}
    assert [name for name, *_ in record.happened if name in ("admitted", "started")] == ["admitted", "started"]


async def test_a_host_alone_is_neither_heard_nor_recorded(house: House, media: FakeMediaPlane) -> None:
    li = await house.comes("li")
    await li.say("devices", microphone="on", camera="on")
    await li.sees("li", microphone="on", camera="on")
    assert media.calls == []


async def test_two_admissions_at_once_are_one(house: House, record: MemoryProceedings) -> None:
    li = await house.comes("li")
    gao = await house.comes("gao")
    await li.sees("gao", present=True)
    for _ in range(2):
        await li.say("admit", seat_id="gao")
    await li.say("word", text="两次之后")
    await gao.told("word", text="两次之后")
    assert [entry for entry in record.happened if entry[0] in ("started", "admitted")] == [
        ("admitted", "li", "gao"),
        ("started", "li"),
    ]
    assert not any(message["type"] == "refused" for message in li.received)


async def test_a_cut_line_keeps_the_seat_and_coming_back_goes_straight_in(
    house: House, media: FakeMediaPlane, record: MemoryProceedings
) -> None:
    li, gao = await begin(house)
    await gao.say("devices", microphone="on", camera="missing")
    await li.sees("gao", camera="missing")
    gao.cut()
    await li.sees("gao", present=False, admitted=True, link="none")
    await record.until("left", "gao", "lost")
    assert media.heard("hearing-1") == {"li"}

    gao = await house.comes("gao")
    await gao.told("offer")
    await li.sees("gao", present=True, admitted=True, microphone="on", camera="missing")
    assert media.heard("hearing-1") == {"li", "gao"}


async def test_closing_the_tab_is_told_from_a_cut_line(house: House, record: MemoryProceedings) -> None:
    li, gao = await begin(house)
    await gao.go()
    await li.sees("gao", present=False)
    await record.until("left", "gao", "page_closed")


async def test_leaving_on_purpose_is_on_record_and_the_way_back_stays_open(
    house: House, record: MemoryProceedings
) -> None:
    li, gao = await begin(house)
    await gao.say("leave")
    assert await gao.closed() == ("left", 4000)
    await li.sees("gao", present=False, admitted=True)
    await record.until("left", "gao", "left")
    gao = await house.comes("gao")
    await gao.told("offer")


async def test_a_reloaded_tab_takes_over_from_its_older_self(house: House, media: FakeMediaPlane) -> None:
    _, gao = await begin(house)
    again = await house.comes("gao")
    assert await gao.closed() == ("moved", 4002)
    await again.told("offer")
    assert media.heard("hearing-1") == {"li", "gao"}


async def test_another_device_must_ask_to_take_the_seat_over(house: House, record: MemoryProceedings) -> None:
    li, gao = await begin(house)
    tablet = await house.comes("gao", device="tablet", read=False)
    assert await tablet.closed() == ("seat_taken", 4003)
    await record.until("refused", "gao", "seat_taken")
    await li.say("word", text="还在吗")
    await gao.told("word", text="还在吗")

    tablet = await house.comes("gao", device="tablet", takeover=True)
    assert await gao.closed() == ("moved", 4002)
    await tablet.told("offer")
    await tablet.say("hand", raised=True)
    await li.sees("gao", hand=True)


async def test_the_host_ends_it_for_everybody_and_nobody_comes_in_again(
    house: House, media: FakeMediaPlane, record: MemoryProceedings
) -> None:
    li, gao = await begin(house)
    await li.say("end")
    await li.say("end")
    await gao.told("room", phase="ended")
    assert await gao.closed() == ("ended", 4001)
    assert await li.closed() == ("ended", 4001)
    assert [entry for entry in record.happened if entry[0] == "ended"] == [("ended", "li", "with")]
    assert media.hearings == {}
    late = await house.comes("gao", read=False)
    assert await late.closed() == ("ended", 4001)


async def test_the_recording_is_whole_before_the_hearing_is_on_record_as_ended(
    house: House, media: FakeMediaPlane, record: MemoryProceedings
) -> None:
    li, _ = await begin(house)
    gate = record.held["ended"] = Gate()
    await li.say("end")
    async with asyncio.timeout(15):
        await gate.reached.wait()
    assert media.hearings == {}
    gate.open.set()
    assert await li.closed() == ("ended", 4001)


async def test_a_visitor_can_do_nothing_of_the_host(house: House, record: MemoryProceedings) -> None:
    li, gao = await begin(house)
    for request in (
        {"type_": "end"},
        {"type_": "admit", "seat_id": "gao"},
        {"type_": "send_back", "seat_id": "li"},
        {"type_": "mute", "seat_id": "li"},
        {"type_": "prompt", "text": "我来主持"},
    ):
        await gao.say(**request)
        await gao.told("refused", code="not_permitted")
    await li.say("hand", raised=True)
    await li.told("refused", code="not_permitted")
    assert record.happened.count(("refused", "gao", "not_permitted")) == 5


async def test_whoever_keeps_asking_for_what_they_must_not_have_does_not_fill_the_record(
    house: House, record: MemoryProceedings
) -> None:
    _, gao = await begin(house)
    for _ in range(REFUSALS_RECORDED_MAX + 5):
        await gao.say("end")
    await gao.say("word", text="我不按了")
    await gao.told("word", text="我不按了")
    assert sum(message["type"] == "refused" for message in gao.received) == REFUSALS_RECORDED_MAX + 5
    assert record.happened.count(("refused", "gao", "not_permitted")) == REFUSALS_RECORDED_MAX


async def test_somebody_sent_back_is_not_heard_until_admitted_again(house: House, media: FakeMediaPlane) -> None:
    li, gao = await begin(house)
    await li.say("send_back", seat_id="gao")
    await gao.sees("gao", admitted=False, link="none")
    assert media.heard("hearing-1") == {"li"}
    await gao.say("answer", offer_id=1, sdp="v=0 late")
    await gao.told("refused", code="no_call_now")
    await li.say("admit", seat_id="gao")
    await gao.told("offer")
    assert media.heard("hearing-1") == {"li", "gao"}


async def test_a_mute_outlives_the_line(house: House, media: FakeMediaPlane) -> None:
    li, gao = await begin(house)
    await li.say("mute", seat_id="gao")
    await gao.sees("gao", muted=True)
    gao.cut()
    await li.sees("gao", present=False)
    gao = await house.comes("gao")
    await gao.told("offer")
    assert media.hearings["hearing-1"].muted == {"gao"}
    await li.say("mute", seat_id="gao", muted=False)
    await gao.sees("gao", muted=False)
    assert media.hearings["hearing-1"].muted == set()


async def test_who_only_watches_is_never_heard(house: House, media: FakeMediaPlane) -> None:
    li, gao = await begin(house)
    chen = await house.comes("chen")
    await chen.told("offer")
    for page in (li, gao):
        await page.sees("chen", role="observer", present=True, admitted=True)
    assert media.watching == {"chen"}
    await chen.say("word", text="我来说两句")
    await chen.told("refused", code="not_permitted")
    await li.say("word", text="好")
    await chen.told("word", text="好")
    assert not any(message["type"] == "word" and message["from"] == "chen" for message in li.received)


async def test_what_the_lines_were_like_is_in_the_recording_and_on_record(
    house: House, media: FakeMediaPlane, record: MemoryProceedings
) -> None:
    _, gao = await begin(house)
    await gao.say("quality", freezes=3, frozen_ms=2100)
    await gao.say("quality", freezes=-1, frozen_ms=0)
    await gao.told("refused", code="message_malformed")
    for _ in range(10):
        media.on_event(StatsMeasured("hearing-1", {"gao": PersonStats(1.5, 40, 800, 30, 6)}))
    await record.until("measured", "gao")
    (line,) = [lines["gao"] for lines in record.lines]
    assert (line.measured_s, line.loss_pct_max, line.jitter_ms_max, line.freezes, line.frozen_ms) == (
        10,
        1.5,
        6,
        3,
        2100,
    )
    (kept,) = [event for event in media.journaled if event["event"] == "LinesMeasured"]
    assert kept["people"] == {"gao": line.as_json()}


async def test_those_who_wait_do_not_learn_of_each_other(house: House) -> None:
    li = await house.comes("li")
    gao = await house.comes("gao")
    zhao = await house.comes("zhao")
    await li.sees("zhao", present=True)
    assert {person["seat_id"] for person in zhao.room["people"]} == {"li", "zhao"}
    await gao.say("word", text="我到了")
    await li.told("word", text="我到了", name="高某")
    await gao.told("word", text="我到了")
    await li.say("word", text="请稍候")
    await zhao.told("word", text="请稍候")
    assert not any(message.get("text") == "我到了" for message in zhao.received)


async def test_what_was_written_towards_a_dead_line_is_there_once_for_whoever_comes_back(house: House) -> None:
    li, gao = await begin(house)
    await li.say("word", text="听得到吗")
    last = (await gao.told("word"))["number"]
    gao.stop_reading()
    for text in ("还在吗", "我等您"):
        await li.say("word", text=text)
        await li.told("word", text=text)
    again = await house.comes("gao", words_after=last)
    await again.told("words")
    await li.say("word", text="好")
    await again.told("word", text="好")
    came = [word for message in again.received for word in message.get("said", (message,)) if word["type"] == "word"]
    assert [(word["number"], word["text"]) for word in came] == [(2, "还在吗"), (3, "我等您"), (4, "好")]
    assert not any(message["type"] == "words" for message in li.received)


async def test_a_word_is_given_back_once_it_is_on_record_or_refused_and_then_reaches_nobody(
    house: House, record: MemoryProceedings
) -> None:
    li, gao = await begin(house)
    record.fail["said"] = Refusal("too_many_words", limit=200)
    await gao.say("word", text="听得到吗")
    await gao.told("refused", code="too_many_words", params={"limit": 200})
    del record.fail["said"]
    gate = record.held["said"] = Gate()
    await gao.say("word", text="现在呢")
    async with asyncio.timeout(15):
        await gate.reached.wait()
    assert not any(message["type"] == "word" for message in gao.received)
    gate.open.set()
    for page in (li, gao):
        await page.told("word", text="现在呢", number=1)
        assert not any(message.get("text") == "听得到吗" for message in page.received)


async def test_news_of_the_house_reach_the_page(house: House) -> None:
    li, gao = await begin(house)
    await house.hub.tell("hearing-1", "confirmation", {"state": "asked"}, to="gao")
    assert (await gao.told("notice", topic="confirmation"))["data"] == {"state": "asked"}
    await house.hub.tell("hearing-1", "verification", {})
    await li.told("notice", topic="verification")
    assert not any(message.get("topic") == "confirmation" for message in li.received)
    await house.hub.tell("nobody-there", "still", {})
