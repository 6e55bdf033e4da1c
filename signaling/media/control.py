"""RTCP of one hearing: what is answered here, what passes, and what the relay says of its own accord."""

import struct
from itertools import islice

from signaling.media import rtp
from signaling.media.codecs import CODECS, OPUS
from signaling.media.congestion import CAP_MAX_BPS, CAP_MIN_BPS
from signaling.media.events import PersonStats
from signaling.media.exchange import Exchange
from signaling.media.participant import Participant
from signaling.media.recorder import Recorder
from signaling.media.sparing import Sparing
from signaling.media.stream import in_order

NACKS_A_MESSAGE_MAX = 64
NACKS_A_REQUEST_MAX = 256
"""Of one receiver's feedback message; more is an outage, and a keyframe serves it better."""
REPORTS_A_TURN_MAX = 8
JITTER_MS_MAX = 10_000


class Control:
    """Reports pass (SSRCs are kept); NACK, keyframe requests and rate feedback end here and begin here."""

    def __init__(self, exchange: Exchange, recorder: Recorder) -> None:
        self._exchange = exchange
        self._recorder = recorder
        self._sparing = Sparing(exchange, recorder)

    def arrived(self, person: Participant, data: bytes, at: float) -> None:
        """Answer what can be answered, pass on what cannot, drop the rest."""
        for part in rtp.read_rtcp(data):
            if part.kind == rtp.SENDER_REPORT:
                self._sender_report(person, part, at)
                self._receiver_reports(person, part, at)
            elif part.kind == rtp.RECEIVER_REPORT:
                self._receiver_reports(person, part, at)
            elif part.kind == rtp.TRANSPORT_FEEDBACK and part.form == rtp.TRANSPORT_WIDE:
                person.downlink.hear(part, at)
            elif part.kind == rtp.TRANSPORT_FEEDBACK and part.form == rtp.NACK:
                self._asked_again(person, part, at)
            elif part.kind == rtp.PAYLOAD_FEEDBACK:
                self._payload_feedback(person, part)

    def _sender_report(self, person: Participant, part: rtp.RtcpPart, at: float) -> None:
        stream = person.streams.get(rtp.sender_of(part) or 0)
        report = rtp.bare_sender_report(part)
        if stream is None or report is None or self._exchange.silenced(stream):
            return
        self._recorder.packet(stream.number, at, report)
        (middle,) = struct.unpack_from(">I", report, 10)
        for receiver in self._exchange.receivers_of(stream.ssrc):
            receiver.report_sent(middle, at)
            thinned = receiver.thinned.get(stream.ssrc)
            receiver.link.send_rtcp(report if thinned is None else thinned.sender_report(report))

    def _receiver_reports(self, person: Participant, part: rtp.RtcpPart, at: float) -> None:
        reporter = rtp.sender_of(part)
        if reporter is None or not person.link.knows(reporter):
            return  # it goes to the sender under this SSRC: ever new ones would be remembered there for good
        for block in rtp.read_reports(part):
            sender = self._exchange.sender_to(person, block.ssrc)
            if sender is None or self._exchange.silenced(sender.streams[block.ssrc]):
                continue
            stream = sender.streams[block.ssrc]
            thinned = person.thinned.get(block.ssrc)
            person.report_came_back(block.last_report, block.delay, at)
            silence = person.reports_silence(stream, block.highest + (thinned.withheld if thinned else 0))
            if not silence:
                person.loss_down_pct = 0.5 * person.loss_down_pct + 0.5 * block.fraction_lost / 2.56
            if stream.kind == "audio":
                # Of sound only: the pieces of a picture share a time stamp, so that their jitter says little.
                jitter_ms = 1000 * block.jitter / CODECS[OPUS].clock_rate
                person.jitter_heard_ms[block.ssrc] = min(jitter_ms, JITTER_MS_MAX)
            # What is mended from here is no business of the sender's: a browser that is told of it sends less.
            mended = person.takes_repairs(stream)
            told = rtp.without_loss(block.data) if mended or silence else block.data
            if thinned is not None:
                told = thinned.receiver_report(told)
            sender.link.send_rtcp(rtp.make_receiver_report(reporter, [told]))

    def _asked_again(self, person: Participant, part: rtp.RtcpPart, at: float) -> None:
        ssrc = rtp.target_of(part)
        sender = self._exchange.sender_to(person, ssrc)
        if sender is None or ssrc is None or self._exchange.silenced(sender.streams[ssrc]):
            return
        person.send_again(sender.streams[ssrc], islice(rtp.read_nack(part), NACKS_A_REQUEST_MAX), at)

    def _payload_feedback(self, person: Participant, part: rtp.RtcpPart) -> None:
        if part.form in (rtp.PLI, rtp.FIR):
            ssrc = rtp.target_of(part)
            sender = self._exchange.sender_to(person, ssrc)
            if sender is not None and ssrc is not None:
                sender.streams[ssrc].want_keyframe()
        elif not person.transport_wide:
            # A receiver without transport-wide feedback estimates by itself.
            bitrate = rtp.read_remb(part)
            if bitrate is not None:
                person.downlink.cap_bps = None if bitrate > CAP_MAX_BPS else float(max(bitrate, CAP_MIN_BPS))

    # --- What comes round by itself

    def ask(self, person: Participant, at: float) -> None:
        """Ask a sender for packets that are missing, and for a keyframe that is owed."""
        for stream in person.streams.values():
            for piece in in_order(stream.missing_now(at), NACKS_A_MESSAGE_MAX):
                person.link.send_rtcp(rtp.make_nack(stream.ssrc, piece))
            if stream.keyframe_due(at):
                person.link.send_rtcp(rtp.make_pli(stream.ssrc))

    def give_feedback(self, at: float) -> None:
        """Answer the senders' numbers and tell them what the others' lines carry. Every 100 ms."""
        for person in self._exchange.people.values():
            person.downlink.weigh()
        self._sparing.look(at)
        for person in self._exchange.people.values():
            if not person.link.connected or not person.streams:
                continue
            first = next(iter(person.streams))
            for _ in range(REPORTS_A_TURN_MAX):
                report = person.uplink.report(first)
                if report is None:
                    break
                person.link.send_rtcp(report)
            self._sparing.tell(person, at)

    def measure(self, elapsed_s: float) -> dict[str, PersonStats]:
        """Return everybody's statistics of the last `elapsed_s` seconds."""
        return {person.seat_id: self._measure(person, elapsed_s) for person in self._exchange.people.values()}

    def _measure(self, person: Participant, elapsed_s: float) -> PersonStats:
        size = expected = received = level = shown = 0
        for stream in person.streams.values():
            second = stream.take_second()
            size += second.bytes
            shown += second.bytes if stream.kind == "video" else 0
            expected += second.expected
            received += second.received
            if not self._exchange.silenced(stream):
                level = max(level, second.level)
        person.sends_bps = 8 * size / max(elapsed_s, 0.1)
        person.camera_on = shown > 0
        loss_up_pct = 100 * max(0, expected - received) / expected if expected else 0.0
        return PersonStats(
            loss_pct=round(max(loss_up_pct, person.loss_down_pct), 1),
            rtt_ms=None if person.rtt_s is None else round(person.rtt_s * 1000),
            kbps=round(person.sends_bps / 1000),
            level=round(level / 1.27),
            jitter_ms=self._jitter_ms(person),
            sound_alone=person.sound_alone,
            fewer_pictures=person.fewer_pictures,
        )

    def _jitter_ms(self, person: Participant) -> int | None:
        """Return the worse of the jitter to and from a person, as reports tell it (RFC 3550 section 6.4.1).

        A report tells of a sender's line and a receiver's together. What all streams have in common at one receiver is
        the receiver's own; what all receivers have of one stream is its sender's. Between two it cannot be told apart.
        """
        heard = [jitter for ssrc, jitter in person.jitter_heard_ms.items() if ssrc in person.receiving]
        if len(heard) < len(person.jitter_heard_ms):
            person.jitter_heard_ms = {s: j for s, j in person.jitter_heard_ms.items() if s in person.receiving}
        told = [
            other.jitter_heard_ms[ssrc]
            for ssrc in person.streams
            for other in self._exchange.people.values()
            if ssrc in other.receiving and ssrc in other.jitter_heard_ms
        ]
        both = [min(values) for values in (heard, told) if values]
        return round(max(both)) if both else None
