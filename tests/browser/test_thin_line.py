"""Three people, one of whom has a thin line: the others' pictures stay sharp and moving, and she still sees motion."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from tests.browser.conftest import CHROMIUM
from tests.browser.firefox import running_firefox
from tests.browser.namespaces import OFFICE_ADDRESS, office_and_phone, program_in
from tests.browser.people import Camera, come_in, sees_and_hears, sign_in
from tests.browser.server import DemoProcess, Server
from tests.browser.test_networks import chromium, own_page
from tests.support.clips import Clip, prosecutor_clip

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

THIN_KBIT = 600
LINE_MS = 60_000
# What came of each far picture in so many milliseconds, by SSRC: frames shown, kbit/s; and sound made up, in seconds.
COMES = """
async (ms) => {
  const look = async () => {
    const found = { pictures: {}, made_up: 0 };
    for (const report of (await window.connections.at(-1).getStats()).values()) {
      if (report.type !== "inbound-rtp") continue;
      if (report.kind === "audio") found.made_up += (report.concealedSamples - report.silentConcealedSamples) / 48000;
      else if (report.framesDecoded) found.pictures[report.ssrc] = report;
    }
    return found;
  };
  const before = await look();
  await new Promise((resolve) => setTimeout(resolve, ms));
  const after = await look();
  const pictures = {};
  for (const ssrc of Object.keys(before.pictures)) {
    const [then, now] = [before.pictures[ssrc], after.pictures[ssrc]];
    pictures[ssrc] = [now.framesDecoded - then.framesDecoded, 8 * (now.bytesReceived - then.bytesReceived) / ms];
  }
  return { pictures, made_up_s: after.made_up - before.made_up };
}
"""
# Sends a picture to itself in a codec, held to a budget in layers, twice, then to one without; the layers after each.
HOLDS = """
async (codec) => {
  const { budgetFor, hold } = await import("/static/js/live/budget.js");
  const [here, there] = [new RTCPeerConnection(), new RTCPeerConnection()];
  const canvas = document.createElement("canvas");
  canvas.getContext("2d");
  const sender = here.addTrack(canvas.captureStream(5).getVideoTracks()[0]);
  const wanted = RTCRtpSender.getCapabilities("video").codecs.filter((one) => one.mimeType === codec);
  here.getTransceivers()[0].setCodecPreferences(wanted);
  await here.setLocalDescription();
  await there.setRemoteDescription(here.localDescription);
  await there.setLocalDescription();
  await here.setRemoteDescription(there.localDescription);
  const layers = [];
  for (const [seen, watching] of [[3, 0], [2, 1], [2, 0]]) {
    await hold(sender, budgetFor("host", seen, watching));
    layers.push(sender.getParameters().encodings[0].scalabilityMode ?? "");
  }
  here.close();
  there.close();
  return layers;
}
"""
WATCHED_MS = 5000
TRIES_MAX = 6


class Came:
    """What came to a page of the others in a few seconds."""

    def __init__(self, page: Page) -> None:
        told = cast(dict[str, Any], page.evaluate(COMES, WATCHED_MS))
        self.made_up_s = cast(float, told["made_up_s"])
        pictures = cast(dict[str, list[float]], told["pictures"])
        self.frames = {ssrc: frames for ssrc, (frames, _) in pictures.items()}
        self.kbps = {ssrc: kbps for ssrc, (_, kbps) in pictures.items()}
        assert len(pictures) == 2


@pytest.fixture
def lively_camera(tmp_path: Path) -> Clip:
    """A camera of 640 by 360 that shows something of which an encoder makes as much as a talking face."""
    width, height, frames = 640, 360, 30
    chance = random.Random(7)
    texture = bytes(value for _ in range(width // 16) for value in [chance.randrange(60, 200)] * 16)
    picture = tmp_path / "lively.y4m"
    with picture.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F30:1 Ip A1:1 C420\n".encode())
        for number in range(frames):
            rows = []
            for y in range(height // 20):
                shift = (y * 56 + (number * 64 // 3 if y % 3 == 0 else 0)) % width
                rows.append((texture[shift:] + texture[:shift]) * 20)
            file.write(b"FRAME\n" + b"".join(rows) + bytes([128]) * (width * height // 2))
    return Clip(picture, prosecutor_clip().sound)


def until(phone: Page, host: Page, holds: Callable[[float, float], bool]) -> tuple[Came, Came, str]:
    """Look at both pages until so many of the officer's frames come to one and the other; return what came, and the
    SSRC of the officer's picture, which goes to both."""
    seen = []
    for _ in range(TRIES_MAX):
        here, there = Came(phone), Came(host)
        (officers,) = here.frames.keys() & there.frames.keys()
        if min(here.frames.values()) >= 8 and holds(here.frames[officers], there.frames[officers]):
            return here, there, officers
        seen.append((here.frames[officers], there.frames[officers]))
    raise AssertionError(f"frames of the officer that came to phone and host: {seen}")


def test_layers_are_sent_where_several_look_and_the_browser_can(house: Server, prosecutors_browser: Browser) -> None:
    page = own_page(prosecutors_browser)
    page.goto(f"{house.origin}/sign-in")
    assert page.evaluate(HOLDS, "video/VP8") == ["L1T3", "L1T3", ""]
    assert page.evaluate(HOLDS, "video/H264") == ["", "", ""]
    with running_firefox() as firefox:
        firefox.goto(f"{house.origin}/sign-in")
        assert firefox.evaluate(HOLDS, "video/VP8") == ["", "", ""]


@pytest.mark.long
def test_one_thin_line_of_three_costs_the_others_little_and_still_shows_motion(
    tmp_path: Path, playwright: Playwright, lively_camera: Clip, camera: Camera
) -> None:
    with office_and_phone() as networks:
        at_office, on_phone = (program_in(name, tmp_path, CHROMIUM) for name in (networks.office, networks.phone))
        process = DemoProcess(tmp_path / "var", address=OFFICE_ADDRESS, namespace=networks.office)
        process.start()
        try:
            with (
                chromium(playwright, lively_camera, program=on_phone) as far,
                chromium(playwright, lively_camera, program=at_office) as near,
            ):
                phone, host, officer = own_page(far, phone=True), own_page(near), own_page(near)
                come_in(phone, process.server)
                for page, user_name in ((host, "wang"), (officer, "liu")):
                    sign_in(page, process.server, user_name)
                    page.get_by_role("link", name="进入接访室").click()
                    page.locator("#faces").wait_for()
                host.locator("#stage-admit").click()
                for page in (phone, host, officer):
                    sees_and_hears(page)

                networks.phone_gets(THIN_KBIT)
                expect(phone.locator("#net-word")).to_have_text("网络较弱，画面放慢", timeout=LINE_MS)
                expect(host.locator("#stage-net")).to_have_text("对方网络较慢，看我们的画面慢一些，声音照常")
                thin, wide, officers = until(phone, host, lambda here, there: 3 * here < there)
                for page, name in ((phone, "phone"), (host, "desk"), (officer, "officer")):
                    camera.shoot(page, f"thin-line-{name}")
                assert min(thin.frames.values()) >= 8
                assert sum(thin.kbps.values()) < THIN_KBIT
                assert wide.kbps[officers] > 1.4 * thin.kbps[officers]
                assert max(thin.made_up_s, wide.made_up_s) < 1
                expect(host.locator("#line")).to_be_hidden()

                networks.phone_gets(None)
                expect(phone.locator("#net-word")).to_have_text("网络良好", timeout=LINE_MS)
                until(phone, host, lambda here, there: here > 0.7 * there)
        finally:
            process.stop()
