"""Sealing: what was recorded, and what the record knows of the hearing, in one signed manifest."""

import asyncio
import dataclasses
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from records.actors import Actor, ActorKind, Permission
from records.clock import Clock
from records.database import Json
from records.manifests import Fault, Recess, Survey, compose, seal_directory, survey, with_recesses
from records.refusals import Refusal
from records.signing import SigningKey
from records.vault import Vault
from sessions.actors import require_host, seats_of, session_of
from sessions.entries import record_about_recording
from sessions.recesses import recesses_of
from sessions.recordings import recording_of
from sessions.states import SessionEvent, advance
from sessions.tables import Consent, Mark, Office, PresenceSpan, Recording, RecordingState, Session

SHORTER_MS_MAX = 1500
"""By how much a journal may end before the hearing did: nobody need say anything in the last second."""


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
    recording = await recording_of(db, session_id)
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
    await record_about_recording(db, actor, "RecordingSealed", recording, details, clock=clock)
    return recording


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
