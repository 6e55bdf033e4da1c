"""Coming in: invitations, the last four characters of the ID number, devices, consents, seats of staff."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from records.actors import Actor, ActorKind, Permission, Role
from records.clock import Clock
from records.ids import new_id
from records.personal import mask_name
from records.refusals import Refusal
from records.trail import record
from sessions.actors import applicant_actor, seat_of, session_of
from sessions.booking import id_tail_fingerprint, normal_id_tail, token_hash
from sessions.seats import SeatRole
from sessions.states import OVER, SessionState
from sessions.tables import Consent, ConsentKind, Invitation, Office, Seat, Session

TRIES_MAX = 5
AFTERWARDS = timedelta(days=180)
"""How long after the hearing its link still leads to what became of the aid."""
CONSENT_TEXT_VERSION = "2026-11"


@dataclass(frozen=True, slots=True)
class InvitationView:
    """What the page of an invitation shows before anybody has said who they are: the name is masked."""

    seat_id: str
    session_id: str
    session_number: str
    subject: str
    office_name: str
    name_masked: str
    starts_at: datetime
    ends_at: datetime
    expires_at: datetime
    tries_left: int
    device_bound: bool


@dataclass(frozen=True, slots=True)
class Identified:
    """The characters were right. `moved`: the seat was bound to another device, whose login must end now."""

    seat_id: str
    session_id: str
    moved: bool = False


@dataclass(frozen=True, slots=True)
class WrongTail:
    """The characters were wrong; commit this, or the try is not counted. None left: the invitation is locked."""

    tries_left: int


@dataclass(frozen=True, slots=True)
class OtherDevice:
    """The characters were right, but the invitation is in use on another device; `move_here` moves it."""


async def find_invitation(db: AsyncSession, token: str, *, clock: Clock, afterwards: bool = False) -> InvitationView:
    """Return what an invitation leads to: the hearing, or with `afterwards`, once it is over, what became of it.

    Raises Refusal: invitation_unknown, invitation_replaced, invitation_locked, invitation_expired,
    invitation_too_early(opens_at as ISO 8601 in UTC), session_over, session_cancelled.
    """
    invitation, seat, session = await _usable(db, token, clock.now(), lock=False, afterwards=afterwards)
    office = await db.get_one(Office, session.office_id)
    return InvitationView(
        seat_id=seat.id,
        session_id=session.id,
        session_number=session.number,
        subject=session.subject,
        office_name=office.name,
        name_masked=mask_name(seat.display_name),
        starts_at=session.starts_at,
        ends_at=session.ends_at,
        expires_at=invitation.expires_at,
        tries_left=TRIES_MAX - invitation.failed_tries,
        device_bound=invitation.device_hash is not None,
    )


async def identify(
    db: AsyncSession,
    token: str,
    id_tail: str,
    device: str,
    *,
    move_here: bool,
    clock: Clock,
    afterwards: bool = False,
) -> Identified | WrongTail | OtherDevice:
    """Let an applicant in who knows the last four characters of the ID number, on one device at a time.

    `device` is the random value of the browser's cookie. The fifth wrong try in a row locks the invitation. Raises
    Refusal as `find_invitation`, and id_tail_malformed, which does not count as a try: it could never have been right.
    """
    tail = normal_id_tail(id_tail)
    invitation, seat, session = await _usable(db, token, clock.now(), lock=True, afterwards=afterwards)
    given = id_tail_fingerprint(db, seat.id, tail)
    if not hmac.compare_digest(given, invitation.id_tail_fingerprint):
        return await _count_wrong_try(db, invitation, seat, clock)
    this_device = hashlib.sha256(device.encode("utf-8", "surrogatepass")).hexdigest()
    elsewhere = invitation.device_hash is not None and invitation.device_hash != this_device
    if elsewhere and not move_here:
        return OtherDevice()
    invitation.failed_tries = 0
    invitation.device_hash = this_device
    invitation.used_at = clock.now()
    event = "InvitationMoved" if elsewhere else "InvitationUsed"
    await _record(db, event, invitation, seat, clock)
    return Identified(seat.id, session.id, moved=elsewhere)


async def give_consent(
    db: AsyncSession,
    actor: Actor,
    seat_id: str,
    kind: ConsentKind,
    *,
    clock: Clock,
    text_version: str = CONSENT_TEXT_VERSION,
) -> Consent:
    """Take down that the applicant in this seat agrees to `kind`; agreeing again changes nothing.

    Raises Refusal: not_permitted (only for oneself), seat_unknown, session_over.
    """
    actor.require(Permission.JOIN_HEARING)
    seat = await seat_of(db, seat_id)
    if actor.kind is not ActorKind.APPLICANT or actor.id != seat_id:
        raise Refusal("not_permitted", permission=Permission.JOIN_HEARING.value)
    session = await session_of(db, seat.session_id, lock=True)
    if session.state in OVER:
        raise Refusal("session_over")
    given = await db.scalar(select(Consent).where(Consent.seat_id == seat_id, Consent.kind == kind))
    if given is not None:
        return given
    consent = Consent(id=new_id(), seat_id=seat_id, kind=kind, given_at=clock.now(), text_version=text_version)
    db.add(consent)
    await db.flush()
    await record(
        db,
        actor,
        "ConsentGiven",
        subject_kind="seat",
        subject_id=seat_id,
        session_id=session.id,
        details={"kind": kind.value, "text_version": text_version},
        clock=clock,
    )
    return consent


async def consents_of(db: AsyncSession, seat_id: str) -> frozenset[ConsentKind]:
    """Return what the person in a seat has agreed to."""
    return frozenset(await db.scalars(select(Consent.kind).where(Consent.seat_id == seat_id)))


async def staff_seat(db: AsyncSession, actor: Actor, session_id: str) -> Seat:
    """Return the seat that a member of staff has in a session.

    Raises Refusal: session_unknown, host_present(name) for a second host of the same office, not_your_hearing.
    """
    actor.require(Permission.JOIN_HEARING)
    session = await session_of(db, session_id)
    seats = (await db.scalars(select(Seat).where(Seat.session_id == session_id, Seat.person_id.is_not(None)))).all()
    if actor.kind is ActorKind.STAFF:
        for seat in seats:
            if seat.person_id == actor.id:
                return seat
        host = next((seat for seat in seats if seat.role is SeatRole.HOST), None)
        if host is not None and Role.HOST in actor.roles and actor.office_id == session.office_id:
            raise Refusal("host_present", name=host.display_name)
    raise Refusal("not_your_hearing")


async def _usable(
    db: AsyncSession, token: str, now: datetime, *, lock: bool, afterwards: bool
) -> tuple[Invitation, Seat, Session]:
    query = select(Invitation).where(Invitation.token_hash == token_hash(token))
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    invitation = await db.scalar(query)
    if invitation is None:
        raise Refusal("invitation_unknown")
    seat = await seat_of(db, invitation.seat_id)
    session = await session_of(db, seat.session_id)
    code = _why_not(invitation, session, now, afterwards=afterwards)
    if code == "invitation_too_early":
        raise Refusal(code, opens_at=invitation.opens_at.isoformat())
    if code is not None:
        raise Refusal(code)
    return invitation, seat, session


def _why_not(invitation: Invitation, session: Session, now: datetime, *, afterwards: bool) -> str | None:
    """Return why an invitation cannot be used now; the reason that explains most comes first."""
    if session.state is SessionState.CANCELLED:
        return "session_cancelled"
    if session.ended_at is not None and not (afterwards and now < session.ended_at + AFTERWARDS):
        return "session_over"
    if invitation.voided_at is not None:
        return "invitation_replaced"
    if invitation.locked_at is not None:
        return "invitation_locked"
    if now < invitation.opens_at:
        return "invitation_too_early"
    # A hearing that runs past midnight keeps its door open, and so does one that is over.
    if now >= invitation.expires_at and session.state is SessionState.BOOKED:
        return "invitation_expired"
    return None


async def _count_wrong_try(db: AsyncSession, invitation: Invitation, seat: Seat, clock: Clock) -> WrongTail:
    invitation.failed_tries += 1
    tries_left = max(0, TRIES_MAX - invitation.failed_tries)
    if tries_left == 0:
        invitation.locked_at = clock.now()
    await _record(db, "InvitationTriedWrong" if tries_left else "InvitationLocked", invitation, seat, clock)
    return WrongTail(tries_left)


async def _record(db: AsyncSession, event: str, invitation: Invitation, seat: Seat, clock: Clock) -> None:
    await record(
        db,
        applicant_actor(seat),
        event,
        subject_kind="invitation",
        subject_id=invitation.id,
        session_id=seat.session_id,
        details={"seat": seat.id, "failed_tries": invitation.failed_tries},
        clock=clock,
    )
