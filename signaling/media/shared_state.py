"""What is known of links and streams, laid out so that the express lane (`express.c`) reads and writes it as well.

The plain way of a packet, in Python, and the express lane take turns at the same state: neither has a copy. Without the
express lane these are merely structures. The layouts must equal those at the head of `express.c`; `express.py` checks
it before it hands anything over.
"""

import ctypes
from array import array

ADDRESS_BYTES = 128
"""sizeof(struct sockaddr_storage)."""
QUEUE_MAX = 60
ROUTES_MAX = 32
FLOWS_MAX = 4
SSRCS_MAX = 128
"""SSRCs that a link takes authentic packets under. Browsers send under three, and Firefox reports each stream that it
gets under another (measured: 5 of two people): with the longest description some 75."""
ARRIVALS_MAX = 1024
HISTORY_MAX = 256
"""Packets kept of a picture, for receivers that lost them: at least a second of 720p. A power of two."""
HISTORY_SOUND_MAX = 64
SENT_KEPT = 2048
"""Three seconds and more of what anybody receives; a power of two, so that numbers may wrap."""
SLOT_BYTES = 1484
"""More than an Ethernet frame lets through; a packet that is longer is not kept."""
SLOT_SOUND_BYTES = 524
INTAKE_BYTES = 256 * 1024
"""Some 0.8 s of two people; when it is full the plain way empties it."""


class _Part(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("bytes", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Intake(ctypes.Structure):
    """Whole packet records on their way into one hearing's journal. `anchor_us` is the Unix time, in microseconds, of
    the monotonic second `anchor_s`."""

    _fields_ = (
        ("bytes", ctypes.c_void_p),
        ("size", ctypes.c_uint32),
        ("used", ctypes.c_uint32),
        ("packets", ctypes.c_uint32),
        ("first_us", ctypes.c_int64),
        ("last_us", ctypes.c_int64),
        ("anchor_us", ctypes.c_int64),
        ("anchor_s", ctypes.c_double),
    )


class Heard(ctypes.Structure):
    """What one receiver's feedback told, all of it good, since the last look: when it came last (`at`); of the last
    packet that it tells of its arrival by the receiver's clock, its delay (that against our clock) and its size; the
    lowest delay and the sum of `delays`, in seconds; how many packets and bytes."""

    _fields_ = (
        ("at", ctypes.c_double),
        ("arrival", ctypes.c_double),
        ("delay", ctypes.c_double),
        ("lowest", ctypes.c_double),
        ("delays", ctypes.c_double),
        ("packets", ctypes.c_uint32),
        ("bytes", ctypes.c_uint32),
        ("size", ctypes.c_uint32),
    )


class DownlinkState(ctypes.Structure):
    """The way to one receiver, what went there under which transport-wide number, and what it told of that."""

    _fields_ = (
        ("session", ctypes.c_void_p),
        ("socket", ctypes.c_int32),
        ("address_bytes", ctypes.c_uint32),
        ("address", ctypes.c_uint8 * ADDRESS_BYTES),
        ("sent_number", ctypes.c_void_p),
        ("sent_at", ctypes.c_void_p),
        ("sent_size", ctypes.c_void_p),
        ("number", ctypes.c_uint16),
        ("counted", ctypes.c_uint8),
        ("alone", ctypes.c_uint8),
        ("quickest", ctypes.c_double),
        ("heard", Heard),
        ("queued", ctypes.c_uint32),
        ("queue", _Part * QUEUE_MAX),
    )


class Route(ctypes.Structure):
    """One receiver of a stream. `sent_under`: a ring of `sequence << 16 | transport-wide number`. `plain`: whether it
    gets redundant sound without what is redundant."""

    _fields_ = (("to", ctypes.POINTER(DownlinkState)), ("sent_under", ctypes.c_void_p), ("plain", ctypes.c_int32))


class FlowState(ctypes.Structure):
    """One stream: how far it has come (`highest`: the sequence number counted on over its wraps, -1 before the first
    packet), what came since the last look (`keyframe_at`: the last keyframe, by the monotonic clock; negative for
    none), what can be sent again, and who gets it."""

    _fields_ = (
        ("highest", ctypes.c_int64),
        ("ssrc", ctypes.c_uint32),
        ("received", ctypes.c_uint32),
        ("expected", ctypes.c_uint32),
        ("octets", ctypes.c_uint32),
        ("level", ctypes.c_uint32),
        ("source", ctypes.c_uint16),
        ("payload_type", ctypes.c_uint8),
        ("codec", ctypes.c_uint32),
        ("keyframe_at", ctypes.c_double),
        ("kept", ctypes.c_uint32),
        ("slot_bytes", ctypes.c_uint32),
        ("history", ctypes.c_void_p),
        ("lengths", ctypes.c_void_p),
        ("intake", ctypes.POINTER(Intake)),
        ("routes_count", ctypes.c_uint32),
        ("routes", Route * ROUTES_MAX),
    )


class UplinkState(ctypes.Structure):
    """The way from one sender: what came under which transport-wide number (bounded; whoever fills it up empties it),
    whether something authentic came since `heard` was cleared, and under which SSRCs anything authentic ever came."""

    _fields_ = (
        ("session", ctypes.c_void_p),
        ("socket", ctypes.c_int32),
        ("id", ctypes.c_uint32),
        ("address", ctypes.c_uint8 * ADDRESS_BYTES),
        ("heard", ctypes.c_uint32),
        ("arrivals_count", ctypes.c_uint32),
        ("arrival_number", ctypes.c_uint16 * ARRIVALS_MAX),
        ("arrival_at", ctypes.c_double * ARRIVALS_MAX),
        ("flows_count", ctypes.c_uint32),
        ("ssrcs_count", ctypes.c_uint32),
        ("flows", ctypes.POINTER(FlowState) * FLOWS_MAX),
        ("ssrcs", ctypes.c_uint32 * SSRCS_MAX),
        ("back", ctypes.POINTER(DownlinkState)),
    )


class History:
    """The last packets of a stream, each in the slot of its sequence number."""

    def __init__(self, slots: int, slot_bytes: int) -> None:
        self._slots = slots
        self._slot_bytes = slot_bytes
        self._room = ctypes.create_string_buffer(slots * slot_bytes)
        self._bytes = memoryview(self._room).cast("B")
        self._lengths = (ctypes.c_uint16 * slots)()

    def lend(self, flow: FlowState) -> None:
        """Let the express lane write here too, for as long as this object lives."""
        flow.kept = self._slots
        flow.slot_bytes = self._slot_bytes
        flow.history = ctypes.addressof(self._room)
        flow.lengths = ctypes.addressof(self._lengths)

    def keep(self, sequence: int, data: bytes) -> bool:
        """Keep a packet in place of an older one; return False for one too long for a slot, which is not kept."""
        slot = sequence % self._slots
        size = len(data) if len(data) <= self._slot_bytes else 0
        self._lengths[slot] = size
        if size:
            at = slot * self._slot_bytes
            self._bytes[at : at + size] = data
        return size > 0

    def forget(self) -> None:
        """Forget every packet."""
        ctypes.memset(self._lengths, 0, ctypes.sizeof(self._lengths))

    def find(self, sequence: int) -> bytes | None:
        """Return a packet, or None when it never came or is forgotten."""
        slot = sequence % self._slots
        at = slot * self._slot_bytes
        data = bytes(self._bytes[at : at + self._lengths[slot]])
        return data if int.from_bytes(data[2:4], "big") == sequence and data else None


def address_of(numbers: "array[int] | array[float]") -> int:
    """Return where an array's items stand. It must not grow afterwards."""
    return numbers.buffer_info()[0]
