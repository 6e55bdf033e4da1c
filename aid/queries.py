"""What the pages about cases and money show. Nothing here changes anything; amounts in fen, recording times in ms."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from aid.cases import current_account
from aid.confirmations import ConfirmationView, confirmation_view
from aid.decisions import shared_account
from aid.fund_queries import BatchRow, BatchView, FundView, batch_title, batch_view, batches, fund_view
from aid.id_numbers import AccountDoubt, doubts
from aid.money import capital_numerals
from aid.rules import RuleSet, check_category, rules_of
from aid.states import LIVE_ORDER_STATES, CaseState, ConfirmationState, OrderState
from aid.tables import (
    AidCase,
    Approval,
    Batch,
    CaseSession,
    Confirmation,
    Order,
    PayeeAccount,
)
from aid.timeline import OrderView, Person, Step, four_people, order_timeline, order_view
from aid.verification import VerificationView, verification_view
from records.actors import Actor, Permission
from records.personal import reveal
from records.refusals import Refusal
from sessions.tables import Session

__all__ = [
    "AccountView",
    "BatchRow",
    "BatchView",
    "CaseFile",
    "CaseRow",
    "EarlierAid",
    "FundView",
    "OrderRow",
    "OrderView",
    "PaymentOfSession",
    "Person",
    "Step",
    "batch_title",
    "batch_view",
    "batches",
    "case_file",
    "cases_for",
    "four_people",
    "fund_view",
    "order_timeline",
    "order_view",
    "payment_of_session",
    "ready_to_draft",
]


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One case in a list."""

    id: str
    number: str
    applicant_name: str
    amount_fen: int
    state: CaseState
    category_title: str
    handler_id: str
    handler_name: str
    session_id: str | None
    session_starts_at: datetime | None
    opened_at: datetime
    version: int


@dataclass(frozen=True, slots=True)
class AccountView:
    """Where a case's money goes, masked; `doubts` warn and never block."""

    id: str
    serial: int
    holder_name: str
    holder_relation: str
    number_masked: str
    bank_name: str
    cnaps: str
    fingerprint: str
    entered_at: datetime
    change_reason: str
    doubts: tuple[AccountDoubt, ...]


@dataclass(frozen=True, slots=True)
class EarlierAid:
    """Aid the same person had before, anywhere in this system: one party is aided once for one matter."""

    number: str
    amount_fen: int
    state: CaseState
    opened_at: datetime


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order of a case."""

    id: str
    batch_id: str
    batch_title: str
    reference: str
    state: OrderState
    amount_fen: int
    attempt: int
    drafted_at: datetime
    released_at: datetime | None
    settled_at: datetime | None
    return_code: str | None
    return_reason: str | None


@dataclass(frozen=True, slots=True)
class CaseFile:
    """Everything the case's page shows."""

    case: AidCase
    capital: str
    category_title: str
    rules: RuleSet
    account: AccountView
    accounts: tuple[AccountView, ...]
    session_ids: tuple[str, ...]
    verification: VerificationView | None
    confirmation: ConfirmationView | None
    approvals: tuple[Approval, ...]
    orders: tuple[OrderRow, ...]
    earlier_aid: tuple[EarlierAid, ...]
    shared_account: Refusal | None


@dataclass(frozen=True, slots=True)
class PaymentOfSession:
    """What the applicant's own page says after the hearing. `order_id` is there once there is a receipt to fetch."""

    case_number: str
    state: CaseState
    amount_fen: int
    capital: str
    payee: str
    bank_name: str
    account_masked: str
    confirmation: ConfirmationState
    paid_at: datetime | None
    return_reason: str | None
    order_id: str | None


async def cases_for(db: AsyncSession, actor: Actor, *, limit: int = 200) -> list[CaseRow]:
    """Return the cases of the actor's office, newest first. Refusals: not_permitted."""
    actor.require(Permission.SEE_CASES)
    return await _case_rows(db, AidCase.office_id == actor.office_id, limit=limit)


async def ready_to_draft(db: AsyncSession, actor: Actor) -> list[CaseRow]:
    """Return the approved cases of the actor's office that no live order covers. Refusals: not_permitted."""
    actor.require(Permission.DRAFT_BATCH)
    live = select(Order.case_id).where(Order.state.in_(LIVE_ORDER_STATES))
    wanted = (AidCase.office_id == actor.office_id) & (AidCase.state == CaseState.APPROVED) & AidCase.id.not_in(live)
    return await _case_rows(db, wanted, limit=500)


async def _case_rows(db: AsyncSession, wanted: ColumnElement[bool], *, limit: int) -> list[CaseRow]:
    query = (
        select(AidCase, Session.starts_at)
        .outerjoin(Session, Session.id == AidCase.session_id)
        .where(wanted)
        .order_by(AidCase.opened_at.desc(), AidCase.number.desc())
        .limit(limit)
    )
    return [
        CaseRow(
            id=case.id,
            number=case.number,
            applicant_name=case.applicant_name,
            amount_fen=case.amount_fen,
            state=case.state,
            category_title=check_category(rules_of(case.rules_version), case.category).title,
            handler_id=case.handler_id,
            handler_name=case.handler_name,
            session_id=case.session_id,
            session_starts_at=starts_at,
            opened_at=case.opened_at,
            version=case.version,
        )
        for case, starts_at in (await db.execute(query))
    ]


async def case_file(db: AsyncSession, case_id: str) -> CaseFile:
    """Return everything about a case. Refusals: case_unknown."""
    case = await db.get(AidCase, case_id)
    if case is None:
        raise Refusal("case_unknown")
    accounts = await db.scalars(
        select(PayeeAccount).where(PayeeAccount.case_id == case_id).order_by(PayeeAccount.serial)
    )
    views = [_account_view(db, account) for account in accounts]
    sessions = select(CaseSession.session_id).where(CaseSession.case_id == case_id).order_by(CaseSession.linked_at)
    approvals = select(Approval).where(Approval.case_id == case_id).order_by(Approval.decided_at)
    rules = rules_of(case.rules_version)
    return CaseFile(
        case=case,
        capital=capital_numerals(case.amount_fen),
        category_title=check_category(rules, case.category).title,
        rules=rules,
        account=views[-1],
        accounts=tuple(views),
        session_ids=tuple(await db.scalars(sessions)),
        verification=await verification_view(db, case.session_id) if case.session_id else None,
        confirmation=await confirmation_view(db, case.session_id) if case.session_id else None,
        approvals=tuple(await db.scalars(approvals)),
        orders=tuple(await _order_rows(db, case_id)),
        earlier_aid=tuple(await _earlier_aid(db, case)),
        shared_account=await shared_account(db, case, await current_account(db, case)),
    )


def _account_view(db: AsyncSession, account: PayeeAccount) -> AccountView:
    return AccountView(
        id=account.id,
        serial=account.serial,
        holder_name=account.holder_name,
        holder_relation=account.holder_relation,
        number_masked=account.number_masked,
        bank_name=account.bank_name,
        cnaps=account.cnaps,
        fingerprint=account.fingerprint,
        entered_at=account.entered_at,
        change_reason=account.change_reason,
        doubts=doubts(reveal(db, account.number_concealed), account.cnaps),
    )


async def _order_rows(db: AsyncSession, case_id: str) -> list[OrderRow]:
    query = select(Order, Batch).join(Batch, Batch.id == Order.batch_id).where(Order.case_id == case_id)
    return [
        OrderRow(
            id=order.id,
            batch_id=batch.id,
            batch_title=batch_title(batch.year, batch.month, batch.serial),
            reference=order.reference,
            state=order.state,
            amount_fen=order.amount_fen,
            attempt=order.attempt,
            drafted_at=order.drafted_at,
            released_at=order.released_at,
            settled_at=order.settled_at,
            return_code=order.return_code,
            return_reason=order.return_reason,
        )
        for order, batch in (await db.execute(query.order_by(Order.attempt)))
    ]


async def _earlier_aid(db: AsyncSession, case: AidCase) -> list[EarlierAid]:
    query = (
        select(AidCase)
        .where(AidCase.id_fingerprint == case.id_fingerprint, AidCase.id != case.id)
        .order_by(AidCase.opened_at)
    )
    return [
        EarlierAid(other.number, other.amount_fen, other.state, other.opened_at) for other in await db.scalars(query)
    ]


async def payment_of_session(db: AsyncSession, session_id: str) -> PaymentOfSession | None:
    """Return what became of the aid confirmed in a session, or None when the session has no case."""
    query = select(AidCase).join(CaseSession, CaseSession.case_id == AidCase.id)
    case = await db.scalar(query.where(CaseSession.session_id == session_id))
    if case is None:
        return None
    account = await current_account(db, case)
    orders = select(Order).where(Order.case_id == case.id).order_by(Order.attempt.desc()).limit(1)
    order = await db.scalar(orders)
    said = await db.scalar(
        select(Confirmation.state)
        .where(Confirmation.session_id == session_id)
        .order_by(Confirmation.asked_at.desc())
        .limit(1)
    )
    paid = order is not None and order.state is OrderState.PAID
    return PaymentOfSession(
        case_number=case.number,
        state=case.state,
        amount_fen=case.amount_fen,
        capital=capital_numerals(case.amount_fen),
        payee=account.holder_name,
        bank_name=account.bank_name,
        account_masked=account.number_masked,
        confirmation=said or ConfirmationState.NONE,
        paid_at=order.settled_at if order is not None and paid else None,
        return_reason=order.return_reason if order is not None else None,
        order_id=order.id if order is not None and paid else None,
    )
