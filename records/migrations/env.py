"""Alembic's entry: run with a connection that `records.migrations` opened, inside its transaction."""

import textwrap
from typing import Literal

from alembic import context
from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import CreateTableOp, MigrateOperation, MigrationScript
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text

from records.database import UtcDateTime, attached_ddl
from records.migrations import VERSION_TABLE

_LOCK = 0x6D696772  # "migr": so that of two servers starting at once one migrates and the other waits


class AttachedStatement(MigrateOperation):
    """One statement for one kind of database (a trigger, a function), written out in the script."""

    def __init__(self, dialect: str, statement: str) -> None:
        self.dialect = dialect
        self.statement = statement


@renderers.dispatch_for(AttachedStatement)
def _render_statement(autogen_context: AutogenContext, operation: AttachedStatement) -> str:
    # In pieces of a readable width; `drop_whitespace=False` keeps every character.
    pieces = textwrap.wrap(operation.statement, 90, drop_whitespace=False, replace_whitespace=False)
    return "\n".join([f"on({operation.dialect!r},", *map(repr, pieces), ")"])


def _render_type(kind: str, item: object, autogen_context: AutogenContext) -> str | Literal[False]:
    # Scripts outlive code: they name only SQLAlchemy's own types.
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def _add_statements(migration_context: MigrationContext, revision: object, directives: list[MigrationScript]) -> None:
    for script in directives:
        operations = script.upgrade_ops
        if operations is None:
            continue
        # A dictionary, to keep the order and drop repetitions: tables share functions.
        found: dict[tuple[str, str], MigrateOperation] = {}
        for operation in operations.ops:
            if isinstance(operation, CreateTableOp):
                ddl = attached_ddl(operation.to_table(migration_context))
                operation.info.clear()  # or the script would say everything twice
                for dialect, statements in ddl.items():
                    found.update({(dialect, text): AttachedStatement(dialect, text) for text in statements})
        operations.ops.extend(found.values())


def run(connection: Connection, metadata: MetaData | None) -> None:
    """Run the scripts, or compare for a new one, in the caller's transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        render_as_batch=False,
        render_item=_render_type,
        process_revision_directives=_add_statements,
        compare_type=True,
        user_module_prefix="sa.",
    )
    context.run_migrations()


run(context.config.attributes["connection"], context.config.attributes["metadata"])
