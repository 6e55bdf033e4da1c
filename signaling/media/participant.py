"""One seat in the media plane: its link, what it sends, what it gets, and where its negotiation stands."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

from signaling.media.codecs import OFFERED, OPUS, RED, REPAIRS, Kind
from signaling.media.congestion import Downlink, UplinkFeedback
from signaling.media.layers import ALL
from signaling.media.link import Link
from signaling.media.red import unwrap_red
from signaling.media.resending import Resender
from signaling.media.rtp import TRANSPORT_WIDE_ID, extension_at, read_head, with_transport_number
from signaling.media.sdp import Answer, AnsweredSection, Section
from signaling.media.shared_state import HISTORY_MAX
from signaling.media.sharing import Held
from signaling.media.stream import SentNumbers, Stream
from signaling.media.thinning import Thinned

SECTIONS_MAX = 72
"""Every stream that ever joined leaves an m-line behind; beyond this a fresh link is cheaper than the description. A
browser answers with some 750 letters for each, and an answer has 60,000 at most (PROTOCOL.md)."""
REPORTS_KEPT = 16
RED_BPS_MIN = 100_000
"""On a thinner line what redundancy costs (some 20 kbit/s) would be lost by the sound itself, or by the picture."""
RED_AGAIN_BPS = 150_000
RED_AGAIN_S = 5.0
OWN_MIDS: dict[Kind, str] = {"audio": "0", "video": "1"}


class Participant:
    """One seat under one link. Who comes back gets a new Participant."""

    def __init__(self, seat_id: str, link: Link, offer_id: int, *, publishes: bool = True) -> None:
        self.seat_id = seat_id
        self.link = link
        self.publishes = publishes
        """Whether it may send. Whoever only watches is offered no m-line to send on, and what comes is dropped."""
        self.pictures = Held()
        """Whether it gets pictures; else sound alone."""
        self.fewer: dict[int, Held] = {}
        """By SSRC: whether it gets all of a picture that it once got only the lower layers of."""
        self.thinned: dict[int, Thinned] = {}
        """By SSRC, of the same: under which numbers what goes. Stays as long as the link: see there."""
        self.streams: dict[int, Stream] = {}
        """What the seat sends, by SSRC."""
        self.repairs: dict[int, int] = {}
        """Under which SSRC it sends lost packets again -> the stream's SSRC (RFC 4588)."""
        self.unnamed: set[Kind] = set()
        """What it said it would send without saying under which SSRC: the first packet tells."""
        self.formats: dict[Kind, tuple[int, ...]] = {}
        """Under which payload types it sends, by its last answer: the first is its choice."""
        self.unable: set[int] = set()
        """Payload types that it was asked for and does not send."""
        self.uplink = UplinkFeedback(link.state)
        self.downlink = Downlink()
        self.receiving: dict[int, SentNumbers] = {}
        """What it gets, by SSRC: only what its last answer agreed to."""
        self.accepts: Mapping[int, tuple[int, ...]] = {}
        """Which payload types its last answer takes of each stream, those of repair packets last; none of one that its
        browser has no codec for."""
        self.plain: frozenset[int] = frozenset()
        """SSRCs of sound that it gets without redundancy."""
        self.thin = False
        """Whether its line is too thin for redundant sound."""
        self._thinned_at = -1e9
        self.transport_wide = False
        self._resender = Resender()
        self.sends_bps = 0.0
        """How much it sent in the last second that was measured."""
        self.camera_on = True
        """Whether a picture was among it: a camera may be off."""
        self.rtt_s: float | None = None
        self.loss_down_pct = 0.0
        self.jitter_heard_ms: dict[int, float] = {}
        """How unevenly each stream of sound arrives here, by SSRC, as its receiver last reported it."""
        self._silences: dict[int, int] = {}
        """By SSRC, which of a stream's silences (`Stream.silences`) its reports have left behind."""
        self.capped_bps: float | None = None
        self.capped_at = 0.0
        self.keyframes_again_at: float | None = None
        """Who has just come in may not have been ready for the first keyframe: at this monotonic second, once more."""
        # Negotiation
        self.offer_id = offer_id
        self.version = 0
        self.outstanding = False
        self.offered_at = 0.0
        self.stale = False
        """The world changed while an offer was out; the next one tells it all."""
        # Inactive rather than left out: a description needs an m-line for the transport, also when nobody sends yet.
        direction: Literal["recvonly", "inactive"] = "recvonly" if publishes else "inactive"
        self.sections: list[Section] = [Section(mid, kind, direction, seat_id) for kind, mid in OWN_MIDS.items()]
        self._reports: dict[int, float] = {}

    # --- Negotiation

    def plan(self, others: Iterable[Stream], formats: tuple[int, ...]) -> list[Section]:
        """Return the m-lines that the next offer must have: those of before stay, the dead ones inactive.

        `formats`: the payload types in which its own picture is asked for.
        """
        wanted = {stream.ssrc: stream for stream in others}
        planned: list[Section] = []
        for section in self.sections:
            if section.mid == OWN_MIDS["video"] and self.publishes:
                planned.append(replace(section, formats=formats))
            elif section.direction != "sendonly" or section.ssrc is None or wanted.pop(section.ssrc, None) is not None:
                planned.append(section)
            else:
                planned.append(Section(section.mid, section.kind, "inactive", section.stream))
        for stream in wanted.values():
            section = Section(str(len(planned)), stream.kind, "sendonly", stream.seat_id, stream.ssrc)
            planned.append(replace(section, repair_ssrc=stream.repair_ssrc))
        return planned

    def begin_offer(self, sections: list[Section], at: float) -> None:
        """Number the next offer, made at monotonic second `at`."""
        self.offered_at = at
        self.sections = sections
        self.offer_id += 1
        self.version += 1
        self.outstanding = True
        self.stale = False

    def seats_by_mid(self) -> dict[str, str]:
        """Return whose stream each live m-line carries."""
        return {section.mid: section.stream for section in self.sections if section.direction != "inactive"}

    def take_choice(self, kind: Kind, section: AnsweredSection) -> None:
        """Note in which payload types it sends a kind, by its answer."""
        offered = next(own.formats for own in self.sections if own.mid == section.mid) or OFFERED[kind]
        self.formats[kind] = tuple(chosen for chosen in section.formats if chosen in offered)
        self.unable |= set(offered) - set(section.formats)

    def take_acceptance(self, answer: Answer) -> None:
        """Note which payload types the answer takes of each stream."""
        accepts: dict[int, tuple[int, ...]] = {}
        for section in self.sections:
            said = answer.sections.get(section.mid)
            if section.direction != "sendonly" or section.ssrc is None or said is None:
                continue
            if said.receives or not said.formats:
                accepts[section.ssrc] = said.formats + said.repairs
        self.accepts = accepts

    def shows(self, payload_type: int) -> bool:
        """Tell whether its browser can show what is sent under a payload type; before anybody sends to it, by what it
        can send itself."""
        pictures = [types for types in self.accepts.values() if OPUS not in types]
        if not pictures:
            return payload_type not in self.unable
        return any(payload_type in types for types in pictures)

    def cannot_show(self, stream: Stream) -> bool:
        """Tell whether a stream is a picture for which its browser has no codec."""
        types = self.accepts.get(stream.ssrc)
        return stream.kind == "video" and types is not None and stream.payload_type not in types

    def has_thinned(self, at: float) -> bool:
        """Look whether the line has become too thin for redundant sound, or wide enough again; True when it has."""
        cap_bps = self.downlink.cap_bps
        thin = cap_bps is not None and cap_bps < (RED_AGAIN_BPS if self.thin else RED_BPS_MIN)
        if thin == self.thin or at - self._thinned_at < RED_AGAIN_S:
            return False
        self.thin, self._thinned_at = thin, at
        return True

    def settle(self, others: Iterable[Stream]) -> bool:
        """Work out anew what it gets of what others send; returns whether there is something new."""
        receiving: dict[int, SentNumbers] = {}
        plain: set[int] = set()
        for stream in others:
            types = self.accepts.get(stream.ssrc, ())
            if (OPUS if stream.kind == "audio" else stream.payload_type) in types:
                receiving[stream.ssrc] = self.receiving.get(stream.ssrc) or SentNumbers()
                if stream.kind == "audio" and (self.thin or RED not in types):
                    plain.add(stream.ssrc)
        for ssrc in plain ^ self.plain:
            if ssrc in receiving:
                # What went in the other form cannot be sent again as it was.
                receiving[ssrc] = SentNumbers()
        new = receiving.keys() - self.receiving.keys()
        self.receiving, self.plain = receiving, frozenset(plain)
        return bool(new)

    # --- Streams

    @property
    def sound_alone(self) -> bool:
        """Whether pictures are held back from this seat, whose line is too thin for them."""
        return not self.pictures.given

    @property
    def fewer_pictures(self) -> bool:
        """Whether this seat gets fewer pictures a second of somebody, for its line carries no more."""
        return self.pictures.given and any(not self.fewer[ssrc].given for ssrc in self.fewer.keys() & self.receiving)

    @property
    def spared(self) -> bool:
        """Whether this seat does without anything for its line's sake."""
        return self.sound_alone or self.fewer_pictures

    def top_of(self, stream: Stream) -> int:
        """Return up to which layer a picture goes to this seat."""
        thinned = self.thinned.get(stream.ssrc)
        return ALL if thinned is None else thinned.top

    def give_fewer(self, stream: Stream, top: int, at: float) -> None:
        """From now on let only a picture's layers up to `top` go to this seat; what it gets must be placed anew."""
        self.fewer.setdefault(stream.ssrc, Held()).hold(at)
        self.number_anew(stream)
        self.thinned[stream.ssrc].top = top

    def number_anew(self, stream: Stream) -> None:
        """Let a stream go to this seat under numbers of its own, since something of it is about to be left out."""
        if stream.ssrc not in self.thinned:
            highest = int(stream.flow.highest)
            recent = range(max(0, highest - HISTORY_MAX + 1), highest + 1)
            late = [number for number in recent if stream.misses(number & 0xFFFF)]
            self.thinned[stream.ssrc] = Thinned(highest, late)

    def stream(self, kind: Kind) -> Stream | None:
        """Return the seat's own stream of a kind."""
        return next((stream for stream in self.streams.values() if stream.kind == kind), None)

    def ssrcs(self) -> Iterable[int]:
        """Return the SSRCs that are the seat's own: of its streams and their repairs."""
        return (*self.streams, *self.repairs)

    def takes_plain(self, stream: Stream) -> bool:
        """Tell whether a stream is redundant sound that goes to this seat without what is redundant."""
        return stream.payload_type == RED and stream.ssrc in self.plain

    def takes_repairs(self, stream: Stream) -> bool:
        """Tell whether what is lost of a stream goes to this seat again in repair packets."""
        return REPAIRS.get(stream.payload_type) in self.accepts.get(stream.ssrc, ())

    def forward(self, stream: Stream, sequence: int, data: bytes, numbered: int, at: float) -> None:
        """Send one of another seat's packets to this one. `numbered`: where the sender's own number stands, or -1."""
        if stream.ssrc in self.thinned:
            thinned = self.thinned[stream.ssrc].pass_on(data)
            if thinned is None:
                return
            data = thinned
        if self.transport_wide:
            number = self.downlink.next_number(len(data), at)
            self.receiving[stream.ssrc].note(sequence, number)
            data = with_transport_number(data, number, numbered)
        self.link.send_rtp(data)

    def send_again(self, stream: Stream, sequences: Iterable[int], at: float) -> None:
        """Answer a NACK out of the history; what is no longer there, or too much for the line, stays lost."""
        for sequence in sequences:
            if not self._resender.may(self.downlink.cap_bps, at):
                return
            data = self._as_it_went(stream, sequence)
            self._resender.spend(0 if data is None else len(data))
            if data is not None:
                self.link.send_rtp(self._repaired(stream, data, at))

    def _as_it_went(self, stream: Stream, sequence: int) -> bytes | None:
        """Return the packet that went to this seat under a sequence number, the same to the last bit; None when none
        did, or it is forgotten."""
        thinned, own = self.thinned.get(stream.ssrc), sequence
        origin = sequence if thinned is None else thinned.origin(sequence)
        data = None if origin is None else stream.sent_again(origin)
        if origin is None or data is None:
            return None
        sequence = origin
        if data[1] & 0x7F == RED:
            if not self.transport_wide:
                return None  # nothing tells in which form it went
            if stream.ssrc in self.plain:
                head = read_head(data)
                data = unwrap_red(data, head.payload_at) if head is not None else None
                if data is None:
                    return None
        if self.transport_wide:
            number = self.receiving[stream.ssrc].number_of(sequence)
            if number is None:
                return None
            data = with_transport_number(data, number, extension_at(data, TRANSPORT_WIDE_ID))
        return data if thinned is None else thinned.as_it_went(data, own)

    def _repaired(self, stream: Stream, data: bytes, at: float) -> bytes:
        """Return a packet as it goes again: in a repair packet of its own number where the answer takes that.

        What it went under before stays lost, so that the downlink's feedback tells the truth.
        """
        payload_type, head = REPAIRS.get(data[1] & 0x7F), read_head(data)
        accepted = payload_type in self.accepts.get(stream.ssrc, ())
        if payload_type is None or head is None or stream.repair_ssrc is None or not accepted:
            return data
        again = self._resender.wrap(data, head, stream.repair_ssrc, payload_type)
        if not self.transport_wide:
            return again
        number = self.downlink.next_number(len(again), at)
        return with_transport_number(again, number, extension_at(again, TRANSPORT_WIDE_ID))

    # --- Round trips

    def report_sent(self, middle: int, at: float) -> None:
        """Note when a sender report, named by the middle 32 bits of its NTP time, went to this seat."""
        self._reports[middle] = at
        if len(self._reports) > REPORTS_KEPT:
            del self._reports[next(iter(self._reports))]

    def reports_silence(self, stream: Stream, highest: int) -> bool:
        """Tell whether a report of a stream, up to the sender's number `highest`, takes a silence for a loss.

        Whoever was muted, or in a recess, went on numbering what nobody got. So does every report until one comes whose
        predecessor has heard of what came after (RFC 3550 section 6.4.1: the fraction is of what came between the two).
        """
        if self._silences.get(stream.ssrc, 0) == stream.silences:
            return False
        if not stream.is_too_late(highest & 0xFFFF):
            self._silences[stream.ssrc] = stream.silences
        return True

    def report_came_back(self, middle: int, delay: int, at: float) -> None:
        """Measure the way to the seat and back from a report block (RFC 3550 section 6.4.1)."""
        sent_at = self._reports.get(middle)
        if sent_at is not None:
            rtt_s = at - sent_at - delay / 65536
            if 0 <= rtt_s < 60:
                self.rtt_s = rtt_s if self.rtt_s is None else 0.7 * self.rtt_s + 0.3 * rtt_s
