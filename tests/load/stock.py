"""The third contender: aiortc's MediaRelay and MediaRecorder, which decode and encode everything."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from tests.load.descriptions import make_offer, read_description
from tests.load.line import Line, own_address
from tests.load.person import Person
from tests.load.server import Server

CLOSE_S = 30.0


class Stock:
    """Starts the server and seats people."""

    name = "aiortc"

    def __init__(self, directory: Path, core: int, log: IO[bytes]) -> None:
        self._directory = directory
        self._core = core
        self._log = log

    async def start(self) -> Server:
        """Start the server's process."""
        command = [sys.executable, "-m", "tests.load.stock_server", str(self._directory)]
        self.server = await Server.start(command, self._core, log=self._log)
        return self.server

    async def seat(self, people: Sequence[Person]) -> None:
        """Seat the two of one hearing."""
        assert self.server.process.stdin is not None and self.server.process.stdout is not None
        for person in people:
            line = person.sending = person.receiving = Line(own_address())
            offer = make_offer(line.own, "sendrecv", person.ssrcs)
            order = {"hearing": f"hearing-{person.hearing}", "seat": person.seat, "sdp": offer}
            self.server.process.stdin.write(json.dumps(order).encode() + b"\n")
            heard = json.loads(await self.server.process.stdout.readline())
            await line.connect(read_description(heard["sdp"]), offered=False)

    async def finish(self) -> Counter[str]:
        """End the recordings."""
        assert self.server.process.stdin is not None
        self.server.process.stdin.write(b'{"close": true}\n')
        try:
            async with asyncio.timeout(CLOSE_S):
                await self.server.process.wait()
        except TimeoutError:
            await self.server.stop()
            return Counter({"not_closed_in_time": 1})
        return Counter()

    def recorded_bytes(self) -> int:
        """Return what lies on the disk."""
        return sum(path.stat().st_size for path in self._directory.rglob("*.mkv"))
