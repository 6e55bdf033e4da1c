"""Who the person in the hearing is: stills out of the live stream, a check list worked through, a conclusion.

A person judges; arithmetic only refuses what cannot be true.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from aid.cases import case_of_session, lock_case, standing_confirmation, void_confirmation
from aid.checklist import CHECKLIST, CHECKLIST_VERSION, ITEMS, MANDATORY, STILL_TITLES, CheckItem, StillKind
from aid.id_numbers import IdNumberCheck, check_id_number
from aid.notes import note
from aid.states import CaseState
from aid.tables import AidCase, Check, Still, Verification
from aid.texts import line
from records.actors import Actor, Permission
from records.clock import Clock
from records.personal import fingerprint, reveal
from records.refusals import Refusal
from sessions.recesses import require_no_recess
from sessions.recordings import add_mark
from sessions.seats import SeatRole
from sessions.states import SessionState
from sessions.tables import Consent, ConsentKind, Seat, Session

__all__ = [
    "CHECKLIST",
    "CheckItem",
    "CheckView",
    "Conclude",
    "KeepStill",
    "SettleCheck",
    "StillKind",
    "StillView",
    "VerificationView",
    "WithdrawVerification",
    "conclude",
    "keep_still",
    "settle_check",
    "verification_view",
    "withdraw_verification",
]

STILLS_MAX: Final = 60
"""Of one session; a host who needs more has another trouble."""


@dataclass(frozen=True, slots=True)
class KeepStill:
    """A still that the server took: its bytes are in the vault under `digest`."""

    session_id: str
    kind: StillKind
    digest: str
    width: int
    height: int
    elapsed_ms: int
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class SettleCheck:
    """What the host (or the officer at the far end) says about one item."""

    session_id: str
    item: str
    passed: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Conclude:
    """The conclusion; `reason` is needed when not verified. `elapsed_ms` is the second of the recording."""

    session_id: str
    verified: bool
    reason: str = ""
    elapsed_ms: int | None = None


@dataclass(frozen=True, slots=True)
class WithdrawVerification:
    """It turned out that the person was not who she seemed to be."""

    session_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class CheckView:
    """One item as the page shows it; `passed` is None until it is settled."""

    item: CheckItem
    passed: bool | None
    note: str
    settled_at: datetime | None
    settled_by: str


@dataclass(frozen=True, slots=True)
class StillView:
    """The newest still of a kind."""

    id: str
    kind: StillKind
    digest: str
    width: int
    height: int
    elapsed_ms: int
    taken_at: datetime


@dataclass(frozen=True, slots=True)
class VerificationView:
    """Everything the page needs: `verified` is None until concluded, `missing` names what still stands in the way.

    `id_number_tail` is what she reads aloud, for the host to compare: show it to nobody else.
    `missing` holds keys of items, `still:<kind>` for stills not taken, and `id_number` for a number that is not valid.
    """

    session_id: str
    case_id: str
    applicant_name: str
    id_number_masked: str
    id_number_check: IdNumberCheck
    checks: tuple[CheckView, ...]
    stills: Mapping[StillKind, StillView]
    missing: tuple[str, ...]
    verified: bool | None
    reason: str
    verifier_name: str
    concluded_at: datetime | None
    elapsed_ms: int | None
    withdrawn_at: datetime | None
    id_number_tail: str = ""

    @property
    def settled_count(self) -> int:
        """How many items are settled."""
        return sum(check.passed is not None for check in self.checks)


async def keep_still(db: AsyncSession, actor: Actor, command: KeepStill, *, clock: Clock) -> StillView:
    """Keep a still that was just taken. Refusals: session_not_running, too_many_stills, verification_concluded."""
    case = await _open_verification(db, actor, command.session_id)
    taken = await db.scalar(select(func.count()).where(Still.session_id == command.session_id)) or 0
    if taken >= STILLS_MAX:
        raise Refusal("too_many_stills", limit=STILLS_MAX)
    still = Still(
        session_id=command.session_id,
        serial=taken + 1,
        kind=command.kind.value,
        digest=command.digest,
        width=command.width,
        height=command.height,
        elapsed_ms=command.elapsed_ms,
        taken_at=command.taken_at,
        taken_by=actor.id,
    )
    db.add(still)
    await db.flush()
    await note(
        db,
        actor,
        "StillTaken",
        "case",
        case.id,
        session_id=command.session_id,
        clock=clock,
        kind=still.kind,
        digest=still.digest,
        elapsed_ms=still.elapsed_ms,
    )
    title = f"截图：{STILL_TITLES[command.kind]}"
    await add_mark(
        db, actor, command.session_id, "still", still.elapsed_ms, title, {"digest": still.digest}, clock=clock
    )
    return _still_view(still)


async def settle_check(db: AsyncSession, actor: Actor, command: SettleCheck, *, clock: Clock) -> CheckView:
    """Settle one item; the newest word counts until the conclusion.

    Refusals: check_unknown, still_missing(kind), session_not_running, verification_concluded, text_*.
    """
    case = await _open_verification(db, actor, command.session_id)
    item = ITEMS.get(command.item)
    if item is None:
        raise Refusal("check_unknown", item=command.item[:40])
    words = line("note", command.note, 200, required=False)
    if command.passed and item.still is not None and item.still not in await _stills(db, command.session_id):
        raise Refusal("still_missing", kind=item.still.value)
    check = await db.get(Check, (command.session_id, item.key), with_for_update=True)
    if check is None:
        check = Check(session_id=command.session_id, item=item.key)
        db.add(check)
    check.passed, check.note, check.settled_at = command.passed, words, clock.now()
    check.settled_by, check.settled_by_name = actor.id, actor.name
    await db.flush()
    await note(
        db,
        actor,
        "CheckSettled",
        "case",
        case.id,
        session_id=command.session_id,
        clock=clock,
        item=item.key,
        passed=command.passed,
    )
    return _check_view(item, check)


async def conclude(db: AsyncSession, actor: Actor, command: Conclude, *, clock: Clock) -> VerificationView:
    """Conclude who the person is. The same conclusion again changes nothing.

    Refusals: session_not_running, checks_missing(items), id_number_invalid, verification_concluded, text_*.
    """
    case = await _open_verification(db, actor, command.session_id, concluded_too=True)
    standing = await db.get(Verification, command.session_id)
    if standing is not None:
        if standing.verified == command.verified and standing.withdrawn_at is None:
            return await verification_view(db, command.session_id)
        if standing.verified:
            raise Refusal("verification_concluded")
    if command.verified:
        missing = (await verification_view(db, command.session_id)).missing
        if missing:
            raise Refusal("checks_missing", items=",".join(missing))
    reason = line("reason", command.reason, 500, required=not command.verified)
    verification = standing or Verification(session_id=command.session_id, case_id=case.id)
    verification.verified, verification.reason = command.verified, reason
    verification.id_fingerprint = case.id_fingerprint
    verification.checklist_version = CHECKLIST_VERSION
    verification.elapsed_ms, verification.concluded_at = command.elapsed_ms, clock.now()
    verification.verifier_id, verification.verifier_name = actor.id, actor.name
    db.add(verification)
    await db.flush()
    await note(
        db,
        actor,
        "IdentityVerified" if command.verified else "IdentityNotVerified",
        "case",
        case.id,
        session_id=command.session_id,
        clock=clock,
        checklist_version=CHECKLIST_VERSION,
        elapsed_ms=command.elapsed_ms,
        stills=[still.digest for still in (await _stills(db, command.session_id)).values()],
        reason_fingerprint=fingerprint(db, reason),
    )
    if command.elapsed_ms is not None:
        title = "身份核验通过" if command.verified else "身份核验未通过"
        await add_mark(db, actor, command.session_id, "identity", command.elapsed_ms, title, {}, clock=clock)
    return await verification_view(db, command.session_id)


async def withdraw_verification(
    db: AsyncSession, actor: Actor, command: WithdrawVerification, *, clock: Clock
) -> VerificationView:
    """Withdraw a conclusion at any time: every order that has not left yet is stopped by it.

    Refusals: identity_not_verified, not_your_office, text_*.
    """
    actor.require(Permission.VERIFY_IDENTITY)
    case = await lock_case(db, (await case_of_session(db, command.session_id)).id)
    if actor.office_id != case.office_id:
        raise Refusal("not_your_office")
    verification = await db.get(Verification, command.session_id, with_for_update=True)
    if verification is None or not verification.verified or verification.withdrawn_at is not None:
        raise Refusal("identity_not_verified")
    reason = line("reason", command.reason, 500)
    verification.withdrawn_at, verification.withdrawn_reason = clock.now(), reason
    confirmation = await standing_confirmation(db, case.id)
    voidable = {CaseState.AWAITING_HEARING, CaseState.AWAITING_APPROVAL, CaseState.APPROVED}
    if confirmation is not None and confirmation.session_id == command.session_id and case.state in voidable:
        await void_confirmation(db, case, "identity_withdrawn", clock=clock)
    await db.flush()
    await note(
        db,
        actor,
        "IdentityWithdrawn",
        "case",
        case.id,
        session_id=command.session_id,
        clock=clock,
        reason_fingerprint=fingerprint(db, reason),
    )
    return await verification_view(db, command.session_id)


async def verification_view(db: AsyncSession, session_id: str) -> VerificationView:
    """Return how far the verification in a session has come. Refusals: no_case_for_session."""
    case = await case_of_session(db, session_id)
    settled = {check.item: check for check in await db.scalars(select(Check).where(Check.session_id == session_id))}
    checks = tuple(_check_view(item, settled.get(item.key)) for item in CHECKLIST)
    stills = await _stills(db, session_id)
    id_number = reveal(db, case.id_number_concealed)
    id_check = check_id_number(id_number)
    concluded = await db.get(Verification, session_id, populate_existing=True)
    return VerificationView(
        session_id=session_id,
        case_id=case.id,
        applicant_name=case.applicant_name,
        id_number_masked=case.id_number_masked,
        id_number_tail=id_number[-6:],
        id_number_check=id_check,
        checks=checks,
        stills=stills,
        missing=missing_of(checks, stills, id_check),
        verified=concluded.verified if concluded else None,
        reason=concluded.reason if concluded else "",
        verifier_name=concluded.verifier_name if concluded else "",
        concluded_at=concluded.concluded_at if concluded else None,
        elapsed_ms=concluded.elapsed_ms if concluded else None,
        withdrawn_at=concluded.withdrawn_at if concluded else None,
    )


def missing_of(
    checks: Sequence[CheckView], stills: Mapping[StillKind, StillView], id_check: IdNumberCheck
) -> tuple[str, ...]:
    """Return what stands between these checks and the conclusion "verified"."""
    items = [check.item.key for check in checks if check.item.mandatory and check.passed is not True]
    pictures = [f"still:{kind.value}" for kind in StillKind if kind not in stills]
    return (*items, *pictures, *(() if id_check.valid else ("id_number",)))


async def identity_stands(db: AsyncSession, case: AidCase, session_id: str) -> Verification:
    """Return the verification of this very person in a session; refusals: identity_*."""
    verification = await db.get(Verification, session_id, populate_existing=True)
    if verification is None or not verification.verified or verification.case_id != case.id:
        raise Refusal("identity_not_verified")
    if verification.withdrawn_at is not None:
        raise Refusal("identity_withdrawn")
    if verification.id_fingerprint != case.id_fingerprint:
        raise Refusal("another_person_verified")
    return verification


async def checks_stand(db: AsyncSession, session_id: str) -> bool:
    """Tell whether every mandatory item of a session is (still) passed and every still is there."""
    passed = set(await db.scalars(select(Check.item).where(Check.session_id == session_id, Check.passed.is_(True))))
    kinds = set(await db.scalars(select(Still.kind).where(Still.session_id == session_id)))
    return passed.issuperset(MANDATORY) and kinds.issuperset(kind.value for kind in StillKind)


async def running_session(db: AsyncSession, session_id: str) -> Session:
    """Return a session that is being held now, locked against its end. Refusals: session_*, hearing_in_recess."""
    query = select(Session).where(Session.id == session_id).with_for_update(read=True)
    session = (await db.scalars(query, execution_options={"populate_existing": True})).one_or_none()
    if session is None:
        raise Refusal("session_unknown")
    if session.state is not SessionState.IN_SESSION:
        raise Refusal("session_not_running")
    await require_no_recess(db, session_id)
    return session


async def _open_verification(
    db: AsyncSession, actor: Actor, session_id: str, *, concluded_too: bool = False
) -> AidCase:
    actor.require(Permission.VERIFY_IDENTITY)
    await running_session(db, session_id)
    case = await lock_case(db, (await case_of_session(db, session_id)).id)
    roles = (SeatRole.HOST, SeatRole.FAR_END)
    query = select(Seat.id).where(Seat.session_id == session_id, Seat.person_id == actor.id, Seat.role.in_(roles))
    if await db.scalar(query) is None:
        raise Refusal("not_your_hearing")
    await _require_consent(db, session_id)
    standing = await db.get(Verification, session_id, populate_existing=True)
    if standing is not None and standing.verified and not concluded_too:
        raise Refusal("verification_concluded")
    return case


async def _require_consent(db: AsyncSession, session_id: str) -> None:
    query = (
        select(Consent.kind)
        .join(Seat, Seat.id == Consent.seat_id)
        .where(Seat.session_id == session_id, Seat.role == SeatRole.APPLICANT)
    )
    given = set(await db.scalars(query))
    for kind in ConsentKind:
        if kind not in given:
            raise Refusal("consent_missing", kind=kind.value)


async def _stills(db: AsyncSession, session_id: str) -> dict[StillKind, StillView]:
    query = select(Still).where(Still.session_id == session_id).order_by(Still.serial)
    return {StillKind(still.kind): _still_view(still) for still in await db.scalars(query)}


def _still_view(still: Still) -> StillView:
    return StillView(
        still.id, StillKind(still.kind), still.digest, still.width, still.height, still.elapsed_ms, still.taken_at
    )


def _check_view(item: CheckItem, check: Check | None) -> CheckView:
    if check is None:
        return CheckView(item, None, "", None, "")
    return CheckView(item, check.passed, check.note, check.settled_at, check.settled_by_name)
