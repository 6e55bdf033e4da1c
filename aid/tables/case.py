"""The case: whose it is, where its money goes, what was verified, confirmed and decided."""

from datetime import datetime

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

from aid.states import CaseState, ConfirmationState
from records.database import Base, stored_enum
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

    @property
    def how_signed(self) -> str:
        """Return in words how the name was given: written, or typed by somebody who cannot draw."""
        return "手机手写签名" if self.strokes_digest else "手机输入姓名签名"

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
