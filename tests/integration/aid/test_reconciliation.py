"""Believing the bank, line by line, whole or not at all."""

import pytest
from sqlalchemy import func, select

from aid import ledger, queries, reconciliation
from aid.bank import stub
from aid.ledger import Balances
from aid.states import CaseState, OrderState
from aid.tables import AidCase, BankAnswer, Batch
from records.refusals import Refusal
from records.trail import entries_of
from tests.integration.aid.world import AMOUNT, World

BUDGET = 120_000_000


async def two_in_flight(world: World) -> tuple[Batch, bytes, list[str]]:
    """Release two orders; return the batch, its file, and the references."""
    batch = await world.released(await world.approved_case(), await world.approved_case())
    return batch, await world.file_of(batch), [order.reference for order in await world.orders(batch)]


async def test_a_returned_payment_reopens_the_budget_once(world: World) -> None:
    batch, file, references = await two_in_flight(world)
    data = stub.answer(file, returned={references[0]: "AC01"})
    outcome = await world.take(data)
    assert (outcome.paid, outcome.returned) == (1, 1)
    once = Balances(BUDGET, BUDGET - AMOUNT, 0, 0, AMOUNT)
    assert await world.balances() == once
    with pytest.raises(Refusal, match="answer_already_taken"):
        await world.take(data)
    assert await world.balances() == once
    returned = (await world.orders(batch))[0]
    assert (returned.state, returned.return_code, returned.return_reason) == (
        OrderState.RETURNED,
        "AC01",
        "收款账号不正确",
    )
    assert (await world.fresh(returned.case_id)).state is CaseState.RETURNED
    async with world.database.read() as db:
        assert await ledger.audit(db) == []


async def test_a_returned_case_is_paid_by_a_new_attempt_after_a_new_confirmation(world: World) -> None:
    batch = await world.released(await world.approved_case())
    first = (await world.orders(batch))[0]
    await world.answer(batch, returned={first.reference: "BE01"})
    case = await world.fresh(first.case_id)
    with pytest.raises(Refusal, match="case_not_ready"):
        await world.draft(case)
    await world.change_account(case)
    session_id = await world.hearing(case)
    await world.verify(session_id)
    await world.ask(session_id)
    await world.confirm(session_id)
    await world.sign(session_id)
    await world.seal(session_id)
    await world.approve(case.id)
    again = await world.released(await world.fresh(case.id))
    await world.answer(again)
    second = (await world.orders(again))[0]
    assert (second.attempt, second.state) == (2, OrderState.PAID)
    assert second.reference != first.reference
    assert second.account_id != first.account_id
    assert await world.balances() == Balances(BUDGET, BUDGET - AMOUNT, 0, 0, AMOUNT)
    async with world.database.read() as db:
        assert await ledger.audit(db) == []
        kinds = [step.kind for step in await queries.order_timeline(db, first.id)]
        file = await queries.case_file(db, case.id)
    assert kinds[-1] == "returned"
    assert [order.state for order in file.orders] == [OrderState.RETURNED, OrderState.PAID]


async def test_what_the_bank_leaves_open_stays_open(world: World) -> None:
    batch, file, references = await two_in_flight(world)
    outcome = await world.take(stub.answer(file, pending=[references[1]]))
    assert (outcome.paid, outcome.unchanged) == (1, 1)
    assert (await world.balances()).in_flight == AMOUNT
    outcome = await world.take(stub.answer(file))
    assert (outcome.paid, outcome.already_taken) == (1, 1)
    assert await world.balances() == Balances(BUDGET, BUDGET - 2 * AMOUNT, 0, 0, 2 * AMOUNT)
    assert {order.state for order in await world.orders(batch)} == {OrderState.PAID}


async def test_an_answer_that_comes_late_and_knows_less_changes_nothing(world: World) -> None:
    batch, file, references = await two_in_flight(world)
    await world.take(stub.answer(file))
    outcome = await world.take(stub.answer(file, pending=references))
    assert (outcome.paid, outcome.unchanged, outcome.already_taken) == (0, 0, 2)
    assert {order.state for order in await world.orders(batch)} == {OrderState.PAID}


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("20000.00</InstdAmt>", "20000.01</InstdAmt>", "answer_amount_differs"),
        ("20000.00</InstdAmt>", "2000000</InstdAmt>", "answer_amount_differs"),
        ("<Id>62170012345", "<Id>62170012346", "answer_account_differs"),
        ("<Dt>2026-11-24", "<Dt>2026-11-25", "answer_day_differs"),
        ("<MmbId>105455000018", "<MmbId>102455000018", "answer_other_bank"),
        ("<OrgnlMsgId>JF", "<OrgnlMsgId>XX", "answer_unknown_batch"),
        ("<OrgnlEndToEndId>JZ", "<OrgnlEndToEndId>XX", "answer_unknown_order"),
        ("<OrgnlCtrlSum>40000.00", "<OrgnlCtrlSum>40000.01", "answer_total_differs"),
        ("<OrgnlNbOfTxs>2", "<OrgnlNbOfTxs>3", "answer_total_differs"),
        ("-2-", "-1-", "nothing"),
    ],
)
async def test_one_wrong_line_and_nothing_of_the_file_is_applied(world: World, old: str, new: str, code: str) -> None:
    _, file, references = await two_in_flight(world)
    data = stub.answer(file).decode()
    if code == "nothing":
        # The second line names the first order.
        old, new, code = references[1], references[0], "answer_order_twice"
        data = data.replace(old, new)
    else:
        # In the last place where it stands, so that a line before it was already right.
        head, tail = data.rsplit(old, 1)
        data = head + new + tail
    before = await world.balances()
    with pytest.raises(Refusal, match=code):
        await world.take(data.encode())
    assert await world.balances() == before
    async with world.database.read() as db:
        assert await db.scalar(select(func.count()).select_from(BankAnswer)) == 0
        assert await ledger.audit(db) == []
    assert (await world.take(stub.answer(file))).paid == 2


async def test_an_answer_that_takes_back_what_it_said_is_refused(world: World) -> None:
    _, file, references = await two_in_flight(world)
    await world.take(stub.answer(file))
    before = await world.balances()
    with pytest.raises(Refusal, match="answer_contradicts"):
        await world.take(stub.answer(file, returned={references[0]: "AC04"}))
    assert await world.balances() == before


async def test_the_other_way_round_too_a_returned_order_is_not_paid_after_all(world: World) -> None:
    _, file, references = await two_in_flight(world)
    await world.take(stub.answer(file, returned={references[0]: "AC04"}))
    with pytest.raises(Refusal, match="answer_contradicts"):
        await world.take(stub.answer(file))


async def test_the_answer_to_one_batch_does_not_touch_another(world: World) -> None:
    one, other = await world.released(await world.approved_case()), await world.released(await world.approved_case())
    await world.answer(one)
    assert [order.state for order in await world.orders(other)] == [OrderState.RELEASED]
    await world.answer(other)
    assert (await world.balances()).paid == 2 * AMOUNT


async def test_a_batch_not_yet_released_has_no_answer(world: World) -> None:
    batch = await world.draft(await world.approved_case())
    data = stub.answer(await world.file_of(await world.released(await world.approved_case())))
    other = data.decode().replace("JF202611002", batch.message_id[:11])
    with pytest.raises(Refusal, match="answer_unknown_batch"):
        await world.take(other.encode())


async def test_the_raw_answer_is_kept_and_its_taking_is_on_the_trail(world: World) -> None:
    batch, file, _ = await two_in_flight(world)
    data = stub.answer(file)
    await world.take(data)
    async with world.database.read() as db:
        taken = (await db.scalars(select(BankAnswer))).one()
        events = [entry.event for entry in await entries_of(db, subject_kind="batch", subject_id=batch.id)]
    assert await world.vault.get(taken.digest) == data
    assert events[-1] == "BankAnswerTaken"


async def test_a_refused_answer_leaves_a_word_on_the_trail(world: World) -> None:
    refusal = Refusal("answer_cut")
    async with world.begin() as db:
        await reconciliation.note_refused_answer(
            db, world.drafter, "回单.xml", b"<Document>", refusal, clock=world.clock
        )
    async with world.database.read() as db:
        (entry,) = await entries_of(db, subject_kind="bank_answer")
    assert '"code":"answer_cut"' in entry.details


async def test_names_of_files_are_kept_short_and_plain(world: World) -> None:
    batch = await world.released(await world.approved_case())
    data = stub.answer(await world.file_of(batch))
    async with world.begin() as db:
        await reconciliation.take_answer(db, world.drafter, "长" * 70_000, data, vault=world.vault, clock=world.clock)
    async with world.database.read() as db:
        assert len((await db.scalars(select(BankAnswer.name))).one()) == 200
        assert (await db.scalars(select(AidCase.state))).one() is CaseState.PAID
