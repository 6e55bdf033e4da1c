"""Two Chromium pages in one hearing: real browsers answer our offers, and see and hear each other."""

import asyncio
import base64
import random
import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import av
import pytest
from playwright.async_api import Browser, Page, async_playwright

from signaling.media import sharing
from signaling.media.codecs import Kind
from signaling.media.events import OfferReady
from signaling.media.layers import ALL, WHOLE, read_parts
from signaling.media.participant import SECTIONS_MAX
from signaling.media.playback import remux
from signaling.media.port import Address, Port, Way
from signaling.media.sdp import Section, Transport, make_offer, read_answer
from signaling.media.stream import Stream
from tests.integration.media.peers import HEARING, Plane, video_numbers

pytestmark = pytest.mark.browser
PAGE = (Path(__file__).parent / "browser_page.html").read_text(encoding="utf-8")
CHROMIUM = shutil.which("chromium")


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.fail("no chromium on this machine: make setup-dev installs it")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
                "--autoplay-policy=no-user-gesture-required",
                "--disable-features=WebRtcHideLocalIpsWithMdns",
            ],
        )
        yield browser
        await browser.close()


class BrowserPerson:
    """A seat whose browser is a page."""

    def __init__(self, plane: Plane, page: Page, seat_id: str) -> None:
        self.plane = plane
        self.page = page
        self.seat_id = seat_id
        self._answered = 0

    @classmethod
    async def come(cls, plane: Plane, browser: Browser, seat_id: str) -> "BrowserPerson":
        context = await browser.new_context(permissions=["camera", "microphone"])
        page = await context.new_page()
        await page.route("**/*", lambda route: route.fulfill(body=PAGE, content_type="text/html"))
        await page.goto("http://localhost/")
        await page.evaluate("seat => { window.me = seat }", seat_id)
        await plane.worker.add_participant(HEARING, seat_id)
        return cls(plane, page, seat_id)

    async def answer_offers(self) -> None:
        offers = self.plane.of_kind(OfferReady, self.seat_id)
        for offer in offers[self._answered :]:
            assert isinstance(offer, OfferReady)
            self._answered += 1
            answer = await self.page.evaluate(
                "offer => takeOffer(offer)",
                {"offer_id": offer.offer_id, "sdp": offer.sdp, "streams": dict(offer.streams)},
            )
            await self.plane.worker.take_answer(HEARING, self.seat_id, answer["offer_id"], answer["sdp"])

    async def figures(self) -> dict[str, dict[str, dict[str, float]]]:
        figures: dict[str, dict[str, dict[str, float]]] = await self.page.evaluate("figures()")
        return figures


async def until_all_see(people: list[BrowserPerson], frames: int) -> None:
    """Answer offers until everybody has seen `frames` more frames of everybody else."""
    start: dict[tuple[str, str], float] = {}
    for _ in range(300):
        enough = True
        for person in people:
            await person.answer_offers()
            seen = (await person.figures())["seen"]
            for other in people:
                if other is person:
                    continue
                count = seen.get(other.seat_id, {}).get("frames", 0)
                enough &= count - start.setdefault((person.seat_id, other.seat_id), count) >= frames
        if enough:
            return
        await asyncio.sleep(0.1)
    states = [(person.seat_id, await person.figures()) for person in people]
    raise AssertionError(f"not everybody saw everybody: {states}; drops {dict(people[0].plane.worker.drops)}")


async def test_chromium_pages_see_and_hear_each_other_come_back_and_are_recorded(
    plane: Plane, chromium: Browser, tmp_path: Path
) -> None:
    host = await BrowserPerson.come(plane, chromium, "host")
    applicant = await BrowserPerson.come(plane, chromium, "applicant")
    await until_all_see([host, applicant], 60)
    for person in (host, applicant):
        energy = (await person.figures())["energy"]
        assert sum(energy.values()) > 0  # type: ignore[arg-type]
    still = await plane.worker.take_still(HEARING, "applicant", timeout_s=5)
    assert still.width >= 320
    await plane.worker.add_participant(HEARING, "applicant")
    await until_all_see([host, applicant], 30)
    officer = await BrowserPerson.come(plane, chromium, "far-end")
    await until_all_see([host, applicant, officer], 30)
    await plane.worker.remove_participant(HEARING, "far-end")
    await until_all_see([host, applicant], 30)
    ended_at = plane.worker.position(HEARING)
    await plane.worker.close_hearing(HEARING)
    assert ended_at is not None
    made = {file.seat_id: file for file in remux(plane.directory, tmp_path / "playback")}
    assert set(made) == {"host", "applicant", "far-end"}
    with av.open(str(made["applicant"].path)) as container:
        assert container.duration is not None
        assert abs(container.duration / 1e6 - ended_at.elapsed_ms / 1000) < 1
        assert sum(1 for _ in container.decode(video=0)) > 60
    played = await play(host.page, made["applicant"].path)
    assert abs(played["duration_s"] - ended_at.elapsed_ms / 1000) < 1
    assert abs(played["shown_s"] - played["duration_s"] / 2) < 1
    assert played["moved_s"] > 0.5
    assert played["sound_bytes"] > 0


async def test_a_chromium_on_a_lossy_line_leaves_no_hole_in_the_journal_and_gets_repairs_of_what_it_lost(
    plain_plane: Plane, chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane = plain_plane
    chance = random.Random(5)
    arrived, send = Port.datagram_arrived, Way.send
    losing = True

    def loses(data: bytes) -> bool:
        return losing and len(data) > 12 and 127 < data[0] < 192 and chance.random() < 0.05

    def lossy_arrived(self: Port, index: int, data: bytes, address: Address, at: float) -> None:
        if not loses(data):
            arrived(self, index, data, address, at)

    def lossy_send(self: Way, data: bytes) -> None:
        if not loses(data):
            send(self, data)

    monkeypatch.setattr(Port, "datagram_arrived", lossy_arrived)
    monkeypatch.setattr(Way, "send", lossy_send)
    host = await BrowserPerson.come(plane, chromium, "host")
    applicant = await BrowserPerson.come(plane, chromium, "applicant")
    await until_all_see([host, applicant], 80)
    for person in (host, applicant):
        await until_got_again(person, lambda again, lost: again > 3)
    losing = False
    for person in (host, applicant):
        await until_got_again(person, lambda again, lost: again > lost / 2)
    await plane.until_nothing_is_missing()
    await plane.worker.close_hearing(HEARING)
    for seat_id in ("host", "applicant"):
        numbers = video_numbers(plane.directory, seat_id)
        assert set(range(min(numbers), max(numbers))) - numbers == set()


async def until_got_again(person: BrowserPerson, enough: Callable[[float, float], bool]) -> None:
    """Wait until enough of what was lost came again under the relay's own SSRC, where a browser tells it from the
    rest."""
    for _ in range(300):
        received = (await person.figures())["received"]
        again, lost = received["retransmittedPacketsReceived"], received["packetsLost"]
        if enough(again, lost):  # type: ignore[arg-type]
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{person.seat_id} got {again} again of {lost}")


SENDS_LAYERS = """async () => {
    const sender = connection.getSenders().find((one) => one.track?.kind === "video");
    const parameters = sender.getParameters();
    parameters.encodings[0].scalabilityMode = "L1T3";
    await sender.setParameters(parameters);
}"""


async def test_a_chromium_shows_each_step_of_a_picture_in_layers(
    plane: Plane, chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "HOLDS_S", (3600.0,))
    host = await BrowserPerson.come(plane, chromium, "host")
    applicant = await BrowserPerson.come(plane, chromium, "applicant")
    await until_all_see([host, applicant], 5)
    await applicant.page.evaluate(SENDS_LAYERS)
    people = plane.worker._hearings[HEARING]._exchange.people
    stream = people["applicant"].stream("video")
    assert stream is not None
    await plane.until(lambda: read_parts(kept(stream)) != WHOLE, "the applicant sends layers")
    for top, share in ((1, 1 / 2), (0, 1 / 4), (1, 1 / 2)):
        people["host"].give_fewer(stream, top, time.monotonic())
        plane.worker._hearings[HEARING]._exchange.place_receivers()
        sent, shown = await rates(host, applicant)
        assert share - 0.1 < shown / sent < share + 0.1, top
    people["host"].thinned[stream.ssrc].top = ALL
    sent, shown = await rates(host, applicant)
    assert shown / sent > 0.9


def kept(stream: Stream) -> list[bytes]:
    """Return a stream's last packets."""
    numbers = range(stream.flow.highest - 100, stream.flow.highest + 1)
    return [data for number in numbers if (data := stream.sent_again(number & 0xFFFF)) is not None]


async def rates(host: BrowserPerson, applicant: BrowserPerson) -> tuple[float, float]:
    """Return how many pictures the applicant encodes and the host decodes, over some time after the last change."""
    before = await counted(host, applicant, 15)
    after = await counted(host, applicant, 45)
    return after[0] - before[0], after[1] - before[1]


async def counted(host: BrowserPerson, applicant: BrowserPerson, more: int) -> tuple[float, float]:
    """Let the applicant encode so many pictures more; return how many it, and the host's decoder, had in all."""
    begun = (await applicant.figures())["sent"]["framesEncoded"]
    for _ in range(300):
        encoded = (await applicant.figures())["sent"]["framesEncoded"]
        decoded = (await host.figures())["received"]["framesDecoded"]
        if encoded >= begun + more:  # type: ignore[operator]
            return encoded, decoded  # type: ignore[return-value]
        await asyncio.sleep(0.1)
    raise AssertionError("the applicant encodes no more")


async def test_the_longest_offer_is_answered_in_no_more_than_a_message_may_have(chromium: Browser) -> None:
    sections = [Section("0", "audio", "recvonly", "host"), Section("1", "video", "recvonly", "host")]
    while len(sections) < SECTIONS_MAX:
        number = len(sections)
        kind: Kind = "video" if number % 2 else "audio"
        repair_ssrc = 2000 + number if kind == "video" else None
        sections.append(Section(str(number), kind, "sendonly", "gao", 1000 + number, repair_ssrc=repair_ssrc))
    transport = Transport("0a1b2c3d", "p" * 32, ":".join(["AB"] * 32), ("127.0.0.1",), 40000)
    page = await chromium.new_page()
    answer = await page.evaluate(
        """async (sdp) => {
            const connection = new RTCPeerConnection();
            await connection.setRemoteDescription({type: "offer", sdp});
            await connection.setLocalDescription();
            return connection.localDescription.sdp;
        }""",
        make_offer(transport, 1, sections),
    )
    # PROTOCOL.md.
    assert len(answer) < 60_000
    assert len(read_answer(answer).sections) == SECTIONS_MAX


async def play(page: Page, path: Path) -> dict[str, float]:
    """Open a playback file in the page, go to its middle, play a second; tell what was shown."""
    played: dict[str, float] = await page.evaluate(
        """async base64 => {
            const bytes = Uint8Array.from(atob(base64), character => character.charCodeAt(0));
            const video = document.createElement("video");
            document.body.append(video);
            video.src = URL.createObjectURL(new Blob([bytes], {type: "video/webm"}));
            const happens = name => new Promise((resolve, reject) => {
                video.addEventListener(name, resolve, {once: true});
                video.addEventListener("error", () => reject(video.error.message), {once: true});
            });
            await happens("loadeddata");
            const frame = new Promise(resolve => video.requestVideoFrameCallback((_, data) => resolve(data.mediaTime)));
            const sought = happens("seeked");
            video.currentTime = video.duration / 2;
            await sought;
            const shown = await frame;
            const from = video.currentTime;
            await video.play();
            while (video.currentTime < from + 0.6) await new Promise(resolve => requestAnimationFrame(resolve));
            return {duration_s: video.duration, shown_s: shown, moved_s: video.currentTime - from,
                    sound_bytes: video.webkitAudioDecodedByteCount};
        }""",
        base64.b64encode(await asyncio.to_thread(path.read_bytes)).decode(),
    )
    return played
