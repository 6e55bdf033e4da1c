"""What a page claims about evidence, checked at the moment it is shown."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from sqlalchemy import select

from records.bundle import VAULT_DETAILS
from records.master_keys import MasterKeyMissing, MasterKeys
from records.session_keys import SessionKey, SessionKeyUnreadable, load_session_key
from records.trail import TrailEntry, entries_of
from records.verifier import Finding, verify_recording, verify_vault
from sessions.tables import Recording
from web.findings import describe
from web.keys import DATABASE, SETTINGS, SIGNING_KEY
from web.retention import deleted_by


@dataclass(frozen=True, slots=True)
class Proof:
    """What was checked just now, and what was found."""

    whole: bool
    sentence: str
    problems: tuple[str, ...]


def vault_digests(entry: TrailEntry) -> list[str]:
    """Return the digests of the vault's files that an entry speaks of."""
    try:
        details = json.loads(entry.details)
    except ValueError:
        return []  # the chain says that this entry was changed
    return [details[name] for name in VAULT_DETAILS if isinstance(details.get(name), str)]


async def proof_of_recording(app: web.Application, session_id: str) -> Proof:
    """Check the recording of a sealed session byte by byte, and every file that its trail speaks of."""
    settings = app[SETTINGS]
    async with app[DATABASE].read() as db:
        entries = await entries_of(db, session_id=session_id)
        manifest = await db.scalar(select(Recording.manifest_digest).where(Recording.session_id == session_id))
    deleted = deleted_by(entries)
    digests = sorted({digest for entry in entries for digest in vault_digests(entry)} - deleted.digests)

    def check() -> Sequence[Finding]:
        key = app[SIGNING_KEY].public
        journal = settings.journals / session_id
        opened_by = _session_key(journal, settings.master_keys)
        recording = list(verify_recording(journal, key, manifest_digest=manifest, session_key=opened_by))
        if session_id in deleted.recordings:
            recording = without_deleted(recording)
        return [*recording, *verify_vault(settings.data_dir / "vault", digests, key)]

    findings = await asyncio.to_thread(check)
    problems = tuple(describe(finding) for finding in findings if not finding.ok)
    sentence = f"{len(entries)} 条记录、1 份录音录像、{len(digests)} 份文件逐一核对"
    outcome = "发现下面的问题" if problems else "没有被改动"
    return Proof(not problems, f"{sentence}，{outcome}。", problems)


def _session_key(journal: Path, master: MasterKeys) -> SessionKey | None:
    try:
        return load_session_key(journal, master)
    except (SessionKeyUnreadable, MasterKeyMissing):
        return None  # what is wrong with it is found without opening anything


GONE_IN_ORDER = ("segment_missing", "session_key_missing", "recording_whole")
"""What is found of a recording that was deleted in order, or is just being deleted: its key goes first."""


def without_deleted(findings: Sequence[Finding]) -> list[Finding]:
    """Return what was found about a recording whose segments were deleted in order: that they are gone is no fault."""
    rest = [finding for finding in findings if finding.code not in GONE_IN_ORDER]
    return [*rest, Finding(True, "recording_deleted")]
