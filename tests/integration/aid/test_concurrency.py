"""Two hands at the same moment: exactly one of them does it."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

import pytest

from aid import ledger
from aid.bank import stub
from aid.states import OrderState
from records.actors import Role
from records.refusals import Refusal
from tests.integration.aid.world import AMOUNT, World

T = TypeVar("T")


async def race(*attempts: Awaitable[T]) -> tuple[list[T], list[BaseException]]:
    """Run attempts at the same time; return what succeeded and what was raised."""
    outcomes: Sequence[T | BaseException] = await asyncio.gather(*attempts, return_exceptions=True)
    won = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    lost = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert all(isinstance(error, Refusal) for error in lost), lost
    return won, lost


async def sound(world: World) -> bool:
    """Tell whether the books agree with everything."""
    async with world.database.read() as db:
        return await ledger.audit(db) == []


async def test_a_double_click_on_approve_reserves_once(world: World) -> None:
    case = await world.signed_case()
    won, lost = await race(*(world.approve(case.id, version=case.version) for _ in range(5)))
    assert (len(won), len(lost)) == (1, 4)
    assert (await world.balances()).reserved == AMOUNT
    assert await sound(world)


async def test_two_approvers_at_once_and_one_of_them_decides(world: World) -> None:
    case = await world.signed_case()
    other = world.staff("另一位", Role.APPROVER)
    won, lost = await race(
        world.approve(case.id, version=case.version), world.approve(case.id, version=case.version, actor=other)
    )
    assert (len(won), len(lost)) == (1, 1)
    assert (await world.balances()).reserved == AMOUNT


async def test_approvals_at_once_never_exceed_the_budget(world: World) -> None:
    cases = [await world.signed_case(amount_fen=30_000_000) for _ in range(6)]
    won, lost = await race(*(world.approve(case.id) for case in cases))
    assert (len(won), len(lost)) == (4, 2)
    assert {error.code for error in lost if isinstance(error, Refusal)} == {"budget_short"}
    balances = await world.balances()
    assert (balances.available, balances.reserved) == (0, 120_000_000)
    assert await sound(world)


async def test_two_drafters_at_once_make_one_order(world: World) -> None:
    case = await world.approved_case()
    won, lost = await race(world.draft(case), world.draft(case), world.draft(case, actor=world.releaser))
    assert (len(won), len(lost)) == (1, 2)
    assert await sound(world)


async def test_drafters_of_different_cases_get_different_numbers(world: World) -> None:
    cases = [await world.approved_case() for _ in range(4)]
    won, lost = await race(*(world.draft(case) for case in cases))
    assert not lost
    assert sorted(batch.serial for batch in won) == [1, 2, 3, 4]


async def test_two_releasers_at_once_send_one_file(world: World) -> None:
    batch = await world.draft(await world.approved_case(), await world.approved_case())
    other = world.staff("另一位", Role.FINANCE)
    won, lost = await race(
        world.release(batch), world.release(batch, actor=other), world.release(batch), world.release(batch)
    )
    assert (len(won), len(lost)) == (1, 3)
    assert (await world.balances()).in_flight == 2 * AMOUNT
    assert await sound(world)


async def test_one_answer_uploaded_by_two_at_once_pays_once(world: World) -> None:
    batch = await world.released(await world.approved_case())
    data = stub.answer(await world.file_of(batch))
    won, lost = await race(*(world.take(data) for _ in range(4)))
    assert (len(won), len(lost)) == (1, 3)
    assert (await world.balances()).paid == AMOUNT
    assert await sound(world)


async def test_contradicting_answers_at_once_settle_the_order_once(world: World) -> None:
    batch = await world.released(await world.approved_case())
    file = await world.file_of(batch)
    reference = (await world.orders(batch))[0].reference
    won, lost = await race(world.take(stub.answer(file)), world.take(stub.answer(file, returned={reference: "AC01"})))
    assert (len(won), len(lost)) == (1, 1)
    assert await sound(world)


@pytest.mark.parametrize("round_", range(3))
async def test_an_account_changed_during_release_either_comes_first_or_not_at_all(world: World, round_: int) -> None:
    case, other = await world.approved_case(), await world.approved_case()
    batch = await world.draft(case, other)
    await race(world.release(batch), world.change_account(case))
    order = next(order for order in await world.orders(batch) if order.case_id == case.id)
    file = await world.file_of(await world.released_batch(batch.id))
    assert (order.state is OrderState.RELEASED) == (order.reference.encode() in file)
    assert b"6228480402564890018" not in file
    assert await sound(world)


async def test_appropriations_at_once_with_one_document_count_once(world: World) -> None:
    async def appropriate() -> object:
        async with world.begin() as db:
            return await ledger.appropriate(
                db, world.administrator, world.fund_id, 1_000_000, document="追加1号", clock=world.clock
            )

    won, lost = await race(*(appropriate() for _ in range(4)))
    assert (len(won), len(lost)) == (1, 3)
    assert (await world.balances()).appropriated == 121_000_000
