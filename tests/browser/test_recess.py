"""A recess between two real browsers: everything stops for both and comes back, and the recording tells it."""

import logging
import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from records.journal_reading import read_journal, with_key
from records.journal_records import Event, Packet
from tests.browser.axe import serious
from tests.browser.evidence import verify
from tests.browser.people import (
    BACK_MS,
    DESK,
    PHONE,
    Camera,
    come_in,
    end_hearing,
    let_in,
    open_context,
    sees_and_hears,
    sign_in,
)
from tests.browser.server import Server
from web.settings import demo_settings

log = logging.getLogger(__name__)
pytestmark = pytest.mark.browser

REASON = "申请人去取材料"
# Keeps the links at hand, to be looked into.
LINKS = """
window.links = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...how) { super(...how); window.links.push(this); }
};
"""
# How many packets came in this page's links so far.
CAME = """
async () => {
  let packets = 0;
  for (const link of window.links) {
    if (link.connectionState === "closed") continue;
    for (const stats of (await link.getStats()).values())
      if (stats.type === "inbound-rtp") packets += stats.packetsReceived;
  }
  return packets;
}
"""
# Resolves once no packet came for two seconds, which is true only while nobody sends; with false after a while.
FALLS_SILENT = f"""
async (patienceMs) => {{
  const came = {CAME.strip()};
  const until = performance.now() + patienceMs;
  for (let before = await came(); performance.now() < until; ) {{
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const now = await came();
    if (now === before) return true;
    before = now;
  }}
  return false;
}}
"""

# Keeps when the next new picture of somebody else is shown; none is in a recess.
NEXT_PICTURE = """
() => { window.shownAt = new Promise((resolve) => {
  let watched = null;
  const look = () => {
    const video = document.querySelector(".person--stage video");
    if (video && video !== watched) (watched = video).requestVideoFrameCallback(() => resolve(Date.now()));
    setTimeout(look, 5);
  };
  look();
}); }
"""
PRESSED = (
    "() => document.addEventListener('click', () => { window.pressedAt = Date.now(); }, {capture: true, once: true})"
)


def card(page: Page) -> Locator:
    return page.locator("#recess")


def check_sizes(page: Page, camera: Camera, name: str, *widths: int) -> None:
    """Take pictures in several widths, and let axe look; nothing sticks out."""
    before = page.viewport_size
    for width in widths:
        page.set_viewport_size({"width": width, "height": 900 if width > 1000 else 700})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, width)
        camera.shoot(page, f"{name}-{width}")
        assert serious(page) == []
    assert before is not None
    page.set_viewport_size(before)


def journal_holds_nothing_between(server: Server) -> None:
    settings = demo_settings(server.var, port=0, media_port=0, addresses=("127.0.0.1",), tls=False)
    directory = next(settings.journals.iterdir())
    records = list(read_journal(with_key(directory, settings.master_keys)))
    events = {record.data["event"]: record.at_us for record in records if isinstance(record, Event)}
    arrivals = [record.arrival_us for record in records if isinstance(record, Packet)]
    began, ended = events["Paused"], events["Resumed"]
    assert not [at_us for at_us in arrivals if began < at_us < ended]
    assert min(arrivals) < began < ended < max(arrivals)
    said = next(record for record in records if isinstance(record, Event) and record.data["event"] == "HearingPaused")
    assert said.data["reason"] == REASON


def test_a_recess_stops_everything_for_both_and_is_found_in_the_recording(
    server: Server,
    applicants_browser: Browser,
    prosecutors_browser: Browser,
    camera: Camera,
) -> None:
    contexts = open_context(applicants_browser, PHONE, phone=True), open_context(prosecutors_browser, DESK)
    for context in contexts:
        context.add_init_script(LINKS)
    phone, desk = (context.new_page() for context in contexts)
    sign_in(desk, server, "wang")
    come_in(phone, server)
    let_in(desk, server)
    for page in (phone, desk):
        sees_and_hears(page)

    desk.locator("#top, .top").first.click()
    desk.keyboard.press("x")
    desk.get_by_label("为什么休会").fill(REASON)
    camera.shoot(desk, "desk-asking")
    desk.keyboard.press("Enter")
    for page in (desk, phone):
        expect(card(page)).to_be_visible()
        expect(card(page)).to_contain_text(re.compile("宣布休会"))
        expect(card(page)).to_contain_text(REASON)
        expect(page.locator("#rec")).to_be_hidden()
    for page in (phone, desk):
        assert page.evaluate(FALLS_SILENT, BACK_MS)
        assert page.evaluate("window.links.at(-1).connectionState") == "connected"
    check_sizes(desk, camera, "desk-recess", 1440, 390, 320)
    check_sizes(phone, camera, "phone-recess", 1440, 390, 320)

    desk.get_by_role("button", name="看清了，通过").click()  # beside the picture: refused in words
    expect(desk.locator("#told")).to_contain_text("现在休会")
    phone.reload()
    expect(card(phone)).to_be_visible(timeout=BACK_MS)
    expect(phone.locator("#net")).to_be_visible()

    for page in (desk, phone):
        page.evaluate(NEXT_PICTURE)
    desk.evaluate(PRESSED)
    desk.get_by_role("button", name="复会，继续录音录像").click()
    for page in (desk, phone):
        expect(card(page)).to_be_hidden()
        expect(page.locator("#rec")).to_be_visible()
    for page in (phone, desk):
        sees_and_hears(page)
        took_ms = page.evaluate("window.shownAt") - desk.evaluate("window.pressedAt")
        log.info("from 复会 to the first picture: %s ms", took_ms)
    end_hearing(desk)

    marks = desk.locator("[data-at-ms]")
    expect(marks).to_have_count(2, timeout=BACK_MS)
    expect(marks.nth(0)).to_contain_text(f"休会：{REASON}")
    expect(marks.nth(1)).to_contain_text("复会")
    expect(desk.locator(".player [data-act=play]")).to_be_enabled(timeout=BACK_MS)
    plays_past_the_recess(desk, camera)
    journal_holds_nothing_between(server)
    proven = verify(server)
    assert proven.returncode == 0, proven.stdout
    assert "休会：按规定没有录音录像" in proven.stdout


def plays_past_the_recess(desk: Page, camera: Camera) -> None:
    """Find both marks by click and by key; in between there is a card, and a way past it."""
    marks, rests = desk.locator("[data-at-ms]"), desk.locator("[data-recess]")
    slider = desk.locator("[data-act=seek]")
    marks.nth(0).click()
    expect(rests).to_be_visible()
    desk.locator("[data-act=play]").click()
    camera.shoot(desk, "playback-recess")
    check_sizes(desk, camera, "playback", 390, 320)
    desk.keyboard.press("j")
    expect(rests).to_be_hidden()
    resumed_ms = int(marks.nth(1).get_attribute("data-at-ms") or 0)
    assert abs(int(slider.input_value()) - resumed_ms) <= 100
    desk.keyboard.press("p")
    expect(rests).to_be_visible()
    paused_ms = int(marks.nth(0).get_attribute("data-at-ms") or 0)
    assert abs(int(slider.input_value()) - paused_ms) <= 100
    desk.keyboard.press("n")
    expect(rests).to_be_hidden()
    desk.keyboard.press("p")
    desk.get_by_role("button", name=re.compile("跳过休会")).click()
    expect(rests).to_be_hidden()
    expect(desk.locator(".player__person video").first).not_to_have_js_property("videoWidth", 0)
    camera.shoot(desk, "playback-after")
