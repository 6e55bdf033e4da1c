"""A recording that did not reach the disk: kept on the trail when it begins, and marked in the recording afterwards."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from records.actors import Actor
from records.clock import Clock
from records.database import Json
from records.texts import length_of_time
from sessions.actors import session_of
from sessions.entries import record_about_session
from sessions.recordings import add_mark
from sessions.tables import Mark

INTERRUPTION = "interruption"
"""The kind of mark that an interruption leaves."""
CAUSES = {
    "disk_full": "磁盘满了",
    "disk_gone": "存录像的磁盘不见了",
    "disk_read_only": "磁盘变成了只读",
    "disk_failed": "磁盘写不进去",
    "disk_slow": "磁盘太慢",
    "not_recording": "录音录像停了",
}


@dataclass(frozen=True, slots=True)
class Interrupted:
    """From when to when a recording did not reach the disk, in its milliseconds; `to_ms` None: until the hearing's end.

    `lost_from_ms` to `lost_to_ms` was not recorded at all; None: everything was written afterwards.
    """

    cause: str
    from_ms: int
    to_ms: int | None
    lost_from_ms: int | None = None
    lost_to_ms: int | None = None


async def note_trouble(
    db: AsyncSession, actor: Actor, session_id: str, cause: str, saved_ms: int | None, *, clock: Clock
) -> None:
    """Put on the trail that a recording does not reach the disk. Raises Refusal: session_unknown."""
    await session_of(db, session_id, lock=True)
    await record_about_session(
        db, actor, "RecordingTroubled", session_id, {"cause": cause, "saved_ms": saved_ms}, clock=clock
    )


async def note_interruption(
    db: AsyncSession, actor: Actor, session_id: str, interrupted: Interrupted, *, clock: Clock
) -> None:
    """Mark an interruption where it began; a second time changes nothing. Raises Refusal: session_unknown."""
    await session_of(db, session_id, lock=True)
    known = select(Mark.id).where(
        Mark.session_id == session_id, Mark.kind == INTERRUPTION, Mark.elapsed_ms == interrupted.from_ms
    )
    if await db.scalar(known.limit(1)) is not None:
        return
    details: dict[str, Json] = {
        "cause": interrupted.cause,
        "to_ms": interrupted.to_ms,
        "lost_from_ms": interrupted.lost_from_ms,
        "lost_to_ms": interrupted.lost_to_ms,
    }
    await add_mark(
        db, actor, session_id, INTERRUPTION, interrupted.from_ms, title_of(interrupted), details, clock=clock
    )
    await record_about_session(
        db, actor, "RecordingInterrupted", session_id, {"from_ms": interrupted.from_ms, **details}, clock=clock
    )


def title_of(interrupted: Interrupted) -> str:
    """Return an interruption in a sentence."""
    cause = CAUSES.get(interrupted.cause, CAUSES["disk_failed"])
    if interrupted.lost_from_ms is not None and interrupted.lost_to_ms is not None:
        return f"录像中断：{cause}，有 {length_of_time(interrupted.lost_to_ms - interrupted.lost_from_ms)}没有录上"
    if interrupted.to_ms is None:
        return f"录像存盘受阻：{cause}，接访结束时还没有存完，之后接着存"
    span = length_of_time(interrupted.to_ms - interrupted.from_ms)
    if interrupted.cause == "not_recording":
        return f"录像中断：{cause}，{span}后恢复，没有缺失"
    return f"录像存盘受阻：{cause}，{span}后全部补存，没有缺失"
