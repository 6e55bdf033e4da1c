"""Legal holds: what belongs to a held session is kept, however old it is.

A hold stands on the trail and nowhere else, so that nobody can lift one unseen: the last of the two events counts.
"""

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from records.actors import Actor, Permission
from records.clock import Clock
from records.refusals import Refusal
from records.texts import clean_text
from records.trail import TrailEntry
from sessions.actors import session_of
from sessions.entries import record_about_session

REASON_MAX = 200


async def place_hold(db: AsyncSession, actor: Actor, session_id: str, reason: str, *, clock: Clock) -> None:
    """Keep everything of a session until the hold is lifted. `reason` stands on the trail for ever: no personal data.

    Raises Refusal: not_permitted, session_unknown, already_held, text_missing, text_too_long, text_unreadable.
    """
    await _change(db, actor, session_id, "LegalHoldPlaced", reason, clock=clock)


async def lift_hold(db: AsyncSession, actor: Actor, session_id: str, reason: str, *, clock: Clock) -> None:
    """Let a session's files be deleted when they are due. Raises Refusal: as `place_hold`, not_held."""
    await _change(db, actor, session_id, "LegalHoldLifted", reason, clock=clock)


async def _change(db: AsyncSession, actor: Actor, session_id: str, event: str, reason: str, *, clock: Clock) -> None:
    actor.require(Permission.RUN_HOUSEKEEPING)
    await session_of(db, session_id, lock=True)
    held = session_id in await held_sessions(db)
    if held and event == "LegalHoldPlaced":
        raise Refusal("already_held")
    if not held and event == "LegalHoldLifted":
        raise Refusal("not_held")
    await record_about_session(
        db, actor, event, session_id, {"reason": clean_text(reason, "reason", limit=REASON_MAX)}, clock=clock
    )


async def held_sessions(db: AsyncSession) -> set[str]:
    """Return the sessions under a hold."""
    query = select(TrailEntry).where(TrailEntry.event.in_(("LegalHoldPlaced", "LegalHoldLifted")))
    entries: Iterable[TrailEntry] = await db.scalars(query.order_by(TrailEntry.sequence))
    held: set[str] = set()
    for entry in entries:
        if entry.event == "LegalHoldPlaced":
            held.add(entry.subject_id)
        else:
            held.discard(entry.subject_id)
    return held
