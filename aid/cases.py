"""Aid cases: opening one, where its money goes, which hearing it is heard in, and taking it back."""

from dataclasses import dataclass

from sqlalchemy import func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from aid import ledger
from aid.id_numbers import (
    check_id_number,
    is_account_number,
    is_cnaps,
    normal_account_number,
    normal_id_number,
)
from aid.notes import note
from aid.rules import check_cap, check_category, rules_on
from aid.states import (
    CLOSED_CASE_STATES,
    CaseEvent,
    CaseState,
    OrderEvent,
    OrderState,
    advance_case,
    advance_order,
)
from aid.tables import AidCase, Approval, CaseSession, Confirmation, Order, PayeeAccount, Wage
from aid.texts import line, passage, same_name
from records.actors import Actor, Permission
from records.clock import Clock
from records.personal import conceal, fingerprint, mask_account, mask_id_number, mask_phone
from records.refusals import Refusal
from sessions.days import office_date
from sessions.states import OVER
from sessions.tables import Office, Session

__all__ = ["AidCase", "ChangeAccount", "OpenCase", "case_of_session", "change_account", "link_session", "open_case"]


@dataclass(frozen=True, slots=True)
class OpenCase:
    """A case decided in principle. `holder_relation` says who the account's holder is when not the applicant."""

    number: str
    office_id: str
    applicant_name: str
    id_number: str
    phone: str
    address: str
    category: str
    reason: str
    amount_fen: int
    bank_name: str
    cnaps: str
    account_name: str
    account_number: str
    decision_text: str
    holder_relation: str = ""


@dataclass(frozen=True, slots=True)
class ChangeAccount:
    """Another account for a case, and why."""

    case_id: str
    bank_name: str
    cnaps: str
    account_name: str
    account_number: str
    reason: str
    holder_relation: str = ""


async def open_case(db: AsyncSession, actor: Actor, command: OpenCase, *, clock: Clock) -> AidCase:
    """Open a case; whoever opens it is its handler (承办人) for good.

    Refusals: not_permitted, not_your_office, text_*, amount_invalid, amount_over_cap, id_number_invalid(reason),
    account_number_invalid, cnaps_invalid, holder_differs, case_number_taken, applicant_has_open_case(number),
    unknown_category.
    """
    actor.require(Permission.HANDLE_CASE)
    _require_office(actor, command.office_id)
    ledger.check_amount(command.amount_fen)
    id_number = normal_id_number(line("id_number", command.id_number, 40))
    checked = check_id_number(id_number)
    if checked.reason is not None:
        raise Refusal("id_number_invalid", reason=checked.reason.value)
    now = clock.now()
    rules = rules_on(office_date(now))
    check_category(rules, command.category)
    cap = check_cap(rules, command.amount_fen, await _monthly_wage(db, command.office_id, office_date(now).year))
    number = line("case_number", command.number, 60)
    mark = fingerprint(db, id_number)
    await lock_office(db, command.office_id)
    await _refuse_twins(db, number, mark)
    phone = line("phone", command.phone, 30)
    case = AidCase(
        number=number,
        office_id=command.office_id,
        applicant_name=line("applicant_name", command.applicant_name, 60),
        id_number_concealed=conceal(db, id_number),
        id_number_masked=mask_id_number(id_number),
        id_fingerprint=mark,
        phone_concealed=conceal(db, phone),
        phone_masked=mask_phone(phone),
        address_concealed=conceal(db, line("address", command.address, 200)),
        category=command.category,
        reason=passage("reason", command.reason, 2000),
        amount_fen=command.amount_fen,
        decision_text=passage("decision_text", command.decision_text, 10_000),
        rules_version=rules.version,
        cap_fen=cap,
        state=CaseState.AWAITING_HEARING,
        handler_id=actor.id,
        handler_name=actor.name,
        opened_at=now,
    )
    account = _payee_account(db, actor, case, command, "开立", clock=clock)
    db.add(case)
    await db.flush()
    account.case_id, account.serial = case.id, 1
    db.add(account)
    await db.flush()
    await note(
        db,
        actor,
        "CaseOpened",
        "case",
        case.id,
        clock=clock,
        number=case.number,
        amount_fen=case.amount_fen,
        account_masked=account.number_masked,
        account_fingerprint=account.fingerprint,
        rules_version=case.rules_version,
    )
    return case


async def link_session(db: AsyncSession, actor: Actor, case_id: str, session_id: str, *, clock: Clock) -> None:
    """Say that a session is held for a case. A returned case is thereby open again: its account can be confirmed anew.

    Refusals: case_unknown, case_not_ready, session_unknown, session_over, not_your_office, session_has_other_case.
    """
    actor.require(Permission.HANDLE_CASE)
    case = await lock_case(db, case_id)
    _require_office(actor, case.office_id)
    session = await db.get(Session, session_id)
    if session is None:
        raise Refusal("session_unknown")
    _require_office(actor, session.office_id)
    if session.state in OVER:
        raise Refusal("session_over")
    standing = await db.get(CaseSession, session_id)
    if standing is not None:
        if standing.case_id != case_id:
            raise Refusal("session_has_other_case")
        return
    if case.state not in (CaseState.AWAITING_HEARING, CaseState.RETURNED):
        raise Refusal("case_not_ready", state=case.state.value, event="linked")
    db.add(CaseSession(session_id=session_id, case_id=case_id, linked_at=clock.now()))
    if case.state is CaseState.RETURNED:
        case.state = advance_case(case.state, CaseEvent.REOPENED)
    case.session_id = session_id
    await db.flush()
    await note(db, actor, "CaseLinked", "case", case_id, session_id=session_id, clock=clock)


async def change_account(db: AsyncSession, actor: Actor, command: ChangeAccount, *, clock: Clock) -> PayeeAccount:
    """Give a case another account. What the applicant confirmed and what was approved is void from here on.

    Refusals: case_unknown, case_not_ready, not_your_office, account_unchanged, account_number_invalid, cnaps_invalid,
    holder_differs, text_*.
    """
    actor.require(Permission.HANDLE_CASE)
    case = await lock_case(db, command.case_id)
    _require_office(actor, case.office_id)
    if case.state in CLOSED_CASE_STATES or case.state is CaseState.IN_FLIGHT:
        raise Refusal("case_not_ready", state=case.state.value, event="account_changed")
    why = passage("reason", command.reason, 500)
    account = _payee_account(db, actor, case, command, why, clock=clock)
    before = await current_account(db, case)
    if before.fingerprint == account.fingerprint:
        raise Refusal("account_unchanged")
    case.account_serial += 1
    account.case_id, account.serial = case.id, case.account_serial
    db.add(account)
    await void_confirmation(db, case, "account_changed", clock=clock)
    await note(
        db,
        actor,
        "PayeeAccountChanged",
        "case",
        case.id,
        clock=clock,
        session_id=case.session_id,
        before=before.number_masked,
        after=account.number_masked,
        account_fingerprint=account.fingerprint,
        reason_fingerprint=fingerprint(db, why),
    )
    return account


async def withdraw_case(db: AsyncSession, actor: Actor, case_id: str, reason: str, *, clock: Clock) -> AidCase:
    """Take a case back before its money has left: what was reserved is free again, an order not yet sent is cancelled.

    Refusals: case_unknown, case_not_ready, not_your_office, text_*.
    """
    actor.require(Permission.HANDLE_CASE)
    case = await lock_case(db, case_id)
    _require_office(actor, case.office_id)
    case.closed_reason = passage("reason", reason, 500)
    case.state = advance_case(case.state, CaseEvent.WITHDRAWN)
    await cancel_draft(db, case.id)
    await ledger.free(db, actor, case.id, "案件撤回", clock=clock)
    mark = fingerprint(db, case.closed_reason)
    await note(db, actor, "CaseWithdrawn", "case", case.id, clock=clock, reason_fingerprint=mark)
    return case


async def case_of_session(db: AsyncSession, session_id: str) -> AidCase:
    """Return the case a session is held for. Raises `Refusal("no_case_for_session")`."""
    query = select(AidCase).join(CaseSession, CaseSession.case_id == AidCase.id)
    case = await db.scalar(query.where(CaseSession.session_id == session_id))
    if case is None:
        raise Refusal("no_case_for_session")
    return case


# What later modules stand on.


async def lock_office(db: AsyncSession, office_id: str) -> None:
    """Let one at a time take numbers in an office. (NO KEY UPDATE: rows that only refer to the office do not wait.)"""
    await db.execute(select(Office.id).where(Office.id == office_id).with_for_update(key_share=True))


async def lock_case(db: AsyncSession, case_id: str) -> AidCase:
    """Return a case, locked until the transaction ends and as it is now. Raises `Refusal("case_unknown")`."""
    query = select(AidCase).where(AidCase.id == case_id).with_for_update()
    case = (await db.scalars(query, execution_options={"populate_existing": True})).one_or_none()
    if case is None:
        raise Refusal("case_unknown")
    return case


async def current_account(db: AsyncSession, case: AidCase) -> PayeeAccount:
    """Return where a case's money goes now."""
    query = select(PayeeAccount).where(PayeeAccount.case_id == case.id, PayeeAccount.serial == case.account_serial)
    return (await db.scalars(query)).one()


async def standing_confirmation(db: AsyncSession, case_id: str) -> Confirmation | None:
    """Return the confirmation of a case that has not been voided: there is at most one."""
    query = select(Confirmation).where(Confirmation.case_id == case_id, Confirmation.voided_at.is_(None))
    return (await db.scalars(query, execution_options={"populate_existing": True})).one_or_none()


async def standing_approval(db: AsyncSession, case_id: str) -> Approval | None:
    """Return the approval (or refusal) of a case that has not been voided: there is at most one."""
    query = select(Approval).where(Approval.case_id == case_id, Approval.voided_at.is_(None))
    return (await db.scalars(query, execution_options={"populate_existing": True})).one_or_none()


async def void_confirmation(db: AsyncSession, case: AidCase, reason: str, *, clock: Clock) -> None:
    """Void what the applicant confirmed, and with it what was approved; the case waits for its hearing again."""
    for standing in (await standing_confirmation(db, case.id), await standing_approval(db, case.id)):
        if standing is not None:
            standing.voided_at, standing.void_reason = clock.now(), reason
    event = CaseEvent.REOPENED if case.state is CaseState.RETURNED else CaseEvent.CONFIRMATION_VOIDED
    case.state = advance_case(case.state, event)
    await db.flush()


async def cancel_draft(db: AsyncSession, case_id: str) -> None:
    """Cancel the case's order that is drafted and not yet released, if there is one."""
    query = select(Order).where(Order.case_id == case_id, Order.state == OrderState.DRAFTED).with_for_update()
    for order in await db.scalars(query, execution_options={"populate_existing": True}):
        order.state = advance_order(order.state, OrderEvent.CANCELLED)
    await db.flush()


def _require_office(actor: Actor, office_id: str) -> None:
    if actor.office_id != office_id:
        raise Refusal("not_your_office")


async def _monthly_wage(db: AsyncSession, office_id: str, year: int) -> int | None:
    """Return the wage (fen) of the office's province for the year before, or of the latest year that was entered."""
    region = await db.scalar(select(Office.region).where(Office.id == office_id)) or ""
    # An office's region is written from the province down; wages are published for provinces.
    within = func.substr(literal(region), 1, func.length(Wage.region)) == Wage.region
    query = select(Wage.monthly_fen).where(within, Wage.year < year).order_by(Wage.year.desc()).limit(1)
    return await db.scalar(query)


async def _refuse_twins(db: AsyncSession, number: str, id_mark: str) -> None:
    if await db.scalar(select(AidCase.id).where(AidCase.number == number)) is not None:
        raise Refusal("case_number_taken", number=number)
    query = select(AidCase.number).where(AidCase.id_fingerprint == id_mark, AidCase.state.not_in(CLOSED_CASE_STATES))
    open_number = await db.scalar(query)
    if open_number is not None:
        raise Refusal("applicant_has_open_case", number=open_number)


def _payee_account(
    db: AsyncSession, actor: Actor, case: AidCase, given: OpenCase | ChangeAccount, reason: str, *, clock: Clock
) -> PayeeAccount:
    number = normal_account_number(line("account_number", given.account_number, 60))
    cnaps = normal_account_number(line("cnaps", given.cnaps, 30))
    if not is_account_number(number):
        raise Refusal("account_number_invalid")
    if not is_cnaps(cnaps):
        raise Refusal("cnaps_invalid")
    holder = line("account_name", given.account_name, 60)
    relation = line("holder_relation", given.holder_relation, 100, required=False)
    if not relation and not same_name(holder, case.applicant_name):
        raise Refusal("holder_differs")
    bank = line("bank_name", given.bank_name, 60)
    return PayeeAccount(
        holder_name=holder,
        holder_relation=relation,
        number_concealed=conceal(db, number),
        number_masked=mask_account(number),
        number_fingerprint=fingerprint(db, number),
        bank_name=bank,
        cnaps=cnaps,
        # Joined by a character that none of the three can contain.
        fingerprint=fingerprint(db, "\x1f".join((cnaps, bank, holder, number))),
        entered_at=clock.now(),
        entered_by=actor.id,
        change_reason=reason,
    )
