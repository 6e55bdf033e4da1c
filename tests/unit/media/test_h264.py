"""H.264 as it comes in packets: taken apart into what a decoder reads, measured, and never a reason to fail."""

from fractions import Fraction

import av
import pytest
from aiortc.codecs.h264 import H264PayloadDescriptor
from hypothesis import given
from hypothesis import strategies as st

from signaling.media.h264 import (
    START_CODE,
    begins_h264_keyframe,
    h264_size,
    holds_parameters,
    parameters_of,
    read_h264,
    units,
)

PARAMETERS, PICTURE, IDR, SLICE = b"\x67sps", b"\x68pps", b"\x65idr-slice", b"\x41slice"


def together(*parts: bytes) -> bytes:
    return b"\x78" + b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def in_pieces(unit: bytes, size: int) -> list[bytes]:
    chunks = [unit[at : at + size] for at in range(1, len(unit), size)]
    return [
        bytes((unit[0] & 0xE0 | 28, (unit[0] & 0x1F) | 0x80 * (not index) | 0x40 * (index == len(chunks) - 1))) + chunk
        for index, chunk in enumerate(chunks)
    ]


def first_frame(width: int, height: int, codec: str = "libx264", profile: str = "Baseline") -> bytes:
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base = Fraction(1, 10)
    encoder.profile = profile
    picture = av.VideoFrame(width, height, "yuv420p")
    picture.pts = 0
    return bytes((encoder.encode(picture) + encoder.encode(None))[0])


def test_a_unit_alone_a_unit_in_pieces_and_units_together_become_the_same_stream() -> None:
    frame = START_CODE + PARAMETERS + START_CODE + PICTURE + START_CODE + IDR
    packets = [together(PARAMETERS, PICTURE), *in_pieces(IDR, 3)]
    pieces = [read_h264(packet) for packet in packets]
    assert b"".join(piece.data for piece in pieces if piece is not None) == frame
    assert [(piece.parameters, piece.idr) for piece in pieces if piece is not None] == [
        (True, False),
        (False, True),
        *[(False, False)] * (len(packets) - 2),
    ]
    alone = read_h264(IDR)
    assert alone is not None
    assert (alone.parameters, alone.idr, alone.data) == (False, True, START_CODE + IDR)


@pytest.mark.parametrize(
    ("payload", "begins"),
    [
        (together(PARAMETERS, PICTURE), True),
        (PARAMETERS, True),
        (together(b"\x09\xf0", PARAMETERS, PICTURE), True),
        (together(PICTURE, IDR), False),
        (IDR, False),
        (SLICE, False),
        (in_pieces(IDR, 3)[0], False),
        (b"", False),
        (b"\x78", False),
    ],
)
def test_where_one_can_begin_to_look(payload: bytes, begins: bool) -> None:
    assert begins_h264_keyframe(bytes(12) + payload, 12) is begins


@pytest.mark.parametrize("payload", [b"", b"\x7c\x85", b"\x78\x00\x00", b"\x78\x00\x09abc", b"\x79abc", b"\x7dabc"])
def test_what_is_cut_or_of_another_form_is_no_piece(payload: bytes) -> None:
    assert read_h264(payload) is None


@pytest.mark.parametrize(("width", "height"), [(64, 48), (320, 240), (1280, 720), (1920, 1080), (360, 642)])
@pytest.mark.parametrize("profile", ["Baseline", "High"])
def test_the_size_stands_in_the_parameters_of_real_encoders(width: int, height: int, profile: str) -> None:
    frame = first_frame(width, height, profile=profile)
    assert h264_size(frame) == (width, height)
    assert h264_size(parameters_of(frame)) == (width, height)
    assert holds_parameters(parameters_of(frame)) and not holds_parameters(START_CODE + PARAMETERS)


def test_a_frame_without_parameters_has_no_size() -> None:
    assert h264_size(START_CODE + IDR) is None
    assert h264_size(b"") is None


def test_units_are_told_apart_by_short_and_long_start_codes() -> None:
    assert units(b"\0\0\1" + IDR + b"\0\0\0\1" + SLICE) == [IDR, SLICE]


@given(st.binary(max_size=80))
def test_no_bytes_make_the_readers_fail(payload: bytes) -> None:
    piece = read_h264(payload)
    begins_h264_keyframe(bytes(12) + payload, 12)
    for stream in (START_CODE + b"\x67" + payload, payload):
        h264_size(stream)
        parameters_of(stream)
    if piece is not None and payload[0] & 0x1F not in (24, 28):
        assert piece.data == START_CODE + payload


@given(st.lists(st.binary(min_size=1, max_size=40).map(lambda body: b"\x65" + body), min_size=1, max_size=5))
def test_what_was_put_together_is_read_as_another_implementation_reads_it(parts: list[bytes]) -> None:
    packet = together(*parts)
    piece = read_h264(packet)
    _, stream = H264PayloadDescriptor.parse(packet)
    assert piece is not None
    assert piece.data == stream
