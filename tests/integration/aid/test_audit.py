"""The audit finds what somebody with the database open and the triggers off has changed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from aid import ledger
from tests.integration.aid.world import World


@asynccontextmanager
async def without_guards(world: World) -> AsyncIterator[None]:
    """Take every trigger off, as only the owner of the database can; PostgreSQL's is also the next test's: put back."""
    if world.database.dialect == "sqlite":
        async with world.begin() as db:
            names = await db.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
            for name in names.all():
                await db.execute(text(f"DROP TRIGGER {name}"))
        yield
        return
    await _switch_triggers(world, "DISABLE")
    try:
        yield
    finally:
        await _switch_triggers(world, "ENABLE")


async def _switch_triggers(world: World, verb: str) -> None:
    async with world.begin() as db:
        tables = await db.scalars(text("SELECT tablename FROM pg_tables WHERE tablename LIKE 'aid_%'"))
        for table in tables.all():
            await db.execute(text(f"ALTER TABLE {table} {verb} TRIGGER USER"))


async def findings(world: World) -> set[str]:
    """Return the codes of what the audit found."""
    async with world.database.read() as db:
        return {finding.split(":")[0] for finding in await ledger.audit(db)}


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE aid_entries SET amount_fen = amount_fen + 1 WHERE kind = 'paid'", "balance_differs"),
        ("DELETE FROM aid_entries WHERE kind = 'paid'", "order_differs_from_entries"),
        ("DELETE FROM aid_entries WHERE kind = 'appropriated'", "balance_negative"),
        (
            "UPDATE aid_balances SET balance_fen = balance_fen + 1 WHERE account = 'available'",
            "fund_does_not_sum_to_zero",
        ),
        ("UPDATE aid_holds SET outcome = NULL, resolved_at = NULL WHERE kind = 'flight'", "holds_differ_from_balance"),
        ("UPDATE aid_orders SET state = 'released'", "order_differs_from_bank"),
        ("UPDATE aid_cases SET state = 'withdrawn'", "closed_case_with_money"),
        ("UPDATE aid_cases SET amount_fen = 1", "award_exceeded"),
        ("DELETE FROM aid_bank_answer_lines", "order_differs_from_bank"),
    ],
)
async def test_the_audit_names_what_was_changed(world: World, statement: str, code: str) -> None:
    await world.paid_order()
    assert await findings(world) == set()
    async with without_guards(world):
        async with world.begin() as db:
            await db.execute(text(statement))
        assert code in await findings(world)
