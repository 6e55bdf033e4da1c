"""A hearing whose host never came back: ended by the house, and marked where the host was last there."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from records.actors import Actor
from records.clock import Clock
from sessions.entries import record_about_session
from sessions.proceedings import end
from sessions.recordings import add_mark
from sessions.seats import SeatRole
from sessions.tables import HOST_ABSENT, PresenceSpan, Recording, Seat, Session

TITLE = "主持人离开后没有回来，接访自动结束"


async def end_without_host(
    db: AsyncSession, actor: Actor, session_id: str, *, elapsed_ms: int | None, clock: Clock
) -> Session:
    """End a hearing for want of a host; its recording is `elapsed_ms` long. Raises Refusal, as `proceedings.end`."""
    from_ms = await _last_there_ms(db, session_id, elapsed_ms)
    session = await end(db, actor, session_id, clock=clock, elapsed_ms=elapsed_ms)
    await add_mark(db, actor, session_id, HOST_ABSENT, from_ms, TITLE, {}, clock=clock)
    await record_about_session(
        db, actor, "HostNeverReturned", session_id, {"number": session.number, "from_ms": from_ms}, clock=clock
    )
    return session


async def _last_there_ms(db: AsyncSession, session_id: str, elapsed_ms: int | None) -> int:
    """Return the moment of the recording at which a host was last there, as exactly as the record knows it."""
    left = (
        select(PresenceSpan.left_at)
        .join(Seat, Seat.id == PresenceSpan.seat_id)
        .where(Seat.session_id == session_id, Seat.role == SeatRole.HOST)
        .order_by(PresenceSpan.entered_at.desc())
        .limit(1)
    )
    left_at = await db.scalar(left)
    begun_at = await db.scalar(select(Recording.begun_at).where(Recording.session_id == session_id))
    if left_at is None or begun_at is None:
        return elapsed_ms or 0
    from_ms = max(0, (left_at - begun_at) // timedelta(milliseconds=1))
    return from_ms if elapsed_ms is None else min(from_ms, elapsed_ms)
