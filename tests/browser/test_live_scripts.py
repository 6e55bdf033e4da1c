"""Devices come and go, phones sleep, browsers stop what plays: the live pages go on by themselves."""

import re
from collections.abc import Callable
from typing import Any, cast

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from tests.browser.people import (
    BACK_MS,
    DESK,
    FAR_FACE,
    PHONE,
    come_in,
    comes_true,
    hears_somebody,
    let_in,
    open_context,
    sees_movement,
    sees_the_other,
    show_the_id_tail,
    sign_in,
)
from tests.browser.server import Server

pytestmark = pytest.mark.browser

# Opens this page's devices; every track that was ever opened is kept, and so is what the browser was asked for.
DEVICES = """
async () => {
  const { OwnDevices } = await import("/static/js/live/own_devices.js");
  const media = navigator.mediaDevices;
  const open = media.getUserMedia.bind(media);
  window.tracks = [];
  window.asked = 0;
  media.getUserMedia = async (wanted) => {
    window.asked += 1;
    if (window.refusal) throw new DOMException("", window.refusal);
    const stream = await open(wanted);
    window.tracks.push(...stream.getTracks());
    return stream;
  };
  window.live = () => window.tracks.filter((track) => track.readyState === "live").map((track) => track.kind).sort();
  window.pullOut = (kind) => {
    for (const track of window.tracks.filter((one) => one.kind === kind && one.readyState === "live")) {
      track.stop();
      track.dispatchEvent(new Event("ended"));
    }
  };
  window.devices = new OwnDevices();
  await window.devices.open();
}
"""


@pytest.fixture
def page(house: Server, applicants_browser: Browser) -> Page:
    """A page of the house that has no script of its own."""
    page = open_context(applicants_browser, DESK).new_page()
    page.goto(f"{house.origin}/sign-in")
    return page


def test_however_quickly_one_clicks_no_camera_is_left_burning(page: Page) -> None:
    page.evaluate(DEVICES)
    assert page.evaluate("live()") == ["audio", "video"]
    page.evaluate("[false, true, false, true, false].forEach((on) => devices.switchCamera(on)); devices.opening")
    assert page.evaluate("[live(), devices.states().camera]") == [["audio"], "off"]
    page.evaluate("[true, false, true].forEach((on) => devices.switchCamera(on)); devices.opening")
    page.evaluate("devices.choose({ microphone: 'another' })")
    page.evaluate("devices.open()")
    assert page.evaluate("[live(), devices.states().camera]") == [["audio", "video"], "on"]
    page.evaluate("devices.letGo()")
    assert page.evaluate("live()") == []


def test_a_camera_that_is_unplugged_is_told_and_used_again_once_it_is_back(page: Page) -> None:
    page.evaluate(DEVICES)
    page.evaluate("window.refusal = 'NotFoundError'; pullOut('video')")
    page.evaluate("navigator.mediaDevices.dispatchEvent(new Event('devicechange')); devices.revive()")
    assert page.evaluate("devices.states()") == {"microphone": "on", "camera": "missing"}
    page.evaluate("window.refusal = null")
    page.evaluate("navigator.mediaDevices.dispatchEvent(new Event('devicechange'))")
    comes_true(page, "() => devices.states().camera === 'on'")
    assert page.evaluate("live()") == ["audio", "video"]

    # Whoever refused is not asked again and again.
    page.evaluate("window.refusal = 'NotAllowedError'; devices.open()")
    asked = page.evaluate("asked")
    page.evaluate("navigator.mediaDevices.dispatchEvent(new Event('devicechange')); devices.revive()")
    assert page.evaluate("asked") == asked


# Asks twice for something that changes; the first answer comes last. Then an answer that breaks off half-way.
ASKED_TWICE = """
async () => {
  const texts = document.createElement("script");
  texts.type = "application/json";
  texts.id = "texts";
  texts.textContent = JSON.stringify({ "api.offline": "offline", "api.unreadable": "unreadable" });
  document.body.append(texts);
  const { Newest } = await import("/static/js/live/newest.js");
  const answers = [];
  window.fetch = () => new Promise((resolve) => answers.push(resolve));
  const json = (body) => new Response(body, { headers: { "Content-Type": "application/json" } });
  const taken = [], complained = [];
  const newest = new Newest("/somewhere", (answer) => taken.push(answer.is), (sentence) => complained.push(sentence));
  const both = [newest.load(), newest.load()];
  answers[1](json('{"is": "new"}'));
  answers[0](json('{"is": "old"}'));
  await Promise.all(both);
  const later = window.setTimeout;
  window.setTimeout = (act) => later(act, 0);  // nobody waits for the tries in between
  window.fetch = async () => json('{"is": "cut');
  await newest.load();
  return [taken, complained];
}
"""


def test_of_two_answers_the_one_asked_for_last_counts_and_half_an_answer_is_none(page: Page) -> None:
    assert page.evaluate(ASKED_TWICE) == [["new"], ["offline"]]


def waits(browser: Browser, server: Server) -> Page:
    """The applicant, as far as the waiting room."""
    phone = open_context(browser, PHONE, phone=True).new_page()
    phone.add_init_script(KEEP_SOCKETS)
    come_in(phone, server)
    return phone


KEEP_SOCKETS = """
window.sockets = [];
window.WebSocket = class extends WebSocket {
  constructor(...how) { super(...how); window.sockets.push(this); }
};
"""
# Speech as iPhones had it until iOS 15.
OLD_SPEECH = "Object.defineProperty(window.speechSynthesis, 'addEventListener', { value: undefined });"


class Lines:
    """A page's lines to the room, of which the first can be dead without either end knowing; what came by each."""

    def __init__(self, page: Page) -> None:
        self.first_is_dead = False
        self.heard: list[int] = []
        page.route_web_socket(re.compile("/ws/hearings/"), self._lay)

    def _lay(self, line: WebSocketRoute) -> None:
        self.heard.append(0)
        number = len(self.heard) - 1
        server = line.connect_to_server()

        def bring(message: str | bytes) -> None:
            if number > 0 or not self.first_is_dead:
                self.heard[number] += 1
                line.send(message)

        line.on_message(lambda message: None if number == 0 and self.first_is_dead else server.send(message))
        server.on_message(bring)


def test_a_phone_that_slept_in_the_waiting_room_finds_out_whether_its_line_is_dead(
    shared_server: Server, applicants_browser: Browser
) -> None:
    phone = open_context(applicants_browser, PHONE, phone=True).new_page()
    phone.add_init_script(OLD_SPEECH)
    phone.clock.install()
    lines = Lines(phone)
    come_in(phone, shared_server)
    waits_for(phone, lambda: lines.heard[0] >= 2)  # the room, and the room again
    phone.clock.fast_forward("05:00")
    before = lines.heard[0]
    waits_for(phone, lambda: lines.heard[0] >= before + 2)
    assert len(lines.heard) == 1, "a line that speaks is trusted"
    lines.first_is_dead = True
    phone.clock.fast_forward("05:00")
    waits_for(phone, lambda: len(lines.heard) > 1 and lines.heard[1] > 0)
    expect(phone.locator("#wait-row-devices[data-kind=good]")).to_contain_text("正常")


def waits_for(page: Page, holds: Callable[[], bool]) -> None:
    """Wait for something outside of the browser; the driver hears of it meanwhile."""
    for _ in range(BACK_MS // 100):
        if holds():
            return
        page.wait_for_timeout(100)
    raise AssertionError("never came")


def test_a_page_that_the_browser_brings_back_begins_anew(shared_server: Server, applicants_browser: Browser) -> None:
    phone = waits(applicants_browser, shared_server)
    with phone.expect_navigation():
        phone.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(phone.locator("#wait-row-devices[data-kind=good]")).to_contain_text("正常")


def test_a_wish_that_went_into_a_dead_line_is_not_taken_for_told(
    shared_server: Server, applicants_browser: Browser
) -> None:
    phone = open_context(applicants_browser, PHONE, phone=True).new_page()
    lines = Lines(phone)
    come_in(phone, shared_server)
    waits_for(phone, lambda: lines.heard[0] > 0)
    lines.first_is_dead = True
    phone.locator("#wait-later").click()
    phone.get_by_role("button", name="换个时间", exact=True).click()
    expect(phone.locator("#later-problem")).to_contain_text("没有发出去")  # once the silence is noticed
    waits_for(phone, lambda: len(lines.heard) > 1 and lines.heard[1] > 0)
    phone.get_by_role("button", name="换个时间", exact=True).click()
    expect(phone.get_by_role("heading", name="好的，已经告诉检察官")).to_be_visible()


def test_without_a_line_a_wish_for_another_day_is_not_taken_for_told_and_leaving_is_leaving(
    shared_server: Server, applicants_browser: Browser
) -> None:
    phone = waits(applicants_browser, shared_server)
    phone.context.set_offline(True)
    phone.evaluate("sockets.at(-1).close()")
    expect(phone.locator("#wait-row-devices")).to_contain_text("网络断了")
    phone.locator("#wait-later").click()
    phone.get_by_role("button", name="换个时间", exact=True).click()
    expect(phone.locator("#later-problem")).to_contain_text("没有发出去")
    phone.context.set_offline(False)
    expect(phone.locator("#wait-row-devices")).to_contain_text("正常")
    phone.get_by_role("button", name="换个时间", exact=True).click()
    expect(phone.get_by_role("heading", name="好的，已经告诉检察官")).to_be_visible()
    expect(phone.locator("[data-step=another_day]")).to_be_visible()


# Nobody is heard before a touch; what was touched for is allowed from then on.
WANTS_A_TOUCH = """
const play = HTMLMediaElement.prototype.play;
let touched = false;
addEventListener("click", () => { touched = true; }, { capture: true });
HTMLMediaElement.prototype.play = function () {
  return touched ? play.call(this) : Promise.reject(new DOMException("", "NotAllowedError"));
};
"""


def test_a_face_that_the_browser_stops_goes_on_and_one_that_it_does_not_start_has_a_button(
    shared_server: Server, applicants_browser: Browser, prosecutors_browser: Browser
) -> None:
    phone = waits(applicants_browser, shared_server)
    desk = open_context(prosecutors_browser, DESK).new_page()
    sign_in(desk, shared_server, "wang")
    let_in(desk, shared_server)
    for page in (phone, desk):
        sees_the_other(page)
        page.locator(FAR_FACE).evaluate("(video) => video.pause()")
        assert sees_movement(page, FAR_FACE)
    expect(phone.locator("#call-unlock")).to_be_hidden()

    phone.add_init_script(WANTS_A_TOUCH)
    phone.reload()
    unlock = phone.get_by_role("button", name="点一下，听检察官说话")
    expect(unlock).to_be_visible()
    unlock.click()
    expect(unlock).to_be_hidden()
    sees_the_other(phone)
    assert hears_somebody(phone)

    # Who can see nothing is told who comes and goes.
    phone.context.set_offline(True)
    phone.close()
    expect(desk.locator("#news")).to_contain_text("高秀兰暂时不在")


# Writes across a wide pad, which then becomes narrow, as when a phone is turned; resolves with the strokes' right edge.
TURNED = """
async () => {
  const { Pad } = await import("/static/js/live/signature.js");
  const canvas = document.createElement("canvas");
  canvas.style.cssText = "display: block; width: 400px; height: 150px";
  document.body.append(canvas);
  const pad = new Pad(canvas, () => {});
  const points = [10, 200, 390].map((x, i) => ({ x, y: 40 + i, time: 1000 + 20 * i, pressure: 0.5 }));
  const pen = { penColor: "#111820", minWidth: 1.2, maxWidth: 3.6, dotSize: 0, velocityFilterWeight: 0.7 };
  pad.pad.fromData([{ points, ...pen }]);
  const edge = () => Math.max(...pad.strokes().flat().map(({ x }) => x));
  const before = edge();
  canvas.style.width = "300px";
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  pad.fit();
  return [before, edge(), pad.strokes().flat().length];
}
"""


def test_a_signature_is_whole_when_the_phone_is_turned(page: Page) -> None:
    assert page.evaluate(TURNED) == [390, 300, 3]


def test_an_answer_that_never_comes_is_told(shared_server: Server, applicants_browser: Browser) -> None:
    phone = open_context(applicants_browser, PHONE, phone=True).new_page()
    show_the_id_tail(phone, shared_server)
    phone.locator("#recording-agree").wait_for()
    phone.route("**/hearing/consents", lambda route: route.abort())
    phone.get_by_role("button", name="我同意录音录像").click()
    expect(phone.locator("#recording-problem")).to_contain_text("网络没有接通")
    phone.unroute("**/hearing/consents")
    phone.get_by_role("button", name="我同意录音录像").click()
    expect(phone.locator("#personal-heading")).to_be_focused()


def test_an_offer_that_a_browser_does_not_take_is_given_up_and_asked_for_again(page: Page) -> None:
    told = cast(list[Any], page.evaluate(BAD_OFFER))
    assert told == ["connecting", "broken"]


BAD_OFFER = """
async () => {
  const { MediaLink } = await import("/static/js/live/media.js");
  const told = [];
  const later = window.setTimeout;
  window.setTimeout = (act) => later(act, 0);  // nobody waits for the fresh one
  const broken = new Promise((resolve) => {
    const onLink = (state) => { told.push(state); if (state === "broken") resolve(); };
    const link = new MediaLink({ onStream() {}, onAnswer() {}, onLink, onMoved() {} }, {});
    link.take({ type: "offer", offer_id: 1, sdp: "v=0 nonsense", streams: {} }, "me");
  });
  await broken;
  return told;
}
"""
