"""What this package writes on the trail: entries about a session, a seat, a recording."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from records.actors import Actor
from records.clock import Clock
from records.database import Json
from records.trail import record
from sessions.tables import Recording, Seat


async def record_about_session(
    db: AsyncSession, actor: Actor, event: str, session_id: str, details: Mapping[str, Json], *, clock: Clock
) -> None:
    """Append an entry about a session. As `records.trail.record`: the last thing a use case does."""
    await _record(db, actor, event, ("session", session_id), session_id, details, clock)


async def record_about_seat(
    db: AsyncSession, actor: Actor, event: str, seat: Seat, details: Mapping[str, Json], *, clock: Clock
) -> None:
    """Append an entry about a seat, and what it is for."""
    await _record(db, actor, event, ("seat", seat.id), seat.session_id, {"role": seat.role.value, **details}, clock)


async def record_about_recording(
    db: AsyncSession, actor: Actor, event: str, recording: Recording, details: Mapping[str, Json], *, clock: Clock
) -> None:
    """Append an entry about a recording."""
    await _record(db, actor, event, ("recording", recording.id), recording.session_id, details, clock)


async def _record(
    db: AsyncSession,
    actor: Actor,
    event: str,
    subject: tuple[str, str],
    session_id: str,
    details: Mapping[str, Json],
    clock: Clock,
) -> None:
    # First what it is about: who waits for a lock on that must not hold up everybody who writes on the trail.
    await db.flush()
    kind, subject_id = subject
    await record(
        db,
        actor,
        event,
        subject_kind=kind,
        subject_id=subject_id,
        session_id=session_id,
        details=details,
        clock=clock,
    )
