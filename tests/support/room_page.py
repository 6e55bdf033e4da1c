"""A browser's page in a hearing, without the browser: speaks the WebSocket protocol and waits for what it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web

from records.clock import Clock
from records.ids import new_id
from signaling import endpoint
from signaling.hub import Hub
from signaling.ports import MediaPlane, Ports, Seated
from signaling.settings import HubSettings

EVERYTHING = frozenset(
    {"publish", "enter_freely", "admit", "send_back", "mute_others", "prompt", "pause", "take_still", "end", "word"}
)
VISITOR = frozenset({"publish", "word", "raise_hand"})
People = Mapping[str, tuple[str, str, frozenset[str]]]
"""Who may come: seat -> role, name, abilities."""
PEOPLE: People = {
    "li": ("host", "李检察官", EVERYTHING),
    "gao": ("applicant", "高某", VISITOR),
    "zhao": ("applicant", "赵某", VISITOR),
    "wang": ("far_end", "王检察官", VISITOR | {"enter_freely"}),
    "chen": ("observer", "陈某", frozenset({"enter_freely"})),
}
Message = dict[str, Any]
TIMEOUT_S = 15.0
SETTINGS = HubSettings(farewell_s=0.05, still_timeout_s=30.0)
"""Pages here read only while they wait for something, so that farewells often go unanswered. A still waits for a camera
that is played by a machine with other things to do."""


class Page:
    """One connection of one person."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self.room: Message = {}
        self.close_code = 0
        self.received: list[Message] = []

    async def say(self, type_: str, **fields: object) -> None:
        """Send one message."""
        await self._socket.send_str(json.dumps({"type": type_, **fields}, ensure_ascii=False))

    async def say_raw(self, data: str | bytes) -> None:
        """Send a frame as it is."""
        await (self._socket.send_str(data) if isinstance(data, str) else self._socket.send_bytes(data))

    async def until(self, wanted: Callable[[Message], object], why: str = "") -> Message:
        """Read until a message is as wanted, and return it; fails with what came instead."""
        passed: list[str] = []
        try:
            async with asyncio.timeout(TIMEOUT_S):
                while True:
                    message = await self.next()
                    if wanted(message):
                        return message
                    passed.append(json.dumps(message, ensure_ascii=False))
        except TimeoutError:
            raise AssertionError(f"never came: {why}; came: {passed}") from None
        except EOFError as error:
            raise AssertionError(f"closed with {error} before: {why}; came: {passed}") from None

    async def told(self, type_: str, **fields: object) -> Message:
        """Read until a message of this type with these fields comes."""
        return await self.until(
            lambda message: message["type"] == type_ and fields.items() <= message.items(), f"{type_} {fields}"
        )

    async def sees(self, seat_id: str, **fields: object) -> Message:
        """Return the room once it shows somebody with these fields, which it may do already."""

        def shows(room: Message) -> bool:
            people = room.get("people", [])
            return any(person["seat_id"] == seat_id and fields.items() <= person.items() for person in people)

        def wanted(message: Message) -> bool:
            return message["type"] == "room" and shows(message)

        return self.room if shows(self.room) else await self.until(wanted, f"{seat_id} {fields}")

    async def closed(self) -> tuple[str | None, int]:
        """Read until the socket is closed; return the reason told, if any, and the code."""
        reason: str | None = None
        try:
            async with asyncio.timeout(TIMEOUT_S):
                while True:
                    message = await self.next()
                    if message["type"] == "closing":
                        reason = message["reason"]
        except EOFError:
            return reason, self.close_code

    async def go(self) -> None:
        """Close the tab."""
        await self._socket.close()

    def let_go(self) -> None:
        """Give the connection back, whatever became of it: one that was cut off while it was read stays open else."""
        self._socket._response.close()

    def cut(self) -> None:
        """Cut the line, without a word."""
        self._transport().abort()

    def stop_reading(self) -> None:
        """Leave what arrives in the network."""
        self._transport().pause_reading()

    def _transport(self) -> asyncio.Transport:
        connection = self._socket._response.connection
        assert connection is not None
        assert isinstance(connection.transport, asyncio.Transport)
        return connection.transport

    async def next(self) -> Message:
        """Return the next message. Raises EOFError with the close code."""
        message = await self._socket.receive()
        if message.type is not WSMsgType.TEXT:
            # The socket itself forgets the code when its own close frame comes too late for the server.
            told = message.type is WSMsgType.CLOSE
            self.close_code = self.close_code or (message.data if told else self._socket.close_code) or 0
            raise EOFError(self.close_code)
        value: Message = json.loads(message.data)
        self.received.append(value)
        if value["type"] == "room":
            self.room = value
        return value


class House:
    """A server with one hub, and the way to it."""

    def __init__(self, hub: Hub, client: ClientSession, address: str, pages: list[Page]) -> None:
        self.hub = hub
        self._client = client
        self._address = address
        self._pages = pages

    async def comes(
        self,
        seat_id: str,
        *,
        device: str = "",
        takeover: bool = False,
        hearing: str = "hearing-1",
        words_after: int = 0,
        read: bool = True,
    ) -> Page:
        """Open a page for somebody and, when `read`, wait for the room."""
        query = {"seat": seat_id, "device": device or f"{seat_id}-phone", "hearing": hearing}
        query |= {"takeover": str(int(takeover)), "words_after": str(words_after)}
        socket = await self._client.ws_connect(self._address, params=query)
        page = Page(socket)
        self._pages.append(page)
        if read:
            await page.told("room", you=seat_id)
        return page


async def begin(house: House) -> tuple[Page, Page]:
    """Li hosts, Gao comes and is admitted, both connected."""
    li = await house.comes("li")
    gao = await house.comes("gao")
    await li.sees("gao", present=True)
    await li.say("admit", seat_id="gao")
    for page in (li, gao):
        offer = await page.told("offer")
        await page.say("answer", offer_id=offer["offer_id"], sdp="v=0 answer")
    await li.sees("gao", link="connected")
    await gao.sees("li", link="connected")
    return li, gao


def _application(hub: Hub, people: People) -> web.Application:
    async def meet(request: web.Request) -> web.StreamResponse:
        role, name, abilities = people[request.query["seat"]]
        seated = Seated(
            hearing_id=request.query["hearing"],
            seat_id=request.query["seat"],
            role=role,
            name=name,
            title=role,
            abilities=abilities,
            connection_id=new_id(),
            device=request.query["device"],
            takeover=request.query["takeover"] == "1",
            words_after=int(request.query["words_after"]),
        )
        return await endpoint.serve(hub, request, seated)

    async def drain(_: web.Application) -> None:
        await hub.drain()

    app = web.Application()
    app.router.add_get("/ws", meet)
    app.on_shutdown.append(drain)
    return app


def _let_go(pages: list[Page]) -> None:
    for page in pages:
        page.let_go()


@asynccontextmanager
async def serving(
    media: MediaPlane,
    ports: Ports,
    settings: HubSettings | None = None,
    *,
    cancels: bool = False,
    people: People = PEOPLE,
    clock: Clock | None = None,
) -> AsyncIterator[House]:
    """Run a server as web does: the hub inside the media plane's lifetime, drained before connections are ended.

    `cancels`: whether aiohttp cancels a handler whose peer is gone.
    """
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(ClientSession())
        pages: list[Page] = []
        stack.callback(_let_go, pages)
        hub = await stack.enter_async_context(Hub(settings or SETTINGS, media, ports, clock=clock))
        runner = web.AppRunner(_application(hub, people), handler_cancellation=cancels)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield House(hub, client, f"http://127.0.0.1:{runner.addresses[0][1]}/ws", pages)
