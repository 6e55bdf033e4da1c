"""What the pages about the fund and its batches show. Amounts in fen."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy import case as sql_case
from sqlalchemy.ext.asyncio import AsyncSession

from aid import ledger
from aid.ledger import Balances
from aid.payments import OrderReadiness, readiness
from aid.states import BatchState, OrderState
from aid.tables import BankAnswer, Batch, Entry, Fund, Order
from records.actors import Actor


@dataclass(frozen=True, slots=True)
class FundView:
    """An office's fund: appropriated = available + reserved + in flight + paid."""

    fund_id: str
    office_id: str
    year: int
    name: str
    payer_name: str
    payer_account_masked: str
    bank_name: str
    balances: Balances
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One batch in a list; the counts are of orders."""

    id: str
    title: str
    state: BatchState
    drafter_name: str
    drafted_at: datetime
    releaser_name: str | None
    released_at: datetime | None
    orders: int
    total_fen: int
    in_flight: int
    paid: int
    returned: int


@dataclass(frozen=True, slots=True)
class BatchView:
    """The batch's page: what can go, what is held back, and what the fund has left."""

    id: str
    title: str
    state: BatchState
    version: int
    drafter_id: str
    drafter_name: str
    drafted_at: datetime
    releaser_name: str | None
    released_at: datetime | None
    sent_back_at: datetime | None
    sent_back_reason: str | None
    file_name: str | None
    file_digest: str | None
    rows: tuple[OrderReadiness, ...]
    fund: FundView
    answers: tuple[BankAnswer, ...]

    @property
    def going(self) -> tuple[OrderReadiness, ...]:
        """The rows that can be released, or were."""
        return tuple(row for row in self.rows if row.blocked is None and row.state is not OrderState.CANCELLED)

    @property
    def staying(self) -> tuple[OrderReadiness, ...]:
        """The rows that cannot be released, or were held back."""
        return tuple(row for row in self.rows if row.blocked is not None)

    @property
    def going_fen(self) -> int:
        """What goes, in fen."""
        return sum(row.amount_fen for row in self.going)

    @property
    def staying_fen(self) -> int:
        """What stays, in fen."""
        return sum(row.amount_fen for row in self.staying)


def batch_title(year: int, month: int, serial: int) -> str:
    """Return what people call a batch."""
    return f"{year} 年 {month} 月第 {serial} 批"


async def fund_view(db: AsyncSession, office_id: str, *, year: int | None = None) -> FundView | None:
    """Return an office's fund of a year (by default the newest), or None when it has none."""
    query = select(Fund).where(Fund.office_id == office_id).order_by(Fund.year.desc()).limit(1)
    fund = await db.scalar(query if year is None else query.where(Fund.year == year))
    return None if fund is None else await _fund_view(db, fund)


async def _fund_view(db: AsyncSession, fund: Fund) -> FundView:
    entries = await db.scalars(select(Entry).where(Entry.fund_id == fund.id).order_by(Entry.at.desc()).limit(100))
    return FundView(
        fund_id=fund.id,
        office_id=fund.office_id,
        year=fund.year,
        name=fund.name,
        payer_name=fund.payer_name,
        payer_account_masked=fund.payer_account_masked,
        bank_name=fund.bank_name,
        balances=await ledger.balances(db, fund.id),
        entries=tuple(entries),
    )


async def batches(db: AsyncSession, office_id: str, *, limit: int = 100) -> list[BatchRow]:
    """Return an office's batches, newest first."""

    def counted(state: OrderState) -> ColumnElement[int]:
        return func.sum(sql_case((Order.state == state, 1), else_=0))

    query = (
        select(
            Batch,
            func.count(Order.id),
            func.sum(Order.amount_fen),
            counted(OrderState.RELEASED),
            counted(OrderState.PAID),
            counted(OrderState.RETURNED),
        )
        .join(Order, Order.batch_id == Batch.id)
        .where(Batch.office_id == office_id)
        .group_by(Batch.id)
        .order_by(Batch.year.desc(), Batch.month.desc(), Batch.serial.desc())
        .limit(limit)
    )
    return [
        BatchRow(
            id=batch.id,
            title=batch_title(batch.year, batch.month, batch.serial),
            state=batch.state,
            drafter_name=batch.drafter_name,
            drafted_at=batch.drafted_at,
            releaser_name=batch.releaser_name,
            released_at=batch.released_at,
            orders=int(count),
            total_fen=int(total),
            in_flight=int(in_flight),
            paid=int(paid),
            returned=int(returned),
        )
        for batch, count, total, in_flight, paid, returned in (await db.execute(query))
    ]


async def batch_view(db: AsyncSession, batch_id: str, *, actor: Actor | None = None) -> BatchView:
    """Return the batch's page, each order's readiness computed now. Refusals: batch_unknown."""
    rows = await readiness(db, batch_id, actor=actor)
    batch = await db.get_one(Batch, batch_id)
    answers = select(BankAnswer).where(BankAnswer.batch_id == batch_id).order_by(BankAnswer.taken_at)
    return BatchView(
        id=batch.id,
        title=batch_title(batch.year, batch.month, batch.serial),
        state=batch.state,
        version=batch.version,
        drafter_id=batch.drafter_id,
        drafter_name=batch.drafter_name,
        drafted_at=batch.drafted_at,
        releaser_name=batch.releaser_name,
        released_at=batch.released_at,
        sent_back_at=batch.sent_back_at,
        sent_back_reason=batch.sent_back_reason,
        file_name=batch.file_name,
        file_digest=batch.file_digest,
        rows=tuple(rows),
        fund=await _fund_view(db, await db.get_one(Fund, batch.fund_id)),
        answers=tuple(await db.scalars(answers)),
    )
