"""Redundant sound: taken apart, unwrapped for who cannot take it, and never a reason to fail."""

from hypothesis import given
from hypothesis import strategies as st

from signaling.media.red import Block, read_red, unwrap_red
from signaling.media.rtp import payload_of, read_head

HEAD = b"\x80\xbf\x12\x34" + (48_000).to_bytes(4, "big") + (7).to_bytes(4, "big")
BLOCKS = st.lists(st.tuples(st.integers(0, 0x3FFF), st.binary(max_size=200)), max_size=4)


def wrap(earlier: list[tuple[int, bytes]], newest: bytes) -> bytes:
    heads = b"".join((1 << 31 | 111 << 24 | ticks << 10 | len(data)).to_bytes(4, "big") for ticks, data in earlier)
    return heads + bytes((111,)) + b"".join(data for _, data in earlier) + newest


@given(BLOCKS, st.binary(max_size=300))
def test_what_was_wrapped_comes_out_again(earlier: list[tuple[int, bytes]], newest: bytes) -> None:
    payload = wrap(earlier, newest)
    assert read_red(payload) == [*(Block(111, ticks, data) for ticks, data in earlier), Block(111, 0, newest)]
    plain = unwrap_red(HEAD + payload, len(HEAD))
    assert plain is not None
    head = read_head(plain)
    assert head is not None
    assert (head.payload_type, head.marker, head.sequence, head.timestamp) == (111, True, 0x1234, 48_000)
    assert payload_of(plain, head) == newest


def test_header_extensions_stay_when_the_redundancy_goes() -> None:
    extended = bytes((0x90,)) + HEAD[1:] + b"\xbe\xde\0\1" + b"\x10\xff\0\0"
    plain = unwrap_red(extended + wrap([(960, b"old")], b"new"), len(extended))
    assert plain == bytes((0x90, 0x80 | 111)) + extended[2:] + b"new"


@given(st.binary(max_size=64))
def test_no_bytes_make_the_readers_fail(payload: bytes) -> None:
    blocks = read_red(payload)
    plain = unwrap_red(HEAD + payload, len(HEAD))
    if blocks:
        assert plain == HEAD[:1] + bytes((0x80 | blocks[-1].payload_type,)) + HEAD[2:] + blocks[-1].data


def test_a_packet_that_claims_more_than_it_holds_makes_no_sense() -> None:
    assert read_red(b"") == []
    assert read_red(wrap([(960, b"lost")], b"")[:-1]) == []
    assert unwrap_red(HEAD + wrap([(960, b"lost")], b"")[:-1], len(HEAD)) is None
    assert read_red(b"\xef\0\0\0" * 40 + b"\x6f") == []
