"""Which layer a VP8 packet names, and what part of a picture its base is."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.media.layers import Layer, base_share, read_layer
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
    base_share([packet(payload)])


def test_the_base_is_a_share_of_the_bytes() -> None:
    base, above = (
        packet(bytes.fromhex("90e0800511") + b"\x00" + bytes(394)),
        packet(bytes.fromhex("90e0800611") + b"\xa0" + bytes(194)),
    )
    assert base_share([base, above, above, b"cut", above]) == pytest.approx(0.4)


@pytest.mark.parametrize("payload", ["90e080051100", "1000", ""])
def test_a_picture_of_one_layer_has_no_base(payload: str) -> None:
    assert base_share([packet(bytes.fromhex(payload))] * 5) is None
