"""What must stand before an order may go, looked at in the transaction that lets it go."""

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import select, update

from aid import cases, decisions, ledger, payments, queries, verification
from aid.states import CaseState, ConfirmationState, OrderState
from aid.tables import AidCase, Approval, Check, Confirmation, Verification
from records.refusals import Refusal
from records.trail import entries_of
from sessions.states import SessionState
from sessions.tables import Recording, RecordingState, Session
from tests.integration.aid.world import AMOUNT, World


async def change_the_account(world: World, case: AidCase) -> None:
    """The handler enters another account after the hearing."""
    await world.change_account(case)


async def withdraw_the_identity(world: World, case: AidCase) -> None:
    """It turns out that somebody else sat there."""
    async with world.begin() as db:
        command = verification.WithdrawVerification(case.session_id or "", "核验后发现证件系伪造")
        await verification.withdraw_verification(db, world.handler, command, clock=world.clock)


async def withdraw_the_case(world: World, case: AidCase) -> None:
    """The case is taken back: its order is cancelled with it."""
    async with world.begin() as db:
        await cases.withdraw_case(db, world.handler, case.id, "本人撤回申请", clock=world.clock)


async def unsettle_a_check(world: World, case: AidCase) -> None:
    """A check turns out not to be passed (by somebody with the database open)."""
    async with world.begin() as db:
        await db.execute(
            update(Check).where(Check.session_id == case.session_id, Check.item == "face").values(passed=False)
        )


async def break_the_seal(world: World, case: AidCase) -> None:
    """The recording is not sealed."""
    async with world.begin() as db:
        broken = {"state": RecordingState.ENDED, "manifest_digest": None}
        await db.execute(update(Recording).where(Recording.session_id == case.session_id).values(broken))


async def resume_the_hearing(world: World, case: AidCase) -> None:
    """The hearing has not ended."""
    async with world.begin() as db:
        await db.execute(
            update(Session).where(Session.id == case.session_id).values(state=SessionState.IN_SESSION, ended_at=None)
        )


async def swap_the_person(world: World, case: AidCase) -> None:
    """The hearing verified somebody else."""
    async with world.begin() as db:
        await db.execute(
            update(Verification).where(Verification.session_id == case.session_id).values(id_fingerprint="0" * 64)
        )


async def raise_the_amount(world: World, case: AidCase) -> None:
    """The amount is another than the one confirmed."""
    async with world.begin() as db:
        await db.execute(update(AidCase).where(AidCase.id == case.id).values(amount_fen=AMOUNT + 1))


async def approve_something_else(world: World, case: AidCase) -> None:
    """The approval is of another confirmation than the one that stands."""
    async with world.begin() as db:
        stands = (await db.scalars(select(Confirmation).where(Confirmation.case_id == case.id))).one()
        other = Confirmation(
            session_id=stands.session_id,
            case_id=case.id,
            state=ConfirmationState.ASKED,
            amount_fen=stands.amount_fen,
            account_id=stands.account_id,
            account_fingerprint=stands.account_fingerprint,
            asked_at=stands.asked_at,
            asked_by=stands.asked_by,
            asked_elapsed_ms=0,
            voided_at=stands.asked_at,
        )
        db.add(other)
        await db.flush()
        await db.execute(update(Approval).where(Approval.case_id == case.id).values(confirmation_id=other.id))


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (change_the_account, "account_changed"),
        (withdraw_the_identity, "identity_withdrawn"),
        (unsettle_a_check, "checks_not_passed"),
        (break_the_seal, "recording_not_sealed"),
        (resume_the_hearing, "hearing_not_ended"),
        (swap_the_person, "another_person_verified"),
        (raise_the_amount, "amount_changed"),
        (approve_something_else, "approval_missing"),
    ],
)
async def test_one_order_without_its_grounds_is_held_back_and_the_other_goes(
    world: World, spoil: Callable[[World, AidCase], Awaitable[None]], code: str
) -> None:
    spoilt, whole = await world.approved_case(), await world.approved_case()
    batch = await world.draft(spoilt, whole)
    await spoil(world, spoilt)
    async with world.database.read() as db:
        rows = await payments.readiness(db, batch.id, actor=world.releaser)
    assert [row.blocked.code if row.blocked else None for row in rows] == [code, None]
    before = await world.balances()
    released = await world.release(batch)
    states = {order.case_id: order.state for order in await world.orders(batch)}
    assert states == {spoilt.id: OrderState.HELD_BACK, whole.id: OrderState.RELEASED}
    after = await world.balances()
    assert (after.in_flight - before.in_flight, before.reserved - after.reserved) == (AMOUNT, AMOUNT)
    assert (await world.file_of(released)).count(b"<EndToEndId>") == 1
    async with world.database.read() as db:
        view = await queries.batch_view(db, batch.id)
    assert (view.going_fen, view.staying_fen) == (AMOUNT, AMOUNT)
    assert [row.blocked.code for row in view.staying if row.blocked] == [code]


async def test_a_withdrawn_case_gives_its_money_back_and_its_order_never_goes(world: World) -> None:
    case, other = await world.approved_case(), await world.approved_case()
    batch = await world.draft(case, other)
    await withdraw_the_case(world, case)
    assert (await world.balances()).reserved == AMOUNT
    await world.release(batch)
    assert {order.case_id: order.state for order in await world.orders(batch)} == {
        case.id: OrderState.CANCELLED,
        other.id: OrderState.RELEASED,
    }
    async with world.database.read() as db:
        assert await ledger.audit(db) == []


async def test_when_nothing_can_go_nothing_changes(world: World) -> None:
    case = await world.approved_case()
    batch = await world.draft(case)
    await world.change_account(case)
    before = await world.balances()
    with pytest.raises(Refusal, match="nothing_to_release"):
        await world.release(batch)
    assert await world.balances() == before
    assert [order.state for order in await world.orders(batch)] == [OrderState.DRAFTED]


async def test_after_a_change_of_account_she_confirms_again_and_it_is_approved_again(world: World) -> None:
    case = await world.approved_case()
    batch = await world.draft(case)
    await world.change_account(case)
    assert (await world.fresh(case.id)).state is CaseState.AWAITING_HEARING
    assert (await world.balances()).reserved == AMOUNT
    second = await world.hearing(case)
    await world.verify(second)
    await world.ask(second)
    await world.confirm(second)
    await world.sign(second)
    await world.seal(second)
    async with world.database.read() as db:
        rows = await payments.readiness(db, batch.id)
    assert [row.blocked.code for row in rows if row.blocked] == ["approval_missing"]
    await world.approve(case.id)
    assert (await world.balances()).reserved == AMOUNT
    await world.release(batch)
    order = (await world.orders(batch))[0]
    assert (order.state, order.session_id) == (OrderState.RELEASED, second)
    assert b"6228480402564890018" in await world.file_of(batch)


async def test_a_held_back_case_goes_in_the_next_batch_under_a_new_reference(world: World) -> None:
    late, early = await world.approved_case(seal=False), await world.approved_case()
    first = await world.released(late, early)
    await world.seal(late.session_id or "")
    second = await world.released(await world.fresh(late.id))
    held = next(order for order in await world.orders(first) if order.case_id == late.id)
    sent = (await world.orders(second))[0]
    assert (held.state, sent.state) == (OrderState.HELD_BACK, OrderState.RELEASED)
    assert (held.attempt, sent.attempt) == (1, 2)
    assert held.reference != sent.reference
    assert (first.serial, second.serial) == (1, 2)


async def test_a_batch_sent_back_can_be_drafted_again(world: World) -> None:
    case = await world.approved_case()
    batch = await world.draft(case)
    async with world.begin() as db:
        await payments.return_batch(db, world.releaser, batch.id, "请按户名核对", clock=world.clock)
    with pytest.raises(Refusal, match="batch_not_ready"):
        await world.release(batch)
    assert (await world.released(await world.fresh(case.id))).file_name
    async with world.database.read() as db:
        assert await ledger.audit(db) == []


async def test_a_batch_is_released_once_and_only_as_it_was_seen(world: World) -> None:
    batch = await world.draft(await world.approved_case())
    with pytest.raises(Refusal, match="version_stale"):
        await world.release(batch, version=batch.version + 1)
    await world.release(batch)
    with pytest.raises(Refusal, match="batch_already_released"):
        await world.release(batch)
    assert (await world.balances()).in_flight == AMOUNT


async def test_an_account_of_another_persons_case_needs_an_approvers_word(world: World) -> None:
    first = await world.approved_case()
    shared = {"account_number": "62170012345" + f"{world.counter:04d}" + "3456"}
    second = await world.signed_case(**shared)
    with pytest.raises(Refusal, match="account_shared"):
        await world.approve(second.id)
    async with world.begin() as db:
        command = decisions.AllowSharedAccount(second.id, "母女共用一张卡，已核实户籍关系。")
        await decisions.allow_shared_account(db, world.approver, command, clock=world.clock)
    await world.approve(second.id)
    batch = await world.draft(first, await world.fresh(second.id))
    async with world.database.read() as db:
        assert [row.blocked for row in await payments.readiness(db, batch.id)] == [None, None]
    world.clock.advance(60)
    third = await world.signed_case(**shared)
    with pytest.raises(Refusal, match="account_shared"):
        await world.approve(third.id)
    async with world.database.read() as db:
        rows = await payments.readiness(db, batch.id)
    # What was allowed were the two of them.
    assert [row.blocked.code for row in rows if row.blocked] == ["account_shared", "account_shared"]


async def test_a_case_that_is_not_approved_or_already_drafted_cannot_be_drafted(world: World) -> None:
    signed = await world.signed_case()
    with pytest.raises(Refusal, match="case_not_ready"):
        await world.draft(signed)
    approved = await world.approved_case()
    await world.draft(approved)
    with pytest.raises(Refusal, match="order_exists"):
        await world.draft(approved)
    with pytest.raises(Refusal, match="nothing_chosen"):
        await world.draft()


async def test_the_bank_file_is_not_there_before_release_and_its_reading_is_recorded(world: World) -> None:
    batch = await world.draft(await world.approved_case())
    with pytest.raises(Refusal, match="batch_not_released"):
        await world.file_of(batch)
    await world.release(batch)
    await world.file_of(batch)
    async with world.database.read() as db:
        events = [entry.event for entry in await entries_of(db, subject_kind="batch", subject_id=batch.id)]
    assert events == ["BatchDrafted", "BatchReleased", "BankFileFetched"]
