"""The recording does not reach the disk: who is told what, what is kept of it, and how it goes on."""

from collections.abc import Mapping

from signaling.media.events import (
    HearingLost,
    HearingMoved,
    JournalFlushed,
    JournalMended,
    JournalTrouble,
    MediaRefused,
)
from signaling.trouble import Interruption
from tests.support.media_fake import FakeMediaPlane, FolderJournals, MemoryProceedings
from tests.support.room_page import House, Page, begin

HEARING = "hearing-1"


async def trouble_of(page: Page) -> Mapping[str, object]:
    """Wait until a page shows trouble, and return it."""
    while not page.room["trouble"]:
        await page.told("room")
    trouble: Mapping[str, object] = page.room["trouble"]
    return trouble


async def without_trouble(page: Page) -> None:
    while page.room["trouble"]:
        await page.told("room")


async def mended(page: Page) -> Mapping[str, object]:
    while not page.room["trouble"] or page.room["trouble"]["mended_at"] is None:
        await page.told("room")
    trouble: Mapping[str, object] = page.room["trouble"]
    return trouble


async def everything_done(page: Page) -> None:
    """Wait until the room has done what it decided on before."""
    await page.say("prompt", text="做完了")
    await page.told("room", prompt="做完了")


async def test_everybody_admitted_sees_what_is_the_matter_and_the_record_has_it(
    house: House, media: FakeMediaPlane, record: MemoryProceedings
) -> None:
    li, gao = await begin(house)
    zhao = await house.comes("zhao")
    media.on_event(JournalFlushed(HEARING, 9000, 8500))
    media.on_event(JournalTrouble(HEARING, "disk_full", 8500))
    for page in (li, gao):
        trouble = await trouble_of(page)
        assert (trouble["error"], trouble["saved_ms"], trouble["losing"]) == ("disk_full", 8500, False)
        assert trouble["since"]
    await li.say("prompt", text="请稍等")
    await zhao.told("room", prompt="请稍等", trouble=None)
    media.on_event(JournalTrouble(HEARING, "disk_full", 8500, 40))
    await li.told("room", trouble={**(await trouble_of(li)), "room_s": 40})
    late = await house.comes("li")
    assert (await trouble_of(late))["room_s"] == 40
    assert [entry for entry in record.happened if entry[0] == "troubled"] == [("troubled", "disk_full", "8500")]


async def test_what_was_written_afterwards_ends_the_alarm_and_is_kept(
    house: House, media: FakeMediaPlane, record: MemoryProceedings
) -> None:
    li, _ = await begin(house)
    media.on_event(JournalTrouble(HEARING, "disk_slow", 8500))
    await trouble_of(li)
    media.on_event(JournalMended(HEARING, 12_000))
    await without_trouble(li)
    await record.until("interrupted", "disk_slow", "None")
    assert record.interruptions == [Interruption("disk_slow", 8500, 12_000, None)]


async def test_what_was_lost_stays_on_the_screen_until_the_host_has_seen_it(
    house: House, media: FakeMediaPlane, record: MemoryProceedings
) -> None:
    li, gao = await begin(house)
    media.on_event(JournalTrouble(HEARING, "disk_full", 8500, None, True))
    assert (await trouble_of(gao))["losing"] is True
    media.on_event(JournalMended(HEARING, 30_000, (20_000, 30_000)))
    assert (await mended(li))["lost_ms"] == [20_000, 30_000]
    await gao.say("record_again")
    await gao.told("refused", code="not_permitted")
    await li.say("record_again")
    await without_trouble(li)
    await without_trouble(gao)
    await everything_done(li)
    assert record.interruptions == [Interruption("disk_full", 8500, 30_000, (20_000, 30_000))]
    assert ("record_again", HEARING) not in media.calls


async def test_one_click_tries_at_once_and_says_when_it_does_not_help(
    house: House, media: FakeMediaPlane, journals: FolderJournals
) -> None:
    li, _ = await begin(house)
    await li.say("record_again")  # nothing is the matter
    await li.say("prompt", text="请稍等")
    await li.told("room", prompt="请稍等")
    media.on_event(JournalTrouble(HEARING, "disk_gone", 8500))
    await trouble_of(li)
    directory = journals.directory(HEARING)
    directory.rename(directory.with_name("away"))
    media.fail["record_again"] = MediaRefused("disk_gone")
    await li.say("record_again")
    await li.told("refused", code="recording_still_down")
    assert directory.is_dir(), "made ready to be written to"
    del media.fail["record_again"]
    await li.say("record_again")
    await li.say("prompt", text="好了")
    await li.told("room", prompt="好了")
    assert media.calls.count(("record_again", HEARING)) == 2
    directory.rmdir()
    directory.with_name("away").rename(directory)


async def test_what_the_record_would_not_take_is_kept_at_the_latest_when_the_hearing_ends(
    house: House, media: FakeMediaPlane, record: MemoryProceedings
) -> None:
    li, _ = await begin(house)
    record.fail["troubled"] = record.fail["interrupted"] = OSError(28, "No space left on device")
    media.on_event(JournalTrouble(HEARING, "disk_full", 8500))
    await trouble_of(li)
    media.on_event(JournalMended(HEARING, 12_000))
    await without_trouble(li)
    del record.fail["interrupted"]
    await li.say("end")
    assert await li.closed() == ("ended", 4001)
    assert record.interruptions == [Interruption("disk_full", 8500, 12_000, None)]


async def test_a_worker_that_died_with_what_it_held_in_memory_leaves_a_hole(
    house: House, media: FakeMediaPlane, record: MemoryProceedings
) -> None:
    li, _ = await begin(house)
    media.on_event(JournalTrouble(HEARING, "disk_full", 8500))
    media.on_event(JournalFlushed(HEARING, 20_000, 8500))
    media.forget_links(HEARING)
    media.on_event(HearingMoved(HEARING, "died"))
    media.on_event(JournalFlushed(HEARING, 22_000, 21_900))
    assert (await mended(li))["lost_ms"] == [8500, 20_000]
    await everything_done(li)
    assert record.interruptions == [Interruption("disk_full", 8500, 21_900, (8500, 20_000))]


async def test_a_recording_that_stopped_is_opened_again_by_one_click_and_the_hole_is_told(
    house: House, media: FakeMediaPlane, record: MemoryProceedings
) -> None:
    li, gao = await begin(house)
    media.on_event(JournalFlushed(HEARING, 9000, 0))
    await li.told("saved")
    await media.close_hearing(HEARING)
    media.on_event(HearingLost(HEARING, "no_worker"))
    assert (await trouble_of(li))["error"] == "not_recording"
    media.fail["open_hearing"] = MediaRefused("disk_gone")
    await li.say("record_again")
    await li.told("refused", code="recording_unavailable")
    assert media.heard(HEARING) == set()
    del media.fail["open_hearing"]
    await li.say("record_again")
    await gao.told("offer")
    assert (await mended(li))["lost_ms"] is not None, "be it ever so short"
    assert media.heard(HEARING) == {"li", "gao"}
    await everything_done(li)
    (kept,) = record.interruptions
    assert (kept.error, kept.from_ms, kept.lost) == ("not_recording", 0, (0, kept.to_ms))
    await li.say("record_again")
    await without_trouble(li)


async def test_a_recording_that_has_to_begin_anew_has_lost_all_before_and_says_so(
    house: House, media: FakeMediaPlane, record: MemoryProceedings, journals: FolderJournals
) -> None:
    li, _ = await begin(house)
    media.on_event(JournalFlushed(HEARING, 600_000, 600_000))
    media.on_event(JournalTrouble(HEARING, "disk_gone", 600_000))
    await media.close_hearing(HEARING)
    media.on_event(HearingLost(HEARING, "disk_gone"))
    while (await trouble_of(li))["error"] != "not_recording":
        await li.told("room")
    directory = journals.directory(HEARING)
    directory.rename(directory.with_name("away"))
    await li.say("record_again")
    trouble = await mended(li)
    assert isinstance(trouble["lost_ms"], list)
    assert trouble["lost_ms"][0] == 0
    assert trouble["lost_ms"][1] >= 600_000
    await everything_done(li)
    (kept,) = record.interruptions
    assert kept.lost == tuple(trouble["lost_ms"])


async def test_an_end_that_the_disk_has_not_taken_yet_is_an_end_and_is_kept_as_such(
    house: House, media: FakeMediaPlane, record: MemoryProceedings
) -> None:
    li, _ = await begin(house)
    media.on_event(JournalFlushed(HEARING, 9000, 8500))
    await li.told("saved")
    media.fail["closing"] = MediaRefused("journal_unwritten")
    await li.say("end")
    assert await li.closed() == ("ended", 4001)
    assert record.interruptions == [Interruption("disk_slow", 8500, None, None)]
    assert record.hearings[HEARING].phase == "ended"
