"""The main job by keyboard alone, on both sides: from the link and the sign-in to the signature and the end."""

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.people import DESK, PHONE, STILL_STEPS, Camera, open_context
from tests.browser.server import Server
from web.demo import PASSWORD
from web.simulator.person import DEMO_APPLICANT

pytestmark = pytest.mark.browser

TABS_MAX = 80


def tab_to(page: Page, wanted: Locator, *, back: bool = False) -> None:
    """Press Tab until something has the focus, and see that this shows."""
    expect(wanted).to_be_enabled()
    for _ in range(TABS_MAX):
        if wanted.evaluate("(one) => one === document.activeElement"):
            assert wanted.evaluate("(one) => one.matches(':focus-visible')")
            return
        page.keyboard.press("Shift+Tab" if back else "Tab")
    raise AssertionError(f"Tab does not lead to {wanted}")


def press(page: Page, wanted: Locator, *, back: bool = False) -> None:
    """Go to a button or a link, and press it."""
    tab_to(page, wanted, back=back)
    page.keyboard.press("Enter")


def comes_in(phone: Page, server: Server) -> None:
    phone.goto(server.invitation)
    tab_to(phone, phone.locator("#id-tail"))
    phone.keyboard.type(server.id_tail)
    phone.keyboard.press("Enter")
    press(phone, phone.locator("#recording-agree"))
    expect(phone.locator("#personal-heading")).to_be_focused()
    press(phone, phone.locator("#personal_data-agree"))
    expect(phone.locator("#devices-heading")).to_be_focused()
    press(phone, phone.locator("#check-start"))
    expect(phone.locator("#check-row-camera[data-kind=good]")).to_be_visible()
    press(phone, phone.locator("#check-done"))
    expect(phone.locator("#wait-heading")).to_be_focused()


def lets_in(desk: Page, server: Server) -> None:
    desk.goto(f"{server.origin}/sign-in")
    tab_to(desk, desk.get_by_label("用户名"))
    desk.keyboard.type("wang")
    tab_to(desk, desk.get_by_label("密码"))
    desk.keyboard.type(PASSWORD)
    desk.keyboard.press("Enter")
    press(desk, desk.get_by_role("link", name="进入接访室"))
    press(desk, desk.locator("#stage-admit"))


def verifies(desk: Page) -> None:
    """Step by step; the focus stays where the hand is."""
    expect(desk.locator("#checks [aria-current=step]")).to_be_visible()
    stills, steps = 0, desk.locator("#checks li").count()
    for step in range(steps):
        if desk.locator("#checks [aria-current=step] .check__title").inner_text() in STILL_STEPS:
            stills += 1
            tab_to(desk, desk.locator("#still-take"), back=stills > 1)
            desk.keyboard.press("Space")
            expect(desk.locator("#stills img")).to_have_count(stills)
        press(desk, desk.locator("#check-pass"))
        expect(desk.locator("#checks li").nth(step).locator(".check__done")).to_be_visible()
        if step < steps - 1:
            expect(desk.locator("#check-pass")).to_be_focused()
    press(desk, desk.locator("#identity-verify"))
    expect(desk.locator("#identity-verdict")).to_be_visible()


def test_the_main_job_is_done_by_keyboard_alone_and_whoever_cannot_draw_types_the_name(
    server: Server, applicants_browser: Browser, prosecutors_browser: Browser, camera: Camera
) -> None:
    phone = open_context(applicants_browser, PHONE).new_page()
    desk = open_context(prosecutors_browser, DESK).new_page()
    comes_in(phone, server)
    lets_in(desk, server)
    expect(phone.locator("[data-step=room]")).to_be_visible()
    verifies(desk)
    tab_to(desk, desk.locator("#tab-identity"), back=True)
    desk.keyboard.press("ArrowRight")
    expect(desk.locator("#tab-reading")).to_be_focused()
    press(desk, desk.locator("#reading-ask"))

    expect(phone.locator("[data-sheet=asked] [data-heading]")).to_be_focused()
    press(phone, phone.locator("#sheet-confirm"))
    expect(phone.locator("[data-sheet=confirmed] [data-heading]")).to_be_focused()
    press(phone, phone.locator("#sign-other"))
    expect(phone.locator("#sign-name")).to_be_focused()
    phone.keyboard.type("张三")
    press(phone, phone.locator("#sign-send"))
    expect(phone.locator("#sheet-problem")).to_contain_text("输入的姓名和申请人的姓名不一样")
    camera.shoot(phone, "phone-typed-name")
    tab_to(phone, phone.locator("#sign-name"), back=True)
    phone.keyboard.press("ControlOrMeta+A")
    phone.keyboard.type(DEMO_APPLICANT.name)
    press(phone, phone.locator("#sign-send"))
    expect(phone.get_by_role("heading", name="您的签名收到了")).to_be_focused()
    expect(desk.locator("#reading-signature")).to_be_visible()
    camera.shoot(desk, "desk-typed-name")

    press(desk, desk.locator("#control-end"))
    expect(desk.locator("#end-dialog")).to_be_visible()
    press(desk, desk.get_by_role("button", name="结束并封存录像"))
    expect(desk).to_have_url(re.compile("/sessions/[0-9a-f]{32}$"))
