"""How long what is kept is kept: a period for each kind of file, legal holds, and deletion that is never silent.

Only what belongs to sealed sessions is ever due; a session that is held, and every file that another session still
needs, is left alone. What is to be deleted goes on the trail first, with the reason, then from the disk; after a crash
between the two, running it again finishes. Manifests, signatures and the trail itself are kept for ever: they prove
what there was, and that it was deleted in order.
"""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from aid.tables import Order
from records.actors import Actor, Permission
from records.clock import Clock
from records.database import Database, Json
from records.journal_reading import segment_paths
from records.refusals import Refusal
from records.session_keys import SESSION_KEY
from records.texts import clean_text
from records.trail import TrailEntry, record
from records.vault import Vault, sync_directory
from sessions.holds import REASON_MAX, held_sessions
from sessions.states import SessionState
from sessions.tables import PlaybackFile, Recording, Session
from web.settings import Settings


class Kind(StrEnum):
    """What has a period of its own."""

    RECORDING = "recording"
    PLAYBACK = "playback"
    DOCUMENT = "document"
    BANK = "bank"


KINDS: dict[Kind, str] = {
    Kind.RECORDING: "录音录像原始记录",
    Kind.PLAYBACK: "可播放的录像（能由原始记录重新生成）",
    Kind.DOCUMENT: "截图和签名",
    Kind.BANK: "银行文件和回单",
}
_DOCUMENTS = {"StillTaken": "digest", "AidSigned": "picture_digest"}
_BANK_FILES = {"BatchReleased": "file_digest", "BankAnswerTaken": "digest"}


@dataclass(frozen=True, slots=True)
class Due:
    """Something whose period is over. `digests` are files of the vault, `paths` lie elsewhere."""

    kind: Kind
    subject_id: str
    title: str
    session_id: str | None
    ended_at: datetime
    digests: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class _Sealed:
    session_id: str
    number: str
    directory: str
    ended_at: datetime


def period(settings: Settings, kind: Kind) -> timedelta | None:
    """Return how long a kind is kept after the hearing's end; None for ever."""
    days = {
        Kind.RECORDING: settings.retention_recording_days,
        Kind.PLAYBACK: settings.retention_playback_days,
        Kind.DOCUMENT: settings.retention_document_days,
        Kind.BANK: settings.retention_bank_days,
    }[kind]
    return timedelta(days=days) if days else None


async def find_due(db: AsyncSession, settings: Settings, vault: Vault, *, clock: Clock) -> list[Due]:
    """Return what may be deleted now, oldest first."""
    now, held = clock.now(), await held_sessions(db)
    sealed = {one.session_id: one for one in await _sealed_sessions(db)}

    def over(session_id: str | None, kind: Kind) -> bool:
        kept_for = period(settings, kind)
        one = sealed.get(session_id or "")
        return one is not None and session_id not in held and kept_for is not None and one.ended_at + kept_for <= now

    found: list[Due] = []
    for one in sealed.values():
        for kind, paths in (
            (Kind.RECORDING, _recording_files(settings, one)),
            (Kind.PLAYBACK, _playback_files(settings, one)),
        ):
            if paths and over(one.session_id, kind):
                found.append(Due(kind, one.session_id, one.number, one.session_id, one.ended_at, paths=paths))
    for need in await _needs(db):
        needed_by = [sealed[one] for one in need.sessions if one in sealed]
        if vault.path(need.digest).exists() and needed_by and all(over(*one) for one in need.reasons):
            last = max(needed_by, key=lambda one: one.ended_at)
            kind = need.reasons[0][1]
            found.append(Due(kind, need.digest, last.number, last.session_id, last.ended_at, digests=(need.digest,)))
    return sorted(found, key=lambda due: (due.ended_at, due.kind, due.subject_id))


@dataclass(frozen=True, slots=True)
class _Need:
    """A file of the vault, and every session that needs it, with the kind of file it is there."""

    digest: str
    reasons: tuple[tuple[str | None, Kind], ...]

    @property
    def sessions(self) -> set[str]:
        return {session_id for session_id, _ in self.reasons if session_id}


async def _needs(db: AsyncSession) -> list[_Need]:
    batches: dict[str, list[str | None]] = {}
    for batch_id, session_id in await db.execute(select(Order.batch_id, Order.session_id)):
        batches.setdefault(str(batch_id), []).append(session_id)
    reasons: dict[str, list[tuple[str | None, Kind]]] = {}
    query = select(TrailEntry).where(TrailEntry.event.in_([*_DOCUMENTS, *_BANK_FILES]))
    for entry in await db.scalars(query.order_by(TrailEntry.sequence)):
        details = json.loads(entry.details)
        if entry.event in _DOCUMENTS:
            digest, needed = details.get(_DOCUMENTS[entry.event]), [(entry.session_id, Kind.DOCUMENT)]
        else:
            sessions = batches.get(entry.subject_id, [None])
            digest, needed = details.get(_BANK_FILES[entry.event]), [(one, Kind.BANK) for one in sessions]
        if isinstance(digest, str):
            reasons.setdefault(digest, []).extend(needed)
    return [_Need(digest, tuple(needed)) for digest, needed in reasons.items()]


async def _sealed_sessions(db: AsyncSession) -> list[_Sealed]:
    query = select(Session.id, Session.number, Recording.directory, Session.ended_at).join(
        Recording, Recording.session_id == Session.id
    )
    rows = (await db.execute(query.where(Session.state == SessionState.SEALED))).all()
    return [_Sealed(row[0], row[1], row[2], row[3]) for row in rows if row[3] is not None]


def _recording_files(settings: Settings, one: _Sealed) -> tuple[Path, ...]:
    journal = settings.journals / one.directory
    if not journal.is_dir():
        return ()
    key = journal / SESSION_KEY
    # The key goes first: without it, what a crash leaves behind tells nothing.
    return (*([key] if key.exists() else []), *segment_paths(journal))


def _playback_files(settings: Settings, one: _Sealed) -> tuple[Path, ...]:
    directory = settings.playback / one.session_id
    # The key goes first here, too.
    return tuple(sorted(directory.iterdir(), key=lambda path: path.name != SESSION_KEY)) if directory.is_dir() else ()


async def delete_due(
    database: Database, settings: Settings, vault: Vault, actor: Actor, wanted: Due, reason: str, *, clock: Clock
) -> None:
    """Delete one thing that is due, after taking down who does it and why. `reason` holds no personal data.

    Raises Refusal: not_permitted, not_due (it was held, or is gone, meanwhile), text_missing, text_too_long,
    text_unreadable; OSError, and then running it again finishes.
    """
    actor.require(Permission.RUN_HOUSEKEEPING)
    reason = clean_text(reason, "reason", limit=REASON_MAX)
    async with database.begin() as db:
        due = [one for one in await find_due(db, settings, vault, clock=clock) if _same(one, wanted)]
        if not due:
            raise Refusal("not_due")
        if wanted.kind is Kind.PLAYBACK:
            await db.execute(delete(PlaybackFile).where(PlaybackFile.session_id == wanted.session_id))
        details: dict[str, Json] = {
            "kind": wanted.kind.value,
            "deleted": list(wanted.digests),
            "files": len(wanted.digests) + len(wanted.paths),
            "reason": reason,
        }
        await record(
            db,
            actor,
            "FilesDeleted",
            subject_kind="retention",
            subject_id=wanted.subject_id,
            session_id=wanted.session_id,
            details=details,
            clock=clock,
        )
    await asyncio.to_thread(_unlink, vault, due)


def _same(one: Due, other: Due) -> bool:
    return (one.kind, one.subject_id) == (other.kind, other.subject_id)


def _unlink(vault: Vault, due: Sequence[Due]) -> None:
    for one in due:
        for digest in one.digests:
            vault.delete(digest)
        for path in one.paths:
            path.unlink(missing_ok=True)
            sync_directory(path.parent)


@dataclass(frozen=True, slots=True)
class Deleted:
    """What the trail says was deleted in order."""

    recordings: frozenset[str]
    digests: frozenset[str]


def deleted_by(entries: Iterable[TrailEntry]) -> Deleted:
    """Return what these entries say was deleted: sessions whose recording is gone, digests of the vault."""
    recordings: set[str] = set()
    digests: set[str] = set()
    for entry in entries:
        if entry.event != "FilesDeleted":
            continue
        try:
            details = json.loads(entry.details)
        except ValueError:
            continue  # the chain says that this entry was changed
        digests |= {str(digest) for digest in details.get("deleted", [])}
        if details.get("kind") == Kind.RECORDING.value and entry.session_id is not None:
            recordings.add(entry.session_id)
    return Deleted(frozenset(recordings), frozenset(digests))
