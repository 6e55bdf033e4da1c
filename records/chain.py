"""The form of the trail, without a database: what an entry is, what its digest covers, what a signed head says.

Shared by the writer (`trail`) and the offline reader (`verifier`), so that the two can never differ.
"""

import base64
import errno
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TypeAlias

import rfc8785

from records.signing import SigningKey, VerifyKey

Json: TypeAlias = bool | int | str | Sequence["Json"] | Mapping[str, "Json"] | None
"""What is kept or proven as JSON: no floats, since nothing we prove is approximate."""

GENESIS = "0" * 64
"""What the first entry names as the digest before it."""


@dataclass(frozen=True, slots=True)
class ExportedEntry:
    """One entry of the trail as it leaves the database. `details` is canonical JSON text (RFC 8785).

    `salt` is random, so that the digest of an entry's content tells nothing to whoever guesses at the content.
    """

    sequence: int
    at_us: int
    actor_kind: str
    actor_id: str
    actor_name: str
    office_id: str | None
    event: str
    subject_kind: str
    subject_id: str
    session_id: str | None
    details: str
    previous: str
    digest: str
    salt: str = ""


@dataclass(frozen=True, slots=True)
class SealedEntry:
    """An entry of which nothing is told but its place in the chain: `content` is what `content_digest` says of it."""

    sequence: int
    content: str


@dataclass(frozen=True, slots=True)
class SignedHead:
    """The trail up to and including `sequence`, vouched for by a key at `at_us` (microseconds since 1970, UTC)."""

    sequence: int
    digest: str
    at_us: int
    key_id: str
    signature: str


_OPTIONAL = frozenset({"office_id", "session_id"})
_FIELDS = {field.name: int if field.name in {"sequence", "at_us"} else str for field in fields(ExportedEntry)}
_HEAD_FIELDS = {field.name: int if field.name in {"sequence", "at_us"} else str for field in fields(SignedHead)}


class HeadUnreadable(Exception):
    """A line of heads.jsonl is not a head; `number` counts from 1."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def canonical(value: object) -> bytes:
    """Return the canonical JSON (RFC 8785) of a value. Floats are refused: nothing we prove is approximate."""
    _refuse_floats(value)
    return rfc8785.dumps(value)  # type: ignore[arg-type]


class LineUnreadable(Exception):
    """A line of an exported trail is not an entry; `number` counts from 1."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def entry_line(entry: ExportedEntry) -> bytes:
    """Return an entry as one line of `trail.jsonl`, its line end included."""
    return canonical(asdict(entry)) + b"\n"


def entry_from_line(number: int, line: bytes) -> ExportedEntry:
    """Read what `entry_line` wrote. Raises LineUnreadable."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LineUnreadable(number) from error
    if not isinstance(values, dict) or values.keys() != _FIELDS.keys():
        raise LineUnreadable(number)
    for name, kind in _FIELDS.items():
        if type(values[name]) is not kind and not (values[name] is None and name in _OPTIONAL):
            raise LineUnreadable(number)
    # Another spelling of the same entry is a change all the same.
    if not _spelled(values, line.removesuffix(b"\n")) or not line.endswith(b"\n"):
        raise LineUnreadable(number)
    return ExportedEntry(**values)


def digest_of(entry: ExportedEntry) -> str:
    """Return the SHA-256 over everything in an entry but its own digest."""
    return link_digest(entry.sequence, entry.previous, content_digest(entry))


def content_digest(entry: ExportedEntry) -> str:
    """Return the SHA-256 over what an entry says, apart from its place in the chain."""
    covered = {
        "at_us": entry.at_us,
        "actor": [entry.actor_kind, entry.actor_id, entry.actor_name, entry.office_id],
        "event": entry.event,
        "subject": [entry.subject_kind, entry.subject_id],
        "session": entry.session_id,
        "details": entry.details,
        "salt": entry.salt,
    }
    return hashlib.sha256(canonical(covered)).hexdigest()


def link_digest(sequence: int, previous: str, content: str) -> str:
    """Return the digest of an entry from its place and the digest of its content.

    Digesting in two steps lets a chain be followed through entries that are not shown: an extract for one person
    carries `content` of everybody else's.
    """
    return hashlib.sha256(canonical({"sequence": sequence, "previous": previous, "content": content})).hexdigest()


def sign_head_of(sequence: int, digest: str, at_us: int, key: SigningKey) -> SignedHead:
    """Vouch for a trail that ends with `sequence` and `digest`."""
    signature = key.sign(_statement(sequence, digest, at_us, key.key_id))
    return SignedHead(sequence, digest, at_us, key.key_id, base64.b64encode(signature).decode())


def head_holds(head: SignedHead, key: VerifyKey) -> bool:
    """Tell whether the head was signed by this key and not changed since."""
    signature = read_base64(head.signature)
    statement = _statement(head.sequence, head.digest, head.at_us, head.key_id)
    return signature is not None and key.verify(signature, statement)


def read_base64(text: str) -> bytes | None:
    """Return the bytes of a base64 text in its one spelling; None for any other (the decoder ignores spare bits)."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return data if base64.b64encode(data).decode() == text else None


def append_head(path: Path, head: SignedHead) -> None:
    """Add a head to `heads.jsonl`, durable before this returns. Keep that file apart from the database.

    Raises OSError when the disk refuses, and then leaves the file as it was.
    """
    line = canonical(asdict(head)) + b"\n"
    with path.open("ab", buffering=0) as file:
        before = os.fstat(file.fileno()).st_size
        try:
            if file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(before)
            raise


def read_heads(path: Path) -> list[SignedHead]:
    """Read `heads.jsonl`; no file means no heads. Raises HeadUnreadable naming the line."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    return [_head_from(number, line) for number, line in enumerate(lines, start=1) if line]


def _head_from(number: int, line: bytes) -> SignedHead:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise HeadUnreadable(number) from error
    if not isinstance(values, dict) or values.keys() != _HEAD_FIELDS.keys():
        raise HeadUnreadable(number)
    if any(type(values[name]) is not kind for name, kind in _HEAD_FIELDS.items()):
        raise HeadUnreadable(number)
    if not _spelled(values, line):
        raise HeadUnreadable(number)
    return SignedHead(**values)


def _spelled(value: object, line: bytes) -> bool:
    try:
        return canonical(value) == line
    except (rfc8785.CanonicalizationError, UnicodeError):
        return False


def _statement(sequence: int, digest: str, at_us: int, key_id: str) -> bytes:
    # The purpose is part of what is signed: a signature over a manifest can never pass for one over a head.
    return canonical(
        {"purpose": "jiefang/trail-head/1", "sequence": sequence, "digest": digest, "at_us": at_us, "key_id": key_id}
    )


def _refuse_floats(value: object) -> None:
    if isinstance(value, float):
        raise TypeError("no floats in what is hashed")
    if isinstance(value, Mapping):
        for item in value.values():
            _refuse_floats(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_floats(item)
