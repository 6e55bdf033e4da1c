"""Fixtures: a fresh database for each test, on SQLite and on PostgreSQL.

`database` runs a test twice, with the ids `sqlite` and `postgresql`. SQLite's is a copy of a template file, made once a
run with every table of the project; PostgreSQL's is one database a run, emptied after each test (2 ms; a copy of a
template takes 200).
"""

import asyncio
import importlib
import importlib.util
import shutil
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from records.database import Base, Database
from records.ids import new_id
from records.personal import PersonalData
from tests.support.postgresql import USER, postgresql_server

TABLE_MODULES = ("records.trail", "records.outbox", "sessions.tables", "aid.tables", "web.accounts.tables")
_TESTS = "jiefang_tests"
_EMPTY = """
DO $$ DECLARE name text; BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    -- Triggers sleep: the trail and the ledger refuse to be emptied.
    SET LOCAL session_replication_role = replica;
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
END $$
"""
PERSONAL_KEY = bytes(range(32))


def load_every_table() -> None:
    """Import every module that declares tables, so that the metadata is whole."""
    for name in TABLE_MODULES:
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)


async def create_every_table(url: str) -> None:
    """Make all tables in an empty database."""
    load_every_table()
    database = Database(url, personal=PersonalData(PERSONAL_KEY))
    async with database.begin() as db:
        connection = await db.connection()
        await connection.run_sync(Base.metadata.create_all)
    await database.dispose()


def _create_apart(url: str) -> None:
    # In a thread of its own: this one may have an event loop already.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(create_every_table(url))).result()


async def _execute(server: str, statement: str, *, on: str = "postgres") -> None:
    connection = await asyncpg.connect(f"postgresql://{USER}@{server}/{on}")
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def sqlite_url(path: Path) -> str:
    """Return the address of a SQLite database file."""
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with every table and no row."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    _create_apart(sqlite_url(path))
    return path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a PostgreSQL server of this run."""
    with postgresql_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_url(postgresql: str) -> str:
    """The address of a PostgreSQL database with every table."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(_execute(postgresql, f"CREATE DATABASE {_TESTS}"))).result()
    url = f"postgresql+asyncpg://{USER}@{postgresql}/{_TESTS}"
    _create_apart(url)
    return url


@asynccontextmanager
async def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """Yield the address of a database without a table, of the kind that `request.param` names."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "empty.db")
        return
    server = request.getfixturevalue("postgresql")
    name = f"test_{new_id()}"
    await _execute(server, f"CREATE DATABASE {name}")
    try:
        yield f"postgresql+asyncpg://{USER}@{server}/{name}"
    finally:
        await _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a fresh database with every table."""
    if request.param == "sqlite":
        path = tmp_path / "jiefang.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield sqlite_url(path)
        return
    server, url = request.getfixturevalue("postgresql"), request.getfixturevalue("postgresql_url")
    yield url
    await _execute(server, _EMPTY, on=_TESTS)


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A fresh database with every table, on each of the two kinds."""
    made = Database(database_url, personal=PersonalData(PERSONAL_KEY))
    yield made
    await made.dispose()
