"""People and hearings that tests share. All names and numbers are made up."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from records.actors import Actor, ActorKind, Role
from records.clock import FixedClock
from records.database import Database
from sessions.actors import applicant_actor, seats_of
from sessions.admission import give_consent
from sessions.booking import Attendee, BookSession, book, invite
from sessions.seats import SeatRole
from sessions.tables import ConsentKind, Office

# 09:00 in China.
MORNING = datetime(2026, 11, 25, 1, 0, tzinfo=UTC)
DONGYING, LIANGSHAN = "office-dongying", "office-liangshan"
GAO_TAIL = "9963"


def staff(person_id: str, name: str, *roles: Role, office_id: str = DONGYING) -> Actor:
    """Return a member of staff."""
    return Actor(ActorKind.STAFF, person_id, name, office_id, frozenset(roles))


WANG = staff("wang", "王立", Role.HOST)
"""Hosts the hearing."""
ZHAO = staff("zhao", "赵敏", Role.HOST)
"""Another host of the same office."""
LIU = staff("liu", "刘芳", Role.FAR_END, office_id=LIANGSHAN)
"""Sits beside the applicant, far away."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """A booked hearing, its seats, and the token of its applicant's invitation."""

    session_id: str
    host_seat: str
    far_end_seat: str
    applicant_seat: str
    gao: Actor
    token: str


def booking(**changes: object) -> BookSession:
    """Return the command that books the hearing of 高秀兰 at ten, with changes."""
    starts_at = MORNING + timedelta(hours=1)
    values: dict[str, object] = {
        "office_id": DONGYING,
        "far_office_id": LIANGSHAN,
        "subject": "国家司法救助申请",
        "applicant_name": "高秀兰",
        "applicant_id_tail": GAO_TAIL,
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(hours=1),
        "host": Attendee(WANG.id, WANG.name, "检察官"),
        "far_end": [Attendee(LIU.id, LIU.name, "检察官助理")],
    }
    return BookSession(**(values | changes))  # type: ignore[arg-type]


async def open_offices(database: Database) -> None:
    """Lay in the two offices."""
    async with database.begin() as db:
        db.add(Office(id=DONGYING, name="东营区人民检察院", short_name="东营区院", region="山东省东营市东营区"))
        db.add(Office(id=LIANGSHAN, name="梁山县人民检察院", short_name="梁山县院", region="山东省济宁市梁山县"))


async def book_hearing(database: Database, clock: FixedClock, **changes: object) -> Hearing:
    """Book a hearing and invite its applicant; the offices must be there."""
    async with database.begin() as db:
        session = await book(db, WANG, booking(**changes), clock=clock)
        seats = {seat.role: seat for seat in await seats_of(db, session.id)}
        applicant = seats[SeatRole.APPLICANT]
        token = await invite(db, WANG, applicant.id, clock=clock)
        return Hearing(
            session_id=session.id,
            host_seat=seats[SeatRole.HOST].id,
            far_end_seat=seats[SeatRole.FAR_END].id,
            applicant_seat=applicant.id,
            gao=applicant_actor(applicant),
            token=token,
        )


async def give_every_consent(database: Database, hearing: Hearing, clock: FixedClock) -> None:
    """Have the applicant agree to everything."""
    async with database.begin() as db:
        for kind in ConsentKind:
            await give_consent(db, hearing.gao, hearing.applicant_seat, kind, clock=clock)
