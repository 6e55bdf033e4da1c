"""One line of the trail, said shortly."""

from sqlalchemy.ext.asyncio import AsyncSession

from records.actors import Actor
from records.clock import Clock
from records.database import Json
from records.trail import record


async def note(
    db: AsyncSession,
    actor: Actor,
    event: str,
    kind: str,
    subject_id: str,
    /,
    *,
    clock: Clock,
    session_id: str | None = None,
    **details: Json,
) -> None:
    """Write that `actor` did `event` to the `kind` called `subject_id`. Takes the trail's lock: call it last."""
    await record(
        db, actor, event, subject_kind=kind, subject_id=subject_id, session_id=session_id, details=details, clock=clock
    )
