"""Fixtures of the browser tests: the real server, and real browsers with drawn cameras."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.browser.people import Camera
from tests.browser.server import ROOT, DemoProcess, Server
from tests.support.clips import Clip, applicant_clip, prosecutor_clip

CHROMIUM = next(
    (path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).exists()), "/usr/bin/chromium"
)
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
)


@pytest.fixture
def demo_process(tmp_path: Path) -> Iterator[DemoProcess]:
    """A running demonstration with fresh data, which the test may stop and start."""
    process = DemoProcess(tmp_path / "var")
    process.start()
    yield process
    process.stop()


@pytest.fixture
def server(demo_process: DemoProcess) -> Server:
    """A running demonstration with fresh data."""
    return demo_process.server


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """The driver of the browsers."""
    with sync_playwright() as driver:
        yield driver


def launch(playwright: Playwright, clip: Clip) -> Browser:
    return playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *clip.chromium_arguments])


@pytest.fixture
def applicants_browser(playwright: Playwright) -> Iterator[Browser]:
    """A browser whose camera shows the drawn applicant."""
    with launch(playwright, applicant_clip()) as browser:
        yield browser


@pytest.fixture
def prosecutors_browser(playwright: Playwright) -> Iterator[Browser]:
    """A browser whose camera shows the drawn prosecutor."""
    with launch(playwright, prosecutor_clip()) as browser:
        yield browser


@pytest.fixture
def camera() -> Camera:
    """Writes pictures of the pages where people look at them."""
    directory = ROOT / "var" / "screenshots"
    directory.mkdir(parents=True, exist_ok=True)
    return Camera(directory)
