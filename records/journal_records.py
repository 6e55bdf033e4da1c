"""What stands in a segment of a journal (its form: `records.journal`), and how it is read out of the bytes.

Nothing here raises because of what the bytes are: what is wrong comes out as a `JournalFault`, by name. No files.
"""

import contextlib
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias, cast

from cryptography.exceptions import InvalidTag

from records.session_keys import SessionKey

FORMAT = "jiefang-journal-1"
RECORD_HEAD = struct.Struct(">IB")
PACKET_HEAD = struct.Struct(">HQ")
EVENT_HEAD = struct.Struct(">Q")
PACKET_RECORD = struct.Struct(RECORD_HEAD.format + PACKET_HEAD.format.lstrip(">"))
SEALED_FORMAT = "jiefang-journal-2"
SEALED_HEAD = struct.Struct(">QQII")
SEALED_BYTES_MAX = 4 << 20
CHUNK_PURPOSE = b"jiefang/journal-chunk/2"
RECORD_BYTES_MAX = 1 << 20
SEGMENT_FILE_BYTES_MAX = 32 << 20
"""More than any writer's segment; of a file that is longer no more is read into memory."""

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


class JournalError(Exception):
    """The journal cannot be opened or written; `code` says why."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


class RecordType(IntEnum):
    """What a record is; the byte after its length."""

    HEADER = 1
    SOURCE = 2
    PACKET = 3
    EVENT = 4
    SEALED = 5


@dataclass(frozen=True, slots=True)
class SegmentStart:
    """The header of a segment."""

    name: str
    hearing_id: str
    number: int
    previous: str
    started_at_us: int
    next_source: int
    enclosed: str = ""
    """The key of the segment's sealed chunks, enclosed for the session; "" when nothing is sealed."""
    continues: bool | None = None
    """Whether everything that came since the segment before is recorded; None where the header does not tell."""


@dataclass(frozen=True, slots=True)
class Source:
    """One stream of one seat, and the number under which its packets stand in the journal."""

    number: int
    seat_id: str
    kind: str
    ssrc: int
    payload_type: int
    codec: str
    clock_rate: int


@dataclass(frozen=True, slots=True)
class Packet:
    """An RTP packet (or an RTCP sender report) as its sender made it, and when it arrived (µs of Unix time)."""

    source: int
    arrival_us: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, and when (µs of Unix time)."""

    at_us: int
    data: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Sealed:
    """Records that the reader has no key for: how many packets, and when the last of them arrived (µs, Unix time)."""

    last_us: int
    next_source: int
    packets: int


@dataclass(frozen=True, slots=True)
class JournalFault:
    """Something is wrong with a segment.

    Codes: `segment_torn` (its end does not make a whole record; `position` is where the whole ones end),
    `header_unreadable`, `record_unreadable`, `segment_missing` (a number is left out), `chain_broken` (the header names
    another digest than the file before it has), `segment_misplaced` (number or hearing differ from where it stands),
    `chunk_unreadable` (a sealed chunk does not open with the key given, or stands where it was not written).
    """

    code: str
    segment: str
    position: int = 0


Record: TypeAlias = SegmentStart | Source | Packet | Event | Sealed | JournalFault


def read_segment(name: str, data: bytes, key: SessionKey | None = None) -> Iterator[Record]:
    """Yield the records of one segment file; a torn or senseless end comes last, as a fault."""
    chunks: _Chunks | None = None
    position = 0
    end = min(len(data), SEGMENT_FILE_BYTES_MAX)
    while position < end:
        body_at = position + RECORD_HEAD.size
        if body_at > end:
            yield JournalFault("segment_torn", name, position)
            return
        length, kind = RECORD_HEAD.unpack_from(data, position)
        longest = SEALED_BYTES_MAX if kind == RecordType.SEALED else RECORD_BYTES_MAX
        if length > longest or (kind == RecordType.HEADER) != (position == 0):
            yield JournalFault("record_unreadable" if position else "header_unreadable", name, position)
            return
        if body_at + length > end:
            yield JournalFault("segment_torn", name, position)
            return
        body = data[body_at : body_at + length]
        if chunks is not None and chunks.forbid(kind):
            yield JournalFault("record_unreadable", name, position)
            return
        if kind == RecordType.SEALED and chunks is not None:
            yield from chunks.read(body, position)
        else:
            record = _read_body(name, kind, body, position)
            yield record
            if isinstance(record, JournalFault):
                return
            if isinstance(record, SegmentStart):
                chunks = _Chunks(record, key)
        position = body_at + length
    if end == 0 or len(data) > end:
        yield JournalFault("segment_torn", name, end)


class _Chunks:
    """Reads the sealed chunks of one segment: with a key what they hold, without what their heads say."""

    def __init__(self, header: SegmentStart, key: SessionKey | None) -> None:
        self._header = header
        self._key = key
        self._cipher = key.opener(header.hearing_id, header.enclosed) if key is not None else None
        self._last_counter = -1

    def forbid(self, kind: int) -> bool:
        """Tell whether such a record has no place here: a sealed segment begins with clear sources and has no more."""
        if not self._header.enclosed:
            return kind == RecordType.SEALED
        return kind != RecordType.SEALED and (kind != RecordType.SOURCE or self._last_counter >= 0)

    def read(self, body: bytes, position: int) -> Iterator[Record]:
        """Yield what one chunk holds. One that cannot be read is a fault; its neighbours are read all the same."""
        name = self._header.name
        if len(body) < SEALED_HEAD.size:
            yield JournalFault("chunk_unreadable", name, position)
            return
        head = body[: SEALED_HEAD.size]
        counter, last_us, next_source, packets = SEALED_HEAD.unpack(head)
        if counter <= self._last_counter:
            yield JournalFault("chunk_unreadable", name, position)  # put there again, or moved
            return
        if self._key is None:
            self._last_counter = counter
            yield Sealed(last_us, next_source, packets)
            return
        opened: bytes | None = None
        if self._cipher is not None:
            with contextlib.suppress(InvalidTag):
                about = chunk_about(self._header.number, head)
                opened = self._cipher.decrypt(chunk_nonce(counter), body[SEALED_HEAD.size :], about)
        if opened is None:
            yield JournalFault("chunk_unreadable", name, position)
            return
        self._last_counter = counter
        yield from _read_frames(name, opened, position)


def _read_frames(name: str, data: bytes, position: int) -> Iterator[Record]:
    at = 0
    while at < len(data):
        body_at = at + RECORD_HEAD.size
        length, kind = RECORD_HEAD.unpack_from(data, at) if body_at <= len(data) else (len(data), 0)
        if body_at + length > len(data):
            yield JournalFault("record_unreadable", name, position)
            return
        at = body_at + length
        yield _read_body(name, kind, data[body_at:at], position)


def chunk_about(number: int, head: bytes) -> bytes:
    """Return what a chunk's seal covers beside its content: the purpose, the segment's number, the head."""
    return CHUNK_PURPOSE + number.to_bytes(4, "big") + head


def chunk_nonce(counter: int) -> bytes:
    """Return the nonce of a writer's `counter`th attempt to write a chunk."""
    return counter.to_bytes(12, "big")


def _read_body(name: str, kind: int, body: bytes, position: int) -> Record:
    try:
        if kind == RecordType.PACKET:
            source, arrival_us = PACKET_HEAD.unpack_from(body)
            return Packet(source, arrival_us, body[PACKET_HEAD.size :])
        if kind == RecordType.EVENT:
            (at_us,) = EVENT_HEAD.unpack_from(body)
            return Event(at_us, _read_object(body[EVENT_HEAD.size :]))
        if kind == RecordType.SOURCE:
            return _read_source(_read_object(body))
        if kind == RecordType.HEADER:
            return _read_header(name, _read_object(body))
    except (ValueError, KeyError, TypeError, struct.error, RecursionError):
        return JournalFault("record_unreadable" if position else "header_unreadable", name, position)
    return JournalFault("record_unreadable", name, position)


def _read_object(text: bytes) -> dict[str, Json]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return cast(dict[str, Json], value)


def _read_header(name: str, values: Mapping[str, Json]) -> SegmentStart:
    if values["format"] not in (FORMAT, SEALED_FORMAT):
        raise ValueError("another format")
    return SegmentStart(
        name=name,
        hearing_id=_text(values["hearing_id"]),
        number=_whole(values["number"]),
        previous=_text(values["previous"]),
        started_at_us=_whole(values["started_at_us"]),
        next_source=_whole(values["next_source"]),
        enclosed=_text(values["enclosed"]) if values["format"] == SEALED_FORMAT else "",
        continues=_truth(values["continues"]) if "continues" in values else None,
    )


def _read_source(values: Mapping[str, Json]) -> Source:
    return Source(
        number=_whole(values["number"]),
        seat_id=_text(values["seat_id"]),
        kind=_text(values["kind"]),
        ssrc=_whole(values["ssrc"]),
        payload_type=_whole(values["payload_type"]),
        codec=_text(values["codec"]),
        clock_rate=_whole(values["clock_rate"]),
    )


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value


def _truth(value: Json) -> bool:
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")
    return value


def _whole(value: Json) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("not a whole number")
    return value
