"""The journal of a hearing: append-only segment files in which everything that was received stands in order.

A segment is a run of records, each `length (u32, of the body) | type (u8) | body`, all integers big-endian:

- 1 header, the first of every segment: canonical JSON with `format`, `hearing_id`, `number`, `previous` (the SHA-256 of
  the whole file of the segment before, "" in the first), `started_at_us`, `next_source`, and `continues`: whether all
  that came since the segment before is recorded; false after a crash, a stop, a hole.
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

This is the writing side, and the door to the reading side (`journal_reading`, `journal_records`). Files and hashlib.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from records.clock import Clock
from records.journal_memory import Memory
from records.journal_reading import read_journal
from records.journal_records import (
    EVENT_HEAD,
    PACKET_HEAD,
    PACKET_RECORD,
    RECORD_BYTES_MAX,
    RECORD_HEAD,
    Event,
    JournalError,
    JournalFault,
    Json,
    Packet,
    Record,
    RecordType,
    SegmentStart,
    Source,
)
from records.journal_store import JournalStore, Part, Sources, canonical_json, roll_at

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
    "Source",
    "canonical_json",
    "read_journal",
]

SEGMENT_BYTES_MAX = 8 << 20
SEGMENT_SECONDS_MAX = 10
WAITING_BYTES = 32 << 20
"""How many bytes of packets may wait in memory for a disk that has stopped: about a minute of eight people."""
ASIDE_BYTES_MAX = 1 << 20
"""What may wait beside them of everything else: who came and went, what streams there are."""

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


class JournalWriter:
    """Writes the journal of one hearing.

    The `write_` methods only put records in memory and never block; `flush` writes and syncs what waits and belongs
    into a thread. One thread writes records, one (any) flushes. A second writer of the same directory is refused.

    When packets cannot be taken any more (`JournalFull`), none are until everything that waits was stored and `go_on`
    begins a segment: the hole then is one, with a clear beginning and end. Streams and events are kept meanwhile.
    """

    def __init__(
        self, hearing_id: str, clock: Clock, store: JournalStore, sources: Sources, waiting_bytes: int, memory: Memory
    ) -> None:
        self._waiting_bytes_max = waiting_bytes
        self._memory = memory
        self._hearing_id = hearing_id
        self._clock = clock
        # One list for ever: appending to it and cutting off its front are each one step under the interpreter's lock.
        self._pending: list[Part] = []
        self._taken_bytes = 0
        self._last_us = 0
        self._sources = sources
        self._segments = store.number
        self._segment_started_us = 0
        self._segment_bytes = 0
        self._segment_records = 0
        self._shut_us = 0
        self._aside: list[bytes] = []
        self._aside_bytes = 0
        # Below: only whoever holds the store lock.
        self._store_lock = threading.Lock()
        self._store = store
        self._closed = False
        self._roll(self.now_us(), continues=not store.number)
        self._first_started_us = store.first_started_us or self._segment_started_us
        self._saved_us = self._segment_started_us
        memory.join(self)

    @classmethod
    def open(
        cls,
        directory: Path,
        hearing_id: str,
        *,
        clock: Clock,
        waiting_bytes: int = WAITING_BYTES,
        memory: Memory | None = None,
    ) -> "JournalWriter":
        """Open the journal in `directory`, which is made when missing; goes on in a new segment when there are any.

        `waiting_bytes` bounds what of it may wait in memory, `memory` what of it and all others of this process may.
        Raises JournalError: `journal_in_use` (another writer has it), `journal_of_another_hearing`,
        `session_key_unreadable`, `session_key_missing`; OSError when the disk refuses. Reads the last segment only.
        """
        sources = Sources()
        store = JournalStore.open(directory, hearing_id, sources)
        return cls(hearing_id, clock, store, sources, waiting_bytes, memory or Memory(waiting_bytes))

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
        return self._elapsed_ms(self._saved_us)

    def _elapsed_ms(self, at_us: int) -> int:
        return max(0, at_us - self._first_started_us) // 1000

    def position(self) -> JournalPosition:
        """Return where the recording stands now."""
        return self._position_at(self.now_us())

    def _position_at(self, at_us: int) -> JournalPosition:
        return JournalPosition(
            elapsed_ms=self._elapsed_ms(at_us),
            segment=self._segments + self._store.extra_rolls,
            at=EPOCH + timedelta(microseconds=at_us),
        )

    # --- Writing

    def declare_source(
        self, *, seat_id: str, kind: str, ssrc: int, payload_type: int, codec: str, clock_rate: int
    ) -> int:
        """Announce a stream and return the number for its packets. Raises JournalFull."""
        number = self._sources.next
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
        self._sources.next += 1
        self._sources.frames[seat_id, kind] = frame
        return number

    def write_packet(self, source: int, arrival_us: int, data: bytes) -> None:
        """Add a packet that arrived at `arrival_us` (microseconds of Unix time). Raises JournalFull."""
        head = PACKET_RECORD.pack(PACKET_HEAD.size + len(data), _PACKET, source, arrival_us)
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
        if self._closed:
            raise JournalError("journal_closed")
        if self._shut_us or self._is_full(len(frame)):
            self._put_aside(frame, at_us)
            return
        self._make_room(len(frame), at_us)
        self._pending.append(frame)
        self._count(len(frame))

    def _put_aside(self, frame: bytes, at_us: int) -> None:
        self._shut_us = self._shut_us or at_us
        if self._aside_bytes + len(frame) > ASIDE_BYTES_MAX:
            raise JournalFull
        self._aside.append(frame)
        self._aside_bytes += len(frame)

    def _make_room(self, size: int, at_us: int, first_us: int | None = None) -> None:
        if self._closed:
            raise JournalError("journal_closed")
        if self._shut_us or self._is_full(size):
            self._shut_us = self._shut_us or (at_us if first_us is None else first_us)
            raise JournalFull
        if self._segment_records and (
            self._segment_bytes + size > SEGMENT_BYTES_MAX
            or at_us - self._segment_started_us >= SEGMENT_SECONDS_MAX * 1_000_000
        ):
            self._roll(at_us if first_us is None else first_us, continues=True)

    def _is_full(self, size: int) -> bool:
        return self.waiting_bytes + size > self._waiting_bytes_max or self._memory.is_full(size)

    @property
    def waiting_bytes(self) -> int:
        """What is not on the disk, in bytes; 0 when it was given up."""
        return 0 if self._closed else self._taken_bytes - self._store.stored_bytes

    @property
    def closed(self) -> bool:
        """Whether nothing is taken any more."""
        return self._closed

    @property
    def room_left(self) -> float:
        """How much of the memory for what waits is free, 0 to 1; 0 when packets are not taken any more."""
        if self._shut_us:
            return 0.0
        return min(1 - self.waiting_bytes / self._waiting_bytes_max, self._memory.room_left)

    @property
    def left_behind(self) -> bool:
        """Whether the recording goes on in a place where what was recorded before is not."""
        return self._store.left_behind

    def go_on(self) -> tuple[int, int] | None:
        """Take packets again, everything that waited being stored; return from when to when none were taken, in
        milliseconds of the recording; None when they always were, or are not yet because other journals need the room.
        """
        if not self._shut_us or self.waiting_bytes or not self._memory.is_roomy:
            return None
        return self._end_hole()

    def _end_hole(self) -> tuple[int, int]:
        shut_us, self._shut_us = self._shut_us, 0
        now_us = self.now_us()
        self._roll(now_us, continues=False)
        aside, self._aside, self._aside_bytes = self._aside, [], 0
        for frame in aside:
            self._pending.append(frame)
            self._count(len(frame))
        return self._elapsed_ms(shut_us), self._elapsed_ms(now_us)

    def _count(self, size: int) -> None:
        self._taken_bytes += size
        self._memory.took(size)
        self._segment_bytes += size
        self._segment_records += 1

    def _roll(self, at_us: int, *, continues: bool) -> None:
        self._segments += 1
        self._segment_started_us = at_us
        self._segment_records = 0
        roll = roll_at(at_us, self._sources, continues=continues)
        self._segment_bytes = 512 + len(roll.sources)
        self._pending.append(roll)

    # --- Storing (in a thread)

    def flush(self) -> int:
        """Write and sync everything that waits; return `saved_ms`. Blocks; may be called from any thread.

        Raises OSError when the disk refuses, JournalError when the journal came back as another's: nothing is lost
        then, the next flush tries the same records again. A journal whose directory is gone goes on when it is back.
        """
        with self._store_lock:
            return self._flush()

    def begin_anew(self) -> int:
        """Flush as `flush`, but go on wherever the journal's path leads now, if its place is gone. Raises the same."""
        with self._store_lock:
            self._store.begin_anew(self._saved_us)
            return self._flush()

    def _flush(self) -> int:
        reached_us = self._shut_us or self._last_us
        count = len(self._pending)
        waiting = self._pending[:count]
        del self._pending[:count]
        self._store.store(waiting, self._saved_us)
        self._saved_us = max(self._saved_us, reached_us)
        return self.saved_ms

    def close(self) -> None:
        """Flush and close; a second time does nothing. Blocks. Raises as `flush`."""
        if self._closed:
            return
        self.flush()
        if self._shut_us and not self.waiting_bytes:
            self._end_hole()
            self.flush()
        with self._store_lock:
            self._closed = True
            self._store.close()

    def abandon(self) -> None:
        """Close without writing what still waits, so that somebody else may go on."""
        with self._store_lock:
            if self._closed:
                return
            self._closed = True
            self._store.close()
