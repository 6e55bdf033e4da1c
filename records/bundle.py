"""An evidence bundle: everything about one hearing that a stranger needs to check it, and how to check it.

One archive (`records.archive`), or the same files in a directory:

- `README.md`: what this is, for people.
- `recording/`: the journal's segments, manifest, signature, time stamp.
- `trail/extract.jsonl`, `trail/heads.jsonl`: what was done, and that it stands in the signed trail (see `extracts`).
- `vault/<SHA-256>`: stills, signature, manifest: what the extract speaks of.
- `playback/<seat>.webm` or `.mp4`: derived from the journal, can be made again from it.
- `composite/composite.mp4`: everybody in one picture, encoded anew for looking at; not there when it was not made.
- `opening.json`: the key that opens this recording's encrypted segments, and no other's.
- `facts.json`: payments, as the extract has them.
- `bundle.json`, `bundle.sig`: every other file with its digest, signed by the office.

The public key is not in it: who takes the key from the hands of the one he checks, checks nothing.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from rfc8785 import CanonicalizationError

from records.archive import ArchiveUnreadable, read_archive
from records.chain import ExportedEntry, Json, canonical
from records.extracts import Extract, check_extract
from records.journal_reading import KeyedJournal, read_start, segment_paths
from records.seals import read_fields, sealed_digest
from records.session_keys import SessionKey
from records.signing import VerifyKey
from records.timestamps import Authority, check_stamp
from records.verifier import Finding, verify_recording

FORM = "jiefang-evidence-1"
PURPOSE = "jiefang/evidence-bundle/1"
BUNDLE = "bundle.json"
SEAL = "bundle.sig"
README = "README.md"
FACTS = "facts.json"
EXTRACT = "trail/extract.jsonl"
HEADS = "trail/heads.jsonl"
RECORDING = "recording"
PLAYBACK = "playback"
COMPOSITE = "composite/composite.mp4"
VAULT = "vault"
OPENING = "opening.json"

_NAME = re.compile(r"(?:[a-z]+/)?[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
_KNOWN = re.compile(f"{README}|{BUNDLE}|{SEAL}|{FACTS}|{RECORDING}/|trail/")
"""What one of a bundle's own files is called."""
_PIECE = 1 << 20

VAULT_DETAILS = ("manifest", "digest", "file_digest", "answer_digest", "picture_digest", "receipt_digest")
"""In which details of trail entries the digest of a file in the vault stands."""
_OF_OTHERS_TOO = ("file_digest", "answer_digest")
"""Bank files and answers speak of everybody in a batch: a bundle names their digests and does not carry them."""
_MONEY = ("PaymentReleased", "PaymentSettled", "PaymentReturned", "BatchReleased", "BankAnswerTaken")


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a bundle."""

    name: str
    bytes: int
    sha256: str


def vault_digests(entries: Iterable[ExportedEntry]) -> list[str]:
    """Return the digests of what a bundle carries out of the vault: what these entries speak of, sorted."""
    found: set[str] = set()
    for entry in entries:
        details = _details(entry)
        names = [name for name in VAULT_DETAILS if name not in _OF_OTHERS_TOO]
        if entry.event == "BankAnswerTaken":
            continue
        found |= {str(details[name]) for name in names if isinstance(details.get(name), str)}
    return sorted(found)


def facts_of(entries: Iterable[ExportedEntry]) -> bytes:
    """Return `facts.json`: what the entries say of money, each with the entry it stands in."""
    facts = [
        {
            "event": entry.event,
            "entry": entry.sequence,
            "at_us": entry.at_us,
            "by": entry.actor_name,
            "subject": [entry.subject_kind, entry.subject_id],
            "details": _details(entry),
        }
        for entry in entries
        if entry.event in _MONEY
    ]
    return canonical({"payments": facts}) + b"\n"


def compose(members: Sequence[Member], *, facts: Mapping[str, Json], key_id: str) -> bytes:
    """Return `bundle.json`."""
    listed = [{"name": one.name, "bytes": one.bytes, "sha256": one.sha256} for one in members]
    return canonical({"form": FORM, "key_id": key_id, **facts, "members": listed}) + b"\n"


def opening_of(key: SessionKey) -> bytes:
    """Return `opening.json`."""
    return canonical({"private": key.private.hex()}) + b"\n"


def read_opening(data: bytes) -> SessionKey | None:
    """Read what `opening_of` wrote; None when it is no key."""
    fields = read_fields(data)
    try:
        private = bytes.fromhex((fields or {}).get("private", ""))
    except ValueError:
        return None
    return SessionKey(private) if len(private) == 32 else None


def recording_in(directory: Path) -> Path | KeyedJournal:
    """Return the journal of an unpacked bundle, with its key if it has one."""
    path = directory / OPENING
    key = read_opening(path.read_bytes()) if path.exists() else None
    return directory / RECORDING if key is None else KeyedJournal(directory / RECORDING, key)


def _details(entry: ExportedEntry) -> dict[str, Json]:
    try:
        details = json.loads(entry.details)
    except (ValueError, RecursionError):
        return {}
    return cast(dict[str, Json], details) if isinstance(details, dict) else {}


# Checking -----------------------------------------------------------------------------------------------------------


class _Unpacked:
    """The files of a bundle, laid out below a directory, with what was found while they were taken out."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.members: dict[str, Member] = {}
        self.findings: list[Finding] = []

    def add(self, name: str, pieces: Iterable[bytes], *, write: bool) -> None:
        """Take one file."""
        if not _NAME.fullmatch(name) or name in self.members:
            self.findings.append(Finding(False, "member_unexpected", {"name": _shown(name)}))
            for _ in pieces:
                pass
            return
        path = self.directory / name
        running, size = hashlib.sha256(), 0
        if write:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                for piece in pieces:
                    file.write(piece)
                    running.update(piece)
                    size += len(piece)
        else:
            for piece in pieces:
                running.update(piece)
                size += len(piece)
        self.members[name] = Member(name, size, running.hexdigest())

    def read(self, name: str) -> bytes | None:
        """Return the bytes of a file that is there."""
        return (self.directory / name).read_bytes() if name in self.members else None


def _unpack(bundle: Path, workspace: Path) -> _Unpacked:
    if bundle.is_dir():
        unpacked = _Unpacked(bundle)
        for path in sorted(bundle.rglob("*")):
            if path.is_file() or path.is_symlink():
                unpacked.add(path.relative_to(bundle).as_posix(), _pieces(path), write=False)
        return unpacked
    unpacked = _Unpacked(workspace)
    after = ""
    with bundle.open("rb") as file:
        try:
            for member in read_archive(file):
                unpacked.add(member.name, member.pieces(), write=True)
                after = member.name
                if not member.intact:
                    unpacked.findings.append(Finding(False, "member_checksum_wrong", {"name": _shown(member.name)}))
        except ArchiveUnreadable as error:
            params: dict[str, str | int] = {"position": error.position, "after": _shown(after)}
            unpacked.findings.append(Finding(False, "archive_changed", params))
    return unpacked


def _shown(name: str) -> str:
    """Return a name as it can be shown: whoever made the file may have put anything into it."""
    return ascii(name)[1:-1]


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def verify_bundle(
    bundle: Path, key: VerifyKey, workspace: Path, *, authority: Authority | None = None
) -> Iterator[Finding]:
    """Check a bundle, an archive or a directory, with the public key alone; `workspace` is an empty directory.

    Not ok, and then nothing else is looked at: `not_a_bundle(name)`, `other_key(theirs, given)` (it says itself that
    another key signed it). Not ok: `archive_changed(position, after)`, `member_unexpected(name)`,
    `member_checksum_wrong(name)`,
    `bundle_list_missing`, `bundle_seal_missing`, `bundle_seal_wrong`, `bundle_list_changed`, `bundle_list_unreadable`,
    `member_missing(name)`, `member_changed(name)`, `member_extra(name)`, `vault_missing(digest)`,
    `vault_changed(digest)`, `facts_differ`, `trail_missing`, `recording_unproven` (the extract names no seal),
    `opening_missing` (nothing in it opens its encrypted recording), and
    those of `check_extract`, `verify_recording` and `check_stamp` (by whose `authority`).
    Ok: `bundle_whole(files, number)`, `vault_whole(files)`, `facts_agree(payments)`.
    """
    unpacked = _unpack(bundle, workspace)
    if not any(_KNOWN.match(name) for name in unpacked.members):
        yield Finding(False, "not_a_bundle", {"name": bundle.name})
        return
    content = _read_content(unpacked.read(BUNDLE) or b"")
    theirs = None if content is None else content.get("key_id")
    if isinstance(theirs, str) and theirs != key.key_id:
        yield Finding(False, "other_key", {"theirs": ascii(theirs)[1:-1], "given": key.key_id})
        return
    yield from unpacked.findings
    listed = list(_check_list(unpacked, key))
    yield from listed
    if not unpacked.findings and all(finding.ok for finding in listed):
        yield Finding(True, "bundle_whole", {"files": len(unpacked.members), "number": _number_in(content)})
    if EXTRACT not in unpacked.members or HEADS not in unpacked.members:
        yield Finding(False, "trail_missing")
        return
    extract = check_extract(unpacked.directory / EXTRACT, unpacked.directory / HEADS, key)
    yield from extract.findings
    yield from _check_recording(unpacked, extract, key)
    yield from check_stamp(
        unpacked.directory / RECORDING, _last_detail(extract, "RecordingStamped", "stamp"), authority
    )
    yield from _check_vault(unpacked, extract)
    yield from _check_facts(unpacked, extract)


def _check_list(unpacked: _Unpacked, key: VerifyKey) -> Iterator[Finding]:
    bundle, seal = unpacked.read(BUNDLE), unpacked.read(SEAL)
    if bundle is None:
        yield Finding(False, "bundle_list_missing")
        return
    if seal is None:
        yield Finding(False, "bundle_seal_missing")
    else:
        signed = sealed_digest(seal, PURPOSE, "bundle", key)
        if signed is None:
            yield Finding(False, "bundle_seal_wrong")
        elif signed != hashlib.sha256(bundle).hexdigest():
            yield Finding(False, "bundle_list_changed")
    listed = _read_list(bundle)
    if listed is None:
        yield Finding(False, "bundle_list_unreadable")
        return
    found = {name: member for name, member in unpacked.members.items() if name not in (BUNDLE, SEAL)}
    for name, member in listed.items():
        if name not in found:
            yield Finding(False, "member_missing", {"name": name})
        elif found[name] != member:
            yield Finding(False, "member_changed", {"name": name})
    for name in sorted(found.keys() - listed.keys()):
        yield Finding(False, "member_extra", {"name": name})


def _read_content(bundle: bytes) -> dict[str, Json] | None:
    try:
        content = json.loads(bundle)
        if content["form"] != FORM or canonical(content) + b"\n" != bundle:
            return None
    except (ValueError, KeyError, TypeError, RecursionError, CanonicalizationError):
        return None
    return cast(dict[str, Json], content)


def _number_in(content: Mapping[str, Json] | None) -> str:
    """Return the number of the hearing that a bundle says it is of."""
    session = None if content is None else content.get("session")
    return str(session.get("number", "")) if isinstance(session, Mapping) else ""


def _read_list(bundle: bytes) -> dict[str, Member] | None:
    content = cast(dict[str, list[dict[str, str | int]]] | None, _read_content(bundle))
    if content is None:
        return None
    try:
        members = [Member(str(row["name"]), int(row["bytes"]), str(row["sha256"])) for row in content["members"]]
    except (ValueError, KeyError, TypeError):
        return None
    if not all(_NAME.fullmatch(member.name) for member in members):
        return None
    return {member.name: member for member in members}


def _check_recording(unpacked: _Unpacked, extract: Extract, key: VerifyKey) -> Iterator[Finding]:
    manifest = _last_detail(extract, "RecordingSealed", "manifest")
    if manifest is None:
        yield Finding(False, "recording_unproven")
        return
    directory = unpacked.directory / RECORDING
    if not directory.is_dir():
        yield Finding(False, "manifest_missing")
        return
    opening = unpacked.read(OPENING)
    session_key = None if opening is None else read_opening(opening)
    if session_key is None and any((start := read_start(path)) and start.enclosed for path in segment_paths(directory)):
        yield Finding(False, "opening_missing")
    yield from verify_recording(directory, key, manifest_digest=manifest, session_key=session_key, key_elsewhere=True)


def _last_detail(extract: Extract, event: str, name: str) -> str | None:
    details = [_details(entry) for entry in extract.shown if entry.event == event]
    return str(details[-1].get(name)) if details else None


def _check_vault(unpacked: _Unpacked, extract: Extract) -> Iterator[Finding]:
    wanted = vault_digests(extract.shown)
    whole = 0
    for digest in wanted:
        member = unpacked.members.get(f"{VAULT}/{digest}")
        if member is None:
            yield Finding(False, "vault_missing", {"digest": digest})
        elif member.sha256 != digest:
            yield Finding(False, "vault_changed", {"digest": digest})
        else:
            whole += 1
    if whole == len(wanted):
        yield Finding(True, "vault_whole", {"files": whole})


def _check_facts(unpacked: _Unpacked, extract: Extract) -> Iterator[Finding]:
    facts = facts_of(extract.shown)
    if unpacked.read(FACTS) != facts:
        yield Finding(False, "facts_differ")
        return
    yield Finding(True, "facts_agree", {"payments": len(json.loads(facts)["payments"])})
