"""RTP and RTCP on bytes: what the relay reads and rewrites, without building an object a packet.

RFC 3550 (RTP, reports), RFC 4585 (feedback), RFC 5104 (FIR), RFC 8285 (header extensions), draft-holmer-rmcat-
transport-wide-cc-extensions-01, draft-alvestrand-rmcat-remb-03. Every parser here takes hostile bytes: it returns None,
or nothing, for what it cannot read, and never raises.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

AUDIO_LEVEL_ID = 1
TRANSPORT_WIDE_ID = 3

SENDER_REPORT = 200
RECEIVER_REPORT = 201
TRANSPORT_FEEDBACK = 205
PAYLOAD_FEEDBACK = 206

NACK = 1
TRANSPORT_WIDE = 15
PLI = 1
FIR = 4
REMB = 15

RELAY_SSRC = 1
"""Who the relay is in its own feedback; browsers do the same with 1 when they send nothing."""

_U16 = struct.Struct(">H")
_U32 = struct.Struct(">I")
_HEAD = struct.Struct(">HII")
_ONE_BYTE = 0xBEDE


def is_rtcp(data: bytes) -> bool:
    """Tell RTCP from RTP where both share a port (RFC 5761 section 4)."""
    return 192 <= data[1] <= 223


class RtpHead(NamedTuple):
    """The part of an RTP header that decides where the packet goes."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload_at: int


def read_head(data: bytes) -> RtpHead | None:
    """Read an RTP header, or return None when the packet is cut or not RTP version 2."""
    if len(data) < 12 or data[0] >> 6 != 2:
        return None
    payload_at = 12 + 4 * (data[0] & 0x0F)
    if data[0] & 0x10:
        if len(data) < payload_at + 4:
            return None
        payload_at += 4 + 4 * int.from_bytes(data[payload_at + 2 : payload_at + 4], "big")
    if payload_at > len(data):
        return None
    sequence, timestamp, ssrc = _HEAD.unpack_from(data, 2)
    return RtpHead(data[1] & 0x7F, bool(data[1] & 0x80), sequence, timestamp, ssrc, payload_at)


def payload_of(data: bytes, head: RtpHead) -> bytes:
    """Return the payload without padding; empty when the padding makes no sense."""
    end = len(data)
    if data[0] & 0x20:
        end -= data[-1]
    return data[head.payload_at : end] if end > head.payload_at else b""


def extension_at(data: bytes, wanted: int) -> int:
    """Return where the value of a one-byte header extension begins, or -1. The header must have been read.

    One too short for a transport-wide number is none: writing the number would reach into what follows.
    """
    shortest = 2 if wanted == TRANSPORT_WIDE_ID else 1
    if (
        data[0] == 0x90
        and data[12:14] == b"\xbe\xde"
        and data[15]
        and data[16] >> 4 == wanted
        and data[16] & 0x0F >= shortest - 1
    ):
        # The first element, no sources named: nearly always.
        return 17 if (data[16] & 0x0F) + 2 <= 4 * data[15] else -1
    if not data[0] & 0x10:
        return -1
    position = 12 + 4 * (data[0] & 0x0F)
    if _U16.unpack_from(data, position)[0] != _ONE_BYTE:
        return -1
    end = position + 4 + 4 * int(_U16.unpack_from(data, position + 2)[0])
    position += 4
    while position < end:
        head = data[position]
        if head == 0:
            position += 1
            continue
        size = (head & 0x0F) + 1
        if position + 1 + size > end:
            return -1
        if head >> 4 == wanted and size >= shortest:
            return position + 1
        position += 1 + size
    return -1


def with_transport_number(data: bytes, number: int, at: int) -> bytes:
    """Return the packet with its transport-wide sequence number set, the extension added where there was none.

    `at`: where the present number stands (`extension_at`), or -1. A packet with extensions of another form is returned
    as it is: it goes uncounted, which feedback tolerates.
    """
    if at >= 0:
        return b"".join((data[:at], _U16.pack(number), data[at + 2 :]))
    element = bytes((TRANSPORT_WIDE_ID << 4 | 1,)) + _U16.pack(number) + b"\0"
    fixed = 12 + 4 * (data[0] & 0x0F)
    if not data[0] & 0x10:
        return b"".join((bytes((data[0] | 0x10,)), data[1:fixed], b"\xbe\xde\0\1", element, data[fixed:]))
    profile, words = struct.unpack_from(">HH", data, fixed)
    if profile != _ONE_BYTE:
        return data
    # First in the block: what follows it may be padding, which ends nothing but must stay behind.
    return b"".join((data[: fixed + 2], _U16.pack(words + 1), element, data[fixed + 4 :]))


def wrap_rtx(data: bytes, head: RtpHead, ssrc: int, payload_type: int, sequence: int) -> bytes:
    """Return a retransmission of a packet (RFC 4588 section 4): its own sequence number before its payload, its time,
    marker, sources and extensions as they were, its padding left out."""
    first = bytes((data[0] & ~0x20, data[1] & 0x80 | payload_type)) + _U16.pack(sequence)
    return b"".join((first, data[4:8], _U32.pack(ssrc), data[12 : head.payload_at], data[2:4], payload_of(data, head)))


def make_empty(data: bytes) -> bytes:
    """Return a packet under the same numbers that holds nothing but padding (RFC 3550 section 5.1)."""
    return b"".join((bytes((0xA0, data[1] & 0x7F)), data[2:12], b"\0\0\0\4"))


def unwrap_rtx(data: bytes, head: RtpHead, ssrc: int, payload_type: int) -> bytes | None:
    """Return the packet that a retransmission carries (RFC 4588 section 4), or None for mere padding."""
    payload = payload_of(data, head)
    if len(payload) < 2:
        return None
    first = bytes((data[0] & ~0x20, data[1] & 0x80 | payload_type))
    return b"".join((first, payload[:2], data[4:8], _U32.pack(ssrc), data[12 : head.payload_at], payload[2:]))


# --- RTCP


class RtcpPart(NamedTuple):
    """One packet of an RTCP compound. `form` is its count of reports or kind of feedback; `data` the whole packet."""

    kind: int
    form: int
    data: bytes


class ReportBlock(NamedTuple):
    """What a receiver says about one stream (RFC 3550 section 6.4.1). `last_report` and `delay` in 1/65536 s, `jitter`
    in the stream's own clock."""

    ssrc: int
    fraction_lost: int
    highest: int
    jitter: int
    last_report: int
    delay: int
    data: bytes


def read_rtcp(data: bytes) -> Iterator[RtcpPart]:
    """Yield the packets of a compound; stops where it is cut or not RTCP version 2."""
    position = 0
    while position + 4 <= len(data):
        first, kind, words = struct.unpack_from(">BBH", data, position)
        end = position + 4 + 4 * words
        if first >> 6 != 2 or end > len(data):
            return
        yield RtcpPart(kind, first & 0x1F, data[position:end])
        position = end


def read_reports(part: RtcpPart) -> list[ReportBlock]:
    """Return the report blocks of a sender or receiver report."""
    position = 28 if part.kind == SENDER_REPORT else 8
    blocks = []
    for _ in range(part.form):
        if position + 24 > len(part.data):
            break
        ssrc, lost = struct.unpack_from(">IB", part.data, position)
        highest, jitter, last_report, delay = struct.unpack_from(">IIII", part.data, position + 8)
        block = part.data[position : position + 24]
        blocks.append(ReportBlock(ssrc, lost, highest, jitter, last_report, delay, block))
        position += 24
    return blocks


def sender_of(part: RtcpPart) -> int | None:
    """Return the SSRC of whoever made the packet."""
    return int(_U32.unpack_from(part.data, 4)[0]) if len(part.data) >= 8 else None


def target_of(part: RtcpPart) -> int | None:
    """Return the media SSRC that a feedback packet is about (for FIR, of its first entry)."""
    at = 12 if part.kind == PAYLOAD_FEEDBACK and part.form == FIR else 8
    return int(_U32.unpack_from(part.data, at)[0]) if len(part.data) >= at + 4 else None


def read_nack(part: RtcpPart) -> Iterator[int]:
    """Yield the sequence numbers that a NACK asks for."""
    for position in range(12, len(part.data) - 3, 4):
        first, mask = struct.unpack_from(">HH", part.data, position)
        yield first
        for bit in range(16):
            if mask >> bit & 1:
                yield (first + bit + 1) & 0xFFFF


def read_remb(part: RtcpPart) -> int | None:
    """Return the bit/s of a REMB, or None."""
    if part.form != REMB or len(part.data) < 20 or part.data[12:16] != b"REMB":
        return None
    exponent = part.data[17] >> 2
    return ((part.data[17] & 3) << 16 | part.data[18] << 8 | part.data[19]) << exponent


def _feedback(kind: int, form: int, target: int, content: bytes) -> bytes:
    return struct.pack(">BBHII", 0x80 | form, kind, 2 + len(content) // 4, RELAY_SSRC, target) + content


def make_pli(target: int) -> bytes:
    """Ask the sender of `target` for a keyframe."""
    return _feedback(PAYLOAD_FEEDBACK, PLI, target, b"")


def make_nack(target: int, sequences: Iterable[int]) -> bytes:
    """Ask the sender of `target` for packets again; `sequences` in ascending (wrapping) order."""
    entries: list[list[int]] = []
    for sequence in sequences:
        if entries and 0 < (sequence - entries[-1][0]) & 0xFFFF <= 16:
            entries[-1][1] |= 1 << (((sequence - entries[-1][0]) & 0xFFFF) - 1)
        else:
            entries.append([sequence, 0])
    return _feedback(TRANSPORT_FEEDBACK, NACK, target, b"".join(struct.pack(">HH", *entry) for entry in entries))


def make_remb(bitrate: int, targets: Iterable[int]) -> bytes:
    """Tell a sender how many bit/s it may send in all."""
    ssrcs = list(targets)
    exponent = max(0, bitrate.bit_length() - 18)
    mantissa = bitrate >> exponent
    content = b"REMB" + struct.pack(">BBH", len(ssrcs), exponent << 2 | mantissa >> 16, mantissa & 0xFFFF)
    return _feedback(PAYLOAD_FEEDBACK, REMB, 0, content + b"".join(_U32.pack(ssrc) for ssrc in ssrcs))


def make_receiver_report(reporter: int, blocks: Iterable[bytes]) -> bytes:
    """Put report blocks (24 bytes each) of one reporter into a receiver report."""
    content = b"".join(blocks)
    return struct.pack(">BBHI", 0x80 | len(content) // 24, RECEIVER_REPORT, 1 + len(content) // 4, reporter) + content


def without_loss(block: bytes) -> bytes:
    """Return a report block (24 bytes) in which nothing was lost, with its times and jitter as they were."""
    return block[:4] + bytes(4) + block[8:]


def bare_sender_report(part: RtcpPart) -> bytes | None:
    """Return a sender report without its report blocks (they concern others), or None when it is cut."""
    if len(part.data) < 28:
        return None
    return b"\x80" + part.data[1:2] + b"\0\6" + part.data[4:28]


# --- VP8 (RFC 7741)


class Vp8Payload(NamedTuple):
    """One packet's piece of a frame. `keyframe` is known only in the piece that begins the frame."""

    begins: bool
    keyframe: bool
    data: bytes


def read_vp8(payload: bytes) -> Vp8Payload | None:
    """Take the payload descriptor off (RFC 7741 section 4.2), or return None when it is cut."""
    if not payload:
        return None
    first = payload[0]
    at = 1
    if first & 0x80:
        if len(payload) < 2:
            return None
        extended = payload[1]
        at = 2
        if extended & 0x80:
            if len(payload) <= at:
                return None
            at += 2 if payload[at] & 0x80 else 1
        at += bool(extended & 0x40) + bool(extended & 0x30)
    if len(payload) <= at:
        return None
    begins = bool(first & 0x10) and first & 0x07 == 0
    return Vp8Payload(begins, begins and payload[at] & 1 == 0, payload[at:])


def begins_vp8_frame(data: bytes, payload_at: int) -> bool:
    """Tell whether a packet begins a VP8 frame: S bit set, first partition."""
    return payload_at < len(data) and data[payload_at] & 0x17 == 0x10


def vp8_size(frame: bytes) -> tuple[int, int] | None:
    """Return width and height of a keyframe (RFC 6386 section 9.1), or None when it is not one."""
    if len(frame) < 10 or frame[0] & 1 or frame[3:6] != b"\x9d\x01\x2a":
        return None
    width, height = struct.unpack_from("<HH", frame, 6)
    return width & 0x3FFF, height & 0x3FFF
