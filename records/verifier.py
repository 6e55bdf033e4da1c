"""Proves, offline and with the public key alone, that nothing was changed; or says what was.

Everything here reads exported entries and files; nothing asks the database or the server, which may be what lies. What
is found comes as `Finding`s: `web` makes the sentences.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rfc8785 import CanonicalizationError

from records.chain import (
    GENESIS,
    ExportedEntry,
    HeadUnreadable,
    Json,
    LineUnreadable,
    SignedHead,
    canonical,
    digest_of,
    entry_from_line,
    head_holds,
    read_heads,
)
from records.journal_reading import SEGMENT_NAME, read_start
from records.journal_records import JournalFault, Packet, Sealed, read_segment
from records.manifests import FORM, MANIFEST, SIGNATURE, signed_digest
from records.session_keys import SESSION_KEY, SessionKey, session_key_holds
from records.signing import VerifyKey
from records.vault import Vault, VaultDamaged

_HASH_BYTES = 1 << 20
RECESS_SLACK_MS = 1000
"""By how much the moment of a recess's mark may differ from that of the last and the first packet around it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked. `ok` false: something was changed, or cannot be proven; `code` says what."""

    ok: bool
    code: str
    params: Mapping[str, str | int] = field(default_factory=dict)


def _bad(code: str, **params: str | int) -> Finding:
    return Finding(False, code, params)


def _good(code: str, **params: str | int) -> Finding:
    return Finding(True, code, params)


# The trail ----------------------------------------------------------------------------------------------------------


def verify_trail(entries: Iterable[ExportedEntry], heads: Sequence[SignedHead], key: VerifyKey) -> Iterator[Finding]:
    """Check a trail, in the order it was exported, against its own chain and against signed heads kept elsewhere.

    Not ok: `entry_changed(sequence)`, `entries_missing(first, last)`, `entry_out_of_place(sequence)` (inserted, doubled
    or reordered), `chain_broken(sequence)` (it does not follow the entry before it), `head_forged(sequence)`,
    `heads_of_another_key(heads)` (not one of them is this key's),
    `trail_rewritten(first, last)` (the entries between two heads agree among themselves, but not with the later head),
    `tail_cut(first, last)`, `heads_missing(entries)` (nothing can prove the tail). Ok: `trail_whole(entries, signed)`,
    `trail_unsigned_tail(first, last)` (written after the newest head: chained, not yet vouched for).
    """
    holding = [head for head in heads if head_holds(head, key)]
    yield from forged_heads(heads, holding)
    chain = _Chain(wanted={head.sequence for head in holding})
    broken = False
    for entry in entries:
        for finding in chain.follow(entry):
            broken = True
            yield finding
    against_heads = list(_check_heads(chain, holding))
    yield from against_heads
    if broken or len(holding) != len(heads) or not all(finding.ok for finding in against_heads):
        return
    yield _good("trail_whole", entries=chain.last, signed=max((head.sequence for head in holding), default=0))


def forged_heads(heads: Sequence[SignedHead], holding: Collection[SignedHead]) -> Iterator[Finding]:
    """Tell which heads do not hold: `head_forged(sequence)`; when none does, once, `heads_of_another_key(heads)`."""
    if heads and not holding:
        yield _bad("heads_of_another_key", heads=len(heads))
        return
    for head in heads:
        if head not in holding:
            yield _bad("head_forged", sequence=head.sequence)


class _Chain:
    """Follows entries one by one, keeping only the digests that a head speaks of."""

    def __init__(self, wanted: set[int]) -> None:
        self.last = 0
        self.digest = GENESIS
        self.digests = {0: GENESIS} if 0 in wanted else {}
        self._wanted = wanted

    def follow(self, entry: ExportedEntry) -> Iterator[Finding]:
        expected = self.last + 1
        if entry.sequence < expected:
            # Keep to what was read before it: one misplaced entry is one finding, not a hundred.
            yield _bad("entry_out_of_place", sequence=entry.sequence)
            return
        if entry.sequence > expected:
            yield _bad("entries_missing", first=expected, last=entry.sequence - 1)
        elif entry.previous != self.digest:
            yield _bad("chain_broken", sequence=entry.sequence)
        if recomputed_digest(entry) != entry.digest:
            yield _bad("entry_changed", sequence=entry.sequence)
        self.last, self.digest = entry.sequence, entry.digest
        if entry.sequence in self._wanted:
            self.digests[entry.sequence] = entry.digest


def recomputed_digest(entry: ExportedEntry) -> str | None:
    """Return the digest that an entry should have; None when it holds what no entry of ours can."""
    try:
        return digest_of(entry)
    except (CanonicalizationError, UnicodeError):
        return None


def _check_heads(chain: _Chain, heads: Sequence[SignedHead]) -> Iterator[Finding]:
    if not heads:
        if chain.last:
            yield _bad("heads_missing", entries=chain.last)
        return
    agreed = 0
    for head in sorted(heads, key=lambda head: head.sequence):
        if head.sequence > chain.last:
            continue
        if chain.digests.get(head.sequence) == head.digest:
            agreed = head.sequence
        else:
            yield _bad("trail_rewritten", first=min(agreed + 1, head.sequence), last=head.sequence)
    newest = max(head.sequence for head in heads)
    if newest > chain.last:
        yield _bad("tail_cut", first=chain.last + 1, last=newest)
    elif newest < chain.last:
        yield _good("trail_unsigned_tail", first=newest + 1, last=chain.last)


def verify_trail_files(trail: Path, heads: Path, key: VerifyKey) -> Iterator[Finding]:
    """Check an exported `trail.jsonl` against `heads.jsonl`.

    Beside those of `verify_trail`, not ok: `line_unreadable(line)`, `head_line_unreadable(line)`.
    """
    try:
        known = read_heads(heads)
    except HeadUnreadable as error:
        yield _bad("head_line_unreadable", line=error.number)
        return
    unreadable: list[int] = []
    findings = list(verify_trail(_read_entries(trail, unreadable), known, key))
    yield from (_bad("line_unreadable", line=number) for number in unreadable)
    yield from (finding for finding in findings if not (unreadable and finding.code == "trail_whole"))


def _read_entries(path: Path, unreadable: list[int]) -> Iterator[ExportedEntry]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield entry_from_line(number, line)
            except LineUnreadable as error:
                unreadable.append(error.number)


# Recordings ---------------------------------------------------------------------------------------------------------


def verify_recording(
    directory: Path,
    key: VerifyKey,
    *,
    manifest_digest: str | None = None,
    session_key: SessionKey | None = None,
    key_elsewhere: bool = False,
) -> Iterator[Finding]:
    """Check a sealed recording: signature, manifest, every segment and the chain through them.

    `manifest_digest` is what the trail says of it, if known: then an older or another recording's seal is found too.
    `session_key` opens an encrypted recording, and so lets every packet around a recess be looked at; `key_elsewhere`:
    it does not lie beside the recording, as in a bundle.
    Not ok: `manifest_missing`, `signature_missing`, `signature_wrong` (changed, or another key's), `manifest_changed`,
    `manifest_unreadable`, `manifest_replaced` (well signed, but not the one on the trail),
    `segment_missing(name, began, ended)`, `segment_changed(name, began, ended)`, `segment_extra(name)`,
    `segment_unchained(name)`, `sealed_with_fault(fault, name)` (it was so already when it was sealed: codes of
    `records.manifests.Fault`), `sealed_too_short` (as was the whole of it), `session_key_changed`,
    `session_key_missing` (nothing was changed, and nobody can see or hear it any more), `segment_locked(name)` (the
    session's key does not open it), `recess_packets(name, packets, at, began, ended)` (sound or pictures that arrived
    in a recess, the first of them at `at`), `recess_recorded(name, began, ended)` (a whole segment of them, which
    could not be opened).
    Ok: `recording_whole(segments, duration_ms)`, `recess(began, ended)` (nothing was to be recorded),
    `gap(began, lost_ms)` (nothing was recorded, as the seal says),
    `segment_torn(name)` (the server stopped while it was written; what came before is there).
    """
    manifest, findings = _check_seal(directory, key, manifest_digest)
    yield from findings
    if manifest is None:
        return
    content = _read_manifest(manifest)
    if content is None:
        yield _bad("manifest_unreadable")
        return
    found = [
        *_check_segments(directory, content.segments),
        *_sealed_faults(content.faults),
        *(_good("gap", began=_clock(from_ms), lost_ms=to_ms - from_ms) for from_ms, to_ms in content.gaps),
        *_check_recesses(directory, content, session_key),
    ]
    if not session_key_holds(directory, key):
        found.append(_bad("session_key_changed"))
    found += _check_key(directory, content.segments, session_key, beside=not key_elsewhere)
    yield from found
    if not findings and all(finding.ok for finding in found):
        yield _good("recording_whole", segments=len(content.segments), duration_ms=content.duration_ms)


def _check_seal(directory: Path, key: VerifyKey, expected: str | None) -> tuple[bytes | None, list[Finding]]:
    manifest, signature = _read(directory / MANIFEST), _read(directory / SIGNATURE)
    if manifest is None:
        return None, [_bad("manifest_missing")]
    digest = hashlib.sha256(manifest).hexdigest()
    if signature is None:
        return manifest, [_bad("signature_missing")]
    signed = signed_digest(signature, key)
    if signed is None:
        # The signature vouches for nothing; whether the manifest is as it was, only the trail can tell.
        changed = [_bad("manifest_changed")] if expected not in (None, digest) else []
        return manifest, [_bad("signature_wrong"), *changed]
    if signed != digest:
        return manifest, [_bad("manifest_changed")]
    if expected not in (None, digest):
        return manifest, [_bad("manifest_replaced")]
    return manifest, []


@dataclass(frozen=True, slots=True)
class _Listed:
    name: str
    digest: str
    previous: str
    started_at_us: int
    ended_at_us: int
    packets: int


@dataclass(frozen=True, slots=True)
class _Manifest:
    duration_ms: int
    segments: list[_Listed]
    faults: list[tuple[str, str]]
    gaps: list[tuple[int, int]]
    recesses: list[tuple[int, int]]


def _read_manifest(manifest: bytes) -> _Manifest | None:
    try:
        content = json.loads(manifest)
        if content["form"] != FORM or type(content["duration_ms"]) is not int or canonical(content) != manifest:
            return None
        listed = [_listed(row) for row in content["segments"]]
        faults = [(str(row["code"]), str(row["segment"])) for row in content["faults"]]
        gaps = _spans(content["gaps"])
        recesses = _spans(content.get("recesses", ()))  # a recording from before there were any has none
    except (ValueError, KeyError, TypeError, RecursionError, CanonicalizationError):
        return None
    # A name is a name in this directory: a manifest leads nowhere else.
    if not all(SEGMENT_NAME.fullmatch(entry.name) for entry in listed):
        return None
    return _Manifest(content["duration_ms"], listed, faults, gaps, recesses)


def _spans(rows: Iterable[Mapping[str, Json]]) -> list[tuple[int, int]]:
    return [(int(str(row["from_ms"])), int(str(row["to_ms"]))) for row in rows]


def _listed(row: Mapping[str, Json]) -> _Listed:
    times = [int(str(row[name])) for name in ("started_at_us", "ended_at_us", "packets")]
    return _Listed(str(row["name"]), str(row["digest"]), str(row["previous"]), *times)


def _check_recesses(directory: Path, content: _Manifest, session_key: SessionKey | None) -> Iterator[Finding]:
    """Look whether anything was recorded in a recess: packet by packet, or what cannot be opened by whole segments."""
    begins_us = _begins_us(content.segments)
    for from_ms, to_ms in content.recesses:
        spoken = {"began": _clock(from_ms), "ended": _clock(to_ms)}
        yield _good("recess", **spoken)
        quiet = range(begins_us + (from_ms + RECESS_SLACK_MS) * 1000, begins_us + (to_ms - RECESS_SLACK_MS) * 1000)
        for segment in content.segments:
            if not segment.packets or segment.ended_at_us < quiet.start or segment.started_at_us >= quiet.stop:
                continue
            arrivals = _arrivals(directory / segment.name, session_key)
            if arrivals is None:
                if segment.started_at_us in quiet and segment.ended_at_us in quiet:
                    yield _bad("recess_recorded", name=segment.name, **spoken)
                continue
            wrong = [at_us for at_us in arrivals if at_us in quiet]
            if wrong:
                at = _clock((min(wrong) - begins_us) // 1000)
                yield _bad("recess_packets", name=segment.name, packets=len(wrong), at=at, **spoken)


def _arrivals(path: Path, session_key: SessionKey | None) -> list[int] | None:
    """Return when each packet of a segment arrived; None when some cannot be opened, or the segment is gone."""
    data = _read(path)
    if data is None:
        return None
    arrivals: list[int] = []
    for record in read_segment(path.name, data, session_key):
        if isinstance(record, Packet):
            arrivals.append(record.arrival_us)
        elif isinstance(record, Sealed) or (isinstance(record, JournalFault) and record.code == "chunk_unreadable"):
            return None
    return arrivals


def _begins_us(listed: Sequence[_Listed]) -> int:
    return next((segment.started_at_us for segment in listed if segment.started_at_us), 0)


def _clock(elapsed_ms: int) -> str:
    minutes, seconds = divmod(elapsed_ms // 1000, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"


def _sealed_faults(faults: Sequence[tuple[str, str]]) -> Iterator[Finding]:
    for code, name in faults:
        if code == "segment_torn":
            yield _good("segment_torn", name=name)
        elif code == "shorter_than_held":
            yield _bad("sealed_too_short")
        elif code != "chain_broken":  # seen as `segment_unchained`
            yield _bad("sealed_with_fault", fault=code, name=name)


def _check_segments(directory: Path, listed: Sequence[_Listed]) -> Iterator[Finding]:
    before = ""
    begins_us = _begins_us(listed)
    for entry in listed:
        digest = _file_digest(directory / entry.name)
        times = [_clock(max(0, at_us - begins_us) // 1000) for at_us in (entry.started_at_us, entry.ended_at_us)]
        if digest is None:
            yield _bad("segment_missing", name=entry.name, began=times[0], ended=times[1])
        elif digest != entry.digest:
            yield _bad("segment_changed", name=entry.name, began=times[0], ended=times[1])
        if entry.previous != before:
            yield _bad("segment_unchained", name=entry.name)
        before = entry.digest
    names = {entry.name for entry in listed}
    for path in sorted(directory.iterdir()):
        if SEGMENT_NAME.fullmatch(path.name) and path.name not in names:
            yield _bad("segment_extra", name=path.name)


def _check_key(
    directory: Path, listed: Sequence[_Listed], session_key: SessionKey | None, *, beside: bool
) -> Iterator[Finding]:
    starts = [start for entry in listed if (start := read_start(directory / entry.name)) and start.enclosed]
    if beside and starts and not (directory / SESSION_KEY).exists():
        yield _bad("session_key_missing")
    for start in starts:
        if session_key is not None and session_key.opener(start.hearing_id, start.enclosed) is None:
            yield _bad("segment_locked", name=start.name)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _file_digest(path: Path) -> str | None:
    running = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_HASH_BYTES):
                running.update(piece)
    except FileNotFoundError:
        return None
    return running.hexdigest()


# The vault ----------------------------------------------------------------------------------------------------------


def verify_vault(root: Path, digests: Iterable[str], key: VerifyKey) -> Iterator[Finding]:
    """Check that what the record refers to is in the vault, byte for byte; encrypted files without decrypting them.

    Not ok: `vault_missing(digest)`, `vault_changed(digest)`, `vault_reference_wrong(digest)`. Ok: `vault_whole(files)`.
    """
    vault = Vault(root)
    wanted = sorted(set(digests))
    whole = 0
    for digest in wanted:
        try:
            vault.check(digest, key)
        except VaultDamaged as error:
            yield _bad(f"vault_{error.reason}", digest=digest)
        except ValueError:
            yield _bad("vault_reference_wrong", digest=digest)
        else:
            whole += 1
    if whole == len(wanted):
        yield _good("vault_whole", files=whole)
