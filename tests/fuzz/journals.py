"""Journals that somebody got at: read without ever raising, and nothing false comes out of them unnoticed."""

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

from records.clock import FixedClock
from records.journal import JournalWriter
from records.journal_reading import KeyedJournal, read_journal, scan_segment, with_key
from records.journal_records import Event, JournalFault, Packet, Record, SegmentStart, Source
from records.manifests import MANIFEST, SIGNATURE, compose, seal_directory, survey
from records.master_keys import MasterKeyMissing, MasterKeys
from records.session_keys import SESSION_KEY, SessionKeyUnreadable, ensure_session_key
from records.signing import SigningKey
from records.verifier import verify_recording
from tests.fuzz import seeds
from tests.fuzz.mutating import Mutator

HEARING = "hearing-of-gao"
OFFICE = SigningKey.generate()
MASTER = MasterKeys(bytes(32))
SEGMENTS = 4
Files: TypeAlias = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Original:
    """A sealed recording as it was written, and what stands in it."""

    files: Files
    truth: Counter[tuple[object, ...]]
    encrypted: bool

    @property
    def names(self) -> list[str]:
        """Its segments."""
        return sorted(name for name in self.files if name.startswith("segment-"))


def _told(record: Record) -> tuple[object, ...] | None:
    """Return what a record says that could be evidence; None for what is not one."""
    if isinstance(record, Packet):
        return ("packet", record.source, record.arrival_us, record.data)
    if isinstance(record, Event):
        return ("event", record.at_us, repr(record.data))
    return None


def write_original(room: Path, *, encrypted: bool, seed: int) -> Original:
    """Write a journal of several segments by several writers, and seal it."""
    dice = random.Random(seed)
    clock = FixedClock(datetime(2026, 11, 25, 2, 0, tzinfo=UTC))
    directory = room / "original"
    if encrypted:
        ensure_session_key(directory, HEARING, MASTER, OFFICE)
    packets = seeds.rtp_packets()
    for _ in range(SEGMENTS):
        writer = JournalWriter.open(directory, HEARING, clock=clock)
        numbers = [
            writer.declare_source(seat_id="gao", kind=kind, ssrc=ssrc, payload_type=form, codec=codec, clock_rate=rate)
            for kind, ssrc, form, codec, rate in (("audio", 1, 111, "opus", 48000), ("video", 2, 96, "VP8", 90000))
        ]
        for _ in range(2):
            for _ in range(3):
                writer.write_packet(dice.choice(numbers), writer.now_us(), dice.choice(packets) + dice.randbytes(4))
                clock.advance(0.02)
            writer.write_event({"event": "Said", "by": "王志远", "number": dice.randrange(1000)})
            writer.flush()
        writer.close()
    made = survey(directory)
    seal_directory(directory, compose(made, facts={"session_id": HEARING}, key_id="k"), OFFICE)
    files = {path.name: path.read_bytes() for path in directory.iterdir() if path.name != "journal.lock"}
    told = (_told(record) for record in read_journal(with_key(directory, MASTER)))
    truth = Counter(each for each in told if each is not None)
    shutil.rmtree(directory)
    return Original(files, truth, encrypted)


class Tamperer:
    """Changes a recording's files in one way or several."""

    def __init__(self, mutator: Mutator) -> None:
        self._mutator = mutator
        self._dice = mutator.dice
        self._ways: tuple[Callable[[Files, Original], None], ...] = (
            self._mutate,
            self._mutate,
            self._mutate,
            self._cut,
            self._swap,
            self._double,
            self._remove,
            self._splice,
            self._reorder_records,
            self._lie_about_a_length,
            self._mutate_seal,
        )

    def tampered(self, original: Original) -> Files:
        """Return the files, changed."""
        files = dict(original.files)
        for _ in range(self._dice.choice((1, 1, 1, 2, 3))):
            self._dice.choice(self._ways)(files, original)
        return files

    def _segment(self, files: Files) -> str | None:
        names = [name for name in files if name.startswith("segment-")]
        return self._dice.choice(names) if names else None

    def _mutate(self, files: Files, original: Original) -> None:
        if (name := self._segment(files)) is not None:
            files[name] = self._mutator.changed(files[name])

    def _cut(self, files: Files, original: Original) -> None:
        if (name := self._segment(files)) is not None and files[name]:
            ends = [*_record_ends(files[name]), self._dice.randrange(len(files[name]))]
            files[name] = files[name][: self._dice.choice(ends)]

    def _swap(self, files: Files, original: Original) -> None:
        one, other = self._segment(files), self._segment(files)
        if one is not None and other is not None:
            files[one], files[other] = files[other], files[one]

    def _double(self, files: Files, original: Original) -> None:
        if (name := self._segment(files)) is not None:
            number = self._dice.choice((0, 1, SEGMENTS + 1, SEGMENTS + 2, 999_999))
            files[f"segment-{number:06d}.jfj"] = files[name]

    def _remove(self, files: Files, original: Original) -> None:
        if (name := self._segment(files)) is not None:
            del files[name]

    def _splice(self, files: Files, original: Original) -> None:
        one, other = self._segment(files), self._segment(files)
        if one is not None and other is not None:
            head = self._dice.choice([0, *_record_ends(files[one])])
            tail = self._dice.choice([0, *_record_ends(files[other])])
            files[one] = files[one][:head] + files[other][tail:]

    def _reorder_records(self, files: Files, original: Original) -> None:
        if (name := self._segment(files)) is not None:
            ends = [0, *_record_ends(files[name])]
            records = [files[name][start:end] for start, end in pairwise(ends)]
            if len(records) > 2:
                if self._dice.random() < 0.5:
                    at = self._dice.randrange(1, len(records))
                    records.insert(self._dice.randrange(1, len(records)), records[at])
                else:
                    first, *rest = records
                    self._dice.shuffle(rest)
                    records = [first, *rest]
                files[name] = b"".join(records)

    def _lie_about_a_length(self, files: Files, original: Original) -> None:
        if (name := self._segment(files)) is not None:
            at = self._dice.choice([0, *_record_ends(files[name])])
            lie = self._dice.choice((0, 1, 0xFFFFFFFF, 0x7FFFFFFF, 1 << 20, (1 << 20) + 1, 4 << 20, (4 << 20) + 1))
            files[name] = files[name][:at] + lie.to_bytes(4, "big") + files[name][at + 4 :]

    def _mutate_seal(self, files: Files, original: Original) -> None:
        name = self._dice.choice([name for name in (MANIFEST, SIGNATURE, SESSION_KEY) if name in original.files])
        if self._dice.random() < 0.05:
            files.pop(name, None)
        elif name in files:
            files[name] = self._mutator.changed(files[name])


def _record_ends(data: bytes) -> list[int]:
    ends, at = [], 0
    while at + 5 <= len(data):
        at += 5 + int.from_bytes(data[at : at + 4], "big")
        if at > len(data):
            break
        ends.append(at)
    return ends or [len(data)]


@contextmanager
def laid_out(room: Path, files: Files) -> Iterator[Path]:
    """Lay files into a directory for as long as the block lasts."""
    directory = Path(tempfile.mkdtemp(dir=room))
    try:
        for name, data in files.items():
            (directory / name).write_bytes(data)
        yield directory
    finally:
        shutil.rmtree(directory)


def examine(directory: Path, files: Files, original: Original) -> None:
    """Read tampered files in every way there is; raise AssertionError when they say what the original does not."""
    journal: Path | KeyedJournal = directory
    with suppress(SessionKeyUnreadable, MasterKeyMissing):
        journal = with_key(directory, MASTER)
    keyed = isinstance(journal, KeyedJournal)
    records = list(read_journal(journal))
    faults = [record for record in records if isinstance(record, JournalFault)]
    told = Counter(each for each in map(_told, records) if each is not None)
    false = told - original.truth
    findings = list(verify_recording(directory, OFFICE.public))
    changed = {name for name in original.files.keys() | files.keys() if original.files.get(name) != files.get(name)}
    if changed == {SESSION_KEY} and SESSION_KEY not in files:
        return  # a recording whose key was thrown away is as it was; nobody reads it any more
    if changed:
        assert any(not finding.ok for finding in findings), f"nobody noticed that {sorted(changed)} changed"
    else:
        assert all(finding.ok for finding in findings)
        assert not faults
    if false and not faults:
        # Alone, without the manifest, a clear segment that none follows can say anything.
        assert changed & set(_after_which_nothing_comes(files)), f"false records and no fault; changed: {changed}"
        assert not (original.encrypted and keyed), "a record that was never written came out of a sealed journal"
    if original.encrypted and keyed:
        assert not set(told) - set(original.truth), "a record that was never written came out of a sealed journal"
    list(read_journal(directory))
    survey(directory)
    for name in files:
        if name.startswith("segment-"):
            scan_segment(directory / name)
    starts = [record for record in records if isinstance(record, SegmentStart)]
    sources = [record for record in records if isinstance(record, Source)]
    assert len(starts) <= len(files)
    assert len(sources) <= sum(map(len, files.values())) // 5


def _after_which_nothing_comes(files: Files) -> list[str]:
    return sorted(name for name in files if name.startswith("segment-"))[-1:]
