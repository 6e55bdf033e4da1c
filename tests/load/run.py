"""The pacing loop: sends everybody's packets when they are due, receives, counts, reports. No asyncio, no allocation
beyond what is counted. Delay is measured on some receivers ("probes") with the kernel's own arrival times, so that the
generator's own slowness is not taken for the server's.
"""

import gc
import resource
import select
import socket
import struct
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pylibsrtp

from tests.load.control import receiver_report, sender_report, transport_feedback
from tests.load.person import FIRST_SEQUENCE, KINDS, Incoming, Person, read_stamp

WARM_UP_S = 2.0
"""Not counted as steady: keyframe requests, first feedback, caches."""
LINGER_S = 1.0
DUTY_S = 0.1
REPORT_EVERY = 10
CHECK_EVERY = 25
CHECKED_ONE_IN = 8
"""How many of the received packets are decrypted, the probes' and each stream's first all: the rest is counted by its
header, to keep the generator cheap."""
PROBES_MAX = 8
SO_TIMESTAMPNS = 35
DATAGRAMS_BYTES_MAX = 2048


class Ear:
    """Everything that comes in on one line."""

    def __init__(self, people: Sequence[Person], line_of: Person, *, probe: bool, checked_one_in: int) -> None:
        self.person = line_of
        self.line = line_of.way_in
        self.streams: dict[bytes, Incoming] = {}
        self.numbers: list[tuple[int, float]] = []
        self.delays_ns: list[tuple[int, int, int]] = []
        """Of a probe: sender, packet's place, kernel's arrival time (nanoseconds of Unix time)."""
        self.counts: Counter[str] = Counter()
        self.probe = probe
        self.feedbacks = 0
        self._people = people
        self._session = self.line.receiving
        self._checked_one_in = 1 if probe else checked_one_in
        self._since_check = 0
        if probe:
            self.line.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def readable(self, at: float) -> None:
        """Take one datagram."""
        arrived_ns = 0
        try:
            if self.probe:
                data, ancillary, _, _ = self.line.socket.recvmsg(DATAGRAMS_BYTES_MAX, 64)
                for _, kind, value in ancillary:
                    if kind == SO_TIMESTAMPNS:
                        seconds, nanoseconds = struct.unpack_from("qq", value)
                        arrived_ns = seconds * 1_000_000_000 + nanoseconds
            else:
                data = self.line.socket.recv(DATAGRAMS_BYTES_MAX)
        except (BlockingIOError, ConnectionRefusedError):
            return
        if 191 < data[1] < 224 and data[0] > 127:
            self._control_arrived(data, at)
        elif data[0] > 127:
            self._media_arrived(data, at, arrived_ns)
        elif data[0] < 4:
            self.line.stun_arrived(data)

    def _media_arrived(self, data: bytes, at: float, arrived_ns: int) -> None:
        stream = self.streams.get(data[8:12])
        if stream is None:
            stream = self.streams[data[8:12]] = Incoming(int.from_bytes(data[8:12], "big"))
            stream.payload_type = data[1] & 0x7F
        sequence = data[2] << 8 | data[3]
        stream.sequences.append(sequence)
        if data[1] & 0x80:
            stream.frames += 1
        if data[0] & 0x10 and data[12] == 0xBE:
            # Our transport-wide number is the first element, or the second behind the audio level.
            if data[16] == 0x31:
                self.numbers.append((data[17] << 8 | data[18], at))
            elif data[18] == 0x31:
                self.numbers.append((data[19] << 8 | data[20], at))
        self._since_check += 1
        if self._since_check >= self._checked_one_in or stream.sender is None:
            self._since_check = 0
            self._check(stream, sequence, data, arrived_ns)

    def _check(self, stream: Incoming, sequence: int, data: bytes, arrived_ns: int) -> None:
        """Decrypt, and see whose packet it is and whether it carries the number that it should."""
        self.counts["checked"] += 1
        try:
            plain = self._session.unprotect(data)
        except pylibsrtp.Error:
            self.counts["not_authentic"] += 1
            return
        stamp = read_stamp(plain)
        if stamp is None:
            self.counts["unstamped"] += 1
            return
        sender = self._people[stamp[0]]
        if stream.sender is None:
            stream.sender = sender.number
            stream.kind = next(kind for kind in KINDS if self._is_of(sender, kind, stamp[1]))
            stream.shift = sequence - FIRST_SEQUENCE - _rank(sender.streams[stream.kind].places, stamp[1])
        places = sender.streams[stream.kind].places
        rank = (sequence - FIRST_SEQUENCE - stream.shift) & 0xFFFF
        if sender.number != stream.sender or rank >= len(places) or places[rank] != stamp[1]:
            self.counts["misplaced"] += 1
        elif self.probe:
            self.delays_ns.append((sender.number, stamp[1], arrived_ns))

    @staticmethod
    def _is_of(sender: Person, kind: str, place: int) -> bool:
        places = sender.streams[kind].places
        rank = _rank(places, place)
        return rank < len(places) and places[rank] == place

    def _control_arrived(self, data: bytes, at: float) -> None:
        try:
            plain = self._session.unprotect_rtcp(data)
        except pylibsrtp.Error:
            self.counts["not_authentic"] += 1
            return
        position = 0
        while position + 8 <= len(plain):
            kind, form = plain[position + 1], plain[position] & 0x1F
            end = position + 4 + 4 * int.from_bytes(plain[position + 2 : position + 4], "big")
            if kind == 200:
                stream = self.streams.get(plain[position + 4 : position + 8])
                if stream is not None:
                    stream.report_middle = int.from_bytes(plain[position + 10 : position + 14], "big")
                    stream.report_at = at
            self.counts[_RTCP_NAMES.get((kind, form), _RTCP_NAMES.get((kind, -1), "rtcp_other"))] += 1
            position = end

    def feedback(self) -> bytes | None:
        """Return the transport-wide feedback on what came since the last one."""
        if not self.numbers:
            return None
        numbers, self.numbers = self.numbers, []
        self.feedbacks += 1
        return transport_feedback(self.person.streams["video"].ssrc, 0, self.feedbacks - 1, numbers)


_RTCP_NAMES = {
    (200, -1): "sender_reports",
    (201, -1): "receiver_reports",
    (205, 1): "nacks",
    (205, 15): "transport_feedback",
    (206, 1): "keyframe_requests",
    (206, 4): "keyframe_requests",
    (206, 15): "remb",
}


def _rank(places: Sequence[int], place: int) -> int:
    low, high = 0, len(places)
    while low < high:
        middle = (low + high) // 2
        if places[middle] < place:
            low = middle + 1
        else:
            high = middle
    return low


@dataclass(slots=True)
class Ran:
    """What a run of the loop saw. `generator_cpu`: share of a core in the steady window."""

    ears: list[Ear]
    steady_s: float = 0.0
    generator_cpu: float = 0.0
    late_ms_p99: float = 0.0
    not_sent: int = 0
    counts: Counter[str] = field(default_factory=Counter)


class Run:
    """One run. `mark` is called at the beginning and the end of the steady window."""

    def __init__(
        self,
        people: Sequence[Person],
        seconds: float,
        mark: Callable[[], None],
        *,
        checked_one_in: int = CHECKED_ONE_IN,
        reports: bool = True,
    ) -> None:
        self._people = people
        self._seconds = seconds
        self._mark = mark
        self._reports = reports
        step = max(1, len(people) // PROBES_MAX)
        self._ears = [
            Ear(people, person, probe=index % step == 0, checked_one_in=checked_one_in)
            for index, person in enumerate(people)
        ]
        self._ran = Ran(self._ears)
        self._sent_late_us: list[int] = []
        heard = {
            peer.number for ear in self._ears if ear.probe for peer in people if peer.hearing == ear.person.hearing
        }
        self._timed = [person.number in heard for person in people]

    def go(self) -> Ran:
        """Send everything and return what came back. Blocks for its whole length."""
        events = self._events()
        lines = {person.way_out.socket.fileno(): None for person in self._people}
        hear: dict[int, Ear] = {ear.line.socket.fileno(): ear for ear in self._ears}
        poll = select.epoll()
        for fileno in lines.keys() | hear.keys():
            poll.register(fileno, select.EPOLLIN)
        for person in self._people:
            if person.way_out.socket.fileno() not in hear:
                hear[person.way_out.socket.fileno()] = _sending_ear(self._people, person)
        gc.collect()
        gc.freeze()
        gc.disable()
        try:
            self._loop(events, hear, poll)
        finally:
            gc.enable()
            gc.unfreeze()
            poll.close()
        for ear in hear.values():
            self._ran.counts += ear.counts
        late = sorted(self._sent_late_us)
        self._ran.late_ms_p99 = late[int(len(late) * 0.99)] / 1000 if late else 0.0
        return self._ran

    def _events(self) -> list[tuple[int, int, int, int]]:
        """All sendings in the order of their time: due (microseconds), person, first packet, packet after the last."""
        events = []
        for index, person in enumerate(self._people):
            low = 0
            for place in range(1, len(person.dues_us) + 1):
                if place == len(person.dues_us) or person.dues_us[place] != person.dues_us[low]:
                    events.append((person.dues_us[low], index, low, place))
                    low = place
        events.sort()
        return events

    def _loop(self, events: list[tuple[int, int, int, int]], hear: dict[int, Ear], poll: select.epoll) -> None:
        start = time.monotonic() + 0.05
        end = start + WARM_UP_S + self._seconds
        marks = [start + WARM_UP_S, end]
        duties = deque((start + DUTY_S * (1 + index / len(self._ears)), 0, ear) for index, ear in enumerate(self._ears))
        position = 0
        used = 0.0
        while True:
            at = time.monotonic()
            if marks and at >= marks[0]:
                marks.pop(0)
                self._mark()
                now_used = _cpu_s()
                self._ran.generator_cpu, used = now_used - used, now_used
            now_us = int((at - start) * 1e6)
            while position < len(events) and events[position][0] <= now_us:
                self._send(events[position], now_us)
                position += 1
            while duties[0][0] <= at:
                due, turn, ear = duties.popleft()
                self._duty(ear, turn, at)
                duties.append((due + DUTY_S, turn + 1, ear))
            if at >= end + LINGER_S:
                break
            next_at = start + events[position][0] / 1e6 if position < len(events) else at + 0.01
            ready = poll.poll(max(0.0, min(next_at, duties[0][0]) - time.monotonic()), 512)
            at = time.monotonic()
            for fileno, _ in ready:
                hear[fileno].readable(at)
        self._ran.steady_s = self._seconds
        self._ran.generator_cpu /= self._seconds

    def _send(self, event: tuple[int, int, int, int], now_us: int) -> None:
        due_us, index, low, high = event
        person = self._people[index]
        send = person.way_out.socket.send
        timed = self._timed[index]
        if timed:
            self._sent_late_us.append(now_us - due_us)
        for place in range(low, high):
            if timed:
                person.sent_ns[place] = time.time_ns()
            try:
                send(person.packets[place])
            except (BlockingIOError, ConnectionRefusedError):
                self._ran.not_sent += 1
        person.sent = high

    def _duty(self, ear: Ear, turn: int, at: float) -> None:
        if not self._reports:
            return
        person = ear.person
        feedback = ear.feedback()
        if feedback is not None:
            _send_control(ear.line.socket, ear.line.sending, feedback)
        if turn % REPORT_EVERY == 0:
            unix_s = time.time()
            compound = receiver_report(person.streams["video"].ssrc, list(ear.streams.values())[:8], at)
            _send_control(ear.line.socket, ear.line.sending, compound)
            for stream in person.streams.values():
                rate = 90_000 if stream.kind == "video" else 48_000
                sent = _rank(stream.places, person.sent)
                timestamp = stream.timestamp + int(person.dues_us[max(0, person.sent - 1)] * rate / 1e6)
                report = sender_report(stream.ssrc, unix_s, timestamp, sent, sent * 800)
                _send_control(person.way_out.socket, person.way_out.sending, report)
        if turn % CHECK_EVERY == 0:
            person.way_in.check()
            if person.way_out is not person.way_in:
                person.way_out.check()


def _sending_ear(people: Sequence[Person], person: Person) -> Ear:
    """Return an ear for a line that only sends: it gets RTCP and checks."""
    ear = Ear(people, person, probe=False, checked_one_in=1)
    ear.line = person.way_out
    ear._session = person.way_out.receiving
    return ear


def _send_control(sock: socket.socket, session: pylibsrtp.Session, packet: bytes) -> None:
    try:
        sock.send(session.protect_rtcp(packet))
    except (BlockingIOError, ConnectionRefusedError):
        return  # The next report says the same.


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
