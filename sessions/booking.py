"""Booking a hearing and inviting its applicant."""

import hashlib
import itertools
import secrets
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from records.actors import Actor, Permission
from records.clock import Clock
from records.ids import new_id
from records.personal import fingerprint
from records.refusals import Refusal
from records.texts import clean_text
from records.trail import record
from sessions.actors import seat_of, session_of
from sessions.days import day_bounds, office_date
from sessions.entries import record_about_session
from sessions.seats import SEEN_MAX, WATCHING_MAX, SeatAbility, SeatRole, may
from sessions.states import OVER, SessionEvent, SessionState, advance
from sessions.tables import Invitation, Office, PresenceSpan, Seat, Session

ID_TAIL_LENGTH = 4
DURATION_MAX = timedelta(hours=12)
TOKEN_BYTES = 16


@dataclass(frozen=True, slots=True)
class Attendee:
    """Somebody with an account who gets a seat. `office_id`: whose; None for the office that the role is of."""

    person_id: str
    name: str
    title: str
    office_id: str | None = None


@dataclass(frozen=True, slots=True)
class BookSession:
    """A hearing to be booked. `number` is made from the office and the year when it is left out.

    `applicant_id_tail` is the last four characters of the applicant's ID number: what the invitation will ask for.
    At most `SEEN_MAX` are seen and heard, host and applicant among them; at most `WATCHING_MAX` watch.
    """

    office_id: str
    subject: str
    applicant_name: str
    applicant_id_tail: str
    starts_at: datetime
    ends_at: datetime
    host: Attendee
    far_office_id: str | None = None
    far_end: Sequence[Attendee] = ()
    joint: Sequence[Attendee] = ()
    helpers: Sequence[Attendee] = ()
    observers: Sequence[Attendee] = ()
    number: str | None = None

    @property
    def others(self) -> Iterator[tuple[SeatRole, Attendee]]:
        """Everybody with an account but the host."""
        for role, attendees in (
            (SeatRole.FAR_END, self.far_end),
            (SeatRole.JOINT, self.joint),
            (SeatRole.HELPER, self.helpers),
            (SeatRole.OBSERVER, self.observers),
        ):
            yield from ((role, attendee) for attendee in attendees)


def normal_id_tail(text: str) -> str:
    """Return four characters as they stand on an ID card: full-width digits narrowed, `x` as `X`.

    Raises Refusal("id_tail_malformed") for anything but three digits and a digit or X.
    """
    tail = "".join(unicodedata.normalize("NFKC", text).split()).upper()
    digits = tail[:-1] + ("0" if tail.endswith("X") else tail[-1:])
    if len(tail) != ID_TAIL_LENGTH or not (digits.isascii() and digits.isdigit()):
        raise Refusal("id_tail_malformed")
    return tail


def id_tail_fingerprint(db: AsyncSession, seat_id: str, tail: str) -> str:
    """Return the keyed hash of a tail in a seat: equal tails in two seats do not look equal."""
    return fingerprint(db, f"id-tail:{seat_id}:{tail}")


def token_hash(token: str) -> str:
    """Return what is kept of an invitation's token: 128 random bits need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


async def book(db: AsyncSession, actor: Actor, command: BookSession, *, clock: Clock) -> Session:
    """Book a hearing with its seats. Raises Refusal: not_permitted, office_unknown, session_times_wrong,
    session_too_long(hours), session_number_taken, id_tail_malformed, person_seated_twice, too_many_seen(limit),
    too_many_watching(limit), and those of `clean_text`."""
    _require_own_office(actor, command.office_id)
    _check_times(command)
    people = [(SeatRole.HOST, command.host), *command.others]
    check_people(people)
    tail = normal_id_tail(command.applicant_id_tail)
    office = await _office(db, command.office_id, lock=True)
    far_office = await _office(db, command.far_office_id) if command.far_office_id else None
    session = Session(
        id=new_id(),
        number=await _number(db, office, command),
        office_id=office.id,
        far_office_id=far_office.id if far_office else None,
        subject=clean_text(command.subject, "subject", limit=200),
        applicant_name=clean_text(command.applicant_name, "applicant_name", limit=100),
        starts_at=command.starts_at,
        ends_at=command.ends_at,
        state=SessionState.BOOKED,
        booked_at=clock.now(),
    )
    db.add(session)
    await db.flush()
    db.add_all([await _seat(db, session, role, attendee) for role, attendee in people])
    db.add(_applicant_seat(db, session, tail))
    await db.flush()
    await record_about_session(
        db,
        actor,
        "HearingBooked",
        session.id,
        {
            "number": session.number,
            "starts_at": session.starts_at.isoformat(),
            "ends_at": session.ends_at.isoformat(),
            "people": [f"{role.value} {attendee.person_id}" for role, attendee in people],
        },
        clock=clock,
    )
    return session


def check_people(people: Iterable[tuple[SeatRole, Attendee]]) -> None:
    """See whether these, and the applicant, fit into one hearing.

    Raises Refusal: person_seated_twice, too_many_seen(limit), too_many_watching(limit).
    """
    listed = list(people)
    if len({attendee.person_id for _, attendee in listed}) != len(listed):
        raise Refusal("person_seated_twice")
    seen = sum(may(role, SeatAbility.PUBLISH) for role, _ in listed)
    if seen + 1 > SEEN_MAX:
        raise Refusal("too_many_seen", limit=SEEN_MAX)
    if len(listed) - seen > WATCHING_MAX:
        raise Refusal("too_many_watching", limit=WATCHING_MAX)


@dataclass(frozen=True, slots=True)
class SeatPeople:
    """Everybody who is to have a seat in a session besides its host and its applicant."""

    session_id: str
    people: Sequence[tuple[SeatRole, Attendee]]


async def seat_people(db: AsyncSession, actor: Actor, command: SeatPeople, *, clock: Clock) -> Session:
    """Say anew who takes part in a session and who watches. Whoever has been there keeps the seat.

    Raises Refusal: not_permitted, session_unknown, session_over, office_unknown, seat_was_taken(name), and those of
    `check_people` and `clean_text`.
    """
    session = await session_of(db, command.session_id, lock=True)
    _require_own_office(actor, session.office_id)
    if session.state in OVER:
        raise Refusal("session_over")
    query = select(Seat).where(Seat.session_id == session.id, Seat.person_id.is_not(None))
    seats = {seat.person_id or "": seat for seat in await db.scalars(query)}
    hosts = [
        (seat.role, Attendee(person_id, "", "")) for person_id, seat in seats.items() if seat.role is SeatRole.HOST
    ]
    check_people([*hosts, *command.people])
    wanted = {attendee.person_id: role for role, attendee in command.people}
    came = set(await db.scalars(select(PresenceSpan.seat_id).where(PresenceSpan.session_id == session.id)))
    for person_id, seat in seats.items():
        role = wanted.get(person_id)
        if seat.role in (SeatRole.HOST, role):
            continue
        if seat.id in came:
            raise Refusal("seat_was_taken", name=seat.display_name)
        await db.delete(seat)
    # Before the new ones: a person has one seat in a session.
    await db.flush()
    for role, attendee in command.people:
        if attendee.person_id not in seats or seats[attendee.person_id].role is not role:
            db.add(await _seat(db, session, role, attendee))
    await db.flush()
    await record_about_session(
        db,
        actor,
        "PeopleSeated",
        session.id,
        {"people": [f"{role.value} {attendee.person_id}" for role, attendee in command.people]},
        clock=clock,
    )
    return session


async def cancel(db: AsyncSession, actor: Actor, session_id: str, reason: str, *, clock: Clock) -> Session:
    """Cancel a hearing that has not begun; its invitations end. Raises Refusal: not_permitted and as `advance`."""
    session = await session_of(db, session_id, lock=True)
    _require_own_office(actor, session.office_id)
    session.state = advance(session.state, SessionEvent.CANCELLED)
    why = clean_text(reason, "reason", limit=500)
    seats = select(Seat.id).where(Seat.session_id == session_id)
    await db.execute(
        update(Invitation)
        .where(Invitation.seat_id.in_(seats), Invitation.voided_at.is_(None))
        .values(voided_at=clock.now())
    )
    await record_about_session(db, actor, "HearingCancelled", session_id, {"reason": why}, clock=clock)
    return session


async def invite(db: AsyncSession, actor: Actor, seat_id: str, *, clock: Clock) -> str:
    """Make an invitation for an applicant's seat and return its token, which is kept nowhere.

    It opens when the hearing's day begins at the offices and expires when the day of its planned end is over. An
    earlier invitation to this seat ends. Raises Refusal: not_permitted, seat_unknown, seat_needs_no_invitation,
    session_over.
    """
    seat = await seat_of(db, seat_id)
    session = await session_of(db, seat.session_id, lock=True)
    _require_own_office(actor, session.office_id)
    if seat.role is not SeatRole.APPLICANT or seat.id_tail_fingerprint is None:
        raise Refusal("seat_needs_no_invitation")
    if session.state in OVER:
        raise Refusal("session_over")
    now = clock.now()
    await db.execute(
        update(Invitation).where(Invitation.seat_id == seat_id, Invitation.voided_at.is_(None)).values(voided_at=now)
    )
    token = secrets.token_urlsafe(TOKEN_BYTES)
    invitation = Invitation(
        id=new_id(),
        seat_id=seat_id,
        token_hash=token_hash(token),
        id_tail_fingerprint=seat.id_tail_fingerprint,
        made_at=now,
        opens_at=day_bounds(office_date(session.starts_at))[0],
        expires_at=day_bounds(office_date(session.ends_at))[1],
        failed_tries=0,
    )
    db.add(invitation)
    await db.flush()
    await record(
        db,
        actor,
        "InvitationMade",
        subject_kind="invitation",
        subject_id=invitation.id,
        session_id=session.id,
        details={"seat": seat_id, "opens_at": invitation.opens_at.isoformat()},
        clock=clock,
    )
    return token


def _require_own_office(actor: Actor, office_id: str) -> None:
    actor.require(Permission.BOOK_HEARING)
    if actor.office_id != office_id:
        raise Refusal("not_permitted", permission=Permission.BOOK_HEARING.value)


def _check_times(command: BookSession) -> None:
    if command.ends_at <= command.starts_at:
        raise Refusal("session_times_wrong")
    if command.ends_at - command.starts_at > DURATION_MAX:
        raise Refusal("session_too_long", hours=DURATION_MAX // timedelta(hours=1))


async def _office(db: AsyncSession, office_id: str, *, lock: bool = False) -> Office:
    # The lock makes numbering one at a time within an office.
    office = await db.get(Office, office_id, with_for_update=lock)
    if office is None:
        raise Refusal("office_unknown")
    return office


async def _number(db: AsyncSession, office: Office, command: BookSession) -> str:
    if command.number is not None:
        number = clean_text(command.number, "number", limit=60)
        if await db.scalar(select(Session.id).where(Session.number == number)) is not None:
            raise Refusal("session_number_taken", number=number)
        return number
    stem = f"{office.short_name}远接〔{office_date(command.starts_at).year}〕"
    # Numbers given by hand may lie ahead: step over them.
    numbers = set(await db.scalars(select(Session.number).where(Session.number.startswith(stem, autoescape=True))))
    return next(number for n in itertools.count(len(numbers) + 1) if (number := f"{stem}{n}号") not in numbers)


async def _seat(db: AsyncSession, session: Session, role: SeatRole, attendee: Attendee) -> Seat:
    far = session.far_office_id if role is SeatRole.FAR_END else None
    office = await _office(db, attendee.office_id or far or session.office_id)
    return Seat(
        id=new_id(),
        session_id=session.id,
        role=role,
        person_id=attendee.person_id,
        display_name=clean_text(attendee.name, "name", limit=100),
        title=clean_text(attendee.title, "title", limit=100, required=False),
        office_name=office.short_name,
    )


def _applicant_seat(db: AsyncSession, session: Session, tail: str) -> Seat:
    seat_id = new_id()
    return Seat(
        id=seat_id,
        session_id=session.id,
        role=SeatRole.APPLICANT,
        person_id=None,
        display_name=session.applicant_name,
        title="申请人",
        office_name="",
        id_tail_fingerprint=id_tail_fingerprint(db, seat_id, tail),
    )
