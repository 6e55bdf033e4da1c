"""From the opened case to the paid order."""

from aid import ledger, payments, queries
from aid.ledger import Balances
from aid.states import CaseState, OrderState
from tests.integration.aid.world import AMOUNT, World

BUDGET = 120_000_000


async def test_money_moves_step_by_step_and_always_adds_up(world: World) -> None:
    case = await world.signed_case()
    assert await world.balances() == Balances(BUDGET, BUDGET, 0, 0, 0)
    await world.approve(case.id)
    assert await world.balances() == Balances(BUDGET, BUDGET - AMOUNT, AMOUNT, 0, 0)
    batch = await world.draft(await world.fresh(case.id))
    assert await world.balances() == Balances(BUDGET, BUDGET - AMOUNT, AMOUNT, 0, 0)
    batch = await world.release(batch)
    assert await world.balances() == Balances(BUDGET, BUDGET - AMOUNT, 0, AMOUNT, 0)
    outcome = await world.answer(batch)
    assert (outcome.paid, outcome.returned, outcome.unchanged, outcome.already_taken) == (1, 0, 0, 0)
    assert await world.balances() == Balances(BUDGET, BUDGET - AMOUNT, 0, 0, AMOUNT)
    assert (await world.fresh(case.id)).state is CaseState.PAID
    assert [order.state for order in await world.orders(batch)] == [OrderState.PAID]
    async with world.database.read() as db:
        assert await ledger.audit(db) == []


async def test_the_pages_tell_the_whole_story_of_a_paid_order(world: World) -> None:
    order = await world.paid_order()
    async with world.database.read() as db:
        steps = await queries.order_timeline(db, order.id)
        people = await queries.four_people(db, order.id)
        fund = await queries.fund_view(db, world.office_id)
        batch = await queries.batch_view(db, order.batch_id, actor=world.releaser)
        file = await queries.case_file(db, order.case_id)
        mine = await queries.payment_of_session(db, order.session_id or "")
        listed = await queries.batches(db, world.office_id)
    assert {step.kind for step in steps} == {
        "hearing", "identity", "confirmed", "signed", "approved", "drafted", "released", "paid"
    }  # fmt: skip
    assert next(step for step in steps if step.kind == "confirmed").elapsed_ms == 761_000
    assert [person.name for person in people] == ["王志远", "陈立", "孙悦", "周海", "孙悦"]
    assert fund is not None
    assert fund.balances.paid == AMOUNT
    assert batch.going_fen == AMOUNT
    assert batch.rows[0].account_masked == "6217 **** **** 3456"
    assert file.orders[0].state is OrderState.PAID
    assert mine is not None
    assert (mine.state, mine.order_id, mine.capital) == (CaseState.PAID, order.id, "人民币贰万元整")
    assert (listed[0].paid, listed[0].total_fen) == (1, AMOUNT)


async def test_a_bank_file_fetched_again_is_the_same_to_the_byte(world: World) -> None:
    batch = await world.released(await world.approved_case(), await world.approved_case())
    first = await world.file_of(batch)
    world.clock.advance(86_400)
    assert await world.file_of(batch) == first
    assert first.count(b"<EndToEndId>") == 2
    assert "高秀兰".encode() in first
    assert payments.order_reference("东营区检救助〔2026〕1号", 1, 1).encode() in first
