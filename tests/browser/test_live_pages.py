"""The live pages where something is missing, wrong or small; and nothing serious for axe to find on any of them."""

from collections.abc import Iterator
from typing import cast

import pytest
from playwright.sync_api import Browser, Page, Playwright, ViewportSize, expect

from tests.browser.conftest import CHROMIUM
from tests.browser.people import DESK, PHONE, Camera, come_in, open_context, sign_in
from tests.browser.server import ROOT, Server

pytestmark = pytest.mark.browser

SMALL: ViewportSize = {"width": 320, "height": 640}
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
WECHAT = "Mozilla/5.0 (Linux; Android 9) AppleWebKit/537.36 Chrome/66.0 Mobile Safari/537.36 MicroMessenger/8.0.1"
NO_WEBRTC = "delete window.RTCPeerConnection; Object.defineProperty(navigator, 'mediaDevices', { value: undefined });"


@pytest.fixture
def bare_browser(playwright: Playwright) -> Iterator[Browser]:
    """A browser on a machine without camera and microphone."""
    with playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]) as browser:
        yield browser


def serious(page: Page) -> list[str]:
    """Return what axe finds serious or critical on the page as it is."""
    page.evaluate(AXE.read_text("utf-8") + ";null")
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        f"{fault['id']}: {fault['nodes'][0]['html'][:120]}"
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
    ]


def _fits(page: Page) -> bool:
    return cast(bool, page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def _agree(page: Page, server: Server) -> None:
    page.goto(server.invitation)
    page.get_by_label("请输入您身份证号码的后四位").fill(server.id_tail)
    page.get_by_role("button", name="进入").click()
    page.get_by_role("button", name="我同意录音录像").click()
    page.get_by_role("button", name="我同意使用这些信息").click()


def test_without_camera_and_microphone_one_is_told_and_may_go_on(
    server: Server, bare_browser: Browser, camera: Camera
) -> None:
    page = open_context(bare_browser, PHONE, phone=True).new_page()
    _agree(page, server)
    page.get_by_role("button", name="打开摄像头和话筒").click()
    expect(page.locator("#check-row-camera")).to_contain_text("没有找到摄像头")
    expect(page.locator("#check-row-microphone")).to_contain_text("没有找到话筒，检察官会听不到您")
    camera.shoot(page, "phone-no-devices")
    page.get_by_role("button", name="先这样继续").click()
    expect(page.locator("#wait-row-devices")).to_contain_text("没有找到话筒")


def test_a_refused_camera_comes_with_how_to_allow_it(
    server: Server, applicants_browser: Browser, camera: Camera
) -> None:
    context = open_context(applicants_browser, PHONE, phone=True)
    context.add_init_script(
        "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotAllowedError'));"
    )
    page = context.new_page()
    _agree(page, server)
    page.get_by_role("button", name="打开摄像头和话筒").click()
    expect(page.locator("#check-row-camera")).to_contain_text("摄像头没有获得允许")
    expect(page.get_by_text("怎样改成允许")).to_be_visible()
    expect(page.get_by_role("button", name="再试一次")).to_be_visible()
    camera.shoot(page, "phone-refused-devices")


def test_a_busy_camera_leaves_the_sound(server: Server, applicants_browser: Browser) -> None:
    context = open_context(applicants_browser, PHONE, phone=True)
    context.add_init_script("""
      const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = (wanted) =>
        wanted.video ? Promise.reject(new DOMException("", "NotReadableError")) : open(wanted);
    """)
    page = context.new_page()
    _agree(page, server)
    page.get_by_role("button", name="打开摄像头和话筒").click()
    expect(page.locator("#check-row-camera")).to_contain_text("正被别的应用占用")
    expect(page.locator("#check-row-microphone")).to_contain_text("听到您的声音了")
    page.get_by_role("button", name="没有画面也继续").click()
    expect(page.locator("#wait-row-devices")).to_contain_text("声音正常，没有画面也可以办")


def test_a_chat_programs_browser_says_how_to_get_out_of_it(
    server: Server, applicants_browser: Browser, camera: Camera
) -> None:
    context = applicants_browser.new_context(viewport=PHONE, user_agent=WECHAT)
    context.add_init_script(NO_WEBRTC)
    page = context.new_page()
    page.goto(server.invitation)
    expect(page.get_by_text("请点右上角的“···”，选“在浏览器打开”")).to_be_visible()
    expect(page.locator("#own-link")).to_have_text(server.invitation)
    camera.shoot(page, "phone-in-app")
    assert not serious(page)


def test_refusing_consent_is_not_a_dead_end(server: Server, applicants_browser: Browser) -> None:
    page = open_context(applicants_browser, PHONE, phone=True).new_page()
    page.goto(server.invitation)
    page.get_by_label("请输入您身份证号码的后四位").fill(server.id_tail)
    page.get_by_role("button", name="进入").click()
    page.get_by_role("button", name="不同意").click()
    expect(page.get_by_text("不录音录像，就不能用视频办理")).to_be_visible()
    expect(page.get_by_role("link", name="打 12309 问一问")).to_be_visible()
    assert not serious(page)
    page.get_by_role("button", name="回去再看一遍").click()
    expect(page.get_by_role("heading", name="您同意录音录像吗")).to_be_focused()


@pytest.mark.parametrize("size", [PHONE, SMALL], ids=["390", "320"])
def test_the_applicants_pages_fit_and_axe_finds_nothing_serious(
    server: Server, applicants_browser: Browser, prosecutors_browser: Browser, camera: Camera, size: ViewportSize
) -> None:
    page = open_context(applicants_browser, size, phone=True).new_page()
    seen: list[str] = []

    def look(name: str) -> None:
        seen.extend(f"{name}: {fault}" for fault in serious(page))
        if not _fits(page):
            seen.append(f"{name}: wider than the screen")
        camera.shoot(page, f"phone-{size['width']}-{name}")

    page.goto(server.invitation)
    look("invitation")
    _agree(page, server)
    look("before-devices")
    page.get_by_role("button", name="打开摄像头和话筒").click()
    expect(page.locator("#check-row-camera[data-kind=good]")).to_be_visible()
    look("devices")
    page.get_by_role("button", name="都好了，继续").click()
    expect(page.locator("#wait-row-devices[data-kind=good]")).to_contain_text("正常")
    look("waiting")
    desk = open_context(prosecutors_browser, DESK).new_page()
    sign_in(desk, server, "wang")
    desk.get_by_role("link", name="进入接访室").click()
    desk.locator("#stage-admit").click()
    expect(page.locator("[data-step=room]")).to_be_visible()
    look("hearing")
    page.locator("#call-words").click()
    look("words")
    assert seen == []


def test_the_hosts_room_fits_a_small_desk_and_axe_finds_nothing_serious(
    server: Server, applicants_browser: Browser, prosecutors_browser: Browser, camera: Camera
) -> None:
    phone = open_context(applicants_browser, PHONE, phone=True).new_page()
    come_in(phone, server, camera)
    desk = open_context(prosecutors_browser, {"width": 1024, "height": 768}).new_page()
    sign_in(desk, server, "wang")
    desk.get_by_role("link", name="进入接访室").click()
    desk.locator("#stage-admit").click()
    expect(desk.locator("#rec")).to_be_visible()
    seen: list[str] = []
    for tab in ("identity", "reading", "waiting", "words"):
        desk.locator(f"#tab-{tab}").click()
        seen.extend(f"{tab}: {fault}" for fault in serious(desk))
        camera.shoot(desk, f"desk-1024-{tab}")
    for control, dialog in (("prompt", "prompt"), ("mark", "mark"), ("devices", "devices"), ("end", "end")):
        desk.locator(f"#control-{control}").click()
        expect(desk.locator(f"#{dialog}-dialog")).to_be_visible()
        seen.extend(f"{dialog}: {fault}" for fault in serious(desk))
        desk.keyboard.press("Escape")
    assert seen == []
    assert _fits(desk)
    desk.get_by_role("button", name="放大画面：您 主持").press("Enter")
    expect(desk.locator(".person--stage")).to_contain_text("您 主持")
    desk.get_by_role("button", name="放大画面：高秀兰").press("Enter")
    expect(desk.locator(".person--stage")).to_contain_text("高秀兰")
    expect(desk.locator("#check-pass")).to_be_hidden()
    desk.locator("#tab-identity").click()
    expect(desk.locator("#check-pass")).to_be_in_viewport()


def test_single_keys_act_only_where_nobody_writes(
    server: Server, applicants_browser: Browser, prosecutors_browser: Browser, camera: Camera
) -> None:
    phone = open_context(applicants_browser, PHONE, phone=True).new_page()
    come_in(phone, server, camera)
    desk = open_context(prosecutors_browser, DESK).new_page()
    sign_in(desk, server, "wang")
    desk.get_by_role("link", name="进入接访室").click()
    desk.locator("#stage-admit").click()
    expect(desk.locator("#rec")).to_be_visible()
    desk.locator("#tab-words").click()
    desk.locator("#words-text").fill("")
    desk.keyboard.type("mvpb")
    expect(desk.locator("#words-text")).to_have_value("mvpb")
    expect(desk.locator("#control-mute")).to_contain_text("静音")
    desk.locator("#tab-identity").click()
    desk.keyboard.press("m")
    expect(desk.locator("#control-mute")).to_contain_text("开声音")
    desk.locator("#control-devices").click()
    desk.get_by_label("用单个按键操作").uncheck()
    desk.locator("#devices-close").click()
    desk.keyboard.press("m")
    expect(desk.locator("#control-mute")).to_contain_text("开声音")
