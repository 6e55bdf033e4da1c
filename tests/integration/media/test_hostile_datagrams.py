"""Somebody listens on the way, and somebody in the hearing means ill: over real sockets and real keys."""

import struct
from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from signaling.media import rtp
from signaling.media.events import LinkConnected, OfferReady
from signaling.media.seen import RECENT_MAX
from signaling.media.shared_state import SSRCS_MAX
from tests.fuzz import seeds
from tests.fuzz.callers import FINGERPRINT, Caller, drain, open_socket
from tests.integration.media.peers import HEARING, Plane

IN_ONE_GO = 64
"""More might not fit a socket's buffer."""


@pytest.fixture
def plane(way: Plane) -> Plane:
    """Both ways, for every test here."""
    return way


@pytest.fixture
async def gao(plane: Plane) -> AsyncIterator[Caller]:
    caller = await come_in(plane, "gao", 1)
    yield caller
    await caller.leave()


@pytest.fixture
async def wang(plane: Plane, gao: Caller) -> AsyncIterator[Caller]:
    caller = await come_in(plane, "wang", 2)
    for _ in range(2):
        for each in (gao, caller):
            await each.answer_all(plane.events)
    yield caller
    await caller.leave()


async def come_in(plane: Plane, seat_id: str, number: int) -> Caller:
    caller = Caller(plane.worker, HEARING, seat_id, number)
    await caller.join(plane.events)
    await plane.until(lambda: LinkConnected(HEARING, seat_id) in plane.events, f"{seat_id} connected")
    return caller


def sound(caller: Caller, ssrc: int | None = None, sequence: int = 1) -> bytes:
    """Return a packet of a caller's voice, the next in turn, or one under another SSRC."""
    packet = struct.pack(">BBHII", 0x80, 111, sequence, 960, ssrc or 0) + b"\xfc" + bytes(40)
    sent = caller.protected(packet if ssrc is not None else caller.in_turn(packet, caller.ssrcs[0], 1))
    assert sent is not None
    return sent


async def hears(plane: Plane, listener: Caller, speaker: Caller) -> None:
    """Wait until a packet of the speaker's has come to the listener's socket."""

    def came() -> bool:
        speaker.send(sound(speaker))
        return any(
            len(data) > 12 and data[8:12] == speaker.ssrcs[0].to_bytes(4, "big") for data in drain(listener.socket)
        )

    await plane.until(came, f"{listener.seat_id} hears {speaker.seat_id}", 10)


async def test_a_check_captured_long_ago_and_sent_from_elsewhere_draws_no_stream(
    plane: Plane, gao: Caller, wang: Caller
) -> None:
    captured = gao.check()
    answered = 0
    for number in range(2 * RECENT_MAX):
        gao.check()
        if number % IN_ONE_GO == IN_ONE_GO - 1:

            def all_answered(sent: int = number + 2) -> bool:
                nonlocal answered
                answered += sum(data[:2] == b"\x01\x01" for data in drain(gao.socket))
                return answered >= sent

            await plane.until(all_answered, "checks answered", 10)
    with closing(open_socket()) as stranger:
        stranger.sendto(captured, gao.server)
        await plane.until(lambda: plane.worker.drops["stun_copied"] == 1, "the copy refused", 10)
        await hears(plane, gao, wang)
        assert drain(stranger) == []


async def test_one_persons_ever_new_ssrcs_are_dropped_and_everybody_still_hears_and_is_heard(
    plane: Plane, gao: Caller, wang: Caller
) -> None:
    await hears(plane, wang, gao)
    report = rtp.make_receiver_report(0, [])
    for number in range(4 * SSRCS_MAX):
        ssrc = 0x5000 + number
        reported = gao.protected_rtcp(report[:4] + ssrc.to_bytes(4, "big"))
        assert reported is not None
        gao.send(sound(gao, ssrc) if number % 2 else reported)
        if number % IN_ONE_GO == IN_ONE_GO - 1:
            gao.check()
            await plane.until(lambda: any(data[:2] == b"\x01\x01" for data in drain(gao.socket)), "all was read", 10)
    # Their own voice was known before, and perhaps what they reported under.
    drops = plane.worker.drops
    assert 3 * SSRCS_MAX < drops["srtp_ssrcs"] < 3 * SSRCS_MAX + 3
    assert 0 < drops["rtp_unexpected"] < SSRCS_MAX
    before = drops["srtp_ssrcs"]
    await hears(plane, wang, gao)
    await hears(plane, gao, wang)
    assert drops["srtp_ssrcs"] == before


class WithoutNumbers(Caller):
    """Somebody whose browser does without transport-wide numbers: what it gets again is not looked up by them."""

    async def _answer(self, offer: OfferReady) -> None:
        self._answered = offer.offer_id
        lines = seeds.answer_to(offer.sdp, FINGERPRINT, self.ssrcs).split("\r\n")
        text = "\r\n".join(line for line in lines if "transport" not in line)
        await self._worker.take_answer(HEARING, self.seat_id, offer.offer_id, text)


async def test_what_was_said_while_muted_cannot_be_asked_for_afterwards(plane: Plane, gao: Caller) -> None:
    wang = WithoutNumbers(plane.worker, HEARING, "wang", 2)
    try:
        await wang.join(plane.events)
        for each in (gao, wang, gao, wang):
            await each.answer_all(plane.events)
        await hears(plane, wang, gao)
        plane.worker.set_muted(HEARING, "gao", True)
        said = []
        for _ in range(10):
            gao.send(sound(gao))
            said.append(gao.sequence(gao.ssrcs[0]))
        gao.check()
        await plane.until(lambda: any(data[:2] == b"\x01\x01" for data in drain(gao.socket)), "all was read", 10)
        plane.worker.set_muted(HEARING, "gao", False)
        drain(wang.socket)
        asked = wang.protected_rtcp(rtp.make_nack(gao.ssrcs[0], said))
        assert asked is not None
        wang.send(asked)
        wang.check()
        came: list[bytes] = []

        def answered() -> bool:
            came.extend(drain(wang.socket))
            return any(data[:2] == b"\x01\x01" for data in came)

        await plane.until(answered, "the NACK was read", 10)
        assert [data for data in came if data[8:12] == gao.ssrcs[0].to_bytes(4, "big")] == []
        await hears(plane, wang, gao)
    finally:
        await wang.leave()


async def test_reports_under_made_up_ssrcs_go_to_nobody(plane: Plane, gao: Caller, wang: Caller) -> None:
    await hears(plane, gao, wang)
    block = struct.pack(">IIIIII", wang.ssrcs[0], 1, 99, 30, 0, 0)
    made_up = range(0x5000, 0x5000 + 20)
    compound = b"".join(rtp.make_receiver_report(ssrc, [block]) for ssrc in (gao.ssrcs[0], *made_up))
    under: set[int] = set()

    def came() -> bool:
        sent = gao.protected_rtcp(compound)
        assert sent is not None
        gao.send(sent)
        reports = [data for data in drain(wang.socket) if data[1] == rtp.RECEIVER_REPORT and data[0] == 0x81]
        under.update(int.from_bytes(data[4:8], "big") for data in reports)
        return gao.ssrcs[0] in under

    await plane.until(came, "wang is told how gao hears", 10)
    assert under == {gao.ssrcs[0]}


async def test_ssrcs_that_a_stranger_to_the_keys_makes_up_take_nobodys_place(plane: Plane, gao: Caller) -> None:
    for number in range(4 * SSRCS_MAX):
        gao.send(struct.pack(">BBHII", 0x80, 111, 1, 960, 0x5000 + number) + bytes(60))
        if number % IN_ONE_GO == IN_ONE_GO - 1:
            await plane.until(lambda sent=number + 1: plane.worker.drops["srtp_refused"] == sent, "refused", 10)
    gao.send(sound(gao, 0x9999))
    await plane.until(lambda: plane.worker.drops["rtp_unexpected"] == 1, "a new SSRC let in", 10)
    assert plane.worker.drops["srtp_ssrcs"] == 0
