"""Who looks at a recording, takes it away, has it made anew: each time on the trail, and only who took part."""

import json
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from records.actors import Actor, ActorKind, Permission
from records.clock import Clock
from records.database import Json
from records.refusals import Refusal
from records.trail import TrailEntry, microseconds
from sessions.actors import session_of
from sessions.entries import record_about_recording, record_about_session
from sessions.recordings import recording_of
from sessions.tables import PlaybackFile, Recording, RecordingState, Session

SAME_VISIT = timedelta(hours=12)
"""Within this, whoever goes on with a file has been taken down already."""


async def note_played(db: AsyncSession, actor: Actor, session_id: str, *, clock: Clock) -> list[PlaybackFile]:
    """Hand out what plays a recording, and take down who looked: somebody of an office that took part.

    Raises Refusal: not_permitted, session_unknown, playback_missing.
    """
    session = await session_of(db, session_id)
    _require_part_in(session, actor)
    files = list(await db.scalars(select(PlaybackFile).where(PlaybackFile.session_id == session_id)))
    if not files:
        raise Refusal("playback_missing")
    await record_about_session(db, actor, "RecordingPlayed", session_id, {"files": len(files)}, clock=clock)
    return files


async def was_watched(db: AsyncSession, actor: Actor, session_id: str, *, clock: Clock) -> bool:
    """Tell whether it was taken down within `SAME_VISIT` that somebody looks at a recording: players ask for its files
    in many pieces."""
    return await _noted(db, actor, session_id, "RecordingPlayed", {}, clock)


async def note_watched(db: AsyncSession, actor: Actor, session_id: str, *, clock: Clock) -> None:
    """Take down who looks at a file of a recording, unless it was. Raises Refusal, as `note_played`."""
    await session_of(db, session_id, lock=True)
    if not await was_watched(db, actor, session_id, clock=clock):
        await note_played(db, actor, session_id, clock=clock)


async def note_downloaded(
    db: AsyncSession, actor: Actor, session_id: str, file: str, *, goes_on: bool, clock: Clock
) -> None:
    """Take down who takes a derived file away: once a download. One that `goes_on` (a browser asks for the rest of it)
    is the same as one within `SAME_VISIT`.

    Raises Refusal: not_permitted, session_unknown.
    """
    session = await session_of(db, session_id, lock=True)
    _require_part_in(session, actor)
    details = {"file": file}
    if goes_on and await _noted(db, actor, session_id, "RecordingDownloaded", details, clock):
        return
    await record_about_session(db, actor, "RecordingDownloaded", session_id, details, clock=clock)


async def note_derived_asked(db: AsyncSession, actor: Actor, session_id: str, *, clock: Clock) -> None:
    """Take down who asks for everything that is derived from a recording to be made anew.

    Raises Refusal: not_permitted, session_unknown, recording_not_sealed.
    """
    _require_part_in(await session_of(db, session_id, lock=True), actor)
    recording = await recording_of(db, session_id)
    if recording is None or recording.state is not RecordingState.SEALED:
        raise Refusal("recording_not_sealed")
    await record_about_session(db, actor, "DerivedAsked", session_id, {}, clock=clock)


async def note_exported(
    db: AsyncSession, actor: Actor, session_id: str, *, clock: Clock
) -> tuple[Session, Recording, list[PlaybackFile]]:
    """Hand out what an evidence bundle is made of, and take down who took it: somebody of an office that took part.

    Raises Refusal: not_permitted, session_unknown, recording_not_sealed.
    """
    session = await session_of(db, session_id)
    if actor.kind is not ActorKind.SYSTEM:
        _require_part_in(session, actor)
    recording = await recording_of(db, session_id)
    if recording is None or recording.state is not RecordingState.SEALED:
        raise Refusal("recording_not_sealed")
    files = list(
        await db.scalars(
            select(PlaybackFile).where(PlaybackFile.session_id == session_id).order_by(PlaybackFile.seat_id)
        )
    )
    details: dict[str, Json] = {"manifest": recording.manifest_digest, "files": len(files)}
    await record_about_recording(db, actor, "EvidenceExported", recording, details, clock=clock)
    return session, recording, files


async def _noted(
    db: AsyncSession, actor: Actor, session_id: str, event: str, details: Mapping[str, Json], clock: Clock
) -> bool:
    """Tell whether the trail says this of the actor within `SAME_VISIT`."""
    since_us = microseconds(clock.now() - SAME_VISIT)
    query = select(TrailEntry.details).where(
        TrailEntry.session_id == session_id,
        TrailEntry.event == event,
        TrailEntry.actor_kind == actor.kind.value,
        TrailEntry.actor_id == actor.id,
        TrailEntry.at_us >= since_us,
    )
    return any(json.loads(found).items() >= details.items() for found in await db.scalars(query))


def _require_part_in(session: Session, actor: Actor) -> None:
    actor.require(Permission.PLAY_RECORDING)
    if actor.office_id not in {session.office_id, session.far_office_id}:
        raise Refusal("not_permitted", permission=Permission.PLAY_RECORDING.value)
