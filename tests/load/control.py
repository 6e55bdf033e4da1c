"""RTCP of the load's people: sender and receiver reports, transport-wide feedback (RFC 3550, draft-holmer twcc-01)."""

import struct
from collections.abc import Sequence

from tests.load.person import Incoming

_NTP_EPOCH_S = 2_208_988_800


def sender_report(ssrc: int, at_unix_s: float, timestamp: int, packets: int, size: int) -> bytes:
    """Return a sender report without blocks."""
    seconds = int(at_unix_s)
    fraction = int((at_unix_s - seconds) * (1 << 32))
    ntp_s = (seconds + _NTP_EPOCH_S) & 0xFFFFFFFF
    return struct.pack(">BBHIIIIII", 0x80, 200, 6, ssrc, ntp_s, fraction, timestamp & 0xFFFFFFFF, packets, size)


def receiver_report(reporter: int, streams: Sequence[Incoming], at: float) -> bytes:
    """Return a receiver report on `streams` as they are at monotonic second `at`."""
    blocks = b""
    for stream in streams:
        highest = stream.sequences[-1] if stream.sequences else 0
        expected = highest - stream.sequences[0] + 1 if stream.sequences else 0
        lost = max(0, expected - len(stream.sequences))
        delay = int((at - stream.report_at) * 65536) if stream.report_middle else 0
        blocks += struct.pack(
            ">IIIIII", stream.ssrc, lost & 0xFFFFFF, highest, 0, stream.report_middle, delay & 0xFFFFFFFF
        )
    return struct.pack(">BBHI", 0x80 | len(streams), 201, 1 + len(blocks) // 4, reporter) + blocks


def transport_feedback(reporter: int, media: int, count: int, arrivals: Sequence[tuple[int, float]]) -> bytes:
    """Return the feedback on numbered packets, given as (number, monotonic second) in the order of arrival."""
    seen: dict[int, int] = {}
    first = arrivals[0][0]
    for number, at in arrivals:
        seen.setdefault(((number - first + 0x8000) & 0xFFFF) - 0x8000, int(at * 4000))
    low, high = min(seen), min(max(seen), min(seen) + 500)
    reference = seen[low] // 256
    clock = reference * 256
    symbols: list[int] = []
    deltas = b""
    for place in range(low, high + 1):
        tick = seen.get(place)
        if tick is None:
            symbols.append(0)
            continue
        delta = tick - clock
        clock = tick
        if 0 <= delta <= 255:
            symbols.append(1)
            deltas += bytes((delta,))
        else:
            symbols.append(2)
            deltas += struct.pack(">h", max(-0x8000, min(0x7FFF, delta)))
    content = struct.pack(">HHI", (first + low) & 0xFFFF, len(symbols), (reference & 0xFFFFFF) << 8 | (count & 0xFF))
    if set(symbols) == {1}:
        content += struct.pack(">H", 1 << 13 | len(symbols))
    else:
        for start in range(0, len(symbols), 7):
            vector = 0
            for index, symbol in enumerate(symbols[start : start + 7]):
                vector |= symbol << (12 - 2 * index)
            content += struct.pack(">H", 0xC000 | vector)
    content += deltas
    content += bytes(-len(content) % 4)
    return struct.pack(">BBHII", 0x8F, 205, 2 + len(content) // 4, reporter, media) + content
