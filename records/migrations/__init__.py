"""The one way a database gets and changes its tables, for every package.

`migrate` needs only the scripts in `versions/`. `generate` writes a new script by comparing a database that has every
migration with the metadata of the tables, which the caller hands in: this package knows no table above its own.
"""

import asyncio
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData

from records.database import WRITES, create_engine

HERE = Path(__file__).parent
VERSION_TABLE = "schema_version"

# Alembic keeps what it is doing in module globals: one at a time in a process.
_turn = asyncio.Lock()


class SchemaTooNew(Exception):
    """The database was migrated by a newer release than this one; do not touch it."""


def _config(connection: Connection, metadata: MetaData | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["metadata"] = metadata
    return config


def _upgrade(connection: Connection) -> None:
    config = _config(connection)
    script = ScriptDirectory.from_config(config)
    at = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    if at is not None and at not in {revision.revision for revision in script.walk_revisions()}:
        raise SchemaTooNew(at)
    command.upgrade(config, "head")


async def migrate(url: str) -> None:
    """Bring a database to the newest form, all or nothing. Raises SchemaTooNew.

    Doing it twice changes nothing. On SQLite this is one write transaction; on PostgreSQL an advisory lock, taken in
    `env.py`, lets one process do it while others wait.
    """
    engine = create_engine(url)
    try:
        async with _turn, engine.execution_options(**{WRITES: True}).begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


async def pending(url: str) -> bool:
    """Tell whether a database lacks migrations that this release has."""
    engine = create_engine(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_is_pending)
    finally:
        await engine.dispose()


def _is_pending(connection: Connection) -> bool:
    script = ScriptDirectory.from_config(_config(connection))
    at = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
    return at != script.get_current_head()


async def generate(url: str, metadata: MetaData, message: str) -> Path:
    """Write the next migration script for what `metadata` has and the database at `url` (migrated first) lacks.

    For developers, through `make migration`. Read what it wrote before committing it.
    """
    await migrate(url)
    engine = create_engine(url)
    try:
        async with _turn, engine.execution_options(**{WRITES: True}).begin() as connection:
            return await connection.run_sync(_generate, metadata, message)
    finally:
        await engine.dispose()


def _generate(connection: Connection, metadata: MetaData, message: str) -> Path:
    config = _config(connection, metadata)
    number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
    made = command.revision(config, message, autogenerate=True, rev_id=f"{number:04d}")
    if made is None or isinstance(made, list):
        raise RuntimeError("alembic wrote no single script")
    return Path(made.path)


async def differences(url: str, metadata: MetaData) -> list[str]:
    """Return in what a database differs from the metadata: empty when the migrations say what the tables say."""
    engine = create_engine(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_differences, metadata)
    finally:
        await engine.dispose()


def _differences(connection: Connection, metadata: MetaData) -> list[str]:
    options = {"version_table": VERSION_TABLE, "compare_type": True}
    return [repr(change) for change in compare_metadata(MigrationContext.configure(connection, opts=options), metadata)]
