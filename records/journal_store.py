"""The storing side of a journal: what waits is written into segment files, and known to lie on the disk.

Nothing is given up that was not confirmed (`records.segment_files`): when a disk is full, fails, or is gone, it stays
in memory and is written again. A journal whose directory went away goes on there as soon as it is back, in a new
segment; or, when told so, wherever its path leads then. The numbers of segments and the chain of digests go on in any
case, so that whatever is missing shows.
"""

import fcntl
import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from records.journal_reading import number_of, scan_segment, segment_paths
from records.journal_records import (
    EVENT_HEAD,
    FORMAT,
    PACKET_RECORD,
    RECORD_HEAD,
    SEALED_FORMAT,
    SEALED_HEAD,
    JournalError,
    Json,
    RecordType,
    chunk_about,
    chunk_nonce,
)
from records.segment_files import SegmentFile
from records.session_keys import DataKey, SessionKeyUnreadable, new_data_key, public_half

LOCK = "journal.lock"
CHUNK_BYTES_MAX = 1 << 20
"""How much is sealed at a time; a single record, or what came in one piece, may be more."""

_PACKET = int(RecordType.PACKET)


@dataclass(slots=True)
class Sources:
    """The streams that were declared: what every segment begins with."""

    frames: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """A seat that comes back sends a new stream: only the newest of each kind is worth repeating."""
    next: int = 0


@dataclass(frozen=True, slots=True)
class Roll:
    """Stands between the records of two segments while they wait to be written."""

    started_at_us: int
    next_source: int
    sources: bytes
    continues: bool


def roll_at(at_us: int, sources: Sources, *, continues: bool) -> Roll:
    """Return the start of a segment; `continues`: everything that came since the one before is recorded."""
    return Roll(at_us, sources.next, b"".join(list(sources.frames.values())), continues)


Part = bytes | Roll
"""Of what waits: a record, or the half of one, or several whole ones; or the start of a segment."""


def canonical_json(value: Mapping[str, Json]) -> bytes:
    """Return the one spelling of a JSON object: keys sorted, no spaces, UTF-8 (RFC 8785, but for fractions)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


class JournalStore:
    """Writes one journal's segments. Every method blocks; one at a time. Only `open` makes one."""

    def __init__(self, directory: Path, hearing_id: str, sources: Sources, lock_fd: int) -> None:
        self.stored_bytes = 0
        """How much of what was given to `store` is on the disk, or was when last looked."""
        self.number = 0
        """Of the newest segment."""
        self.first_started_us = 0
        """When the recording began, by the segments found at the opening; 0 when there were none."""
        self.extra_rolls = 0
        """How many segments were begun here, beside those that were asked for."""
        self.left_behind = False
        """Whether it goes on where the segments before are not: they stayed on another volume, or are deleted."""
        self._directory = directory
        self._hearing_id = hearing_id
        self._sources = sources
        self._lock_fd = lock_fd
        self._unsaved: list[Part] = []
        self._unconfirmed: list[bytes] = []
        self._file: SegmentFile | None = None
        self._failed_number = 0
        self._previous_digest = ""
        self._gone = False
        self._lost: tuple[Path, int] | None = None
        self._public: bytes | None = None
        self._key: DataKey | None = None
        self._counter = itertools.count()

    @classmethod
    def open(cls, directory: Path, hearing_id: str, sources: Sources) -> "JournalStore":
        """Open a journal's directory, which is made when missing, behind the segments that are there.

        Raises JournalError: `journal_in_use` (another writer has it), `journal_of_another_hearing`,
        `session_key_unreadable`, `session_key_missing`; OSError when the disk refuses. Reads the last segment only.
        """
        directory.mkdir(parents=True, exist_ok=True)
        lock_fd = _open_lock(directory)
        try:
            store = cls(directory, hearing_id, sources, _locked(lock_fd, directory))
            store._take_key()
            store._find_end()
        except BaseException:
            os.close(lock_fd)
            raise
        return store

    def _take_key(self) -> None:
        try:
            public = public_half(self._directory)
        except (SessionKeyUnreadable, ValueError):
            raise JournalError("session_key_unreadable", self._directory.name) from None
        self._public = public
        self._key = None if public is None else new_data_key(public, self._hearing_id)
        self._counter = itertools.count()

    def _find_end(self) -> None:
        paths = segment_paths(self._directory)
        for path in paths:
            # The first header that can be read is the recording's start; usually the first of all.
            header = scan_segment(path).header
            if header is not None:
                if header.hearing_id != self._hearing_id:
                    raise JournalError("journal_of_another_hearing", header.hearing_id)
                self.first_started_us = header.started_at_us
                break
        for path in reversed(paths):
            scan = scan_segment(path)
            if path == paths[-1]:
                self._previous_digest = scan.digest
                self.number = max(self.number, number_of(path))
            self._sources.next = max(self._sources.next, scan.next_source)
            if scan.header is not None:
                if scan.header.enclosed and self._key is None:
                    # It was encrypted so far: it never goes on in clear because a file is gone.
                    raise JournalError("session_key_missing", self._directory.name)
                break

    # --- Storing

    def store(self, parts: Sequence[Part], saved_us: int) -> None:
        """Write everything that waits, `parts` last, and confirm it. `saved_us`: up to when all was stored before.

        Raises OSError when the disk refuses, FileNotFoundError when the journal's place is gone: nothing is lost
        then, the next call tries the same records again.
        """
        self._unsaved.extend(parts)
        if self._gone:
            self._come_back(saved_us)
        try:
            while self._unsaved:
                self._store_next()
            self._confirm()
        except OSError:
            # What did fit is safe, and does not have to fit once more.
            with suppress(OSError):
                self._confirm()
            raise

    def _store_next(self) -> None:
        first = self._unsaved[0]
        if isinstance(first, Roll):
            self._start_file(first)
            del self._unsaved[0]
            return
        if self._file is None:
            raise JournalError("journal_closed")
        parts = next_parts(self._unsaved)
        data = b"".join(parts)
        self._file.append(data if self._key is None else self._sealed(self._key, data))
        del self._unsaved[: len(parts)]
        self._unconfirmed.append(data)
        self.stored_bytes += len(data)

    def _confirm(self) -> None:
        if self._file is None:
            return
        try:
            self._file.confirm()
        except OSError as error:
            self._take_back(self._file)
            if isinstance(error, FileNotFoundError):
                self._lose(self._file)
            raise
        self._unconfirmed.clear()

    def _take_back(self, file: SegmentFile) -> None:
        self.stored_bytes -= sum(map(len, self._unconfirmed))
        self._unsaved[:0] = self._unconfirmed
        self._unconfirmed.clear()
        file.go_back()

    def _sealed(self, key: DataKey, data: bytes) -> bytes:
        packets, last_us, at = 0, 0, 0
        while at < len(data):
            length, kind = RECORD_HEAD.unpack_from(data, at)
            if kind == _PACKET:
                packets += 1
                last_us = max(last_us, PACKET_RECORD.unpack_from(data, at)[3])
            elif kind == RecordType.EVENT:
                last_us = max(last_us, EVENT_HEAD.unpack_from(data, at + RECORD_HEAD.size)[0])
            at += RECORD_HEAD.size + length
        # An attempt that failed may have left bytes on the disk: the next one has another nonce.
        counter = next(self._counter)
        head = SEALED_HEAD.pack(counter, last_us, self._sources.next, packets)
        body = head + key.cipher.encrypt(chunk_nonce(counter), data, chunk_about(self.number, head))
        return RECORD_HEAD.pack(len(body), RecordType.SEALED) + body

    def _start_file(self, roll: Roll) -> None:
        if self._file is not None:
            self._confirm()
            self._previous_digest = self._file.confirmed_digest
            self._file.close()
            self._file = None
        number = self.number + 1
        header = canonical_json(
            {
                "format": FORMAT if self._key is None else SEALED_FORMAT,
                **({} if self._key is None else {"enclosed": self._key.enclosed}),
                "hearing_id": self._hearing_id,
                "number": number,
                "previous": self._previous_digest,
                "started_at_us": roll.started_at_us,
                "next_source": roll.next_source,
                "continues": roll.continues,
            }
        )
        start = RECORD_HEAD.pack(len(header), RecordType.HEADER) + header + roll.sources
        again, self._failed_number = self._failed_number == number, number
        try:
            self._file = SegmentFile(self._directory, f"segment-{number:06d}.jfj", start, again=again)
        except FileNotFoundError:
            self._gone = True
            raise
        self.number, self._failed_number = number, 0

    # --- Going away and coming back

    def _lose(self, file: SegmentFile) -> None:
        """Let go of a file that is not where it was."""
        self._lost = (file.path, file.confirmed_bytes)
        if file.confirmed_bytes:
            self._previous_digest = file.confirmed_digest
        else:
            self.number -= 1
        file.close()
        self._file = None
        self._gone = True

    def _come_back(self, saved_us: int) -> None:
        """Go on where the journal was, if its place is back: the same key, or for one in clear the directory."""
        try:
            same = self._directory.is_dir() and public_half(self._directory) == self._public
        except (SessionKeyUnreadable, ValueError):
            same = False
        if not same:
            raise FileNotFoundError(f"the journal {self._directory.name} is not there")
        self._go_on_here(saved_us)

    def begin_anew(self, saved_us: int) -> None:
        """Go on wherever the journal's path leads now, if its place is gone; otherwise do nothing.

        Raises OSError, and JournalError as `open`.
        """
        if not self._gone:
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        sealed = self._public is not None
        self._take_key()
        if sealed and self._public is None:
            raise JournalError("session_key_missing", self._directory.name)
        self._go_on_here(saved_us)

    def _go_on_here(self, saved_us: int) -> None:
        lock_fd = _open_lock(self._directory)
        if os.path.samestat(os.fstat(lock_fd), os.fstat(self._lock_fd)):
            os.close(lock_fd)
        else:
            try:
                _locked(lock_fd, self._directory)
            except BaseException:
                os.close(lock_fd)
                raise
            os.close(self._lock_fd)
            self._lock_fd = lock_fd
        self._cut_lost()
        found = segment_paths(self._directory)
        self.left_behind = self.number > (number_of(found[-1]) if found else 0)
        self._find_end()
        self._gone = False
        if not (self._unsaved and isinstance(self._unsaved[0], Roll)):
            self._unsaved.insert(0, roll_at(saved_us, self._sources, continues=True))
            self.extra_rolls += 1

    def _cut_lost(self) -> None:
        """Cut off what a file that was lost and is back holds beyond what was confirmed: that is written again."""
        if self._lost is None:
            return
        path, confirmed_bytes = self._lost
        if path.exists() and path.stat().st_size > confirmed_bytes:
            os.truncate(path, confirmed_bytes)
        if path.exists() and not confirmed_bytes:
            path.unlink()
        self._lost = None

    # --- The end

    def close(self) -> None:
        """Close what is stored, and let the journal go."""
        if self._file is not None:
            self._file.close()
            self._file = None
        os.close(self._lock_fd)


class JournalInUse(JournalError):
    """Somebody writes, or seals, this journal just now."""

    def __init__(self, directory: Path) -> None:
        super().__init__("journal_in_use", str(directory))


@contextmanager
def at_rest(directory: Path) -> Iterator[None]:
    """Keep a journal from being written to for a while. Blocking. Raises JournalInUse; OSError when it is not there."""
    lock_fd = _open_lock(directory)
    try:
        _locked(lock_fd, directory)
        yield
    finally:
        os.close(lock_fd)


def is_at_rest(directory: Path) -> bool:
    """Tell whether nobody writes to a journal now. Blocking. Raises OSError when it is not there."""
    try:
        with at_rest(directory):
            return True
    except JournalInUse:
        return False


def _open_lock(directory: Path) -> int:
    return os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o640)


def _locked(lock_fd: int, directory: Path) -> int:
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise JournalInUse(directory) from None
    return lock_fd


def next_parts(waiting: Sequence[Part]) -> list[bytes]:
    """Return whole records before the next segment's start, as many as are sealed at a time; at least one.

    A record stands there in one part or, a packet, in two; a part may also be several whole records.
    """
    parts: list[bytes] = []
    size = missing = 0
    for item in waiting:
        if isinstance(item, Roll) or (parts and not missing and size + len(item) > CHUNK_BYTES_MAX):
            break
        if missing:
            missing -= len(item)
        elif item:
            missing = max(0, RECORD_HEAD.size + int(RECORD_HEAD.unpack_from(item)[0]) - len(item))
        parts.append(item)
        size += len(item)
    return parts
