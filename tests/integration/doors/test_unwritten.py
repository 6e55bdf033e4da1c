"""A hearing is over, and the disk has not taken the end of its recording yet."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import update

from records.outbox import LetterState, NotYet, OutboxLetter
from tests.support.house import PATIENCE_S, Hearing, House
from web.jobs import SEAL, seal_recording, seal_what_waits


async def progress_of(house: House, wanted: str) -> None:
    """Wait until the page that waits for the seal is told this."""
    wang = await house.staff("wang")
    async with asyncio.timeout(PATIENCE_S):
        while not (await wang.get(f"/sessions/{house.session_id}/progress")).json["progress"].startswith(wanted):
            house.clock.advance(1)
            await asyncio.sleep(0.05)


@asynccontextmanager
async def held_when_it_ends(house: House, hearing: Hearing) -> AsyncIterator[None]:
    """End the hearing, and hold its journal as a media process does that still writes."""
    lock = os.open(house.settings.journals / house.session_id / "journal.lock", os.O_RDWR)
    async with asyncio.TaskGroup() as group:
        # Whoever waits for the lock has it as soon as the media process lets go.
        held = group.create_task(asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX))
        await hearing.desk.say("end")
        await hearing.phone.closed()
        await held
    try:
        yield
    finally:
        os.close(lock)


async def test_what_is_still_being_written_is_not_sealed_and_the_page_says_why_until_it_is(house: House) -> None:
    async with house.hearing() as hearing:
        with pytest.raises(NotYet):
            await seal_recording(house.server.app, house.session_id)
        async with held_when_it_ends(house, hearing):
            await progress_of(house, "unwritten")
            page = await hearing.wang.get(f"/sessions/{house.session_id}")
            assert "录像的最后一段还没有写进磁盘" in page.text
            assert not (house.settings.journals / house.session_id / "manifest.json").exists()
        await progress_of(house, "sealed")
    assert (await house.events()).count("RecordingSealed") == 1


async def test_a_recording_whose_disk_is_gone_is_sealed_when_it_is_back(house: House) -> None:
    directory = house.settings.journals / house.session_id
    async with house.hearing() as hearing:
        async with held_when_it_ends(house, hearing):
            directory.rename(directory.with_name("away"))
        await progress_of(house, "gone")
        page = await hearing.wang.get(f"/sessions/{house.session_id}")
        assert "存录像的磁盘却不见了" in page.text
        directory.with_name("away").rename(directory)
        await progress_of(house, "sealed")


async def test_a_seal_that_failed_for_good_is_tried_again_when_the_server_starts(house: House) -> None:
    async with house.hearing() as hearing:
        async with held_when_it_ends(house, hearing):
            await progress_of(house, "unwritten")
            async with house.database.begin() as db:
                failed = update(OutboxLetter).where(OutboxLetter.topic == SEAL)
                await db.execute(failed.values(state=LetterState.FAILED))
        page = await hearing.wang.get(f"/sessions/{house.session_id}")
        assert "录像没能封存" in page.text
        await seal_what_waits(house.server.app)
        await progress_of(house, "sealed")
