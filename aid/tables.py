"""The case and the money, as rows. What the database itself refuses is written here, beside the columns.

Personal data is concealed (`*_concealed`), compared by keyed fingerprint, shown masked (`*_masked`).
"""

from datetime import date, datetime

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from aid.states import BatchState, CaseState, ConfirmationState, OrderState
from records.database import Base, attach_ddl, forbid_changes, stored_enum
from records.ids import new_id

ID = 32
NAME = 100
DIGEST = 64


class Wage(Base):
    """A region's average monthly wage of one year, in fen, with the publication it was taken from."""

    __tablename__ = "aid_wages"

    region: Mapped[str] = mapped_column(String(NAME), primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True)
    monthly_fen: Mapped[int]
    source: Mapped[str] = mapped_column(String(200))

    __table_args__ = (CheckConstraint("monthly_fen > 0", name="positive"),)


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


class AidCase(Base):
    """One person's aid case."""

    __tablename__ = "aid_cases"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True, default=new_id)
    number: Mapped[str] = mapped_column(String(60), unique=True)
    office_id: Mapped[str] = mapped_column(ForeignKey("offices.id"), index=True)
    applicant_name: Mapped[str] = mapped_column(String(NAME))
    id_number_concealed: Mapped[bytes] = mapped_column(LargeBinary)
    id_number_masked: Mapped[str] = mapped_column(String(20))
    id_fingerprint: Mapped[str] = mapped_column(String(DIGEST), index=True)
    phone_concealed: Mapped[bytes] = mapped_column(LargeBinary)
    phone_masked: Mapped[str] = mapped_column(String(40))
    address_concealed: Mapped[bytes] = mapped_column(LargeBinary)
    category: Mapped[str] = mapped_column(String(40))
    reason: Mapped[str] = mapped_column(Text)
    amount_fen: Mapped[int]
    decision_text: Mapped[str] = mapped_column(Text)
    rules_version: Mapped[str] = mapped_column(String(20))
    cap_fen: Mapped[int | None]
    account_serial: Mapped[int] = mapped_column(default=1)
    state: Mapped[CaseState] = mapped_column(stored_enum(CaseState), default=CaseState.AWAITING_HEARING)
    session_id: Mapped[str | None] = mapped_column(ForeignKey("sessions.id"))
    handler_id: Mapped[str] = mapped_column(String(ID))
    handler_name: Mapped[str] = mapped_column(String(NAME))
    opened_at: Mapped[datetime]
    closed_reason: Mapped[str | None] = mapped_column(Text)
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (declared so by SQLAlchemy)
    __table_args__ = (
        CheckConstraint("amount_fen > 0", name="positive"),
        UniqueConstraint("id", "handler_id"),
        Index(
            "uq_aid_cases_one_open",
            "id_fingerprint",
            unique=True,
            sqlite_where=text("state NOT IN ('paid', 'declined', 'withdrawn')"),
            postgresql_where=text("state NOT IN ('paid', 'declined', 'withdrawn')"),
        ),
    )


class PayeeAccount(Base):
    """One version of where a case's money goes. A change adds a row; rows never change.

    `fingerprint` covers bank, holder and number: it is what the applicant confirms. `number_fingerprint` covers the
    number alone, to find the same account in another person's case.
    """

    __tablename__ = "aid_payee_accounts"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True, default=new_id)
    case_id: Mapped[str] = mapped_column(ForeignKey("aid_cases.id"))
    serial: Mapped[int]
    holder_name: Mapped[str] = mapped_column(String(NAME))
    holder_relation: Mapped[str] = mapped_column(String(NAME))
    number_concealed: Mapped[bytes] = mapped_column(LargeBinary)
    number_masked: Mapped[str] = mapped_column(String(40))
    number_fingerprint: Mapped[str] = mapped_column(String(DIGEST), index=True)
    bank_name: Mapped[str] = mapped_column(String(NAME))
    cnaps: Mapped[str] = mapped_column(String(12))
    fingerprint: Mapped[str] = mapped_column(String(DIGEST))
    entered_at: Mapped[datetime]
    entered_by: Mapped[str] = mapped_column(String(ID))
    change_reason: Mapped[str] = mapped_column(String(500))

    __table_args__ = (UniqueConstraint("case_id", "serial"), UniqueConstraint("id", "case_id"))


class SharedAccountDecision(Base):
    """An approver looked at an account that another person's case also used, and said why it is in order."""

    __tablename__ = "aid_shared_account_decisions"

    account_id: Mapped[str] = mapped_column(ForeignKey("aid_payee_accounts.id"), primary_key=True)
    reason: Mapped[str] = mapped_column(Text)
    decided_at: Mapped[datetime]
    decided_by: Mapped[str] = mapped_column(String(ID))
    decided_by_name: Mapped[str] = mapped_column(String(NAME))


class CaseSession(Base):
    """A hearing session held for a case; a case may need a second one."""

    __tablename__ = "aid_case_sessions"

    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("aid_cases.id"), index=True)
    linked_at: Mapped[datetime]


class Still(Base):
    """A picture taken out of the live stream on the server. The newest of a kind counts; none is thrown away."""

    __tablename__ = "aid_stills"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True, default=new_id)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), index=True)
    serial: Mapped[int]
    kind: Mapped[str] = mapped_column(String(40))
    digest: Mapped[str] = mapped_column(String(DIGEST))
    width: Mapped[int]
    height: Mapped[int]
    elapsed_ms: Mapped[int]
    taken_at: Mapped[datetime]
    taken_by: Mapped[str] = mapped_column(String(ID))

    __table_args__ = (
        UniqueConstraint("session_id", "serial"),
        CheckConstraint("width > 0 AND height > 0 AND elapsed_ms >= 0", name="is_picture"),
    )


class Check(Base):
    """What the person who verifies said about one item of the check list."""

    __tablename__ = "aid_checks"

    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    item: Mapped[str] = mapped_column(String(40), primary_key=True)
    passed: Mapped[bool]
    note: Mapped[str] = mapped_column(String(500))
    settled_at: Mapped[datetime]
    settled_by: Mapped[str] = mapped_column(String(ID))
    settled_by_name: Mapped[str] = mapped_column(String(NAME))


class Verification(Base):
    """The conclusion on who the person in a session is. `withdrawn_at` when it turned out not to hold."""

    __tablename__ = "aid_verifications"

    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("aid_cases.id"), index=True)
    verified: Mapped[bool]
    reason: Mapped[str] = mapped_column(String(500))
    id_fingerprint: Mapped[str] = mapped_column(String(DIGEST))
    checklist_version: Mapped[str] = mapped_column(String(20))
    elapsed_ms: Mapped[int | None]
    concluded_at: Mapped[datetime]
    verifier_id: Mapped[str] = mapped_column(String(ID))
    verifier_name: Mapped[str] = mapped_column(String(NAME))
    withdrawn_at: Mapped[datetime | None]
    withdrawn_reason: Mapped[str | None] = mapped_column(String(500))


class Confirmation(Base):
    """One question "is this amount, and this account, right?" put to the applicant in a session, and her answer."""

    __tablename__ = "aid_confirmations"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True, default=new_id)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), index=True)
    case_id: Mapped[str] = mapped_column(ForeignKey("aid_cases.id"), index=True)
    state: Mapped[ConfirmationState] = mapped_column(stored_enum(ConfirmationState))
    amount_fen: Mapped[int]
    account_id: Mapped[str] = mapped_column(String(ID))
    account_fingerprint: Mapped[str] = mapped_column(String(DIGEST))
    asked_at: Mapped[datetime]
    asked_by: Mapped[str] = mapped_column(String(ID))
    asked_elapsed_ms: Mapped[int]
    seat_id: Mapped[str | None] = mapped_column(ForeignKey("seats.id"))
    confirmed_at: Mapped[datetime | None]
    confirmed_elapsed_ms: Mapped[int | None]
    signed_at: Mapped[datetime | None]
    signed_elapsed_ms: Mapped[int | None]
    picture_digest: Mapped[str | None] = mapped_column(String(DIGEST))
    strokes_concealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    strokes_digest: Mapped[str | None] = mapped_column(String(DIGEST))
    objected_at: Mapped[datetime | None]
    objected_elapsed_ms: Mapped[int | None]
    objection_kind: Mapped[str | None] = mapped_column(String(40))
    objection_concealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    voided_at: Mapped[datetime | None]
    void_reason: Mapped[str | None] = mapped_column(String(40))

    __table_args__ = (
        ForeignKeyConstraint(["account_id", "case_id"], ["aid_payee_accounts.id", "aid_payee_accounts.case_id"]),
        UniqueConstraint("id", "case_id"),
        CheckConstraint("amount_fen > 0", name="positive"),
        CheckConstraint(
            "(confirmed_at IS NOT NULL) OR state NOT IN ('confirmed', 'signed')", name="confirmed_is_timed"
        ),
        CheckConstraint(
            "(signed_at IS NOT NULL AND picture_digest IS NOT NULL) = (state = 'signed')", name="signed_shown"
        ),
        Index(
            "uq_aid_confirmations_one_in_force",
            "case_id",
            unique=True,
            sqlite_where=text("voided_at IS NULL"),
            postgresql_where=text("voided_at IS NULL"),
        ),
    )


class Approval(Base):
    """One approver's word on one signed confirmation. The handler cannot be the approver."""

    __tablename__ = "aid_approvals"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True, default=new_id)
    case_id: Mapped[str] = mapped_column(ForeignKey("aid_cases.id"), index=True)
    confirmation_id: Mapped[str] = mapped_column(String(ID))
    approved: Mapped[bool]
    opinion: Mapped[str] = mapped_column(Text)
    handler_id: Mapped[str] = mapped_column(String(ID))
    approver_id: Mapped[str] = mapped_column(String(ID))
    approver_name: Mapped[str] = mapped_column(String(NAME))
    decided_at: Mapped[datetime]
    voided_at: Mapped[datetime | None]
    void_reason: Mapped[str | None] = mapped_column(String(40))

    __table_args__ = (
        ForeignKeyConstraint(["case_id", "handler_id"], ["aid_cases.id", "aid_cases.handler_id"]),
        ForeignKeyConstraint(["confirmation_id", "case_id"], ["aid_confirmations.id", "aid_confirmations.case_id"]),
        CheckConstraint("handler_id <> approver_id", name="two_people"),
        UniqueConstraint("id", "approver_id"),
        Index(
            "uq_aid_approvals_one_in_force",
            "case_id",
            unique=True,
            sqlite_where=text("voided_at IS NULL"),
            postgresql_where=text("voided_at IS NULL"),
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


_PEOPLE = ("handler_id", "verifier_id", "approver_id", "drafter_id", "releaser_id", "reconciler_id")
_MAY_BE_ONE = {("handler_id", "verifier_id"), ("drafter_id", "reconciler_id")}
FOUR_EYES = " AND ".join(
    f"{one} <> {other}"
    for place, one in enumerate(_PEOPLE)
    for other in _PEOPLE[place + 1 :]
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


def _freeze(table: Table, when: str, message: str, *, verbs: tuple[str, ...] = ("UPDATE", "DELETE")) -> None:
    """Let the database refuse to change rows of `table` for which `when` (about OLD and NEW) holds."""
    name = f"{table.name}_{message.replace(' ', '_')}"
    sqlite = []
    postgresql = [
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
    ]
    for verb in verbs:
        condition = when if verb == "UPDATE" else when.split(" AND NEW", 1)[0]
        sqlite.append(
            f"CREATE TRIGGER {name}_{verb.lower()} BEFORE {verb} ON {table.name} WHEN {condition} "
            f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
        )
        postgresql.append(
            f"CREATE TRIGGER {name}_{verb.lower()} BEFORE {verb} ON {table.name} FOR EACH ROW WHEN ({condition}) "
            f"EXECUTE FUNCTION {name}()"
        )
    attach_ddl(table, sqlite=sqlite, postgresql=postgresql)


def _keep(*columns: str) -> str:
    """Return the condition that one of `columns`, once set, would be changed."""
    return (
        "(" + " OR ".join(f"(OLD.{c} IS NOT NULL AND (NEW.{c} IS NULL OR NEW.{c} <> OLD.{c}))" for c in columns) + ")"
    )


for _model in (Entry, PayeeAccount, Still, BankAnswer, BankAnswerLine, SharedAccountDecision):
    forbid_changes(Base.metadata.tables[_model.__tablename__])

_tables = Base.metadata.tables
_freeze(_tables["aid_holds"], "OLD.outcome IS NOT NULL", "hold already resolved")
_freeze(
    _tables["aid_orders"],
    _keep("case_id", "batch_id", "attempt", "reference", "amount_fen", *_PEOPLE, "session_id", "account_id"),
    "order is fixed",
    verbs=("UPDATE",),
)
_freeze(
    _tables["aid_orders"],
    "OLD.state IN ('paid', 'returned', 'cancelled', 'held_back') AND NEW.state <> OLD.state",
    "order is final",
    verbs=("UPDATE",),
)
_freeze(_tables["aid_orders"], "OLD.state IS NOT NULL", "order stays", verbs=("DELETE",))
_freeze(_tables["aid_batches"], _keep("file_digest", "releaser_id", "drafter_id"), "file is fixed", verbs=("UPDATE",))
_freeze(_tables["aid_confirmations"], "OLD.state = 'signed' AND NEW.state <> OLD.state", "signed is signed")
_freeze(_tables["aid_approvals"], "OLD.voided_at IS NOT NULL", "voided approval stays")
