"""What each person of the main job does with their browser, in their own words and clicks."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from tests.browser.server import Server
from web.current import STAFF_COOKIE
from web.demo import PASSWORD

PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1440, "height": 900}
STEP_MS = 30_000
"""How long a step may take on a machine that is busy with other things."""
BACK_MS = 60_000
"""And how long coming back by itself."""
FAR_FACE = ".person--stage video"

# Resolves once so many new frames were shown, which a still picture never does; gives up after a while. Whose element
# is made anew meanwhile is looked for again.
FRAMES_SHOWN = """
([selector, wanted, patienceMs]) => new Promise((resolve) => {
  let frames = 0, watched = null;
  const until = performance.now() + patienceMs;
  const count = () => {
    frames += 1;
    watched?.requestVideoFrameCallback(count);
  };
  const look = () => {
    const video = document.querySelector(selector);
    if (video !== watched) (watched = video)?.requestVideoFrameCallback(count);
    if (frames >= wanted || performance.now() > until) resolve(frames);
    else setTimeout(look, 20);
  };
  look();
})
"""
# Resolves with the loudest sample heard from the far streams (0 to 1), as soon as it is loud enough.
LOUDEST = """
async ([enough, patienceMs]) => {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  const heard = new Set();
  const samples = new Float32Array(analyser.fftSize);
  let loudest = 0;
  const until = performance.now() + patienceMs;
  while (loudest < enough && performance.now() < until) {
    for (const { srcObject, muted } of document.querySelectorAll("video, audio")) {
      if (muted || heard.has(srcObject) || !srcObject?.getAudioTracks().length) continue;
      heard.add(srcObject);
      context.createMediaStreamSource(srcObject).connect(analyser);
    }
    analyser.getFloatTimeDomainData(samples);
    for (const sample of samples) loudest = Math.max(loudest, Math.abs(sample));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await context.close();
  return loudest;
}
"""


def comes_true(page: Page, condition: str) -> None:
    """Wait until a function of the page's language returns something true. (The pages' policy forbids what the driver's
    own way needs: evaluating text again and again.)"""
    look = f"""
      (patienceMs) => new Promise((resolve) => {{
        const until = performance.now() + patienceMs;
        const holds = {condition.strip()};
        const look = async () => {{
          if (await holds()) resolve(true);
          else if (performance.now() > until) resolve(false);
          else setTimeout(look, 50);
        }};
        void look();
      }})
    """
    assert page.evaluate(look, BACK_MS), condition


@dataclass
class Camera:
    """Writes pictures of pages, to be looked at."""

    directory: Path

    def shoot(self, page: Page, name: str) -> None:
        """Take a picture of what the window shows."""
        page.screenshot(path=self.directory / f"{name}.png")


def open_context(
    browser: Browser, viewport: ViewportSize, *, phone: bool = False, trusting: bool = False
) -> BrowserContext:
    """Open a browser as somebody's own, with nothing in it; a trusting one takes self-signed certificates."""
    context = browser.new_context(
        viewport=viewport, has_touch=phone, is_mobile=phone, locale="zh-CN", ignore_https_errors=trusting
    )
    context.set_default_timeout(STEP_MS)
    return context


_LOGINS: dict[tuple[str, str], str] = {}
"""Where tests share a house, they share logins: nobody may try to sign in more than eight times in ten minutes."""


def sign_in(page: Page, server: Server, user_name: str) -> None:
    """Sign in as a member of staff."""
    login = _LOGINS.get((server.origin, user_name)) if server.hearing else None
    if login is not None:
        page.context.add_cookies([{"name": STAFF_COOKIE, "value": login, "url": server.origin}])
        page.goto(f"{server.origin}/today")
        return
    page.goto(f"{server.origin}/sign-in")
    page.get_by_label("用户名").fill(user_name)
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录", exact=True).click()
    expect(page.locator(".bar__person")).to_be_visible()
    if server.hearing:
        (cookie,) = (one for one in page.context.cookies(server.origin) if one["name"] == STAFF_COOKIE)
        _LOGINS[server.origin, user_name] = cookie["value"]


def sees_movement(page: Page, selector: str, *, frames: int = 10) -> bool:
    """Tell whether a far person's picture moves: so many new frames are shown before patience ends."""
    return cast(int, page.evaluate(FRAMES_SHOWN, [selector, frames, STEP_MS])) >= frames


def hears_somebody(page: Page, *, loudness: float = 0.02) -> bool:
    """Tell whether far sound has energy: a sample of this size (0 to 1) before patience ends."""
    return cast(float, page.evaluate(LOUDEST, [loudness, STEP_MS])) >= loudness


def show_the_id_tail(page: Page, server: Server) -> None:
    """The applicant: the link and four characters."""
    page.goto(server.invitation)
    page.get_by_label("请输入您身份证号码的后四位").fill(server.id_tail)
    page.get_by_role("button", name="进入").click()


def agree(page: Page, server: Server) -> None:
    """The applicant: as far as the page where devices are tried out; what she agreed to before is not asked again."""
    page.goto(server.invitation)
    if page.get_by_role("button", name="进入").count():
        show_the_id_tail(page, server)
    page.locator("#recording-agree:visible, #personal_data-agree:visible, #check-start:visible").wait_for()
    for consent, after in (("recording", "personal_data"), ("personal_data", "devices")):
        if page.locator(f"#{consent}-agree").is_visible():
            page.locator(f"#{consent}-agree").click()
            page.locator(f"[data-step={after}]").wait_for()


def try_devices(page: Page) -> None:
    """The applicant: camera and microphone, which work."""
    page.get_by_role("button", name="打开摄像头和话筒").click()
    expect(page.locator("#check-row-camera[data-kind=good]")).to_be_visible()
    page.get_by_role("button", name="都好了，继续").click()


def come_in(page: Page, server: Server, camera: Camera | None = None) -> None:
    """The applicant: the link, four characters, two consents, the devices, the waiting room; with pictures of each."""

    def shoot(name: str) -> None:
        if camera is not None:
            camera.shoot(page, f"phone-{name}")

    page.goto(server.invitation)
    shoot("invitation")
    page.get_by_label("请输入您身份证号码的后四位").fill(server.id_tail)
    page.get_by_role("button", name="进入").click()
    expect(page.get_by_role("heading", name="您同意录音录像吗")).to_be_visible()
    shoot("consent-recording")
    page.get_by_role("button", name="我同意录音录像").click()
    expect(page.locator("#personal-heading")).to_be_visible()
    shoot("consent-data")
    page.get_by_role("button", name="我同意使用这些信息").click()
    page.get_by_role("button", name="打开摄像头和话筒").click()
    expect(page.locator("#check-row-camera[data-kind=good]")).to_be_visible()
    shoot("devices")
    page.get_by_role("button", name="都好了，继续").click()
    expect(page.locator("[data-step=waiting]")).to_be_visible()
    expect(page.locator("#wait-row-devices[data-kind=good]")).to_contain_text("正常")


def let_in(desk: Page, server: Server) -> None:
    """The host, signed in: comes to the room and lets the applicant in."""
    desk.goto(server.room)
    desk.locator("#stage-admit").click()
    expect(desk.locator("#rec")).to_be_visible()


def sees_the_other(page: Page) -> None:
    """Assert that a far face is there and moves."""
    page.locator(FAR_FACE).wait_for(timeout=BACK_MS)
    expect(page.locator(FAR_FACE)).not_to_have_js_property("videoWidth", 0, timeout=BACK_MS)
    assert sees_movement(page, FAR_FACE)


def sees_and_hears(page: Page) -> None:
    """Assert that the far face moves and the far sound has energy."""
    sees_the_other(page)
    assert hears_somebody(page)


STILL_TRIES = 3
"""On a busy machine no whole picture may come in the time that one still may take; people click again."""
STILL_STEPS = ("人脸截图", "证件正面", "证件背面，慢慢倾斜")


def take_still(page: Page, count: int) -> None:
    """The host: Space, until this many stills are there."""
    for _ in range(STILL_TRIES):
        with page.expect_response(lambda answer: answer.url.endswith("/stills")) as answered:
            page.keyboard.press("Space")
        if answered.value.ok:
            break
    expect(page.locator("#stills img")).to_have_count(count)


def verify_identity(page: Page, camera: Camera) -> None:
    """The host: work through the check list, a still wherever one is asked for, and conclude."""
    page.locator("#tab-identity").click()
    expect(page.locator("#checks [aria-current=step]")).to_be_visible()
    stills = 0
    for step in range(page.locator("#checks li").count()):
        current = page.locator("#checks [aria-current=step]")
        title = current.locator(".check__title").inner_text()
        if title in STILL_STEPS:
            stills += 1
            take_still(page, stills)
        page.locator("#check-pass").click()
        expect(page.locator("#checks li").nth(step).locator(".check__done")).to_be_visible()
    camera.shoot(page, "desk-verified")
    page.locator("#identity-verify").click()
    expect(page.locator("#identity-verdict")).to_be_visible()


def sign_with_finger(page: Page) -> None:
    """The applicant: write something on the pad, stroke by stroke."""
    box = page.locator("#sign-pad").bounding_box()
    assert box is not None
    for stroke in range(3):
        x, y = box["x"] + 40 + stroke * 90, box["y"] + 30
        page.mouse.move(x, y)
        page.mouse.down()
        for step in range(8):
            page.mouse.move(x + 8 * step, y + 10 * (step % 3) + 6 * step)
        page.mouse.up()


def confirm_and_sign(phone: Page, desk: Page, camera: Camera) -> None:
    """The decision is read out, the applicant confirms amount and account, and signs; the host sees it arrive."""
    desk.locator("#tab-reading").click()
    desk.locator("#reading-ask").click()
    expect(phone.locator("[data-sheet=asked]")).to_be_visible()
    camera.shoot(phone, "phone-confirm")
    expect(phone.locator("[data-sheet=asked]")).to_contain_text("¥20,000.00")
    expect(phone.locator("[data-sheet=asked]")).to_contain_text("人民币贰万元整")
    expect(phone.locator("[data-sheet=asked]")).to_contain_text("6217 **** **** 3456")
    phone.locator("#sheet-confirm").click()
    expect(phone.locator("[data-sheet=confirmed]")).to_be_visible()
    sign_with_finger(phone)
    camera.shoot(phone, "phone-sign")
    phone.locator("#sign-send").click()
    expect(phone.locator("[data-sheet=signed]")).to_be_visible()
    expect(desk.locator("#reading-signature")).to_be_visible()
    camera.shoot(desk, "desk-signed")
    camera.shoot(phone, "phone-signed")


def end_hearing(desk: Page) -> None:
    """The host: end and seal."""
    desk.locator("#control-end").click()
    desk.get_by_role("button", name="结束并封存录像").click()
    expect(desk).to_have_url(re.compile("/sessions/[0-9a-f]{32}$"))
