"""Fixtures of the browser tests: the real server in a process of its own, and real browsers with drawn cameras."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.support.clips import Clip, applicant_clip, prosecutor_clip
from web.simulator.person import DEMO_APPLICANT

ROOT = Path(__file__).parents[2]
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


@dataclass(frozen=True, slots=True)
class Server:
    """A running demonstration."""

    origin: str
    var: Path
    id_tail: str = DEMO_APPLICANT.id_tail

    @property
    def invitation(self) -> str:
        """The applicant's link."""
        return f"{self.origin}/i/{(self.var / 'secrets' / 'invitation').read_text('ascii')}"


def _free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class DemoProcess:
    """`jiefang demo` on ports of its own; it can be stopped and started again on the same data."""

    def __init__(self, var: Path) -> None:
        self._var = var
        self._port = _free_port(socket.SOCK_STREAM)
        self._media_port = _free_port(socket.SOCK_DGRAM)
        self._process: subprocess.Popen[str] | None = None
        self.server = Server(f"http://127.0.0.1:{self._port}", var)

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        command = [sys.executable, "-m", "web", "demo", "--var", str(self._var)]
        command += ["--port", str(self._port), "--media-port", str(self._media_port)]
        log = (self._var.parent / "server.log").open("a")
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        said = []
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said.append(line)
            if re.search("已就绪", line):
                return
        raise AssertionError("the server did not start:\n" + "".join(said) + (self._var.parent / "server.log").read_text())

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Stop it and return its exit status."""
        assert self._process is not None
        self._process.send_signal(how)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return self._process.wait(timeout=20)


@pytest.fixture
def demo_process(tmp_path: Path) -> Iterator[DemoProcess]:
    """A running demonstration that the test may stop and start."""
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


def _launch(playwright: Playwright, clip: Clip) -> Browser:
    return playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *clip.chromium_arguments])


@pytest.fixture
def applicants_browser(playwright: Playwright) -> Iterator[Browser]:
    """A browser whose camera shows the drawn applicant."""
    with _launch(playwright, applicant_clip()) as browser:
        yield browser


@pytest.fixture
def prosecutors_browser(playwright: Playwright) -> Iterator[Browser]:
    """A browser whose camera shows the drawn prosecutor."""
    with _launch(playwright, prosecutor_clip()) as browser:
        yield browser


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where pictures of the pages are written, to be looked at."""
    directory = ROOT / "var" / "screenshots"
    directory.mkdir(parents=True, exist_ok=True)
    os.utime(directory)
    return directory
