"""The migrations make what the tables say, on both databases."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from records.actors import system_actor
from records.clock import SystemClock
from records.database import Base, Database, attached_ddl
from records.migrations import SchemaTooNew, differences, generate, migrate, pending
from records.personal import PersonalData
from records.trail import record
from sessions.seats import SeatRole
from tests.support.database import PERSONAL_KEY, empty_database_url, load_every_table, sqlite_url


@pytest_asyncio.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
async def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a database without a table."""
    async with empty_database_url(request, tmp_path) as url:
        yield url


async def test_migrating_makes_exactly_the_tables_of_the_code(empty_url: str) -> None:
    load_every_table()
    assert await pending(empty_url)
    await migrate(empty_url)
    assert not await pending(empty_url)
    assert await differences(empty_url, Base.metadata) == []


async def test_migrating_twice_keeps_the_data(empty_url: str) -> None:
    await migrate(empty_url)
    database = Database(empty_url, personal=PersonalData(PERSONAL_KEY))
    async with database.begin() as db:
        await record(db, system_actor("x"), "A", subject_kind="x", subject_id="1", details={}, clock=SystemClock())
    await migrate(empty_url)
    async with database.read() as db:
        assert await db.scalar(text("SELECT count(*) FROM trail_entries")) == 1
    await database.dispose()


async def test_a_seat_of_every_role_fits_into_a_migrated_database_and_no_other(empty_url: str) -> None:
    await migrate(empty_url)
    database = Database(empty_url, personal=PersonalData(PERSONAL_KEY))
    seat = (
        "INSERT INTO seats (id, session_id, role, display_name, title, office_name)"
        " VALUES (:id, 's', :role, '', '', '')"
    )
    async with database.begin() as db:
        await db.execute(text("INSERT INTO offices (id, name, short_name, region) VALUES ('o', 'o', 'o', 'o')"))
        await db.execute(
            text(
                "INSERT INTO sessions (id, number, office_id, subject, applicant_name, starts_at, ends_at, state,"
                " booked_at, version) VALUES"
                " ('s', '1', 'o', '', '', '2026-11-25', '2026-11-26', 'booked', '2026-11-25', 1)"
            )
        )
        for role in SeatRole:
            await db.execute(text(seat), {"id": role.value, "role": role.value})
    with pytest.raises(DBAPIError):
        async with database.begin() as db:
            await db.execute(text(seat), {"id": "another", "role": "king"})
    await database.dispose()


async def test_a_migrated_trail_is_append_only(empty_url: str) -> None:
    await migrate(empty_url)
    database = Database(empty_url, personal=PersonalData(PERSONAL_KEY))
    async with database.begin() as db:
        await record(db, system_actor("x"), "A", subject_kind="x", subject_id="1", details={}, clock=SystemClock())
    with pytest.raises(DBAPIError, match="append-only"):
        async with database.begin() as db:
            await db.execute(text("DELETE FROM trail_entries"))
    await database.dispose()


async def test_every_trigger_of_the_code_is_in_the_migrations(empty_url: str) -> None:
    load_every_table()
    await migrate(empty_url)
    migrated = Database(empty_url, personal=PersonalData(PERSONAL_KEY))
    statements = [
        ddl for table in Base.metadata.tables.values() for ddl in attached_ddl(table).get(migrated.dialect, ())
    ]
    wanted = {found.group(1) for ddl in statements if (found := re.match(r"CREATE TRIGGER (\w+)", ddl))}
    queries = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
        "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
    }
    async with migrated.read() as db:
        assert set(await db.scalars(text(queries[migrated.dialect]))) == wanted
    await migrated.dispose()


async def test_two_servers_that_start_at_once_migrate_once(empty_url: str) -> None:
    program = "import asyncio, sys; from records.migrations import migrate; asyncio.run(migrate(sys.argv[1]))"
    servers = [await asyncio.create_subprocess_exec(sys.executable, "-c", program, empty_url) for _ in range(2)]
    assert [await server.wait() for server in servers] == [0, 0]
    assert not await pending(empty_url)


async def test_a_database_of_a_newer_release_is_left_alone(empty_url: str) -> None:
    await migrate(empty_url)
    database = Database(empty_url, personal=PersonalData(PERSONAL_KEY))
    async with database.begin() as db:
        await db.execute(text("UPDATE schema_version SET version_num = '9999'"))
    await database.dispose()
    with pytest.raises(SchemaTooNew):
        await migrate(empty_url)


async def test_a_new_script_is_written_for_what_is_lacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = tmp_path / "migrations"
    (scripts / "versions").mkdir(parents=True)
    here = Path("records/migrations")
    for name in ("env.py", "script.py.mako"):
        (scripts / name).write_text((here / name).read_text())
    monkeypatch.setattr("records.migrations.HERE", scripts)
    load_every_table()
    written = await generate(sqlite_url(tmp_path / "x.db"), Base.metadata, "initial")
    assert "trail_entries_forbid_update" in written.read_text()
    await migrate(sqlite_url(tmp_path / "x.db"))
    assert await differences(sqlite_url(tmp_path / "x.db"), Base.metadata) == []
