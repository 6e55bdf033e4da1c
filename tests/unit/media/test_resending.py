"""What a receiver lost goes again in repair packets of the relay's own, under its own numbers, and not without end."""

import struct
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.media import rtp
from signaling.media.codecs import H264, OPUS, RED, VP8
from signaling.media.congestion import CAP_MAX_BPS, CAP_MIN_BPS
from signaling.media.link import Link
from signaling.media.participant import Participant
from signaling.media.resending import RepairSsrcs
from signaling.media.rtp import RELAY_SSRC, TRANSPORT_WIDE_ID, RtpHead
from signaling.media.sdp import Answer, AnsweredSection
from signaling.media.shared_state import HISTORY_MAX, UplinkState
from signaling.media.stream import Stream

CAMERA, REPAIR, VOICE = 42, 43, 44
PIECE = b"\x10\x01" + bytes(98)


class KeptLink:
    """A link that keeps what would be sent."""

    def __init__(self) -> None:
        self.state = UplinkState()
        self.sent: list[bytes] = []

    def send_rtp(self, packet: bytes) -> None:
        """Keep it."""
        self.sent.append(packet)

    def taken(self) -> list[tuple[RtpHead, bytes]]:
        """Return what was sent since the last call."""
        sent, self.sent = self.sent, []
        return [(head, data) for data in sent if (head := rtp.read_head(data)) is not None]


class Watching:
    """Somebody who watches a camera and hears a voice, and has answered in these payload types."""

    def __init__(
        self,
        formats: tuple[int, ...] = (VP8, H264),
        repairs: tuple[int, ...] = (VP8 + 1, H264 + 1),
        *,
        wide: bool = True,
    ) -> None:
        self.link = KeptLink()
        self.person = Participant("host", cast(Link, self.link), 0)
        self.camera = Stream("gao", "video", CAMERA, formats[0], 1, repair_ssrc=REPAIR)
        self.voice = Stream("gao", "audio", VOICE, RED, 2)
        streams = (self.camera, self.voice)
        self.person.begin_offer(self.person.plan(streams, formats), 0.0)
        self.person.transport_wide = wide
        said = {
            "2": AnsweredSection("2", "video", False, False, True, formats, None, None, wide, repairs),
            "3": AnsweredSection("3", "audio", False, False, True, (RED, OPUS), None, None, wide),
        }
        self.person.take_acceptance(Answer((), True, said))
        self.person.settle(streams)

    def show(self, sequence: int, payload: bytes = PIECE, at: float = 0.0, *, timestamp: int = 7000) -> bytes:
        """Let a piece of the picture come and go on; returns it as it went."""
        payload_type = self.camera.payload_type | 0x80
        data = struct.pack(">BBHIIHH", 0x90, payload_type, sequence, timestamp, CAMERA, 0xBEDE, 1)
        data += b"\x31\x00\x09\x00" + payload
        head = rtp.read_head(data)
        assert head is not None
        self.camera.take(head, data, at)
        self.person.forward(self.camera, sequence, data, rtp.extension_at(data, TRANSPORT_WIDE_ID), at)
        return self.link.sent[-1]


def number_of(data: bytes) -> int:
    place = rtp.extension_at(data, TRANSPORT_WIDE_ID)
    return int.from_bytes(data[place : place + 2], "big")


@pytest.mark.parametrize(("payload_type", "repair"), [(VP8, VP8 + 1), (H264, H264 + 1)])
def test_what_was_lost_goes_again_in_a_repair_packet_with_fresh_numbers(payload_type: int, repair: int) -> None:
    host = Watching((payload_type,), (repair,))
    went = [host.show(sequence) for sequence in (65534, 65535, 0)]
    host.link.sent.clear()
    host.person.send_again(host.camera, [65534, 0], 1.0)
    (first, data), (second, _) = host.link.taken()
    assert (first.payload_type, first.ssrc, first.marker, first.timestamp) == (repair, REPAIR, True, 7000)
    assert second.sequence == first.sequence + 1
    restored = rtp.unwrap_rtx(data, first, CAMERA, payload_type)
    assert restored is not None
    assert number_of(restored) == number_of(went[-1]) + 1
    assert restored == rtp.with_transport_number(went[0], number_of(restored), rtp.extension_at(went[0], 3))


def test_the_same_packet_asked_for_again_goes_in_a_new_repair_packet() -> None:
    host = Watching()
    host.show(5)
    host.link.sent.clear()
    for _ in range(3):
        host.person.send_again(host.camera, [5], 1.0)
    sent = host.link.taken()
    assert len({head.sequence for head, _ in sent}) == len({number_of(data) for _, data in sent}) == 3


def test_the_numbers_of_repair_packets_go_on_when_the_agreement_changes() -> None:
    host = Watching()
    host.show(5)
    host.person.send_again(host.camera, [5], 1.0)
    before, _ = host.link.taken()[-1]
    host.person.settle([])
    host.person.settle([host.camera])
    host.show(6)
    host.person.send_again(host.camera, [6], 2.0)
    after, _ = host.link.taken()[-1]
    assert (before.ssrc, before.sequence + 1) == (after.ssrc, after.sequence)


def test_who_takes_no_repair_packets_of_this_codec_gets_it_to_the_last_bit_as_it_went() -> None:
    host = Watching(repairs=(H264 + 1,))
    went = host.show(5)
    host.link.sent.clear()
    host.person.send_again(host.camera, [5, 5], 1.0)
    assert host.link.sent == [went, went]


def test_who_counts_nothing_gets_repair_packets_too() -> None:
    host = Watching(wide=False)
    went = host.show(5)
    host.link.sent.clear()
    host.person.send_again(host.camera, [5], 1.0)
    ((head, data),) = host.link.taken()
    assert rtp.unwrap_rtx(data, head, CAMERA, VP8) == went


def test_sound_goes_again_as_it_was() -> None:
    host = Watching()
    data = struct.pack(">BBHIIHH", 0x90, RED, 5, 7000, VOICE, 0xBEDE, 1) + b"\x31\x00\x09\x00" + b"\x6fsound"
    head = rtp.read_head(data)
    assert head is not None
    host.voice.take(head, data, 0.0)
    host.person.forward(host.voice, 5, data, rtp.extension_at(data, TRANSPORT_WIDE_ID), 0.0)
    host.person.send_again(host.voice, [5], 1.0)
    assert len(host.link.sent) == 2
    assert host.link.sent[0] == host.link.sent[1]


def test_what_never_went_to_a_receiver_or_is_forgotten_stays_where_it_is() -> None:
    host, late = Watching(), Watching()
    data = host.show(5)
    head = rtp.read_head(data)
    assert head is not None
    late.camera.take(head, data, 0.0)
    late.person.send_again(late.camera, [5], 1.0)
    assert late.link.sent == []
    for sequence in range(6, 6 + HISTORY_MAX):
        host.show(sequence)
    host.link.sent.clear()
    host.person.send_again(host.camera, [5], 1.0)
    assert host.link.sent == []


@pytest.mark.parametrize("repairs", [(VP8 + 1,), ()], ids=["repairs", "as it was"])
def test_who_gets_fewer_pictures_gets_again_what_went_under_the_number_asked_for(repairs: tuple[int, ...]) -> None:
    host = Watching(repairs=repairs)
    base, above = (b"\x90\x20" + bytes((layer << 6, 1, mark)) for layer, mark in ((0, 0), (1, 1)))
    host.show(65533, base)
    host.person.give_fewer(host.camera, 0, 0.0)
    frames = ((65534, above), (65535, base), (0, above), (1, base + b"the last"))
    for number, (sequence, payload) in enumerate(frames, start=1):
        host.show(sequence, payload, timestamp=7000 + 3000 * number)
    went = host.link.taken()[-1]
    assert went[0].sequence == 65535
    host.person.send_again(host.camera, [65535], 1.0)
    ((head, again),) = host.link.taken()
    if repairs:
        restored = rtp.unwrap_rtx(again, head, CAMERA, VP8)
        assert restored is not None
        again = rtp.with_transport_number(restored, number_of(went[1]), rtp.extension_at(restored, TRANSPORT_WIDE_ID))
    assert again == went[1]
    assert again.endswith(b"the last")


@pytest.mark.parametrize("cap_bps", [None, 400_000.0, float(CAP_MIN_BPS)])
def test_a_receiver_that_asks_without_end_gets_no_more_than_half_of_what_its_line_carries(
    cap_bps: float | None,
) -> None:
    host = Watching()
    for sequence in range(100):
        host.show(sequence, bytes(1100))
    host.link.sent.clear()
    host.person.downlink.cap_bps = cap_bps
    for turn in range(1000):
        host.person.send_again(host.camera, range(100), 5 + turn / 100)
    sent_bps = 8 * sum(map(len, host.link.sent)) / 10
    share_bps = 0.5 * (cap_bps or CAP_MAX_BPS)
    # One second's worth may go at once, and the packet that little was left for goes whole.
    assert 0.9 * share_bps < sent_bps < 1.15 * share_bps + 8 * 1200 / 10


def test_asking_for_what_is_not_there_is_not_free() -> None:
    host = Watching()
    host.show(5)
    host.link.sent.clear()
    host.person.downlink.cap_bps = float(CAP_MIN_BPS)
    host.person.send_again(host.camera, [*range(1000, 1200), 5], 1.0)
    assert host.link.sent == []
    host.person.send_again(host.camera, [5], 5.0)
    assert len(host.link.sent) == 1


@given(st.sets(st.integers(2, (1 << 32) - 1), max_size=20))
def test_repair_ssrcs_are_nobodys_and_all_different(ssrcs: set[int]) -> None:
    own = RepairSsrcs()
    repairs = {own.of(ssrc) for ssrc in ssrcs}
    assert len(repairs) == len(ssrcs)
    assert own.clash(ssrcs) == bool(repairs & {*ssrcs, 0, RELAY_SSRC} or ssrcs & {own.of(0), own.of(RELAY_SSRC)})


def test_an_ssrc_that_is_the_relays_own_already_clashes() -> None:
    own = RepairSsrcs()
    assert not own.clash([1000, 2000])
    assert own.clash([1000, own.of(1000)])
    assert own.clash([own.of(0)])
