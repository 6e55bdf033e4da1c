"""The one door to the database: engine, transactions, column types, append-only tables.

Both databases behave alike to whoever uses this: `begin()` is one write transaction, `read()` is one consistent view.
SQLite starts writing with BEGIN IMMEDIATE, so that a transaction never fails half-way because it read before it wrote;
PostgreSQL runs READ COMMITTED and use cases lock the rows they decide upon (`with_for_update()`, which SQLite ignores).
"""

import asyncio
import functools
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar, cast

import aiosqlite
from sqlalchemy import JSON, BigInteger, Connection, DateTime, Dialect, Enum, Integer, MetaData, Table, event
from sqlalchemy.engine.interfaces import AdaptedConnection
from sqlalchemy.engine.url import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator, TypeEngine

from records import postgresql_driver, sqlite_driver
from records.chain import Json
from records.endings import carry_out
from records.personal import PersonalData
from records.refusals import Refusal

__all__ = [
    "Base",
    "BigInt",
    "Database",
    "Json",
    "UtcDateTime",
    "attach_ddl",
    "attached_ddl",
    "create_engine",
    "forbid_changes",
    "stored_enum",
]

WRITE_WAIT_S = 10.0
_WAL_RETRY_S = 0.05
WRITES = "jiefang_writes"
"""The execution option that makes a SQLite transaction begin as a writer."""
_DDL = "statements"

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """An instant, aware and in UTC, to the microsecond. Naive datetimes are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn an instant into what the driver stores; SQLite keeps no zone, so it gets UTC without one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime is not an instant")
        instant = value.astimezone(UTC)
        return instant.replace(tzinfo=None) if dialect.name == "sqlite" else instant

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn what the driver read back into an aware instant in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


BigInt: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits on both databases. SQLite numbers rows by itself only for a column it calls INTEGER."""


class Base(DeclarativeBase):
    """Every table of the project. `Mapped[int]` is 64 bits, `Mapped[datetime]` an instant in UTC."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 (declared so by SQLAlchemy)
        int: BigInt,
        datetime: UtcDateTime(),
        dict[str, Json]: JSON(),
    }


_E = TypeVar("_E", bound=StrEnum)


def stored_enum(kind: type[_E]) -> Enum:
    """Return the column type that stores a StrEnum by its value and lets the database refuse any other."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=True,
        length=32,
        name=kind.__name__.lower(),
        values_callable=lambda members: [member.value for member in members],
        validate_strings=True,
    )


def attach_ddl(table: Table, *, sqlite: Sequence[str], postgresql: Sequence[str]) -> None:
    """Run these statements whenever `table` is created, and carry them into generated migrations."""
    statements: dict[str, list[str]] = table.info.setdefault(_DDL, {"sqlite": [], "postgresql": []})
    for dialect, texts in (("sqlite", sqlite), ("postgresql", postgresql)):
        for text in texts:
            statements[dialect].append(text)
    if not event.contains(table, "after_create", _run_attached_ddl):
        event.listen(table, "after_create", _run_attached_ddl)


def _run_attached_ddl(table: Table, connection: Connection, **_: object) -> None:
    for statement in attached_ddl(table).get(connection.dialect.name, ()):
        connection.exec_driver_sql(statement)


def attached_ddl(table: Table) -> Mapping[str, Sequence[str]]:
    """Return the statements of `attach_ddl` for a table, by dialect."""
    return cast(Mapping[str, Sequence[str]], table.info.get(_DDL, {}))


def forbid_changes(table: Table) -> None:
    """Make a table append-only in the database itself: UPDATE, DELETE and TRUNCATE fail, whoever tries.

    (The owner of the database can drop the triggers: what finds *that* is the signed head of the trail.)
    """
    name = table.name
    sqlite = [
        f"CREATE TRIGGER {name}_forbid_{verb.lower()} BEFORE {verb} ON {name} "
        f"BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"
        for verb in ("UPDATE", "DELETE")
    ]
    postgresql = [
        "CREATE OR REPLACE FUNCTION jiefang_forbid_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; "
        "END $$",
        f"CREATE TRIGGER {name}_forbid_change BEFORE UPDATE OR DELETE ON {name} "
        "FOR EACH ROW EXECUTE FUNCTION jiefang_forbid_change()",
        f"CREATE TRIGGER {name}_forbid_truncate BEFORE TRUNCATE ON {name} "
        "FOR EACH STATEMENT EXECUTE FUNCTION jiefang_forbid_change()",
    ]
    attach_ddl(table, sqlite=sqlite, postgresql=postgresql)


def _prepare_sqlite_connection(connection: AdaptedConnection, entry: ConnectionPoolEntry) -> None:
    connection.run_async(_prepare_sqlite)


async def _prepare_sqlite(connection: aiosqlite.Connection) -> None:
    try:
        await _set_up_sqlite(connection)
    except BaseException:
        # The pool has not got it yet, and would not close it.
        await connection.close()
        raise


async def _set_up_sqlite(connection: aiosqlite.Connection) -> None:
    # The driver's own transaction handling begins late and breaks savepoints: switch it off, and send BEGIN ourselves.
    connection.isolation_level = None
    await connection.execute(f"PRAGMA busy_timeout={int(WRITE_WAIT_S * 1000)}")
    await connection.execute("PRAGMA foreign_keys=ON")
    # WAL with NORMAL may lose the last commits at a power cut; a signed paper must not be lost.
    await connection.execute("PRAGMA synchronous=FULL")
    await _switch_to_wal(connection)


async def _switch_to_wal(connection: aiosqlite.Connection) -> None:
    """Let readers and the writer go on side by side. SQLite does not wait for its lock here by itself: we do."""
    for _ in range(int(WRITE_WAIT_S / _WAL_RETRY_S)):
        try:
            await connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            # Another process is switching the same new database.
            await asyncio.sleep(_WAL_RETRY_S)
        else:
            return
    await connection.execute("PRAGMA journal_mode=WAL")


def _begin_sqlite_transaction(connection: Connection) -> None:
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _is_busy(error: DBAPIError) -> bool:
    # SQLite says so in words; PostgreSQL by SQLSTATE: lock_not_available, deadlock_detected, serialization_failure.
    state = getattr(error.orig, "sqlstate", None)
    return state in {"55P03", "40P01", "40001"} or "database is locked" in str(error.orig)


def create_engine(url: str, *, lock_wait_s: float | None = None) -> AsyncEngine:
    """Return an engine for `sqlite+aiosqlite:///path` or `postgresql+asyncpg://...`.

    `lock_wait_s` bounds how long a PostgreSQL statement waits for a lock; SQLite always waits for WRITE_WAIT_S.
    """
    dialect = make_url(url).get_backend_name()
    if dialect == "sqlite":
        engine = create_async_engine(
            url, pool_size=4, max_overflow=4, pool_timeout=30, connect_args={"async_creator_fn": sqlite_driver.connect}
        )
        event.listen(engine.sync_engine, "connect", _prepare_sqlite_connection)
        event.listen(engine.sync_engine, "begin", _begin_sqlite_transaction)
        return engine
    if dialect == "postgresql":
        settings = {} if lock_wait_s is None else {"lock_timeout": str(int(lock_wait_s * 1000))}
        return create_async_engine(
            url,
            pool_size=8,
            max_overflow=8,
            pool_timeout=30,
            pool_pre_ping=True,
            connect_args={"server_settings": settings, "async_creator_fn": postgresql_driver.connect},
        )
    raise ValueError(f"unknown database: {dialect}")


@asynccontextmanager
async def _closed_at_the_end(db: AsyncSession) -> AsyncIterator[AsyncSession]:
    """Undo what was not committed and let the connection go, whoever is stopped meanwhile, and however often.

    A server that stops cancels everybody, also the task in which we close: what was not closed then is torn off.
    """
    try:
        yield db
    finally:
        transaction = db.sync_session.get_transaction()
        held = transaction.connections if transaction is not None else ()
        try:
            await carry_out(db.close())
        finally:
            for connection in held:
                _tear_off(connection)


def _tear_off(connection: Connection) -> None:
    """Give up a connection at once, without waiting for anything; nothing when it was given back."""
    if connection.closed:
        return
    connection.invalidate()
    connection.close()


class Database:
    """The project's database. Give each running process one, and `dispose()` of it at the end."""

    def __init__(self, url: str, *, personal: PersonalData) -> None:
        self.engine = create_engine(url, lock_wait_s=WRITE_WAIT_S)
        self.dialect = self.engine.dialect.name
        make = functools.partial(
            async_sessionmaker, expire_on_commit=False, info={"personal": personal}, class_=AsyncSession
        )
        self._write = make(self.engine.execution_options(**{WRITES: True}))
        readers = (
            self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            if self.dialect == "postgresql"
            else self.engine
        )
        self._read = make(readers)
        # SQLite has one writer at a time and no fair queue before it; this is the queue of this process.
        self._turn = asyncio.Lock()

    def begin(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Open one write transaction: committed when the block ends, rolled back when it raises.

        Whoever waits too long for another writer, or is picked to end a deadlock, gets Refusal("database_busy"):
        nothing was done, trying again is safe. Lock order, so that two transactions never wait for each other: the
        rows of the thing decided upon first, `records.trail.record()` last.
        """
        return self._begin()

    @asynccontextmanager
    async def _begin(self) -> AsyncIterator[AsyncSession]:
        async with AsyncExitStack() as stack:
            if self.dialect == "sqlite":
                await self._take_turn()
                stack.callback(self._turn.release)
            try:
                db = await stack.enter_async_context(_closed_at_the_end(self._write()))
                yield db
                await carry_out(db.commit())
            except DBAPIError as error:
                if _is_busy(error):
                    raise Refusal("database_busy") from error
                raise

    async def _take_turn(self) -> None:
        try:
            async with asyncio.timeout(WRITE_WAIT_S):
                await self._turn.acquire()
        except TimeoutError as error:
            raise Refusal("database_busy") from error

    def read(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Open one consistent view of the database; what is changed in it is never kept."""
        return _closed_at_the_end(self._read())

    async def dispose(self) -> None:
        """Close every connection."""
        await self.engine.dispose()
