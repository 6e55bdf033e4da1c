"""RTP and RTCP on bytes: rewriting is exact, and no bytes make a parser raise."""

import struct

import pytest
from aiortc import rtp as reference
from hypothesis import given
from hypothesis import strategies as st

from signaling.media import rtp
from signaling.media.congestion import UplinkFeedback, read_feedback
from signaling.media.shared_state import UplinkState


def packet(extensions: bytes = b"", *, sequence: int = 7, payload: bytes = b"sound") -> bytes:
    first = 0x90 if extensions else 0x80
    block = b"\xbe\xde" + struct.pack(">H", len(extensions) // 4) + extensions if extensions else b""
    return struct.pack(">BBHII", first, 111, sequence, 1000, 42) + block + payload


def test_a_transport_number_is_written_over_the_one_that_is_there() -> None:
    data = packet(b"\x10\x7f\x31\x00\x05\x00\x00\x00")
    numbered = rtp.with_transport_number(data, 0xABCD, rtp.extension_at(data, rtp.TRANSPORT_WIDE_ID))
    assert numbered == data.replace(b"\x31\x00\x05", b"\x31\xab\xcd")


@pytest.mark.parametrize("extensions", [b"", b"\x10\x7f\x00\x00"], ids=["no extension", "another extension"])
def test_a_transport_number_is_added_where_there_is_none(extensions: bytes) -> None:
    data = packet(extensions)
    numbered = rtp.with_transport_number(data, 0x1234, -1)
    place = rtp.extension_at(numbered, rtp.TRANSPORT_WIDE_ID)
    assert numbered[place : place + 2] == b"\x12\x34"
    assert (rtp.extension_at(numbered, rtp.AUDIO_LEVEL_ID) >= 0) == bool(extensions)
    parsed = reference.RtpPacket.parse(numbered, reference.HeaderExtensionsMap())
    assert (parsed.sequence_number, parsed.ssrc, parsed.payload) == (7, 42, b"sound")


def test_a_nack_asks_for_exactly_the_numbers_it_was_made_of() -> None:
    wanted = [65530, 65534, 65535, 0, 3, 100, 117]
    (part,) = rtp.read_rtcp(rtp.make_nack(42, wanted))
    assert list(rtp.read_nack(part)) == wanted
    (parsed,) = reference.RtcpPacket.parse(rtp.make_nack(42, wanted))
    assert isinstance(parsed, reference.RtcpRtpfbPacket)
    assert [number & 0xFFFF for number in parsed.lost] == wanted


@pytest.mark.parametrize("bitrate", [60_000, 262_143, 262_144, 4_000_000, 20_000_000])
def test_a_remb_says_the_rate_that_it_was_made_of(bitrate: int) -> None:
    data = rtp.make_remb(bitrate, [1, 2])
    (part,) = rtp.read_rtcp(data)
    read = rtp.read_remb(part)
    assert read is not None and 0 <= bitrate - read < bitrate / 100_000
    (parsed,) = reference.RtcpPacket.parse(data)
    assert isinstance(parsed, reference.RtcpPsfbPacket)
    assert reference.unpack_remb_fci(parsed.fci) == (read, [1, 2])


def test_a_keyframe_request_is_one_for_others_too() -> None:
    (parsed,) = reference.RtcpPacket.parse(rtp.make_pli(42))
    assert isinstance(parsed, reference.RtcpPsfbPacket)
    assert (parsed.fmt, parsed.media_ssrc) == (reference.RTCP_PSFB_PLI, 42)


def test_a_passed_on_sender_report_keeps_its_times_and_loses_what_concerns_others() -> None:
    info = reference.RtcpSenderInfo(ntp_timestamp=1 << 40, rtp_timestamp=99, packet_count=3, octet_count=4)
    block = reference.RtcpReceiverInfo(5, 0, 0, 0, 0, 0, 0)
    (part,) = rtp.read_rtcp(bytes(reference.RtcpSrPacket(42, info, [block])))
    bare = rtp.bare_sender_report(part)
    assert bare is not None
    (parsed,) = reference.RtcpPacket.parse(bare)
    assert parsed == reference.RtcpSrPacket(42, info, [])


def test_a_receiver_report_block_is_read_and_passed_on_whole() -> None:
    block = reference.RtcpReceiverInfo(42, 64, 5, 6, 7, 0x11223344, 0x10000)
    (part,) = rtp.read_rtcp(bytes(reference.RtcpRrPacket(9, [block])))
    (read,) = rtp.read_reports(part)
    assert (read.ssrc, read.fraction_lost, read.last_report, read.delay) == (42, 64, 0x11223344, 0x10000)
    (parsed,) = reference.RtcpPacket.parse(rtp.make_receiver_report(9, [read.data]))
    assert parsed == reference.RtcpRrPacket(9, [block])


def test_a_report_of_what_was_mended_keeps_its_times() -> None:
    block = reference.RtcpReceiverInfo(42, 64, 5, 6, 7, 0x11223344, 0x10000)
    (parsed,) = reference.RtcpPacket.parse(rtp.make_receiver_report(9, [rtp.without_loss(bytes(block))]))
    mended = reference.RtcpReceiverInfo(42, 0, 0, 6, 7, 0x11223344, 0x10000)
    assert parsed == reference.RtcpRrPacket(9, [mended])


@pytest.mark.parametrize(
    ("payload", "begins", "keyframe", "data"),
    [
        (b"\x10\x00abc", True, True, b"\x00abc"),
        (b"\x10\x01abc", True, False, b"\x01abc"),
        (b"\x00\x00abc", False, False, b"\x00abc"),
        (b"\x90\x80\x05\x00abc", True, True, b"\x00abc"),
        (b"\x90\x80\x85\x05\x00abc", True, True, b"\x00abc"),
        (b"\x90\xf0\x85\x05\x09\x07\x00abc", True, True, b"\x00abc"),
    ],
)
def test_the_vp8_descriptor_is_taken_off(payload: bytes, begins: bool, keyframe: bool, data: bytes) -> None:
    assert rtp.read_vp8(payload) == rtp.Vp8Payload(begins, keyframe, data)


def test_a_packet_that_was_sent_again_is_restored_to_the_last_byte() -> None:
    original = reference.RtpPacket(payload_type=96, marker=1, sequence_number=9, timestamp=5, ssrc=42, payload=b"piece")
    wrapped = reference.wrap_rtx(original, payload_type=97, sequence_number=1000, ssrc=43)
    data = wrapped.serialize(reference.HeaderExtensionsMap())
    head = rtp.read_head(data)
    assert head is not None
    assert rtp.unwrap_rtx(data, head, 42, 96) == original.serialize(reference.HeaderExtensionsMap())


@st.composite
def packets(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Return an RTP packet of any shape, and the same without its padding."""
    sources = draw(st.lists(st.binary(min_size=4, max_size=4), max_size=15))
    extension = draw(st.none() | st.tuples(st.binary(min_size=2, max_size=2), st.binary(max_size=40)))
    block = b""
    if extension is not None:
        words = extension[1] + bytes(-len(extension[1]) % 4)
        block = extension[0] + struct.pack(">H", len(words) // 4) + words
    first = 0x80 | (extension is not None) << 4 | len(sources)
    marker, sequence = draw(st.booleans()), draw(st.integers(0, 0xFFFF))
    rest = struct.pack(">BHII", marker << 7 | 98, sequence, draw(st.integers(0, (1 << 32) - 1)), 42)
    rest += b"".join(sources) + block + draw(st.binary(max_size=100))
    padding = draw(st.integers(0, 50))
    bare = bytes((first,)) + rest
    return (bytes((first | 0x20,)) + rest + bytes(padding - 1) + bytes((padding,)) if padding else bare), bare


@given(packets(), st.integers(0, 0xFFFF))
def test_whatever_is_wrapped_for_sending_again_is_unwrapped_as_it_was_but_for_padding(
    both: tuple[bytes, bytes], sequence: int
) -> None:
    data, bare = both
    head = rtp.read_head(data)
    assert head is not None
    again = rtp.wrap_rtx(data, head, 43, 99, sequence)
    again_head = rtp.read_head(again)
    assert again_head is not None
    assert again_head == (99, head.marker, sequence, head.timestamp, 43, head.payload_at)
    assert rtp.unwrap_rtx(again, again_head, 42, 98) == bare


def test_a_repair_packet_is_one_for_others_too() -> None:
    data = packet(b"\x31\x00\x05\x00", sequence=9)
    head = rtp.read_head(data)
    assert head is not None
    extensions = reference.HeaderExtensionsMap()
    again = reference.RtpPacket.parse(rtp.wrap_rtx(data, head, 43, 97, 1000), extensions)
    assert (again.payload_type, again.ssrc, again.sequence_number) == (97, 43, 1000)
    original = reference.unwrap_rtx(again, payload_type=111, ssrc=42)
    assert (original.sequence_number, original.timestamp, original.payload) == (9, 1000, b"sound")


def test_padding_sent_as_a_repair_is_nothing() -> None:
    data = struct.pack(">BBHII", 0xA0, 97, 1, 5, 43) + bytes(9) + b"\x0a"
    head = rtp.read_head(data)
    assert head is not None
    assert rtp.unwrap_rtx(data, head, 42, 96) is None


@given(st.binary(max_size=200))
def test_no_bytes_make_a_parser_raise(data: bytes) -> None:
    head = rtp.read_head(data)
    if head is not None:
        payload = rtp.payload_of(data, head)
        rtp.read_vp8(payload)
        rtp.vp8_size(payload)
        rtp.extension_at(data, 3)
        rtp.with_transport_number(data, 1, rtp.extension_at(data, 3))
        rtp.unwrap_rtx(data, head, 1, 96)
        rtp.wrap_rtx(data, head, 1, 97, 5)
    for part in rtp.read_rtcp(data):
        rtp.read_reports(part)
        rtp.sender_of(part)
        rtp.target_of(part)
        rtp.bare_sender_report(part)
        rtp.read_remb(part)
        list(rtp.read_nack(part))
        list(read_feedback(part))


@given(
    first=st.integers(0, 0xFFFF),
    gaps=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 300_000)), min_size=1, max_size=60),
)
def test_feedback_tells_every_arrival_and_every_loss(first: int, gaps: list[tuple[int, int]]) -> None:
    feedback = UplinkFeedback(UplinkState())
    number, at_us = first, 5_000_000
    arrivals: dict[int, int] = {}
    for step, wait_us in gaps:
        number += step
        at_us += wait_us
        arrivals[number & 0xFFFF] = at_us
        feedback.arrived(number & 0xFFFF, at_us / 1e6)
    told: dict[int, int | None] = {}
    report = feedback.report(42)
    while report is not None:
        (part,) = rtp.read_rtcp(report)
        told.update(read_feedback(part))
        report = feedback.report(42)
    offset = None
    for number, arrival_us in told.items():
        assert (number in arrivals) == (arrival_us is not None)
        if arrival_us is not None:
            offset = arrivals[number] - arrival_us if offset is None else offset
            assert abs(arrivals[number] - arrival_us - offset) <= 300
    assert set(arrivals) <= set(told)


def test_an_extension_too_short_for_a_transport_wide_number_is_not_written_over() -> None:
    for extensions in ("00000000109f30ff", "30ff000000000000"):
        data = bytes.fromhex("9063000700015f9000003333bede0002" + extensions + "00112233")
        head = rtp.read_head(data)
        assert head is not None
        assert rtp.extension_at(data, rtp.TRANSPORT_WIDE_ID) == -1
        written = rtp.with_transport_number(data, 0xABCD, -1)
        assert written.endswith(bytes.fromhex("00112233"))
