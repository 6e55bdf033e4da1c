"""The journal of a hearing: append-only segment files in which everything that was received stands in order.

A segment is a run of records, each `length (u32, of the body) | type (u8) | body`, all integers big-endian:

- 1 header, the first of every segment: canonical JSON with `format`, `hearing_id`, `number`, `previous` (the SHA-256 of
  the whole file of the segment before, "" in the first), `started_at_us`, `next_source`.
- 2 source: canonical JSON; who sends what under which number. Repeated at the start of every segment, so that each can
  be read without the others.
- 3 packet: source (u16), arrival (u64, microseconds of Unix time), then the RTP packet, or the RTCP sender report, as
  it left SRTP.
- 4 event: time (u64, microseconds of Unix time), then canonical JSON.
- 5 sealed: counter (u64), time of the last record in it (u64), next source (u32), packets (u32), then a run of whole
  records, encrypted with AES-256-GCM under the key that the header encloses for the session (`records.session_keys`).

A journal in whose directory a session key lies is sealed: `format` 2, `enclosed` in its headers, and everything after
the start of a segment stands in sealed records, one or more a flush. Digests cover what lies on the disk, so whoever
has the office's public key can check a recording that he cannot see.

A segment ends after `SEGMENT_SECONDS_MAX` or `SEGMENT_BYTES_MAX`. Whoever opens the journal of a server that died goes
on in a new segment; the last one keeps its torn tail, and the digest in the next header covers the whole file, the tail
included: not a byte can be changed, added or cut afterwards without breaking the chain.

This is the writing side (and the door to the reading side, `records.journal_reading`). Pure files and hashlib.
"""

import fcntl
import itertools
import json
import os
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from records.clock import Clock
from records.journal_reading import (
    EVENT_HEAD,
    FORMAT,
    PACKET_HEAD,
    RECORD_BYTES_MAX,
    RECORD_HEAD,
    SEALED_FORMAT,
    SEALED_HEAD,
    Event,
    JournalError,
    JournalFault,
    Json,
    Packet,
    Record,
    RecordType,
    SegmentStart,
    SegmentSummary,
    Source,
    chunk_about,
    chunk_nonce,
    number_of,
    read_journal,
    scan_segment,
    segment_paths,
    segments,
)
from records.segment_files import SegmentFile
from records.session_keys import DataKey, SessionKeyUnreadable, new_data_key, public_half

__all__ = [
    "Event",
    "JournalError",
    "JournalFault",
    "JournalFull",
    "JournalPosition",
    "JournalWriter",
    "Packet",
    "Record",
    "SegmentStart",
    "SegmentSummary",
    "Source",
    "canonical_json",
    "read_journal",
    "segments",
]

SEGMENT_BYTES_MAX = 8 << 20
SEGMENT_SECONDS_MAX = 10
CHUNK_BYTES_MAX = 1 << 20
"""How much is sealed at a time; one record more may fit in."""
PENDING_BYTES_MAX = 32 << 20
"""What may wait in memory for a disk that has stopped: about a minute of eight people."""

_PACKET_RECORD = struct.Struct(RECORD_HEAD.format + PACKET_HEAD.format.lstrip(">"))
_PACKET = int(RecordType.PACKET)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class JournalFull(JournalError):
    """Too much waits to be written: this record was not taken."""

    def __init__(self) -> None:
        super().__init__("journal_full")


@dataclass(frozen=True, slots=True)
class JournalPosition:
    """A point of the recording: milliseconds since its start (gaps included), the segment's number, the instant."""

    elapsed_ms: int
    segment: int
    at: datetime


@dataclass(frozen=True, slots=True)
class _Roll:
    """Stands between the records of two segments while they wait to be written."""

    number: int
    started_at_us: int
    next_source: int
    sources: bytes


def canonical_json(value: Mapping[str, Json]) -> bytes:
    """Return the one spelling of a JSON object: keys sorted, no spaces, UTF-8 (RFC 8785, but for fractions)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


class JournalWriter:
    """Writes the journal of one hearing.

    The `write_` methods only put records in memory and never block; `flush` writes and syncs what waits and belongs
    into a thread. One thread writes records, one (any) flushes. A second writer of the same directory is refused.
    """

    def __init__(self, directory: Path, hearing_id: str, clock: Clock, lock_fd: int) -> None:
        self._directory = directory
        self._hearing_id = hearing_id
        self._clock = clock
        self._lock_fd = lock_fd
        # One list for ever: appending to it and cutting off its front are each one step under the interpreter's lock.
        self._pending: list[bytes | _Roll] = []
        self._taken_bytes = 0
        self._last_us = 0
        self._sources: dict[tuple[str, str], bytes] = {}
        self._next_source = 0
        self._number = 0
        self._segment_started_us = 0
        self._segment_bytes = 0
        self._segment_records = 0
        self._first_started_us = 0
        # Below: only whoever holds the store lock.
        self._store_lock = threading.Lock()
        self._unsaved: list[bytes | _Roll] = []
        self._stored_bytes = 0
        self._file: SegmentFile | None = None
        self._file_number = 0
        self._previous_digest = ""
        self._saved_us = 0
        self._closed = False
        self._data_key: DataKey | None = None
        self._counter = itertools.count()

    @classmethod
    def open(cls, directory: Path, hearing_id: str, *, clock: Clock) -> "JournalWriter":
        """Open the journal in `directory`, which is made when missing; goes on in a new segment when there are any.

        Raises JournalError: `journal_in_use` (another writer has it), `journal_of_another_hearing`,
        `session_key_unreadable`, `session_key_missing`; OSError when the disk refuses. Reads the last segment only.
        """
        directory.mkdir(parents=True, exist_ok=True)
        lock_fd = os.open(directory / "journal.lock", os.O_RDWR | os.O_CREAT, 0o640)
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            writer = cls(directory, hearing_id, clock, lock_fd)
            writer._take_key()
            writer._go_on()
        except BlockingIOError:
            os.close(lock_fd)
            raise JournalError("journal_in_use", str(directory)) from None
        except BaseException:
            os.close(lock_fd)
            raise
        return writer

    def _take_key(self) -> None:
        try:
            public = public_half(self._directory)
        except (SessionKeyUnreadable, ValueError):
            raise JournalError("session_key_unreadable", self._directory.name) from None
        self._data_key = None if public is None else new_data_key(public, self._hearing_id)

    def _go_on(self) -> None:
        paths = segment_paths(self._directory)
        for path in paths:
            # The first header that can be read is the recording's start; usually the first of all.
            header = scan_segment(path).header
            if header is not None:
                if header.hearing_id != self._hearing_id:
                    raise JournalError("journal_of_another_hearing", header.hearing_id)
                self._first_started_us = header.started_at_us
                break
        for path in reversed(paths):
            scan = scan_segment(path)
            if path == paths[-1]:
                self._previous_digest = scan.digest
                self._number = number_of(path)
            self._next_source = max(self._next_source, scan.next_source)
            if scan.header is not None:
                if scan.header.enclosed and self._data_key is None:
                    # It was encrypted so far: it never goes on in clear because a file is gone.
                    raise JournalError("session_key_missing", self._directory.name)
                break
        self._roll(self.now_us())
        self._first_started_us = self._first_started_us or self._segment_started_us
        self._saved_us = self._segment_started_us

    # --- Positions

    def now_us(self) -> int:
        """Return the journal's time in microseconds of Unix time; it never goes back."""
        self._last_us = max(self._last_us, (self._clock.now() - EPOCH) // timedelta(microseconds=1))
        return self._last_us

    @property
    def started_at_us(self) -> int:
        """When the recording began: the start of its first segment, in microseconds of Unix time."""
        return self._first_started_us

    @property
    def saved_ms(self) -> int:
        """Up to which millisecond of the recording everything is on the disk."""
        return max(0, self._saved_us - self._first_started_us) // 1000

    def position(self) -> JournalPosition:
        """Return where the recording stands now."""
        return self._position_at(self.now_us())

    def _position_at(self, at_us: int) -> JournalPosition:
        return JournalPosition(
            elapsed_ms=max(0, at_us - self._first_started_us) // 1000,
            segment=self._number,
            at=EPOCH + timedelta(microseconds=at_us),
        )

    # --- Writing

    def declare_source(
        self, *, seat_id: str, kind: str, ssrc: int, payload_type: int, codec: str, clock_rate: int
    ) -> int:
        """Announce a stream and return the number for its packets. Raises JournalFull."""
        number = self._next_source
        if number > 0xFFFF:
            raise JournalFull
        body = canonical_json(
            {
                "number": number,
                "seat_id": seat_id,
                "kind": kind,
                "ssrc": ssrc,
                "payload_type": payload_type,
                "codec": codec,
                "clock_rate": clock_rate,
            }
        )
        frame = RECORD_HEAD.pack(len(body), RecordType.SOURCE) + body
        self._append(frame, self.now_us())
        self._next_source += 1
        # A seat that comes back sends a new stream: only the newest of each kind is worth repeating.
        self._sources[seat_id, kind] = frame
        return number

    def write_packet(self, source: int, arrival_us: int, data: bytes) -> None:
        """Add a packet that arrived at `arrival_us` (microseconds of Unix time). Raises JournalFull."""
        head = _PACKET_RECORD.pack(PACKET_HEAD.size + len(data), _PACKET, source, arrival_us)
        size = len(head) + len(data)
        self._make_room(size, arrival_us)
        # Two parts, joined when they are written: the packet itself is not copied here.
        self._pending += (head, data)
        self._count(size)

    def write_packets(self, records: bytes, first_us: int, last_us: int) -> None:
        """Add whole packet records, as `write_packet` would frame them, that arrived from `first_us` to `last_us`.

        All of them or, raising JournalFull, none. They stay together in one segment.
        """
        self._make_room(len(records), last_us, first_us)
        self._pending.append(records)
        self._count(len(records))

    def write_event(self, event: Mapping[str, Json]) -> JournalPosition:
        """Add an event and return where it stands. Raises JournalFull; ValueError when not JSON or too long."""
        body = canonical_json(event)
        if len(body) > RECORD_BYTES_MAX - EVENT_HEAD.size:
            raise ValueError("event too long")
        at_us = self.now_us()
        frame = RECORD_HEAD.pack(EVENT_HEAD.size + len(body), RecordType.EVENT) + EVENT_HEAD.pack(at_us) + body
        self._append(frame, at_us)
        return self._position_at(at_us)

    def _append(self, frame: bytes, at_us: int) -> None:
        self._make_room(len(frame), at_us)
        self._pending.append(frame)
        self._count(len(frame))

    def _make_room(self, size: int, at_us: int, first_us: int | None = None) -> None:
        if self._closed:
            raise JournalError("journal_closed")
        if self._taken_bytes - self._stored_bytes + size > PENDING_BYTES_MAX:
            raise JournalFull
        if self._segment_records and (
            self._segment_bytes + size > SEGMENT_BYTES_MAX
            or at_us - self._segment_started_us >= SEGMENT_SECONDS_MAX * 1_000_000
        ):
            self._roll(at_us if first_us is None else first_us)

    def _count(self, size: int) -> None:
        self._taken_bytes += size
        self._segment_bytes += size
        self._segment_records += 1

    def _roll(self, at_us: int) -> None:
        self._number += 1
        self._segment_started_us = at_us
        self._segment_records = 0
        roll = _Roll(self._number, at_us, self._next_source, b"".join(self._sources.values()))
        self._segment_bytes = 512 + len(roll.sources)
        self._pending.append(roll)

    # --- Storing (in a thread)

    def flush(self) -> int:
        """Write and sync everything that waits; return `saved_ms`. Blocks; may be called from any thread.

        Raises OSError when the disk refuses: nothing is lost then, the next flush tries the same records again.
        """
        with self._store_lock:
            reached_us = self._last_us
            count = len(self._pending)
            self._unsaved.extend(self._pending[:count])
            del self._pending[:count]
            self._store()
            self._saved_us = max(self._saved_us, reached_us)
            return self.saved_ms

    def _store(self) -> None:
        while self._unsaved:
            first = self._unsaved[0]
            if isinstance(first, _Roll):
                self._start_file(first)
                del self._unsaved[0]
                continue
            parts = _next_parts(self._unsaved)
            data = b"".join(parts)
            if self._file is None:
                raise JournalError("journal_closed")
            self._file.append(data if self._data_key is None else self._sealed(self._data_key, data))
            del self._unsaved[: len(parts)]
            self._stored_bytes += len(data)
        if self._file is not None:
            self._file.sync()

    def _sealed(self, key: DataKey, data: bytes) -> bytes:
        packets, last_us, at = 0, 0, 0
        while at < len(data):
            length, kind = RECORD_HEAD.unpack_from(data, at)
            if kind == _PACKET:
                packets += 1
                last_us = max(last_us, _PACKET_RECORD.unpack_from(data, at)[3])
            elif kind == RecordType.EVENT:
                last_us = max(last_us, EVENT_HEAD.unpack_from(data, at + RECORD_HEAD.size)[0])
            at += RECORD_HEAD.size + length
        # An attempt that failed may have left bytes on the disk: the next one has another nonce.
        counter = next(self._counter)
        head = SEALED_HEAD.pack(counter, last_us, self._next_source, packets)
        body = head + key.cipher.encrypt(chunk_nonce(counter), data, chunk_about(self._file_number, head))
        return RECORD_HEAD.pack(len(body), RecordType.SEALED) + body

    def _start_file(self, roll: _Roll) -> None:
        if self._file is not None:
            self._previous_digest = self._file.finish()
            self._file = None
        header = canonical_json(
            {
                "format": FORMAT if self._data_key is None else SEALED_FORMAT,
                **({} if self._data_key is None else {"enclosed": self._data_key.enclosed}),
                "hearing_id": self._hearing_id,
                "number": roll.number,
                "previous": self._previous_digest,
                "started_at_us": roll.started_at_us,
                "next_source": roll.next_source,
            }
        )
        start = RECORD_HEAD.pack(len(header), RecordType.HEADER) + header + roll.sources
        self._file = SegmentFile(self._directory, f"segment-{roll.number:06d}.jfj", start)
        self._file_number = roll.number

    def close(self) -> None:
        """Flush and close; a second time does nothing. Blocks. Raises OSError when the disk refuses."""
        if self._closed:
            return
        self.flush()
        with self._store_lock:
            self._closed = True
            if self._file is not None:
                self._file.finish()
                self._file = None
            os.close(self._lock_fd)

    def abandon(self) -> None:
        """Close without writing what still waits, so that somebody else may go on."""
        with self._store_lock:
            if self._closed:
                return
            self._closed = True
            if self._file is not None:
                self._file.give_up()
                self._file = None
            os.close(self._lock_fd)


def _next_parts(waiting: list[bytes | _Roll]) -> list[bytes]:
    """Return whole records before the next segment's start, as many as are sealed at a time; at least one.

    A record stands there in one part or, a packet, in two; a part may also be several whole packet records.
    """
    parts: list[bytes] = []
    size = missing = 0
    for item in waiting:
        if isinstance(item, _Roll) or (size > CHUNK_BYTES_MAX and not missing):
            break
        if missing:
            missing -= len(item)
        elif item:
            missing = max(0, RECORD_HEAD.size + int(RECORD_HEAD.unpack_from(item)[0]) - len(item))
        parts.append(item)
        size += len(item)
    return parts
