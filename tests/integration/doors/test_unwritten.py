"""A disk that is slow, full or gone: what could not be written or sealed is, as soon as it can be, and nothing ends."""

import asyncio
import errno
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from records import trail
from records.chain import SignedHead
from records.outbox import LetterState, NotYet, OutboxLetter
from records.trail import TrailEntry
from tests.support.house import PATIENCE_S, Hearing, House
from web import bridges, lifetimes
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


async def test_a_head_that_cannot_be_written_is_signed_when_there_is_space_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    append_head, refused = trail.append_head, asyncio.Event()

    def refuse(path: Path, head: SignedHead) -> None:
        house_loop.call_soon_threadsafe(refused.set)
        raise OSError(errno.ENOSPC, "no space")

    house_loop = asyncio.get_running_loop()
    monkeypatch.setattr(lifetimes, "WITNESS_EVERY_S", 0.01)
    monkeypatch.setattr(trail, "append_head", refuse)
    await house.staff("wang")
    async with asyncio.timeout(PATIENCE_S):
        await refused.wait()
        monkeypatch.setattr(trail, "append_head", append_head)
        heads = house.settings.heads
        async with house.database.read() as db:
            newest = await db.scalar(select(func.max(TrailEntry.sequence)))
        while not heads.exists() or trail.read_heads(heads)[-1].sequence != newest:  # noqa: ASYNC110  # a file
            await asyncio.sleep(0.05)


async def test_a_hearing_for_which_no_recording_can_be_begun_does_not_begin_and_says_why(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    wang, gao = await house.staff("wang"), await house.gao()
    for kind in ("recording", "personal_data"):
        assert (await gao.send("/hearing/consents", {"kind": kind})).status == 200

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(bridges, "ensure_session_key", refuse)
    desk = await wang.joins(house.session_id, "staff")
    phone = await gao.joins(house.session_id, "applicant")
    async with asyncio.TaskGroup() as readers:
        reading = [readers.create_task(page.read_on()) for page in (desk, phone)]
        me = (await phone.told("room"))["you"]
        await desk.sees(me, present=True)
        await desk.say("admit", seat_id=me)
        await desk.told("refused", code="recording_unavailable")
        for task in reading:
            task.cancel()
    await phone.go()
    await desk.go()
