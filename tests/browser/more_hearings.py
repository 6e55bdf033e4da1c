"""More hearings in a running demonstration: tests that leave each other alone need no demonstration each."""

from dataclasses import replace

from sqlalchemy import select

from aid.cases import case_of_session, link_session
from records.actors import Actor, ActorKind, Role
from records.clock import SystemClock
from records.database import Database
from records.personal import PersonalData
from sessions.booking import Attendee, BookSession, book, invite
from sessions.seats import SeatRole
from sessions.tables import Seat, Session
from tests.browser.apart import run_apart
from tests.browser.server import Server
from web.accounts.tables import Staff
from web.settings import demo_settings


def book_another(server: Server) -> Server:
    """Book one more hearing of the same people for the same case."""
    return replace(server, hearing=run_apart(_book_another(server)))


async def _book_another(server: Server) -> tuple[str, str]:
    settings = demo_settings(server.var, port=0, media_port=0, addresses=("127.0.0.1",), tls=False)
    key = bytes.fromhex(settings.personal_key.get_secret_value())
    database = Database(settings.database_url, personal=PersonalData(key))
    clock = SystemClock()
    try:
        async with database.begin() as db:
            before = (await db.scalars(select(Session).where(Session.id == server.session_id))).one()
            case = await case_of_session(db, before.id)
            seats = list(await db.scalars(select(Seat).where(Seat.session_id == before.id)))
            people = {
                role: [
                    Attendee(seat.person_id or "", seat.display_name, seat.title) for seat in seats if seat.role is role
                ]
                for role in SeatRole
            }
            (host,) = people[SeatRole.HOST]
            roles = (await db.scalars(select(Staff.roles).where(Staff.id == host.person_id))).one()
            actor = Actor(
                ActorKind.STAFF, host.person_id, host.name, before.office_id, frozenset(map(Role, roles.split()))
            )
            session = await book(
                db,
                actor,
                BookSession(
                    office_id=before.office_id,
                    subject=before.subject,
                    applicant_name=before.applicant_name,
                    applicant_id_tail=server.id_tail,
                    starts_at=before.starts_at,
                    ends_at=before.ends_at,
                    host=host,
                    far_office_id=before.far_office_id,
                    far_end=people[SeatRole.FAR_END],
                    observers=people[SeatRole.OBSERVER],
                ),
                clock=clock,
            )
            await link_session(db, actor, case.id, session.id, clock=clock)
            of_hers = Seat.session_id == session.id, Seat.role == SeatRole.APPLICANT
            token = await invite(db, actor, (await db.scalars(select(Seat.id).where(*of_hers))).one(), clock=clock)
        return session.id, token
    finally:
        await database.dispose()
