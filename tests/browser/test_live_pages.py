"""The hearing room on a small desk, and by single keys."""

from typing import cast

import pytest
from playwright.sync_api import Browser, ViewportSize, expect

from tests.browser.axe import serious
from tests.browser.people import PHONE, Camera, come_in, let_in, open_context, sign_in
from tests.browser.server import Server

pytestmark = pytest.mark.browser

SMALL_DESK: ViewportSize = {"width": 1024, "height": 768}


def test_the_hosts_room_fits_a_small_desk_and_single_keys_act_only_where_nobody_writes(
    shared_server: Server, applicants_browser: Browser, prosecutors_browser: Browser, camera: Camera
) -> None:
    phone = open_context(applicants_browser, PHONE, phone=True).new_page()
    come_in(phone, shared_server)
    desk = open_context(prosecutors_browser, SMALL_DESK).new_page()
    sign_in(desk, shared_server, "wang")
    let_in(desk, shared_server)
    for tab in ("identity", "reading", "waiting", "words"):
        desk.locator(f"#tab-{tab}").click()
        camera.shoot(desk, f"desk-1024-{tab}")
    desk.locator("#control-end").click()
    expect(desk.locator("#end-dialog")).to_be_visible()
    assert serious(desk) == []
    desk.keyboard.press("Escape")
    assert cast(bool, desk.evaluate("document.documentElement.scrollWidth <= innerWidth"))
    desk.get_by_role("button", name="放大画面：您 主持").press("Enter")
    expect(desk.locator(".person--stage")).to_contain_text("您 主持")
    desk.get_by_role("button", name="放大画面：高秀兰").press("Enter")
    expect(desk.locator(".person--stage")).to_contain_text("高秀兰")
    expect(desk.locator("#check-pass")).to_be_hidden()
    desk.locator("#tab-identity").click()
    expect(desk.locator("#check-pass")).to_be_in_viewport()

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
