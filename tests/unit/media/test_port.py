"""Hostile datagrams: dropped, counted under a name, never an exception, never a hijacked link."""

import asyncio
import errno
import os
import socket
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from aioice import stun
from aiortc import RTCCertificate
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signaling.media.link import ADDRESS_SILENT_S, ANSWER_S, CONSENT_S, DTLS_QUEUE_MAX, PACKETS_TO_FOLLOW, Link
from signaling.media.port import ADDRESSES_A_LINK_MAX, Port, Way
from signaling.media.seen import RECENT_MAX
from signaling.media.sending import SEGMENTS_MAX, Outbox
from signaling.media.shared_state import SSRCS_MAX
from signaling.media.srtp import SrtpRefused

CERTIFICATE = RTCCertificate.generateCertificate()
PHONE = ("192.0.2.10", 5000)
ELSEWHERE = ("192.0.2.66", 6000)


class Nobody:
    """A link owner who only remembers."""

    def __init__(self) -> None:
        self.arrived = 0
        self.lost: list[str] = []
        self.moves = 0

    def link_connected(self, link: Link) -> None:
        raise AssertionError("nobody shook hands")

    def link_lost(self, link: Link, reason: str) -> None:
        self.lost.append(reason)

    def rtp_arrived(self, link: Link, data: bytes, at: float) -> None:
        self.arrived += 1

    def rtcp_arrived(self, link: Link, data: bytes, at: float) -> None:
        self.arrived += 1

    def link_moved(self, link: Link) -> None:
        self.moves += 1


class Deaf(socket.socket):
    """A socket that remembers what it was to send."""

    def __init__(self) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_DGRAM)
        self.sent: list[tuple[bytes, object]] = []

    def sendto(self, data: bytes, address: object) -> int:  # type: ignore[override]
        self.sent.append((data, address))
        return len(data)


@pytest.fixture
def wire() -> Iterator[Deaf]:
    wire = Deaf()
    yield wire
    wire.close()


@pytest.fixture
def port(wire: Deaf) -> Port:
    port = Port(("192.0.2.1",), 40000)
    port._sockets = [wire]
    return port


@pytest.fixture
async def link(port: Port) -> Link:
    link = Link(CERTIFICATE, Nobody(), port.drops, 0.0)
    port.add(link)
    return link


def check(
    link: Link, *, nominated: bool = True, password: str | None = None, transaction: bytes | None = None
) -> bytes:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, transaction)
    message.attributes["USERNAME"] = f"{link.ufrag}:other"
    message.attributes["PRIORITY"] = 1
    if nominated:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity((password or link.password).encode())
    return bytes(message)


def came_from(link: Link) -> object:
    return link.way.address if link.way is not None else None


async def test_a_check_with_integrity_is_answered_and_gives_the_link_its_address(
    port: Port, link: Link, wire: Deaf
) -> None:
    port.datagram_arrived(0, check(link), PHONE, 1.0)
    assert came_from(link) == PHONE
    ((data, address),) = wire.sent
    answer = stun.parse_message(data)
    assert address == PHONE
    assert answer.message_class == stun.Class.RESPONSE
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == PHONE
    assert answer.check_message_integrity(link.password.encode())


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data[:30], "stun_malformed"),
        (lambda data: data[:4] + b"\0\0\0\0" + data[8:], "stun_malformed"),
        (lambda data: data[:-1] + bytes((data[-1] ^ 1,)), "stun_malformed"),
        (lambda data: data[:4], "too_short"),
        (lambda data: b"\x01\x01" + data[2:], "stun_malformed"),
    ],
    ids=["cut", "another cookie", "a wrong fingerprint", "almost nothing", "another kind"],
)
async def test_a_spoilt_check_is_counted_and_not_answered(
    port: Port, link: Link, wire: Deaf, spoil: object, reason: str
) -> None:
    assert callable(spoil)
    port.datagram_arrived(0, spoil(check(link)), PHONE, 1.0)
    assert wire.sent == []
    assert link.way is None
    assert port.drops == Counter({reason: 1})


async def test_a_check_with_another_password_is_not_answered(port: Port, link: Link, wire: Deaf) -> None:
    port.datagram_arrived(0, check(link, password="guessed"), ELSEWHERE, 1.0)
    assert (wire.sent, link.way) == ([], None)
    assert port.drops == Counter({"stun_bad_integrity": 1})


async def test_a_check_for_nobody_is_not_answered(port: Port, link: Link, wire: Deaf) -> None:
    data = check(link)
    port.remove(link)
    port.datagram_arrived(0, data, PHONE, 1.0)
    assert wire.sent == []
    assert port.drops == Counter({"stun_unknown_user": 1})


async def test_a_phone_that_changes_its_address_is_followed_at_once(port: Port, link: Link) -> None:
    port.datagram_arrived(0, check(link), PHONE, 1.0)
    port.datagram_arrived(0, check(link), ELSEWHERE, 1.1)
    assert came_from(link) == ELSEWHERE


async def test_a_check_that_nominates_nothing_does_not_move_a_living_link(port: Port, link: Link) -> None:
    port.datagram_arrived(0, check(link), PHONE, 1.0)
    port.datagram_arrived(0, check(link, nominated=False), ELSEWHERE, 2.0)
    assert came_from(link) == PHONE
    port.datagram_arrived(0, check(link, nominated=False), ELSEWHERE, 1.1 + ADDRESS_SILENT_S)
    assert came_from(link) == ELSEWHERE


class Open:
    """A cipher that trusts everybody but those who say they are false."""

    def unprotect(self, data: bytes) -> bytes:
        if b"false" in data:
            raise SrtpRefused("tampered")
        return data

    unprotect_rtcp = unprotect


@pytest.fixture
def talking(port: Port, link: Link) -> Link:
    """A link whose media flows from the phone's first address; its second has passed a check."""
    link.receiving = Open()  # type: ignore[assignment]
    port.datagram_arrived(0, check(link, nominated=False), ELSEWHERE, 1.0)
    port.datagram_arrived(0, check(link), PHONE, 1.0)
    port.datagram_arrived(0, b"\x80" + bytes(50), PHONE, 1.0)
    return link


async def test_the_stream_goes_where_the_other_sides_media_comes_from(port: Port, talking: Link) -> None:
    for _ in range(PACKETS_TO_FOLLOW):
        assert came_from(talking) == PHONE
        port.datagram_arrived(0, b"\x80" + bytes(50), ELSEWHERE, 1.1)
    assert came_from(talking) == ELSEWHERE


async def test_stragglers_of_a_way_just_left_do_not_draw_the_stream_back(port: Port, talking: Link) -> None:
    for _ in range(20):
        for address in (ELSEWHERE, ELSEWHERE, PHONE):
            port.datagram_arrived(0, b"\x80" + bytes(50), address, 1.1)
            assert came_from(talking) == PHONE


async def test_neither_false_media_nor_media_from_an_unchecked_address_draws_the_stream(
    port: Port, talking: Link
) -> None:
    for _ in range(20):
        port.datagram_arrived(0, b"\x80false" + bytes(50), ELSEWHERE, 1.1)
        port.datagram_arrived(0, b"\x80" + bytes(50), ("192.0.2.77", 7000), 1.1)
    assert came_from(talking) == PHONE
    assert port.drops == Counter({"srtp_refused": 20, "unknown_address": 20})


def under(ssrc: int, *, control: bool = False, false: bool = False) -> bytes:
    return (
        (b"\x80\xc9" + bytes(2) if control else b"\x80" + bytes(7))
        + ssrc.to_bytes(4, "big")
        + b"false" * false
        + bytes(9)
    )


async def test_a_link_takes_authentic_packets_under_so_many_ssrcs_and_no_more(port: Port, talking: Link) -> None:
    owner = talking._owner
    assert isinstance(owner, Nobody)
    before = owner.arrived
    for ssrc in range(1, 2 * SSRCS_MAX):
        for false in (True, False):
            port.datagram_arrived(0, under(ssrc, control=ssrc % 2 == 0, false=false), PHONE, 1.1)
    # One was known before: that of the fixture's packet.
    assert owner.arrived - before == SSRCS_MAX - 1
    assert port.drops == Counter({"srtp_refused": SSRCS_MAX - 1, "srtp_ssrcs": 2 * SSRCS_MAX})
    for control in (True, False):
        port.datagram_arrived(0, under(SSRCS_MAX - 1, control=control), PHONE, 1.1)
    assert owner.arrived - before == SSRCS_MAX + 1


async def test_a_captured_check_sent_from_elsewhere_does_not_draw_the_stream_there(
    port: Port, link: Link, wire: Deaf
) -> None:
    captured = check(link)
    port.datagram_arrived(0, captured, PHONE, 1.0)
    wire.sent.clear()
    port.datagram_arrived(0, captured, ELSEWHERE, 1.1)
    assert came_from(link) == PHONE
    assert wire.sent == []
    assert port.drops == Counter({"stun_copied": 1})
    port.datagram_arrived(0, captured, PHONE, 1.2)
    assert len(wire.sent) == 1


async def test_a_captured_check_does_not_draw_the_stream_however_many_have_come_since(
    port: Port, link: Link, wire: Deaf
) -> None:
    captured = check(link)
    port.datagram_arrived(0, captured, PHONE, 1.0)
    for number in range(2 * RECENT_MAX):
        port.datagram_arrived(0, check(link), PHONE, 2.0 + number)
    wire.sent.clear()
    port.datagram_arrived(0, captured, ELSEWHERE, 600.0)
    assert came_from(link) == PHONE
    assert wire.sent == []
    assert port.drops == Counter({"stun_copied": 1})


@pytest.mark.parametrize("between", [0, 2 * RECENT_MAX])
async def test_a_check_sent_again_from_a_way_just_left_does_not_draw_the_stream_back(
    port: Port, link: Link, between: int
) -> None:
    captured = check(link)
    port.datagram_arrived(0, captured, PHONE, 1.0)
    port.datagram_arrived(0, check(link), ELSEWHERE, 2.0)
    for _ in range(between):
        port.datagram_arrived(0, check(link), ELSEWHERE, 2.0)
    port.datagram_arrived(0, captured, PHONE, 3.0)
    assert came_from(link) == ELSEWHERE


async def test_checks_sent_again_do_not_keep_a_dead_link_alive(port: Port, link: Link, wire: Deaf) -> None:
    captured = check(link)
    port.datagram_arrived(0, captured, PHONE, 1.0)
    link._fingerprints = (("sha-256", "AB"),)
    port.datagram_arrived(0, captured, PHONE, CONSENT_S)
    assert len(wire.sent) == 2
    assert link.overdue(CONSENT_S + 2.0) == "silent"


async def test_media_before_a_check_and_media_before_the_handshake_are_dropped(port: Port, link: Link) -> None:
    port.datagram_arrived(0, b"\x80" + bytes(50), PHONE, 1.0)
    port.datagram_arrived(0, check(link), PHONE, 1.0)
    port.datagram_arrived(0, b"\x80" + bytes(50), PHONE, 1.0)
    port.datagram_arrived(0, b"\x50" + bytes(50), PHONE, 1.0)
    assert port.drops == Counter({"unknown_address": 1, "srtp_too_early": 1, "unknown_protocol": 1})


async def test_a_flood_of_handshake_records_is_bounded(port: Port, link: Link) -> None:
    port.datagram_arrived(0, check(link), PHONE, 1.0)
    for _ in range(1000):
        port.datagram_arrived(0, b"\x16" + bytes(50), PHONE, 1.0)
    assert port.drops["dtls_queue_full"] == 1000 - DTLS_QUEUE_MAX


async def test_addresses_that_a_link_may_have_are_bounded(port: Port, link: Link) -> None:
    for number in range(200):
        port.datagram_arrived(0, check(link), ("192.0.2.10", 1000 + number), float(number))
    assert len(port._ways) == ADDRESSES_A_LINK_MAX
    assert came_from(link) == ("192.0.2.10", 1199)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=2048), position=st.integers(0, 200), flip=st.integers(1, 255))
async def test_no_datagram_raises(port: Port, link: Link, data: bytes, position: int, flip: int) -> None:
    port.datagram_arrived(0, data, PHONE, 1.0)
    spoilt = bytearray(check(link))
    # The last 8 bytes are the fingerprint, which guards against mistakes and not against people.
    spoilt[position % (len(spoilt) - 8)] ^= flip
    port.datagram_arrived(0, bytes(spoilt), ELSEWHERE, 1.0)
    port.datagram_arrived(0, bytes(spoilt[: position % len(spoilt)]), ELSEWHERE, 1.0)
    assert came_from(link) != ELSEWHERE


async def test_a_link_is_given_up_when_checks_stop(link: Link, wire: Deaf) -> None:
    way = Way((0, PHONE), wire, Outbox(Counter()))
    assert link.overdue(ANSWER_S - 1) is None
    assert link.overdue(ANSWER_S + 1) == "unanswered"
    link.check_passed(way, nominated=True, transaction=os.urandom(12), at=20.0)
    link._fingerprints = (("sha-256", "AB"),)
    assert link.overdue(20.0 + CONSENT_S - 1) is None
    assert link.overdue(20.0 + CONSENT_S + 1) == "silent"


async def test_a_lost_link_is_told_once() -> None:
    owner = Nobody()
    link = Link(CERTIFICATE, owner, Counter(), time.monotonic())
    link.lose("silent")
    link.lose("closed")
    assert owner.lost == ["silent"]


async def test_two_addresses_share_one_port() -> None:
    port = Port(("127.0.0.1", "127.0.0.2"), 0)
    port.open()
    try:
        assert port.port > 0
        assert {sock.getsockname() for sock in port._sockets} == {
            ("127.0.0.1", port.port),
            ("127.0.0.2", port.port),
        }
    finally:
        port.close()


@pytest.mark.parametrize(
    "sizes",
    [[100], [100, 100, 40], [100, 40, 100], [40, 100, 100, 100, 7, 9], [1200] * 200, [1200, 1199, 1200, 1200, 3]],
)
async def test_datagrams_sent_together_arrive_whole_and_in_order(sizes: list[int]) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.bind(("127.0.0.1", 0))
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        receiver.settimeout(5)
        drops = Counter[str]()
        outbox = Outbox(drops)
        way = Way((0, receiver.getsockname()), sender, outbox)
        packets = [bytes([index % 256]) * size for index, size in enumerate(sizes)]
        outbox.hold()
        for packet in packets:
            way.send(packet)
        outbox.release()
        assert [receiver.recv(2048) for _ in packets] == packets
        assert drops == Counter()
    assert SEGMENTS_MAX <= 64


async def test_a_kernel_that_cannot_group_gets_every_datagram_alone(wire: Deaf) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EIO, "no")

    wire.sendmsg = refuse  # type: ignore[method-assign]
    outbox = Outbox(Counter())
    way = Way((0, PHONE), wire, outbox)
    for _ in range(2):
        outbox.hold()
        way.send(b"one")
        way.send(b"two")
        outbox.release()
    assert [data for data, _ in wire.sent] == [b"one", b"two", b"one", b"two"]
    assert not way.groups
    assert Way((0, ELSEWHERE), wire, outbox).groups, "another's way may well take them"


async def test_a_port_under_load_looks_by_the_clock_and_loses_nothing() -> None:
    port = Port(("127.0.0.1",), 0)
    port.open()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for _ in range(40):
                for _ in range(25):
                    stranger.sendto(b"\xff" * 40, ("127.0.0.1", port.port))
                await asyncio.sleep(0.0005)
        async with asyncio.timeout(20):
            while port._rests or port.drops["unknown_address"] < 1000:  # noqa: ASYNC110 (nobody says when)
                await asyncio.sleep(0.001)
        assert port.drops == Counter({"unknown_address": 1000})
    finally:
        port.close()
