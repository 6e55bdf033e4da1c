"""The approver's word on what the applicant confirmed and signed: approve or decline.

What is approved is one signed confirmation of one amount to one account: change either, and the approval is void
(`cases.void_confirmation`). The applicant's part, in `aid.confirmations`, is offered here as well.
"""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from aid import ledger
from aid.cases import (
    cancel_draft,
    current_account,
    lock_case,
    standing_approval,
    standing_confirmation,
)
from aid.confirmations import (
    Confirm,
    ConfirmationRequest,
    ConfirmationView,
    Objection,
    ObjectionKind,
    Sign,
    confirm,
    confirmation_view,
    object,  # noqa: A004 (the contract's word)
    read_out,
    sign,
)
from aid.notes import note
from aid.states import (
    CaseEvent,
    CaseState,
    ConfirmationState,
    advance_case,
)
from aid.tables import AidCase, Approval, Confirmation, PayeeAccount, SharedAccountDecision
from aid.texts import passage
from aid.verification import checks_stand, identity_stands
from records.actors import Actor, Permission
from records.clock import Clock
from records.personal import fingerprint
from records.refusals import Refusal
from sessions.days import OFFICE_ZONE

__all__ = [
    "AllowSharedAccount",
    "Approve",
    "Confirm",
    "ConfirmationRequest",
    "ConfirmationView",
    "Decline",
    "Objection",
    "ObjectionKind",
    "Sign",
    "allow_shared_account",
    "approve",
    "confirm",
    "confirmation_view",
    "decline",
    "object",
    "read_out",
    "shared_account",
    "sign",
]


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

    Refusals: not_permitted, not_your_office, handler_cannot_approve, case_unknown, account_not_shared,
    account_already_allowed (a third person's case came later: that one needs the word), text_*.
    """
    actor.require(Permission.APPROVE_AID)
    case = await lock_case(db, command.case_id)
    _require_approver(actor, case)
    account = await current_account(db, case)
    if await shared_account(db, case, account) is None:
        raise Refusal("account_not_shared")
    # One row an account: a later sharer is covered by entering the account anew, with a reason.
    if await db.get(SharedAccountDecision, account.id) is not None:
        raise Refusal("account_already_allowed")
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
    """Return `account_shared(number, month)` when another person's case uses the account and nobody allowed it.

    A decision covers the cases that shared the account when it was made, on both sides; whoever comes later with the
    same account raises the question again.
    """
    query = (
        select(AidCase.number, PayeeAccount.id, PayeeAccount.entered_at)
        .join(AidCase, AidCase.id == PayeeAccount.case_id)
        .where(
            PayeeAccount.number_fingerprint == account.number_fingerprint,
            AidCase.id_fingerprint != case.id_fingerprint,
        )
        .order_by(PayeeAccount.entered_at)
    )
    mine = await db.get(SharedAccountDecision, account.id)
    for number, other_id, entered_at in (await db.execute(query)).all():
        theirs = await db.get(SharedAccountDecision, other_id)
        allowed_here = mine is not None and entered_at <= mine.decided_at
        allowed_there = theirs is not None and account.entered_at <= theirs.decided_at
        if not (allowed_here or allowed_there):
            return Refusal("account_shared", number=number, month=f"{entered_at.astimezone(OFFICE_ZONE):%Y-%m}")
    return None


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
