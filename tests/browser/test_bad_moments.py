"""What goes wrong in real browsers: each time a clear sentence, a way on, and nothing lost.

The tests share one hearing, as real people do who stumble more than once. Whoever comes finds it as it is.
"""

import re
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

from tests.browser.axe import serious
from tests.browser.conftest import CHROMIUM, QUIET, Browsers
from tests.browser.evidence import verify
from tests.browser.more_hearings import book_another
from tests.browser.people import (
    BACK_MS,
    DESK,
    FAR_FACE,
    PHONE,
    Camera,
    agree,
    come_in,
    end_hearing,
    hears_somebody,
    let_in,
    open_context,
    sees_the_other,
    show_the_id_tail,
    sign_in,
    take_still,
    try_devices,
)
from tests.browser.server import DemoProcess, Server
from tests.support.clips import applicant_clip, prosecutor_clip

pytestmark = pytest.mark.browser

WECHAT = (
    "Mozilla/5.0 (Linux; Android 10; ELE-AL00) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/86.0.4240.99 "
    "Mobile Safari/537.36 MMWEBID/7218 MicroMessenger/8.0.16.2040 Language/zh_CN"
)
NO_WEBRTC = "delete window.RTCPeerConnection; Object.defineProperty(navigator, 'mediaDevices', {});"
# A camera and a microphone that answer with an error, as a telephone call or another program makes them.
BREAK_DEVICES = """
([name, kinds]) => {
  const devices = navigator.mediaDevices;
  window.askForDevices ??= devices.getUserMedia.bind(devices);
  devices.getUserMedia = (wanted) => kinds.some((kind) => wanted[kind])
    ? Promise.reject(name === "TypeError" ? new TypeError() : new DOMException("", name))
    : window.askForDevices(wanted);
}
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
    """A running demonstration with a hearing, and what both people's browsers know of it."""

    server: Server
    phone: BrowserContext
    desk: BrowserContext


@pytest.fixture(scope="module")
def place(house: Server, browsers: Browsers) -> Iterator[Place]:
    server = book_another(house)
    for applicants in browsers.lend(applicant_clip()):
        for prosecutors in browsers.lend(prosecutor_clip()):
            phone = open_context(applicants, PHONE, phone=True)
            desk = open_context(prosecutors, DESK)
            for context in (phone, desk):
                context.add_init_script(SOCKETS)
            sign_in(desk.new_page(), server, "wang")
            entering = phone.new_page()
            agree(entering, server)
            entering.close()
            yield Place(server, phone, desk)


@dataclass(frozen=True, slots=True)
class Hearing:
    """A hearing in session: both see and hear each other."""

    phone: Page
    desk: Page

    def both_see_each_other(self) -> None:
        """Assert that far frames advance on both sides."""
        for page in (self.phone, self.desk):
            sees_the_other(page)


def in_room(page: Page) -> None:
    """Assert that the applicant's page shows the hearing."""
    expect(page.locator("[data-step=room]")).to_be_visible(timeout=BACK_MS)


def begin(server: Server, phone: Page, desk: Page, *, click: str = "click") -> Hearing:
    """Bring both together; the hearing may be in session already."""
    phone.goto(server.invitation)
    if phone.get_by_role("button", name="进入").count():
        come_in(phone, server)
    else:
        phone.locator("#check-start:visible, [data-step=waiting]:visible, [data-step=room]:visible").wait_for()
        if phone.locator("#check-start").is_visible():
            try_devices(phone)
    desk.goto(server.room)
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
    yield begin(place.server, phone, desk)
    phone.close()
    desk.close()


def trail(server: Server, event: str) -> int:
    """Count an event of the hearing on the trail."""
    query = "SELECT count(*) FROM trail_entries WHERE event = ? AND session_id = ?"
    return int(str(server.ask(query, event, server.session_id)[0][0]))


# At the door ---------------------------------------------------------------------------------------------------------


def test_devices_that_do_not_work_are_told_and_do_not_keep_her_out(place: Place) -> None:
    phone = place.phone.new_page()
    agree(phone, place.server)
    again = phone.locator("#check-start")
    for name, kinds, words in (
        ("NotAllowedError", ("audio", "video"), ("摄像头没有获得允许", "话筒没有获得允许", "怎样改成允许")),
        ("NotFoundError", ("audio", "video"), ("没有找到摄像头", "没有找到话筒")),
        ("NotReadableError", ("audio", "video"), ("摄像头正被别的应用占用", "话筒正被别的应用占用，请挂断电话")),
        ("TypeError", ("audio", "video"), ("摄像头打不开", "话筒打不开")),
        ("NotReadableError", ("video",), ("摄像头正被别的应用占用", "听到您的声音了")),
    ):
        phone.evaluate(BREAK_DEVICES, [name, kinds])
        again.click()
        for sentence in words:
            expect(phone.get_by_text(sentence).first).to_be_visible()
        again = phone.get_by_role("button", name="再试一次")
        expect(again).to_be_visible()
    phone.get_by_role("button", name="没有画面也继续").click()
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
        agree(phone, place.server)
        phone.get_by_role("button", name="打开摄像头和话筒").click()
        expect(phone.locator("#check-row-camera")).to_contain_text("摄像头没有获得允许")
        context.grant_permissions(["camera", "microphone"], origin=place.server.origin)
        phone.get_by_role("button", name="再试一次").click()
        expect(phone.locator("#check-row-camera[data-kind=good]")).to_be_visible()


def test_a_machine_without_a_camera_says_so_to_both_and_neither_is_kept_out(
    place: Place, playwright: Playwright
) -> None:
    without = [switch for switch in QUIET if "fake" not in switch]
    with playwright.chromium.launch(executable_path=CHROMIUM, args=without) as browser:
        context = open_context(browser, PHONE, phone=True)
        context.add_cookies(place.phone.cookies())  # type: ignore[arg-type]  # what one gives the other takes
        phone = context.new_page()
        agree(phone, place.server)
        phone.get_by_role("button", name="打开摄像头和话筒").click()
        expect(phone.locator("#check-row-camera")).to_contain_text("没有找到摄像头")
        expect(phone.locator("#check-row-microphone")).to_contain_text("没有找到话筒，检察官会听不到您")
        phone.get_by_role("button", name="先这样继续").click()
        expect(phone.locator("#wait-row-devices")).to_contain_text("没有找到话筒")
        context.close()

        desk = open_context(browser, DESK).new_page()
        sign_in(desk, place.server, "wang")
        desk.goto(place.server.room)
        expect(desk.locator("#device-trouble")).to_contain_text(re.compile("没有找到(摄像头|话筒)"))
        desk.get_by_role("button", name="去处理").click()
        expect(desk.locator("#devices-dialog")).to_be_visible()
        expect(desk.locator("#devices-problem")).to_be_visible()


def test_inside_a_chat_programs_browser_she_is_told_how_to_leave_it(
    place: Place, applicants_browser: Browser, camera: Camera
) -> None:
    context = applicants_browser.new_context(viewport=PHONE, user_agent=WECHAT, locale="zh-CN")
    context.add_init_script(NO_WEBRTC + "delete Navigator.prototype.clipboard;")
    page = context.new_page()
    page.goto(place.server.invitation)
    expect(page.get_by_text("这里打不开视频")).to_be_visible()
    expect(page.get_by_text("请点右上角的“···”，选“在浏览器打开”")).to_be_visible()
    expect(page.locator("#own-link")).to_have_text(place.server.invitation)
    camera.shoot(page, "phone-in-app")
    assert not serious(page)
    page.get_by_role("button", name="复制链接").click()
    expect(page.get_by_role("button", name="请长按上面的链接来复制")).to_be_visible()
    context.add_cookies(place.phone.cookies())  # type: ignore[arg-type]  # what one gives the other takes
    page.goto(f"{place.server.origin}/hearing")
    expect(page.get_by_role("heading", name="这个浏览器用不了视频")).to_be_visible()
    expect(page.get_by_text("请点右上角的“···”，选“在浏览器打开”")).to_be_visible()


def test_refusing_consent_is_not_a_dead_end(shared_server: Server, applicants_browser: Browser) -> None:
    page = open_context(applicants_browser, PHONE, phone=True).new_page()
    show_the_id_tail(page, shared_server)
    page.get_by_role("button", name="不同意").click()
    expect(page.get_by_text("不录音录像，就不能用视频办理")).to_be_visible()
    expect(page.get_by_role("link", name="打 12309 问一问")).to_be_visible()
    page.get_by_role("button", name="回去再看一遍").click()
    expect(page.get_by_role("heading", name="您同意录音录像吗")).to_be_focused()


def test_a_second_host_sees_who_hosts(place: Place, prosecutors_browser: Browser) -> None:
    with closing(sqlite3.connect(place.server.var / "jiefang.sqlite", timeout=BACK_MS / 1000)) as db, db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(staff)")]
        changed = {"id": "'zhao'", "user_name": "'zhao'", "name": "'赵敏'"}
        chosen = ", ".join(changed.get(column, column) for column in columns)
        db.execute(f"INSERT OR IGNORE INTO staff SELECT {chosen} FROM staff WHERE user_name = 'wang'")  # noqa: S608
    page = open_context(prosecutors_browser, DESK).new_page()
    sign_in(page, place.server, "zhao")
    page.goto(place.server.room)
    expect(page.get_by_text("这次接访由王志远主持，您不能再以主持人进入")).to_be_visible()
    expect(page.get_by_role("link", name="返回")).to_be_visible()


# In the hearing ------------------------------------------------------------------------------------------------------


def test_a_double_click_on_admit_begins_once(
    shared_server: Server, applicants_browser: Browser, prosecutors_browser: Browser
) -> None:
    phone = open_context(applicants_browser, PHONE, phone=True).new_page()
    desk = open_context(prosecutors_browser, DESK).new_page()
    sign_in(desk, shared_server, "wang")
    begin(shared_server, phone, desk, click="dblclick")
    expect(desk.locator("#told")).to_be_hidden()
    # What came after both clicks has been written by the time that something done later has.
    desk.locator("#tab-waiting").click()
    desk.get_by_role("button", name="请回候访").click()
    expect(phone.locator("[data-step=waiting]")).to_be_visible()
    expect(phone.locator("#wait-heading")).to_contain_text("检察官马上接您进来")
    desk.locator("#stage-admit").click()
    sees_the_other(phone)
    sees_the_other(desk)
    assert trail(shared_server, "HearingStarted") == 1
    assert trail(shared_server, "SeatAdmitted") <= 2


def test_reloading_the_tab_comes_back_into_the_hearing_by_itself(hearing: Hearing) -> None:
    for page in (hearing.phone, hearing.desk):
        page.reload()
        in_room(hearing.phone)
        hearing.both_see_each_other()
    expect(hearing.desk.locator("#rec")).to_be_visible()
    assert hears_somebody(hearing.desk)


def test_a_cut_line_is_told_and_mended_without_a_click(place: Place, hearing: Hearing) -> None:
    for context, page, other in (
        (place.phone, hearing.phone, hearing.desk),
        (place.desk, hearing.desk, hearing.phone),
    ):
        context.set_offline(True)
        page.evaluate("window.sockets.at(-1).close()")
        expect(page.locator("#line")).to_contain_text("网络断了，正在重新接上，您不用动")
        expect(other.get_by_text(re.compile("暂时不在|网络断了")).first).to_be_visible(timeout=BACK_MS)
        context.set_offline(False)
        expect(page.locator("#line-words")).to_contain_text(re.compile(r"刚才断了 \d+ 秒|^$"), timeout=BACK_MS)
        expect(page.locator("#line")).not_to_contain_text("正在重新接上", timeout=BACK_MS)
        hearing.both_see_each_other()


def test_leaving_keeps_the_seat_and_coming_back_is_one_click(hearing: Hearing) -> None:
    hearing.phone.locator("#call-leave").click()
    hearing.phone.locator("#leave-dialog button[value=leave]").click()
    expect(hearing.phone.get_by_role("heading", name="您已离开接访")).to_be_visible()
    expect(hearing.phone.locator("#gone-more")).to_contain_text("您的位子还留着")
    expect(hearing.desk.locator(".person--stage")).to_contain_text("暂时不在", timeout=BACK_MS)
    hearing.phone.get_by_role("button", name="回到接访").click()
    in_room(hearing.phone)

    hearing.desk.locator("#control-leave").click()
    hearing.desk.locator("#leave-dialog button[value=leave]").click()
    expect(hearing.desk.get_by_role("heading", name="您已离开接访")).to_be_visible()
    expect(hearing.phone.locator(".person--stage")).to_contain_text("暂时不在", timeout=BACK_MS)
    hearing.desk.get_by_role("button", name="回到接访", exact=True).click()
    hearing.both_see_each_other()


def test_the_host_moves_to_another_machine_and_the_first_one_says_so(
    place: Place, hearing: Hearing, prosecutors_browser: Browser
) -> None:
    second = open_context(prosecutors_browser, DESK).new_page()
    sign_in(second, place.server, "wang")
    second.goto(place.server.room)
    expect(second.get_by_role("heading", name="您已经在另一个窗口或设备上进入了")).to_be_visible()
    expect(hearing.desk.locator("#closed-dialog")).to_be_hidden()
    second.get_by_role("button", name="在这里继续").click()
    expect(hearing.desk.get_by_role("heading", name="您已经在另一处进入，这里停下了")).to_be_visible(timeout=BACK_MS)
    sees_the_other(second)
    sees_the_other(hearing.phone)


def test_the_applicant_moves_to_another_tab_and_another_phone_and_keeps_her_seat(
    place: Place, hearing: Hearing, applicants_browser: Browser
) -> None:
    elsewhere = hearing.phone.get_by_role("heading", name="您已经在另一个窗口或设备上进入了")
    tab = place.phone.new_page()
    tab.goto(f"{place.server.origin}/hearing")
    try_devices(tab)
    expect(elsewhere).to_be_visible(timeout=BACK_MS)
    sees_the_other(tab)
    hearing.phone.get_by_role("button", name="在这里继续").click()
    hearing.both_see_each_other()
    tab.close()

    second = open_context(applicants_browser, PHONE, phone=True).new_page()
    show_the_id_tail(second, place.server)
    expect(second.get_by_text("您已经在另一台设备上进入过")).to_be_visible()
    in_room(hearing.phone)
    second.get_by_label("再输一次身份证号码后四位").fill(place.server.id_tail)
    second.get_by_role("button", name="在这台设备上继续").click()
    try_devices(second)
    in_room(second)
    sees_the_other(second)
    expect(elsewhere).to_be_visible(timeout=BACK_MS)
    # And back, so that the first phone is hers again: by the link, as anybody would.
    show_the_id_tail(hearing.phone, place.server)
    hearing.phone.get_by_label("再输一次身份证号码后四位").fill(place.server.id_tail)
    hearing.phone.get_by_role("button", name="在这台设备上继续").click()
    in_room(hearing.phone)


# The server ----------------------------------------------------------------------------------------------------------


def _segments(server: Server) -> list[Path]:
    return sorted((server.var / "data" / "journals").glob("*/segment-*"))


def test_a_server_that_is_killed_or_stopped_finds_both_back_by_themselves_and_the_recording_goes_on(
    demo_process: DemoProcess, applicants_browser: Browser, prosecutors_browser: Browser, camera: Camera
) -> None:
    server = demo_process.server
    phone = open_context(applicants_browser, PHONE, phone=True).new_page()
    desk = open_context(prosecutors_browser, DESK).new_page()
    sign_in(desk, server, "wang")
    come_in(phone, server)
    let_in(desk, server)
    hearing = Hearing(phone, desk)
    hearing.both_see_each_other()
    phone.locator("#call-words").click()
    phone.get_by_placeholder("写给检察官").fill("我听力不好，请慢一点说。")
    phone.locator("#words-form button").click()
    phone.locator("#words-close").click()
    expect(desk.locator("#words-list")).to_contain_text("请慢一点说")
    take_still(desk, 1)

    for how in (signal.SIGKILL, signal.SIGINT):
        expect(desk.locator("#saved")).to_have_text("已存到最后一秒", timeout=BACK_MS)
        before, recorded = _segments(server), desk.locator("#rec-time").inner_text()
        demo_process.stop(how)
        for page in (phone, desk):
            expect(page.locator("#line")).to_contain_text("网络断了，正在重新接上，您不用动", timeout=BACK_MS)
        camera.shoot(phone, "phone-line-lost")
        demo_process.start()
        expect(phone.locator("#line")).to_contain_text("是网络的原因，已经记下，不算您离开", timeout=BACK_MS)
        expect(desk.locator("#line")).not_to_contain_text("网络断了", timeout=BACK_MS)
        in_room(phone)
        expect(desk.locator("#rec")).to_be_visible()
        hearing.both_see_each_other()
        assert hears_somebody(phone)
        assert len(_segments(server)) > len(before), "the recording goes on in a new segment"
        expect(desk.locator("#saved")).to_have_text("已存到最后一秒", timeout=BACK_MS)
        assert desk.locator("#rec-time").inner_text() > recorded, "the recording went on, gap included"
    desk.reload()
    sees_the_other(desk)
    expect(desk.locator("#stills img")).to_have_count(1)
    desk.locator("#tab-words").click()
    expect(desk.locator("#words-list")).to_contain_text("请慢一点说")

    end_hearing(desk)
    expect(desk.get_by_text("证据链完整")).to_be_visible(timeout=BACK_MS)
    expect(desk.get_by_text("请慢一点说")).to_be_visible()
    whole = verify(server)
    assert whole.returncode == 0, whole.stdout
