"""Which layer and picture a VP8 packet names, and what parts of a picture its layers are."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.media.layers import WHOLE, Layer, read_layer, read_parts, with_earlier_picture
from signaling.media.rtp import read_head


def packet(payload: bytes) -> bytes:
    return struct.pack(">BBHII", 0x80, 96, 7, 3000, 0xCAFE) + payload


def layer_of(payload: bytes) -> Layer | None:
    data = packet(payload)
    head = read_head(data)
    assert head is not None
    return read_layer(data, head)


@pytest.mark.parametrize(
    ("descriptor", "layer"),
    [
        ("10", None),
        ("9080" + "05", None),
        ("90e0" + "8005" + "11" + "00", Layer(0, False)),
        ("90e0" + "8005" + "11" + "a0", Layer(2, True)),
        ("90e0" + "05" + "11" + "40", Layer(1, False)),
        ("90f0" + "8005" + "11" + "60", Layer(1, True)),
        ("9020" + "80", Layer(2, False)),
        ("9010" + "80", None),
    ],
)
def test_a_packet_names_its_layer(descriptor: str, layer: Layer | None) -> None:
    assert layer_of(bytes.fromhex(descriptor) + b"picture") == layer


@given(st.binary(max_size=8))
def test_no_descriptor_is_too_short_or_too_strange(payload: bytes) -> None:
    layer = layer_of(payload)
    assert layer is None or 0 <= layer.number <= 3
    assert read_parts([packet(payload)]) == WHOLE


@pytest.mark.parametrize(
    ("before", "by", "after"),
    [
        ("90e0" + "8005" + "11" + "00", 3, "90e0" + "8002" + "11" + "00"),
        ("90e0" + "8005" + "11" + "00", 7, "90e0" + "fffe" + "11" + "00"),
        ("90e0" + "0511" + "40", 7, "90e0" + "7e11" + "40"),
        ("90e0" + "8005" + "11" + "00", 0, "90e0" + "8005" + "11" + "00"),
        ("9060" + "1140", 7, "9060" + "1140"),
        ("1005", 7, "1005"),
    ],
)
def test_a_picture_is_numbered_lower_in_its_own_width_and_nothing_else_changes(
    before: str, by: int, after: str
) -> None:
    data = packet(bytes.fromhex(before) + b"picture")
    head = read_head(data)
    assert head is not None
    assert with_earlier_picture(data, head, by) == packet(bytes.fromhex(after) + b"picture")


@given(st.binary(max_size=8), st.integers(0, 1 << 40))
def test_no_packet_is_too_short_to_be_numbered_lower(payload: bytes, by: int) -> None:
    data = packet(payload)
    head = read_head(data)
    assert head is not None
    assert len(with_earlier_picture(data, head, by)) == len(data)


def of_layer(number: int, size: int) -> bytes:
    return packet(bytes.fromhex("90e0800511") + bytes((number << 6,)) + bytes(size - 6))


def test_parts_are_shares_of_the_bytes() -> None:
    base, middle, upper = of_layer(0, 400), of_layer(1, 300), of_layer(2, 150)
    assert read_parts([base, upper, middle, b"cut", upper]) == pytest.approx((0.4, 0.7, 1.0, 1.0))


@pytest.mark.parametrize("payload", ["90e080051100", "1000", "", "90e080051180"])
def test_a_picture_of_one_layer_is_had_whole_or_not_at_all(payload: str) -> None:
    assert read_parts([packet(bytes.fromhex(payload))] * 5) == WHOLE
