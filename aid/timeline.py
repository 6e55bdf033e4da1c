"""One order from the hearing to the bank's answer: the steps, and by whose hands."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from aid.checklist import CHECKLIST
from aid.money import capital_numerals, format_fen
from aid.states import OrderState
from aid.tables import (
    AidCase,
    Approval,
    BankAnswer,
    BankAnswerLine,
    Batch,
    Check,
    Confirmation,
    Order,
    PayeeAccount,
    Still,
    Verification,
)
from records.refusals import Refusal
from sessions.seats import SeatRole
from sessions.tables import PresenceSpan, Recording, Seat, Session


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `elapsed_ms` is its moment in the recording, if it has one; `kind` is for the style sheet."""

    at: datetime
    title: str
    detail: str
    elapsed_ms: int | None
    actor_name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who took one step of an order: the part, the name, when; name and time are None before it is taken."""

    part: str
    name: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class OrderView:
    """The head of the order's page."""

    id: str
    state: OrderState
    reference: str
    payee: str
    holder_relation: str
    account_masked: str
    bank_name: str
    amount_fen: int
    capital: str
    case_id: str
    case_number: str
    batch_id: str
    batch_title: str
    session_id: str | None
    confirmed_elapsed_ms: int | None
    signed_elapsed_ms: int | None
    picture_digest: str | None
    recording_digest: str | None
    bank_reference: str | None
    return_code: str | None
    return_reason: str | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Dossier:
    """The rows an order stands on; those of steps not yet taken are None."""

    order: Order
    case: AidCase
    batch: Batch
    account: PayeeAccount
    confirmation: Confirmation | None
    verification: Verification | None
    approval: Approval | None
    session: Session | None
    recording: Recording | None


async def dossier(db: AsyncSession, order_id: str) -> Dossier:
    """Gather what an order stands on: its own references once it was released, the case's present ones before."""
    order = await db.get(Order, order_id)
    if order is None:
        raise Refusal("order_unknown")
    case = await db.get_one(AidCase, order.case_id)
    confirmation = await _confirmation(db, order)
    session_id = confirmation.session_id if confirmation else case.session_id
    recordings = select(Recording).where(Recording.session_id == session_id)
    return Dossier(
        order=order,
        case=case,
        batch=await db.get_one(Batch, order.batch_id),
        account=await _account(db, order, case),
        confirmation=confirmation,
        verification=await db.get(Verification, session_id) if session_id else None,
        approval=await _approval(db, order),
        session=await db.get(Session, session_id) if session_id else None,
        recording=await db.scalar(recordings),
    )


async def order_view(db: AsyncSession, order_id: str) -> OrderView:
    """Return the head of the order's page. Refusals: order_unknown."""
    rows = await dossier(db, order_id)
    order, confirmation = rows.order, rows.confirmation
    return OrderView(
        id=order.id,
        state=order.state,
        reference=order.reference,
        payee=rows.account.holder_name,
        holder_relation=rows.account.holder_relation,
        account_masked=rows.account.number_masked,
        bank_name=rows.account.bank_name,
        amount_fen=order.amount_fen,
        capital=capital_numerals(order.amount_fen),
        case_id=rows.case.id,
        case_number=rows.case.number,
        batch_id=rows.batch.id,
        batch_title=f"{rows.batch.year} 年 {rows.batch.month} 月第 {rows.batch.serial} 批",
        session_id=rows.session.id if rows.session else None,
        confirmed_elapsed_ms=confirmation.confirmed_elapsed_ms if confirmation else None,
        signed_elapsed_ms=confirmation.signed_elapsed_ms if confirmation else None,
        picture_digest=confirmation.picture_digest if confirmation else None,
        recording_digest=order.recording_digest,
        bank_reference=order.bank_reference,
        return_code=order.return_code,
        return_reason=order.return_reason,
        settled_at=order.settled_at,
    )


async def order_timeline(db: AsyncSession, order_id: str) -> list[Step]:
    """Return the steps of an order, oldest first. Refusals: order_unknown."""
    rows = await dossier(db, order_id)
    steps = [
        *await _hearing_steps(db, rows),
        *_decision_steps(rows),
        *_payment_steps(rows),
        *await _answer_steps(db, rows),
    ]
    return sorted(steps, key=lambda step: step.at)


async def four_people(db: AsyncSession, order_id: str) -> list[Person]:
    """Return who handled, approved, drafted, released and reconciled an order. Refusals: order_unknown."""
    rows = await dossier(db, order_id)
    order, batch, approval = rows.order, rows.batch, rows.approval
    return [
        Person("承办", rows.case.handler_name, rows.case.opened_at),
        Person("审批", approval.approver_name if approval else None, approval.decided_at if approval else None),
        Person("制单", batch.drafter_name, batch.drafted_at),
        Person("放行", batch.releaser_name if order.releaser_id else None, order.released_at),
        Person("对账", order.reconciler_name, order.settled_at),
    ]


async def _hearing_steps(db: AsyncSession, rows: Dossier) -> list[Step]:
    session, verification, confirmation = rows.session, rows.verification, rows.confirmation
    steps: list[Step] = []
    if session is not None and session.started_at is not None:
        host, detail = await _who_was_there(db, rows)
        steps.append(Step(session.started_at, "接访", detail, 0, host, "hearing"))
    if verification is not None and verification.verified and session is not None:
        passed = await db.scalar(select(func.count()).where(Check.session_id == session.id, Check.passed.is_(True)))
        stills = await db.scalar(select(func.count(Still.kind.distinct())).where(Still.session_id == session.id))
        detail = f"{len(CHECKLIST)} 项中核对 {passed} 项，截图 {stills} 张"
        steps.append(
            Step(
                verification.concluded_at,
                "身份核验通过",
                detail,
                verification.elapsed_ms,
                verification.verifier_name,
                "identity",
            )
        )
    steps.extend(_applicant_steps(rows) if confirmation is not None else ())
    return steps


def _applicant_steps(rows: Dossier) -> Iterator[Step]:
    said, name = rows.confirmation, rows.case.applicant_name
    if said is None or said.confirmed_at is None:
        return
    detail = f"¥{format_fen(said.amount_fen)} · {rows.account.number_masked}"
    yield Step(said.confirmed_at, "本人确认数额和账号", detail, said.confirmed_elapsed_ms, name, "confirmed")
    if said.signed_at is not None:
        yield Step(said.signed_at, "本人签名", said.how_signed, said.signed_elapsed_ms, name, "signed")


async def far_end_present(db: AsyncSession, session_id: str) -> list[Seat]:
    """Return the seats of the far end whose holders came to the session; who was only invited was not there."""
    came = select(PresenceSpan.seat_id).where(PresenceSpan.session_id == session_id)
    query = select(Seat).where(Seat.session_id == session_id, Seat.role == SeatRole.FAR_END, Seat.id.in_(came))
    return list(await db.scalars(query))


async def _who_was_there(db: AsyncSession, rows: Dossier) -> tuple[str, str]:
    if rows.session is None:
        return "", ""
    seats = (await db.scalars(select(Seat).where(Seat.session_id == rows.session.id))).all()
    host = next((seat.display_name for seat in seats if seat.role is SeatRole.HOST), "")
    far = [f"{seat.display_name}（{seat.office_name}）在场" for seat in await far_end_present(db, rows.session.id)]
    length = rows.recording.duration_ms if rows.recording else None
    recorded = [f"录音录像 {length // 60_000} 分 {length // 1000 % 60:02d} 秒"] if length is not None else []
    return host, "，".join([f"{host}主持", *far, *recorded])


def _decision_steps(rows: Dossier) -> Iterator[Step]:
    approval = rows.approval
    if approval is not None:
        title = "审批同意" if approval.approved else "审批不同意"
        words = f"“{approval.opinion}”" if approval.opinion else ""
        yield Step(approval.decided_at, title, words, None, approval.approver_name, "approved")


def _payment_steps(rows: Dossier) -> Iterator[Step]:
    order, batch = rows.order, rows.batch
    title = f"{batch.year}-{batch.month:02d}-{batch.serial:02d}"
    yield Step(
        order.drafted_at, "列入发放批次", f"批次 {title}，{batch.drafter_name}制单", None, batch.drafter_name, "drafted"
    )
    if order.released_at is not None:
        detail = f"编号 {order.reference}，{batch.releaser_name}复核放行"
        yield Step(order.released_at, "放行", detail, None, batch.releaser_name or "", "released")
    elif order.state is OrderState.HELD_BACK and batch.released_at is not None:
        yield Step(batch.released_at, "暂缓，没有放行", "", None, batch.releaser_name or "", "held_back")
    elif order.state is OrderState.CANCELLED and batch.sent_back_at is not None:
        yield Step(batch.sent_back_at, "批次退回制单人", batch.sent_back_reason or "", None, "", "cancelled")


async def _answer_steps(db: AsyncSession, rows: Dossier) -> list[Step]:
    order = rows.order
    query = (
        select(BankAnswer, BankAnswerLine)
        .join(BankAnswerLine, BankAnswerLine.answer_id == BankAnswer.id)
        .where(BankAnswerLine.order_id == order.id, BankAnswerLine.outcome != "already_taken")
    )
    steps: list[Step] = []
    for answer, line in await db.execute(query):
        receipt = f"回单号 {order.bank_reference}，" if order.bank_reference else ""
        detail = f"{receipt}{answer.reconciler_name}对账，回单文件已存档"
        title, kind = {
            "paid": ("到账", "paid"),
            "returned": ("银行退回", "returned"),
            "pending": ("银行受理，尚无结果", "pending"),
        }[line.outcome]
        if line.outcome == "returned":
            detail = f"{order.return_reason or line.status}，钱已回到可用资金"
        steps.append(Step(answer.taken_at, title, detail, None, answer.reconciler_name, kind))
    return steps


async def _confirmation(db: AsyncSession, order: Order) -> Confirmation | None:
    if order.confirmation_id is not None:
        return await db.get(Confirmation, order.confirmation_id)
    query = select(Confirmation).where(Confirmation.case_id == order.case_id)
    return await db.scalar(query.order_by(Confirmation.asked_at.desc()).limit(1))


async def _approval(db: AsyncSession, order: Order) -> Approval | None:
    if order.approval_id is not None:
        return await db.get(Approval, order.approval_id)
    query = select(Approval).where(Approval.case_id == order.case_id, Approval.voided_at.is_(None))
    return await db.scalar(query)


async def _account(db: AsyncSession, order: Order, case: AidCase) -> PayeeAccount:
    if order.account_id is not None:
        return await db.get_one(PayeeAccount, order.account_id)
    query = select(PayeeAccount).where(PayeeAccount.case_id == case.id, PayeeAccount.serial == case.account_serial)
    return (await db.scalars(query)).one()
