"""Believing the bank: an answer file is compared line by line with what was sent, and applied whole or not at all.

Amount, account and day of every line must be those of the order. What the bank leaves open stays open. The raw file
stays in the vault; taking it a second time changes nothing.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from aid import ledger
from aid.bank import pain002
from aid.bank.gateway import Answer, AnswerLine, LineStatus
from aid.cases import standing_approval, standing_confirmation
from aid.notes import note
from aid.states import CaseEvent, OrderEvent, OrderState, advance_case, advance_order
from aid.tables import AidCase, BankAnswer, BankAnswerLine, Batch, Fund, Order, PayeeAccount
from aid.texts import line as one_line
from records.actors import Actor, Permission
from records.clock import Clock
from records.personal import reveal
from records.refusals import Refusal
from records.vault import Vault

_SETTLED = {OrderState.PAID: LineStatus.PAID, OrderState.RETURNED: LineStatus.RETURNED}


@dataclass(frozen=True, slots=True)
class AnswerOutcome:
    """How many lines of an answer did what: `already_taken` repeat what an earlier answer said of the same order."""

    paid: int
    returned: int
    unchanged: int
    already_taken: int
    batch_id: str


async def take_answer(
    db: AsyncSession, actor: Actor, name: str, data: bytes, *, vault: Vault, clock: Clock
) -> AnswerOutcome:
    """Take a bank's answer file.

    Refusals, each before anything changed: not_permitted, answer_unreadable, answer_cut, answer_too_large,
    answer_unknown_status(line, status), answer_unknown_batch, not_your_office, answer_other_bank, answer_total_differs,
    answer_already_taken(taken_at), answer_unknown_order(line, reference), answer_order_twice(line, reference),
    answer_amount_differs(line, reference, ours_fen, theirs_fen), answer_account_differs(line, reference),
    answer_day_differs(line, reference), answer_contradicts(line, reference), releaser_cannot_reconcile,
    handler_cannot_reconcile, approver_cannot_reconcile, verifier_cannot_reconcile.
    """
    actor.require(Permission.TAKE_BANK_ANSWER)
    digest = hashlib.sha256(data).hexdigest()
    answer = await asyncio.to_thread(pain002.read, data)
    batch = await _batch_of(db, actor, answer)
    await _refuse_taken(db, digest, answer)
    cases, orders = await _lock_everything(db, batch)
    await _check_totals(orders, answer)
    _check_people(actor, orders)
    pairs = [(line, await _match(db, line, orders)) for line in _each_once(answer.lines)]
    await vault.put(data)
    taken = BankAnswer(
        batch_id=batch.id,
        name=one_line("file_name", name[:200], 200, required=False) or "unnamed",
        digest=digest,
        message_id=answer.message_id,
        bank_cnaps=answer.bank_cnaps,
        answered_at=answer.answered_at,
        taken_at=clock.now(),
        reconciler_id=actor.id,
        reconciler_name=actor.name,
    )
    db.add(taken)
    await db.flush()
    outcomes: list[str] = []
    for line, order in pairs:
        outcome = await _apply(db, actor, line, order, cases[order.case_id], clock=clock)
        outcomes.append(outcome)
        db.add(
            BankAnswerLine(
                answer_id=taken.id,
                line=line.line,
                order_id=order.id,
                status=line.code,
                amount_fen=line.amount_fen,
                reason_code=line.reason_code,
                outcome=outcome,
            )
        )
    await db.flush()
    await _tell(db, actor, taken, pairs, outcomes, clock)
    return AnswerOutcome(
        paid=outcomes.count("paid"),
        returned=outcomes.count("returned"),
        unchanged=outcomes.count("pending"),
        already_taken=outcomes.count("already_taken"),
        batch_id=batch.id,
    )


async def note_refused_answer(
    db: AsyncSession, actor: Actor, name: str, data: bytes, refusal: Refusal, *, clock: Clock
) -> None:
    """Write on the trail that an answer was refused, and why: in a second transaction, the first having rolled back.

    Of the file's name only the ending is kept: people put other people's names into names of files.
    """
    await note(
        db,
        actor,
        "BankAnswerRefused",
        "bank_answer",
        hashlib.sha256(data).hexdigest()[:32],
        clock=clock,
        # Not called a digest: those name what the vault must hold, and a refused file is not kept.
        refused_sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        ending=PurePosixPath(name[-100:]).suffix[:10],
        code=refusal.code,
    )


async def _batch_of(db: AsyncSession, actor: Actor, answer: Answer) -> Batch:
    query = select(Batch).where(Batch.message_id == answer.original_message_id).with_for_update()
    batch = (await db.scalars(query, execution_options={"populate_existing": True})).one_or_none()
    if batch is None or batch.released_at is None:
        raise Refusal("answer_unknown_batch", reference=answer.original_message_id[:35])
    if batch.office_id != actor.office_id:
        raise Refusal("not_your_office")
    fund = await db.get_one(Fund, batch.fund_id)
    if fund.bank_cnaps != answer.bank_cnaps:
        raise Refusal("answer_other_bank", expected=fund.bank_name, found=answer.bank_cnaps[:35])
    return batch


async def _refuse_taken(db: AsyncSession, digest: str, answer: Answer) -> None:
    query = select(BankAnswer.taken_at).where(
        (BankAnswer.digest == digest)
        | ((BankAnswer.bank_cnaps == answer.bank_cnaps) & (BankAnswer.message_id == answer.message_id))
    )
    taken_at = await db.scalar(query)
    if taken_at is not None:
        raise Refusal("answer_already_taken", taken_at=taken_at.isoformat())


async def _lock_everything(db: AsyncSession, batch: Batch) -> tuple[dict[str, AidCase], dict[str, Order]]:
    """Lock the cases, then the orders that were sent in this batch; return cases by id, orders by reference."""
    sent = (Order.batch_id == batch.id, Order.released_at.is_not(None))
    case_ids = sorted(await db.scalars(select(Order.case_id).where(*sent)))
    fresh = {"populate_existing": True}
    query = select(AidCase).where(AidCase.id.in_(case_ids)).order_by(AidCase.id).with_for_update()
    cases = {case.id: case for case in await db.scalars(query, execution_options=fresh)}
    locked = select(Order).where(*sent).order_by(Order.line).with_for_update()
    orders = {order.reference: order for order in await db.scalars(locked, execution_options=fresh)}
    return cases, orders


async def _check_totals(orders: dict[str, Order], answer: Answer) -> None:
    if answer.original_count not in (None, len(orders)):
        raise Refusal("answer_total_differs")
    if answer.original_total_fen not in (None, sum(order.amount_fen for order in orders.values())):
        raise Refusal("answer_total_differs")


def _check_people(actor: Actor, orders: dict[str, Order]) -> None:
    for order in orders.values():
        for role, person in (
            ("releaser", order.releaser_id),
            ("handler", order.handler_id),
            ("approver", order.approver_id),
            ("verifier", order.verifier_id),
        ):
            if actor.id == person:
                raise Refusal(f"{role}_cannot_reconcile")


def _each_once(lines: Sequence[AnswerLine]) -> Sequence[AnswerLine]:
    seen: set[str] = set()
    for line in lines:
        if line.reference in seen:
            raise Refusal("answer_order_twice", line=line.line, reference=line.reference[:35])
        seen.add(line.reference)
    return lines


async def _match(db: AsyncSession, line: AnswerLine, orders: dict[str, Order]) -> Order:
    order = orders.get(line.reference)
    where: dict[str, str | int] = {"line": line.line, "reference": line.reference[:35]}
    if order is None:
        raise Refusal("answer_unknown_order", **where)
    if line.amount_fen != order.amount_fen:
        raise Refusal("answer_amount_differs", **where, ours_fen=order.amount_fen, theirs_fen=line.amount_fen)
    account = await db.get_one(PayeeAccount, order.account_id)
    if line.account is not None and line.account != reveal(db, account.number_concealed):
        raise Refusal("answer_account_differs", **where)
    if line.execute_on is not None and line.execute_on != order.execute_on:
        raise Refusal("answer_day_differs", **where)
    settled = _SETTLED.get(order.state)
    if settled is not None and line.status not in (settled, LineStatus.PENDING):
        raise Refusal("answer_contradicts", **where)
    return order


async def _apply(db: AsyncSession, actor: Actor, line: AnswerLine, order: Order, case: AidCase, *, clock: Clock) -> str:
    if order.state in _SETTLED:
        return "already_taken"
    if line.status is LineStatus.PENDING:
        return "pending"
    paid = line.status is LineStatus.PAID
    order.state = advance_order(order.state, OrderEvent.PAID if paid else OrderEvent.RETURNED)
    order.settled_at, order.bank_reference = clock.now(), line.bank_reference
    order.reconciler_id, order.reconciler_name = actor.id, actor.name
    if not paid:
        order.return_code, order.return_reason = line.reason_code, line.reason
    case.state = advance_case(case.state, CaseEvent.PAID if paid else CaseEvent.RETURNED)
    await db.flush()
    if not paid:
        # Neither her word nor the approval covers another try: the account was not right, or the bank says so.
        for standing in (await standing_confirmation(db, case.id), await standing_approval(db, case.id)):
            if standing is not None:
                standing.voided_at, standing.void_reason = clock.now(), "payment_returned"
    await ledger.land(db, actor, order, paid=paid, reason=line.reason or line.code, clock=clock)
    return line.status.value


async def _tell(
    db: AsyncSession,
    actor: Actor,
    taken: BankAnswer,
    pairs: Sequence[tuple[AnswerLine, Order]],
    outcomes: Sequence[str],
    clock: Clock,
) -> None:
    settled = [
        (line, order) for (line, order), what in zip(pairs, outcomes, strict=True) if what in ("paid", "returned")
    ]
    for line, order in settled:
        await note(
            db,
            actor,
            "PaymentSettled" if line.status is LineStatus.PAID else "PaymentReturned",
            "order",
            order.id,
            clock=clock,
            session_id=order.session_id,
            reference=order.reference,
            amount_fen=order.amount_fen,
            answer_digest=taken.digest,
            line=line.line,
            bank_reference=line.bank_reference,
            reason_code=line.reason_code,
        )
    await note(
        db,
        actor,
        "BankAnswerTaken",
        "batch",
        taken.batch_id,
        clock=clock,
        digest=taken.digest,
        message_id=taken.message_id,
        lines=len(pairs),
        settled=len(settled),
    )
