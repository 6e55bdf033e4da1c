"""Batches and orders: drafted by one finance officer, released by another, each order on its own grounds.

Whether an order may go is decided in the transaction that lets it go, from what stands there and then (`grounds_of`).
One order that may not go does not hold up the rest: it is left out of the file, and its case can be drafted again.
"""

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from aid import ledger
from aid.bank import pain001
from aid.bank.gateway import Party, PaymentFile, Transfer
from aid.cases import current_account, lock_office, standing_approval, standing_confirmation
from aid.decisions import shared_account
from aid.notes import note
from aid.readiness import Grounds, grounds_of
from aid.states import (
    LIVE_ORDER_STATES,
    BatchEvent,
    BatchState,
    CaseEvent,
    CaseState,
    OrderEvent,
    OrderState,
    advance_batch,
    advance_case,
    advance_order,
)
from aid.tables import AidCase, Batch, Fund, Order, PayeeAccount, Verification
from aid.texts import passage
from records.actors import Actor, Permission
from records.clock import Clock
from records.personal import fingerprint, reveal
from records.refusals import Refusal
from records.vault import Vault
from sessions.days import office_date

BATCH_MAX: Final = 500
REFERENCE_MAX: Final = 35


@dataclass(frozen=True, slots=True)
class DraftBatch:
    """The approved cases to pay together."""

    case_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Release:
    """Let go what can be let go of a batch, as it was seen at this version."""

    batch_id: str
    version: int


@dataclass(frozen=True, slots=True)
class OrderReadiness:
    """One row of the batch: can it be released? `blocked` says why not, None means yes (or that it already was)."""

    order_id: str
    payee: str
    account_masked: str
    amount_fen: int
    case_number: str
    blocked: Refusal | None
    case_id: str
    holder_relation: str
    state: OrderState


def order_reference(case_number: str, instalment: int, attempt: int) -> str:
    """Return an order's reference: from case, instalment and attempt alone, so that sending it again repeats it.

    At most 35 characters of the set that every bank takes (ISO 20022 Max35Text; letters, digits, hyphen).
    """
    found = re.search(r"(\d{4})\D+(\d{1,6})", case_number)
    readable = f"{found[1]}-{found[2]}" if found else "0"
    heart = hashlib.sha256(case_number.encode()).hexdigest()[:10].upper()
    reference = f"JZ{readable}-{heart}-{instalment}-{attempt}"
    if len(reference) > REFERENCE_MAX:
        raise ValueError(f"more attempts than a reference can number: {reference}")
    return reference


async def draft_batch(db: AsyncSession, actor: Actor, command: DraftBatch, *, clock: Clock) -> Batch:
    """Draft a batch of approved cases. Drafting promises nothing: what may go is decided at release.

    Refusals: not_permitted, nothing_chosen, too_many_orders, case_unknown, not_your_office, case_not_ready(number),
    order_exists(number), handler_cannot_draft, approver_cannot_draft, verifier_cannot_draft, different_funds.
    """
    actor.require(Permission.DRAFT_BATCH)
    case_ids = sorted(set(command.case_ids))
    if not case_ids:
        raise Refusal("nothing_chosen")
    if len(case_ids) > BATCH_MAX:
        raise Refusal("too_many_orders", limit=BATCH_MAX)
    cases = await _lock_cases(db, case_ids)
    if len(cases) != len(case_ids):
        raise Refusal("case_unknown")
    funds = set()
    for case in cases:
        await _check_draft(db, actor, case)
        hold = await ledger.open_hold(db, case.id)
        if hold is None:
            raise Refusal("nothing_reserved", number=case.number)
        funds.add(hold.fund_id)
    if len(funds) != 1:
        raise Refusal("different_funds")
    batch = await _new_batch(db, actor, funds.pop(), office_date(clock.now()), clock=clock)
    for line, case in enumerate(sorted(cases, key=lambda case: case.number), start=1):
        attempts = await db.scalar(select(func.max(Order.attempt)).where(Order.case_id == case.id)) or 0
        order = Order(
            batch_id=batch.id,
            line=line,
            case_id=case.id,
            instalment=1,
            attempt=attempts + 1,
            reference=order_reference(case.number, 1, attempts + 1),
            state=OrderState.DRAFTED,
            amount_fen=case.amount_fen,
            handler_id=case.handler_id,
            drafter_id=actor.id,
            drafted_at=clock.now(),
        )
        db.add(order)
    await db.flush()
    total = sum(case.amount_fen for case in cases)
    await note(
        db,
        actor,
        "BatchDrafted",
        "batch",
        batch.id,
        clock=clock,
        message_id=batch.message_id,
        orders=len(cases),
        total_fen=total,
    )
    return batch


async def readiness(db: AsyncSession, batch_id: str, *, actor: Actor | None = None) -> list[OrderReadiness]:
    """Return the rows of a batch, each with the reason why it cannot go now, if it cannot.

    With `actor`, also whether *this* person may release it. Refusals: batch_unknown.
    """
    batch = await db.get(Batch, batch_id, populate_existing=True)
    if batch is None:
        raise Refusal("batch_unknown")
    orders = await db.scalars(
        select(Order).where(Order.batch_id == batch_id).order_by(Order.line).execution_options(populate_existing=True)
    )
    return [await _row(db, batch, order, actor) for order in orders.all()]


async def release(db: AsyncSession, actor: Actor, command: Release, *, vault: Vault, clock: Clock) -> Batch:
    """Release a batch: orders that may go are in flight and in the bank file, the others are held back.

    Refusals: not_permitted, batch_unknown, not_your_office, batch_already_released, batch_not_ready, version_stale,
    drafter_cannot_release, nothing_to_release(count).
    """
    actor.require(Permission.RELEASE_BATCH)
    batch = await _lock_batch(db, actor, command.batch_id)
    if batch.state is BatchState.RELEASED:
        raise Refusal("batch_already_released")
    state = advance_batch(batch.state, BatchEvent.RELEASED)
    if batch.version != command.version:
        raise Refusal("version_stale")
    if batch.drafter_id == actor.id:
        raise Refusal("drafter_cannot_release")
    orders = await _lock_orders(db, batch.id)
    cases = {case.id: case for case in await _lock_cases(db, sorted(order.case_id for order in orders))}
    going: list[tuple[Order, Grounds]] = []
    staying: list[tuple[Order, Refusal]] = []
    for order in orders:
        try:
            going.append((order, await grounds_of(db, order, cases[order.case_id], actor)))
        except Refusal as refusal:
            staying.append((order, refusal))
    if not going:
        raise Refusal("nothing_to_release", count=len(staying))
    now = clock.now()
    data = await _file_bytes(db, batch, going, now)
    batch.file_digest, batch.file_name = await vault.put(data), f"{batch.message_id}.xml"
    batch.state, batch.releaser_id, batch.releaser_name, batch.released_at = state, actor.id, actor.name, now
    await db.flush()
    for order, grounds in going:
        _take_off(order, grounds, actor, now)
        case = cases[order.case_id]
        case.state = advance_case(case.state, CaseEvent.RELEASED)
        await db.flush()
        await ledger.fly(db, actor, order, clock=clock)
    for order, why in staying:
        order.state = advance_order(order.state, OrderEvent.HELD_BACK)
        order.held_back_code = why.code
    await db.flush()
    await _note_release(db, actor, batch, going, staying, clock)
    return batch


async def return_batch(db: AsyncSession, actor: Actor, batch_id: str, reason: str, *, clock: Clock) -> Batch:
    """Send a drafted batch back to its drafter: its orders are cancelled, its cases can be drafted again.

    Refusals: not_permitted, batch_unknown, not_your_office, batch_not_ready, text_*.
    """
    actor.require(Permission.RELEASE_BATCH)
    batch = await _lock_batch(db, actor, batch_id)
    batch.state = advance_batch(batch.state, BatchEvent.SENT_BACK)
    batch.sent_back_at, batch.sent_back_reason = clock.now(), passage("reason", reason, 500)
    for order in await _lock_orders(db, batch.id):
        order.state = advance_order(order.state, OrderEvent.CANCELLED)
    await db.flush()
    mark = fingerprint(db, batch.sent_back_reason)
    await note(db, actor, "BatchSentBack", "batch", batch.id, clock=clock, reason_fingerprint=mark)
    return batch


async def bank_file(db: AsyncSession, actor: Actor, batch_id: str, *, vault: Vault, clock: Clock) -> tuple[str, bytes]:
    """Return name and bytes of a released batch's file: the very bytes that were released. The reading is recorded.

    Refusals: not_permitted, batch_unknown, not_your_office, batch_not_released.
    """
    actor.require(Permission.RELEASE_BATCH)
    batch = await _lock_batch(db, actor, batch_id)
    if batch.file_digest is None or batch.file_name is None:
        raise Refusal("batch_not_released")
    data = await vault.get(batch.file_digest)
    await note(db, actor, "BankFileFetched", "batch", batch.id, clock=clock, file_digest=batch.file_digest)
    return batch.file_name, data


def _take_off(order: Order, grounds: Grounds, releaser: Actor, now: datetime) -> None:
    order.state = advance_order(order.state, OrderEvent.RELEASED)
    order.verifier_id = grounds.verification.verifier_id
    order.approval_id, order.approver_id = grounds.approval.id, grounds.approval.approver_id
    order.session_id, order.confirmation_id = grounds.confirmation.session_id, grounds.confirmation.id
    order.account_id, order.recording_digest = grounds.account.id, grounds.recording_digest
    order.releaser_id, order.released_at, order.execute_on = releaser.id, now, office_date(now)


async def _file_bytes(
    db: AsyncSession, batch: Batch, going: Sequence[tuple[Order, Grounds]], made_at: datetime
) -> bytes:
    fund = await db.get_one(Fund, batch.fund_id)
    payer = Party(fund.payer_name, reveal(db, fund.payer_account_concealed), fund.bank_name, fund.bank_cnaps)
    going_cases = await db.scalars(select(AidCase).where(AidCase.id.in_([order.case_id for order, _ in going])))
    numbers = {case.id: case.number for case in going_cases}
    transfers = tuple(
        Transfer(
            reference=order.reference,
            payee=Party(
                grounds.account.holder_name,
                reveal(db, grounds.account.number_concealed),
                grounds.account.bank_name,
                grounds.account.cnaps,
            ),
            amount_fen=order.amount_fen,
            purpose=f"国家司法救助金 {numbers[order.case_id]}",
        )
        for order, grounds in going
    )
    file = PaymentFile(batch.message_id, made_at, office_date(made_at), payer, transfers)
    # Building and validating takes milliseconds an order: not on the loop that carries live hearings.
    return await asyncio.to_thread(pain001.build, file)


async def _note_release(
    db: AsyncSession,
    actor: Actor,
    batch: Batch,
    going: Sequence[tuple[Order, Grounds]],
    staying: Sequence[tuple[Order, Refusal]],
    clock: Clock,
) -> None:
    for order, grounds in going:
        await note(
            db,
            actor,
            "PaymentReleased",
            "order",
            order.id,
            clock=clock,
            session_id=order.session_id,
            reference=order.reference,
            amount_fen=order.amount_fen,
            account_fingerprint=grounds.account.fingerprint,
            confirmation_id=grounds.confirmation.id,
            approval_id=grounds.approval.id,
            recording_digest=grounds.recording_digest,
        )
    for order, refusal in staying:
        await note(db, actor, "PaymentHeldBack", "order", order.id, clock=clock, code=refusal.code)
    await note(
        db,
        actor,
        "BatchReleased",
        "batch",
        batch.id,
        clock=clock,
        orders=len(going),
        held_back=len(staying),
        total_fen=sum(order.amount_fen for order, _ in going),
        file_digest=batch.file_digest,
    )


async def _row(db: AsyncSession, batch: Batch, order: Order, actor: Actor | None) -> OrderReadiness:
    case = await db.get_one(AidCase, order.case_id, populate_existing=True)
    account = await db.get_one(PayeeAccount, order.account_id) if order.account_id else await current_account(db, case)
    blocked: Refusal | None = None
    if order.state is OrderState.HELD_BACK:
        blocked = await _why_held_back(db, order, case, account)
    elif order.state is OrderState.DRAFTED:
        try:
            await grounds_of(db, order, case, actor)
            if actor is not None and actor.id == batch.drafter_id:
                blocked = Refusal("drafter_cannot_release")
        except Refusal as refusal:
            blocked = refusal
    return OrderReadiness(
        order_id=order.id,
        payee=account.holder_name,
        account_masked=account.number_masked,
        amount_fen=order.amount_fen,
        case_number=case.number,
        blocked=blocked,
        case_id=case.id,
        holder_relation=account.holder_relation,
        state=order.state,
    )


async def _why_held_back(db: AsyncSession, order: Order, case: AidCase, account: PayeeAccount) -> Refusal:
    """Return the reason that was kept. Only the shared account's sentence needs more than its code: look again."""
    code = order.held_back_code or "held_back"
    if code != "account_shared":
        return Refusal(code)
    return await shared_account(db, case, account) or Refusal("held_back")


async def _check_draft(db: AsyncSession, actor: Actor, case: AidCase) -> None:
    if actor.office_id != case.office_id:
        raise Refusal("not_your_office")
    query = select(Order.id).where(Order.case_id == case.id, Order.state.in_(LIVE_ORDER_STATES))
    if await db.scalar(query) is not None:
        raise Refusal("order_exists", number=case.number)
    if case.state is not CaseState.APPROVED:
        raise Refusal("case_not_ready", state=case.state.value, event="drafted", number=case.number)
    approval = await standing_approval(db, case.id)
    confirmation = await standing_confirmation(db, case.id)
    heard_in = confirmation.session_id if confirmation else case.session_id
    verifier = await db.scalar(select(Verification.verifier_id).where(Verification.session_id == heard_in))
    if actor.id == case.handler_id:
        raise Refusal("handler_cannot_draft")
    if approval is not None and actor.id == approval.approver_id:
        raise Refusal("approver_cannot_draft")
    if actor.id == verifier:
        raise Refusal("verifier_cannot_draft")


async def _new_batch(db: AsyncSession, actor: Actor, fund_id: str, on: date, *, clock: Clock) -> Batch:
    fund = await db.get_one(Fund, fund_id)
    # Batches are numbered an office and month: one at a time.
    await lock_office(db, fund.office_id)
    query = select(func.max(Batch.serial)).where(
        Batch.office_id == fund.office_id, Batch.year == on.year, Batch.month == on.month
    )
    serial = (await db.scalar(query) or 0) + 1
    office = hashlib.sha256(fund.office_id.encode()).hexdigest()[:8].upper()
    batch = Batch(
        office_id=fund.office_id,
        fund_id=fund.id,
        year=on.year,
        month=on.month,
        serial=serial,
        message_id=f"JF{on:%Y%m}{serial:03d}-{office}",
        state=BatchState.DRAFTED,
        drafter_id=actor.id,
        drafter_name=actor.name,
        drafted_at=clock.now(),
    )
    db.add(batch)
    await db.flush()
    return batch


async def _lock_batch(db: AsyncSession, actor: Actor, batch_id: str) -> Batch:
    query = select(Batch).where(Batch.id == batch_id).with_for_update()
    batch = (await db.scalars(query, execution_options={"populate_existing": True})).one_or_none()
    if batch is None:
        raise Refusal("batch_unknown")
    if batch.office_id != actor.office_id:
        raise Refusal("not_your_office")
    return batch


async def _lock_cases(db: AsyncSession, case_ids: Sequence[str]) -> Sequence[AidCase]:
    query = select(AidCase).where(AidCase.id.in_(case_ids)).order_by(AidCase.id).with_for_update()
    return (await db.scalars(query, execution_options={"populate_existing": True})).all()


async def _lock_orders(db: AsyncSession, batch_id: str) -> Sequence[Order]:
    """Lock the cases of a batch's drafted orders first (as every other step does), then the orders."""
    drafted = (Order.batch_id == batch_id, Order.state == OrderState.DRAFTED)
    await _lock_cases(db, sorted(await db.scalars(select(Order.case_id).where(*drafted))))
    query = select(Order).where(*drafted).order_by(Order.line).with_for_update()
    return (await db.scalars(query, execution_options={"populate_existing": True})).all()
