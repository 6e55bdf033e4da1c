"""One hearing: forwards packets between links and never decodes them.

A transport translator (RFC 3550 section 7) that answers early where it can: SSRCs are kept, sender and receiver reports
pass, lost packets are asked for and sent again from here, keyframe requests are throttled, feedback is per hop.
"""

import logging
import struct
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Protocol

from records.journal import JournalError
from signaling.media import rtp
from signaling.media.events import (
    LinkConnected,
    LinkLost,
    MediaEvent,
    MediaRefused,
    OfferReady,
    PersonStats,
    StatsMeasured,
)
from signaling.media.link import Link
from signaling.media.participant import OWN_MIDS, SECTIONS_MAX, Participant
from signaling.media.recorder import Recorder
from signaling.media.sdp import PAYLOAD_TYPES, Answer, Kind, Transport, make_offer, read_answer
from signaling.media.still import KeyframeGatherer
from signaling.media.stream import SentNumbers, Stream, in_order

logger = logging.getLogger(__name__)

SEATS_MAX = 24
NACKS_A_MESSAGE_MAX = 64
NACKS_A_REQUEST_MAX = 256
"""Of one receiver's feedback message; more is an outage, and a keyframe serves it better."""
GATHERERS_MAX = 4
KEYFRAMES_AGAIN_S = 1.0
LIFTED_BPS = 20_000_000
KINDS: tuple[Kind, ...] = ("audio", "video")


class Plane(Protocol):
    """What a hearing needs of the worker that it runs in."""

    @property
    def drops(self) -> Counter[str]:
        """What was dropped, counted by reason."""
        ...

    def new_link(self, owner: "Hearing") -> Link:
        """Make a link and open the port for it."""
        ...

    def forget_link(self, link: Link) -> None:
        """Close the port for a link."""
        ...

    def transport(self, link: Link) -> Transport:
        """Return what the link's description says of the way here."""
        ...

    def spawn(self, work: Coroutine[object, object, None], name: str) -> None:
        """Run something in the worker's task group."""
        ...


class Hearing:
    """The people of one hearing and the packets between them."""

    def __init__(
        self, hearing_id: str, plane: Plane, recorder: Recorder, on_event: Callable[[MediaEvent], None]
    ) -> None:
        self.hearing_id = hearing_id
        self.recorder = recorder
        self.people: dict[str, Participant] = {}
        self._plane = plane
        self._on_event = on_event
        self._by_link: dict[Link, Participant] = {}
        self._muted: set[str] = set()
        self._offer_ids: dict[str, int] = {}
        self._gatherers: dict[int, list[KeyframeGatherer]] = {}
        self._receivers: dict[int, list[Participant]] = {}
        """Who gets each SSRC: worked out whenever a description or a link changes, not for every packet."""
        self._measured: dict[int, tuple[int, int, int]] = {}

    # --- People

    def add(self, seat_id: str) -> None:
        """Give the seat a link, a fresh one when it has one, and offer it everybody's streams."""
        known = self.people.get(seat_id)
        if known is None and len(self.people) >= SEATS_MAX:
            raise MediaRefused("seats_full")
        if known is not None:
            self._drop_link(known)
        link = self._plane.new_link(self)
        person = Participant(seat_id, link, self._offer_ids.get(seat_id, 0))
        self.people[seat_id] = person
        self._by_link[link] = person
        self._offer(person)

    def remove(self, seat_id: str) -> None:
        """Take the seat out; the others hear of it by an offer."""
        person = self.people.pop(seat_id, None)
        if person is None:
            raise MediaRefused("seat_unknown")
        self._drop_link(person)
        self.recorder.note({"event": "ParticipantRemoved", "seat_id": seat_id})
        self._reoffer_others(person)

    def close(self) -> None:
        """Drop every link."""
        for person in list(self.people.values()):
            self._drop_link(person)
        self.people.clear()

    def set_muted(self, seat_id: str, muted: bool) -> None:
        """Drop the seat's sound here, before anybody or the journal gets it, or stop doing so."""
        if muted == (seat_id in self._muted):
            return
        if muted:
            self._muted.add(seat_id)
        else:
            self._muted.discard(seat_id)
        self.recorder.note({"event": "Muted" if muted else "Unmuted", "seat_id": seat_id})

    def _drop_link(self, person: Participant) -> None:
        self._by_link.pop(person.link, None)
        self._plane.forget_link(person.link)
        self._plane.spawn(person.link.close(), "close link")
        for ssrc in person.streams:
            self._measured.pop(ssrc, None)
        self._place_receivers()

    # --- Negotiation

    def _offer(self, person: Participant) -> None:
        sections = person.plan(self._streams_for(person))
        if person.outstanding:
            person.stale = True
            return
        if len(sections) > SECTIONS_MAX:
            self.add(person.seat_id)
            return
        person.begin_offer(sections)
        self._offer_ids[person.seat_id] = person.offer_id
        text = make_offer(self._plane.transport(person.link), person.version, sections)
        self._on_event(OfferReady(self.hearing_id, person.seat_id, person.offer_id, text, person.seats_by_mid()))

    def _reoffer_others(self, changed: Participant) -> None:
        for other in list(self.people.values()):
            if other is changed or other.link.lost:
                continue
            if other.outstanding:
                other.stale = True
            elif other.plan(self._streams_for(other)) != other.sections:
                self._offer(other)

    def _streams_for(self, person: Participant) -> Iterator[Stream]:
        for other in self.people.values():
            if other is not person:
                yield from other.streams.values()

    def take_answer(self, seat_id: str, offer_id: int, text: str) -> None:
        """Take the answer to the outstanding offer. Raises MediaRefused; the offer then stays outstanding."""
        person = self.people.get(seat_id)
        if person is None:
            raise MediaRefused("seat_unknown")
        if not person.outstanding or offer_id != person.offer_id:
            raise MediaRefused("answer_stale")
        answer = read_answer(text)
        if person.link.knows_other(answer.fingerprints):
            raise MediaRefused("answer_insecure")
        changed = self._take_streams(person, answer)
        person.outstanding = False
        person.transport_wide = any(section.transport_wide for section in answer.sections.values())
        self._take_agreement(person, person.agreed(answer))
        if not person.link.answered:
            work = person.link.shake_hands(answer.fingerprints, other_is_client=answer.active)
            self._plane.spawn(self._guard(person.link, work), "handshake")
        if person.stale:
            person.stale = False
            if person.plan(self._streams_for(person)) != person.sections:
                self._offer(person)
        if changed:
            self._reoffer_others(person)

    def _take_streams(self, person: Participant, answer: Answer) -> bool:
        """Make the streams that the answer announces; returns whether the others must be told."""
        announced: dict[int, Kind] = {}
        person.unnamed.clear()
        for kind in KINDS:
            section = answer.sections.get(OWN_MIDS[kind])
            if section is None or not section.sends or section.kind != kind:
                continue
            if section.ssrcs:
                announced[section.ssrcs[0]] = kind
            else:
                person.unnamed.add(kind)
        taken = {stream.ssrc for stream in self._streams_for(person)}
        if taken & announced.keys() or len(set(announced)) != len(announced):
            raise MediaRefused("answer_ssrc_taken")
        before = set(person.streams)
        person.streams = {
            ssrc: person.streams.get(ssrc) or self._new_stream(person, kind, ssrc) for ssrc, kind in announced.items()
        }
        return before != set(person.streams)

    def _new_stream(self, person: Participant, kind: Kind, ssrc: int) -> Stream:
        try:
            number = self.recorder.declare(person.seat_id, kind, ssrc)
        except JournalError as error:
            raise MediaRefused(error.code) from error
        return Stream(person.seat_id, kind, ssrc, PAYLOAD_TYPES[kind], number)

    def _take_agreement(self, person: Participant, agreed: set[int]) -> None:
        new = agreed - person.receiving.keys()
        person.receiving = {ssrc: person.receiving.get(ssrc) or SentNumbers() for ssrc in agreed}
        self._place_receivers()
        if new and person.link.connected:
            self._welcome(person)

    def _welcome(self, person: Participant) -> None:
        """Get keyframes of everything that the person has begun to receive, now and once more a little later."""
        self._want_keyframes(person)
        person.keyframes_again_at = time.monotonic() + KEYFRAMES_AGAIN_S

    def _want_keyframes(self, person: Participant) -> None:
        for stream in self._streams_for(person):
            if stream.ssrc in person.receiving:
                stream.want_keyframe()

    def _place_receivers(self) -> None:
        self._receivers = {}
        for person in self.people.values():
            if person.link.connected:
                for ssrc in person.receiving:
                    self._receivers.setdefault(ssrc, []).append(person)

    async def _guard(self, link: Link, work: Coroutine[object, object, None]) -> None:
        """Let a fault in one link's handshake end that link only."""
        try:
            await work
        except Exception:
            logger.exception("handshake of a link in hearing %s failed", self.hearing_id)
            link.lose("internal")

    # --- What links say (LinkOwner)

    def link_connected(self, link: Link) -> None:
        """Begin to forward."""
        person = self._by_link.get(link)
        if person is None:
            return
        self._place_receivers()
        self._welcome(person)
        for stream in person.streams.values():
            stream.want_keyframe()
        self.recorder.note({"event": "LinkConnected", "seat_id": person.seat_id})
        self._on_event(LinkConnected(self.hearing_id, person.seat_id))

    def link_lost(self, link: Link, reason: str) -> None:
        """Stop forwarding to and from the link; the seat stays."""
        self._plane.forget_link(link)
        person = self._by_link.pop(link, None)
        if person is None:
            return
        self._place_receivers()
        self.recorder.note({"event": "LinkLost", "seat_id": person.seat_id, "reason": reason})
        self._on_event(LinkLost(self.hearing_id, person.seat_id, reason))

    def rtp_arrived(self, link: Link, data: bytes, at: float) -> None:
        """Journal a packet and send it to everybody who agreed to get it."""
        person = self._by_link.get(link)
        head = rtp.read_head(data)
        if person is None or head is None:
            self._plane.drops["rtp_malformed"] += 1
            return
        stream = person.streams.get(head.ssrc) or self._name_stream(person, head)
        if stream is None or head.payload_type != stream.payload_type:
            self._plane.drops["rtp_unexpected"] += 1
            return
        numbered = rtp.extension_at(data, rtp.TRANSPORT_WIDE_ID)
        if numbered >= 0:
            person.uplink.arrived(int.from_bytes(data[numbered : numbered + 2], "big"), at)
        stream.take(head, data, at)
        if stream.kind == "audio" and person.seat_id in self._muted:
            return
        self.recorder.packet(stream.number, at, data)
        for gatherer in self._gatherers.get(head.ssrc, ()):
            gatherer.take(head, data, at)
        for receiver in self._receivers.get(head.ssrc, ()):
            receiver.forward(stream, head.sequence, data, at)

    def _name_stream(self, person: Participant, head: rtp.RtpHead) -> Stream | None:
        kind = next((kind for kind in person.unnamed if PAYLOAD_TYPES[kind] == head.payload_type), None)
        if kind is None or any(stream.ssrc == head.ssrc for stream in self._streams_for(person)):
            return None
        person.unnamed.discard(kind)
        stream = self._new_stream(person, kind, head.ssrc)
        person.streams[head.ssrc] = stream
        self._reoffer_others(person)
        return stream

    def rtcp_arrived(self, link: Link, data: bytes, at: float) -> None:
        """Answer what can be answered here, pass on what cannot, drop the rest."""
        person = self._by_link.get(link)
        if person is None:
            return
        for part in rtp.read_rtcp(data):
            if part.kind == rtp.SENDER_REPORT:
                self._sender_report(person, part, at)
                self._receiver_reports(person, part, at)
            elif part.kind == rtp.RECEIVER_REPORT:
                self._receiver_reports(person, part, at)
            elif part.kind == rtp.TRANSPORT_FEEDBACK and part.count == rtp.TRANSPORT_WIDE:
                person.downlink.told(part, at)
            elif part.kind == rtp.TRANSPORT_FEEDBACK and part.count == rtp.NACK:
                self._asked_again(person, part)
            elif part.kind == rtp.PAYLOAD_FEEDBACK:
                self._payload_feedback(person, part)

    def _sender_report(self, person: Participant, part: rtp.RtcpPart, at: float) -> None:
        stream = person.streams.get(rtp.sender_of(part) or 0)
        report = rtp.bare_sender_report(part)
        if stream is None or report is None or (stream.kind == "audio" and person.seat_id in self._muted):
            return
        self.recorder.packet(stream.number, at, report)
        (middle,) = struct.unpack_from(">I", report, 10)
        for receiver in self._receivers.get(stream.ssrc, ()):
            receiver.report_sent(middle, at)
            receiver.link.send_rtcp(report)

    def _receiver_reports(self, person: Participant, part: rtp.RtcpPart, at: float) -> None:
        reporter = rtp.sender_of(part)
        for block in rtp.read_reports(part):
            owner = self._owner_of(person, block.ssrc)
            if owner is None or reporter is None:
                continue
            person.report_came_back(block.last_report, block.delay, at)
            person.loss_down_pct = 0.5 * person.loss_down_pct + 0.5 * block.fraction_lost / 2.56
            owner.link.send_rtcp(rtp.make_receiver_report(reporter, [block.data]))

    def _owner_of(self, receiver: Participant, ssrc: int) -> Participant | None:
        if ssrc not in receiver.receiving:
            return None
        return next((person for person in self.people.values() if ssrc in person.streams), None)

    def _asked_again(self, person: Participant, part: rtp.RtcpPart) -> None:
        ssrc = rtp.target_of(part)
        owner = self._owner_of(person, ssrc) if ssrc is not None else None
        if owner is None or ssrc is None:
            return
        for count, sequence in enumerate(rtp.read_nack(part)):
            if count >= NACKS_A_REQUEST_MAX:
                break
            person.send_again(owner.streams[ssrc], sequence)

    def _payload_feedback(self, person: Participant, part: rtp.RtcpPart) -> None:
        if part.count in (rtp.PLI, rtp.FIR):
            ssrc = rtp.target_of(part)
            owner = self._owner_of(person, ssrc) if ssrc is not None else None
            if owner is not None and ssrc is not None:
                owner.streams[ssrc].want_keyframe()
        elif not person.transport_wide:
            # A receiver without transport-wide feedback estimates by itself.
            bitrate = rtp.read_remb(part)
            if bitrate is not None:
                person.downlink.cap_bps = float(max(bitrate, 60_000))

    # --- What comes round by itself

    def turn(self, at: float) -> None:
        """Ask senders for what is missing, and give up silent links. Every 40 ms or so."""
        for person in list(self.people.values()):
            if person.link.lost:
                continue
            overdue = person.link.overdue(at)
            if overdue is not None:
                person.link.lose(overdue)
                continue
            if not person.link.connected:
                continue
            if person.keyframes_again_at is not None and at >= person.keyframes_again_at:
                person.keyframes_again_at = None
                self._want_keyframes(person)
            for stream in person.streams.values():
                for piece in in_order(stream.missing_now(at), NACKS_A_MESSAGE_MAX):
                    person.link.send_rtcp(rtp.make_nack(stream.ssrc, piece))
                if stream.keyframe_due(at):
                    person.link.send_rtcp(rtp.make_pli(stream.ssrc))

    def give_feedback(self, at: float) -> None:
        """Answer the senders' numbers and tell them what the others' lines carry. Every 80 ms."""
        for person in self.people.values():
            if not person.link.connected or not person.streams:
                continue
            first = next(iter(person.streams))
            report = person.uplink.report(first)
            while report is not None:
                person.link.send_rtcp(report)
                report = person.uplink.report(first)
            self._cap(person, at)

    def _cap(self, sender: Participant, at: float) -> None:
        """Tell a sender the least that its receivers' lines carry, each shared evenly among the cameras it gets."""
        caps = [
            receiver.downlink.cap_bps / max(1, self._cameras_of(receiver))
            for stream in sender.streams.values()
            for receiver in self._receivers.get(stream.ssrc, ())
            if stream.kind == "video" and receiver.downlink.cap_bps is not None
        ]
        cap = min(caps, default=None)
        if cap is None:
            if sender.capped_bps is not None:
                sender.capped_bps = None
                sender.link.send_rtcp(rtp.make_remb(LIFTED_BPS, sender.streams))
        elif sender.capped_bps is None or cap < 0.97 * sender.capped_bps or at - sender.capped_at >= 1.0:
            sender.capped_bps = cap
            sender.capped_at = at
            sender.link.send_rtcp(rtp.make_remb(int(cap), sender.streams))

    def _cameras_of(self, receiver: Participant) -> int:
        return sum(
            stream.kind == "video" for stream in self._streams_for(receiver) if stream.ssrc in receiver.receiving
        )

    def measure(self, elapsed_s: float) -> None:
        """Tell everybody's statistics of the last `elapsed_s` seconds."""
        people = {person.seat_id: self._measure(person, elapsed_s) for person in self.people.values()}
        self._on_event(StatsMeasured(self.hearing_id, people))

    def _measure(self, person: Participant, elapsed_s: float) -> PersonStats:
        size = expected = received = level = 0
        for ssrc, stream in person.streams.items():
            before = self._measured.get(ssrc, (0, 0, 0))
            self._measured[ssrc] = (stream.bytes, stream.expected, stream.received)
            size += stream.bytes - before[0]
            expected += stream.expected - before[1]
            received += stream.received - before[2]
            if person.seat_id not in self._muted:
                level = max(level, stream.level)
            stream.level = 0
        loss_up_pct = 100 * max(0, expected - received) / expected if expected else 0.0
        return PersonStats(
            loss_pct=round(max(loss_up_pct, person.loss_down_pct), 1),
            rtt_ms=None if person.rtt_s is None else round(person.rtt_s * 1000),
            kbps=round(8 * size / 1000 / max(elapsed_s, 0.1)),
            level=round(level / 1.27),
        )

    # --- Stills

    def gather(self, seat_id: str) -> KeyframeGatherer | None:
        """Begin to gather the next keyframe of a seat's camera; None when it sends no picture or too many wait."""
        person = self.people.get(seat_id)
        stream = person.stream("video") if person is not None else None
        if stream is None or person is None or not person.link.connected:
            return None
        waiting = self._gatherers.setdefault(stream.ssrc, [])
        if len(waiting) >= GATHERERS_MAX:
            return None
        gatherer = KeyframeGatherer()
        waiting.append(gatherer)
        stream.want_keyframe()
        return gatherer

    def end_gathering(self, gatherer: KeyframeGatherer) -> None:
        """Stop feeding a gatherer."""
        self._gatherers = {
            ssrc: [other for other in waiting if other is not gatherer]
            for ssrc, waiting in self._gatherers.items()
            if waiting != [gatherer]
        }
