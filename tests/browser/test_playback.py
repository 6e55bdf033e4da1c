"""A recording is watched: lips match in every file and on the page, marks are found, the picture of everybody comes."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from signaling.media.composite import HEIGHT, WIDTH
from signaling.media.layout import tiles
from tests.browser.conftest import launch
from tests.browser.evidence import played_files, shelf_of
from tests.browser.people import (
    BACK_MS,
    DESK,
    PHONE,
    Camera,
    come_in,
    comes_true,
    end_hearing,
    let_in,
    open_context,
    sees_movement,
    sign_in,
)
from tests.browser.server import Server
from tests.browser.test_codecs import HARDWARE_FOR_H264_ONLY
from tests.support.clips import flash_clip
from tests.support.lips import Film, Region, watch

pytestmark = pytest.mark.browser

APART_MS_MAX = 80
"""What the product promises: sound and picture, and one person and another, part by less."""
HERTZ = {"applicant": 1000, "host": 1700}
FLASHES_SEEN = """
([selector, wanted]) => new Promise((resolve) => {
  const video = document.querySelector(selector);
  const canvas = new OffscreenCanvas(8, 8).getContext("2d", { willReadFrequently: true });
  let count = 0, lit = true;
  const look = () => {
    canvas.drawImage(video, 0, 0, 8, 8);
    const now = canvas.getImageData(4, 4, 1, 1).data[0] > 128;
    if (now && !lit) count += 1;
    lit = now;
    if (count >= wanted) resolve(count);
    else video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
})
"""
# Notes when flashes and beeps leave the camera and the microphone: both on the page's clock, to which each device's own
# is tied by whatever of it arrived quickest.
WATCH_DEVICES = """
(() => {
  const devices = navigator.mediaDevices;
  const ask = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async (wanted) => {
    const stream = await ask(wanted);
    const noted = { flashes: [], beeps: [], picture: Infinity, sound: Infinity };
    const read = async (track, take) => {
      const reader = new MediaStreamTrackProcessor({ track: track.clone() }).readable.getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        take(value, performance.now() - value.timestamp / 1000);
        value.close();
      }
    };
    const canvas = new OffscreenCanvas(8, 8).getContext("2d", { willReadFrequently: true });
    let lit = true, quiet = 0;
    const see = (frame, base) => {
      noted.picture = Math.min(noted.picture, base);
      canvas.drawImage(frame, 0, 0, 8, 8);
      const now = canvas.getImageData(4, 4, 1, 1).data[0] > 128;
      if (now && !lit) noted.flashes.push(frame.timestamp / 1000);
      lit = now;
    };
    const hear = (data, base) => {
      noted.sound = Math.min(noted.sound, base);
      const samples = new Float32Array(data.numberOfFrames);
      data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
      samples.forEach((sample, index) => {
        quiet += 1;
        if (Math.abs(sample) < 0.05) return;
        if (quiet > data.sampleRate / 2) noted.beeps.push(data.timestamp / 1000 + (1000 * index) / data.sampleRate);
        quiet = 0;
      });
    };
    const [picture, sound] = [stream.getVideoTracks()[0], stream.getAudioTracks()[0]];
    if (picture && sound) {
      window.noted = noted;
      void read(picture, see);
      void read(sound, hear);
    }
    return stream;
  };
})();
"""
NOTED = """
() => {
  const { flashes, beeps, picture, sound } = window.noted;
  return [flashes.map((at) => at + picture), beeps.map((at) => at + sound)];
}
"""
# Resolves once a whole second of the recording has played with the two people's positions no further apart than this:
# with how far they were, once a frame, in ms. Gives up after a while, with what it saw last.
TOGETHER = """
([mostMs, patienceMs]) => new Promise((resolve) => {
  const [one, other] = document.querySelectorAll("[data-player] video");
  const until = performance.now() + patienceMs;
  let apart = [], from = one.currentTime;
  const look = () => {
    apart.push(1000 * Math.abs(one.currentTime - other.currentTime));
    if (performance.now() > until) return resolve(apart);
    if (apart.at(-1) >= mostMs) [apart, from] = [[apart.at(-1)], one.currentTime];
    else if (one.currentTime - from > 1) return resolve(apart.slice(1));
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})
"""
PULL_APART = """
() => {
  const [, other] = document.querySelectorAll("[data-player] video");
  other.currentTime -= 0.3;
}
"""
SETTLED = """
() => {
  const videos = [...document.querySelectorAll("[data-player] video")];
  return videos.every((video) => !video.seeking && video.readyState >= 3);
}
"""
POSITIONS = "() => [...document.querySelectorAll('[data-player] video')].map((video) => video.currentTime)"


@pytest.fixture
def flashing_applicant(playwright: Playwright) -> Iterator[Browser]:
    """A browser whose camera shows a flash with every beep."""
    with launch(playwright, flash_clip(HERTZ["applicant"])) as browser:
        yield browser


@pytest.fixture
def flashing_host(playwright: Playwright) -> Iterator[Browser]:
    """The same with beeps of another pitch."""
    with launch(playwright, flash_clip(HERTZ["host"])) as browser:
        yield browser


def tell(figures: str) -> None:
    """Say what was measured (`pytest -s` shows it)."""
    sys.stdout.write(f"{figures}\n")


def hold_flashing_hearing(phone: Page, desk: Page, server: Server) -> Mapping[str, float]:
    """Have both meet, mark two moments and end; return how the devices of each were, in ms."""
    come_in(phone, server)
    sign_in(desk, server, "wang")
    let_in(desk, server)
    for page in (phone, desk):
        page.locator(".person--stage video").wait_for()
        page.evaluate(FLASHES_SEEN, [".person--stage video", 1])
        desk.keyboard.press("b")
        desk.locator("#mark-title").fill("闪光")
        with desk.expect_response(lambda answer: answer.url.endswith("/marks") and answer.ok):
            desk.keyboard.press("Enter")
        expect(desk.locator("#mark-dialog")).to_be_hidden()
        expect(desk.get_by_text("标记已记下")).to_be_visible()
        page.evaluate(FLASHES_SEEN, [".person--stage video", 1])
    true_ms = {"applicant": true_offset_ms(phone), "host": true_offset_ms(desk)}
    end_hearing(desk)
    desk.locator("[data-act=play]:not([disabled])").wait_for()
    return true_ms


def true_offset_ms(page: Page) -> float:
    """Return by how much beeps come after flashes out of a page's devices: the browser starts both files, not we."""
    lit, heard = page.evaluate(NOTED)
    nearest = [min((beep - flash for beep in heard), key=abs) for flash in lit]
    return float(median(offset for offset in nearest if abs(offset) < 500))


def check_files(server: Server, true_ms: Mapping[str, float]) -> dict[str, Film]:
    """In everybody's file sound and picture belong together as they left the devices."""
    shelf, films, kinds = shelf_of(server), dict[str, Film](), dict[str, str]()
    for path in played_files(server):
        for who, hertz in HERTZ.items():
            with shelf.open(path) as file:
                film = watch(file, hertz)
            if who not in films or len(film.beeps) > len(films[who].beeps):
                films[who], kinds[who] = film, path.rpartition(".")[2]  # the other's beeps are not in it
    assert kinds == {"host": "webm", "applicant": "mp4"}
    for who, film in films.items():
        found = film.lips()
        tell(f"{who}'s {kinds[who]}: {found.told(true_ms[who])}")
        assert len(found.after_lit_ms) >= 2
        assert median(found.errors_ms(true_ms[who])) < APART_MS_MAX
    return films


def check_composite(composite: Path, films: Mapping[str, Film]) -> None:
    """In the picture of everybody all of it comes when it comes in each one's own file."""
    for tile, who in zip(tiles(2, WIDTH, HEIGHT), ("host", "applicant"), strict=True):
        middle = Region(tile.picture.x + 200, tile.picture.y + 150, 200, 150)
        with composite.open("rb") as file:
            seen, heard = watch(file, HERTZ[who], middle).shifts_from(films[who])
        worst_seen, worst_heard = max(seen, key=abs), max(heard, key=abs)
        tell(f"{who} with everybody: picture at most {worst_seen:+.0f} ms later, sound {worst_heard:+.0f} ms")
        assert len(seen) >= 2
        assert max(abs(one - other) for one in seen for other in heard) < APART_MS_MAX


def check_keys(desk: Page) -> None:
    """By the keyboard alone, wherever the focus is: it plays, goes forward and back, and stops."""
    button = desk.locator("[data-act=play]")
    desk.keyboard.press("Space")
    expect(button).to_have_text("暂停")
    desk.keyboard.press("Space")
    expect(button).to_have_text("播放")
    desk.keyboard.press("ArrowRight")
    comes_true(desk, SETTLED)
    assert all(position >= 4.9 for position in desk.evaluate(POSITIONS))
    desk.keyboard.press("ArrowLeft")
    comes_true(desk, SETTLED)
    assert all(position < 1 for position in desk.evaluate(POSITIONS))


def check_page(desk: Page) -> None:
    check_keys(desk)
    desk.locator("[data-act=play]").click()
    for speed, to_ms in (("1", 2500), ("1.5", 400), ("1.5", 3100), ("1", 1200)):
        desk.locator("[data-act=speed]").select_option(speed)
        desk.locator("[data-act=seek]").evaluate(
            "(slider, to) => { slider.value = to; slider.dispatchEvent(new Event('input')); }", to_ms
        )
        comes_true(desk, SETTLED)
        if to_ms == 400:
            desk.evaluate(PULL_APART)
        apart = desk.evaluate(TOGETHER, [APART_MS_MAX, BACK_MS])
        tell(f"people apart at {speed}x: median {median(apart):.0f} ms, at most {max(apart):.0f} ms")
        assert max(apart) < APART_MS_MAX
    marks = desk.locator("[data-at-ms]")
    assert marks.count() == 2
    for index in range(marks.count()):
        at_s = int(marks.nth(index).get_attribute("data-at-ms") or 0) / 1000
        marks.nth(index).click()
        comes_true(desk, SETTLED)
        assert all(-0.01 < position - at_s < 0.6 for position in desk.evaluate(POSITIONS)), at_s


def check_a_file_that_breaks_off(desk: Page) -> None:
    """It is said in its place, and the other's plays on."""
    desk.route("**/playback/*.webm", lambda route: route.abort())
    desk.reload()
    expect(desk.get_by_role("alert")).to_contain_text("这个人的录像放不出来")
    desk.locator("[data-act=play]:not([disabled])").click()
    other = desk.locator(".player video[src$='.mp4']").get_attribute("data-seat")
    assert sees_movement(desk, f"video[data-seat='{other}']")


def test_lips_match_in_the_files_on_the_page_and_in_the_picture_of_everybody(
    server: Server, flashing_applicant: Browser, flashing_host: Browser, camera: Camera
) -> None:
    phone = open_context(flashing_applicant, PHONE, phone=True).new_page()
    desk = open_context(flashing_host, DESK).new_page()
    for page in (phone, desk):
        page.add_init_script(WATCH_DEVICES)
    phone.add_init_script(HARDWARE_FOR_H264_ONLY)
    true_ms = hold_flashing_hearing(phone, desk, server)
    films = check_files(server, true_ms)
    check_page(desk)
    link = desk.get_by_role("link", name="下载合成录像")
    expect(link).to_be_visible(timeout=BACK_MS)
    camera.shoot(desk, "desk-playback")
    with desk.expect_download() as download:
        link.click()
    assert download.value.suggested_filename.endswith("合成录像.mp4")
    check_composite(download.value.path(), films)
    check_a_file_that_breaks_off(desk)
