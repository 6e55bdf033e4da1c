"""The manifest of a sealed recording: what stands beside the journal and vouches for every byte of it.

`manifest.json` is canonical JSON (RFC 8785). `manifest.sig` names the SHA-256 of that file and signs this statement
with Ed25519: so whichever of the two was changed, the other tells. Files only, no database: the offline verifier
stands on this too.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from records.chain import Json, canonical
from records.journal_reading import number_of, read_file, segment_paths
from records.journal_records import Event, JournalFault, Packet, Sealed, SegmentStart, read_segment
from records.seals import make_seal, sealed_digest
from records.signing import SigningKey, VerifyKey
from records.vault import write_durably

FORM = "jiefang-recording-manifest-1"
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
GAP_MS_MIN = 1500
"""Where the journal's headers do not tell, as once they did not: shorter than this is only a silence."""
BESIDE_RECESS_MS_MIN = 500
"""What is left of a gap beside a recess is one from this on: the recess's mark is made after the last packet."""

_PURPOSE = "jiefang/recording-manifest/1"


@dataclass(frozen=True, slots=True)
class SurveyedSegment:
    """One segment as it lies on the disk. Times in microseconds since 1970, UTC; 0 when its header is unreadable."""

    name: str
    number: int
    digest: str
    previous: str
    started_at_us: int
    ended_at_us: int
    bytes: int
    packets: int
    continues: bool | None
    """As the header has it; None when that does not tell, or is unreadable."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Nothing was recorded between two moments of the recording: the end of a segment and the start of one that does
    not continue it, be it ever so short. A silence within a segment, or between two that continue, is none."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Recess:
    """The hearing rested between two moments of the recording: nothing was to be recorded, so nothing is missing."""

    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that was wrong with a segment already when the journal was sealed: a `JournalFault`'s code.

    `segment_torn` is what a crash leaves behind; the others are found whenever a file was changed or lost before.
    """

    code: str
    segment: str


@dataclass(frozen=True, slots=True)
class Survey:
    """A whole journal: its segments, how long it runs, where it has gaps, what is wrong with it."""

    segments: tuple[SurveyedSegment, ...]
    duration_ms: int
    gaps: tuple[Gap, ...]
    faults: tuple[Fault, ...] = ()
    recesses: tuple[Recess, ...] = ()


def with_recesses(found: Survey, recesses: Iterable[Recess]) -> Survey:
    """Add when the hearing rested, which the journal does not tell in clear. What of a gap lies in a recess is none."""
    known = tuple(recesses)
    gaps = found.gaps
    for recess in known:
        gaps = tuple(part for gap in gaps for part in _outside(gap, recess))
    return replace(found, gaps=gaps, recesses=known)


def _outside(gap: Gap, recess: Recess) -> tuple[Gap, ...]:
    """Return what of a gap lies before, and what after a recess."""
    if gap.to_ms <= recess.from_ms or recess.to_ms <= gap.from_ms:
        return (gap,)
    parts = Gap(gap.from_ms, recess.from_ms), Gap(recess.to_ms, gap.to_ms)
    return tuple(part for part in parts if part.to_ms - part.from_ms >= BESIDE_RECESS_MS_MIN)


def survey(directory: Path) -> Survey:
    """Read a journal through. Blocking, some seconds an hour of recording: call it in a thread.

    Raises FileNotFoundError when there is no such directory.
    """
    surveyed = [_survey_segment(path) for path in segment_paths(directory)]
    segments = tuple(segment for segment, _ in surveyed)
    faults = (*(fault for _, found in surveyed for fault in found), *_faults_between(segments))
    readable = [segment for segment in segments if segment.started_at_us > 0]
    if not readable:
        return Survey(segments, 0, (), faults)
    begins_us = readable[0].started_at_us
    gaps = tuple(
        gap
        for before, after in itertools.pairwise(readable)
        if (gap := _gap_between(before, after, begins_us)) is not None
    )
    duration_ms = max(segment.ended_at_us for segment in readable) - begins_us
    return Survey(segments, duration_ms // 1000, gaps, faults)


def _gap_between(before: SurveyedSegment, after: SurveyedSegment, begins_us: int) -> Gap | None:
    if after.continues and after.number == before.number + 1:
        return None
    gap = Gap((before.ended_at_us - begins_us) // 1000, (after.started_at_us - begins_us) // 1000)
    least_ms = GAP_MS_MIN if after.continues is None else 1
    return gap if gap.to_ms - gap.from_ms >= least_ms else None


def _faults_between(segments: Sequence[SurveyedSegment]) -> Iterator[Fault]:
    number, digest = 0, ""
    for segment in segments:
        if segment.number != number + 1:
            yield Fault("segment_missing", f"segment-{number + 1:06d}.jfj")
        elif segment.previous != digest:
            yield Fault("chain_broken", segment.name)
        number, digest = segment.number, segment.digest


def _survey_segment(path: Path) -> tuple[SurveyedSegment, list[Fault]]:
    data, digest = read_file(path)
    header: SegmentStart | None = None
    faults: list[Fault] = []
    packets, last_us = 0, 0
    for record in read_segment(path.name, data):
        if isinstance(record, Packet):
            packets += 1
            last_us = max(last_us, record.arrival_us)
        elif isinstance(record, Sealed):
            packets += record.packets
            last_us = max(last_us, record.last_us)
        elif isinstance(record, Event):
            last_us = max(last_us, record.at_us)
        elif isinstance(record, SegmentStart):
            header = record
        elif isinstance(record, JournalFault):
            faults.append(Fault(record.code, path.name))
    started_at_us = header.started_at_us if header else 0
    segment = SurveyedSegment(
        name=path.name,
        number=number_of(path),
        digest=digest,
        previous=header.previous if header else "",
        started_at_us=started_at_us,
        ended_at_us=max(started_at_us, last_us),
        bytes=path.stat().st_size,
        packets=packets,
        continues=header.continues if header else None,
    )
    return segment, faults


def compose(survey: Survey, *, facts: Mapping[str, Json], key_id: str) -> bytes:
    """Return the bytes of a manifest: what the record knows of the hearing (`facts`), and every segment."""
    return canonical(
        {
            "form": FORM,
            "key_id": key_id,
            **facts,
            "duration_ms": survey.duration_ms,
            "gaps": [asdict(gap) for gap in survey.gaps],
            "recesses": [asdict(recess) for recess in survey.recesses],
            "faults": [asdict(fault) for fault in survey.faults],
            "segments": [asdict(segment) for segment in survey.segments],
        }
    )


def seal_directory(directory: Path, manifest: bytes, key: SigningKey) -> None:
    """Write manifest and signature beside the journal, durably. Blocking."""
    seal = make_seal(_PURPOSE, "manifest", manifest, key)
    write_durably(directory / MANIFEST, manifest)
    write_durably(directory / SIGNATURE, seal)


def signed_digest(signature_file: bytes, key: VerifyKey) -> str | None:
    """Return the digest that a signature file vouches for with this key; None when it vouches for nothing."""
    return sealed_digest(signature_file, _PURPOSE, "manifest", key)
