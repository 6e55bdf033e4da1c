"""A disk that is full, and one that is gone, in the middle of a hearing: what people see, and what is left of it."""

import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.evidence import verify
from tests.browser.people import DESK, PHONE, Camera, end_hearing, open_context, sign_in
from tests.browser.server import DemoProcess, Server
from tests.browser.test_bad_moments import BACK_MS, Hearing, begin

pytestmark = pytest.mark.browser

TOLD_MS = 10_000
"""Told within two seconds; on a busy machine a page needs its time, too."""


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


@pytest.fixture(params=["var"])
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Disk]:
    disk = Disk(tmp_path / request.param)
    disk.mount()
    yield disk
    disk.unmount()


@pytest.fixture
def server(disk: Disk, tmp_path: Path) -> Iterator[Server]:
    process = DemoProcess(tmp_path / "var")
    process.start()
    yield process.server
    process.stop()


@pytest.fixture
def hearing(server: Server, applicants_browser: Browser, prosecutors_browser: Browser, tmp_path: Path) -> Hearing:
    phone = open_context(applicants_browser, PHONE, phone=True).new_page()
    desk = open_context(prosecutors_browser, DESK).new_page()
    sign_in(desk, server, "wang")
    return begin(server, phone, desk, Camera(tmp_path))


def trail(server: Server, event: str) -> list[dict[str, object]]:
    """Return what the trail says of an event."""
    with sqlite3.connect(f"file:{server.var / 'jiefang.sqlite'}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT details FROM trail_entries WHERE event = ? ORDER BY sequence", (event,))
        return [json.loads(details) for (details,) in rows]


def manifest(server: Server) -> dict[str, object]:
    """Return the manifest of the one recording."""
    (path,) = (server.var / "data" / "journals").glob("*/manifest.json")
    content: dict[str, object] = json.loads(path.read_bytes())
    return content


def picture_of_alarm(page: Page, camera: Camera, name: str) -> None:
    """Look at it on a desk and on a phone."""
    camera.shoot(page, f"{name}-desk")
    page.set_viewport_size(PHONE)
    camera.shoot(page, f"{name}-phone")
    page.set_viewport_size(DESK)


def test_a_full_disk_is_told_at_once_and_one_click_after_space_is_made_all_is_well(
    server: Server, disk: Disk, hearing: Hearing, camera: Camera
) -> None:
    phone, desk = hearing.phone, hearing.desk
    alarm = desk.locator("#alarm")
    expect(alarm).to_be_hidden()
    disk.fill()
    expect(alarm.get_by_role("alert")).to_contain_text("磁盘满了", timeout=TOLD_MS)
    expect(alarm.get_by_role("alert")).to_contain_text("起的内容还没有存进磁盘")
    expect(desk).to_have_title(re.compile("录像存不上了"))
    expect(phone.get_by_role("alert").filter(has_text="录音录像暂时存不上")).to_be_visible(timeout=TOLD_MS)
    picture_of_alarm(desk, camera, "disk-full")
    camera.shoot(phone, "disk-full-applicant")
    desk.keyboard.press("R")
    expect(desk.locator("#alarm-tried")).to_contain_text("还是存不上", timeout=TOLD_MS)
    hearing.both_see_each_other()

    disk.free()
    desk.evaluate("document.getElementById('alarm-act').click()")
    expect(alarm).to_be_hidden(timeout=TOLD_MS)
    expect(desk.locator("#told")).to_contain_text("没有缺失")
    expect(phone.locator("#alarm")).to_be_hidden()
    expect(phone.locator("#line")).to_contain_text("可以接着说")
    expect(desk.locator("#saved")).to_contain_text("已存到最后一秒", timeout=TOLD_MS)
    end_hearing(desk)
    expect(desk.get_by_text("证据链完整")).to_be_visible(timeout=BACK_MS)
    expect(desk.get_by_text("录像存盘受阻：磁盘满了").first).to_be_visible()
    camera.shoot(desk, "disk-full-afterwards")
    whole = verify(server)
    assert whole.returncode == 0, whole.stdout
    assert manifest(server)["gaps"] == []
    (interrupted,) = trail(server, "RecordingInterrupted")
    assert (interrupted["cause"], interrupted["lost_to_ms"]) == ("disk_full", None)
