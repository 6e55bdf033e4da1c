"""The first contender: this project's media worker, recording every hearing into a journal."""

import asyncio
import contextlib
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from records.journal import JournalFault, Packet, Source, read_journal
from tests.load.descriptions import make_answer, read_description
from tests.load.line import Line
from tests.load.person import FIRST_SEQUENCE, KINDS, Person
from tests.load.server import Server

QUIET_S = 0.3


class Ours:
    """Starts the worker, seats people, and reads the journals afterwards."""

    name = "jiefang"

    def __init__(self, directory: Path, core: int, log: IO[bytes]) -> None:
        self._directory = directory
        self._core = core
        self._log = log
        self._people: dict[tuple[str, str], Person] = {}
        self._connecting: dict[Line, asyncio.Task[None]] = {}
        self._connected: set[tuple[str, str]] = set()
        self._heard = asyncio.Event()
        self._heard_at: dict[str, float] = {}
        self._closed: asyncio.Future[dict[str, int]] | None = None
        self._listener: asyncio.Task[None] | None = None
        self.troubles: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        """Of the journals, when they are read."""

    async def start(self) -> Server:
        """Start the worker's process."""
        command = [sys.executable, "-m", "tests.load.ours_server", str(self._directory)]
        self.server = await Server.start(command, self._core, log=self._log)
        assert self.server.process.stdout is not None
        await self.server.process.stdout.readline()
        self._closed = asyncio.get_running_loop().create_future()
        self._listener = asyncio.get_running_loop().create_task(self._listen())
        return self.server

    async def seat(self, people: Sequence[Person]) -> None:
        """Seat the two of one hearing and wait until both have each other's streams."""
        hearing = f"hearing-{people[0].hearing}"
        await self._order(do="open", hearing=hearing)
        for person in people:
            person.sending = person.receiving = Line()
            self._people[hearing, person.seat] = person
            await self._order(do="add", hearing=hearing, seat=person.seat)
        keys = {(hearing, person.seat) for person in people}
        async with asyncio.timeout(30):
            # Connected, and no offer any more: everybody's description has everybody's streams.
            while not keys <= self._connected or self._quiet_s(hearing) < QUIET_S:
                self._heard.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(QUIET_S):
                        await self._heard.wait()
        for person in people:
            await self._connecting.pop(person.way_out)

    def _quiet_s(self, hearing: str) -> float:
        return asyncio.get_running_loop().time() - self._heard_at[hearing]

    async def _listen(self) -> None:
        assert self.server.process.stdout is not None and self._closed is not None
        while line := await self.server.process.stdout.readline():
            heard = json.loads(line)
            self._heard_at[heard.get("hearing", "")] = asyncio.get_running_loop().time()
            self._heard.set()
            if heard["said"] == "offer":
                await self._answer(heard)
            elif heard["said"] == "connected":
                self._connected.add((heard["hearing"], heard["seat"]))
            elif heard["said"] == "closed":
                self._closed.set_result(heard["drops"])
            else:
                self.troubles[heard.get("reason") or heard.get("error") or heard["said"]] += 1
        if not self._closed.done():
            self._closed.set_result({"server_died": 1})

    async def _answer(self, heard: dict[str, str]) -> None:
        person = self._people[heard["hearing"], heard["seat"]]
        line = person.way_out
        offer = read_description(heard["sdp"])
        person.numbered = offer.sections[0].transport_wide
        answer = make_answer(line.own, heard["sdp"], person.ssrcs)
        await self._order(
            do="answer", hearing=heard["hearing"], seat=heard["seat"], offer_id=heard["offer_id"], sdp=answer
        )
        if not line.connected and line not in self._connecting:
            connecting = line.connect(offer, offered=True)
            self._connecting[line] = asyncio.get_running_loop().create_task(connecting)

    async def _order(self, **order: object) -> None:
        assert self.server.process.stdin is not None
        self.server.process.stdin.write(json.dumps(order).encode() + b"\n")
        await self.server.process.stdin.drain()

    async def finish(self) -> Counter[str]:
        """Close the hearings and their journals; returns what was dropped or went wrong, by name."""
        assert self._closed is not None and self._listener is not None
        with contextlib.suppress(ConnectionError):
            await self._order(do="close")
        async with asyncio.timeout(120):
            drops = await self._closed
        await self._listener
        await self.server.wait()
        return Counter(drops) + self.troubles

    def count_journals(self, people: Sequence[Person]) -> tuple[int, int]:
        """Return how many packets were sent, and how many of them the journals hold, bit for number."""
        sent = held = 0
        for hearing in {person.hearing for person in people}:
            here = [person for person in people if person.hearing == hearing]
            recorded = self._recorded(self._directory / f"hearing-{hearing}")
            for person in here:
                for kind in KINDS:
                    count = sum(place < person.sent for place in person.streams[kind].places)
                    expected = set(range(FIRST_SEQUENCE, FIRST_SEQUENCE + count))
                    sent += count
                    held += len(expected & recorded.get(person.streams[kind].ssrc, set()))
        return sent, held

    def _recorded(self, directory: Path) -> dict[int, set[int]]:
        ssrcs: dict[int, int] = {}
        recorded: dict[int, set[int]] = {}
        for record in read_journal(directory):
            if isinstance(record, JournalFault):
                self.faults[record.code] += 1
            elif isinstance(record, Source):
                ssrcs[record.number] = record.ssrc
            elif isinstance(record, Packet) and record.data[1] != 200:
                sequence = int.from_bytes(record.data[2:4], "big")
                recorded.setdefault(ssrcs[record.source], set()).add(sequence)
        return recorded

    def recorded_bytes(self) -> int:
        """Return what lies on the disk."""
        return sum(path.stat().st_size for path in self._directory.rglob("*.jfj"))
