"""Layers in time of a VP8 picture: which of its packets are needed for fewer pictures a second (RFC 7741 section 4.2).

Layer 0 refers to nothing above it, so that it can be shown alone; so can it and layer 1, and so on. Reads hostile bytes
and never raises.
"""

import struct
from collections.abc import Iterable
from itertools import accumulate
from typing import NamedTuple, TypeAlias

from signaling.media.rtp import RtpHead, payload_of, read_head

ALL = 3
"""The highest layer that a packet can name: up to it goes everything. Browsers send up to 2."""
Parts: TypeAlias = tuple[float, ...]
"""What part of a picture's bytes its layers up to each one are: the base alone first, 1.0 last."""
WHOLE: Parts = (1.0,) * (ALL + 1)
"""A picture without layers: there is no part of it to be had."""


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


def with_earlier_picture(data: bytes, head: RtpHead, by: int) -> bytes:
    """Return a VP8 packet whose PictureID is lower by so many; one that names none as it is."""
    at = head.payload_at + 2
    if not by or at + 1 >= len(data) or not data[at - 2] & data[at - 1] & 0x80:
        return data
    if data[at] & 0x80:
        (number,) = struct.unpack_from(">H", data, at)
        return b"".join((data[:at], struct.pack(">H", 0x8000 | (number - by & 0x7FFF)), data[at + 2 :]))
    return b"".join((data[:at], bytes((data[at] - by & 0x7F,)), data[at + 1 :]))


def read_parts(packets: Iterable[bytes]) -> Parts:
    """Return what part of a picture's bytes is layer 0, layers 0 and 1, and so on; WHOLE when that tells nothing."""
    sizes = [0] * (ALL + 1)
    for data in packets:
        head = read_head(data)
        if head is not None:
            layer = read_layer(data, head)
            sizes[layer.number if layer is not None else 0] += len(payload_of(data, head))
    whole = sum(sizes)
    return tuple(size / whole for size in accumulate(sizes)) if 0 < sizes[0] < whole else WHOLE
