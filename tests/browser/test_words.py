"""What is written into a line that is dead and not yet known to be: nothing of it is lost, and nothing comes twice."""

import re

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from tests.browser.people import BACK_MS, DESK, PHONE, come_in, let_in, open_context, sign_in
from tests.browser.server import Server

pytestmark = pytest.mark.browser


class Line:
    """A page's way to the room: it can be dead without either end knowing, and then be known to be."""

    def __init__(self, page: Page) -> None:
        self.is_dead = False
        self._sockets: list[WebSocketRoute] = []
        page.route_web_socket(re.compile("/ws/hearings/"), self._open)

    def _open(self, page: WebSocketRoute) -> None:
        self._sockets.append(page)
        server = page.connect_to_server()
        page.on_message(lambda message: None if self.is_dead else server.send(message))
        server.on_message(lambda message: None if self.is_dead else page.send(message))

    def goes_dead(self) -> None:
        """Let nothing through any more."""
        self.is_dead = True

    def is_found_dead(self) -> None:
        """Cut it at the page's end; the next one is well."""
        self.is_dead = False
        self._sockets.pop().close(code=3000)


def test_words_written_into_a_dead_line_are_there_once_when_it_is_back(
    shared_server: Server, applicants_browser: Browser, prosecutors_browser: Browser
) -> None:
    phone = open_context(applicants_browser, PHONE, phone=True).new_page()
    desk = open_context(prosecutors_browser, DESK).new_page()
    line = Line(phone)
    sign_in(desk, shared_server, "wang")
    come_in(phone, shared_server)
    let_in(desk, shared_server)
    desk.locator("#tab-words").click()
    phone.locator("#call-words").click()
    hers, his = phone.locator("#words-text"), desk.locator("#words-text")
    on_phone, on_desk = phone.locator("#words-list li"), desk.locator("#words-list li")

    hers.fill("听得到吗")
    hers.press("Enter")
    expect(hers).to_have_value("")
    line.goes_dead()
    his.fill("还在吗")
    his.press("Enter")
    expect(his).to_have_value("")
    hers.fill("在的")
    hers.press("Enter")
    hers.press("Enter")
    expect(on_desk).to_have_count(2)
    line.is_found_dead()
    expect(on_phone).to_have_count(2, timeout=BACK_MS)
    expect(hers).to_have_value("在的")
    hers.press("Enter")
    expect(hers).to_have_value("")
    for words in (on_phone, on_desk):
        expect(words).to_have_count(3)
        expect(words).to_contain_text(["听得到吗", "还在吗", "在的"])
