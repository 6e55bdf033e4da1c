"""Fixtures of the browser tests: the real server, and real browsers with drawn cameras."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from tests.browser.more_hearings import book_another
from tests.browser.people import STEP_MS, Camera
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
    """A running demonstration with fresh data: for whoever ends the hearing, or looks at all there is."""
    return demo_process.server


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A demonstration that many tests share; each has a hearing of its own, by way of `shared_server`."""
    process = DemoProcess(tmp_path_factory.mktemp("house") / "var")
    process.start()
    yield process.server
    process.stop()


@pytest.fixture
def shared_server(house: Server) -> Server:
    """The shared demonstration, with a hearing of this test's own in it that nobody has entered."""
    return book_another(house)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """The driver of the browsers."""
    # Nobody waits in vain: what is there already costs no time, and a busy machine has its own.
    expect.set_options(timeout=STEP_MS)
    with sync_playwright() as driver:
        yield driver


def launch(playwright: Playwright, clip: Clip) -> Browser:
    return playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *clip.chromium_arguments])


class Browsers:
    """One browser a clip, started when it is wanted first, and again when it died."""

    def __init__(self, playwright: Playwright) -> None:
        self._playwright = playwright
        self._running: dict[Clip, Browser] = {}

    def lend(self, clip: Clip) -> Iterator[Browser]:
        """Lend a browser; what was opened in it meanwhile is closed at the end."""
        browser = self._running.get(clip)
        if browser is None or not browser.is_connected():
            browser = self._running[clip] = launch(self._playwright, clip)
        before = browser.contexts
        yield browser
        for context in browser.contexts:
            if context not in before:
                context.close()

    def close(self) -> None:
        """Close all of them."""
        for browser in self._running.values():
            browser.close()


@pytest.fixture(scope="session")
def browsers(playwright: Playwright) -> Iterator[Browsers]:
    """The browsers that all tests share."""
    browsers = Browsers(playwright)
    yield browsers
    browsers.close()


@pytest.fixture
def applicants_browser(browsers: Browsers) -> Iterator[Browser]:
    """A browser whose camera shows the drawn applicant."""
    yield from browsers.lend(applicant_clip())


@pytest.fixture
def prosecutors_browser(browsers: Browsers) -> Iterator[Browser]:
    """A browser whose camera shows the drawn prosecutor."""
    yield from browsers.lend(prosecutor_clip())


@pytest.fixture
def camera() -> Camera:
    """Writes pictures of the pages where people look at them."""
    directory = ROOT / "var" / "screenshots"
    directory.mkdir(parents=True, exist_ok=True)
    return Camera(directory)
