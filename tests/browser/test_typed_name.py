import pytest
from playwright.sync_api import Browser, expect

from tests.browser.people import DESK, PHONE, Camera, come_in, let_in, open_context, sign_in, verify_identity
from tests.browser.server import Server
from web.simulator.person import DEMO_APPLICANT

pytestmark = pytest.mark.browser


def test_whoever_cannot_draw_types_the_name_by_keyboard_alone(
    server: Server, applicants_browser: Browser, prosecutors_browser: Browser, camera: Camera
) -> None:
    phone = open_context(applicants_browser, PHONE, phone=True).new_page()
    come_in(phone, server)
    desk = open_context(prosecutors_browser, DESK).new_page()
    sign_in(desk, server, "wang")
    let_in(desk, server)
    expect(phone.locator("[data-step=room]")).to_be_visible()
    verify_identity(desk, camera)
    desk.locator("#tab-reading").click()
    desk.locator("#reading-ask").click()
    expect(phone.locator("[data-sheet=asked] [data-heading]")).to_be_focused()
    phone.keyboard.press("Tab")
    phone.keyboard.press("Enter")
    expect(phone.locator("[data-sheet=confirmed] [data-heading]")).to_be_focused()
    phone.locator("#sign-other").press("Enter")
    expect(phone.locator("#sign-name")).to_be_focused()
    phone.keyboard.type("张三")
    phone.locator("#sign-send").press("Enter")
    expect(phone.locator("#sheet-problem")).to_contain_text("输入的姓名和申请人的姓名不一样")
    camera.shoot(phone, "phone-typed-name")
    phone.locator("#sign-name").fill(DEMO_APPLICANT.name)
    phone.locator("#sign-send").press("Enter")
    expect(phone.get_by_role("heading", name="您的签名收到了")).to_be_visible()
    expect(desk.locator("#reading-signature")).to_be_visible()
    camera.shoot(desk, "desk-typed-name")
