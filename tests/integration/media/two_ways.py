"""One hearing, step by step, through the express lane or the plain way: what comes out must not tell which it was.

The relay's turns are taken by hand, so that time decides nothing: each is later than the one before by more than any
interval in the relay. What may rightly be carried earlier than what came before it in the same wake-up (packets that
are late or repaired, reports) is read by itself.
"""

import asyncio
import struct
import time
from collections.abc import Callable
from ctypes import c_double, c_int64, c_uint16
from dataclasses import dataclass, field, fields
from itertools import zip_longest
from pathlib import Path
from unittest.mock import patch

from records.journal_reading import read_journal
from records.journal_records import Event, Packet, Source
from signaling.media import link, resending, rtp, stream, worker
from signaling.media.codecs import RED
from signaling.media.congestion import UplinkFeedback, read_feedback
from signaling.media.events import LinkConnected, MediaEvent, OfferReady, PersonStats, StatsMeasured
from signaling.media.relay import Hearing
from signaling.media.shared_state import SENT_KEPT, UplinkState
from signaling.media.srtp import Srtp
from signaling.media.still import KeyframeGatherer
from tests.fuzz import seeds
from tests.fuzz.callers import FINGERPRINT, Caller, open_socket
from tests.integration.media import steps
from tests.integration.media.peers import HEARING, open_plane

TURN_S = 0.6
"""More than anything is asked for again after."""
AHEAD_S = 2.0
BEGINS_AT = 0xFFE0
"""Sequence numbers begin so near to their wrap that most trials see it."""
LINE_S = 0.02
"""How long everything is under way to whoever gives feedback."""
LEFT_OUT_KEPT = 8


@dataclass
class Heard:
    """What one person got."""

    streams: dict[int, list[bytes]] = field(default_factory=dict)
    """RTP by SSRC, decrypted, without the relay's transport-wide numbers."""
    numbers: list[int | None] = field(default_factory=list)
    """Those numbers; None where a packet's header extensions have no room for one."""
    again: list[bytes] = field(default_factory=list)
    """What was sent again, to the last bit as before."""
    control: list[object] = field(default_factory=list)
    """RTCP, and of transport-wide feedback what it says without the times."""


@dataclass
class Outcome:
    """All that can be seen of a hearing from outside. `handled`: how many packets came to Python's hands."""

    heard: dict[str, Heard] = field(default_factory=dict)
    journal: dict[tuple[str, int, int], list[bytes]] = field(default_factory=dict)
    noted: list[object] = field(default_factory=list)
    measured: list[object] = field(default_factory=list)
    stills: list[bool] = field(default_factory=list)
    sizes: dict[str, list[int]] = field(default_factory=dict)
    """Of what went to each under a transport-wide number and of whose fate nothing was told."""
    drops: dict[str, int] = field(default_factory=dict)
    handled: int = field(default=0, compare=False)


class Person(Caller):
    """A seat's browser, and what it got."""

    def __init__(self, media: worker.MediaWorker, seat: steps.Seat, number: int) -> None:
        super().__init__(media, HEARING, seat.value, number)
        self.heard = Heard()
        self.last = b""
        self.left_out: dict[int, list[tuple[int, int]]] = {ssrc: [] for ssrc in self.ssrcs}
        """(Sequence number, transport-wide number) of what was never sent."""
        self._number = 0
        self._opened: dict[bytes, bytes] = {}
        self._knows_red = seat is not steps.Seat.LI
        self._sequences = dict.fromkeys(self.ssrcs, BEGINS_AT)

    async def _answer(self, offer: OfferReady) -> None:
        self._answered = offer.offer_id
        text = seeds.answer_to(offer.sdp, FINGERPRINT, self.ssrcs)
        if not self._knows_red:
            text = "\r\n".join(line.replace(f" {RED} ", " ") for line in text.split("\r\n") if f":{RED} " not in line)
        await self._worker.take_answer(HEARING, self.seat_id, offer.offer_id, text)

    # --- Sending

    def number(self, lost: int = 0) -> int:
        """Return the next transport-wide number after so many that were lost."""
        self._number += lost + 1
        return self._number & 0xFFFF

    def send_packet(self, packet: bytes) -> None:
        """Encrypt and send RTP."""
        session = self._dtls._tx_srtp
        assert session is not None
        # The relay's own, for the library's stops at what fits an Ethernet frame.
        self.last = Srtp(session).protect(packet)
        self.send(self.last)

    def send_compound(self, compound: bytes) -> None:
        """Encrypt and send RTCP."""
        data = self.protected_rtcp(compound)
        assert data is not None
        self.send(data)

    # --- Receiving

    async def hear_all(self) -> None:
        """Wait for the answer to a check, and take all that comes before it: nothing is on the way then."""
        transaction = self.check()[8:20]
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(20):
            while True:
                data = await loop.sock_recv(self.socket, 2048)
                if data[:2] == b"\x01\x01":
                    if data[8:20] == transaction:
                        return
                elif 127 < data[0] < 192:
                    self._hear(data)

    def _hear(self, data: bytes) -> None:
        assert self._dtls._rx_srtp is not None
        session = Srtp(self._dtls._rx_srtp)
        if rtp.is_rtcp(data):
            self.heard.control += map(_without_times, rtp.read_rtcp(session.unprotect_rtcp(data)))
            return
        if data in self._opened:
            self.heard.again.append(self._opened[data])
            return
        packet = session.unprotect(data)
        at = rtp.extension_at(packet, rtp.TRANSPORT_WIDE_ID)
        self.heard.numbers.append(int.from_bytes(packet[at : at + 2], "big") if at >= 0 else None)
        packet = rtp.with_transport_number(packet, 0, at) if at >= 0 else packet
        self._opened[data] = packet
        self.heard.streams.setdefault(int.from_bytes(packet[8:12], "big"), []).append(packet)


def _without_times(part: rtp.RtcpPart) -> object:
    if (part.kind, part.form) == (rtp.TRANSPORT_FEEDBACK, rtp.TRANSPORT_WIDE):
        return [(number, at is not None) for number, at in read_feedback(part)]
    return part.data


class Trial:
    """A hearing under way."""

    def __init__(self, media: worker.MediaWorker, events: list[MediaEvent]) -> None:
        self.outcome = Outcome()
        self._media = media
        self._events = events
        self._people: dict[steps.Seat, Person] = {}
        self._turns = 0
        self._strangers = 0
        self._gatherer: KeyframeGatherer | None = None

    @property
    def _hearing(self) -> Hearing:
        return self._media._hearings[HEARING]

    async def do(self, step: steps.Step) -> None:
        """Take one step; what nobody is there for is left out."""
        if isinstance(step, steps.Change):
            await self._change(step)
            return
        person = self._people.get(step.seat)
        if person is None:
            return
        match step:
            case steps.Send():
                self._send(person, step)
            case steps.Double():
                person.send(person.last or b"\x80" + bytes(30))
            case steps.Strange():
                self._stray(person, step)
            case _:
                await self.settle()
                await self._alone(person, step)
                await self.settle()

    async def _change(self, change: steps.Change) -> None:
        if change is steps.Change.TURN:
            await self.turn()
        elif change is steps.Change.PAUSE:
            await self.settle()
        elif change is steps.Change.STILL:
            await self._still()
        elif change is steps.Change.RECESS:
            await self.settle()
            self._media.set_paused(HEARING, not self._hearing._exchange.paused)
        elif steps.Seat.LI in self._people:
            await self._leave(steps.Seat.LI)
        else:
            await self.come(steps.Seat.LI)

    async def _alone(
        self, person: Person, step: steps.Late | steps.Mute | steps.Ask | steps.Report | steps.Feedback | steps.Move
    ) -> None:
        match step:
            case steps.Late():
                self._send_late(person, step)
            case steps.Mute(seat, muted):
                self._media.set_muted(HEARING, seat.value, muted)
            case steps.Ask(of=of) if of in self._people:
                ssrc = self._people[of].ssrcs[step.camera]
                wanted = [self._people[of].sequence(ssrc) - back & 0xFFFF for back in step.back]
                person.send_compound(rtp.make_nack(ssrc, wanted))
            case steps.Report():
                far = self._people[steps.Seat.GAO if person is self._people[steps.Seat.WANG] else steps.Seat.WANG].ssrcs
                person.send_compound(seeds.rtcp_compounds(person.ssrcs, far[:2])[2])
            case steps.Feedback(lost=lost):
                self._give_feedback(person, lost)
            case steps.Move():
                person.socket.close()
                person.socket = open_socket()

    def _send(self, person: Person, step: steps.Send) -> None:
        ssrc = person.ssrcs[step.form.camera]
        last, number = person.sequence(ssrc), person.number(step.gap)
        lost = [(last + 1 + index & 0xFFFF, number - step.gap + index & 0xFFFF) for index in range(step.gap)]
        person.left_out[ssrc] = [*person.left_out[ssrc], *lost][-LEFT_OUT_KEPT:]
        for index in range(step.count):
            number = person.number() if index else number
            packet = step.form.packet(number, step.longer)
            person.send_packet(person.in_turn(packet, ssrc, 1 if index else 1 + step.gap))

    def _send_late(self, person: Person, step: steps.Late) -> None:
        ssrc = person.ssrcs[step.camera]
        if not person.left_out[ssrc]:
            return
        sequence, number = person.left_out[ssrc].pop()
        sequence_bytes = sequence.to_bytes(2, "big")
        if not (step.repaired and step.camera):
            packet = (steps.Form.PICTURE if step.camera else steps.Form.SOUND).packet(number)
            person.send_packet(packet[:2] + sequence_bytes + packet[4:8] + ssrc.to_bytes(4, "big") + packet[12:])
            return
        packet = steps.Form.PICTURE.packet(person.number())
        head = rtp.read_head(packet)
        assert head is not None
        repair = bytes((packet[0], packet[1] + 1)) + packet[2 : head.payload_at] + sequence_bytes
        person.send_packet(person.in_turn(repair + packet[head.payload_at :], person.ssrcs[2], 1))

    def _give_feedback(self, person: Person, lost: int | None) -> None:
        feedback = UplinkFeedback(UplinkState())
        for number, at, _ in self._on_the_way_to(person.seat_id):
            if lost is None or number % lost:
                feedback.arrived(number, at + LINE_S)
        while (report := feedback.report(person.ssrcs[0])) is not None:
            person.send_compound(report)

    def _on_the_way_to(self, seat_id: str) -> list[tuple[int, float, int]]:
        """Return what went to somebody and of which nothing was told: its number, when it was sent, its size."""
        state = self._hearing._exchange.people[seat_id].downlink.state
        rings = (
            (c_int64 * SENT_KEPT).from_address(state.sent_number),
            (c_double * SENT_KEPT).from_address(state.sent_at),
            (c_uint16 * SENT_KEPT).from_address(state.sent_size),
        )
        return [sent for sent in zip(*rings, strict=True) if sent[0] >= 0]

    def _stray(self, person: Person, step: steps.Strange) -> None:
        ssrc = 0x7000 + person.ssrcs[0]
        self._strangers += 1
        packet = struct.pack(">BBHII", 0x80, 111, self._strangers, 0, ssrc) + bytes(50)
        plain = rtp.make_receiver_report(ssrc, []) if step.control else packet
        if not step.authentic:
            person.send(plain + bytes(40))
        elif step.control:
            person.send_compound(plain)
        else:
            person.send(person.protected(packet) or b"")

    async def _still(self) -> None:
        await self.settle()
        if self._gatherer is None:
            self._gatherer = self._hearing.gather(steps.Seat.GAO.value)
            return
        self.outcome.stills.append(self._gatherer.found.done())
        self._hearing.end_gathering(self._gatherer)
        self._gatherer = None

    # --- People

    async def come(self, seat: steps.Seat) -> None:
        """Come in, and have everybody agree to get everybody."""
        await self.settle()
        # Under SSRCs of their own, each time.
        number = 1 + len(self.outcome.heard)
        person = Person(self._media, seat, number)
        self.outcome.heard[f"{seat.value}, the {number}. to come"] = person.heard
        connected = LinkConnected(HEARING, seat.value)
        before = self._events.count(connected)
        await person.join(self._events)
        await _until(lambda: self._events.count(connected) > before)
        self._people[seat] = person
        await self._answer_all()

    async def _leave(self, seat: steps.Seat) -> None:
        await self.settle()
        await self._media.remove_participant(HEARING, seat.value)
        await self._people.pop(seat).leave()
        await self._answer_all()

    async def _answer_all(self) -> None:
        for _ in steps.Seat:
            for each in self._people.values():
                await each.answer_all(self._events)

    def look_at_sizes(self) -> None:
        """Note what is known of the packets of whose fate nothing was told."""
        for seat_id in self._hearing._exchange.people:
            self.outcome.sizes[seat_id] = sorted(size for _, _, size in self._on_the_way_to(seat_id))

    async def end(self) -> None:
        """Close everything of ours."""
        for person in self._people.values():
            await person.leave()

    # --- The relay

    async def settle(self) -> None:
        """Wait until the relay has read all that was sent, and everybody all that it sent."""
        for person in [*self._people.values()][-1:]:
            await person.hear_all()
        for person in self._people.values():
            await person.hear_all()

    async def turn(self) -> None:
        """Have the relay take its turn, once it has read everything."""
        await self.settle()
        self._turns += 1
        at = time.monotonic() + AHEAD_S + self._turns * TURN_S
        self._hearing.turn(at)
        self._hearing.give_feedback(at)
        self._hearing.measure(1.0)
        await self.settle()


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 (nobody says when)
            await asyncio.sleep(0.001)


class NotSecret:
    """Draws the same numbers every time."""

    @staticmethod
    def randbelow(_: int) -> int:
        return 1000


async def hold(taken: list[steps.Step], directory: Path, *, plainly: bool) -> Outcome:
    """Hold a hearing of Gao and Wang in which such steps are taken; return what came of it."""
    handled = 0
    take = Hearing.rtp_arrived

    def counted(hearing: Hearing, *arrived: object) -> None:
        nonlocal handled
        handled += 1
        take(hearing, *arrived)  # type: ignore[arg-type]

    with (
        patch.object(worker, "TURN_S", 3600.0),
        patch.object(stream, "TURN_EVERY_S", 0.0),
        # Turns run ahead of the clock: nobody is silent for that.
        patch.object(link, "CONSENT_S", 3600.0),
        patch.object(stream, "KEYFRAME_EVERY_S", 3600.0),
        patch.object(Hearing, "rtp_arrived", counted),
        patch.object(resending, "secrets", NotSecret),
    ):
        plane = await open_plane(directory, plainly=plainly)
        trial = Trial(plane.worker, plane.events)
        try:
            for seat in (steps.Seat.GAO, steps.Seat.WANG):
                await trial.come(seat)
            await trial.turn()
            for step in taken:
                await trial.do(step)
            await trial.turn()
            trial.look_at_sizes()
            await plane.worker.close_hearing(HEARING)
        finally:
            await trial.end()
            await plane.worker.stop()
    outcome = trial.outcome
    outcome.drops = {reason: count for reason, count in sorted(plane.worker.drops.items()) if count}
    outcome.measured = [_figures(event) for event in plane.events if isinstance(event, StatsMeasured)]
    _read(directory, outcome)
    outcome.handled = handled
    return outcome


def _figures(event: StatsMeasured) -> dict[str, tuple[float, int, int]]:
    def figures(person: PersonStats) -> tuple[float, int, int]:
        return person.loss_pct, person.kbps, person.level

    return {seat: figures(person) for seat, person in event.people.items()}


def _read(directory: Path, outcome: Outcome) -> None:
    sources: dict[int, Source] = {}
    for record in read_journal(directory):
        match record:
            case Source():
                sources[record.number] = record
            case Packet():
                source = sources[record.source]
                key = (source.seat_id, source.ssrc, source.payload_type)
                outcome.journal.setdefault(key, []).append(record.data)
            case Event():
                outcome.noted.append(record.data)


def differences(one: object, other: object, where: str = "") -> list[str]:
    """Return where two outcomes differ, and how: the first difference of every list."""
    if isinstance(one, Outcome | Heard) and isinstance(other, type(one)):
        names = [each.name for each in fields(one) if each.compare]
        one, other = ({name: getattr(each, name) for name in names} for each in (one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [*one, *(key for key in other if key not in one)]
        return [line for key in keys for line in differences(one.get(key), other.get(key), f"{where}.{key}")]
    if isinstance(one, list) and isinstance(other, list):
        for index, (left, right) in enumerate(zip_longest(one, other)):
            if left != right:
                return differences(left, right, f"{where}[{index} of {len(one)}, {len(other)}]")
        return []
    shown = (each.hex() if isinstance(each, bytes) else repr(each) for each in (one, other))
    return [] if one == other else [f"{where}: {' != '.join(text[:200] for text in shown)}"]
