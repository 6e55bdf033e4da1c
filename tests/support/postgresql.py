"""A PostgreSQL server of the tests' own: in a temporary directory, on a free port, gone afterwards."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "jiefang"
_PLACES = Path("/usr/lib/postgresql")
# Nothing here has to survive a power cut, and every test waits for it.
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "deadlock_timeout": "200ms",
    "listen_addresses": "127.0.0.1",
}


class PostgresqlMissing(Exception):
    """The server's programs are not installed."""


def _programs() -> Path:
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    places = sorted(_PLACES.glob("*/bin/initdb"), key=lambda place: int(place.parts[-3]))
    if not places:
        raise PostgresqlMissing("apt-get install postgresql")
    return places[-1].parent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port


def _run(command: list[str]) -> None:
    # The server refuses to run as root: Debian brings a user for it.
    if os.geteuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", timeout=60)
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")


@contextmanager
def postgresql_server() -> Iterator[str]:
    """Start a server; yield the address of its maintenance database without the driver's name."""
    programs = _programs()
    home = Path(tempfile.mkdtemp(prefix="jiefang-postgresql-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(home, "postgres", "postgres")
        data, port = home / "data", _free_port()
        _run(
            [
                str(programs / "initdb"),
                "--no-sync",
                "-A",
                "trust",
                "-U",
                USER,
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "-D",
                str(data),
            ]
        )
        settings = {**_SETTINGS, "port": str(port), "unix_socket_directories": str(home)}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        control = [str(programs / "pg_ctl"), "-D", str(data), "-w", "-t", "30"]
        # The log goes to a file: a server that inherited our pipe would keep the run from ending.
        _run([*control, "-l", str(home / "log"), "-o", options, "start"])
        try:
            yield f"127.0.0.1:{port}"
        finally:
            _run([*control, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(home, ignore_errors=True)
