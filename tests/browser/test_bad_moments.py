"""What goes wrong in real browsers: each time a clear sentence, a way on, and nothing lost."""

import re
import signal
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

from tests.browser.conftest import CHROMIUM, QUIET, launch
from tests.browser.evidence import verify
from tests.browser.people import (
    DESK,
    PHONE,
    Camera,
    come_in,
    end_hearing,
    hears_somebody,
    open_context,
    sees_movement,
    sign_in,
)
from tests.browser.server import DemoProcess, Server
from tests.support.clips import applicant_clip, prosecutor_clip

pytestmark = pytest.mark.browser

BACK_MS = 40_000
"""How long coming back by itself may take on a busy machine."""
FAR_FACE = ".person--stage video"
WECHAT = (
    "Mozilla/5.0 (Linux; Android 10; ELE-AL00) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/86.0.4240.99 "
    "Mobile Safari/537.36 MMWEBID/7218 MicroMessenger/8.0.16.2040 Language/zh_CN"
)
# A browser whose camera and microphone answer with this error, as a telephone call or another program makes them.
BROKEN_DEVICES = """
navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException("", "{name}"); }};
"""
# Keeps the sockets at hand, to be cut.
SOCKETS = """
window.sockets = [];
window.WebSocket = class extends WebSocket {
  constructor(...how) { super(...how); window.sockets.push(this); }
};
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A running demonstration, two browsers, and what is open in them for the length of this module."""

    server: Server
    phone: BrowserContext
    desk: BrowserContext
    prosecutors: Browser
    applicants: Browser
    camera: Camera


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, playwright: Playwright) -> Iterator[Place]:
    process = DemoProcess(tmp_path_factory.mktemp("bad_moments") / "var")
    process.start()
    with launch(playwright, applicant_clip()) as applicants, launch(playwright, prosecutor_clip()) as prosecutors:
        phone = open_context(applicants, PHONE, phone=True)
        desk = open_context(prosecutors, DESK)
        for context in (phone, desk):
            context.add_init_script(SOCKETS)
        sign_in(desk.new_page(), process.server, "wang")
        entering = phone.new_page()
        as_far_as_the_devices(process.server, entering)
        entering.close()
        pictures = tmp_path_factory.mktemp("pictures")
        yield Place(process.server, phone, desk, prosecutors, applicants, Camera(pictures))
    process.stop()


@dataclass(frozen=True, slots=True)
class Hearing:
    """A hearing in session: both see and hear each other."""

    phone: Page
    desk: Page

    def both_see_each_other(self) -> None:
        """Assert that far frames advance on both sides."""
        for page in (self.phone, self.desk):
            sees_the_other(page)


def sees_the_other(page: Page) -> None:
    """Assert that a far face is there and moves."""
    page.locator(FAR_FACE).wait_for(timeout=BACK_MS)
    expect(page.locator(FAR_FACE)).not_to_have_js_property("videoWidth", 0, timeout=BACK_MS)
    assert sees_movement(page, FAR_FACE)


def in_room(page: Page) -> None:
    """Assert that the applicant's page shows the hearing."""
    expect(page.locator("[data-step=room]")).to_be_visible(timeout=BACK_MS)


def as_far_as_the_devices(server: Server, phone: Page) -> None:
    """Follow the link up to where camera and microphone are tried out; this browser may have been let in already."""
    phone.goto(server.invitation)
    if phone.get_by_role("button", name="进入").count():
        phone.get_by_label("请输入您身份证号码的后四位").fill(server.id_tail)
        phone.get_by_role("button", name="进入").click()
    phone.locator("#recording-agree:visible, #personal_data-agree:visible, #check-start:visible").wait_for()
    for consent, after in (("recording", "personal_data"), ("personal_data", "devices")):
        if phone.locator(f"#{consent}-agree").is_visible():
            phone.locator(f"#{consent}-agree").click()
            phone.locator(f"[data-step={after}]").wait_for()
    expect(phone.locator("#check-start")).to_be_visible()


def begin(server: Server, phone: Page, desk: Page, camera: Camera, *, click: str = "click") -> Hearing:
    """Bring both together; the hearing may be in session already."""
    phone.goto(server.invitation)
    if phone.get_by_role("button", name="进入").count():
        come_in(phone, server, camera)
    elif phone.locator("[data-step=devices]").is_visible():
        phone.get_by_role("button", name="打开摄像头和话筒").click()
        expect(phone.locator("#check-row-camera[data-kind=good]")).to_be_visible()
        phone.get_by_role("button", name="都好了，继续").click()
    desk.goto(f"{server.origin}/today")
    desk.get_by_role("link", name=re.compile("接访室")).first.click()
    admit = desk.locator("#stage-admit")
    desk.locator(f"#stage-admit:visible, {FAR_FACE}").first.wait_for(timeout=BACK_MS)
    if admit.is_visible():
        getattr(admit, click)()
    in_room(phone)
    hearing = Hearing(phone, desk)
    hearing.both_see_each_other()
    return hearing


@pytest.fixture
def hearing(place: Place) -> Iterator[Hearing]:
    phone, desk = place.phone.new_page(), place.desk.new_page()
    yield begin(place.server, phone, desk, place.camera)
    phone.close()
    desk.close()


def trail(server: Server, event: str) -> int:
    """Count an event on the trail."""
    with sqlite3.connect(f"file:{server.var / 'jiefang.sqlite'}?mode=ro", uri=True) as db:
        return int(db.execute("SELECT count(*) FROM trail_entries WHERE event = ?", (event,)).fetchone()[0])


# At the door ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotAllowedError", ("摄像头没有获得允许", "话筒没有获得允许", "怎样改成允许")),
        ("NotFoundError", ("没有找到摄像头", "没有找到话筒")),
        ("NotReadableError", ("摄像头正被别的应用占用", "话筒正被别的应用占用，请挂断电话")),
        ("TypeError", ("摄像头打不开", "话筒打不开")),
    ],
)
def test_devices_that_do_not_work_are_told_and_do_not_keep_her_out(
    place: Place, name: str, words: tuple[str, ...]
) -> None:
    phone = place.phone.new_page()
    phone.add_init_script(BROKEN_DEVICES.format(name=name))
    as_far_as_the_devices(place.server, phone)
    phone.get_by_role("button", name="打开摄像头和话筒").click()
    for sentence in words:
        expect(phone.get_by_text(sentence).first).to_be_visible()
    expect(phone.get_by_role("button", name="再试一次")).to_be_visible()
    phone.get_by_role("button", name="先这样继续").click()
    phone.locator("[data-step=waiting]:visible, [data-step=room]:visible").wait_for()
    phone.close()


def test_a_refusal_in_the_browsers_own_dialogue_is_told_and_tried_again_once_it_is_allowed(
    place: Place, playwright: Playwright
) -> None:
    asks = [switch for switch in (*QUIET, *applicant_clip().chromium_arguments) if "fake-ui" not in switch]
    with playwright.chromium.launch(executable_path=CHROMIUM, args=asks) as browser:
        context = open_context(browser, PHONE, phone=True)
        context.add_cookies(place.phone.cookies())  # type: ignore[arg-type]  # what one gives the other takes
        phone = context.new_page()
        as_far_as_the_devices(place.server, phone)
        phone.get_by_role("button", name="打开摄像头和话筒").click()
        expect(phone.locator("#check-row-camera")).to_contain_text("摄像头没有获得允许")
        context.grant_permissions(["camera", "microphone"], origin=place.server.origin)
        phone.get_by_role("button", name="再试一次").click()
        expect(phone.locator("#check-row-camera[data-kind=good]")).to_be_visible()


def test_a_machine_without_a_camera_says_so_to_the_host_too(place: Place, playwright: Playwright) -> None:
    without = [switch for switch in QUIET if "fake" not in switch]
    with playwright.chromium.launch(executable_path=CHROMIUM, args=without) as browser:
        desk = open_context(browser, DESK).new_page()
        sign_in(desk, place.server, "wang")
        desk.get_by_role("link", name=re.compile("接访室")).first.click()
        expect(desk.locator("#device-trouble")).to_be_visible()
        expect(desk.locator("#device-trouble")).to_contain_text(re.compile("没有找到(摄像头|话筒)"))
        desk.get_by_role("button", name="去处理").click()
        expect(desk.locator("#devices-dialog")).to_be_visible()
        expect(desk.locator("#devices-problem")).to_be_visible()


def test_inside_a_chat_programs_browser_she_is_told_how_to_leave_it(place: Place) -> None:
    context = place.applicants.new_context(viewport=PHONE, user_agent=WECHAT, locale="zh-CN")
    context.add_init_script("delete window.RTCPeerConnection; Object.defineProperty(navigator, 'mediaDevices', {});")
    page = context.new_page()
    page.goto(place.server.invitation)
    expect(page.get_by_text("这里打不开视频")).to_be_visible()
    expect(page.get_by_text("请点右上角的“···”，选“在浏览器打开”")).to_be_visible()
    expect(page.locator("#own-link")).to_have_text(place.server.invitation)
    expect(page.get_by_role("button", name="复制链接")).to_be_visible()
    context.close()


def test_a_second_host_sees_who_hosts(place: Place) -> None:
    with sqlite3.connect(place.server.var / "jiefang.sqlite", timeout=30) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(staff)")]
        changed = {"id": "'zhao'", "user_name": "'zhao'", "name": "'赵敏'"}
        chosen = ", ".join(changed.get(column, column) for column in columns)
        db.execute(f"INSERT OR IGNORE INTO staff SELECT {chosen} FROM staff WHERE user_name = 'wang'")  # noqa: S608
    context = open_context(place.prosecutors, DESK)
    page = context.new_page()
    sign_in(page, place.server, "zhao")
    with sqlite3.connect(f"file:{place.server.var / 'jiefang.sqlite'}?mode=ro", uri=True) as db:
        session_id = db.execute("SELECT id FROM sessions").fetchone()[0]
    page.goto(f"{place.server.origin}/sessions/{session_id}/room")
    expect(page.get_by_text("这次接访由王志远主持，您不能再以主持人进入")).to_be_visible()
    expect(page.get_by_role("link", name="返回")).to_be_visible()
    context.close()


# In the hearing ------------------------------------------------------------------------------------------------------


def test_a_double_click_on_admit_begins_once(place: Place) -> None:
    phone, desk = place.phone.new_page(), place.desk.new_page()
    begin(place.server, phone, desk, place.camera, click="dblclick")
    assert trail(place.server, "HearingStarted") == 1
    assert trail(place.server, "SeatAdmitted") == 1
    expect(desk.locator("#told")).to_be_hidden()
    phone.close()
    desk.close()


def test_reloading_the_tab_comes_back_into_the_hearing_by_itself(hearing: Hearing) -> None:
    for page in (hearing.phone, hearing.desk):
        page.reload()
        in_room(hearing.phone)
        hearing.both_see_each_other()
    expect(hearing.desk.locator("#rec")).to_be_visible()
    assert hears_somebody(hearing.desk)


@pytest.mark.parametrize("who", ["phone", "desk"])
def test_a_cut_line_is_told_and_mended_without_a_click(place: Place, hearing: Hearing, who: str) -> None:
    page: Page = getattr(hearing, who)
    other = hearing.desk if who == "phone" else hearing.phone
    context: BrowserContext = getattr(place, who)
    context.set_offline(True)
    page.evaluate("window.sockets.at(-1).close()")
    expect(page.locator("#line")).to_contain_text("网络断了，正在重新接上，您不用动")
    expect(other.get_by_text(re.compile("暂时不在|网络断了")).first).to_be_visible(timeout=BACK_MS)
    context.set_offline(False)
    expect(page.locator("#line-words")).to_contain_text(re.compile(r"刚才断了 \d+ 秒|^$"), timeout=BACK_MS)
    expect(page.locator("#line")).not_to_contain_text("正在重新接上", timeout=BACK_MS)
    hearing.both_see_each_other()


def test_leaving_keeps_the_seat_and_coming_back_is_one_click(place: Place, hearing: Hearing) -> None:
    hearing.phone.locator("#call-leave").click()
    hearing.phone.locator("#leave-dialog button[value=leave]").click()
    expect(hearing.phone.get_by_role("heading", name="您已离开接访")).to_be_visible()
    expect(hearing.phone.locator("#gone-more")).to_contain_text("您的位子还留着")
    expect(hearing.desk.get_by_text("暂时不在").first).to_be_visible(timeout=BACK_MS)
    hearing.phone.get_by_role("button", name="回到接访").click()
    in_room(hearing.phone)

    hearing.desk.locator("#control-leave").click()
    hearing.desk.locator("#leave-dialog button[value=leave]").click()
    expect(hearing.desk.get_by_role("heading", name="您已离开接访")).to_be_visible()
    hearing.desk.get_by_role("button", name="回到接访").click()
    hearing.both_see_each_other()


def test_the_host_moves_to_another_machine_and_the_first_one_says_so(place: Place, hearing: Hearing) -> None:
    context = open_context(place.prosecutors, DESK)
    second = context.new_page()
    sign_in(second, place.server, "wang")
    second.get_by_role("link", name=re.compile("接访室")).first.click()
    expect(second.get_by_role("heading", name="您已经在另一个窗口或设备上进入了")).to_be_visible()
    expect(hearing.desk.locator("#closed-dialog")).to_be_hidden()
    second.get_by_role("button", name="在这里继续").click()
    expect(hearing.desk.get_by_role("heading", name="您已经在另一处进入，这里停下了")).to_be_visible(timeout=BACK_MS)
    sees_the_other(second)
    sees_the_other(hearing.phone)
    context.close()


def test_the_applicant_moves_to_another_phone_and_keeps_her_seat(place: Place, hearing: Hearing) -> None:
    second = open_context(place.applicants, PHONE, phone=True)
    page = second.new_page()
    page.goto(place.server.invitation)
    page.get_by_label("请输入您身份证号码的后四位").fill(place.server.id_tail)
    page.get_by_role("button", name="进入").click()
    expect(page.get_by_text("您已经在另一台设备上进入过")).to_be_visible()
    in_room(hearing.phone)
    page.get_by_label("再输一次身份证号码后四位").fill(place.server.id_tail)
    page.get_by_role("button", name="在这台设备上继续").click()
    page.get_by_role("button", name="打开摄像头和话筒").click()
    page.get_by_role("button", name="都好了，继续").click()
    in_room(page)
    sees_the_other(page)
    expect(hearing.phone.get_by_role("heading", name="您已经在另一个窗口或设备上进入了")).to_be_visible(timeout=BACK_MS)
    # And back, so that the first phone is hers again: by the link, as anybody would.
    hearing.phone.goto(place.server.invitation)
    hearing.phone.get_by_label("请输入您身份证号码的后四位").fill(place.server.id_tail)
    hearing.phone.get_by_role("button", name="进入").click()
    hearing.phone.get_by_label("再输一次身份证号码后四位").fill(place.server.id_tail)
    hearing.phone.get_by_role("button", name="在这台设备上继续").click()
    in_room(hearing.phone)
    second.close()


# The server ----------------------------------------------------------------------------------------------------------


def _segments(server: Server) -> list[Path]:
    return sorted((server.var / "data" / "journals").glob("*/segment-*"))


def _waits(page: Page, holds: Callable[[], bool]) -> None:
    """Wait for something outside of the browser, in its own time."""
    for _ in range(BACK_MS // 100):
        if holds():
            return
        page.wait_for_timeout(100)
    raise AssertionError("never came")


def test_a_killed_server_finds_both_back_by_themselves_and_the_recording_goes_on(
    demo_process: DemoProcess, applicants_browser: Browser, prosecutors_browser: Browser, tmp_path: Path
) -> None:
    server = demo_process.server
    phone = open_context(applicants_browser, PHONE, phone=True).new_page()
    desk = open_context(prosecutors_browser, DESK).new_page()
    sign_in(desk, server, "wang")
    hearing = begin(server, phone, desk, Camera(tmp_path))
    phone.locator("#call-words").click()
    phone.get_by_placeholder("写给检察官").fill("我听力不好，请慢一点说。")
    phone.locator("#words-form button").click()
    phone.locator("#words-close").click()
    expect(desk.locator("#words-list")).to_contain_text("请慢一点说")
    _waits(desk, lambda: sum(path.stat().st_size for path in _segments(server)) > 100_000)
    before = _segments(server)

    demo_process.stop(signal.SIGKILL)
    for page in (phone, desk):
        expect(page.locator("#line")).to_contain_text("网络断了，正在重新接上，您不用动", timeout=BACK_MS)
    demo_process.start()
    for page in (phone, desk):
        expect(page.locator("#line")).not_to_contain_text("网络断了", timeout=BACK_MS)
    in_room(phone)
    expect(desk.locator("#rec")).to_be_visible()
    hearing.both_see_each_other()
    assert hears_somebody(phone)
    assert len(_segments(server)) > len(before), "the recording goes on in a new segment"
    desk.reload()
    sees_the_other(desk)
    desk.locator("#tab-words").click()
    expect(desk.locator("#words-list")).to_contain_text("请慢一点说")

    end_hearing(desk)
    expect(desk.get_by_text("证据链完整")).to_be_visible(timeout=BACK_MS)
    expect(desk.get_by_text("请慢一点说")).to_be_visible()
    whole = verify(server)
    assert whole.returncode == 0, whole.stdout
