"""A small house with one hearing: the applicant's pages as the contract has them, a real room, a real media plane.

The record is in memory; the prosecutor is a peer that watches and listens.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import av
import numpy as np
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from records.ids import new_id
from signaling import endpoint
from signaling.hub import Hub
from signaling.media.events import MediaSettings
from signaling.media.pool import MediaPool
from signaling.ports import Ports, Seated
from signaling.settings import HubSettings
from tests.support.media_fake import FolderJournals, MemoryProceedings
from tests.support.room_page import EVERYTHING, VISITOR

HEARING = "hearing-1"
TOKEN = "letter"
CSRF = "proof-of-our-page"
TIMEOUT_S = 20.0


@dataclass
class Desk:
    """What the house was told by the applicant's pages."""

    id_tail: str = "9963"
    elsewhere: bool = False
    """Whether the seat is in use on another device."""
    consents: list[str] = field(default_factory=list)
    confirmation: str = "none"
    line: asyncio.Transport = field(default_factory=asyncio.Transport)
    """Her newest socket."""
    posts: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    looked: int = 0
    """How often she looked at the confirmation."""
    failing: int = 0
    """How many requests for the confirmation are to be cut off."""


class House:
    """The server, its hub, and what the applicant told it."""

    def __init__(self, server: TestServer, hub: Hub, desk: Desk, record: MemoryProceedings) -> None:
        self.server = server
        self.port = server.port
        self.hub = hub
        self.desk = desk
        self.record = record

    @property
    def invitation(self) -> str:
        """The link in the letter."""
        return str(self.server.make_url(f"/i/{TOKEN}"))

    def cut_her_line(self) -> None:
        """What a failing network does to her socket."""
        self.desk.line.abort()

    async def ask_to_confirm(self) -> None:
        """The decision was read out."""
        await self.settle("asked")

    async def settle(self, state: str) -> None:
        """The confirmation is in a new state, and everybody admitted is told."""
        self.desk.confirmation = state
        await self.hub.tell(HEARING, "confirmation", {"state": state})


def _page(main: str, data: dict[str, object] | None = None) -> web.Response:
    block = f'<script type="application/json" id="page">{json.dumps(data)}</script>' if data is not None else ""
    html = (
        f'<!doctype html><html><head><meta name="csrf-token" content="{CSRF}"></head><body>{main}{block}</body></html>'
    )
    return web.Response(text=html, content_type="text/html")


def _form(extra: str = "") -> str:
    return (
        f'<h1>请您来视频接访</h1><form method="post"><input type="hidden" name="csrf" value="{CSRF}">{extra}'
        '<input id="id-tail" name="id_tail" maxlength="8"><button>进入</button></form>'
    )


class Pages:
    """Handlers of the applicant's pages."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.house: House

    async def invitation(self, request: web.Request) -> web.StreamResponse:
        if request.match_info["token"] != TOKEN:
            return _page('<h1>这一步没有办成</h1><div class="notice" role="status"><p>这个链接不对。</p></div>')
        if request.method == "GET":
            return _page(_form())
        fields = await request.post()
        if fields.get("csrf") != CSRF:
            raise web.HTTPForbidden
        if fields.get("id_tail") != self.desk.id_tail:
            return _page(_form('<p role="alert"><span>证件号码后四位不对，还可以试 4 次</span></p>'))
        if self.desk.elsewhere and fields.get("move_here") != "1":
            return _page(_form('<input type="hidden" name="move_here" value="1">'))
        response = web.Response(status=303, headers={"Location": "/hearing"})
        response.set_cookie("applicant", "gao", httponly=True)
        return response

    async def hearing(self, request: web.Request) -> web.StreamResponse:
        if request.cookies.get("applicant") != "gao":
            raise web.HTTPForbidden
        return _page("<h1>视频接访</h1>", {"session_id": HEARING, "consents": self.desk.consents, "after": "/after"})

    async def consents(self, request: web.Request) -> web.StreamResponse:
        body = await self._json(request)
        self.desk.consents.append(str(body["kind"]))
        return web.json_response({"ok": True})

    async def confirmation(self, request: web.Request) -> web.StreamResponse:
        if self.desk.failing and request.transport is not None:
            self.desk.failing -= 1
            request.transport.abort()
        self.desk.looked += 1
        asked = {"amount_fen": 2_000_000, "account_fingerprint": "f00d", "amount_text": "20,000.00"}
        return web.json_response({"state": self.desk.confirmation, **asked})

    async def settle(self, request: web.Request) -> web.StreamResponse:
        kind = request.match_info["kind"]
        self.desk.posts.append((kind, await self._json(request)))
        state = {"confirm": "confirmed", "object": "objected", "sign": "signed"}[kind]
        if kind == "sign" and self.desk.confirmation != "confirmed":
            return web.json_response({"refused": "not_confirmed", "text": "请先确认。"}, status=409)
        await self.house.settle(state)
        return web.json_response({"ok": True})

    async def room(self, request: web.Request) -> web.StreamResponse:
        seat = request.cookies.get("applicant") or request.query["seat"]
        role, abilities = ("applicant", VISITOR) if seat == "gao" else ("host", EVERYTHING)
        if seat == "gao":
            assert isinstance(request.transport, asyncio.Transport)
            self.desk.line = request.transport
        takeover = request.query["takeover"] == "1"
        device = f"{seat}-device"
        seated = Seated(HEARING, seat, role, seat, role, frozenset(abilities), new_id(), device, takeover)
        return await endpoint.serve(self.house.hub, request, seated)

    async def _json(self, request: web.Request) -> dict[str, object]:
        if request.headers.get("X-CSRF-Token") != CSRF:
            raise web.HTTPForbidden
        body: dict[str, object] = await request.json()
        return body


@asynccontextmanager
async def open_house(directory: Path, *, after: House | None = None) -> AsyncIterator[House]:
    """Run the server; its recordings go into ``directory``. ``after``: the same one, started again."""
    async with AsyncExitStack() as stack:
        record = after.record if after else MemoryProceedings()
        media = MediaPool(MediaSettings(("127.0.0.1",), 0), lambda event: hub.take_media_event(event), workers=1)
        await stack.enter_async_context(media)
        hub = await stack.enter_async_context(Hub(HubSettings(), media, Ports(record, FolderJournals(directory))))
        desk = after.desk if after else Desk()
        pages = Pages(desk)
        app = web.Application()
        for method in ("GET", "POST"):
            app.router.add_route(method, "/i/{token}", pages.invitation)
        app.router.add_get("/hearing", pages.hearing)
        app.router.add_post("/hearing/consents", pages.consents)
        app.router.add_get("/hearing/confirmation", pages.confirmation)
        app.router.add_post("/hearing/confirmation/{kind}", pages.settle)
        app.router.add_get("/ws/hearings/{session_id}", pages.room)

        async def drain(_: web.Application) -> None:
            await hub.drain()

        app.on_shutdown.append(drain)
        server = TestServer(app, port=after.port if after else None)
        await stack.enter_async_context(server)
        pages.house = House(server, hub, desk, record)
        yield pages.house


class Prosecutor:
    """The host: speaks the protocol, sees the applicant's picture and hears her voice."""

    def __init__(self) -> None:
        self.room: dict[str, object] = {}
        self.pictures = 0
        self.picture: np.ndarray | None = None
        self.loudest = 0.0
        self._socket: aiohttp.ClientWebSocketResponse
        self._changed = asyncio.Condition()
        self._connection: RTCPeerConnection | None = None
        self._tasks: asyncio.TaskGroup
        self._watching: list[asyncio.Task[None]] = []

    @classmethod
    @asynccontextmanager
    async def at_work(cls, house: House) -> AsyncIterator["Prosecutor"]:
        """Sit down at the desk; get up at the end."""
        prosecutor = cls()
        async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as tasks:
            prosecutor._tasks = tasks
            address = house.server.make_url(f"/ws/hearings/{HEARING}").with_query(takeover="0", seat="li")
            prosecutor._socket = await http.ws_connect(address)
            prosecutor._watching.append(tasks.create_task(prosecutor._read()))
            try:
                yield prosecutor
            finally:
                # A track whose link never stood does not end by itself.
                for task in prosecutor._watching:
                    task.cancel()
                if prosecutor._connection is not None:
                    await prosecutor._connection.close()
                await prosecutor._socket.close()

    async def say(self, type_: str, **fields: object) -> None:
        """Send one message."""
        await self._socket.send_str(json.dumps({"type": type_, **fields}))

    def sees(self, **fields: object) -> bool:
        """Whether the room shows the applicant with these fields."""
        people: list[dict[str, object]] = self.room.get("people", [])  # type: ignore[assignment]
        return any(person["seat_id"] == "gao" and fields.items() <= person.items() for person in people)

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds; looked at after everything that happens here."""
        async with asyncio.timeout(TIMEOUT_S), self._changed:
            await self._changed.wait_for(holds)

    async def admit_her(self) -> None:
        """Wait for the applicant and let her in."""
        await self.until(lambda: self.sees(present=True))
        await self.say("admit", seat_id="gao")

    async def _read(self) -> None:
        async for frame in self._socket:
            message = json.loads(frame.data)
            if message["type"] == "room":
                self.room = message
            elif message["type"] == "offer":
                await self._answer(message)
            await self._tell()

    async def _answer(self, offer: dict[str, str]) -> None:
        if self._connection is None:
            self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
            self._connection.on("track", self._begin_to_watch)
        await self._connection.setRemoteDescription(RTCSessionDescription(offer["sdp"], "offer"))
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        await self.say("answer", offer_id=offer["offer_id"], sdp=self._connection.localDescription.sdp)

    def _begin_to_watch(self, track: MediaStreamTrack) -> None:
        self._watching.append(self._tasks.create_task(self._watch(track)))

    async def _watch(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                if isinstance(frame, av.VideoFrame):
                    self.pictures += 1
                    self.picture = frame.to_ndarray(format="rgb24")
                elif isinstance(frame, av.AudioFrame):
                    self.loudest = max(self.loudest, float(np.abs(frame.to_ndarray().astype(np.float32)).max()))
                await self._tell()
        except MediaStreamError:
            return

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()
