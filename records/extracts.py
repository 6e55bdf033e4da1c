"""An extract of the trail: the entries of one matter in full, everybody else's as digests, between signed heads.

`extract.jsonl` has one line an entry without a gap: shown ones as `chain.entry_line` writes them, sealed ones as
`{"content":…,"sequence":…}`. So the chain can be computed through from one signed head to another, and nobody's data
leaves but that of the matter. What an extract cannot prove by itself: that none of the sealed entries belongs to the
matter too. Whoever doubts that asks the office to open a certain entry; its content must have the digest given here.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from records.chain import (
    GENESIS,
    ExportedEntry,
    HeadUnreadable,
    LineUnreadable,
    SealedEntry,
    SignedHead,
    canonical,
    content_digest,
    entry_from_line,
    entry_line,
    head_holds,
    link_digest,
    read_heads,
)
from records.signing import VerifyKey
from records.verifier import Finding, forged_heads, recomputed_digest

Line: TypeAlias = ExportedEntry | SealedEntry


def line_of(entry: ExportedEntry, *, shown: bool) -> bytes:
    """Return an entry as one line of an extract, in full or sealed."""
    if shown:
        return entry_line(entry)
    return canonical(asdict(SealedEntry(entry.sequence, content_digest(entry)))) + b"\n"


def read_line(number: int, line: bytes) -> Line:
    """Read what `line_of` wrote. Raises LineUnreadable."""
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LineUnreadable(number) from error
    if not isinstance(values, dict) or values.keys() != {"content", "sequence"}:
        return entry_from_line(number, line)
    sequence, content = values["sequence"], values["content"]
    if type(sequence) is not int or type(content) is not str:
        raise LineUnreadable(number)
    entry = SealedEntry(sequence, content)
    if line != canonical(asdict(entry)) + b"\n":
        raise LineUnreadable(number)
    return entry


def heads_around(heads: Iterable[SignedHead], first: int, shown: Collection[int]) -> list[SignedHead]:
    """Return the signed heads an extract needs: the last before `first`, and the earliest at or after each entry shown.

    The earliest ones tell the most: the entry existed when that head was signed.
    """
    ordered = sorted(heads, key=lambda head: (head.sequence, head.at_us))
    before = [head for head in ordered if head.sequence < first][-1:]
    after = {number: next((head for head in ordered if head.sequence >= number), None) for number in sorted(set(shown))}
    wanted = [*before, *(head for head in after.values() if head is not None)]
    return list(dict.fromkeys(wanted))


@dataclass(frozen=True, slots=True)
class Extract:
    """An extract that was read: what it shows, and what is wrong with it."""

    shown: tuple[ExportedEntry, ...]
    findings: tuple[Finding, ...]


def check_extract(extract: Path, heads: Path, key: VerifyKey) -> Extract:
    """Check an extract against the heads beside it.

    Not ok: those of `verify_trail` (`entry_changed`, `entries_missing`, `entry_out_of_place`, `chain_broken`,
    `head_forged`, `heads_of_another_key`, `trail_rewritten`, `tail_cut`, `line_unreadable`, `head_line_unreadable`),
    `extract_unanchored(first)` (no signed head before the first entry), `extract_unsigned(first, last)`
    (no signed head after). Ok: `extract_whole(shown, sealed, first, last)`.
    """
    try:
        known = read_heads(heads)
    except HeadUnreadable as error:
        return Extract((), (Finding(False, "head_line_unreadable", {"line": error.number}),))
    findings: list[Finding] = []
    entries: list[Line] = []
    for number, line in enumerate(extract.read_bytes().splitlines(keepends=True), start=1):
        try:
            entries.append(read_line(number, line))
        except LineUnreadable:
            findings.append(Finding(False, "line_unreadable", {"line": number}))
    findings += _follow(entries, known, key)
    shown = tuple(entry for entry in entries if isinstance(entry, ExportedEntry))
    if all(finding.ok for finding in findings):
        params = {
            "shown": len(shown),
            "sealed": len(entries) - len(shown),
            "first": entries[0].sequence,
            "last": entries[-1].sequence,
        }
        findings.append(Finding(True, "extract_whole", params))
    return Extract(shown, tuple(findings))


def _follow(entries: Sequence[Line], heads: Sequence[SignedHead], key: VerifyKey) -> Iterator[Finding]:
    holding = {head.sequence: head for head in heads if head_holds(head, key)}
    yield from forged_heads(heads, holding.values())
    first = entries[0].sequence if entries else 1
    anchor = GENESIS if first == 1 else holding[first - 1].digest if first - 1 in holding else None
    if anchor is None:
        yield Finding(False, "extract_unanchored", {"first": first})
        return
    chain = _Chain(first - 1, anchor, {number: head.digest for number, head in holding.items()})
    for entry in entries:
        yield from chain.follow(entry)
    newest = max(holding, default=0)
    if newest > chain.last:
        yield Finding(False, "tail_cut", {"first": chain.last + 1, "last": newest})
    elif newest < chain.last or not entries:
        yield Finding(False, "extract_unsigned", {"first": newest + 1, "last": chain.last})


class _Chain:
    """Computes the chain through shown and sealed entries alike."""

    def __init__(self, last: int, digest: str, signed: Mapping[int, str]) -> None:
        self.last = last
        self._digest = digest
        self._signed = signed
        self._agreed = last

    def follow(self, entry: Line) -> Iterator[Finding]:
        """Take the next entry."""
        expected = self.last + 1
        if entry.sequence < expected:
            yield Finding(False, "entry_out_of_place", {"sequence": entry.sequence})
            return
        if entry.sequence > expected:
            yield Finding(False, "entries_missing", {"first": expected, "last": entry.sequence - 1})
        if isinstance(entry, ExportedEntry):
            if entry.sequence == expected and entry.previous != self._digest:
                yield Finding(False, "chain_broken", {"sequence": entry.sequence})
            if recomputed_digest(entry) != entry.digest:
                yield Finding(False, "entry_changed", {"sequence": entry.sequence})
            self._digest = entry.digest
        else:
            self._digest = link_digest(entry.sequence, self._digest, entry.content)
        self.last = entry.sequence
        signed = self._signed.get(self.last)
        if signed == self._digest:
            self._agreed = self.last
        elif signed is not None:
            yield Finding(False, "trail_rewritten", {"first": self._agreed + 1, "last": self.last})
            self._digest = signed
