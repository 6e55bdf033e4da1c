"""How fast to send: transport-wide feedback on both hops.

Uplink: the relay answers a sender's transport-wide numbers, and the browser's own estimator does the rest. Downlink:
the relay writes its own numbers for each receiver, and from that receiver's feedback keeps a cap, of which the senders
hear by REMB. Measured rule: a queue of more than 100 ms takes the cap to 0.85 of what the line carries (0.6 when the
queue is long), at most every 0.35 s; so does losing more than 12 % beyond what the line loses by itself (`line_loss`);
below 50 ms it grows 10 % a second.

draft-holmer-rmcat-transport-wide-cc-extensions-01.
"""

import math
import struct
from array import array
from collections import deque
from itertools import accumulate
from operator import sub

from signaling.media.line_loss import LineLoss
from signaling.media.rtp import RELAY_SSRC, TRANSPORT_FEEDBACK, TRANSPORT_WIDE, RtcpPart
from signaling.media.shared_state import ARRIVALS_MAX, SENT_KEPT, DownlinkState, UplinkState, address_of

_TICK_US = 250
_REFERENCE_US = 64_000
_TICKS_A_SECOND = 1_000_000 // _TICK_US
_TICKS_A_REFERENCE = _REFERENCE_US // _TICK_US
REPORT_PACKETS_MAX = 1000
"""More than 100 ms of anybody's packets; a longer jump of the numbers is a restart, not a loss."""


def signed16(value: int) -> int:
    """Read the low 16 bits as a signed number."""
    return ((value & 0xFFFF) ^ 0x8000) - 0x8000


class UplinkFeedback:
    """Notes when a sender's numbered packets arrived, and writes the feedback that its estimator waits for."""

    def __init__(self, state: UplinkState) -> None:
        self._state = state
        """Has them as they came, since the last report; a report turns them into `_arrivals`."""
        self._arrivals: dict[int, int] = {}
        self._highest: int | None = None
        self._next = 0
        self._count = 0

    def arrived(self, number: int, at: float) -> None:
        """Note packet `number` (16 bits) at monotonic second `at`."""
        if self._state.arrivals_count >= ARRIVALS_MAX:
            self._take_fresh()
        count = self._state.arrivals_count
        self._state.arrival_number[count] = number
        self._state.arrival_at[count] = at
        self._state.arrivals_count = count + 1

    def _take_fresh(self) -> None:
        count, self._state.arrivals_count = self._state.arrivals_count, 0
        for number, at in zip(self._state.arrival_number[:count], self._state.arrival_at[:count], strict=True):
            self._place(number, at)

    def _place(self, number: int, at: float) -> None:
        full = number if self._highest is None else self._highest + signed16(number - self._highest)
        if self._highest is None or full - self._highest > REPORT_PACKETS_MAX or full < self._next - REPORT_PACKETS_MAX:
            self._arrivals.clear()
            self._next = self._highest = full
        self._highest = max(self._highest, full)
        if full >= self._next - REPORT_PACKETS_MAX:
            self._arrivals[full] = int(at * 1e6)

    def report(self, media_ssrc: int) -> bytes | None:
        """Return the feedback for what arrived since the last one, or None when nothing did."""
        told = self._report_in_order(media_ssrc)
        if told is not None:
            return told
        self._take_fresh()
        if not self._arrivals:
            return None
        first = min(self._next, min(self._arrivals))
        last = min(max(self._arrivals), first + REPORT_PACKETS_MAX - 1)
        reference = self._arrivals[min(self._arrivals)] // _REFERENCE_US
        clock_us = reference * _REFERENCE_US
        symbols: list[int] = []
        deltas = bytearray()
        for number in range(first, last + 1):
            arrival_us = self._arrivals.get(number)
            ticks = 0 if arrival_us is None else round((arrival_us - clock_us) / _TICK_US)
            if arrival_us is None:
                symbols.append(0)
            elif 0 <= ticks <= 0xFF:
                symbols.append(1)
                deltas.append(ticks)
            elif -0x8000 <= ticks <= 0x7FFF:
                symbols.append(2)
                deltas += struct.pack(">h", ticks)
            elif not any(symbols):
                # Cannot be told in this form at all; a packet that far out of time tells nothing either.
                symbols.append(0)
                ticks = 0
            else:
                break
            clock_us += ticks * _TICK_US
        done = first + len(symbols)
        self._arrivals = {number: at for number, at in self._arrivals.items() if number >= done}
        self._next = max(self._next, done)
        return self._write(media_ssrc, first, len(symbols), reference, _chunks(symbols) + bytes(deltas))

    def _report_in_order(self, media_ssrc: int) -> bytes | None:
        """Do what `report` does where nothing is missing and nothing came out of order: nearly always."""
        state, first = self._state, self._next
        count = state.arrivals_count
        if self._highest is None or self._arrivals or not 0 < count <= REPORT_PACKETS_MAX:
            return None
        if state.arrival_number[:count] != [number & 0xFFFF for number in range(first, first + count)]:
            return None
        ticks = [int(at * _TICKS_A_SECOND) for at in state.arrival_at[:count]]
        reference = ticks[0] // _TICKS_A_REFERENCE
        deltas = [ticks[0] - reference * _TICKS_A_REFERENCE, *map(sub, ticks[1:], ticks)]
        if max(deltas) > 0xFF or min(deltas) < 0:
            return None
        state.arrivals_count = 0
        self._next = first + count
        self._highest = self._next - 1
        return self._write(media_ssrc, first, count, reference, struct.pack(">H", 0x2000 | count) + bytes(deltas))

    def _write(self, media_ssrc: int, first: int, count: int, reference: int, body: bytes) -> bytes:
        content = struct.pack(">HHI", first & 0xFFFF, count, (reference & 0xFFFFFF) << 8 | self._count) + body
        self._count = (self._count + 1) & 0xFF
        padding = -len(content) % 4
        if padding:
            content += bytes(padding - 1) + bytes((padding,))
        head = (0xA0 if padding else 0x80) | TRANSPORT_WIDE
        return struct.pack(">BBHII", head, TRANSPORT_FEEDBACK, 2 + len(content) // 4, RELAY_SSRC, media_ssrc) + content


def _chunks(symbols: list[int]) -> bytes:
    """Pack status symbols: runs where at least eight are alike, vectors of seven elsewhere."""
    packed = bytearray()
    position = 0
    while position < len(symbols):
        symbol = symbols[position]
        run = 1
        while position + run < len(symbols) and symbols[position + run] == symbol:
            run += 1
        if run > 7:
            packed += struct.pack(">H", symbol << 13 | run)
            position += run
            continue
        vector = 0
        for index in range(7):
            here = symbols[position + index] if position + index < len(symbols) else 0
            vector |= here << (12 - 2 * index)
        packed += struct.pack(">H", 0xC000 | vector)
        position += 7
    return bytes(packed)


def read_feedback(part: RtcpPart) -> list[tuple[int, int | None]]:
    """Return (number, arrival in µs of the receiver's clock, or None when lost) out of a transport-wide feedback.

    Stops where the feedback is cut or claims more than it holds.
    """
    data = part.data
    if len(data) < 22:
        return []
    first, count, reference_and_count, chunk = struct.unpack_from(">HHIH", data, 12)
    if chunk == 0x2000 | count and count < 0x2000 and len(data) >= 22 + count:
        # All came, each soon after the one before: nearly always.
        start_us = (reference_and_count >> 8) * _REFERENCE_US
        arrivals = accumulate(data[22 : 22 + count], lambda at, ticks: at + ticks * _TICK_US, initial=start_us)
        next(arrivals)
        return [((first + index) & 0xFFFF, at) for index, at in enumerate(arrivals)]
    told: list[tuple[int, int | None]] = []
    symbols, position = _read_symbols(data, 20, min(count, 0x2000))
    clock_us = (reference_and_count >> 8) * _REFERENCE_US
    for index, symbol in enumerate(symbols):
        number = (first + index) & 0xFFFF
        if symbol == 0:
            told.append((number, None))
            continue
        size = 1 if symbol == 1 else 2
        if symbol == 3 or position + size > len(data):
            break
        ticks = data[position] if symbol == 1 else struct.unpack_from(">h", data, position)[0]
        position += size
        clock_us += ticks * _TICK_US
        told.append((number, clock_us))
    return told


def _read_symbols(data: bytes, position: int, count: int) -> tuple[list[int], int]:
    symbols: list[int] = []
    while len(symbols) < count and position + 2 <= len(data):
        (chunk,) = struct.unpack_from(">H", data, position)
        position += 2
        if not chunk & 0x8000:
            symbols += [chunk >> 13 & 3] * min(chunk & 0x1FFF, count - len(symbols))
        elif chunk & 0x4000:
            symbols += [chunk >> (12 - 2 * index) & 3 for index in range(7)]
        else:
            symbols += [chunk >> (13 - index) & 1 for index in range(14)]
    return symbols[:count], position


CAP_MIN_BPS = 60_000
CAP_MAX_BPS = 4_000_000
"""Above this a cap means nothing any more: nobody sends that much here."""
QUEUE_NONE_S = 0.05
QUEUE_FULL_S = 0.1
QUEUE_LONG_S = 0.25
QUEUE_HOPELESS_S = 1.0
"""Then the line is found too thin even if hardly anything comes through to tell its pace."""
QUEUED_MIN = 8
"""Packets in a row that must have stood in the queue before their pace says what the line carries."""
LOWERED_AGAIN_S = 0.35
HEARD_MAX = 8


class Downlink:
    """What one receiver's line carries. `cap_bps` is None while nothing speaks for a limit."""

    def __init__(self) -> None:
        self.cap_bps: float | None = None
        self.loss_pct = 0.0
        # Three flat arrays by the number's last bits, not objects: 80 links of them must stay in the processor's cache.
        self._sent_number = array("q", [-1]) * SENT_KEPT
        self._sent_at = array("d", [0.0]) * SENT_KEPT
        self._sent_size = array("H", [0]) * SENT_KEPT
        self.state = DownlinkState(
            sent_number=address_of(self._sent_number),
            sent_at=address_of(self._sent_at),
            sent_size=address_of(self._sent_size),
            quickest=math.inf,
        )
        self._heard: deque[tuple[RtcpPart, float]] = deque()
        self._lowest: deque[tuple[float, float]] = deque()
        self._arrived: deque[tuple[float, int]] = deque()
        self._queued: deque[tuple[float, int]] = deque()
        """(Arrival by the receiver's clock, size) of packets that stood in the queue one after the other."""
        self._told: deque[tuple[float, int, int]] = deque()
        self._line_loss = LineLoss()
        self._lowered_at = 0.0
        self._raised_at = 0.0

    def next_number(self, size: int, at: float) -> int:
        """Number a packet of `size` bytes that is sent at monotonic second `at`."""
        number = int(self.state.number)
        self.state.number = (number + 1) & 0xFFFF
        place = number % SENT_KEPT
        self._sent_number[place] = number
        self._sent_at[place] = at
        self._sent_size[place] = size
        return number

    def hear(self, part: RtcpPart, at: float) -> None:
        """Take the receiver's feedback that came at monotonic second `at`; `weigh` makes something of it.

        Not at once, for the feedback of many receivers is quicker read together than each between other work.
        """
        self._heard.append((part, at))
        if len(self._heard) >= HEARD_MAX:
            self.weigh()

    def weigh(self) -> None:
        """Move the cap by what was heard, here or by the express lane."""
        if self.state.heard.packets:
            self._take_heard()
        while self._heard:
            self.told(*self._heard.popleft())

    def told(self, part: RtcpPart, at: float) -> None:
        """Move the cap by one feedback."""
        came: list[tuple[float, float, int]] = []
        lost = 0
        sent_number, sent_at, sent_size = self._sent_number, self._sent_at, self._sent_size
        for number, arrival_us in read_feedback(part):
            place = number % SENT_KEPT
            if sent_number[place] != number:
                continue
            if arrival_us is None:
                lost += 1
            else:
                sent_number[place] = -1
                arrival = arrival_us / 1e6
                came.append((arrival, arrival - sent_at[place], sent_size[place]))
        if came or lost:
            self._count(at, lost, len(came), sum(size for _, _, size in came))
        if came:
            self._move(self._queue_s(came, at), at)

    def _take_heard(self) -> None:
        """Do as `told` does, with feedback by which all came and the last packet had not stood in a queue."""
        heard = self.state.heard
        at, packets = heard.at, heard.packets
        heard.packets = 0
        self._count(at, 0, packets, heard.bytes)
        quickest = self._quickest(heard.lowest, at)
        self._queued.clear()
        self._queued.append((heard.arrival, heard.size))
        self._move(heard.delays / packets - quickest, at)

    def _count(self, at: float, lost: int, came: int, size: int) -> None:
        self._told.append((at, lost, came))
        _forget(self._told, at - 1.0)
        all_lost = sum(entry[1] for entry in self._told)
        self.loss_pct = 100 * all_lost / sum(entry[1] + entry[2] for entry in self._told) if all_lost else 0.0
        if came:
            self._arrived.append((at, size))
            _forget(self._arrived, at - 1.0)

    def _quickest(self, lowest: float, at: float) -> float:
        """Return the shortest delay of the last 20 s, of which `lowest` is the latest."""
        while self._lowest and self._lowest[-1][1] >= lowest:
            self._lowest.pop()
        self._lowest.append((at, lowest))
        while self._lowest[0][0] < at - 20:
            self._lowest.popleft()
        self.state.quickest = self._lowest[0][1]
        return self._lowest[0][1]

    def _queue_s(self, came: list[tuple[float, float, int]], at: float) -> float:
        """Return how much longer packets are under way than the quickest of the last 20 s; note those that queued."""
        quickest = self._quickest(min(delay for _, delay, _ in came), at)
        if came[-1][1] - quickest < QUEUE_NONE_S:
            # Whatever stood in the queue before it has passed: nearly always all there is to say.
            self._queued.clear()
            self._queued.append((came[-1][0], came[-1][2]))
        else:
            for arrival, delay, size in came:
                if delay - quickest < QUEUE_NONE_S:
                    self._queued.clear()
                self._queued.append((arrival, size))
        _forget(self._queued, came[-1][0] - 1.0)
        return sum(delay for _, delay, _ in came) / len(came) - quickest

    def _move(self, queue_s: float, at: float) -> None:
        enough = sum(entry[1] + entry[2] for entry in self._told) >= 20
        carries_bps = None
        if queue_s > QUEUE_FULL_S:
            carries_bps = self._pace_bps() or (self._arriving_bps(at) if queue_s > QUEUE_HOPELESS_S else None)
        elif enough and at - self._lowered_at >= LOWERED_AGAIN_S and self._line_loss.is_too_much(self.loss_pct, at):
            carries_bps = self._arriving_bps(at)
        if carries_bps is not None:
            if at - self._lowered_at >= LOWERED_AGAIN_S:
                # A long queue needs room to drain.
                self.cap_bps = max(CAP_MIN_BPS, (0.85 if queue_s < QUEUE_LONG_S else 0.6) * carries_bps)
                self._lowered_at = at
        elif queue_s < QUEUE_NONE_S and self.cap_bps is not None and not self._line_loss.waits(at):
            self.cap_bps *= 1.1 ** min(1.0, max(0.0, at - max(self._raised_at, self._lowered_at)))
        if self.cap_bps is not None and self.cap_bps > CAP_MAX_BPS:
            self.cap_bps = None
        self._raised_at = at

    def _pace_bps(self) -> float | None:
        """Return the pace at which packets came out of a queue that they stood in one after the other.

        That is what the line carries, however little was sent before. A machine that only slept lets them out all at
        once, which is a high pace and no reason for a cap. None while too few have queued to tell.
        """
        span = self._queued[-1][0] - self._queued[0][0] if len(self._queued) >= QUEUED_MIN else 0.0
        return 8 * sum(size for _, size in list(self._queued)[1:]) / span if span > 0 else None

    def _arriving_bps(self, at: float) -> float:
        """Return the rate of all that arrived in the last second."""
        return 8 * sum(size for _, size in self._arrived) / max(0.3, min(1.0, at - self._arrived[0][0]))


def _forget(entries: deque[tuple[float, int]] | deque[tuple[float, int, int]], before: float) -> None:
    while entries and entries[0][0] < before:
        entries.popleft()
