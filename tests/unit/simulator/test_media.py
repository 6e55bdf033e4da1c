"""Answering offers, without a network."""

import asyncio

import pytest

from signaling.media.sdp import Section, Transport, make_offer
from web.simulator.media import Link, SpokenTrack, identity_of
from web.simulator.performance import Performance

TRANSPORT = Transport("0a1b2c3d", "p" * 22, ":".join(["AB"] * 32), ("127.0.0.1",), 9)
OTHERS = Transport("0a1b2c3e", "p" * 22, ":".join(["AB"] * 32), ("127.0.0.1",), 9)
OWN = [Section("0", "audio", "recvonly", "gao"), Section("1", "video", "recvonly", "gao")]
FAR = [Section("2", "audio", "sendonly", "li", 7), Section("3", "video", "sendonly", "li", 8)]
STREAMS = {"0": "gao", "1": "gao", "2": "li", "3": "li"}


def broke() -> None:
    raise AssertionError("nothing broke")


def directions(sdp: str) -> dict[str, str]:
    """MID to direction."""
    sections = sdp.split("m=")[1:]
    known = ("sendonly", "recvonly", "sendrecv", "inactive")
    return {
        section.partition("a=mid:")[2].split()[0]: next(each for each in known if f"a={each}" in section)
        for section in sections
    }


async def test_she_sends_on_her_own_sections_and_takes_nothing_from_the_others() -> None:
    link = Link(Performance(), on_broken=broke)
    try:
        answer = await link.answer(make_offer(TRANSPORT, 1, OWN + FAR), STREAMS, "gao")
        assert directions(answer) == {"0": "sendonly", "1": "sendonly", "2": "inactive", "3": "inactive"}
    finally:
        await link.close()


async def test_a_new_person_is_a_renegotiation_and_another_identity_a_new_link() -> None:
    link = Link(Performance(), on_broken=broke)
    try:
        first = await link.answer(make_offer(TRANSPORT, 1, OWN), STREAMS, "gao")
        again = await link.answer(make_offer(TRANSPORT, 2, OWN + FAR), STREAMS, "gao")
        fresh = await link.answer(make_offer(OTHERS, 1, OWN), STREAMS, "gao")
        assert identity_of(again) == identity_of(first)
        assert identity_of(fresh) != identity_of(first)
    finally:
        await link.close()


async def test_closing_a_link_twice_does_nothing() -> None:
    link = Link(Performance(), on_broken=broke)
    await link.answer(make_offer(TRANSPORT, 1, OWN), STREAMS, "gao")
    await link.close()
    await link.close()
    assert link.state == "new"


async def test_an_unreadable_offer_is_an_error() -> None:
    link = Link(Performance(), on_broken=broke)
    try:
        with pytest.raises(ValueError, match="unreadable offer"):
            await link.answer("m=nonsense", STREAMS, "gao")
    finally:
        await link.close()


async def test_sound_comes_at_the_pace_of_a_clock_and_a_stall_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    loop = asyncio.get_running_loop()

    async def sleep(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds

    monkeypatch.setattr(loop, "time", lambda: now_s)
    monkeypatch.setattr("web.simulator.media.asyncio.sleep", sleep)
    track = SpokenTrack(Performance())
    for _ in range(50):
        last = (await track.recv()).pts
    assert now_s == pytest.approx(100.98)
    now_s += 3
    after = (await track.recv()).pts
    assert last is not None
    assert after is not None
    assert after - last == pytest.approx(3 * 48_000, abs=2 * 960)
    assert now_s == pytest.approx(103.98, abs=0.021)
