"""Redundant sound on bytes (RFC 2198): the newest piece, and before it some that went already, in case they were lost.

Every reader here takes hostile bytes: it returns None, or nothing, for what it cannot read, and never raises.
"""

from typing import NamedTuple

_BLOCKS_MAX = 32
"""Browsers put two or three pieces into a packet."""


class Block(NamedTuple):
    """A piece of sound, and how long before the packet's own time it began, in ticks of the RTP clock."""

    payload_type: int
    earlier: int
    data: bytes


def read_red(payload: bytes) -> list[Block]:
    """Return the pieces of a packet, oldest first, the newest last; empty when the packet makes no sense."""
    heads: list[tuple[int, int, int]] = []
    at = 0
    while at + 4 <= len(payload) and payload[at] & 0x80:
        word = int.from_bytes(payload[at : at + 4], "big")
        heads.append((word >> 24 & 0x7F, word >> 10 & 0x3FFF, word & 0x3FF))
        at += 4
        if len(heads) > _BLOCKS_MAX:
            return []
    if at >= len(payload) or payload[at] & 0x80:
        return []
    newest_type = payload[at]
    at += 1
    blocks = []
    for payload_type, earlier, size in heads:
        if at + size > len(payload):
            return []
        blocks.append(Block(payload_type, earlier, payload[at : at + size]))
        at += size
    blocks.append(Block(newest_type, 0, payload[at:]))
    return blocks


def unwrap_red(data: bytes, payload_at: int) -> bytes | None:
    """Return an RTP packet with its newest piece only, under that one's payload type; None when it makes no sense."""
    at, skipped = payload_at, 0
    end = len(data)
    while at < end and data[at] & 0x80:
        if at + 4 > end:
            return None
        skipped += (data[at + 2] & 0x03) << 8 | data[at + 3]
        at += 4
    if at >= end or at + 1 + skipped > end:
        return None
    head = bytes((data[0], data[1] & 0x80 | data[at]))
    return b"".join((head, data[2:payload_at], data[at + 1 + skipped :]))
