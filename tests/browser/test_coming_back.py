"""Going and coming back: a seat, what was said and the recording outlive tabs, devices, sockets and the server."""

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.people import DESK, PHONE, Camera, come_in, open_context, sees_movement, sign_in
from tests.browser.server import DemoProcess, Server

pytestmark = pytest.mark.browser

FAR_FACE = ".person--stage video"


def _hold_hearing(phone: Page, desk: Page, server: Server, camera: Camera) -> None:
    """The applicant comes, the host lets her in."""
    come_in(phone, server, camera)
    sign_in(desk, server, "wang")
    desk.get_by_role("link", name="进入接访室").click()
    desk.locator("#stage-admit").dblclick()
    expect(phone.locator("[data-step=room]")).to_be_visible()
    _both_see(phone, desk)


def _both_see(phone: Page, desk: Page) -> None:
    for page in (phone, desk):
        page.locator(FAR_FACE).wait_for()
        expect(page.locator(FAR_FACE)).not_to_have_js_property("videoWidth", 0)
        assert sees_movement(page, FAR_FACE)


def _try_devices(page: Page) -> None:
    page.get_by_role("button", name="打开摄像头和话筒").click()
    page.get_by_role("button", name="都好了，继续").click()


@pytest.fixture
def phones(applicants_browser: Browser) -> BrowserContext:
    """The applicant's phone."""
    return open_context(applicants_browser, PHONE, phone=True)


def test_a_reloaded_tab_is_back_by_itself_on_either_side(
    server: Server, phones: BrowserContext, prosecutors_browser: Browser, camera: Camera
) -> None:
    phone, desk = phones.new_page(), open_context(prosecutors_browser, DESK).new_page()
    _hold_hearing(phone, desk, server, camera)
    for page in (phone, desk):
        page.reload()
        _both_see(phone, desk)
    expect(phone.locator("[data-step=room]")).to_be_visible()


def test_a_seat_is_in_one_place_and_moves_where_its_person_says(
    server: Server, phones: BrowserContext, applicants_browser: Browser, prosecutors_browser: Browser, camera: Camera
) -> None:
    phone, desk = phones.new_page(), open_context(prosecutors_browser, DESK).new_page()
    _hold_hearing(phone, desk, server, camera)

    second_tab = phones.new_page()
    second_tab.goto(f"{server.origin}/hearing")
    _try_devices(second_tab)
    expect(phone.get_by_role("heading", name="您已经在另一个窗口或设备上进入了")).to_be_visible()
    camera.shoot(phone, "phone-elsewhere")
    _both_see(second_tab, desk)
    phone.get_by_role("button", name="在这里继续").click()
    _both_see(phone, desk)

    tablet = open_context(applicants_browser, PHONE, phone=True).new_page()
    tablet.goto(server.invitation)
    tablet.get_by_label("请输入您身份证号码的后四位").fill(server.id_tail)
    tablet.get_by_role("button", name="进入").click()
    again = tablet.get_by_label("再输一次身份证号码后四位")
    expect(again).to_be_visible()
    camera.shoot(tablet, "phone-other-device")
    again.fill(server.id_tail)
    tablet.get_by_role("button", name="在这台设备上继续").click()
    _try_devices(tablet)
    _both_see(tablet, desk)
    expect(phone.locator("[data-step=elsewhere]")).to_be_visible()


def test_whoever_leaves_can_come_back_to_their_seat(
    server: Server, phones: BrowserContext, prosecutors_browser: Browser, camera: Camera
) -> None:
    phone, desk = phones.new_page(), open_context(prosecutors_browser, DESK).new_page()
    _hold_hearing(phone, desk, server, camera)
    phone.locator("#call-leave").click()
    phone.get_by_role("button", name="离开", exact=True).last.click()
    expect(phone.get_by_role("heading", name="您已离开接访")).to_be_visible()
    expect(desk.locator(".person--stage")).to_contain_text("暂时不在")
    camera.shoot(phone, "phone-left")
    phone.get_by_role("button", name="回到接访").click()
    _both_see(phone, desk)

    desk.locator("#control-leave").click()
    desk.locator("#leave-dialog").get_by_role("button", name="暂时离开").click()
    expect(desk.get_by_role("heading", name="您已离开接访")).to_be_visible()
    expect(phone.locator(".person--stage")).to_contain_text("暂时不在")
    desk.get_by_role("button", name="回到接访", exact=True).click()
    _both_see(phone, desk)


def test_whoever_is_sent_back_waits_and_is_let_in_again(
    server: Server, phones: BrowserContext, prosecutors_browser: Browser, camera: Camera
) -> None:
    phone, desk = phones.new_page(), open_context(prosecutors_browser, DESK).new_page()
    _hold_hearing(phone, desk, server, camera)
    desk.locator("#tab-waiting").click()
    desk.get_by_role("button", name="请回候访").click()
    expect(phone.locator("[data-step=waiting]")).to_be_visible()
    expect(phone.locator("#wait-heading")).to_contain_text("检察官马上接您进来")
    desk.locator("#stage-admit").click()
    _both_see(phone, desk)


def test_a_server_that_stops_and_starts_finds_both_of_them_again(
    demo_process: DemoProcess, phones: BrowserContext, prosecutors_browser: Browser, camera: Camera
) -> None:
    server = demo_process.server
    phone, desk = phones.new_page(), open_context(prosecutors_browser, DESK).new_page()
    _hold_hearing(phone, desk, server, camera)
    desk.keyboard.press("Space")
    expect(desk.locator("#stills img")).to_have_count(1)
    recorded = desk.locator("#rec-time").inner_text()

    demo_process.stop()
    expect(phone.locator("#line")).to_contain_text("网络断了，正在重新接上，您不用动")
    camera.shoot(phone, "phone-line-lost")
    demo_process.start()

    expect(phone.locator("#line")).to_contain_text("是网络的原因，已经记下，不算您离开", timeout=30_000)
    _both_see(phone, desk)
    expect(desk.locator("#stills img")).to_have_count(1)
    expect(desk.locator("#saved")).to_have_text("已存到最后一秒")
    assert desk.locator("#rec-time").inner_text() > recorded, "the recording went on, gap included"
