"""The form of the trail, without a database: what an entry is, what its digest covers, what a signed head says.

Shared by the writer (`trail`) and the offline reader (`verifier`), so that the two can never differ.
"""

import base64
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    """One entry of the trail as it leaves the database. `details` is canonical JSON text (RFC 8785)."""

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


@dataclass(frozen=True, slots=True)
class SignedHead:
    """The trail up to and including `sequence`, vouched for by a key at `at_us` (microseconds since 1970, UTC)."""

    sequence: int
    digest: str
    at_us: int
    key_id: str
    signature: str


class HeadUnreadable(Exception):
    """A line of heads.jsonl is not a head."""


def canonical(value: object) -> bytes:
    """Return the canonical JSON (RFC 8785) of a value. Floats are refused: nothing we prove is approximate."""
    _refuse_floats(value)
    return rfc8785.dumps(value)  # type: ignore[arg-type]


def digest_of(entry: ExportedEntry) -> str:
    """Return the SHA-256 over everything in an entry but its own digest."""
    covered = {
        "sequence": entry.sequence,
        "at_us": entry.at_us,
        "actor": [entry.actor_kind, entry.actor_id, entry.actor_name, entry.office_id],
        "event": entry.event,
        "subject": [entry.subject_kind, entry.subject_id],
        "session": entry.session_id,
        "details": entry.details,
        "previous": entry.previous,
    }
    return hashlib.sha256(canonical(covered)).hexdigest()


def sign_head_of(sequence: int, digest: str, at_us: int, key: SigningKey) -> SignedHead:
    """Vouch for a trail that ends with `sequence` and `digest`."""
    signature = key.sign(_statement(sequence, digest, at_us, key.key_id))
    return SignedHead(sequence, digest, at_us, key.key_id, base64.b64encode(signature).decode())


def head_holds(head: SignedHead, key: VerifyKey) -> bool:
    """Tell whether the head was signed by this key and not changed since."""
    try:
        signature = base64.b64decode(head.signature, validate=True)
    except ValueError:
        return False
    return key.verify(signature, _statement(head.sequence, head.digest, head.at_us, head.key_id))


def append_head(path: Path, head: SignedHead) -> None:
    """Add a head to `heads.jsonl`, durable before this returns. Keep that file apart from the database."""
    line = json.dumps(
        {
            "sequence": head.sequence,
            "digest": head.digest,
            "at_us": head.at_us,
            "key_id": head.key_id,
            "signature": head.signature,
        }
    )
    with path.open("ab") as file:
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_heads(path: Path) -> list[SignedHead]:
    """Read `heads.jsonl`; no file means no heads. Raises HeadUnreadable naming the line."""
    if not path.exists():
        return []
    return [
        _head_from(number, line) for number, line in enumerate(path.read_text().splitlines(), start=1) if line.strip()
    ]


def _head_from(number: int, line: str) -> SignedHead:
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise HeadUnreadable(f"line {number}") from error
    if not isinstance(fields, Mapping):
        raise HeadUnreadable(f"line {number}")
    sequence, at_us = fields.get("sequence"), fields.get("at_us")
    texts = [fields.get(name) for name in ("digest", "key_id", "signature")]
    if type(sequence) is not int or type(at_us) is not int or not all(isinstance(text, str) for text in texts):
        raise HeadUnreadable(f"line {number}")
    digest, key_id, signature = map(str, texts)
    return SignedHead(sequence, digest, at_us, key_id, signature)


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
