"""Debian's Firefox with the made-up camera and microphone that it brings, driven over WebDriver BiDi."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.browser.people import FRAMES_SHOWN, STEP_MS
from tests.browser.server import ROOT, Server
from web.demo import PASSWORD

DRIVER = Path(__file__).parent / "firefox_driver.mjs"
# Loopback candidates stay off, as they are for everybody (media.peerconnection.ice.loopback).
PREFERENCES: Mapping[str, bool | int | str] = {
    "media.navigator.streams.fake": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "intl.accept_languages": "zh-CN",
}

# Keeps every connection that a page makes.
KEEP_CONNECTIONS = """() => {
  window.connections = [];
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...how) { super(...how); window.connections.push(this); }
  };
}"""
# Resolves with the energy of the far sound that was decoded, as soon as it is enough. Without a sound card, as on a
# server, Firefox plays nothing and its AudioContext never runs, so that there is nothing else to listen to.
ENERGY_HEARD = """
async ([enough, patienceMs]) => {
  const until = performance.now() + patienceMs;
  let energy = 0;
  while (energy < enough && performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    energy = 0;
    for (const report of (await window.connections.at(-1).getStats()).values())
      if (report.type === "inbound-rtp" && report.kind === "audio") energy += report.totalAudioEnergy;
  }
  return energy;
}
"""


class FirefoxPage:
    """The one page of a Firefox. What goes wrong in the browser is raised here as an AssertionError."""

    def __init__(self, driver: "subprocess.Popen[str]") -> None:
        self._driver = driver
        self._hear()

    def goto(self, url: str) -> None:
        """Open an address and wait until it has loaded."""
        self._call("goto", url)

    def click(self, selector: str) -> None:
        """Click what a CSS selector finds, once it is there, visible and enabled."""
        self._call("click", selector)

    def fill(self, selector: str, text: str) -> None:
        """Write into a field."""
        self._call("fill", selector, text)

    def wait_for(self, selector: str) -> None:
        """Wait until something is visible."""
        self._call("wait", selector)

    def evaluate(self, source: str, argument: object = None) -> Any:
        """Return what a function of the page's language returns for an argument."""
        return self._call("evaluate", source, argument)

    def run_early(self, source: str) -> None:
        """Run a script in every document from now on, before its own ones."""
        self._call("early", source)

    def version(self) -> str:
        """Return the browser's name and version."""
        return str(self._call("version"))

    def _call(self, call: str, *args: object) -> Any:
        assert self._driver.stdin is not None
        self._driver.stdin.write(json.dumps({"call": call, "args": args}) + "\n")
        self._driver.stdin.flush()
        return self._hear().get("result")

    def _hear(self) -> dict[str, Any]:
        assert self._driver.stdout is not None
        line = self._driver.stdout.readline()
        assert line, "the driver of Firefox has stopped; its words are above"
        answer: dict[str, Any] = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer


@contextmanager
def running_firefox() -> Iterator[FirefoxPage]:
    """Run a Firefox with nothing in it."""
    firefox, node = shutil.which("firefox-esr") or shutil.which("firefox"), shutil.which("node")
    assert firefox is not None, "firefox-esr is missing: tools/setup test installs it"
    assert node is not None, "node is missing: tools/setup test installs nodejs"
    assert (ROOT / "node_modules" / "puppeteer-core").is_dir(), (
        "puppeteer-core is missing: tools/setup test installs it"
    )
    driver = subprocess.Popen(
        [node, str(DRIVER), firefox, json.dumps(PREFERENCES)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        page = FirefoxPage(driver)
        page.run_early(KEEP_CONNECTIONS)
        yield page
    finally:
        assert driver.stdin is not None
        driver.stdin.close()
        try:
            driver.wait(30)
        except subprocess.TimeoutExpired:
            driver.kill()
            driver.wait()
        assert driver.stdout is not None
        driver.stdout.close()


def come_in_by_firefox(page: FirefoxPage, server: Server) -> None:
    """The applicant: the link, four characters, two consents, the devices, the waiting room."""
    page.goto(server.invitation)
    page.fill("#id-tail", server.id_tail)
    page.click("form button.button--main")
    page.click("#recording-agree")
    page.click("#personal_data-agree")
    page.click("#check-start")
    page.wait_for("#check-row-camera[data-kind=good]")
    page.click("#check-done")
    page.wait_for("[data-step=waiting]")


def host_comes_by_firefox(page: FirefoxPage, server: Server) -> None:
    """The host: signs in and goes to the room."""
    page.goto(f"{server.origin}/sign-in")
    page.fill("#user-name", "wang")
    page.fill("#password", PASSWORD)
    page.click("form.card button.button--main")
    page.wait_for(".bar__person")
    page.goto(server.room)


def sees_movement_in_firefox(page: FirefoxPage, selector: str, *, frames: int = 10) -> bool:
    """Tell whether a far person's picture moves."""
    return int(page.evaluate(FRAMES_SHOWN, [selector, frames, STEP_MS])) >= frames


def hears_somebody_in_firefox(page: FirefoxPage, *, energy: float = 0.001) -> bool:
    """Tell whether the sound that was decoded has energy (in squared full scale times seconds)."""
    return float(page.evaluate(ENERGY_HEARD, [energy, STEP_MS])) >= energy
