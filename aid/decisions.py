"""The applicant's word and the approver's: read out, confirm or object, sign; approve or decline.

What is confirmed is one amount to one account, by fingerprint; what is approved is one signed confirmation. Change
either and both are void (`cases.void_confirmation`).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from aid import ledger
from aid.cases import (
    cancel_draft,
    case_of_session,
    current_account,
    lock_case,
    standing_approval,
    standing_confirmation,
    void_confirmation,
)
from aid.money import capital_numerals
from aid.notes import note
from aid.states import (
    CaseEvent,
    CaseState,
    ConfirmationEvent,
    ConfirmationState,
    advance_case,
    advance_confirmation,
)
from aid.tables import AidCase, Approval, Confirmation, PayeeAccount, SharedAccountDecision
from aid.texts import passage
from aid.verification import checks_stand, identity_stands, running_session
from records.actors import Actor, ActorKind, Permission
from records.clock import Clock
from records.personal import conceal, fingerprint, reveal
from records.refusals import Refusal
from sessions.seats import SeatRole
from sessions.tables import Seat

STROKES_MAX: Final = 200
POINTS_MAX: Final = 20_000
POINTS_MIN: Final = 8
"""Fewer points than this is a slip of the finger, not a name."""


class ObjectionKind(StrEnum):
    """What the applicant says is wrong."""

    ACCOUNT = "account"
    AMOUNT = "amount"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Confirm:
    """ "Amount and account are right": both as the applicant's own screen showed them."""

    session_id: str
    amount_fen: int
    account_fingerprint: str
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class Objection:
    """Something is wrong, or she has something to say first."""

    session_id: str
    kind: ObjectionKind
    text: str
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class Sign:
    """A signature by finger: strokes of points (x, y in CSS pixels, milliseconds since the first), and its picture.

    `picture_digest` names the picture's bytes in the vault.
    """

    session_id: str
    strokes: Sequence[Sequence[tuple[int, int, int]]]
    picture_digest: str
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class Approve:
    """The approver's yes to a case at this version."""

    case_id: str
    opinion: str
    version: int


@dataclass(frozen=True, slots=True)
class Decline:
    """The approver's no, with the reason."""

    case_id: str
    opinion: str
    version: int


@dataclass(frozen=True, slots=True)
class AllowSharedAccount:
    """An approver's word that this account may be used although another person's case used it, too."""

    case_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ConfirmationView:
    """What the applicant is asked, and how far she has come. Amounts in fen, times of the recording in ms."""

    state: ConfirmationState
    session_id: str
    case_id: str
    case_number: str
    amount_fen: int
    capital: str
    payee: str
    holder_relation: str
    bank_name: str
    account_masked: str
    account_fingerprint: str
    decision_text: str
    asked_at: datetime | None = None
    confirmed_at: datetime | None = None
    confirmed_elapsed_ms: int | None = None
    signed_at: datetime | None = None
    signed_elapsed_ms: int | None = None
    picture_digest: str | None = None
    objection_kind: ObjectionKind | None = None
    objection_text: str = ""


ConfirmationRequest = ConfirmationView
"""What `read_out` returns: the question as it was put."""


async def read_out(
    db: AsyncSession, actor: Actor, session_id: str, *, elapsed_ms: int, clock: Clock
) -> ConfirmationRequest:
    """Read the decision out and ask the applicant to confirm. Asked again, nothing changes while the question stands.

    Refusals: session_not_running, not_your_hearing, identity_not_verified, identity_withdrawn, case_not_ready,
    no_case_for_session.
    """
    actor.require(Permission.HOST_HEARING)
    await running_session(db, session_id)
    case = await lock_case(db, (await case_of_session(db, session_id)).id)
    await _require_seat(db, actor, session_id, SeatRole.HOST)
    await identity_stands(db, case, session_id)
    standing = await standing_confirmation(db, case.id)
    account = await current_account(db, case)
    if standing is not None:
        if standing.session_id == session_id and standing.state is not ConfirmationState.OBJECTED:
            return await _view(db, case, standing)
        await void_confirmation(db, case, "asked_again", clock=clock)
    if case.state is not CaseState.AWAITING_HEARING:
        raise Refusal("case_not_ready", state=case.state.value, event="asked")
    confirmation = Confirmation(
        session_id=session_id,
        case_id=case.id,
        state=ConfirmationState.ASKED,
        amount_fen=case.amount_fen,
        account_id=account.id,
        account_fingerprint=account.fingerprint,
        asked_at=clock.now(),
        asked_by=actor.id,
        asked_elapsed_ms=elapsed_ms,
    )
    db.add(confirmation)
    await db.flush()
    await _note(db, actor, "DecisionReadOut", confirmation, clock=clock, elapsed_ms=elapsed_ms)
    return await _view(db, case, confirmation)


async def confirmation_view(db: AsyncSession, session_id: str) -> ConfirmationView:
    """Return what was asked in a session and how far it has come; `none` before the reading out.

    Refusals: no_case_for_session.
    """
    case = await case_of_session(db, session_id)
    query = (
        select(Confirmation)
        .where(Confirmation.session_id == session_id, Confirmation.voided_at.is_(None))
        .execution_options(populate_existing=True)
    )
    return await _view(db, case, (await db.scalars(query)).one_or_none())


async def confirm(db: AsyncSession, actor: Actor, command: Confirm, *, clock: Clock) -> ConfirmationView:
    """Confirm amount and account. A second touch of the button changes nothing.

    Refusals: not_permitted, not_your_hearing, session_not_running, nothing_asked, confirmation_outdated (what she saw
    is not what is asked now), confirmation_not_ready.
    """
    case, confirmation = await _asked(db, actor, command.session_id)
    seen = (command.amount_fen, command.account_fingerprint)
    if seen != (confirmation.amount_fen, confirmation.account_fingerprint):
        raise Refusal("confirmation_outdated")
    if confirmation.state in (ConfirmationState.CONFIRMED, ConfirmationState.SIGNED):
        return await _view(db, case, confirmation)
    confirmation.state = advance_confirmation(confirmation.state, ConfirmationEvent.CONFIRMED)
    confirmation.confirmed_at, confirmation.confirmed_elapsed_ms = clock.now(), command.elapsed_ms
    confirmation.seat_id = actor.id
    await db.flush()
    await _note(db, actor, "AidConfirmed", confirmation, clock=clock, elapsed_ms=command.elapsed_ms)
    return await _view(db, case, confirmation)


async def object(  # noqa: A001 (the word of the contract; nobody imports it bare)
    db: AsyncSession, actor: Actor, command: Objection, *, clock: Clock
) -> ConfirmationView:
    """Say that something is wrong; the host sees it at once and can change the account or explain, and ask again.

    Refusals: not_permitted, not_your_hearing, session_not_running, nothing_asked, confirmation_not_ready, text_*.
    """
    case, confirmation = await _asked(db, actor, command.session_id)
    words = passage("objection", command.text, 500, required=command.kind is ObjectionKind.OTHER)
    confirmation.state = advance_confirmation(confirmation.state, ConfirmationEvent.OBJECTED)
    confirmation.objected_at, confirmation.objected_elapsed_ms = clock.now(), command.elapsed_ms
    confirmation.objection_kind = command.kind.value
    confirmation.objection_concealed = conceal(db, words)
    confirmation.seat_id = actor.id
    await db.flush()
    await _note(
        db,
        actor,
        "AidObjected",
        confirmation,
        clock=clock,
        elapsed_ms=command.elapsed_ms,
        objection=command.kind.value,
    )
    return await _view(db, case, confirmation)


async def sign(db: AsyncSession, actor: Actor, command: Sign, *, clock: Clock) -> ConfirmationView:
    """Sign what was confirmed; the case then waits for its approver. A second sending changes nothing.

    Refusals: not_permitted, not_your_hearing, session_not_running, nothing_asked, confirmation_not_ready,
    signature_empty, signature_too_large.
    """
    strokes = _checked_strokes(command.strokes)
    case, confirmation = await _asked(db, actor, command.session_id)
    if confirmation.state is ConfirmationState.SIGNED:
        return await _view(db, case, confirmation)
    confirmation.state = advance_confirmation(confirmation.state, ConfirmationEvent.SIGNED)
    confirmation.signed_at, confirmation.signed_elapsed_ms = clock.now(), command.elapsed_ms
    confirmation.picture_digest = command.picture_digest
    confirmation.strokes_concealed = conceal(db, strokes)
    confirmation.strokes_digest = hashlib.sha256(strokes.encode()).hexdigest()
    case.state = advance_case(case.state, CaseEvent.SIGNED)
    await db.flush()
    await _note(
        db,
        actor,
        "AidSigned",
        confirmation,
        clock=clock,
        elapsed_ms=command.elapsed_ms,
        picture_digest=command.picture_digest,
        strokes_digest=confirmation.strokes_digest,
    )
    return await _view(db, case, confirmation)


async def approve(db: AsyncSession, actor: Actor, command: Approve, *, clock: Clock) -> Approval:
    """Approve what was confirmed and signed, and reserve the money for it.

    Refusals: not_permitted, not_your_office, handler_cannot_approve, verifier_cannot_approve, version_stale,
    case_not_ready, identity_*, checks_not_passed, confirmation_not_signed, account_changed, account_shared,
    budget_short, no_fund, text_*.
    """
    case, confirmation = await _decidable(db, actor, command.case_id, command.version)
    opinion = passage("opinion", command.opinion, 500)
    verification = await identity_stands(db, case, confirmation.session_id)
    if verification.verifier_id == actor.id:
        raise Refusal("verifier_cannot_approve")
    if not await checks_stand(db, confirmation.session_id):
        raise Refusal("checks_not_passed")
    account = await current_account(db, case)
    if (confirmation.account_fingerprint, confirmation.amount_fen) != (account.fingerprint, case.amount_fen):
        raise Refusal("account_changed")
    shared = await shared_account(db, case, account)
    if shared is not None:
        raise shared
    case.state = advance_case(case.state, CaseEvent.APPROVED)
    approval = await _decide(db, actor, case, confirmation, opinion, approved=True, clock=clock)
    hold = await ledger.reserve(db, actor, case, approval.id, clock=clock)
    await note(
        db,
        actor,
        "AidApproved",
        "case",
        case.id,
        clock=clock,
        session_id=confirmation.session_id,
        amount_fen=case.amount_fen,
        account_fingerprint=confirmation.account_fingerprint,
        confirmation_id=confirmation.id,
        approval_id=approval.id,
        hold_id=hold.id,
        opinion_fingerprint=fingerprint(db, opinion),
    )
    return approval


async def decline(db: AsyncSession, actor: Actor, command: Decline, *, clock: Clock) -> Approval:
    """Decline a case: what was reserved for it is free again. Refusals: as for `approve`, without the money's."""
    case, confirmation = await _decidable(db, actor, command.case_id, command.version)
    opinion = passage("opinion", command.opinion, 500)
    case.state = advance_case(case.state, CaseEvent.DECLINED)
    case.closed_reason = opinion
    await cancel_draft(db, case.id)
    approval = await _decide(db, actor, case, confirmation, opinion, approved=False, clock=clock)
    await ledger.free(db, actor, case.id, "审批不同意", clock=clock)
    await note(
        db,
        actor,
        "AidDeclined",
        "case",
        case.id,
        clock=clock,
        confirmation_id=confirmation.id,
        approval_id=approval.id,
        opinion_fingerprint=fingerprint(db, opinion),
    )
    return approval


async def allow_shared_account(
    db: AsyncSession, actor: Actor, command: AllowSharedAccount, *, clock: Clock
) -> SharedAccountDecision:
    """Decide that an account may be used although another person's case used it.

    Refusals: not_permitted, not_your_office, handler_cannot_approve, case_unknown, account_not_shared, text_*.
    """
    actor.require(Permission.APPROVE_AID)
    case = await lock_case(db, command.case_id)
    _require_approver(actor, case)
    account = await current_account(db, case)
    if await shared_account(db, case, account) is None:
        raise Refusal("account_not_shared")
    decision = SharedAccountDecision(
        account_id=account.id,
        reason=passage("reason", command.reason, 500),
        decided_at=clock.now(),
        decided_by=actor.id,
        decided_by_name=actor.name,
    )
    db.add(decision)
    await db.flush()
    await note(
        db,
        actor,
        "SharedAccountAllowed",
        "case",
        case.id,
        clock=clock,
        account_fingerprint=account.fingerprint,
        reason_fingerprint=fingerprint(db, decision.reason),
    )
    return decision


async def shared_account(db: AsyncSession, case: AidCase, account: PayeeAccount) -> Refusal | None:
    """Return `account_shared(number, month)` when another person's case uses the account and nobody allowed it."""
    query = (
        select(AidCase.number, PayeeAccount.entered_at)
        .join(AidCase, AidCase.id == PayeeAccount.case_id)
        .where(
            PayeeAccount.number_fingerprint == account.number_fingerprint,
            AidCase.id_fingerprint != case.id_fingerprint,
        )
        .order_by(PayeeAccount.entered_at)
        .limit(1)
    )
    other = (await db.execute(query)).first()
    if other is None or await db.get(SharedAccountDecision, account.id) is not None:
        return None
    return Refusal("account_shared", number=other[0], month=f"{other[1]:%Y-%m}")


async def _asked(db: AsyncSession, actor: Actor, session_id: str) -> tuple[AidCase, Confirmation]:
    actor.require(Permission.CONFIRM_AID)
    if actor.kind is not ActorKind.APPLICANT:
        raise Refusal("not_permitted", permission=Permission.CONFIRM_AID.value)
    await running_session(db, session_id)
    case = await lock_case(db, (await case_of_session(db, session_id)).id)
    await _require_seat(db, actor, session_id, SeatRole.APPLICANT)
    confirmation = await standing_confirmation(db, case.id)
    if confirmation is None or confirmation.session_id != session_id:
        raise Refusal("nothing_asked")
    await identity_stands(db, case, session_id)
    return case, confirmation


async def _require_seat(db: AsyncSession, actor: Actor, session_id: str, role: SeatRole) -> None:
    mine = Seat.id == actor.id if role is SeatRole.APPLICANT else Seat.person_id == actor.id
    query = select(Seat.id).where(Seat.session_id == session_id, Seat.role == role, mine)
    if await db.scalar(query) is None:
        raise Refusal("not_your_hearing")


def _require_approver(actor: Actor, case: AidCase) -> None:
    if actor.office_id != case.office_id:
        raise Refusal("not_your_office")
    if actor.id == case.handler_id:
        raise Refusal("handler_cannot_approve")


async def _decidable(db: AsyncSession, actor: Actor, case_id: str, version: int) -> tuple[AidCase, Confirmation]:
    actor.require(Permission.APPROVE_AID)
    case = await lock_case(db, case_id)
    _require_approver(actor, case)
    if case.version != version:
        raise Refusal("version_stale")
    if case.state is not CaseState.AWAITING_APPROVAL:
        raise Refusal("case_not_ready", state=case.state.value, event="decided")
    confirmation = await standing_confirmation(db, case.id)
    if confirmation is None or confirmation.state is not ConfirmationState.SIGNED:
        raise Refusal("confirmation_not_signed")
    return case, confirmation


async def _decide(
    db: AsyncSession,
    actor: Actor,
    case: AidCase,
    confirmation: Confirmation,
    opinion: str,
    *,
    approved: bool,
    clock: Clock,
) -> Approval:
    if await standing_approval(db, case.id) is not None:
        raise Refusal("already_decided")
    approval = Approval(
        case_id=case.id,
        confirmation_id=confirmation.id,
        approved=approved,
        opinion=opinion,
        handler_id=case.handler_id,
        approver_id=actor.id,
        approver_name=actor.name,
        decided_at=clock.now(),
    )
    db.add(approval)
    await db.flush()
    return approval


def _checked_strokes(strokes: Sequence[Sequence[tuple[int, int, int]]]) -> str:
    points = sum(len(stroke) for stroke in strokes)
    if points < POINTS_MIN:
        raise Refusal("signature_empty")
    if len(strokes) > STROKES_MAX or points > POINTS_MAX:
        raise Refusal("signature_too_large")
    return json.dumps([[[int(x), int(y), int(t)] for x, y, t in stroke] for stroke in strokes], separators=(",", ":"))


async def _note(
    db: AsyncSession,
    actor: Actor,
    event: str,
    confirmation: Confirmation,
    /,
    *,
    clock: Clock,
    **details: str | int | None,
) -> None:
    await note(
        db,
        actor,
        event,
        "case",
        confirmation.case_id,
        clock=clock,
        session_id=confirmation.session_id,
        confirmation_id=confirmation.id,
        amount_fen=confirmation.amount_fen,
        account_fingerprint=confirmation.account_fingerprint,
        **details,
    )


async def _view(db: AsyncSession, case: AidCase, confirmation: Confirmation | None) -> ConfirmationView:
    account = await current_account(db, case)
    if confirmation is not None and confirmation.account_id != account.id:
        account = await db.get_one(PayeeAccount, confirmation.account_id)
    amount_fen = confirmation.amount_fen if confirmation else case.amount_fen
    asked = confirmation or Confirmation(state=ConfirmationState.NONE)
    return ConfirmationView(
        state=asked.state,
        session_id=asked.session_id or case.session_id or "",
        case_id=case.id,
        case_number=case.number,
        amount_fen=amount_fen,
        capital=capital_numerals(amount_fen),
        payee=account.holder_name,
        holder_relation=account.holder_relation,
        bank_name=account.bank_name,
        account_masked=account.number_masked,
        account_fingerprint=account.fingerprint,
        decision_text=case.decision_text,
        asked_at=asked.asked_at,
        confirmed_at=asked.confirmed_at,
        confirmed_elapsed_ms=asked.confirmed_elapsed_ms,
        signed_at=asked.signed_at,
        signed_elapsed_ms=asked.signed_elapsed_ms,
        picture_digest=asked.picture_digest,
        objection_kind=ObjectionKind(asked.objection_kind) if asked.objection_kind else None,
        objection_text=reveal(db, asked.objection_concealed) if asked.objection_concealed else "",
    )
