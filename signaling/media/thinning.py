"""One picture on its way to one receiver who got, or gets, only its lower layers: what goes, and under which number.

What is left out must leave no gap in the sequence numbers, or the receiver would ask for it. So from the first time
that something is left out, packets go under numbers of their own until the link ends: no SRTP index is used twice. A
packet that is late has its number kept free; if it then turns out not to be for the receiver, an empty one goes under
that number (RFC 3550 section 5.1: padding), so that nobody waits for it.

Frames are counted as packets are. What a browser needs (libwebrtc): base frames hang together by TL0PICIDX, which stays
as it is; before a frame above them no PictureID may be missing back to the last one on each layer that it refers to. So
frames that are left out leave no gap there either, and a layer begins where a frame refers to layer 0 alone, or to
layers that the receiver has.
"""

import struct
from collections.abc import Iterable

from signaling.media.congestion import signed16
from signaling.media.layers import ALL, Layer, read_layer, with_earlier_picture
from signaling.media.rtp import RtpHead, read_head
from signaling.media.shared_state import HISTORY_MAX

KEPT = HISTORY_MAX
"""Packets: what was lost longer ago cannot be sent again anyway."""
FRAMES_KEPT = 64


def _renumbered(data: bytes, head: RtpHead, sequence: int, earlier: int) -> bytes:
    """Return a packet under another sequence number, its frame numbered lower by `earlier`."""
    if sequence == head.sequence and not earlier:
        return data
    data = with_earlier_picture(data, head, earlier)
    return b"".join((data[:2], struct.pack(">H", sequence), data[4:]))


def _empty(data: bytes, head: RtpHead, sequence: int) -> bytes:
    first = struct.pack(">BBH", data[0] | 0x20, data[1] & 0x7F, sequence)
    return b"".join((first, data[4 : head.payload_at], b"\1"))


class Thinned:
    """The numbers and layers of one stream towards one receiver.

    `highest`: the sender's number up to which everything went as it was (`FlowState.highest`), but for what is
    `missing`. Feed it every packet of the stream from then on, or say that there were some by `skip_to`.
    """

    def __init__(self, highest: int, missing: Iterable[int] = ()) -> None:
        self.top = ALL
        """The highest layer that goes."""
        self.withheld = 0
        """How many packets were left out: by so much a number here is lower than the sender's."""
        self.withheld_octets = 0
        self._highest = highest
        self._kept_free = {number: (number, 0) for number in missing}
        """Numbers of packets that are late: the sender's, counted on over their wraps -> the receiver's, and how many
        frames were left out before."""
        sent = range(max(0, highest - KEPT + 1), highest + 1) if highest >= 0 else ()
        self._origins = {number & 0xFFFF: (number & 0xFFFF, 0) for number in sent}
        """The receiver's numbers -> the sender's, and how many frames were left out before."""
        self._frames_withheld = 0
        self._frames: dict[int, int | None] = {}
        """By its time stamp, how many frames were left out before a frame; None when it is left out itself. It goes as
        a whole or not at all."""
        self._open: dict[int, int] = {}
        """Which layers above 0 the receiver has everything of, and from which number on."""

    def pass_on(self, data: bytes) -> bytes | None:
        """Return the stream's packet as it goes to the receiver, or None when nothing goes."""
        head = read_head(data)
        if head is None:
            return None
        if self._highest < 0:
            self._highest = 0x10000 + ((head.sequence - 1) & 0xFFFF)
        number = self._highest + signed16(head.sequence - self._highest)
        layer = read_layer(data, head)
        if number <= self._highest:
            return self._late(data, head, number, layer)
        self._keep_free(number)
        earlier = self._place(head.timestamp, layer, number)
        if earlier is None:
            self.withheld += 1
            self.withheld_octets += len(data) - head.payload_at
            return None
        return self._numbered(data, head, number - self.withheld, earlier)

    def origin(self, sequence: int) -> int | None:
        """Return the sender's number of a packet that went under `sequence`; None when none did, or it is forgotten."""
        origin = self._origins.get(sequence)
        return None if origin is None else origin[0]

    def as_it_went(self, data: bytes, sequence: int) -> bytes:
        """Return the sender's packet as it went under `sequence`, of which `origin` knows."""
        head = read_head(data)
        return data if head is None else _renumbered(data, head, sequence, self._origins[sequence][1])

    def skip_to(self, highest: int) -> None:
        """Note that the receiver gets nothing up to the sender's number `highest` (`FlowState.highest`)."""
        if highest > self._highest >= 0:
            self.withheld += highest - self._highest
            self._highest = highest
            self._kept_free.clear()
            self._open.clear()

    def sender_report(self, report: bytes) -> bytes:
        """Return a bare sender report that counts what went here (RFC 3550 section 6.4.1, 7.2)."""
        packets, octets = struct.unpack_from(">II", report, 20)
        counted = ((packets - self.withheld) & 0xFFFFFFFF, (octets - self.withheld_octets) & 0xFFFFFFFF)
        return report[:20] + struct.pack(">II", *counted)

    def receiver_report(self, block: bytes) -> bytes:
        """Return a report block in the sender's numbers (RFC 3550 section 6.4.1)."""
        (highest,) = struct.unpack_from(">I", block, 8)
        return block[:8] + struct.pack(">I", (highest + self.withheld) & 0xFFFFFFFF) + block[12:]

    def _keep_free(self, number: int) -> None:
        if number - self._highest > KEPT:
            # An outage, or a recess: what did not come by now is asked for by nobody any more.
            self.skip_to(number - 1)
        for late in range(self._highest + 1, number):
            self._kept_free[late] = (late - self.withheld, self._frames_withheld)
        self._highest = number
        while self._kept_free and (oldest := next(iter(self._kept_free))) < number - KEPT:
            del self._kept_free[oldest]

    def _late(self, data: bytes, head: RtpHead, number: int, layer: Layer | None) -> bytes | None:
        kept = self._kept_free.pop(number, None)
        if kept is None:
            return None  # it went already, or it was left out, or it is too late
        own, before = kept
        # Of a frame of which nothing came in time, nobody knows but that those around it went.
        went = layer is None or layer.number == 0 or number > self._open.get(layer.number, number)
        earlier = self._frames.get(head.timestamp, before if went else None)
        if earlier is not None:
            return self._numbered(data, head, own, earlier)
        self.withheld_octets += len(data) - head.payload_at
        return _empty(data, head, own & 0xFFFF)

    def _numbered(self, data: bytes, head: RtpHead, own: int, earlier: int) -> bytes:
        own &= 0xFFFF
        self._origins.pop(own, None)
        self._origins[own] = (head.sequence, earlier)
        if len(self._origins) > KEPT:
            del self._origins[next(iter(self._origins))]
        return _renumbered(data, head, own, earlier)

    def _place(self, timestamp: int, layer: Layer | None, number: int) -> int | None:
        """Return how many frames were left out before a packet's; None when it is left out itself."""
        if timestamp not in self._frames:
            goes = layer is None or layer.number == 0 or self._takes(layer, number)
            self._frames[timestamp] = self._frames_withheld if goes else None
            self._frames_withheld += not goes
            if len(self._frames) > FRAMES_KEPT:
                del self._frames[next(iter(self._frames))]
        return self._frames[timestamp]

    def _takes(self, layer: Layer, number: int) -> bool:
        """Tell whether a frame above layer 0 goes: then it opens its layer, else it closes that and those above it."""
        refers_to = range(1, layer.number + 1)
        if layer.number <= self.top and (layer.sync or all(below in self._open for below in refers_to)):
            self._open.setdefault(layer.number, number)
            return True
        for closed in range(layer.number, ALL + 1):
            self._open.pop(closed, None)
        return False
