"""Temporal layers of a VP8 picture: which of its packets are needed for fewer pictures a second (RFC 7741 section 4.2).

Layer 0 refers to nothing above it, so that it can be shown alone. Reads hostile bytes and never raises.
"""

from collections.abc import Iterable
from typing import NamedTuple

from signaling.media.rtp import RtpHead, payload_of, read_head


class Layer(NamedTuple):
    """Which layer a packet's frame is of (TID), and whether the frame refers to nothing but layer 0 (Y): then whoever
    had no higher layers before can take it."""

    number: int
    sync: bool


def read_layer(data: bytes, head: RtpHead) -> Layer | None:
    """Return the layer that a VP8 packet names, or None when it names none."""
    at, end = head.payload_at, len(data)
    if at + 1 >= end or not data[at] & 0x80:
        return None
    extended = data[at + 1]
    if not extended & 0x20:
        return None
    at += 2
    if extended & 0x80:
        at += 2 if at < end and data[at] & 0x80 else 1
    at += bool(extended & 0x40)
    return Layer(data[at] >> 6, bool(data[at] & 0x20)) if at < end else None


def base_share(packets: Iterable[bytes]) -> float | None:
    """Return what share of a picture's bytes is layer 0, or None when there are no layers above it."""
    base = whole = 0
    layered = False
    for data in packets:
        head = read_head(data)
        if head is None:
            continue
        size, layer = len(payload_of(data, head)), read_layer(data, head)
        whole += size
        if layer is None or layer.number == 0:
            base += size
        else:
            layered = True
    return base / whole if layered and whole else None
