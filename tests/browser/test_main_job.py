"""The main job, from the link to the proof: two browsers, one server, real media, real files."""

import re
import subprocess
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from aid.bank.stub import answer
from tests.browser.evidence import check_books, check_recording, is_whole, one_byte_flipped, touchable, verify
from tests.browser.people import (
    DESK,
    PHONE,
    Camera,
    come_in,
    confirm_and_sign,
    end_hearing,
    open_context,
    sees_and_hears,
    sees_movement,
    sign_in,
    verify_identity,
)
from tests.browser.server import Server

pytestmark = pytest.mark.browser


AtDesk = Callable[[str], Page]


def hold_hearing(phone: Page, desk: Page, server: Server, camera: Camera) -> None:
    """She comes in by her link; he admits her; both see and hear each other, until he ends and the recording plays."""
    come_in(phone, server, camera)
    camera.shoot(phone, "phone-waiting")
    camera.shoot(desk, "desk-today")
    desk.get_by_role("link", name="进入接访室").click()
    expect(desk.locator("#stage-admit")).to_be_visible()
    camera.shoot(desk, "desk-waiting")
    desk.locator("#stage-admit").click()

    expect(phone.locator("[data-step=room]")).to_be_visible()
    for page in (phone, desk):
        expect(page.locator("#rec")).to_be_visible()
        sees_and_hears(page)
    camera.shoot(phone, "phone-hearing")
    camera.shoot(desk, "desk-host")

    verify_identity(desk, camera)
    confirm_and_sign(phone, desk, camera)
    end_hearing(desk)
    expect(phone).to_have_url(re.compile("/hearing/after"))
    camera.shoot(phone, "phone-after")
    expect(desk.get_by_text("证据链完整")).to_be_visible()
    desk.locator("[data-act=play]:not([disabled])").click()
    for video in desk.locator("[data-player] video").all():
        seat = video.get_attribute("data-seat")
        assert sees_movement(desk, f"video[data-seat='{seat}']")
    camera.shoot(desk, "desk-session")


def pay(at_desk: AtDesk, server: Server, camera: Camera) -> None:
    """One approves, one drafts, another releases, the bank answers."""
    approver = at_desk("chen")
    approver.get_by_role("link", name="案件").click()
    camera.shoot(approver, "desk-cases")
    approver.get_by_role("link", name="审批").click()
    camera.shoot(approver, "desk-case")
    approver.get_by_role("button", name="同意救助").click()
    expect(approver.get_by_text("已同意救助")).to_be_visible()

    drafter = at_desk("sun")
    camera.shoot(drafter, "desk-fund")
    drafter.get_by_role("button", name="把选中的制成一批").click()
    expect(drafter.get_by_text("要另一位财务人员放行")).to_be_visible()
    batch_path = urlsplit(drafter.url).path

    releaser = at_desk("zhou")
    releaser.goto(server.origin + batch_path)
    camera.shoot(releaser, "desk-batch")
    releaser.get_by_role("button", name="放行可以放行的 1 笔").click()
    expect(releaser.get_by_text("已放行，银行文件可以下载了")).to_be_visible()
    with releaser.expect_download() as download:
        releaser.get_by_role("link", name="下载银行文件").click()
    bank_file = download.value.path().read_bytes()
    assert "高秀兰" in bank_file.decode()

    drafter.goto(server.origin + batch_path)
    drafter.locator("#answer").set_input_files(
        {"name": "answer.xml", "mimeType": "application/xml", "buffer": answer(bank_file)}
    )
    drafter.get_by_role("button", name="上传并核对").click()
    expect(drafter.get_by_text("逐笔核对过了")).to_be_visible()
    drafter.get_by_role("link", name="查看").click()
    expect(drafter.get_by_text("已到账").first).to_be_visible()
    camera.shoot(drafter, "desk-payment")


def read_receipt(phone: Page, server: Server, camera: Camera) -> None:
    """Her own page says that the money is there, and offers the receipt."""
    phone.reload()
    expect(phone.get_by_role("heading", name="救助金到账了")).to_be_visible()
    camera.shoot(phone, "phone-paid")
    receipt = phone.request.get(f"{server.origin}/hearing/receipt.pdf").body()
    (camera.directory / "receipt.pdf").write_bytes(receipt)
    text = subprocess.run(["pdftotext", "-layout", "-", "-"], input=receipt, capture_output=True, check=True).stdout
    for words in ("高秀兰", "人民币贰万元整", "6217 **** **** 3456"):
        assert words in text.decode(), words


def prove(server: Server) -> None:
    """Everything verifies; one changed byte in any kind of file is found, and named."""
    whole = verify(server)
    assert whole.returncode == 0, whole.stdout
    assert "全部核对过，没有被改动" in whole.stdout
    segment, *others = touchable(server)
    with one_byte_flipped(segment):
        broken = verify(server)
    assert broken.returncode == 1
    assert f"录像的这一段被改过：{segment.name}" in broken.stdout
    for path in others:
        with one_byte_flipped(path):
            assert not is_whole(server), path
    assert is_whole(server)


def test_a_hearing_is_held_aid_is_paid_and_everything_can_be_proven(
    server: Server, applicants_browser: Browser, prosecutors_browser: Browser, camera: Camera
) -> None:
    errors: list[str] = []

    def watch(who: str, page: Page) -> Page:
        page.on("pageerror", lambda error: errors.append(f"{who}: {error}"))
        page.on("console", lambda m: errors.append(f"{who}: {m.text}") if m.type == "error" else None)
        return page

    def at_desk(user_name: str) -> Page:
        page = watch(user_name, open_context(prosecutors_browser, DESK).new_page())
        sign_in(page, server, user_name)
        return page

    phone = watch("phone", open_context(applicants_browser, PHONE, phone=True).new_page())
    desk = at_desk("wang")
    hold_hearing(phone, desk, server, camera)
    desk.context.close()
    pay(at_desk, server, camera)
    read_receipt(phone, server, camera)
    assert not errors
    check_recording(server)
    check_books(server)
    prove(server)
