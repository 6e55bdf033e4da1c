"""A disk that is full, and one that is gone, in the middle of a hearing: what people see, and what is left of it."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from playwright.sync_api import Browser, Page, expect

from records.manifests import GAP_MS_MIN
from tests.browser.evidence import verify
from tests.browser.people import (
    BACK_MS,
    DESK,
    PHONE,
    STEP_MS,
    Camera,
    come_in,
    end_hearing,
    let_in,
    open_context,
    sees_the_other,
    sign_in,
)
from tests.browser.server import DemoProcess, Server

pytestmark = pytest.mark.browser

TOLD_MS = STEP_MS
"""Told within two seconds; on a busy machine a page needs its time, too."""
SETTLE_MS = 1000
"""A click meant for the alarm that was there before is let pass for so long."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A small volume, for all data of a demonstration or for its recordings."""

    path: Path

    def mount(self) -> None:
        """Put it there, empty."""
        self.path.mkdir(parents=True, exist_ok=True)
        mounting = ["mount", "-t", "tmpfs", "-o", "size=48m", "jiefang-data", str(self.path)]
        made = subprocess.run(mounting, capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"no volume can be mounted here (root is needed): {made.stderr.strip()}")

    def unmount(self) -> None:
        """Take it away under whoever uses it."""
        subprocess.run(["umount", "--lazy", str(self.path)], capture_output=True, check=False)

    @property
    def ballast(self) -> Path:
        """What fills it."""
        return self.path / "ballast"

    def fill(self) -> None:
        """Leave not a byte."""
        with self.ballast.open("wb") as file, suppress(OSError):
            while True:
                os.write(file.fileno(), bytes(4096))

    def free(self) -> None:
        """Make space again."""
        self.ballast.unlink()


@dataclass(frozen=True, slots=True)
class Place:
    """A running demonstration, and the volume that its data or its recordings lie on."""

    server: Server
    disk: Disk


@contextmanager
def demonstration(var: Path, disk: Disk, **environment: str) -> Iterator[Place]:
    disk.mount()
    process = DemoProcess(var, environment=environment)
    try:
        process.start()
        yield Place(process.server, disk)
    finally:
        process.stop()
        disk.unmount()


@pytest.fixture
def one_volume(tmp_path: Path) -> Iterator[Place]:
    """Everything lies on one volume, as in a small office: the record, the evidence, the recordings. Little memory."""
    disk = Disk(tmp_path / "var")
    with demonstration(tmp_path / "var", disk, JIEFANG_RECORDER_MEMORY_MIB="2") as place:
        yield place


@pytest.fixture
def own_volume(tmp_path: Path) -> Iterator[Place]:
    """Recordings lie on a volume of their own, and little memory waits for it."""
    disk = Disk(tmp_path / "var" / "data" / "journals")
    with demonstration(tmp_path / "var", disk, JIEFANG_RECORDER_MEMORY_MIB="1") as place:
        yield place


def meet(server: Server, applicants: Browser, prosecutors: Browser) -> tuple[Page, Page]:
    """Have both in the room, seeing each other; return the applicant's page and the host's."""
    phone = open_context(applicants, PHONE, phone=True).new_page()
    desk = open_context(prosecutors, DESK).new_page()
    sign_in(desk, server, "wang")
    come_in(phone, server)
    let_in(desk, server)
    both_see_each_other(phone, desk)
    return phone, desk


def both_see_each_other(*pages: Page) -> None:
    """Assert that the far faces move."""
    for page in pages:
        sees_the_other(page)


def trail(server: Server, event: str) -> list[dict[str, object]]:
    """Return what the trail says of an event."""
    rows = server.ask("SELECT details FROM trail_entries WHERE event = ? ORDER BY sequence", event)
    return [json.loads(str(details)) for (details,) in rows]


def manifest(server: Server) -> dict[str, object]:
    """Return the manifest of the one recording."""
    (path,) = (server.var / "data" / "journals").glob("*/manifest.json")
    content: dict[str, object] = json.loads(path.read_bytes())
    return content


def switch_cameras(phone: Page, desk: Page, said: str) -> None:
    """Both switch their cameras off, or on; `said` stands in the place of the other's picture."""
    phone.locator("#call-camera").click()
    desk.locator("#control-camera").click()
    for page in (phone, desk):
        expect(page.locator(".person--stage .person__empty")).to_contain_text(said)
        if not said:
            expect(page.locator(".person--stage .person__empty")).to_be_hidden()


def make_it_record(desk: Page) -> None:
    """Press the alarm's button; the recording goes on by itself as well, and then the button is gone already."""
    desk.evaluate("document.getElementById('alarm-act').click()")


def picture_of_alarm(page: Page, camera: Camera, name: str) -> None:
    """Look at it on a desk and on a phone."""
    camera.shoot(page, f"{name}-desk")
    page.set_viewport_size(PHONE)
    camera.shoot(page, f"{name}-phone")
    page.set_viewport_size(DESK)


def test_a_full_disk_is_told_at_once_and_one_click_after_space_is_made_all_is_well(
    one_volume: Place, applicants_browser: Browser, prosecutors_browser: Browser, camera: Camera
) -> None:
    server, disk = one_volume.server, one_volume.disk
    phone, desk = meet(server, applicants_browser, prosecutors_browser)
    alarm = desk.locator("#alarm")
    expect(alarm).to_be_hidden()

    # For a moment, which memory bridges: without pictures it lasts, however slow this machine is.
    switch_cameras(phone, desk, "关了画面")
    disk.fill()
    expect(alarm.get_by_role("alert")).to_contain_text("磁盘满了", timeout=TOLD_MS)
    expect(alarm.get_by_role("alert")).to_contain_text("起的内容还没有存进磁盘")
    disk.free()
    make_it_record(desk)
    expect(alarm).to_be_hidden(timeout=TOLD_MS)
    expect(desk.locator("#told")).to_contain_text("没有缺失")
    expect(desk.locator("#saved")).to_contain_text("已存到最后一秒", timeout=TOLD_MS)

    # For longer.
    switch_cameras(phone, desk, "")
    disk.fill()
    expect(alarm).to_be_visible(timeout=TOLD_MS)
    expect(desk).to_have_title(re.compile("录像存不上了"))
    expect(desk.locator("#saved")).to_contain_text(re.compile(r"已存到 00:\d\d:\d\d"))
    expect(phone.get_by_role("alert").filter(has_text="录音录像暂时存不上")).to_be_visible(timeout=TOLD_MS)
    picture_of_alarm(desk, camera, "disk-full")
    camera.shoot(phone, "disk-full-applicant")
    desk.keyboard.press("R")
    expect(desk.locator("#alarm-tried")).to_contain_text("还是存不上", timeout=TOLD_MS)
    desk.keyboard.press("P")
    expect(desk.locator("#prompt-dialog")).to_be_visible()
    expect(alarm).to_have_attribute("popover", "manual")
    camera.shoot(desk, "disk-full-dialogue")
    desk.keyboard.press("Escape")
    expect(alarm).not_to_have_attribute("popover", "manual")
    expect(alarm).to_be_visible()
    both_see_each_other(phone, desk)
    expect(desk.locator("#alarm-risk")).to_contain_text("都没有录下来", timeout=BACK_MS)
    expect(desk.locator("#rec-none")).to_contain_text("现在没有在录")
    expect(phone.locator("#rec")).to_be_hidden()
    picture_of_alarm(desk, camera, "disk-losing")
    desk.reload()
    expect(desk.locator("#alarm-risk")).to_contain_text("都没有录下来", timeout=BACK_MS)
    desk.wait_for_timeout(GAP_MS_MIN)  # the hole is to be one that a manifest names

    disk.free()
    make_it_record(desk)
    expect(phone.locator("#line")).to_contain_text("可以接着说", timeout=TOLD_MS)
    expect(alarm).to_contain_text("没有录上", timeout=TOLD_MS)
    expect(alarm).to_have_attribute("data-kind", "mended")
    expect(desk.locator("#rec")).to_be_visible()
    expect(phone.locator("#alarm")).to_be_hidden()
    picture_of_alarm(desk, camera, "disk-lost")
    desk.locator("#alarm-act").focus()
    desk.wait_for_timeout(SETTLE_MS)
    desk.keyboard.press("Enter")
    expect(alarm).to_be_hidden()
    both_see_each_other(phone, desk)
    expect(desk.locator("#saved")).to_contain_text("已存到最后一秒", timeout=TOLD_MS)

    end_hearing(desk)
    expect(desk.get_by_text("证据链完整")).to_be_visible(timeout=BACK_MS)
    expect(desk.get_by_text(re.compile("录像中断：磁盘满了，有 .*秒没有录上")).first).to_be_visible()
    camera.shoot(desk, "disk-lost-afterwards")
    whole = verify(server)
    assert whole.returncode == 0, whole.stdout
    bridged, broken = trail(server, "RecordingInterrupted")
    assert (bridged["cause"], bridged["lost_to_ms"]) == ("disk_full", None)
    (gap,) = cast(list[dict[str, int]], manifest(server)["gaps"])
    assert abs(gap["to_ms"] - cast(int, broken["lost_to_ms"])) < 100
    assert abs(gap["from_ms"] - cast(int, broken["lost_from_ms"])) < 1500


def test_a_volume_that_is_gone_is_told_and_one_click_records_where_its_path_leads_now(
    own_volume: Place, applicants_browser: Browser, prosecutors_browser: Browser, camera: Camera
) -> None:
    server, disk = own_volume.server, own_volume.disk
    phone, desk = meet(server, applicants_browser, prosecutors_browser)
    expect(desk.locator("#saved")).to_contain_text("已存到最后一秒", timeout=TOLD_MS)
    disk.unmount()
    alert = desk.locator("#alarm").get_by_role("alert")
    expect(alert).to_contain_text("存录像的磁盘不见了", timeout=TOLD_MS)
    expect(phone.locator("#alarm")).to_be_visible()
    picture_of_alarm(desk, camera, "disk-gone")
    expect(desk.locator("#alarm-risk")).to_contain_text("都没有录下来", timeout=BACK_MS)
    assert not list(disk.path.iterdir()), "nobody writes beside the volume unasked"
    disk.mount()  # another one, empty
    desk.get_by_role("button", name="在能用的位置接着录").click()
    expect(desk.locator("#alarm")).to_have_attribute("data-kind", "mended", timeout=TOLD_MS)
    expect(desk.locator("#rec")).to_be_visible()
    both_see_each_other(phone, desk)
    expect(desk.locator("#saved")).to_contain_text("已存到最后一秒", timeout=TOLD_MS)
    end_hearing(desk)
    expect(desk.get_by_text("录像中断：存录像的磁盘不见了").first).to_be_visible(timeout=BACK_MS)
    told = verify(server)
    assert told.returncode != 0
    assert "录像封存时就有缺陷（缺这一段）" in told.stdout
