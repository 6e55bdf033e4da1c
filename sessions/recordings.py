"""The recording of a hearing: begun, marked, made playable, stamped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from records.actors import Actor
from records.clock import Clock
from records.database import Json
from records.ids import new_id
from records.refusals import Refusal
from records.texts import clean_text
from records.trail import record
from sessions.actors import seat_of, session_of
from sessions.entries import record_about_recording, record_about_session
from sessions.states import SessionState
from sessions.tables import Mark, PlaybackFile, Recording, RecordingState, Session


@dataclass(frozen=True, slots=True)
class MadePlayback:
    """A playback file that was made; `path` is relative to the recordings' root."""

    seat_id: str
    path: str
    starts_ms: int
    duration_ms: int
    has_video: bool
    has_audio: bool


async def begin(db: AsyncSession, actor: Actor, session_id: str, *, directory: str, clock: Clock) -> Recording:
    """Take down that a session is being recorded below `directory`; again, after a restart, changes nothing.

    Raises Refusal: session_not_started, session_over, recording_elsewhere.
    """
    session = await session_of(db, session_id, lock=True)
    _require_state(session, SessionState.IN_SESSION)
    recording = await recording_of(db, session_id)
    if recording is not None:
        if recording.directory != directory:
            raise Refusal("recording_elsewhere")
        return recording
    recording = Recording(
        id=new_id(),
        session_id=session_id,
        state=RecordingState.RECORDING,
        directory=clean_text(directory, "directory", limit=100),
        begun_at=clock.now(),
    )
    db.add(recording)
    await record_about_recording(
        db, actor, "RecordingBegun", recording, {"directory": recording.directory}, clock=clock
    )
    return recording


async def add_mark(
    db: AsyncSession,
    actor: Actor,
    session_id: str,
    kind: str,
    elapsed_ms: int,
    title: str,
    details: Mapping[str, Json],
    *,
    clock: Clock,
) -> Mark:
    """Mark a moment of the recording. `details` hold no personal data in clear. Raises Refusal: session_unknown."""
    await session_of(db, session_id)
    mark = Mark(
        id=new_id(),
        session_id=session_id,
        kind=clean_text(kind, "kind", limit=40),
        elapsed_ms=max(0, elapsed_ms),
        at=clock.now(),
        title=clean_text(title, "title", limit=200),
        details=dict(details),
    )
    db.add(mark)
    await db.flush()
    await record(
        db,
        actor,
        "MomentMarked",
        subject_kind="mark",
        subject_id=mark.id,
        session_id=session_id,
        details={"kind": mark.kind, "elapsed_ms": mark.elapsed_ms, "title": mark.title},
        clock=clock,
    )
    return mark


async def record_playback(
    db: AsyncSession, actor: Actor, session_id: str, files: Sequence[MadePlayback], *, clock: Clock
) -> list[PlaybackFile]:
    """Take down which files play a recording; those made earlier are replaced. Raises Refusal: seat_unknown."""
    await session_of(db, session_id, lock=True)
    for file in files:
        await seat_of(db, file.seat_id, session_id=session_id)
    await db.execute(delete(PlaybackFile).where(PlaybackFile.session_id == session_id))
    made = [
        PlaybackFile(
            id=new_id(),
            session_id=session_id,
            seat_id=file.seat_id,
            path=file.path,
            starts_ms=file.starts_ms,
            duration_ms=file.duration_ms,
            has_video=file.has_video,
            has_audio=file.has_audio,
        )
        for file in files
    ]
    db.add_all(made)
    await db.flush()
    await record_about_session(db, actor, "PlaybackMade", session_id, {"files": len(made)}, clock=clock)
    return made


async def note_composite_made(
    db: AsyncSession, actor: Actor, session_id: str, *, sha256: str, size: int, clock: Clock
) -> None:
    """Take down that the picture of everybody was made, and what it is.

    Raises Refusal: session_unknown, playback_missing (what it was made of was deleted meanwhile).
    """
    await session_of(db, session_id, lock=True)
    await _require_playback(db, session_id)
    await record_about_session(db, actor, "CompositeMade", session_id, {"sha256": sha256, "bytes": size}, clock=clock)


async def _require_playback(db: AsyncSession, session_id: str) -> None:
    if await db.scalar(select(PlaybackFile.id).where(PlaybackFile.session_id == session_id).limit(1)) is None:
        raise Refusal("playback_missing")


async def note_stamped(
    db: AsyncSession, actor: Actor, session_id: str, stamp_digest: str, stamped_at: datetime, *, clock: Clock
) -> None:
    """Take down that an authority stamped a sealed recording's signature. Raises Refusal: recording_not_sealed."""
    recording = await recording_of(db, session_id)
    if recording is None or recording.state is not RecordingState.SEALED:
        raise Refusal("recording_not_sealed")
    details: dict[str, Json] = {"stamp": stamp_digest, "stamped_at": stamped_at.isoformat()}
    await record_about_recording(db, actor, "RecordingStamped", recording, details, clock=clock)


def _require_state(session: Session, state: SessionState) -> None:
    if session.state is state:
        return
    raise Refusal("session_not_started" if session.state is SessionState.BOOKED else "session_over")


async def recording_of(db: AsyncSession, session_id: str) -> Recording | None:
    query = select(Recording).where(Recording.session_id == session_id)
    return await db.scalar(query.execution_options(populate_existing=True))
