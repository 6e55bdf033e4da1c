"""Whether one order may go: the hearing, the person, the signature, the approval and the recording it stands on.

Read in the very transaction that releases it, never before. Each missing ground is a Refusal whose sentence tells the
finance officer what is wrong and whom to ask.
"""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from aid.cases import current_account, standing_approval, standing_confirmation
from aid.decisions import shared_account
from aid.states import CaseEvent, CaseState, ConfirmationState
from aid.tables import AidCase, Approval, Confirmation, Order, PayeeAccount, Verification
from aid.verification import checks_stand, identity_stands
from records.actors import Actor
from records.refusals import Refusal
from sessions.states import SessionState
from sessions.tables import Recording, RecordingState, Session


@dataclass(frozen=True, slots=True)
class Grounds:
    """Everything that entitles one order to go."""

    verification: Verification
    confirmation: Confirmation
    approval: Approval
    account: PayeeAccount
    recording_digest: str


async def grounds_of(db: AsyncSession, order: Order, case: AidCase, releaser: Actor | None) -> Grounds:
    """Return what entitles an order to go, as it stands now; raise the Refusal that names what is missing.

    The caller holds the locks of batch, order and case, or only looks.
    """
    if case.state in (CaseState.WITHDRAWN, CaseState.DECLINED):
        raise Refusal(f"case_{case.state.value}")
    confirmation = await standing_confirmation(db, case.id)
    if confirmation is None:
        raise await _why_unconfirmed(db, case)
    if confirmation.state is not ConfirmationState.SIGNED:
        raise Refusal("confirmation_not_signed")
    verification = await identity_stands(db, case, confirmation.session_id)
    if not await checks_stand(db, confirmation.session_id):
        raise Refusal("checks_not_passed")
    account = await current_account(db, case)
    if confirmation.account_fingerprint != account.fingerprint or confirmation.account_id != account.id:
        raise Refusal("account_changed")
    if not confirmation.amount_fen == case.amount_fen == order.amount_fen:
        raise Refusal("amount_changed")
    recording_digest = await _sealed_recording(db, confirmation.session_id)
    approval = await standing_approval(db, case.id)
    if approval is None or not approval.approved or approval.confirmation_id != confirmation.id:
        raise Refusal("approval_missing")
    shared = await shared_account(db, case, account)
    if shared is not None:
        raise shared
    if case.state is not CaseState.APPROVED:
        raise Refusal("case_not_ready", state=case.state.value, event=CaseEvent.RELEASED.value)
    _check_people(releaser, case, verification, approval)
    return Grounds(verification, confirmation, approval, account, recording_digest)


def _check_people(releaser: Actor | None, case: AidCase, verification: Verification, approval: Approval) -> None:
    if releaser is None:
        return
    if releaser.id == case.handler_id:
        raise Refusal("handler_cannot_release")
    if releaser.id == approval.approver_id:
        raise Refusal("approver_cannot_release")
    if releaser.id == verification.verifier_id:
        raise Refusal("verifier_cannot_release")


async def _why_unconfirmed(db: AsyncSession, case: AidCase) -> Refusal:
    query = select(Confirmation.void_reason).where(Confirmation.case_id == case.id)
    reason = await db.scalar(query.order_by(Confirmation.voided_at.desc()).limit(1))
    if reason in ("account_changed", "identity_withdrawn"):
        return Refusal(reason)
    return Refusal("confirmation_not_signed")


async def _sealed_recording(db: AsyncSession, session_id: str) -> str:
    query = (
        select(Session.state, Recording.state, Recording.manifest_digest)
        .outerjoin(Recording, Recording.session_id == Session.id)
        .where(Session.id == session_id)
    )
    session_state, recording_state, digest = (await db.execute(query)).one()
    if session_state not in (SessionState.ENDED, SessionState.SEALED):
        raise Refusal("hearing_not_ended")
    if recording_state is not RecordingState.SEALED or digest is None:
        raise Refusal("recording_not_sealed")
    return str(digest)
