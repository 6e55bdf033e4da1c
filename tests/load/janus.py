"""The second contender: Janus's videoroom plugin (Debian's `janus`), recording, over its Unix socket.

As Janus has it: one PeerConnection for what a person publishes and one for what the person is subscribed to.
https://janus.conf.meetecho.com/docs/videoroom.html
"""

import asyncio
import contextlib
import json
import secrets
import shutil
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TypeAlias

from tests.load.descriptions import make_answer, make_offer, read_description
from tests.load.line import Line, own_address
from tests.load.person import Person
from tests.load.server import Server

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Message: TypeAlias = dict[str, Json]

ANSWER_S = 20.0
START_S = 10.0
MESSAGE_BYTES_MAX = 1 << 17
MISSING = "Janus is not installed (Debian: apt-get install janus): going on without it."
_PARTS = ("plugins", "transports", "events", "loggers")


class JanusRefused(Exception):
    """Janus did not do what it was asked; holds its answer."""


def find_janus() -> tuple[str, Path] | None:
    """Return the program and the folder of its parts, or None when it is not installed."""
    program = shutil.which("janus")
    parts = next(iter(sorted(Path("/usr/lib").glob("*/janus/plugins"))), None)
    return (program, parts.parent) if program and parts else None


class Janus:
    """Starts Janus with a configuration of its own, and seats people through its API."""

    name = "Janus"

    def __init__(self, directory: Path, core: int, log: IO[bytes]) -> None:
        self._directory = directory
        self._core = core
        self._log = log
        self._session = 0
        self._waiting: dict[str, asyncio.Future[Message]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None
        self._address = own_address()
        self.troubles: Counter[str] = Counter()

    async def start(self) -> Server:
        """Start Janus and open a session. Raises JanusRefused, TimeoutError, FileNotFoundError (not installed)."""
        found = find_janus()
        if found is None:
            raise FileNotFoundError(MISSING)
        program, parts = found
        configuration = self._configure(parts)
        self._recordings.mkdir()
        command = [program, "--configs-folder", str(configuration), "--disable-colors"]
        self.server = await Server.start(command, self._core, log=self._log, pipes=False)
        await self._dial()
        self._reader = asyncio.get_running_loop().create_task(self._listen())
        answer = await self._ask({"janus": "create"})
        self._session = _number(_part(answer, "data"), "id")
        return self.server

    @property
    def _recordings(self) -> Path:
        return self._directory / "recordings"

    def _configure(self, parts: Path) -> Path:
        """Write Janus's configuration: nothing but the videoroom and the Unix socket, loopback only."""
        for name in _PARTS:
            (self._directory / name).mkdir()
        for name in ("plugins/libjanus_videoroom.so", "transports/libjanus_pfunix.so"):
            (self._directory / name).symlink_to(parts / name)
        configuration = self._directory / "configuration"
        configuration.mkdir()
        folders = "\n".join(f'  {name}_folder = "{self._directory / name}"' for name in _PARTS)
        (configuration / "janus.jcfg").write_text(
            f"general: {{\n{folders}\n  debug_level = 3\n  session_timeout = 0\n}}\n"
            'media: {\n  rtp_port_range = "20000-32000"\n  ipv6 = false\n}\n'
            f'nat: {{\n  ice_enforce_list = "{self._address}"\n  nice_debug = false\n}}\n'
        )
        (configuration / "janus.transport.pfunix.jcfg").write_text(
            f'general: {{\n  enabled = true\n  json = "compact"\n  path = "{self._directory / "api"}"\n}}\n'
        )
        (configuration / "janus.plugin.videoroom.jcfg").write_text("general: {\n}\n")
        return configuration

    async def _dial(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        async with asyncio.timeout(START_S):
            while True:
                try:
                    self._socket.connect(str(self._directory / "api"))
                except (FileNotFoundError, ConnectionRefusedError):
                    await asyncio.sleep(0.1)
                else:
                    return

    # --- Messages

    async def _listen(self) -> None:
        assert self._socket is not None
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(self._socket, MESSAGE_BYTES_MAX):
            heard: Message = json.loads(data)
            waiting = self._waiting.get(str(heard.get("transaction")))
            # Plugin requests are acknowledged first; what is waited for is the event.
            if waiting is not None and heard["janus"] != "ack" and not waiting.done():
                waiting.set_result(heard)
            elif heard["janus"] in ("hangup", "slowlink"):
                self.troubles[str(heard["janus"])] += 1

    async def _ask(self, message: Message) -> Message:
        assert self._socket is not None
        transaction = secrets.token_hex(8)
        waiting = self._waiting[transaction] = asyncio.get_running_loop().create_future()
        if self._session:
            message["session_id"] = self._session
        await asyncio.get_running_loop().sock_sendall(
            self._socket, json.dumps({**message, "transaction": transaction}).encode()
        )
        try:
            async with asyncio.timeout(ANSWER_S):
                answer: Message = await waiting
        finally:
            del self._waiting[transaction]
        if answer["janus"] == "error":
            raise JanusRefused(answer)
        return answer

    async def _attach(self) -> int:
        answer = await self._ask({"janus": "attach", "plugin": "janus.plugin.videoroom"})
        return _number(_part(answer, "data"), "id")

    async def _request(self, handle: int, body: Message, description: tuple[str, str] | None = None) -> Message:
        message: Message = {"janus": "message", "handle_id": handle, "body": body}
        if description is not None:
            message["jsep"] = {"type": description[0], "sdp": description[1], "trickle": False}
        answer = await self._ask(message)
        if "error" in _part(_part(answer, "plugindata"), "data"):
            raise JanusRefused(answer)
        return answer

    # --- Seating

    async def seat(self, people: Sequence[Person]) -> None:
        """Make a room that records, have both publish, and each subscribe to the other."""
        room = 1000 + people[0].hearing
        publishing = [await self._attach() for _ in people]
        await self._request(
            publishing[0],
            {
                "request": "create",
                "room": room,
                "publishers": len(people),
                "audiocodec": "opus",
                "videocodec": "vp8",
                "record": True,
                "rec_dir": str(self._recordings),
            },
        )
        feeds = [await self._publish(person, handle, room) for person, handle in zip(people, publishing, strict=True)]
        for index, person in enumerate(people):
            await self._subscribe(person, room, [feed for other, feed in enumerate(feeds) if other != index])

    async def _publish(self, person: Person, handle: int, room: int) -> int:
        joined = await self._request(handle, {"request": "join", "ptype": "publisher", "room": room})
        line = person.sending = Line(self._address)
        offer = make_offer(line.own, "sendonly", person.ssrcs)
        answer = await self._request(handle, {"request": "publish"}, ("offer", offer))
        far = read_description(_description(answer))
        person.numbered = any(section.transport_wide for section in far.sections)
        for section in far.sections:
            person.streams[section.kind].payload_type = section.payload_type
        await line.connect(far, offered=False)
        return _number(_part(_part(joined, "plugindata"), "data"), "id")

    async def _subscribe(self, person: Person, room: int, feeds: Sequence[int]) -> None:
        handle = await self._attach()
        streams: list[Json] = [{"feed": feed} for feed in feeds]
        offered = await self._request(
            handle, {"request": "join", "ptype": "subscriber", "room": room, "streams": streams}
        )
        line = person.receiving = Line(self._address)
        offer = _description(offered)
        await self._request(handle, {"request": "start"}, ("answer", make_answer(line.own, offer, person.ssrcs)))
        await line.connect(read_description(offer), offered=True)

    async def finish(self) -> Counter[str]:
        """End Janus; returns what went wrong, by name."""
        await self.server.stop()
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await self._reader
        if self._socket is not None:
            self._socket.close()
        return self.troubles

    def recorded_bytes(self) -> int:
        """Return what lies on the disk."""
        return sum(path.stat().st_size for path in self._recordings.rglob("*.mjr"))


def _part(message: Mapping[str, Json], name: str) -> Message:
    part = message.get(name)
    if not isinstance(part, dict):
        raise JanusRefused(message)
    return part


def _number(message: Mapping[str, Json], name: str) -> int:
    number = message.get(name)
    if not isinstance(number, int):
        raise JanusRefused(message)
    return number


def _description(message: Message) -> str:
    return str(_part(message, "jsep")["sdp"])
