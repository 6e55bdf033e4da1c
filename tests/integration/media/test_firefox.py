"""A real Firefox behind a line that loses: what it lost comes again in repair packets, and its picture goes on."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from aiohttp import web

from signaling.media.codecs import VP8
from signaling.media.events import OfferReady
from signaling.media.port import Way
from tests.browser.firefox import FirefoxPage, running_firefox
from tests.integration.media.peers import HEARING, Peer, Plane, open_plane
from tests.integration.media.test_chromium import PAGE
from web.addresses import own_addresses

pytestmark = pytest.mark.browser
RECEIVED = """async () => {
  for (const report of (await connection.getStats()).values())
    if (report.type === "inbound-rtp" && report.kind === "video") return report;
  return {};
}"""


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    assert len(own_addresses()) > 1, "this machine has no address but loopback, which Firefox does not use"
    plane = await open_plane(tmp_path / "journal", own_addresses()[-1:], plainly=True)
    yield plane
    await plane.worker.stop()


@pytest.fixture
async def origin() -> AsyncIterator[str]:
    """A page that answers offers."""

    async def show(_: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    application = web.Application()
    application.router.add_get("/", show)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    (address,) = runner.addresses
    yield f"http://localhost:{address[1]}/"
    await runner.cleanup()


async def test_a_firefox_on_a_lossy_line_shows_what_it_lost(
    plane: Plane, origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(5)
    send = Way.send
    went: dict[int, int] = {}
    lost = []

    def lossy_send(self: Way, data: bytes) -> None:
        payload_type = data[1] & 0x7F if 127 < data[0] < 192 else 0
        went[payload_type] = went.get(payload_type, 0) + 1
        if payload_type == VP8 and chance.random() < 0.2:
            lost.append(data)
        else:
            send(self, data)

    monkeypatch.setattr(Way, "send", lossy_send)
    running = running_firefox()
    firefox = await asyncio.to_thread(running.__enter__)
    try:
        await asyncio.to_thread(firefox.goto, origin)
        await asyncio.to_thread(firefox.evaluate, "() => { window.me = 'host' }")
        async with Peer(plane, "applicant") as applicant:
            await applicant.join()
            await plane.worker.add_participant(HEARING, "host")
            received = await until_enough_is_decoded(plane, firefox)
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)
    assert len(lost) > 8
    assert went[VP8 + 1] > 8
    # Every frame here is one packet, or more: so many can only be decoded with what came again.
    assert received["framesDecoded"] > received["packetsReceived"]
    assert plane.worker.drops["rtp_unexpected"] == 0


async def until_enough_is_decoded(plane: Plane, firefox: FirefoxPage) -> dict[str, float]:
    """Answer offers until enough of the picture came through; returns what Firefox says of it."""
    answered = 0
    received: dict[str, float] = {}
    for _ in range(300):
        offers = plane.of_kind(OfferReady, "host")
        for offer in offers[answered:]:
            assert isinstance(offer, OfferReady)
            answered += 1
            told = {"offer_id": offer.offer_id, "sdp": offer.sdp, "streams": dict(offer.streams)}
            answer = await asyncio.to_thread(firefox.evaluate, "(offer) => takeOffer(offer)", told)
            await plane.worker.take_answer(HEARING, "host", answer["offer_id"], answer["sdp"])
        received = cast(dict[str, float], await asyncio.to_thread(firefox.evaluate, RECEIVED)) if answered else {}
        if received.get("framesDecoded", 0) > 80:
            return received
        await asyncio.sleep(0.1)
    raise AssertionError(f"Firefox shows too little: {received}")
