"""One hearing: forwards packets between links and never decodes them.

A transport translator (RFC 3550 section 7) that answers early where it can: SSRCs are kept, sender and receiver reports
pass, lost packets are asked for and sent again from here, keyframe requests are throttled, feedback is per hop.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Protocol

from records.journal import JournalError
from signaling.media import rtp
from signaling.media.codecs import OPUS, RED, REPAIRED, Kind
from signaling.media.control import Control
from signaling.media.events import (
    LinkConnected,
    LinkLost,
    MediaEvent,
    MediaRefused,
    OfferReady,
    PicturesUnseen,
    StatsMeasured,
)
from signaling.media.exchange import Exchange
from signaling.media.express import Express
from signaling.media.lanes import Lanes
from signaling.media.link import ANSWER_S, Link
from signaling.media.participant import OWN_MIDS, SECTIONS_MAX, Participant
from signaling.media.recorder import Recorder
from signaling.media.sdp import Answer, Section, Transport, make_offer, read_answer
from signaling.media.still import Gatherers, KeyframeGatherer
from signaling.media.stream import Stream

logger = logging.getLogger(__name__)

SEATS_MAX = 24
KEYFRAMES_AGAIN_S = 1.0
KINDS: tuple[Kind, ...] = ("audio", "video")


class Plane(Protocol):
    """What a hearing needs of the worker that it runs in."""

    @property
    def drops(self) -> Counter[str]:
        """What was dropped, counted by reason."""
        ...

    @property
    def express(self) -> Express | None:
        """The port's express lane, where there is one."""
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
        self._plane = plane
        self._on_event = on_event
        self._lanes = Lanes(plane.express, recorder.intake, self._extraordinary)
        self._exchange = Exchange(self._lanes.close)
        self._control = Control(self._exchange, recorder)
        self._offer_ids: dict[str, int] = {}
        self._gatherers = Gatherers()
        self._unseen: Mapping[str, tuple[str, ...]] = {}

    # --- People

    def add(self, seat_id: str, *, publishes: bool = True) -> None:
        """Give the seat a link, a fresh one when it has one, and offer it everybody's streams.

        One that does not publish is not asked for streams, and none are taken from it.
        """
        known = self._exchange.people.get(seat_id)
        if known is None and len(self._exchange.people) >= SEATS_MAX:
            raise MediaRefused("seats_full")
        if known is not None:
            self._drop_link(known)
        link = self._plane.new_link(self)
        person = Participant(seat_id, link, self._offer_ids.get(seat_id, 0), publishes=publishes)
        self._exchange.put(person)
        self._offer(person)

    def remove(self, seat_id: str) -> None:
        """Take the seat out; the others hear of it by an offer."""
        person = self._exchange.people.pop(seat_id, None)
        if person is None:
            raise MediaRefused("seat_unknown")
        self._drop_link(person)
        self.recorder.note({"event": "ParticipantRemoved", "seat_id": seat_id})
        self._reoffer_others(person)

    def close(self) -> None:
        """Drop every link."""
        for person in list(self._exchange.people.values()):
            self._drop_link(person)
        self._exchange.people.clear()

    def set_muted(self, seat_id: str, muted: bool) -> None:
        """Drop the seat's sound here, before anybody or the journal gets it, or stop doing so."""
        if self._exchange.set_muted(seat_id, muted):
            self.recorder.note({"event": "Muted" if muted else "Unmuted", "seat_id": seat_id})

    def set_paused(self, paused: bool) -> None:
        """Begin a recess, in which nobody and the journal gets any sound or picture, or end it. Links stay up."""
        if self._exchange.set_paused(paused):
            self.recorder.note({"event": "Paused" if paused else "Resumed"})
            if not paused:
                self._ask_everybody(time.monotonic())

    def _ask_everybody(self, at: float) -> None:
        for person in self._exchange.people.values():
            if person.link.connected:
                self._control.ask(person, at)

    def _drop_link(self, person: Participant) -> None:
        self._exchange.let_go(person.link)
        self._plane.forget_link(person.link)
        self._plane.spawn(person.link.close(), "close link")

    # --- Negotiation

    def _plan(self, person: Participant) -> list[Section]:
        return person.plan(self._exchange.streams_for(person), self._exchange.formats_for(person))

    def _offer(self, person: Participant) -> None:
        sections = self._plan(person)
        if person.outstanding:
            person.stale = True
            return
        if len(sections) > SECTIONS_MAX:
            self.add(person.seat_id, publishes=person.publishes)
            return
        person.begin_offer(sections, time.monotonic())
        self._offer_ids[person.seat_id] = person.offer_id
        text = make_offer(self._plane.transport(person.link), person.version, sections)
        self._on_event(OfferReady(self.hearing_id, person.seat_id, person.offer_id, text, person.seats_by_mid()))

    def _reoffer_others(self, changed: Participant) -> None:
        for other in list(self._exchange.people.values()):
            if other is changed or other.link.lost:
                continue
            if other.outstanding:
                other.stale = True
            elif self._plan(other) != other.sections:
                self._offer(other)
        self._tell_unseen()

    def _tell_unseen(self) -> None:
        unseen = self._exchange.unseen()
        if unseen != self._unseen:
            self._unseen = unseen
            self.recorder.note({"event": "PicturesUnseen", "unseen": {seat: [*by] for seat, by in unseen.items()}})
            self._on_event(PicturesUnseen(self.hearing_id, unseen))

    def take_answer(self, seat_id: str, offer_id: int, text: str) -> None:
        """Take the answer to the outstanding offer. Raises MediaRefused; the offer then stays outstanding."""
        person = self._exchange.people.get(seat_id)
        if person is None:
            raise MediaRefused("seat_unknown")
        if not person.outstanding or offer_id != person.offer_id or person.link.lost:
            raise MediaRefused("answer_stale")
        answer = read_answer(text)
        if person.link.knows_other(answer.fingerprints):
            raise MediaRefused("answer_insecure")
        self._take_streams(person, answer)
        person.outstanding = False
        person.transport_wide = any(section.transport_wide for section in answer.sections.values())
        person.take_acceptance(answer)
        new = person.settle(self._exchange.streams_for(person))
        self._exchange.settle()
        if new and person.link.connected:
            self._welcome(person)
        if not person.link.answered:
            person.link.expect(answer.fingerprints, other_is_client=answer.active)
            self._plane.spawn(self._guard(person.link, person.link.shake_hands()), "handshake")
        person.stale = False
        if self._plan(person) != person.sections:
            self._offer(person)
        # What this browser sends, and what it can show, may change what the others are offered.
        self._reoffer_others(person)

    def _take_streams(self, person: Participant, answer: Answer) -> None:
        """Make the streams that the answer announces."""
        announced: dict[int, Kind] = {}
        repairs: dict[int, int] = {}
        person.unnamed.clear()
        for kind in KINDS:
            section = answer.sections.get(OWN_MIDS[kind])
            if section is None or section.kind != kind:
                continue
            person.take_choice(kind, section)
            if not section.sends or not person.formats[kind] or not person.publishes:
                continue
            if section.ssrc is None:
                person.unnamed.add(kind)
                continue
            announced[section.ssrc] = kind
            if section.rtx_ssrc is not None:
                repairs[section.rtx_ssrc] = section.ssrc
        if self._exchange.has_no_room_for(person, (*announced, *repairs)):
            raise MediaRefused("answer_ssrc_taken")
        person.repairs = repairs
        at = time.monotonic()
        streams = {}
        for ssrc, kind in announced.items():
            streams[ssrc] = person.streams.get(ssrc) or self._new_stream(person, kind, ssrc)
            if streams[ssrc].payload_type not in person.formats[kind]:
                self._turn(streams[ssrc], person.formats[kind][0], at)
        person.streams = streams

    def _new_stream(self, person: Participant, kind: Kind, ssrc: int) -> Stream:
        payload_type = person.formats[kind][0]
        number = self._declare(person.seat_id, ssrc, payload_type)
        repair_ssrc = self._exchange.take_ssrc(ssrc)
        stream = Stream(person.seat_id, kind, ssrc, payload_type, number, repair_ssrc=repair_ssrc)
        if payload_type == RED:
            # Its pieces name the payload type that they are of: the journal must know that one too.
            stream.numbers[OPUS] = self._declare(person.seat_id, ssrc, OPUS)
        return stream

    def _declare(self, seat_id: str, ssrc: int, payload_type: int) -> int:
        try:
            return self.recorder.declare(seat_id, ssrc, payload_type)
        except JournalError as error:
            raise MediaRefused(error.code) from error

    def _turn(self, stream: Stream, payload_type: int, at: float) -> None:
        """Take the stream's packets under another payload type, which is another source in the journal."""
        number = stream.numbers.get(payload_type)
        if number is None:
            number = self._declare(stream.seat_id, stream.ssrc, payload_type)
        stream.turn(payload_type, number, at)
        self._lanes.close()

    def _welcome(self, person: Participant) -> None:
        """Get keyframes of everything that the person has begun to receive, now and once more a little later."""
        self._want_keyframes(person)
        person.keyframes_again_at = time.monotonic() + KEYFRAMES_AGAIN_S

    def _want_keyframes(self, person: Participant) -> None:
        for stream in self._exchange.streams_for(person):
            if stream.ssrc in person.receiving:
                stream.want_keyframe()

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
        person = self._exchange.at(link)
        if person is None:
            return
        self._exchange.place_receivers()
        self._welcome(person)
        for stream in person.streams.values():
            stream.want_keyframe()
        self.recorder.note({"event": "LinkConnected", "seat_id": person.seat_id})
        self._on_event(LinkConnected(self.hearing_id, person.seat_id))

    def link_lost(self, link: Link, reason: str) -> None:
        """Stop forwarding to and from the link; the seat stays."""
        self._plane.forget_link(link)
        person = self._exchange.at(link)
        self._exchange.let_go(link)
        if person is None:
            return
        self.recorder.note({"event": "LinkLost", "seat_id": person.seat_id, "reason": reason})
        self._on_event(LinkLost(self.hearing_id, person.seat_id, reason))
        self._tell_unseen()

    def link_moved(self, link: Link) -> None:
        """Let ordinary packets in from the new address only."""
        self._lanes.close()

    def rtp_arrived(self, link: Link, data: bytes, at: float) -> None:
        """Journal a packet and send it to everybody who agreed to get it."""
        person = self._exchange.at(link)
        head = rtp.read_head(data)
        if person is None or head is None:
            self._plane.drops["rtp_malformed"] += 1
            return
        numbered = rtp.extension_at(data, rtp.TRANSPORT_WIDE_ID)
        if numbered >= 0:
            person.uplink.arrived(int.from_bytes(data[numbered : numbered + 2], "big"), at)
        if head.payload_type in REPAIRED:
            self._repaired(person, head, data, numbered, at)
            return
        stream = person.streams.get(head.ssrc) or self._name_stream(person, head)
        if stream is None or (head.payload_type != stream.payload_type and not self._turned(person, stream, head, at)):
            self._plane.drops["rtp_unexpected"] += 1
            return
        if stream.came(head.sequence):
            self._plane.drops["rtp_again"] += 1
            return
        self._take(stream, head, data, numbered, at)

    def _repaired(self, person: Participant, head: rtp.RtpHead, data: bytes, numbered: int, at: float) -> None:
        """Take a packet that was sent again; what was never missed is a browser's padding and probing."""
        stream = person.streams.get(person.repairs.get(head.ssrc, 0))
        if stream is None or REPAIRED[head.payload_type] != stream.payload_type:
            return
        original = rtp.unwrap_rtx(data, head, stream.ssrc, stream.payload_type)
        if original is None:
            return
        restored = rtp.read_head(original)
        if restored is not None and stream.misses(restored.sequence):
            self._take(stream, restored, original, numbered, at)

    def _take(self, stream: Stream, head: rtp.RtpHead, data: bytes, numbered: int, at: float) -> None:
        """Keep and forward a packet; `numbered` is where its transport-wide number stands, or -1."""
        stream.take(head, data, at)
        if self._exchange.holds_back(stream, head, data) or stream.is_too_late(head.sequence):
            return
        self.recorder.packet(stream.number, at, data)
        self._gatherers.take(stream.ssrc, head, data, at)
        if head.payload_type == RED:
            self._exchange.forward_red(stream, head, data, numbered, at)
            return
        for receiver in self._exchange.receivers_of(stream.ssrc):
            receiver.forward(stream, head.sequence, data, numbered, at)

    def _turned(self, person: Participant, stream: Stream, head: rtp.RtpHead, at: float) -> bool:
        """Follow a sender to another payload type that its answer took; returns whether the packet may be taken."""
        if head.payload_type not in person.formats[stream.kind] or not stream.may_turn(head.sequence, at):
            return False
        try:
            self._turn(stream, head.payload_type, at)
        except MediaRefused:
            return False  # the journal is full: nobody sees what it does not hold
        if stream.kind == "video":
            self._exchange.settle()
            self._tell_unseen()
            stream.want_keyframe()
        return True

    def _name_stream(self, person: Participant, head: rtp.RtpHead) -> Stream | None:
        kind = next((kind for kind in person.unnamed if head.payload_type in person.formats[kind]), None)
        if kind is None or self._exchange.has_no_room_for(person, (head.ssrc,)):
            return None
        try:
            stream = self._new_stream(person, kind, head.ssrc)
        except MediaRefused:
            return None  # the journal is full: the next packet asks again
        person.unnamed.discard(kind)
        person.streams[head.ssrc] = stream
        self._reoffer_others(person)
        return stream

    def rtcp_arrived(self, link: Link, data: bytes, at: float) -> None:
        """Hand RTCP to `Control`."""
        person = self._exchange.at(link)
        if person is not None:
            self._control.arrived(person, data, at)

    # --- What comes round by itself

    def turn(self, at: float) -> None:
        """Ask senders for what is missing, and give up silent links. Every 50 ms or so."""
        self._lanes.place(self._exchange)
        for person in list(self._exchange.people.values()):
            if person.link.lost:
                continue
            overdue = person.link.overdue(at)
            if overdue is None and person.outstanding and at - person.offered_at > ANSWER_S:
                overdue = "unanswered"
            if overdue is not None:
                person.link.lose(overdue)
                continue
            if not person.link.connected:
                continue
            if person.keyframes_again_at is not None and at >= person.keyframes_again_at:
                person.keyframes_again_at = None
                self._want_keyframes(person)
            self._control.ask(person, at)

    def give_feedback(self, at: float) -> None:
        """Tell senders how their packets arrive and what the receivers' lines carry. Every 100 ms."""
        self._control.give_feedback(at)
        if any(person.has_thinned(at) for person in self._exchange.people.values()):
            self._exchange.settle()

    def measure(self, elapsed_s: float) -> None:
        """Tell everybody's statistics of the last `elapsed_s` seconds."""
        self._on_event(StatsMeasured(self.hearing_id, self._control.measure(elapsed_s)))

    # --- Stills

    def gather(self, seat_id: str) -> KeyframeGatherer | None:
        """Begin to gather the next keyframe of a seat's camera; None when it sends no picture or too many wait."""
        person = self._exchange.people.get(seat_id)
        stream = person.stream("video") if person is not None else None
        if stream is None or person is None or not person.link.connected or self._exchange.paused:
            return None
        gatherer = self._gatherers.begin(stream.ssrc)
        if gatherer is not None:
            self._lanes.close()
            stream.want_keyframe()
        return gatherer

    def end_gathering(self, gatherer: KeyframeGatherer) -> None:
        """Stop feeding a gatherer."""
        self._gatherers.end(gatherer)
        self._lanes.close()

    def _extraordinary(self, stream: Stream) -> bool:
        """Tell whether a stream's packets are to be dropped, or looked at one by one."""
        return self._exchange.silenced(stream) or stream.ssrc in self._gatherers
