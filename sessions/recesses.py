"""Recesses (休会) of a hearing: nothing is heard, seen or recorded between their two marks, and nothing is decided.

A hearing is in recess when its recording has a mark of a recess that no mark of its end answers. There is no other
state: what is marked, what is shown and what is refused cannot part.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from records.actors import Actor, Permission
from records.clock import Clock
from records.ids import new_id
from records.refusals import Refusal
from records.texts import clean_text
from sessions.actors import require_host, session_of
from sessions.entries import record_about_session
from sessions.states import OVER, SessionState
from sessions.tables import Mark, Session

PAUSED = "paused"
RESUMED = "resumed"
"""Kinds of marks."""
REASON_MAX = 100


@dataclass(frozen=True, slots=True)
class Recess:
    """One recess, in ms of the recording; `to_ms` None while it lasts, and for one that the hearing's end cut short.

    `by` is the seat of the host who asked for it; `reason` may be empty.
    """

    from_ms: int
    to_ms: int | None
    began_at: datetime
    by: str
    reason: str


async def recesses_of(db: AsyncSession, session_id: str) -> tuple[Recess, ...]:
    """Return the recesses of a hearing, in order."""
    query = select(Mark).where(Mark.session_id == session_id, Mark.kind.in_((PAUSED, RESUMED)))
    marks = sorted(await db.scalars(query.order_by(Mark.id)), key=lambda mark: mark.elapsed_ms)
    begun = [mark for mark in marks if mark.kind == PAUSED]
    ended = [mark.elapsed_ms for mark in marks if mark.kind == RESUMED]
    return tuple(
        Recess(
            from_ms=mark.elapsed_ms,
            to_ms=ended[index] if index < len(ended) else None,
            began_at=mark.at,
            by=str(mark.details.get("by", "")),
            reason=str(mark.details.get("reason", "")),
        )
        for index, mark in enumerate(begun)
    )


async def recess_now(db: AsyncSession, session_id: str) -> Recess | None:
    """Return the recess that a hearing is in."""
    return next((recess for recess in await recesses_of(db, session_id) if recess.to_ms is None), None)


async def require_no_recess(db: AsyncSession, session_id: str) -> None:
    """Raise Refusal("hearing_in_recess") while there is one. Hold the session's lock, or it may begin meanwhile."""
    if await recess_now(db, session_id) is not None:
        raise Refusal("hearing_in_recess")


async def pause(
    db: AsyncSession, actor: Actor, session_id: str, seat_id: str, reason: str, *, elapsed_ms: int, clock: Clock
) -> bool:
    """Begin a recess at a moment of the recording, asked for from a seat; return whether that changed anything.

    Raises Refusal: not_permitted, not_your_hearing, session_not_started, session_over, and those of `clean_text`.
    """
    session = await _of_host(db, actor, session_id)
    if await recess_now(db, session_id) is not None:
        return False
    words = clean_text(reason, "reason", limit=REASON_MAX) if reason.strip() else ""
    title = f"休会：{words}" if words else "休会"
    mark = Mark(kind=PAUSED, elapsed_ms=elapsed_ms, title=title, details={"by": seat_id, "reason": words})
    await _keep(db, actor, "HearingPaused", session, mark, clock)
    return True


async def resume(db: AsyncSession, actor: Actor, session_id: str, *, elapsed_ms: int, clock: Clock) -> bool:
    """End a recess at a moment of the recording; return whether there was one. Raises Refusal as `pause`."""
    session = await _of_host(db, actor, session_id)
    recess = await recess_now(db, session_id)
    if recess is None:
        return False
    # A wall clock that was set back must not make it end before it began.
    mark = Mark(kind=RESUMED, elapsed_ms=max(elapsed_ms, recess.from_ms), title="复会", details={})
    await _keep(db, actor, "HearingResumed", session, mark, clock)
    return True


async def _of_host(db: AsyncSession, actor: Actor, session_id: str) -> Session:
    actor.require(Permission.HOST_HEARING)
    session = await session_of(db, session_id, lock=True)
    await require_host(db, actor, session_id)
    if session.state is not SessionState.IN_SESSION:
        raise Refusal("session_over" if session.state in OVER else "session_not_started")
    return session


async def _keep(db: AsyncSession, actor: Actor, event: str, session: Session, mark: Mark, clock: Clock) -> None:
    mark.id, mark.session_id, mark.at = new_id(), session.id, clock.now()
    db.add(mark)
    await db.flush()
    await record_about_session(
        db,
        actor,
        event,
        session.id,
        {"number": session.number, "elapsed_ms": mark.elapsed_ms, "title": mark.title},
        clock=clock,
    )
