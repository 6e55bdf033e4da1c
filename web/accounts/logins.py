"""Signing in and out. A login's token is stored only as its hash: a stolen database opens no door."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from records import trail
from records.actors import Actor, ActorKind, Role, system_actor
from records.clock import Clock
from records.ids import new_id
from records.refusals import Refusal
from sessions.tables import Office, Seat
from web.accounts.tables import Login, Staff

STAFF_LOGIN = timedelta(hours=10)
APPLICANT_LOGIN = timedelta(days=30)

_hasher = PasswordHasher()
# Checked when the name is unknown, so that a wrong name takes as long as a wrong password.
_NOBODYS_HASH = _hasher.hash(secrets.token_hex(16))


@dataclass(frozen=True, slots=True)
class CurrentStaff:
    """The member of staff who sent a request."""

    actor: Actor
    login_id: str
    title: str
    office_name: str

    @property
    def name(self) -> str:
        """Return the name as pages show it."""
        return self.actor.name


@dataclass(frozen=True, slots=True)
class CurrentApplicant:
    """The person in an applicant's seat who sent a request."""

    actor: Actor
    login_id: str
    session_id: str


def hash_password(password: str) -> str:
    """Return the Argon2id hash that `sign_in_staff` checks against."""
    return _hasher.hash(password)


async def sign_in_staff(db: AsyncSession, user_name: str, password: str, *, clock: Clock) -> str:
    """Check name and password, open a login and return its token.

    Raises `Refusal("sign_in_wrong")`, the same for an unknown name and for a wrong password.
    """
    staff = await db.scalar(select(Staff).where(Staff.user_name == user_name))
    try:
        _hasher.verify(staff.password_hash if staff else _NOBODYS_HASH, password)
    except VerificationError:
        raise Refusal("sign_in_wrong") from None
    if staff is None or staff.disabled_at is not None:
        raise Refusal("sign_in_wrong")
    token, login = _open_login(clock, STAFF_LOGIN)
    login.staff_id = staff.id
    db.add(login)
    await trail.record(
        db,
        _staff_actor(staff),
        "StaffSignedIn",
        subject_kind="staff",
        subject_id=staff.id,
        details={"login": login.id},
        clock=clock,
    )
    return token


async def note_refused_sign_in(db: AsyncSession, user_name: str, *, clock: Clock) -> None:
    """Put on the trail that somebody failed to sign in under a name that exists: its owner may have to be warned.

    In a transaction of its own: what was refused has rolled back.
    """
    staff_id = await db.scalar(select(Staff.id).where(Staff.user_name == user_name))
    if staff_id is not None:
        await trail.record(
            db,
            system_actor("sign_in"),
            "SignInRefused",
            subject_kind="staff",
            subject_id=staff_id,
            details={},
            clock=clock,
        )


async def sign_in_seat(db: AsyncSession, seat_id: str, *, clock: Clock) -> str:
    """Open a login for whoever proved to belong in the seat, and return its token; the seat's earlier logins end."""
    now = clock.now()
    await db.execute(update(Login).where(Login.seat_id == seat_id, Login.ended_at.is_(None)).values(ended_at=now))
    token, login = _open_login(clock, APPLICANT_LOGIN)
    login.seat_id = seat_id
    db.add(login)
    await db.flush()
    return token


def _open_login(clock: Clock, lasts: timedelta) -> tuple[str, Login]:
    token = secrets.token_urlsafe(32)
    now = clock.now()
    return token, Login(id=new_id(), token_hash=_hash_token(token), began_at=now, expires_at=now + lasts)


async def sign_out(db: AsyncSession, login_id: str, *, clock: Clock) -> None:
    """End a login for good."""
    await db.execute(update(Login).where(Login.id == login_id, Login.ended_at.is_(None)).values(ended_at=clock.now()))


async def current_staff(db: AsyncSession, token: str, *, clock: Clock) -> CurrentStaff | None:
    """Return who holds `token`, or None when it is unknown, ended or too old."""
    row = (
        await db.execute(
            select(Login, Staff, Office.name)
            .join(Staff, Login.staff_id == Staff.id)
            .join(Office, Staff.office_id == Office.id)
            .where(_alive(token, clock), Staff.disabled_at.is_(None))
        )
    ).first()
    if row is None:
        return None
    login, staff, office_name = row
    return CurrentStaff(_staff_actor(staff), login.id, staff.title, office_name)


async def current_applicant(db: AsyncSession, token: str, *, clock: Clock) -> CurrentApplicant | None:
    """Return whose seat `token` opens, or None when it is unknown, ended or too old."""
    row = (
        await db.execute(select(Login, Seat).join(Seat, Login.seat_id == Seat.id).where(_alive(token, clock)))
    ).first()
    if row is None:
        return None
    login, seat = row
    actor = Actor(ActorKind.APPLICANT, seat.id, seat.display_name, None, frozenset({Role.APPLICANT}))
    return CurrentApplicant(actor, login.id, seat.session_id)


def _alive(token: str, clock: Clock) -> ColumnElement[bool]:
    return (Login.token_hash == _hash_token(token)) & Login.ended_at.is_(None) & (Login.expires_at > clock.now())


def _staff_actor(staff: Staff) -> Actor:
    roles = frozenset(Role(role) for role in staff.roles.split())
    return Actor(ActorKind.STAFF, staff.id, staff.name, staff.office_id, roles)


def _hash_token(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
