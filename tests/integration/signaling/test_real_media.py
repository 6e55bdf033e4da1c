"""A hearing through the hub and the real media plane: two peers see and hear each other, come back, are recorded."""

import asyncio
from pathlib import Path

import pytest

from records.journal import read_journal
from records.journal_records import Event, JournalFault, Packet, SegmentStart, Source
from signaling.ports import Ports
from tests.support.media_fake import FolderJournals, MemoryProceedings
from tests.support.meeting import HEARING, meeting_place, sitting


@pytest.mark.timeout(90)
async def test_two_people_meet_lose_each_other_come_back_after_a_restart_and_are_recorded(
    record: MemoryProceedings, ports: Ports, journals: FolderJournals
) -> None:
    async with meeting_place(ports) as (house, _), sitting(house, "li", 60) as li:
        async with sitting(house, "gao", 160) as gao:
            await li.page.say("admit", seat_id="gao")
            await asyncio.gather(li.sees_and_hears("gao"), gao.sees_and_hears("li"))
            still = await house.hub.take_still(HEARING, "gao")
            assert (still.width, still.height) == (320, 240)
            gao.page.cut()
            await record.until("left", "gao", "lost")
        async with sitting(house, "gao", 160) as gao:
            await asyncio.gather(li.sees_and_hears("gao"), gao.sees_and_hears("li"))
            before = house.hub.position(HEARING)
            await house.hub.drain()

    async with (
        meeting_place(ports) as (house, _),
        sitting(house, "gao", 160) as gao,
        sitting(house, "li", 60) as li,
    ):
        await asyncio.gather(li.sees_and_hears("gao"), gao.sees_and_hears("li"))
        after = house.hub.position(HEARING)
        assert before is not None
        assert after is not None
        assert after.elapsed_ms > before.elapsed_ms
        await li.page.say("end")
        await record.until("ended", "li", "with")

    check_journal(list(await asyncio.to_thread(lambda: list(read_journal(journals.root / HEARING)))), journals.root)


def check_journal(entries: list[object], root: Path) -> None:
    """Check that what was recorded is whole, and holds both people in both of the server's lives."""
    assert not [entry for entry in entries if isinstance(entry, JournalFault)], root
    assert [entry.data["event"] for entry in entries if isinstance(entry, Event)][-1] == "HearingEnded"
    assert sum(isinstance(entry, SegmentStart) for entry in entries) >= 2
    lives: list[set[str]] = []
    seats: dict[int, str] = {}
    for entry in entries:
        match entry:
            case Event(data=data) if data["event"] == "RecordingOpened":
                lives.append(set())
                seats = {}
            case Source():
                seats[entry.number] = entry.seat_id
            case Packet():
                lives[-1].add(seats[entry.source])
    assert lives == [{"li", "gao"}, {"li", "gao"}]
