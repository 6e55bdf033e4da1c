"""Reads the journal of a hearing from its files, also when it is torn or was tampered with.

Nothing here raises because of what a file holds: what is wrong comes out as a `JournalFault`, and reading goes on with
the next segment. The verifier, the manifest and the playback files all stand on this.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from records.journal_records import (
    SEGMENT_FILE_BYTES_MAX,
    JournalError,
    JournalFault,
    Record,
    Sealed,
    SegmentStart,
    Source,
    read_segment,
)
from records.master_keys import MasterKeys
from records.session_keys import SessionKey, load_session_key

SEGMENT_NAME = re.compile(r"segment-(\d{6})\.jfj")
HEADER_BYTES_MAX = 1 << 13
_HASH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class KeyedJournal:
    """A journal with the key that opens it; give it to `read_journal` in the place of its directory."""

    directory: Path
    key: SessionKey


def with_key(directory: Path, master: MasterKeys) -> Path | KeyedJournal:
    """Return a journal as `read_journal` can read all of it. Raises SessionKeyUnreadable, MasterKeyMissing."""
    key = load_session_key(directory, master)
    return directory if key is None else KeyedJournal(directory, key)


@dataclass(frozen=True, slots=True)
class SegmentScan:
    """What one file holds, for whoever goes on after it."""

    header: SegmentStart | None
    digest: str
    size: int
    next_source: int


def segment_paths(directory: Path) -> list[Path]:
    """Return the segment files of a journal in the order of their numbers."""
    return sorted(path for path in directory.iterdir() if SEGMENT_NAME.fullmatch(path.name))


def read_journal(journal: Path | KeyedJournal) -> Iterator[Record]:
    """Yield every record of the journal in order, with a `JournalFault` wherever something is not as it should be.

    Sealed chunks come as what they hold when the key is given, otherwise as `Sealed`. Raises FileNotFoundError when
    there is no such directory. Reads one segment (some 8 MiB) at a time.
    """
    directory, key = (journal.directory, journal.key) if isinstance(journal, KeyedJournal) else (journal, None)
    digest_before = ""
    expected_number = 1
    hearing_id: str | None = None
    for path in segment_paths(directory):
        data, digest = read_file(path)
        number = number_of(path)
        if number != expected_number:
            yield JournalFault("segment_missing", f"segment-{expected_number:06d}.jfj")
        for record in read_segment(path.name, data, key):
            if isinstance(record, SegmentStart):
                if record.number != number or (hearing_id is not None and record.hearing_id != hearing_id):
                    yield JournalFault("segment_misplaced", path.name)
                hearing_id = hearing_id or record.hearing_id
                if record.previous != digest_before:
                    yield JournalFault("chain_broken", path.name)
            yield record
        digest_before = digest
        expected_number = number + 1


def read_file(path: Path) -> tuple[bytes, str]:
    """Return what a segment holds, a little more than the most that is read of it, and the digest of the whole file."""
    with path.open("rb") as file:
        data = file.read(SEGMENT_FILE_BYTES_MAX + 1)
        digest = hashlib.sha256(data)
        while more := file.read(_HASH_BYTES):
            digest.update(more)
    return data, digest.hexdigest()


def scan_segment(path: Path) -> SegmentScan:
    """Read one segment through, to go on after it."""
    data, digest = read_file(path)
    header: SegmentStart | None = None
    next_source = 0
    for record in read_segment(path.name, data):
        if isinstance(record, SegmentStart):
            header = record
            next_source = max(next_source, record.next_source)
        elif isinstance(record, Source):
            next_source = max(next_source, record.number + 1)
        elif isinstance(record, Sealed):
            next_source = max(next_source, record.next_source)
    return SegmentScan(header, digest, path.stat().st_size, next_source)


def read_start(path: Path) -> SegmentStart | None:
    """Return a segment's header without reading the rest; None when it cannot be read, or the segment is gone."""
    try:
        with path.open("rb") as file:
            begins = file.read(HEADER_BYTES_MAX)
    except FileNotFoundError:
        return None
    header = next(read_segment(path.name, begins), None)
    return header if isinstance(header, SegmentStart) else None


def number_of(path: Path) -> int:
    """Return the number in a segment's name."""
    found = SEGMENT_NAME.fullmatch(path.name)
    if found is None:
        raise JournalError("not_a_segment", path.name)
    return int(found.group(1))
