"""The recording of a hearing: begun, marked, sealed, made playable."""

import asyncio
import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from records.actors import Actor, ActorKind, Permission
from records.clock import Clock
from records.database import Json
from records.ids import new_id
from records.manifests import Fault, Recess, Survey, compose, seal_directory, survey, with_recesses
from records.refusals import Refusal
from records.signing import SigningKey
from records.texts import clean_text
from records.trail import TrailEntry, microseconds, record
from records.vault import Vault
from sessions.actors import require_host, seat_of, seats_of, session_of
from sessions.recesses import recesses_of
from sessions.states import SessionEvent, SessionState, advance
from sessions.tables import Consent, Mark, Office, PlaybackFile, PresenceSpan, Recording, RecordingState, Session

SHORTER_MS_MAX = 1500
"""By how much a journal may end before the hearing did: nobody need say anything in the last second."""
SAME_VISIT = timedelta(hours=12)
"""Within this, whoever goes on with a file has been taken down already."""


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
    recording = await _recording(db, session_id)
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
    await _record(db, actor, "RecordingBegun", recording, clock, {"directory": recording.directory})
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


async def seal(
    db: AsyncSession,
    actor: Actor,
    session_id: str,
    *,
    directory: Path,
    key: SigningKey,
    vault: Vault,
    clock: Clock,
    surveyed: Survey | None = None,
) -> Recording:
    """Seal the recording of an ended session: manifest of everything, signed, beside the journal and in the vault.

    Reading a long journal takes seconds, in which nobody else can write to SQLite: give `surveyed`, made by
    `records.manifests.survey` before the transaction. Raises Refusal: as `advance`, not_permitted, recording_missing.
    """
    session = await session_of(db, session_id, lock=True)
    if actor.kind is not ActorKind.SYSTEM:
        actor.require(Permission.HOST_HEARING)
        await require_host(db, actor, session_id)
    session.state = advance(session.state, SessionEvent.SEALED)
    recording = await _recording(db, session_id)
    if recording is None:
        raise Refusal("recording_missing")
    found = _compared(surveyed or await _surveyed(directory), held_ms=recording.duration_ms)
    rested = await recesses_of(db, session_id)
    found = with_recesses(found, (Recess(one.from_ms, one.to_ms or found.duration_ms) for one in rested))
    if not found.segments:
        raise Refusal("recording_missing")
    now = clock.now()
    facts = await _facts(db, session, recording, now)
    manifest = compose(found, facts=facts, key_id=key.key_id)
    # The files first: a seal that is on the trail is on the disk. Repeating this after a rollback overwrites them.
    await asyncio.to_thread(seal_directory, directory, manifest, key)
    recording.manifest_digest = await vault.put(manifest)
    recording.duration_ms = found.duration_ms
    recording.state = RecordingState.SEALED
    recording.sealed_at = now
    details: dict[str, Json] = {
        "manifest": recording.manifest_digest,
        "duration_ms": found.duration_ms,
        "segments": len(found.segments),
        "gaps": len(found.gaps),
        "faults": [f"{fault.code} {fault.segment}".strip() for fault in found.faults],
    }
    await _record(db, actor, "RecordingSealed", recording, clock, details)
    return recording


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
    await _record_session(db, actor, "PlaybackMade", session_id, clock, {"files": len(made)})
    return made


def _compared(found: Survey, *, held_ms: int | None) -> Survey:
    """Add what the journal cannot know of itself: that its tail was cut off between the hearing's end and the seal."""
    if held_ms is None or held_ms - found.duration_ms <= SHORTER_MS_MAX:
        return found
    return dataclasses.replace(found, faults=(*found.faults, Fault("shorter_than_held", "")))


async def _surveyed(directory: Path) -> Survey:
    try:
        return await asyncio.to_thread(survey, directory)
    except FileNotFoundError as error:
        raise Refusal("recording_missing") from error


async def note_played(db: AsyncSession, actor: Actor, session_id: str, *, clock: Clock) -> list[PlaybackFile]:
    """Hand out what plays a recording, and take down who looked: somebody of an office that took part.

    Raises Refusal: not_permitted, session_unknown, playback_missing.
    """
    session = await session_of(db, session_id)
    _require_part_in(session, actor)
    files = list(await db.scalars(select(PlaybackFile).where(PlaybackFile.session_id == session_id)))
    if not files:
        raise Refusal("playback_missing")
    await _record_session(db, actor, "RecordingPlayed", session_id, clock, {"files": len(files)})
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
    await _record_session(db, actor, "RecordingDownloaded", session_id, clock, details)


async def note_derived_asked(db: AsyncSession, actor: Actor, session_id: str, *, clock: Clock) -> None:
    """Take down who asks for everything that is derived from a recording to be made anew.

    Raises Refusal: not_permitted, session_unknown, recording_not_sealed.
    """
    _require_part_in(await session_of(db, session_id, lock=True), actor)
    recording = await _recording(db, session_id)
    if recording is None or recording.state is not RecordingState.SEALED:
        raise Refusal("recording_not_sealed")
    await _record_session(db, actor, "DerivedAsked", session_id, clock, {})


async def note_composite_made(
    db: AsyncSession, actor: Actor, session_id: str, *, sha256: str, size: int, clock: Clock
) -> None:
    """Take down that the picture of everybody was made, and what it is.

    Raises Refusal: session_unknown, playback_missing (what it was made of was deleted meanwhile).
    """
    await session_of(db, session_id, lock=True)
    await _require_playback(db, session_id)
    await _record_session(db, actor, "CompositeMade", session_id, clock, {"sha256": sha256, "bytes": size})


async def _require_playback(db: AsyncSession, session_id: str) -> None:
    if await db.scalar(select(PlaybackFile.id).where(PlaybackFile.session_id == session_id).limit(1)) is None:
        raise Refusal("playback_missing")


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


async def note_exported(
    db: AsyncSession, actor: Actor, session_id: str, *, clock: Clock
) -> tuple[Session, Recording, list[PlaybackFile]]:
    """Hand out what an evidence bundle is made of, and take down who took it: somebody of an office that took part.

    Raises Refusal: not_permitted, session_unknown, recording_not_sealed.
    """
    session = await session_of(db, session_id)
    if actor.kind is not ActorKind.SYSTEM:
        _require_part_in(session, actor)
    recording = await _recording(db, session_id)
    if recording is None or recording.state is not RecordingState.SEALED:
        raise Refusal("recording_not_sealed")
    files = list(
        await db.scalars(
            select(PlaybackFile).where(PlaybackFile.session_id == session_id).order_by(PlaybackFile.seat_id)
        )
    )
    details: dict[str, Json] = {"manifest": recording.manifest_digest, "files": len(files)}
    await _record(db, actor, "EvidenceExported", recording, clock, details)
    return session, recording, files


async def note_stamped(
    db: AsyncSession, actor: Actor, session_id: str, stamp_digest: str, stamped_at: datetime, *, clock: Clock
) -> None:
    """Take down that an authority stamped a sealed recording's signature. Raises Refusal: recording_not_sealed."""
    recording = await _recording(db, session_id)
    if recording is None or recording.state is not RecordingState.SEALED:
        raise Refusal("recording_not_sealed")
    details: dict[str, Json] = {"stamp": stamp_digest, "stamped_at": _iso(stamped_at)}
    await _record(db, actor, "RecordingStamped", recording, clock, details)


def _require_part_in(session: Session, actor: Actor) -> None:
    actor.require(Permission.PLAY_RECORDING)
    if actor.office_id not in {session.office_id, session.far_office_id}:
        raise Refusal("not_permitted", permission=Permission.PLAY_RECORDING.value)


def _require_state(session: Session, state: SessionState) -> None:
    if session.state is state:
        return
    raise Refusal("session_not_started" if session.state is SessionState.BOOKED else "session_over")


async def _recording(db: AsyncSession, session_id: str) -> Recording | None:
    query = select(Recording).where(Recording.session_id == session_id)
    return await db.scalar(query.execution_options(populate_existing=True))


async def _facts(db: AsyncSession, session: Session, recording: Recording, now: datetime) -> dict[str, Json]:
    office = await db.get_one(Office, session.office_id)
    far_office = await db.get(Office, session.far_office_id) if session.far_office_id else None
    marks = await db.scalars(
        select(Mark).where(Mark.session_id == session.id).order_by(Mark.elapsed_ms, Mark.at, Mark.id)
    )
    return {
        "session": {
            "id": session.id,
            "number": session.number,
            "subject": session.subject,
            "office": office.name,
            "far_office": far_office.name if far_office else None,
            "started_at": _iso(session.started_at),
            "ended_at": _iso(session.ended_at),
        },
        "people": await _people(db, session.id),
        "marks": [
            {"kind": mark.kind, "elapsed_ms": mark.elapsed_ms, "at": _iso(mark.at), "title": mark.title}
            for mark in marks
        ],
        "directory": recording.directory,
        "sealed_at": _iso(now),
    }


async def _people(db: AsyncSession, session_id: str) -> list[Json]:
    people: list[Json] = []
    for seat in await seats_of(db, session_id):
        spans = await db.scalars(
            select(PresenceSpan)
            .where(PresenceSpan.seat_id == seat.id)
            .order_by(PresenceSpan.entered_at, PresenceSpan.id)
        )
        consents = await db.scalars(
            select(Consent).where(Consent.seat_id == seat.id).order_by(Consent.given_at, Consent.kind)
        )
        people.append(
            {
                "seat": seat.id,
                "role": seat.role.value,
                "name": seat.display_name,
                "title": seat.title,
                "office": seat.office_name,
                "present": [
                    {"entered_at": _iso(span.entered_at), "left_at": _iso(span.left_at), "reason": span.reason}
                    for span in spans
                ],
                "consents": [
                    {
                        "kind": consent.kind.value,
                        "given_at": _iso(consent.given_at),
                        "text_version": consent.text_version,
                    }
                    for consent in consents
                ],
            }
        )
    return people


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None


async def _record(
    db: AsyncSession, actor: Actor, event: str, recording: Recording, clock: Clock, details: Mapping[str, Json]
) -> None:
    await db.flush()
    await record(
        db,
        actor,
        event,
        subject_kind="recording",
        subject_id=recording.id,
        session_id=recording.session_id,
        details=details,
        clock=clock,
    )


async def _record_session(
    db: AsyncSession, actor: Actor, event: str, session_id: str, clock: Clock, details: Mapping[str, Json]
) -> None:
    await record(
        db,
        actor,
        event,
        subject_kind="session",
        subject_id=session_id,
        session_id=session_id,
        details=details,
        clock=clock,
    )
