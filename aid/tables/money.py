"""The money: funds and their balances, batches and orders, holds, entries, and what the bank answered."""

from datetime import date, datetime

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from aid.states import BatchState, OrderState
from aid.tables.case import DIGEST, ID, NAME
from records.database import Base, stored_enum
from records.ids import new_id


class Fund(Base):
    """An office's aid fund of one year, and the account it is paid from."""

    __tablename__ = "aid_funds"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True, default=new_id)
    office_id: Mapped[str] = mapped_column(ForeignKey("offices.id"))
    year: Mapped[int]
    name: Mapped[str] = mapped_column(String(NAME))
    payer_name: Mapped[str] = mapped_column(String(NAME))
    payer_account_concealed: Mapped[bytes] = mapped_column(LargeBinary)
    payer_account_masked: Mapped[str] = mapped_column(String(40))
    bank_name: Mapped[str] = mapped_column(String(NAME))
    bank_cnaps: Mapped[str] = mapped_column(String(12))
    opened_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("office_id", "year"),)


class Balance(Base):
    """How much stands on one account of a fund. Locked in the order of ledger.ACCOUNTS, never below zero.

    `source` is where appropriations come from: it mirrors the rest, so its sign is the other way round.
    """

    __tablename__ = "aid_balances"

    fund_id: Mapped[str] = mapped_column(ForeignKey("aid_funds.id"), primary_key=True)
    account: Mapped[str] = mapped_column(String(20), primary_key=True)
    balance_fen: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        CheckConstraint(
            "(account = 'source' AND balance_fen <= 0) OR "
            "(account IN ('available', 'reserved', 'in_flight', 'paid') AND balance_fen >= 0)",
            name="never_negative",
        ),
    )


class Batch(Base):
    """Orders that go to the bank together, in one file: the n-th of a month."""

    __tablename__ = "aid_batches"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True, default=new_id)
    office_id: Mapped[str] = mapped_column(ForeignKey("offices.id"))
    fund_id: Mapped[str] = mapped_column(ForeignKey("aid_funds.id"))
    year: Mapped[int]
    month: Mapped[int]
    serial: Mapped[int]
    message_id: Mapped[str] = mapped_column(String(35), unique=True)
    state: Mapped[BatchState] = mapped_column(stored_enum(BatchState), default=BatchState.DRAFTED)
    drafter_id: Mapped[str] = mapped_column(String(ID))
    drafter_name: Mapped[str] = mapped_column(String(NAME))
    drafted_at: Mapped[datetime]
    releaser_id: Mapped[str | None] = mapped_column(String(ID))
    releaser_name: Mapped[str | None] = mapped_column(String(NAME))
    released_at: Mapped[datetime | None]
    sent_back_at: Mapped[datetime | None]
    sent_back_reason: Mapped[str | None] = mapped_column(Text)
    file_name: Mapped[str | None] = mapped_column(String(NAME))
    file_digest: Mapped[str | None] = mapped_column(String(DIGEST))
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (declared so by SQLAlchemy)
    __table_args__ = (
        UniqueConstraint("office_id", "year", "month", "serial"),
        UniqueConstraint("id", "drafter_id"),
        UniqueConstraint("id", "releaser_id"),
        CheckConstraint("drafter_id <> releaser_id", name="two_people"),
        CheckConstraint(
            "(state = 'released') = (releaser_id IS NOT NULL AND file_digest IS NOT NULL)", name="released_has_file"
        ),
    )


PEOPLE = ("handler_id", "verifier_id", "approver_id", "drafter_id", "releaser_id", "reconciler_id")
_MAY_BE_ONE = {("handler_id", "verifier_id"), ("drafter_id", "reconciler_id")}
FOUR_EYES = " AND ".join(
    f"{one} <> {other}"
    for place, one in enumerate(PEOPLE)
    for other in PEOPLE[place + 1 :]
    if (one, other) not in _MAY_BE_ONE
)
"""Who must not be the same person on one order; a step not yet taken is NULL, which a CHECK lets pass."""


class Order(Base):
    """One payment of one instalment: whom, how much, from which hearing, and by whose hands.

    The references to hearing, approval, account and people are set once; the CHECK and the composite keys tie each
    person to the very row in which they acted, so a forged id is refused by the database.
    """

    __tablename__ = "aid_orders"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True, default=new_id)
    batch_id: Mapped[str] = mapped_column(ForeignKey("aid_batches.id"), index=True)
    line: Mapped[int]
    case_id: Mapped[str] = mapped_column(ForeignKey("aid_cases.id"), index=True)
    instalment: Mapped[int] = mapped_column(default=1)
    attempt: Mapped[int]
    reference: Mapped[str] = mapped_column(String(35), unique=True)
    state: Mapped[OrderState] = mapped_column(stored_enum(OrderState), default=OrderState.DRAFTED)
    amount_fen: Mapped[int]
    handler_id: Mapped[str] = mapped_column(String(ID))
    drafter_id: Mapped[str] = mapped_column(String(ID))
    verifier_id: Mapped[str | None] = mapped_column(String(ID))
    approval_id: Mapped[str | None] = mapped_column(String(ID))
    approver_id: Mapped[str | None] = mapped_column(String(ID))
    releaser_id: Mapped[str | None] = mapped_column(String(ID))
    reconciler_id: Mapped[str | None] = mapped_column(String(ID))
    reconciler_name: Mapped[str | None] = mapped_column(String(NAME))
    session_id: Mapped[str | None] = mapped_column(ForeignKey("sessions.id"))
    confirmation_id: Mapped[str | None] = mapped_column(String(ID))
    account_id: Mapped[str | None] = mapped_column(String(ID))
    recording_digest: Mapped[str | None] = mapped_column(String(DIGEST))
    drafted_at: Mapped[datetime]
    held_back_code: Mapped[str | None] = mapped_column(String(40))
    released_at: Mapped[datetime | None]
    execute_on: Mapped[date | None]
    settled_at: Mapped[datetime | None]
    bank_reference: Mapped[str | None] = mapped_column(String(35))
    return_code: Mapped[str | None] = mapped_column(String(35))
    return_reason: Mapped[str | None] = mapped_column(String(500))

    __table_args__ = (
        ForeignKeyConstraint(["case_id", "handler_id"], ["aid_cases.id", "aid_cases.handler_id"]),
        ForeignKeyConstraint(["approval_id", "approver_id"], ["aid_approvals.id", "aid_approvals.approver_id"]),
        ForeignKeyConstraint(["batch_id", "drafter_id"], ["aid_batches.id", "aid_batches.drafter_id"]),
        ForeignKeyConstraint(["batch_id", "releaser_id"], ["aid_batches.id", "aid_batches.releaser_id"]),
        ForeignKeyConstraint(["confirmation_id", "case_id"], ["aid_confirmations.id", "aid_confirmations.case_id"]),
        ForeignKeyConstraint(["account_id", "case_id"], ["aid_payee_accounts.id", "aid_payee_accounts.case_id"]),
        CheckConstraint("amount_fen > 0", name="positive"),
        CheckConstraint(FOUR_EYES, name="four_eyes"),
        CheckConstraint(
            "state NOT IN ('released', 'paid', 'returned') OR (releaser_id IS NOT NULL AND verifier_id IS NOT NULL "
            "AND approval_id IS NOT NULL AND approver_id IS NOT NULL AND session_id IS NOT NULL "
            "AND confirmation_id IS NOT NULL AND account_id IS NOT NULL AND recording_digest IS NOT NULL)",
            name="released_has_grounds",
        ),
        CheckConstraint("state NOT IN ('paid', 'returned') OR reconciler_id IS NOT NULL", name="settled_by_somebody"),
        UniqueConstraint("batch_id", "line"),
        UniqueConstraint("case_id", "instalment", "attempt"),
        Index(
            "uq_aid_orders_one_live",
            "case_id",
            "instalment",
            unique=True,
            sqlite_where=text("state IN ('drafted', 'released', 'paid')"),
            postgresql_where=text("state IN ('drafted', 'released', 'paid')"),
        ),
    )


class Hold(Base):
    """Money set aside for one purpose, until that is settled: exactly once, as the trigger below insists.

    A reservation is placed by an approval, and ends `posted` (released to the bank) or `voided`; a flight is placed by
    a release, and ends `posted` (paid) or `voided` (returned).
    """

    __tablename__ = "aid_holds"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True, default=new_id)
    fund_id: Mapped[str] = mapped_column(ForeignKey("aid_funds.id"))
    case_id: Mapped[str] = mapped_column(ForeignKey("aid_cases.id"))
    order_id: Mapped[str | None] = mapped_column(ForeignKey("aid_orders.id"), unique=True)
    kind: Mapped[str] = mapped_column(String(20))
    amount_fen: Mapped[int]
    placed_at: Mapped[datetime]
    outcome: Mapped[str | None] = mapped_column(String(20))
    resolved_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="positive"),
        CheckConstraint("(outcome IS NULL) = (resolved_at IS NULL)", name="resolved_is_timed"),
        CheckConstraint("outcome IN ('posted', 'voided')", name="outcome"),
        CheckConstraint("(kind = 'flight') = (order_id IS NOT NULL)", name="flight_has_order"),
        CheckConstraint("kind IN ('reservation', 'flight')", name="kind"),
        Index(
            "uq_aid_holds_one_open",
            "case_id",
            unique=True,
            sqlite_where=text("outcome IS NULL"),
            postgresql_where=text("outcome IS NULL"),
        ),
    )


class Entry(Base):
    """One movement of money within a fund: `amount_fen` from one account to another.

    It is two postings in one row (minus on `from_account`, plus on `to_account`), so a transaction that does not sum to
    zero cannot be written down at all. Never updated, never deleted; a correction is the movement back, and names
    what it corrects.
    """

    __tablename__ = "aid_entries"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True, default=new_id)
    fund_id: Mapped[str] = mapped_column(ForeignKey("aid_funds.id"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    from_account: Mapped[str] = mapped_column(String(20))
    to_account: Mapped[str] = mapped_column(String(20))
    amount_fen: Mapped[int]
    key: Mapped[str] = mapped_column(String(100), unique=True)
    hold_id: Mapped[str | None] = mapped_column(ForeignKey("aid_holds.id"))
    order_id: Mapped[str | None] = mapped_column(ForeignKey("aid_orders.id"))
    case_id: Mapped[str | None] = mapped_column(ForeignKey("aid_cases.id"))
    corrects_id: Mapped[str | None] = mapped_column(ForeignKey("aid_entries.id"), unique=True)
    reason: Mapped[str] = mapped_column(String(500))
    at: Mapped[datetime]
    actor_id: Mapped[str] = mapped_column(String(ID))
    actor_name: Mapped[str] = mapped_column(String(NAME))

    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="positive"),
        CheckConstraint(
            "(kind = 'appropriated' AND from_account = 'source' AND to_account = 'available') OR "
            "(kind = 'reserved' AND from_account = 'available' AND to_account = 'reserved') OR "
            "(kind = 'freed' AND from_account = 'reserved' AND to_account = 'available') OR "
            "(kind = 'released' AND from_account = 'reserved' AND to_account = 'in_flight') OR "
            "(kind = 'paid' AND from_account = 'in_flight' AND to_account = 'paid') OR "
            "(kind = 'returned' AND from_account = 'in_flight' AND to_account = 'available') OR "
            "(kind = 'corrected' AND from_account = 'available' AND to_account = 'source')",
            name="known_movement",
        ),
        CheckConstraint("(kind = 'corrected') = (corrects_id IS NOT NULL)", name="correction_names_its_original"),
        CheckConstraint("(kind IN ('appropriated', 'corrected')) = (hold_id IS NULL)", name="movement_has_hold"),
    )


class BankAnswer(Base):
    """One answer file of the bank; its bytes are in the vault under `digest`."""

    __tablename__ = "aid_bank_answers"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True, default=new_id)
    batch_id: Mapped[str] = mapped_column(ForeignKey("aid_batches.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    digest: Mapped[str] = mapped_column(String(DIGEST), unique=True)
    message_id: Mapped[str] = mapped_column(String(35))
    bank_cnaps: Mapped[str] = mapped_column(String(12))
    answered_at: Mapped[datetime]
    taken_at: Mapped[datetime]
    reconciler_id: Mapped[str] = mapped_column(String(ID))
    reconciler_name: Mapped[str] = mapped_column(String(NAME))

    __table_args__ = (UniqueConstraint("bank_cnaps", "message_id"),)


class BankAnswerLine(Base):
    """What one line of an answer said about one order."""

    __tablename__ = "aid_bank_answer_lines"

    answer_id: Mapped[str] = mapped_column(ForeignKey("aid_bank_answers.id"), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[str] = mapped_column(ForeignKey("aid_orders.id"), index=True)
    status: Mapped[str] = mapped_column(String(10))
    amount_fen: Mapped[int]
    reason_code: Mapped[str | None] = mapped_column(String(35))
    outcome: Mapped[str] = mapped_column(String(20))
