"""The ledger of each fund: appropriated = available + reserved + in flight + paid, at every commit.

Money enters by an appropriation, is reserved by an approval, flies by a release, and is paid or comes back by an answer
of the bank. One entry is two postings; entries are never changed; balances are kept beside them, never below zero, and
`audit` computes everything again from the entries.

Locks: callers lock their case, batch and order first; a fund's balances are locked here, in one fixed order; the trail
comes last.
"""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from aid.audit import audit
from aid.books import ACCOUNTS, MOVEMENTS, Account, Balances, EntryKind
from aid.id_numbers import is_account_number, is_cnaps, normal_account_number
from aid.money import MAX_FEN
from aid.notes import note
from aid.tables import AidCase, Balance, Entry, Fund, Hold, Order, Wage
from aid.texts import line, passage
from records.actors import Actor, Permission
from records.clock import Clock
from records.personal import conceal, mask_account
from records.refusals import Refusal
from sessions.days import office_date

__all__ = [
    "ACCOUNTS",
    "MOVEMENTS",
    "Account",
    "Balances",
    "EnterWage",
    "EntryKind",
    "OpenFund",
    "appropriate",
    "audit",
    "balances",
    "check_amount",
    "correct",
    "enter_wage",
    "fly",
    "free",
    "fund_of",
    "land",
    "open_fund",
    "open_hold",
    "reserve",
]


@dataclass(frozen=True, slots=True)
class OpenFund:
    """An office's fund for one year, and the account the bank pays it from."""

    office_id: str
    year: int
    name: str
    payer_name: str
    payer_account: str
    bank_name: str
    bank_cnaps: str


@dataclass(frozen=True, slots=True)
class EnterWage:
    """A region's average monthly wage of one year (fen), and where it was published."""

    region: str
    year: int
    monthly_fen: int
    source: str


async def open_fund(db: AsyncSession, actor: Actor, command: OpenFund, *, clock: Clock) -> Fund:
    """Open a fund with nothing in it. Refusals: fund_exists, account_number_invalid, cnaps_invalid, text_*."""
    actor.require(Permission.APPROPRIATE_FUND)
    number = normal_account_number(command.payer_account)
    if not is_account_number(number):
        raise Refusal("account_number_invalid")
    if not is_cnaps(command.bank_cnaps):
        raise Refusal("cnaps_invalid")
    if await db.scalar(select(Fund.id).where(Fund.office_id == command.office_id, Fund.year == command.year)):
        raise Refusal("fund_exists", year=command.year)
    fund = Fund(
        office_id=command.office_id,
        year=command.year,
        name=line("fund_name", command.name, 100),
        payer_name=line("payer_name", command.payer_name, 100),
        payer_account_concealed=conceal(db, number),
        payer_account_masked=mask_account(number),
        bank_name=line("bank_name", command.bank_name, 100),
        bank_cnaps=command.bank_cnaps,
        opened_at=clock.now(),
    )
    db.add(fund)
    await db.flush()
    db.add_all(Balance(fund_id=fund.id, account=account.value, balance_fen=0) for account in ACCOUNTS)
    await note(db, actor, "FundOpened", "fund", fund.id, clock=clock, year=fund.year, bank_cnaps=fund.bank_cnaps)
    return fund


async def enter_wage(db: AsyncSession, actor: Actor, command: EnterWage, *, clock: Clock) -> Wage:
    """Enter a region's monthly wage, from which the cap follows. Refusals: wage_exists, amount_invalid, text_*."""
    actor.require(Permission.APPROPRIATE_FUND)
    check_amount(command.monthly_fen)
    if await db.get(Wage, (command.region, command.year)) is not None:
        raise Refusal("wage_exists", region=command.region, year=command.year)
    wage = Wage(
        region=line("region", command.region, 100),
        year=command.year,
        monthly_fen=command.monthly_fen,
        source=line("source", command.source, 200),
    )
    db.add(wage)
    await note(
        db,
        actor,
        "WageEntered",
        "region",
        wage.region,
        clock=clock,
        year=wage.year,
        monthly_fen=wage.monthly_fen,
        source=wage.source,
    )
    return wage


async def fund_of(db: AsyncSession, office_id: str, year: int) -> Fund:
    """Return an office's fund of one year; raise `Refusal("no_fund")` when it has none."""
    fund = await db.scalar(select(Fund).where(Fund.office_id == office_id, Fund.year == year))
    if fund is None:
        raise Refusal("no_fund", year=year)
    return fund


async def appropriate(
    db: AsyncSession, actor: Actor, fund_id: str, amount_fen: int, *, document: str, clock: Clock
) -> Entry:
    """Put appropriated money (fen) into a fund. `document` is the appropriation's number: it counts once per fund.

    Refusals: amount_invalid, document_already_entered, fund_unknown, text_*.
    """
    actor.require(Permission.APPROPRIATE_FUND)
    check_amount(amount_fen)
    number = line("document", document, 60)
    books = await _lock(db, fund_id)
    key = f"appropriated/{fund_id}/{number}"[:100]
    if await db.scalar(select(Entry.id).where(Entry.key == key)) is not None:
        raise Refusal("document_already_entered", document=number)
    if -books[Account.SOURCE].balance_fen + amount_fen > MAX_FEN:
        raise Refusal("amount_invalid")
    entry = Entry(fund_id=fund_id, kind=EntryKind.APPROPRIATED, key=key, amount_fen=amount_fen, reason=number)
    await _post(db, actor, books, entry, clock=clock)
    await note(db, actor, "FundAppropriated", "fund", fund_id, clock=clock, amount_fen=amount_fen, document=number)
    return entry


async def correct(db: AsyncSession, actor: Actor, entry_id: str, reason: str, *, clock: Clock) -> Entry:
    """Take back an appropriation that was entered wrongly, by the opposite movement, as far as it is still available.

    Every other entry is undone only by the step of its own case. Refusals: entry_unknown, entry_not_correctable,
    entry_already_corrected, budget_short, text_*.
    """
    actor.require(Permission.APPROPRIATE_FUND)
    why = passage("reason", reason, 500)
    original = await db.get(Entry, entry_id)
    if original is None:
        raise Refusal("entry_unknown")
    if original.kind != EntryKind.APPROPRIATED:
        raise Refusal("entry_not_correctable")
    books = await _lock(db, original.fund_id)
    if await db.scalar(select(Entry.id).where(Entry.corrects_id == entry_id)) is not None:
        raise Refusal("entry_already_corrected")
    entry = Entry(
        fund_id=original.fund_id,
        kind=EntryKind.CORRECTED,
        key=f"corrected/{entry_id}",
        amount_fen=original.amount_fen,
        corrects_id=entry_id,
        reason=why,
    )
    await _post(db, actor, books, entry, clock=clock)
    await note(
        db,
        actor,
        "AppropriationCorrected",
        "fund",
        entry.fund_id,
        clock=clock,
        amount_fen=entry.amount_fen,
        corrects=entry_id,
        reason=why,
    )
    return entry


def check_amount(amount_fen: int) -> None:
    """Raise `Refusal("amount_invalid")` unless `amount_fen` is a positive amount that a voucher can carry."""
    # A page's number is an int by then; `type` also refuses the bool and the float that Python would let through.
    if type(amount_fen) is not int or not 0 < amount_fen <= MAX_FEN:
        raise Refusal("amount_invalid")


async def balances(db: AsyncSession, fund_id: str) -> Balances:
    """Return a fund's balances in fen. Raises `Refusal("fund_unknown")`."""
    rows = await db.execute(select(Balance.account, Balance.balance_fen).where(Balance.fund_id == fund_id))
    fen = {Account(account): amount for account, amount in rows}
    if not fen:
        raise Refusal("fund_unknown")
    return Balances(
        appropriated=-fen[Account.SOURCE],
        available=fen[Account.AVAILABLE],
        reserved=fen[Account.RESERVED],
        in_flight=fen[Account.IN_FLIGHT],
        paid=fen[Account.PAID],
    )


# The steps below belong to use cases of other modules, which have locked the case and write the trail.


async def open_hold(db: AsyncSession, case_id: str) -> Hold | None:
    """Return the hold of a case that is not resolved yet: there is at most one."""
    query = select(Hold).where(Hold.case_id == case_id, Hold.outcome.is_(None)).with_for_update()
    return (await db.scalars(query, execution_options={"populate_existing": True})).one_or_none()


async def reserve(db: AsyncSession, actor: Actor, case: AidCase, approval_id: str, *, clock: Clock) -> Hold:
    """Set a case's amount aside; one still set aside (approved anew after a change of account) stays as it is.

    Refusals: no_fund, budget_short.
    """
    standing = await open_hold(db, case.id)
    if standing is not None:
        if standing.kind != "reservation" or standing.amount_fen != case.amount_fen:
            raise Refusal("already_settled")
        return standing
    fund = await fund_of(db, case.office_id, office_date(clock.now()).year)
    books = await _lock(db, fund.id)
    hold = Hold(fund_id=fund.id, case_id=case.id, kind="reservation", amount_fen=case.amount_fen, placed_at=clock.now())
    db.add(hold)
    await db.flush()
    await _post(db, actor, books, _entry(hold, EntryKind.RESERVED, f"reserved/{approval_id}"), clock=clock)
    return hold


async def free(db: AsyncSession, actor: Actor, case_id: str, reason: str, *, clock: Clock) -> None:
    """Give back what is reserved for a case, if anything is. Money in flight cannot be freed: `already_settled`."""
    hold = await open_hold(db, case_id)
    if hold is None:
        return
    if hold.kind != "reservation":
        raise Refusal("already_settled")
    books = await _lock(db, hold.fund_id)
    await _resolve(db, hold, "voided", clock=clock)
    entry = _entry(hold, EntryKind.FREED, f"freed/{hold.id}", reason=reason)
    await _post(db, actor, books, entry, clock=clock)


async def fly(db: AsyncSession, actor: Actor, order: Order, *, clock: Clock) -> Hold:
    """Turn an order's reservation into money in flight. Refusals: already_settled."""
    hold = await open_hold(db, order.case_id)
    if hold is None or hold.kind != "reservation" or hold.amount_fen != order.amount_fen:
        raise Refusal("already_settled")
    books = await _lock(db, hold.fund_id)
    await _resolve(db, hold, "posted", clock=clock)
    entry = _entry(hold, EntryKind.RELEASED, f"released/{order.reference}", order_id=order.id)
    await _post(db, actor, books, entry, clock=clock)
    flight = Hold(
        fund_id=hold.fund_id,
        case_id=order.case_id,
        order_id=order.id,
        kind="flight",
        amount_fen=order.amount_fen,
        placed_at=clock.now(),
    )
    db.add(flight)
    await db.flush()
    return flight


async def land(db: AsyncSession, actor: Actor, order: Order, *, paid: bool, reason: str, clock: Clock) -> None:
    """Settle an order's money in flight, exactly once: paid, or back to available. Refusals: already_settled."""
    hold = await open_hold(db, order.case_id)
    if hold is None or hold.order_id != order.id:
        raise Refusal("already_settled")
    books = await _lock(db, hold.fund_id)
    await _resolve(db, hold, "posted" if paid else "voided", clock=clock)
    kind = EntryKind.PAID if paid else EntryKind.RETURNED
    entry = _entry(hold, kind, f"{kind.value}/{order.reference}", order_id=order.id, reason=reason)
    await _post(db, actor, books, entry, clock=clock)


def _entry(hold: Hold, kind: EntryKind, key: str, *, order_id: str | None = None, reason: str = "") -> Entry:
    return Entry(
        fund_id=hold.fund_id,
        kind=kind.value,
        key=key,
        amount_fen=hold.amount_fen,
        hold_id=hold.id,
        order_id=order_id,
        case_id=hold.case_id,
        reason=reason[:500],
    )


async def _resolve(db: AsyncSession, hold: Hold, outcome: str, *, clock: Clock) -> None:
    hold.outcome = outcome
    hold.resolved_at = clock.now()
    await db.flush()


async def _lock(db: AsyncSession, fund_id: str) -> dict[Account, Balance]:
    query = select(Balance).where(Balance.fund_id == fund_id).order_by(Balance.account).with_for_update()
    rows = (await db.scalars(query, execution_options={"populate_existing": True})).all()
    if len(rows) != len(ACCOUNTS):
        raise Refusal("fund_unknown")
    return {Account(row.account): row for row in rows}


async def _post(db: AsyncSession, actor: Actor, books: dict[Account, Balance], entry: Entry, *, clock: Clock) -> None:
    origin, target = MOVEMENTS[EntryKind(entry.kind)]
    if origin is not Account.SOURCE and books[origin].balance_fen < entry.amount_fen:
        raise Refusal("budget_short", available_fen=books[origin].balance_fen, amount_fen=entry.amount_fen)
    books[origin].balance_fen -= entry.amount_fen
    books[target].balance_fen += entry.amount_fen
    entry.from_account, entry.to_account = origin.value, target.value
    entry.at, entry.actor_id, entry.actor_name = clock.now(), actor.id, actor.name
    db.add(entry)
    await db.flush()
