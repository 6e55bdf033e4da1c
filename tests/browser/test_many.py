"""Six people in one hearing: host, applicant and four who help; everybody sees everybody else move. One watches."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest
from playwright.sync_api import Page, Playwright, expect
from sqlalchemy import select

from records.actors import Role
from records.database import Database
from records.ids import new_id
from records.personal import PersonalData
from sessions.seats import SeatRole
from sessions.tables import Seat, Session
from tests.browser.apart import run_apart
from tests.browser.conftest import CHROMIUM, QUIET
from tests.browser.people import DESK, PHONE, Camera, come_in, open_context, sign_in
from tests.browser.server import Server
from tests.support.clips import Clip, prosecutor_clip
from web.accounts.tables import Staff

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

HELPERS = ("巴特尔", "周敏", "郑远")
WATCHER = "qian"
PATIENCE_MS = 120_000
# Resolves once so many new frames of so many far people were shown, with the count of each; else after a while.
FRAMES_OF_EACH = """
([people, frames, patienceMs]) => new Promise((resolve) => {
  const counts = new Map();
  const begin = (video) => {
    counts.set(video, 0);
    const count = () => {
      counts.set(video, counts.get(video) + 1);
      video.requestVideoFrameCallback(count);
    };
    video.requestVideoFrameCallback(count);
  };
  const until = performance.now() + patienceMs;
  const look = () => {
    for (const video of document.querySelectorAll(".person video"))
      if (!counts.has(video) && video.srcObject?.getAudioTracks().length) begin(video);
    const reached = [...counts.values()];
    const all = reached.length >= people && reached.every((count) => count >= frames);
    if (all || performance.now() > until) resolve(reached);
    else setTimeout(look, 50);
  };
  look();
})
"""


@pytest.fixture
def small_camera(tmp_path: Path) -> Clip:
    """A camera of 160 by 120 that shows a bar moving, ten times a second: six of them fit on a small machine."""
    width, height, frames = 160, 120, 40
    picture = tmp_path / "small.y4m"
    with picture.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 C420\n".encode())
        for number in range(frames):
            bright = number * width // frames
            row = bytes(235 if abs(x - bright) < 12 else 60 for x in range(width))
            file.write(b"FRAME\n" + row * height + bytes([128]) * (width * height // 2))
    return Clip(picture, prosecutor_clip().sound)


async def _seat_more(server: Server) -> None:
    """Give three who help an account and a seat; one who watches has both in every demonstration."""
    url = f"sqlite+aiosqlite:///{server.var / 'jiefang.sqlite'}"
    database = Database(url, personal=PersonalData(bytes(32)))
    try:
        async with database.begin() as db:
            session = (await db.scalars(select(Session))).one()
            liu = (await db.scalars(select(Staff).where(Staff.user_name == "liu"))).one()
            for name in HELPERS:
                staff = Staff(
                    id=new_id(),
                    office_id=session.office_id,
                    user_name=name,
                    name=name,
                    title="翻译",
                    roles=Role.GUEST.value,
                    password_hash=liu.password_hash,
                )
                db.add(staff)
                db.add(
                    Seat(
                        id=new_id(),
                        session_id=session.id,
                        role=SeatRole.HELPER,
                        person_id=staff.id,
                        display_name=name,
                        title=staff.title,
                        office_name="",
                    )
                )
    finally:
        await database.dispose()


@pytest.fixture
def roomy_server(server: Server) -> Iterator[Server]:
    """A demonstration whose hearing has seats for six who are seen and heard."""
    run_apart(_seat_more(server))
    yield server


def test_six_people_see_each_other_move_and_one_watches(
    roomy_server: Server, playwright: Playwright, small_camera: Clip, camera: Camera
) -> None:
    with ExitStack() as open_things:
        browser = open_things.enter_context(
            playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *small_camera.chromium_arguments])
        )
        phone = open_context(browser, PHONE, phone=True).new_page()
        come_in(phone, roomy_server)
        expect(phone.locator("[data-step=waiting]").get_by_text("这次有 1 人旁听")).to_be_visible()
        desks = {}
        for user_name in ("wang", "liu", *HELPERS, WATCHER):
            desks[user_name] = open_context(browser, DESK).new_page()
            desks[user_name].set_default_timeout(60_000)
            if user_name == WATCHER:
                # Whoever watches is asked for no devices: asking would fail here.
                desks[user_name].add_init_script("delete Navigator.prototype.mediaDevices;")
            sign_in(desks[user_name], roomy_server, user_name)
            desks[user_name].get_by_role("link", name="旁听" if user_name == WATCHER else "进入接访室").click()
            desks[user_name].locator("#faces").wait_for()
        desks["wang"].locator("#stage-admit").click()
        for name, page in {"gao": phone, **desks}.items():
            others = len(desks) if name == WATCHER else len(desks) - 1
            counts = cast(list[int], page.evaluate(FRAMES_OF_EACH, [others, 10, PATIENCE_MS]))
            assert len(counts) == others, (name, counts)
            assert min(counts) >= 10, (name, counts)
        # Among so many, whoever is small on most screens sends half as wide a picture as the host.
        for name, width in (("王志远", 160), (HELPERS[0], 80)):
            video = phone.locator(".person", has_text=name).locator("video")
            expect(video).to_have_js_property("videoWidth", width, timeout=PATIENCE_MS)
        _everybody_knows_who_watches(phone, desks["wang"], desks[WATCHER])
        for name, page in (("phone", phone), ("desk", desks["wang"]), ("watcher", desks[WATCHER])):
            camera.shoot(page, f"many-{name}")


def _everybody_knows_who_watches(phone: Page, host: Page, watcher: Page) -> None:
    phone.get_by_role("button", name="旁听 1 人").click()
    expect(phone.locator("#watching-names")).to_have_text("钱芳 人民监督员")
    phone.get_by_role("button", name="知道了").click()
    host.get_by_role("button", name="旁听 1 人").click()
    expect(host.locator("#watching")).to_contain_text("钱芳")
    for page in (phone, host, watcher):
        expect(page.locator(".person")).to_have_count(6)
        expect(page.locator(".person", has_text="钱芳")).to_have_count(0)
    expect(watcher.get_by_text("您在旁听")).to_be_visible()
    for gone in ("#control-mute", "#control-camera", "#words-form", "#tab-identity", "#tab-reading"):
        expect(watcher.locator(gone)).to_have_count(0)
