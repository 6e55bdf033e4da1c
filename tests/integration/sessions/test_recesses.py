"""A recess on record: the host's alone to begin and to end, marked, and told apart from a gap when it is sealed."""

import json
from pathlib import Path

import pytest

from records.clock import FixedClock
from records.database import Database
from records.manifests import MANIFEST
from records.refusals import Refusal
from records.trail import entries_of
from records.vault import Vault
from records.verifier import verify_recording
from sessions.proceedings import end, room_opening, start
from sessions.queries import marks_of
from sessions.recesses import pause, recesses_of, require_no_recess, resume
from sessions.recordings import begin
from sessions.sealing import seal
from tests.integration.sessions.test_recordings import KEY, SYSTEM, write_journal
from tests.support.people import LIU, WANG, ZHAO, Hearing


async def rests(database: Database, hearing: Hearing, elapsed_ms: int, clock: FixedClock, reason: str = "") -> bool:
    async with database.begin() as db:
        seat = hearing.host_seat
        return await pause(db, WANG, hearing.session_id, seat, reason, elapsed_ms=elapsed_ms, clock=clock)


async def goes_on(database: Database, hearing: Hearing, elapsed_ms: int, clock: FixedClock) -> bool:
    async with database.begin() as db:
        return await resume(db, WANG, hearing.session_id, elapsed_ms=elapsed_ms, clock=clock)


@pytest.fixture
async def running(database: Database, hearing: Hearing, clock: FixedClock) -> Hearing:
    async with database.begin() as db:
        await start(db, WANG, hearing.session_id, clock=clock)
    return hearing


async def test_a_recess_is_marked_and_on_the_trail_and_begins_and_ends_once(
    database: Database, running: Hearing, clock: FixedClock
) -> None:
    assert await rests(database, running, 60_000, clock, " 申请人要休息一下 ")
    assert not await rests(database, running, 61_000, clock)
    async with database.read() as db:
        with pytest.raises(Refusal, match="hearing_in_recess"):
            await require_no_recess(db, running.session_id)
        opening = (await room_opening(db, running.session_id)).recess
    assert opening is not None
    assert (opening.from_ms, opening.to_ms, opening.by) == (60_000, None, running.host_seat)
    assert (opening.began_at, opening.reason) == (clock.now(), "申请人要休息一下")
    assert await goes_on(database, running, 90_000, clock)
    assert not await goes_on(database, running, 91_000, clock)
    async with database.read() as db:
        await require_no_recess(db, running.session_id)
        marks = await marks_of(db, running.session_id)
        events = [entry.event for entry in await entries_of(db, session_id=running.session_id)]
    assert [(mark.elapsed_ms, mark.title) for mark in marks] == [(60_000, "休会：申请人要休息一下"), (90_000, "复会")]
    assert events[-2:] == ["HearingPaused", "HearingResumed"]


async def test_nobody_but_its_host_begins_or_ends_a_recess(
    database: Database, running: Hearing, clock: FixedClock
) -> None:
    session_id = running.session_id
    for stranger in (ZHAO, LIU, running.gao):
        async with database.begin() as db:
            with pytest.raises(Refusal, match=r"not_permitted|not_your_hearing"):
                await pause(db, stranger, session_id, running.host_seat, "", elapsed_ms=1, clock=clock)
            with pytest.raises(Refusal, match=r"not_permitted|not_your_hearing"):
                await resume(db, stranger, session_id, elapsed_ms=1, clock=clock)


async def test_only_a_running_hearing_rests(database: Database, hearing: Hearing, clock: FixedClock) -> None:
    with pytest.raises(Refusal, match="session_not_started"):
        await rests(database, hearing, 1, clock)
    async with database.begin() as db:
        await start(db, WANG, hearing.session_id, clock=clock)
        await end(db, WANG, hearing.session_id, clock=clock)
    with pytest.raises(Refusal, match="session_over"):
        await rests(database, hearing, 1, clock)


async def test_a_clock_set_back_does_not_end_a_recess_before_it_began(
    database: Database, running: Hearing, clock: FixedClock
) -> None:
    await rests(database, running, 60_000, clock)
    await goes_on(database, running, 10_000, clock)
    await rests(database, running, 70_000, clock)
    async with database.read() as db:
        spans = [(recess.from_ms, recess.to_ms) for recess in await recesses_of(db, running.session_id)]
    assert spans == [(60_000, 60_000), (70_000, None)]


@pytest.mark.parametrize("ends", ["by its host", "with the hearing"])
async def test_a_sealed_recess_is_no_gap(
    database: Database, running: Hearing, clock: FixedClock, tmp_path: Path, ends: str
) -> None:
    directory, vault = tmp_path / "recording", Vault(tmp_path / "vault")
    async with database.begin() as db:
        await begin(db, SYSTEM, running.session_id, directory=directory.name, clock=clock)
    write_journal(directory, clock, seconds=5)
    await rests(database, running, 5_000, clock)
    clock.advance(40)
    if ends == "by its host":
        await goes_on(database, running, 44_900, clock)
    write_journal(directory, clock, seconds=5)
    clock.advance(20)
    write_journal(directory, clock, seconds=5)
    async with database.begin() as db:
        await end(db, WANG, running.session_id, clock=clock)
        await seal(db, SYSTEM, running.session_id, directory=directory, key=KEY, vault=vault, clock=clock)
    manifest = json.loads((directory / MANIFEST).read_bytes())
    ended_ms, gaps = (44_900, [{"from_ms": 50_000, "to_ms": 70_000}]) if ends == "by its host" else (75_000, [])
    assert manifest["recesses"] == [{"from_ms": 5_000, "to_ms": ended_ms}]
    assert manifest["gaps"] == gaps
    findings = list(verify_recording(directory, KEY.public))
    assert all(finding.ok for finding in findings)
    told = {finding.code for finding in findings}
    assert told == {"recording_whole", "recess", *(["gap"] if gaps else [])}
