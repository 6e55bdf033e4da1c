"""`jiefang verify`: everything that an installation keeps, checked against the office's public key alone."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Select, select
from sqlalchemy.exc import DatabaseError

from aid import ledger
from records.bundle import PLAYBACK, RECORDING, recording_in, verify_bundle
from records.chain import HeadUnreadable
from records.database import Database
from records.manifests import MANIFEST
from records.personal import PersonalData
from records.signing import KeyUnreadable, VerifyKey
from records.timestamps import Authority, check_stamp
from records.trail import TrailEntry, read_heads
from records.verifier import Finding, verify_recording, verify_trail, verify_vault
from sessions.tables import Recording, RecordingState, Session
from signaling.media.comparing import PlaybackUnreadable, content_digest
from signaling.media.playback import SUFFIXES, remux
from web.findings import describe, reason_of
from web.proofs import vault_digests, without_deleted
from web.retention import deleted_by

NO_KEY = "公钥读不出来，没有办法核对。请用 --key 指出公钥文件（office-public.pem）。"


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, as sentences; `whole` when nothing was wrong."""

    whole: bool
    lines: tuple[str, ...]


async def verify_installation(var: Path, key_file: Path | None, authority: Authority | None = None) -> Report:
    """Check trail, recordings, vault and books below `var`. Reads only; the server may run meanwhile."""
    data = var / "data"
    try:
        key = VerifyKey.load(key_file or data / "office-public.pem")
    except (KeyUnreadable, OSError):
        return Report(False, (NO_KEY,))
    lines = [f"公钥编号 {key.key_id}"]
    whole = True
    async for where, finding in _findings(var, data, key, authority):
        whole = whole and finding.ok
        lines.append(f"{'✓' if finding.ok else '✗'} {where}{describe(finding)}")
    lines.append("全部核对过，没有被改动。" if whole else "发现问题：有 ✗ 的地方被改动过，或无法证明。")
    return Report(whole, tuple(lines))


def verify_evidence(bundle: Path, key_file: Path, rebuild: Path | None, authority: Authority | None = None) -> Report:
    """Check an evidence bundle with the public key alone; with `rebuild`, make its playback files again there.

    Blocking: reads the whole bundle, and needs room for it once more in the directory for temporary files.
    """
    try:
        key = VerifyKey.load(key_file)
    except (KeyUnreadable, OSError):
        return Report(False, (NO_KEY,))
    lines = [f"公钥编号 {key.key_id}"]
    whole = True
    with tempfile.TemporaryDirectory() as workspace:
        opened = bundle if bundle.is_dir() else Path(workspace)
        for finding in _evidence_findings(bundle, key, opened, rebuild, authority):
            whole = whole and finding.ok
            lines.append(f"{'✓' if finding.ok else '✗'} {describe(finding)}")
    lines.append("全部核对过，没有被改动。" if whole else "发现问题：有 ✗ 的地方被改动过，或无法证明。")
    return Report(whole, tuple(lines))


def _evidence_findings(
    bundle: Path, key: VerifyKey, opened: Path, rebuild: Path | None, authority: Authority | None
) -> Iterator[Finding]:
    try:
        yield from verify_bundle(bundle, key, opened, authority=authority)
    except OSError as error:
        yield Finding(False, "bundle_unreadable", {"name": reason_of(error)})
        return
    if rebuild is not None and (opened / RECORDING).is_dir():
        try:
            yield from rebuild_playback(opened, rebuild)
        except OSError as error:
            yield Finding(False, "rebuild_failed", {"why": reason_of(error)})


def rebuild_playback(opened: Path, output: Path) -> Iterator[Finding]:
    """Make the playback files of an unpacked bundle again from its journal, and compare what they hold.

    Not ok: `playback_differs(name, who)`, `playback_missing(name, who)` (in the bundle), `playback_not_made(name, who)`
    (from the journal). Ok: `playback_same(name, who)`, `playback_none`. Raises OSError when they cannot be written.
    """
    made = {file.path.name: file.path for file in remux(recording_in(opened), output)}
    people = _people_in(opened / RECORDING / MANIFEST)
    kept = {path.name: path for path in sorted((opened / PLAYBACK).glob("*")) if path.suffix in SUFFIXES}
    if not made and not kept:
        yield Finding(True, "playback_none")
    for name in sorted(made.keys() | kept.keys()):
        told = {"name": name, "who": people.get(Path(name).stem, "没有记名的人")}
        if name not in kept:
            yield Finding(False, "playback_missing", told)
        elif name not in made:
            yield Finding(False, "playback_not_made", told)
        elif _same_content(made[name], kept[name]):
            yield Finding(True, "playback_same", told)
        else:
            yield Finding(False, "playback_differs", told)


def _people_in(manifest: Path) -> dict[str, str]:
    """Return who sat in which seat, as the manifest has it, whether that holds or not."""
    try:
        return {str(person["seat"]): str(person["name"]) for person in json.loads(manifest.read_bytes())["people"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def _same_content(one: Path, other: Path) -> bool:
    try:
        return content_digest(one) == content_digest(other)
    except PlaybackUnreadable:
        return False


async def _findings(
    var: Path, data: Path, key: VerifyKey, authority: Authority | None
) -> AsyncIterator[tuple[str, Finding]]:
    database = Database(f"sqlite+aiosqlite:///{(var / 'jiefang.sqlite').absolute()}", personal=PersonalData(bytes(32)))
    try:
        async with database.read() as db:
            entries = list(await db.scalars(select(TrailEntry).order_by(TrailEntry.sequence)))
            recordings = list((await db.execute(_sealed())).all())
            books = await ledger.audit(db)
    except (DatabaseError, ValueError):
        # SQLite says "malformed" for some changed bytes, and hands out impossible values for others.
        yield "", Finding(False, "trail_unreadable")
        return
    finally:
        await database.dispose()
    for finding in await asyncio.to_thread(lambda: list(_check_trail(data, entries, key))):
        yield "", finding
    stamps = {entry.subject_id: _stamp_of(entry) for entry in entries if entry.event == "RecordingStamped"}
    deleted = deleted_by(entries)
    for recording_id, session_id, number, directory, manifest in recordings:
        journal, stamp = data / "journals" / directory, stamps.get(recording_id)
        found = await asyncio.to_thread(_check_recording, journal, key, manifest, stamp, authority)
        for finding in without_deleted(found) if session_id in deleted.recordings else found:
            yield f"{number}：", finding
    digests = {digest for entry in entries for digest in vault_digests(entry)} - deleted.digests
    if deleted.digests:
        yield "", Finding(True, "vault_deleted", {"files": len(deleted.digests)})
    for finding in await asyncio.to_thread(lambda: list(verify_vault(data / "vault", digests, key))):
        yield "", finding
    for finding in _check_books(books):
        yield "", finding


def _sealed() -> Select[str, str, str, str, str | None]:
    return (
        select(Recording.id, Session.id, Session.number, Recording.directory, Recording.manifest_digest)
        .join(Session, Recording.session_id == Session.id)
        .where(Recording.state == RecordingState.SEALED)
        .order_by(Session.number)
    )


def _check_trail(data: Path, entries: Iterable[TrailEntry], key: VerifyKey) -> Iterator[Finding]:
    try:
        heads = read_heads(data / "heads.jsonl")
    except HeadUnreadable as error:
        yield Finding(False, "head_line_unreadable", {"line": error.number})
        return
    yield from verify_trail([entry.exported() for entry in entries], heads, key)


def _stamp_of(entry: TrailEntry) -> str | None:
    try:
        stamp = json.loads(entry.details)["stamp"]
    except (ValueError, KeyError, TypeError):
        return None  # the chain says that this entry was changed
    return str(stamp)


def _check_recording(
    directory: Path, key: VerifyKey, manifest: str | None, stamp: str | None, authority: Authority | None
) -> list[Finding]:
    return [
        *verify_recording(directory, key, manifest_digest=manifest),
        *check_stamp(directory, stamp, authority),
    ]


def _check_books(problems: Iterable[str]) -> Iterator[Finding]:
    wrong = [Finding(False, "books_wrong", {"what": problem}) for problem in problems]
    yield from wrong or [Finding(True, "books_whole")]
