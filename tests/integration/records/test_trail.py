"""The trail in a real database."""

import asyncio
import itertools
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from records.actors import Actor, ActorKind, Role, system_actor
from records.chain import GENESIS
from records.clock import FixedClock
from records.database import Database
from records.trail import entries_of, export_trail, record

CLOCK = FixedClock(datetime(2026, 11, 25, 2, 0, 0, 123456, tzinfo=UTC))
HOST = Actor(ActorKind.STAFF, "wang", "王检察官", "dongying", frozenset({Role.HOST}))


async def write(database: Database, event: str = "HearingBooked") -> None:
    async with database.begin() as db:
        await record(
            db, HOST, event, subject_kind="session", subject_id="s1", details={"number": "东检〔2026〕1号"}, clock=CLOCK
        )


async def test_entries_are_numbered_from_one_and_chained(database: Database) -> None:
    for _ in range(3):
        await write(database)
    async with database.read() as db:
        entries = [entry async for entry in export_trail(db, batch=2)]
    assert [entry.sequence for entry in entries] == [1, 2, 3]
    assert [entry.previous for entry in entries] == [GENESIS, entries[0].digest, entries[1].digest]
    assert entries[0].details == '{"number":"东检〔2026〕1号"}'


async def test_an_instant_is_kept_to_the_microsecond(database: Database) -> None:
    await write(database)
    async with database.read() as db:
        (entry,) = await entries_of(db, subject_kind="session", subject_id="s1")
    assert entry.at == CLOCK.at


async def test_many_writers_at_once_make_one_chain(database: Database) -> None:
    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(write(database, f"Event{number}"))
    async with database.read() as db:
        entries = [entry async for entry in export_trail(db)]
    assert [entry.sequence for entry in entries] == list(range(1, 21))
    assert all(after.previous == before.digest for before, after in itertools.pairwise(entries))


async def test_a_rolled_back_change_leaves_no_entry(database: Database) -> None:
    with pytest.raises(RuntimeError, match="in the middle"):
        async with database.begin() as db:
            await record(db, HOST, "A", subject_kind="x", subject_id="1", details={}, clock=CLOCK)
            raise RuntimeError("in the middle")
    await write(database)
    async with database.read() as db:
        assert [entry.sequence async for entry in export_trail(db)] == [1]


@pytest.mark.parametrize("statement", ["UPDATE trail_entries SET event = 'B'", "DELETE FROM trail_entries"])
async def test_the_database_itself_refuses_to_change_an_entry(database: Database, statement: str) -> None:
    await write(database)
    with pytest.raises(DBAPIError, match="append-only"):
        async with database.begin() as db:
            await db.execute(text(statement))
    async with database.read() as db:
        assert [entry.event async for entry in export_trail(db)] == ["HearingBooked"]


async def test_the_chain_cannot_fork(database: Database) -> None:
    await write(database)
    await write(database)
    with pytest.raises(IntegrityError):
        async with database.begin() as db:
            columns = "at_us, actor_kind, actor_id, actor_name, event, subject_kind, subject_id, details, previous"
            await db.execute(
                text(
                    f"INSERT INTO trail_entries (sequence, digest, {columns}) "  # noqa: S608 (names of our own)
                    f"SELECT 3, 'other', {columns} FROM trail_entries WHERE sequence = 2"
                )
            )


async def test_an_applicants_name_is_masked_in_what_can_never_be_erased(database: Database) -> None:
    gao = Actor(ActorKind.APPLICANT, "seat1", "高小红", None, frozenset({Role.APPLICANT}))
    async with database.begin() as db:
        await record(db, gao, "ConsentGiven", subject_kind="seat", subject_id="seat1", details={}, clock=CLOCK)
        await record(db, system_actor("sealer"), "X", subject_kind="seat", subject_id="seat1", details={}, clock=CLOCK)
    async with database.read() as db:
        names = [entry.actor_name for entry in await entries_of(db, subject_id="seat1")]
    assert names == ["高**", "sealer"]
