"""An old phone and an old computer share no codec: both are told so in words, hear each other, and are recorded."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from playwright.sync_api import Browser, expect

from signaling.media.playback import remux
from tests.browser.firefox import running_firefox
from tests.browser.people import (
    BACK_MS,
    DESK,
    PHONE,
    Camera,
    come_in,
    end_hearing,
    hears_somebody,
    let_in,
    open_context,
    sign_in,
)
from tests.browser.server import Server
from tests.support.book import VOICE, Book, encoded

pytestmark = pytest.mark.browser

# A browser without a codec answers without it.
LACKS = """
  const said = Object.getOwnPropertyDescriptor(RTCPeerConnection.prototype, "localDescription").get;
  Object.defineProperty(RTCPeerConnection.prototype, "localDescription", {
    get() {
      const whole = said.call(this);
      return whole && { type: whole.type, sdp: whole.sdp.replace(/^(m=video.*?) %d\\b/gm, "$1") };
    },
  });
"""
HARDWARE_FOR_H264_ONLY = """
  navigator.mediaCapabilities.encodingInfo = async ({ video }) =>
    ({ supported: true, smooth: true, powerEfficient: video.contentType.startsWith("video/H264") });
"""
# Resolves with the picture's width once it has played for a moment, and with 0 when it does not.
PLAYS = """
(video) => new Promise((resolve) => {
  const until = performance.now() + 30000;
  const look = () => {
    if (video.currentTime > 0.5 && video.readyState >= 2) resolve(video.videoWidth);
    else if (performance.now() > until) resolve(0);
    else requestAnimationFrame(look);
  };
  look();
})
"""


def test_who_cannot_show_each_others_pictures_is_told_in_words_and_heard_and_recorded(
    server: Server, applicants_browser: Browser, prosecutors_browser: Browser, camera: Camera
) -> None:
    phones = open_context(applicants_browser, PHONE, phone=True)
    phones.add_init_script(LACKS % 96 + HARDWARE_FOR_H264_ONLY)
    phone = phones.new_page()
    come_in(phone, server)
    desks = open_context(prosecutors_browser, DESK)
    desks.add_init_script(LACKS % 98)
    desk = desks.new_page()
    sign_in(desk, server, "wang")
    let_in(desk, server)

    expect(desk.locator(".person--stage .person__empty")).to_contain_text("您的浏览器放不出")
    expect(desk.locator(".person--self .person__empty")).to_contain_text("对方的浏览器放不出您的画面")
    expect(desk.get_by_text("换用谷歌浏览器打开链接").first).to_be_visible()
    expect(phone.locator(".person--stage .person__empty")).to_contain_text("您的浏览器放不出")
    expect(phone.locator(".person--stage .person__empty")).to_contain_text("声音照常")
    assert hears_somebody(desk)
    assert hears_somebody(phone)
    camera.shoot(desk, "desk-no-common-codec")
    camera.shoot(phone, "phone-no-common-codec")

    end_hearing(desk)
    played = desk.locator(".player video[src$='.mp4']")
    expect(played).to_have_count(1, timeout=BACK_MS)
    expect(desk.locator(".player video[src$='.webm']")).to_have_count(1)
    desk.locator("[data-act=play]").click()
    assert played.evaluate(PLAYS) >= 320


# Seeks a file to each moment; resolves with the grey (0 to 255) and the width of what is shown then.
SEEK = """
async ([file, moments]) => {
  const bytes = Uint8Array.from(atob(file), (character) => character.charCodeAt(0));
  const video = document.createElement("video");
  document.body.append(video);
  video.src = URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
  await new Promise((resolve) => { video.onloadeddata = resolve; });
  const paper = document.createElement("canvas").getContext("2d");
  const shown = [];
  for (const moment of moments) {
    const frame = new Promise((resolve) => video.requestVideoFrameCallback(resolve));
    const sought = new Promise((resolve) => { video.onseeked = resolve; });
    video.currentTime = moment;
    await Promise.all([sought, frame]);
    paper.drawImage(video, 0, 0, 8, 8);
    shown.push([paper.getImageData(4, 4, 1, 1).data[0], video.videoWidth]);
  }
  return shown;
}
"""


def test_chromium_and_firefox_show_the_same_picture_at_the_same_moment_also_when_its_size_changes(
    applicants_browser: Browser, tmp_path: Path
) -> None:
    book = Book(tmp_path / "journal")
    book.packet(111, VOICE, 0)
    frames = [*encoded("libx264", (320, 240), range(20)), *encoded("libx264", (640, 480), range(20, 40))]
    for index, frame in enumerate(frames):
        book.h264(frame, 3000 + 100 * index)
    book.writer.close()
    (made,) = remux(book.directory, tmp_path)
    moments = [6.55, 3.05, 5.05, 4.95, 3.55, 1.0]
    wanted = [(35, 640), (0, 320), (20, 640), (19, 320), (5, 320), (-6, 640)]

    def check(evaluate: Callable[[str, object], object]) -> None:
        file = base64.b64encode(made.path.read_bytes()).decode()
        shown = cast(list[tuple[int, int]], evaluate(SEEK, [file, moments]))
        assert [(round((grey * 219 / 255 + 16 - 40) / 4), width) for grey, width in shown] == wanted

    page = applicants_browser.new_page()
    check(page.evaluate)
    with running_firefox() as firefox:
        firefox.goto("about:blank")
        check(firefox.evaluate)
