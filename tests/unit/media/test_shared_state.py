"""What the express lane and Python both read: addresses as the kernel has them, and a stream's last packets."""

import ctypes
import socket
from contextlib import closing
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.media.express import read_address, write_address
from signaling.media.shared_state import ADDRESS_BYTES, FlowState, History

ports = st.integers(0, 0xFFFF)
four = st.tuples(st.ip_addresses(v=4).map(str), ports)
six = st.tuples(
    st.ip_addresses(v=6).map(lambda address: socket.inet_ntop(socket.AF_INET6, address.packed)),
    ports,
    st.integers(0, 0xFFFFF),
    st.integers(0, 0xFFFFFFFF),
)


@given(address=four | six, before=st.binary(min_size=ADDRESS_BYTES, max_size=ADDRESS_BYTES))
def test_an_address_comes_back_as_it_was_written(
    address: tuple[str, int] | tuple[str, int, int, int], before: bytes
) -> None:
    field = (ctypes.c_uint8 * ADDRESS_BYTES)(*before)
    size = write_address(field, address)
    assert size == (16 if len(address) == 2 else 28)
    assert read_address(bytes(field)[:size]) == address
    # Nothing of what stood there before may make two equal addresses look different.
    assert not any(bytes(field)[size:])


def test_a_name_with_its_scope_is_written_as_the_scope_is() -> None:
    field = (ctypes.c_uint8 * ADDRESS_BYTES)()
    size = write_address(field, ("fe80::1%eth0", 5000, 0, 7))
    assert read_address(bytes(field)[:size]) == ("fe80::1", 5000, 0, 7)


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_the_kernel_takes_what_is_written_for_the_same_address(family: int, host: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    with (
        closing(socket.socket(family, socket.SOCK_DGRAM)) as sender,
        closing(socket.socket(family, socket.SOCK_DGRAM)) as receiver,
    ):
        receiver.bind((host, 0))
        receiver.settimeout(5)
        field = (ctypes.c_uint8 * ADDRESS_BYTES)()
        size = write_address(field, receiver.getsockname())
        assert libc.sendto(sender.fileno(), b"here", 4, 0, field, size) == 4
        data, came_from = receiver.recvfrom(16)
        assert data == b"here"
        sender_size = write_address(field, came_from)
        assert read_address(bytes(field)[:sender_size]) == came_from


def packet(sequence: int, size: int = 20) -> bytes:
    return b"\x80\x60" + sequence.to_bytes(2, "big") + bytes(size - 4)


def test_what_was_kept_is_found_until_as_many_have_come_after_it() -> None:
    history = History(8, 100)
    for sequence in range(20):
        history.keep(sequence, packet(sequence, 20 + sequence))
    assert [sequence for sequence in range(0x10000) if history.find(sequence) is not None] == list(range(12, 20))
    assert all(history.find(sequence) == packet(sequence, 20 + sequence) for sequence in range(12, 20))


def test_what_never_came_is_not_found() -> None:
    history = History(8, 100)
    assert history.find(0) is None
    history.keep(3, packet(3))
    assert history.find(0) is None
    assert history.find(11) is None


def test_numbers_may_wrap() -> None:
    history = History(8, 100)
    for sequence in (0xFFFE, 0xFFFF, 0, 1):
        history.keep(sequence, packet(sequence))
    assert all(history.find(sequence) == packet(sequence) for sequence in (0xFFFE, 0xFFFF, 0, 1))


def test_a_packet_too_long_for_its_place_is_not_kept_and_neither_is_what_was_there() -> None:
    history = History(8, 100)
    history.keep(1, packet(1))
    history.keep(2, packet(2))
    history.keep(9, packet(9, 101))
    assert history.find(9) is None
    assert history.find(1) is None
    assert history.find(2) == packet(2)
    history.keep(17, packet(17, 100))
    assert history.find(17) == packet(17, 100)
    assert history.find(2) == packet(2)


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(4, 40)), max_size=60))
def test_a_history_never_returns_another_packet_than_the_one_asked_for(kept: list[tuple[int, int]]) -> None:
    history = History(16, 32)
    slots: dict[int, bytes] = {}
    for (sequence, size), fill in zip(kept, count()):
        data = packet(sequence, size)[:4] + bytes([fill % 256]) * (size - 4)
        history.keep(sequence, data)
        slots[sequence % 16] = data if size <= 32 else b""
    for sequence, _ in kept:
        held = slots[sequence % 16]
        assert history.find(sequence) == (held if held[2:4] == sequence.to_bytes(2, "big") else None)


def test_the_express_lane_is_lent_the_same_places() -> None:
    history, flow = History(8, 100), FlowState()
    history.lend(flow)
    assert (flow.kept, flow.slot_bytes) == (8, 100)
    written = packet(11, 30)
    ctypes.memmove(flow.history + 3 * 100, written, len(written))
    ctypes.cast(flow.lengths, ctypes.POINTER(ctypes.c_uint16))[3] = len(written)
    assert history.find(11) == written
