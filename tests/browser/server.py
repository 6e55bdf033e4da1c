"""The real server in a process of its own, as `make demo` runs it."""

import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from web.settings import DEMO_MEDIA_WORKERS
from web.simulator.person import DEMO_APPLICANT

ROOT = Path(__file__).parents[2]
STOP_S = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running demonstration, and one hearing in it: its own one, or another (`more_hearings`)."""

    origin: str
    var: Path
    id_tail: str = DEMO_APPLICANT.id_tail
    hearing: tuple[str, str] | None = None
    """The other hearing, and the token of the link to it."""

    @property
    def invitation(self) -> str:
        """The applicant's link."""
        token = self.hearing[1] if self.hearing else (self.var / "secrets" / "invitation").read_text("ascii")
        return f"{self.origin}/i/{token}"

    @property
    def session_id(self) -> str:
        """The hearing that the invitation is for."""
        return (
            self.hearing[0]
            if self.hearing
            else str(self.ask("SELECT id FROM sessions ORDER BY booked_at LIMIT 1")[0][0])
        )

    @property
    def room(self) -> str:
        """Where the hearing's staff meet."""
        return f"{self.origin}/sessions/{self.session_id}/room"

    def ask(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        """Read its database, beside it."""
        address = f"file:{self.var / 'jiefang.sqlite'}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=STOP_S)) as db:
            return db.execute(query, parameters).fetchall()


class DemoProcess:
    """`jiefang demo` on ports of its own; it can be stopped and started again on the same data."""

    def __init__(
        self, var: Path, *, environment: Mapping[str, str] | None = None, address: str = "", namespace: str = ""
    ) -> None:
        """`environment` holds further settings; with an `address`, pages are served there too, over TLS. A network
        `namespace` is where it runs."""
        self._prefix = ["ip", "netns", "exec", namespace] if namespace else []
        self._environment = environment or {}
        self._var = var
        self._log = var.with_suffix(".log")
        self._port = free_port(socket.SOCK_STREAM)
        self._media_port = free_media_ports()
        self._process: subprocess.Popen[str] | None = None
        self._https = bool(address)
        origin = f"https://{address}:{self._port}" if address else f"http://127.0.0.1:{self._port}"
        self.server = Server(origin, var)

    def start(self) -> None:
        """Start it and wait until it says that it is ready."""
        command = [*self._prefix, sys.executable, "-m", "web", "demo", "--var", str(self._var)]
        command += ["--port", str(self._port), "--media-port", str(self._media_port)]
        command += ["--https"] if self._https else []
        environment = {**os.environ, **self._environment}
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
        said = []
        for line in self._process.stdout or ():
            said.append(line)
            if re.search("已就绪", line):
                return
        raise AssertionError("the server did not start:\n" + "".join(said) + self.log())

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Stop it and return its exit status."""
        assert self._process is not None
        self._process.send_signal(how)
        try:
            self._process.communicate(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise
        return self._process.returncode

    def log(self) -> str:
        """Return what it has logged."""
        return self._log.read_text("utf-8")


def free_port(kind: socket.SocketKind) -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_media_ports() -> int:
    """Return the first of as many UDP ports in a row, all free, as the demonstration has media workers."""
    for _ in range(100):
        first = free_port(socket.SOCK_DGRAM)
        with ExitStack() as probes:
            try:
                for port in range(first, first + DEMO_MEDIA_WORKERS):
                    probes.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise AssertionError("no free UDP ports in a row")
