"""Every page at every size: nothing sticks out, nobody is kept out, nothing is asked of anybody else.

Pictures of all of them are written to var/screenshots, to be looked at.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from aid.bank.stub import answer
from aid.checklist import CHECKLIST
from tests.browser.axe import serious
from tests.browser.people import BACK_MS, STILL_TRIES, Camera, end_hearing, open_context, sign_in, sign_with_finger
from tests.browser.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

NARROW: ViewportSize = {"width": 320, "height": 640}
SIZES: tuple[ViewportSize, ...] = (NARROW, {"width": 1440, "height": 900}, {"width": 390, "height": 844})
# What sticks out of the window at the right, deepest elements only; what scrolls inside a box of its own does not.
STICKING_OUT = """
() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("body *")]
    .filter((element) => element.getBoundingClientRect().right > width + 0.5)
    .filter((element) => ![...element.children].some((child) => child.getBoundingClientRect().right > width + 0.5))
    .map((element) => `${element.tagName}#${element.id}.${element.className}: ${element.textContent.slice(0, 30)}`);
}
"""


@dataclass
class Inspector:
    """Looks at pages, and keeps what it found wrong."""

    camera: Camera
    origin: str
    seen: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    expected_statuses: set[int] = field(default_factory=set)

    def watch(self, context: BrowserContext) -> Page:
        """Open a page of this context, whose console and requests are watched."""
        page = context.new_page()
        page.on("pageerror", lambda error: self.faults.append(f"{page.url}: {error}"))
        page.on("console", lambda message: self._console(page, message.type, message.text))
        page.on("request", lambda request: self._request(page, request.url))
        return page

    def look(self, page: Page, name: str) -> None:
        """Look at what a page shows now, in every size; the size it has comes last, so that it ends as it was."""
        self.seen.append(name)
        own = page.viewport_size
        for size in sorted(SIZES, key=lambda size: size == own):
            page.set_viewport_size(size)
            if size is NARROW:
                self.faults += [f"{name} sticks out at 320: {what}" for what in page.evaluate(STICKING_OUT)]
            self.camera.shoot(page, f"{name}-{size['width']}")
        self.faults += [f"{name}: {found}" for found in serious(page)]

    def _console(self, page: Page, kind: str, text: str) -> None:
        expected = any(f"status of {status}" in text for status in self.expected_statuses)
        if kind == "error" and not expected:
            self.faults.append(f"{page.url} said on the console: {text}")

    def _request(self, page: Page, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != urlsplit(self.origin).netloc:
            self.faults.append(f"{page.url} asked {url}")


@dataclass
class Tour:
    """The people, each in a browser of their own, and the inspector beside them."""

    server: Server
    inspector: Inspector
    phone: Page
    desk: Page
    open_desk: Callable[[str], Page]

    def look(self, page: Page, name: str) -> None:
        """Have a page looked at."""
        self.inspector.look(page, name)

    def refused(self, page: Page, path: str, name: str, status: int) -> None:
        """Look at a page that refuses."""
        self.inspector.expected_statuses = {status}
        page.goto(self.server.origin + path)
        self.look(page, name)
        self.inspector.expected_statuses = set()


def _post(page: Page, path: str, body: dict[str, Any], *, tries: int = 1) -> None:
    """Do over HTTP what a click of this page's person does; the clicks themselves are tested in the main job."""
    token = page.locator("meta[name=csrf-token]").get_attribute("content") or ""
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(page.url))
    for _ in range(tries):
        answered = page.request.post(origin + path, data=body, headers={"X-CSRF-Token": token})
        if answered.ok:
            return
    raise AssertionError(answered.text())


def _before_the_hearing(tour: Tour) -> str:
    phone, desk, server = tour.phone, tour.desk, tour.server
    tour.refused(phone, "/i/nothing", "door-unknown", 404)
    tour.refused(phone, "/hearing", "applicant-refused", 403)
    phone.goto(server.invitation)
    tour.look(phone, "invitation")
    tour.inspector.expected_statuses = {403, 400}
    phone.get_by_label("请输入您身份证号码的后四位").fill("0000")
    phone.get_by_role("button", name="进入").click()
    expect(phone.get_by_text("还可以试 4 次")).to_be_visible()
    tour.look(phone, "invitation-wrong")
    tour.inspector.expected_statuses = set()
    phone.get_by_label("请输入您身份证号码的后四位").fill(server.id_tail)
    phone.get_by_role("button", name="进入").click()
    expect(phone.locator("[data-step=recording]")).to_be_visible()
    tour.look(phone, "consent-recording")
    phone.locator("#recording-refuse").click()
    tour.look(phone, "consent-refused")
    phone.locator("#consent-back").click()
    phone.locator("#recording-agree").click()
    expect(phone.locator("[data-step=personal_data]")).to_be_visible()
    tour.look(phone, "consent-data")
    phone.locator("#personal_data-agree").click()
    expect(phone.locator("[data-step=devices]")).to_be_visible()
    tour.look(phone, "devices-before")
    phone.get_by_role("button", name="打开摄像头和话筒").click()
    expect(phone.locator("#check-row-camera[data-kind=good]")).to_be_visible()
    tour.look(phone, "devices")
    phone.get_by_role("button", name="都好了，继续").click()
    expect(phone.locator("#wait-row-devices[data-kind=good]")).to_contain_text("正常")
    tour.look(phone, "waiting")
    phone.locator("#wait-word").click()
    tour.look(phone, "waiting-word")
    phone.get_by_role("button", name="不说了").click()

    desk.goto(f"{server.origin}/sign-in")
    tour.look(desk, "sign-in")
    tour.inspector.expected_statuses = {403}
    desk.get_by_label("用户名").fill("wang")
    desk.get_by_label("密码").fill("wrong")
    desk.get_by_role("button", name="登录", exact=True).click()
    tour.look(desk, "sign-in-wrong")
    tour.inspector.expected_statuses = set()
    sign_in(desk, server, "wang")
    tour.look(desk, "today")
    href = desk.get_by_role("link", name=re.compile("接访室")).first.get_attribute("href") or ""
    session = href.removesuffix("/room")
    desk.goto(server.origin + session)
    tour.look(desk, "session-booked")
    for path, name in (("/book", "book"), (f"{session}/people", "people")):
        desk.goto(server.origin + path)
        tour.look(desk, name)
    desk.goto(server.origin + href)
    expect(desk.locator("#stage-admit")).to_be_visible()
    tour.look(desk, "room-waiting")
    return session


def _in_the_hearing(tour: Tour, session: str) -> None:
    phone, desk = tour.phone, tour.desk
    desk.locator("#stage-admit").click()
    for page in (phone, desk):
        expect(page.locator(".person--stage video")).not_to_have_js_property("videoWidth", 0, timeout=BACK_MS)
    tour.look(phone, "call")
    phone.locator("#call-words").click()
    tour.look(phone, "call-words")
    phone.locator("#words-close").click()
    tour.look(desk, "room")
    for name in ("reading", "waiting", "words"):
        desk.locator(f"#tab-{name}").click()
        tour.look(desk, f"room-panel-{name}")
    for button, name in (("prompt", "prompt"), ("mark", "mark"), ("devices", "devices"), ("leave", "leave")):
        desk.locator(f"#control-{button}").click()
        tour.look(desk, f"room-dialog-{name}")
        desk.keyboard.press("Escape")
    for kind in ("face", "document_front", "document_back"):
        _post(desk, f"{session}/stills", {"kind": kind}, tries=STILL_TRIES)
    for item in CHECKLIST:
        _post(desk, f"{session}/checks", {"item": item.key, "passed": True})
    desk.locator("#tab-identity").click()
    expect(desk.locator("#identity-verify")).to_be_visible()
    tour.look(desk, "room-checked")
    _post(desk, f"{session}/identity", {"verified": True})
    _post(desk, f"{session}/reading", {})
    expect(phone.locator("[data-sheet=asked]")).to_be_visible()
    tour.look(phone, "call-asked")
    phone.locator("#sheet-confirm").click()
    expect(phone.locator("[data-sheet=confirmed]")).to_be_visible()
    tour.look(phone, "call-sign")
    sign_with_finger(phone)
    phone.locator("#sign-send").click()
    expect(phone.locator("[data-sheet=signed]")).to_be_visible()
    tour.look(phone, "call-signed")
    desk.locator("#tab-reading").click()
    expect(desk.locator("#reading-signature")).to_be_visible()
    tour.look(desk, "room-signed")
    end_hearing(desk)
    expect(phone).to_have_url(re.compile("/hearing/after"))
    tour.look(phone, "after")
    expect(desk.get_by_text("证据链完整")).to_be_visible(timeout=BACK_MS)
    expect(desk.locator("[data-act=play]:not([disabled])")).to_be_visible(timeout=BACK_MS)
    tour.look(desk, "session-sealed")


def _the_money(tour: Tour, session: str) -> None:
    chen = tour.open_desk("chen")
    tour.look(chen, "today-approver")
    chen.get_by_role("link", name="案件").click()
    tour.look(chen, "cases")
    chen.get_by_role("link", name="审批").click()
    tour.look(chen, "case-to-approve")
    case = urlsplit(chen.url).path
    chen.get_by_role("button", name="同意救助").click()
    tour.look(chen, "case-approved")
    tour.refused(chen, f"{session}/room", "staff-refused", 403)
    tour.refused(chen, "/nowhere", "staff-unknown", 404)

    sun, zhou = tour.open_desk("sun"), tour.open_desk("zhou")
    tour.look(sun, "fund-to-draft")
    sun.get_by_role("button", name="把选中的制成一批").click()
    tour.look(sun, "batch-own")
    batch = urlsplit(sun.url).path
    zhou.goto(tour.server.origin + batch)
    tour.look(zhou, "batch-to-release")
    zhou.get_by_role("button", name="放行可以放行的 1 笔").click()
    tour.look(zhou, "batch-released")
    file = zhou.request.get(f"{tour.server.origin}{batch}/bank-file").body()
    sun.goto(tour.server.origin + batch)
    bank = {"name": "answer.xml", "mimeType": "application/xml", "buffer": answer(file)}
    sun.locator("#answer").set_input_files(bank)  # type: ignore[arg-type]  # a FilePayload
    sun.get_by_role("button", name="上传并核对").click()
    tour.look(sun, "batch-answered")
    sun.get_by_role("link", name="查看").click()
    tour.look(sun, "order-paid")
    sun.goto(f"{tour.server.origin}/payments")
    tour.look(sun, "fund")
    tour.phone.reload()
    tour.look(tour.phone, "after-paid")

    tour.desk.goto(tour.server.origin + case)
    tour.look(tour.desk, "case-host")
    tour.desk.goto(f"{tour.server.origin}/today")
    tour.look(tour.desk, "today-after")
    tour.desk.goto(f"{tour.server.origin}/verify")
    tour.look(tour.desk, "verify")
    he = tour.open_desk("he")
    he.goto(f"{tour.server.origin}/trail")
    tour.look(he, "trail")
    liu = tour.open_desk("liu")
    tour.look(liu, "today-far-end")
    liu.goto(tour.server.origin + session)
    tour.look(liu, "session-far-end")


def test_every_page_fits_every_screen_and_everybody(
    server: Server, applicants_browser: Browser, prosecutors_browser: Browser, camera: Camera
) -> None:
    inspector = Inspector(camera, server.origin)

    def open_desk(user_name: str) -> Page:
        page = inspector.watch(open_context(prosecutors_browser, SIZES[1]))
        sign_in(page, server, user_name)
        return page

    phone = inspector.watch(open_context(applicants_browser, SIZES[2]))
    desk = inspector.watch(open_context(prosecutors_browser, SIZES[1]))
    tour = Tour(server, inspector, phone, desk, open_desk)
    try:
        session = _before_the_hearing(tour)
        _in_the_hearing(tour, session)
        _the_money(tour, session)
    finally:
        print("\n".join(inspector.faults))  # noqa: T201  # also when a step fails before the end
    assert len(set(inspector.seen)) == len(inspector.seen) > 40
    assert not inspector.faults, "\n".join(inspector.faults)
