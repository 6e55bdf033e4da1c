"""Who somebody in a seat is when they act, and what is found under an id."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from records.actors import Actor, ActorKind, Role
from records.refusals import Refusal
from sessions.seats import SeatRole
from sessions.tables import Seat, Session

_ROLES: dict[SeatRole, frozenset[Role]] = {
    SeatRole.HOST: frozenset({Role.HOST}),
    SeatRole.FAR_END: frozenset({Role.FAR_END}),
    SeatRole.APPLICANT: frozenset({Role.APPLICANT}),
    SeatRole.JOINT: frozenset(),
    SeatRole.HELPER: frozenset(),
    SeatRole.OBSERVER: frozenset(),
}


def applicant_actor(seat: Seat) -> Actor:
    """Return the actor for the applicant in a seat."""
    return Actor(ActorKind.APPLICANT, seat.id, seat.display_name, None, _ROLES[SeatRole.APPLICANT])


async def actor_in_seat(db: AsyncSession, seat_id: str) -> Actor:
    """Return the actor for whoever sits in a seat, with no more roles than the seat gives."""
    seat = await seat_of(db, seat_id)
    if seat.role is SeatRole.APPLICANT:
        return applicant_actor(seat)
    session = await session_of(db, seat.session_id)
    office_id = session.far_office_id if seat.role is SeatRole.FAR_END else session.office_id
    return Actor(ActorKind.STAFF, seat.person_id or seat.id, seat.display_name, office_id, _ROLES[seat.role])


async def session_of(db: AsyncSession, session_id: str, *, lock: bool = False) -> Session:
    """Return a session, its row locked if it is going to be decided upon. Raises Refusal("session_unknown")."""
    query = select(Session).where(Session.id == session_id)
    if lock:
        # populate_existing: what was read before the lock may be stale by the time the lock is held.
        query = query.with_for_update().execution_options(populate_existing=True)
    session = await db.scalar(query)
    if session is None:
        raise Refusal("session_unknown")
    return session


async def seat_of(db: AsyncSession, seat_id: str, *, session_id: str | None = None) -> Seat:
    """Return a seat, of this session if one is given. Raises Refusal("seat_unknown")."""
    seat = await db.get(Seat, seat_id)
    if seat is None or (session_id is not None and seat.session_id != session_id):
        raise Refusal("seat_unknown")
    return seat


async def seats_of(db: AsyncSession, session_id: str) -> list[Seat]:
    """Return the seats of a session: host, applicant, far end, others who take part, observers."""
    order = list(SeatRole)
    seats = await db.scalars(select(Seat).where(Seat.session_id == session_id))
    return sorted(seats, key=lambda seat: (order.index(seat.role), seat.display_name, seat.id))


async def require_host(db: AsyncSession, actor: Actor, session_id: str) -> None:
    """Raise Refusal("not_your_hearing") unless the actor hosts this very session."""
    host = await db.scalar(select(Seat.person_id).where(Seat.session_id == session_id, Seat.role == SeatRole.HOST))
    if actor.kind is not ActorKind.STAFF or host is None or host != actor.id:
        raise Refusal("not_your_hearing")
