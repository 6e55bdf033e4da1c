"""Sends every datagram back to where it came from: what is lost or late with it is the generator's or the kernel's.

As a program: the reflector itself. As a contender: the floor under every relay written in Python.
"""

import socket
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from tests.load.line import SOCKET_BUFFER_BYTES, EchoLine
from tests.load.person import Person
from tests.load.server import Server


class Reflector:
    """Seats people so that each hears, by way of the reflector, what the other sends."""

    name = "reflector"

    def __init__(self, directory: Path, core: int, log: IO[bytes]) -> None:
        self._core = core
        self._log = log
        self._address = ("127.0.0.1", 0)

    async def start(self) -> Server:
        """Start the reflector's process."""
        self.server = await Server.start([sys.executable, "-m", "tests.load.reflector"], self._core, log=self._log)
        assert self.server.process.stdout is not None
        self._address = ("127.0.0.1", int(await self.server.process.stdout.readline()))
        return self.server

    async def seat(self, people: Sequence[Person]) -> None:
        """What one sends comes back on the same socket, where the other listens."""
        for person, other in zip(people, reversed(people), strict=True):
            person.sending = other.receiving = EchoLine(self._address)

    async def finish(self) -> Counter[str]:
        """End the process."""
        await self.server.stop()
        return Counter()

    def recorded_bytes(self) -> int:
        """Return 0: nothing is kept."""
        return 0


def reflect() -> None:
    """Send back until killed."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        sock.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
    sock.bind(("127.0.0.1", 0))
    sys.stdout.write(f"{sock.getsockname()[1]}\n")
    sys.stdout.flush()
    while True:
        data, address = sock.recvfrom(2048)
        sock.sendto(data, address)


if __name__ == "__main__":
    reflect()
