"""Booking a hearing, and choosing who takes part in it and who watches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from aid.cases import link_session
from aid.queries import CaseRow, cases_for
from aid.states import CaseState
from records.actors import PERMISSIONS, Actor, Permission, Role
from records.refusals import Refusal
from sessions.actors import seats_of, session_of
from sessions.booking import Attendee, BookSession, SeatPeople, book, seat_people
from sessions.seats import SEEN_MAX, WATCHING_MAX, SeatRole
from sessions.tables import Office
from web.access import Route
from web.access import Staff as StaffAccess
from web.accounts.tables import Staff
from web.current import staff_actor
from web.flashes import redirect
from web.forms import read_fields, whole_number
from web.keys import CLOCK, DATABASE
from web.rendering import OFFICE_ZONE, render
from web.state_texts import SEAT_ROLES

LENGTHS_MIN = (30, 60, 90, 120, 180)
CHOOSABLE = (SeatRole.FAR_END, SeatRole.JOINT, SeatRole.HELPER, SeatRole.OBSERVER)
NO_HEARING_YET = frozenset({CaseState.AWAITING_HEARING, CaseState.RETURNED})


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody with an account who may be given a seat, and as what."""

    id: str
    name: str
    title: str
    office_id: str
    office_name: str
    roles: tuple[SeatRole, ...]

    @property
    def field(self) -> str:
        """The name of the form's field for them."""
        return f"seat_{self.id}"


async def show_booking(request: web.Request) -> web.StreamResponse:
    """GET /book: the form."""
    actor = staff_actor(request)
    async with request.app[DATABASE].read() as db:
        candidates = await _candidates(db, actor, actor.office_id or "", host_id=actor.id)
        cases = await _cases(db, actor)
    return render(
        request,
        "staff/book.html",
        choices=_choices(candidates, {}),
        cases=cases,
        lengths=LENGTHS_MIN,
        on=request.app[CLOCK].now().astimezone(OFFICE_ZONE),
    )


async def take_booking(request: web.Request) -> web.StreamResponse:
    """POST /book: the hearing with everybody's seats, linked to its case when one was chosen."""
    actor = staff_actor(request)
    fields = await read_fields(request, case=32, applicant_name=100, id_tail=8, subject=200, day=10, at=5, minutes=4)
    starts_at = _instant(fields["day"], fields["at"])
    minutes = whole_number(fields["minutes"])
    async with request.app[DATABASE].begin() as db:
        people = await _chosen(request, db, actor, actor.office_id or "", host_id=actor.id)
        case = next((case for case in await _cases(db, actor) if case.id == fields["case"]), None)
        if case is None and fields["case"]:
            raise Refusal("case_unknown")
        by_role = {role: [attendee for chosen, attendee in people if chosen is role] for role in CHOOSABLE}
        far_end = by_role[SeatRole.FAR_END]
        staff = await db.get_one(Staff, actor.id)
        command = BookSession(
            office_id=actor.office_id or "",
            subject=fields["subject"],
            applicant_name=case.applicant_name if case else fields["applicant_name"],
            applicant_id_tail=fields["id_tail"],
            starts_at=starts_at,
            ends_at=starts_at + timedelta(minutes=minutes),
            host=Attendee(actor.id, actor.name, staff.title),
            far_office_id=far_end[0].office_id if far_end else None,
            far_end=far_end,
            joint=by_role[SeatRole.JOINT],
            helpers=by_role[SeatRole.HELPER],
            observers=by_role[SeatRole.OBSERVER],
        )
        session = await book(db, actor, command, clock=request.app[CLOCK])
        if case is not None:
            await link_session(db, actor, case.id, session.id, clock=request.app[CLOCK])
        return redirect(f"/sessions/{session.id}", said="hearing_booked")


async def show_people(request: web.Request) -> web.StreamResponse:
    """GET /sessions/{session_id}/people: who takes part and who watches, to be chosen anew."""
    session_id, actor = request.match_info["session_id"], staff_actor(request)
    async with request.app[DATABASE].read() as db:
        host_id, chosen = await _seated(db, actor, session_id)
        session = await session_of(db, session_id)
        candidates = await _candidates(db, actor, session.office_id, host_id=host_id)
    return render(request, "staff/people.html", session=session, choices=_choices(candidates, chosen))


async def take_people(request: web.Request) -> web.StreamResponse:
    """POST /sessions/{session_id}/people."""
    session_id, actor = request.match_info["session_id"], staff_actor(request)
    async with request.app[DATABASE].begin() as db:
        host_id, _ = await _seated(db, actor, session_id)
        session = await session_of(db, session_id)
        people = await _chosen(request, db, actor, session.office_id, host_id=host_id)
        await seat_people(db, actor, SeatPeople(session_id, people), clock=request.app[CLOCK])
        return redirect(f"/sessions/{session_id}", said="people_seated")


async def _seated(db: AsyncSession, actor: Actor, session_id: str) -> tuple[str, dict[str, SeatRole]]:
    """Return who hosts a session of the actor's office, and who else has a seat in it."""
    if (await session_of(db, session_id)).office_id != actor.office_id:
        raise Refusal("session_unknown")
    seats = [seat for seat in await seats_of(db, session_id) if seat.person_id is not None]
    host_id = next((seat.person_id or "" for seat in seats if seat.role is SeatRole.HOST), "")
    return host_id, {seat.person_id or "": seat.role for seat in seats if seat.role is not SeatRole.HOST}


async def _candidates(db: AsyncSession, actor: Actor, office_id: str, *, host_id: str) -> list[Candidate]:
    """Return who can be given a seat in a hearing of an office: its own people first, then those of others."""
    actor.require(Permission.BOOK_HEARING)
    query = (
        select(Staff, Office.name)
        .join(Office, Office.id == Staff.office_id)
        .where(Staff.disabled_at.is_(None), Staff.id != host_id)
    )
    found = [_candidate(staff, name, office_id) for staff, name in await db.execute(query)]
    return sorted(
        (candidate for candidate in found if candidate.roles),
        key=lambda candidate: (candidate.office_id != office_id, candidate.office_name, candidate.name, candidate.id),
    )


def _candidate(staff: Staff, office_name: str, office_id: str) -> Candidate:
    roles = {Role(role) for role in staff.roles.split()}
    permissions = frozenset().union(*(PERMISSIONS[role] for role in roles))
    offered: tuple[SeatRole, ...] = ()
    if Permission.JOIN_HEARING in permissions:
        offered = (SeatRole.HELPER, SeatRole.OBSERVER)
        if roles != {Role.GUEST}:
            offered = (SeatRole.JOINT, *offered)
        if Permission.VERIFY_IDENTITY in permissions and staff.office_id != office_id:
            offered = (SeatRole.FAR_END, *offered)
    return Candidate(staff.id, staff.name, staff.title, staff.office_id, office_name, offered)


async def _chosen(
    request: web.Request, db: AsyncSession, actor: Actor, office_id: str, *, host_id: str
) -> list[tuple[SeatRole, Attendee]]:
    """Return whom the form gives a seat, and as what."""
    candidates = await _candidates(db, actor, office_id, host_id=host_id)
    fields = await read_fields(request, **{candidate.field: 16 for candidate in candidates})
    people = []
    for candidate in candidates:
        value = fields[candidate.field]
        if value not in ("", *candidate.roles):
            raise Refusal("malformed")
        if value:
            attendee = Attendee(candidate.id, candidate.name, candidate.title, candidate.office_id)
            people.append((SeatRole(value), attendee))
    return people


async def _cases(db: AsyncSession, actor: Actor) -> list[CaseRow]:
    """Return the cases of the office that wait for a hearing."""
    return [case for case in await cases_for(db, actor) if case.state in NO_HEARING_YET]


def _choices(candidates: Sequence[Candidate], chosen: Mapping[str, SeatRole]) -> dict[str, object]:
    return {
        "candidates": candidates,
        "chosen": chosen,
        "role_texts": SEAT_ROLES,
        "seen_max": SEEN_MAX,
        "watching_max": WATCHING_MAX,
    }


def _instant(day: str, at: str) -> datetime:
    """Return the instant of a day and a time as the offices' clocks show them."""
    try:
        return datetime.fromisoformat(f"{day}T{at}").replace(tzinfo=OFFICE_ZONE)
    except ValueError:
        raise Refusal("malformed") from None


_BOOK = StaffAccess(Permission.BOOK_HEARING)

ROUTES: tuple[Route, ...] = (
    Route("GET", "/book", show_booking, _BOOK),
    Route("POST", "/book", take_booking, _BOOK),
    Route("GET", "/sessions/{session_id}/people", show_people, _BOOK),
    Route("POST", "/sessions/{session_id}/people", take_people, _BOOK),
)
