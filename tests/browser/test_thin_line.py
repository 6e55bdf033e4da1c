"""Three people, one of whom has a thin line: the others' pictures stay sharp and moving, and she still sees motion."""

import random
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.sync_api import Page, Playwright, expect

from tests.browser.conftest import CHROMIUM
from tests.browser.namespaces import OFFICE_ADDRESS, office_and_phone, program_in
from tests.browser.people import Camera, come_in, sign_in
from tests.browser.server import DemoProcess
from tests.browser.test_networks import chromium, own_page, sees_and_hears
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
WATCHED_MS = 5000
TRIES_MAX = 5


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
                come_in(phone, process.server, Camera(tmp_path))
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
                for _ in range(TRIES_MAX):
                    thin, wide = Came(phone), Came(host)
                    (officers,) = thin.frames.keys() & wide.frames.keys()  # the officer's picture goes to both
                    if wide.frames[officers] > 2 * thin.frames[officers] and min(thin.frames.values()) >= 8:
                        break  # what the line lost until it was found to be thin is forgotten
                for page, name in ((phone, "phone"), (host, "desk"), (officer, "officer")):
                    camera.shoot(page, f"thin-line-{name}")
                assert min(thin.frames.values()) >= 8
                assert sum(thin.kbps.values()) < THIN_KBIT
                assert wide.frames[officers] > 1.5 * thin.frames[officers]
                assert wide.kbps[officers] > 1.4 * thin.kbps[officers]
                assert max(thin.made_up_s, wide.made_up_s) < 1
                expect(host.locator("#line")).to_be_hidden()

                networks.phone_gets(None)
                expect(phone.locator("#net-word")).to_have_text("网络良好", timeout=LINE_MS)
                again = Came(phone)
                assert again.frames[officers] > 1.5 * thin.frames[officers]
        finally:
            process.stop()
