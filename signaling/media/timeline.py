"""Where in the recording a packet belongs: from RTP time to the journal's time.

A sender's streams share one clock, which its sender reports tie to each stream's RTP time (RFC 3550 section 6.4.1). The
sender's clock is tied to ours by packets: the quickest of every window was under way the least, and the windows follow
the two clocks' drift. Without reports each stream is tied by itself.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterable

WINDOW_US = 30_000_000
_NTP_TO_UNIX_S = 2_208_988_800


class Timeline:
    """One stream's times. First everything is shown to it (`packet`, `report`), then `settle`, then `place_us`."""

    def __init__(self, clock_rate: int) -> None:
        self._rate = clock_rate
        self._first: int | None = None
        self._last_full = 0
        self._reports: list[tuple[int, int]] = []
        """(RTP time in full, sender's clock in µs), ascending."""
        self._seen: dict[int, tuple[int, int]] = {}
        """Window -> (the packet's RTP time in full, its arrival) of the quickest packet."""
        self._offsets: list[tuple[int, int]] = []

    def _full(self, timestamp: int) -> int:
        """Return a 32-bit RTP time as a number that does not wrap, nearest to the one before."""
        if self._first is None:
            self._first = self._last_full = timestamp
        ahead = ((timestamp - self._last_full) & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
        self._last_full += ahead
        return self._last_full

    def packet(self, timestamp: int, arrival_us: int) -> None:
        """Show a packet."""
        full = self._full(timestamp)
        window = arrival_us // WINDOW_US
        quickest = self._seen.get(window)
        if quickest is None or arrival_us - self._us(full) < quickest[1] - self._us(quickest[0]):
            self._seen[window] = (full, arrival_us)

    def report(self, data: bytes) -> None:
        """Show a sender report; one that is cut is not used, nor one that goes back."""
        if len(data) < 20 or data[1] != 200 or self._first is None:
            return
        seconds, fraction, timestamp = struct.unpack_from(">III", data, 8)
        sender_us = (seconds - _NTP_TO_UNIX_S) * 1_000_000 + (fraction * 1_000_000 >> 32)
        full = self._full(timestamp)
        if not self._reports or (full > self._reports[-1][0] and sender_us > self._reports[-1][1]):
            self._reports.append((full, sender_us))

    def _us(self, full: int) -> int:
        return full * 1_000_000 // self._rate

    def _sender_us(self, full: int) -> int:
        """Return the sender's clock at an RTP time, by the report before it (or the first), or RTP time itself."""
        if not self._reports:
            return self._us(full)
        index = max(0, bisect_right(self._reports, (full, 1 << 62)) - 1)
        report_full, sender_us = self._reports[index]
        return sender_us + (full - report_full) * 1_000_000 // self._rate

    def settle(self, seats: Iterable["Timeline"]) -> None:
        """Tie the sender's clock to the journal's. `seats`: all timelines of the seat, this one among them."""
        family = [other for other in seats if other._reports and other._shares_clock(self)] if self._reports else [self]
        windows: dict[int, int] = {}
        for other in family:
            for window, (full, arrival_us) in other._seen.items():
                offset = arrival_us - other._sender_us(full)
                windows[window] = min(windows.get(window, offset), offset)
        own = [window for window in sorted(windows) if not self._seen or window in self._seen]
        self._offsets = [(window * WINDOW_US + WINDOW_US // 2, windows[window]) for window in own]

    def _shares_clock(self, other: "Timeline") -> bool:
        """Tell whether two reported streams run by one clock: one machine's, in one life."""
        if self is other:
            return True
        mine = [arrival - self._sender_us(full) for full, arrival in self._seen.values()]
        theirs = [arrival - other._sender_us(full) for full, arrival in other._seen.values()]
        return bool(mine) and bool(theirs) and abs(min(mine) - min(theirs)) < 1_000_000

    def place_us(self, timestamp: int, arrival_us: int) -> int:
        """Return the journal time (µs of Unix time) at which a packet's content belongs."""
        if not self._offsets:
            return arrival_us
        sender_us = self._sender_us(self._near(timestamp, arrival_us))
        return sender_us + self._offset(arrival_us)

    def _near(self, timestamp: int, arrival_us: int) -> int:
        """Return the full RTP time that fits a packet's arrival best (it may have wrapped any number of times)."""
        full, seen_us = self._seen.get(arrival_us // WINDOW_US) or next(iter(self._seen.values()))
        guess = full + (arrival_us - seen_us) * self._rate // 1_000_000
        return guess + (((timestamp - guess) & 0xFFFFFFFF ^ 0x80000000) - 0x80000000)

    def _offset(self, arrival_us: int) -> int:
        index = bisect_right(self._offsets, (arrival_us, 1 << 62))
        if index == 0:
            return self._offsets[0][1]
        if index == len(self._offsets):
            return self._offsets[-1][1]
        before, after = self._offsets[index - 1], self._offsets[index]
        share = (arrival_us - before[0]) / (after[0] - before[0])
        return before[1] + int(share * (after[1] - before[1]))
