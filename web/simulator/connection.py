"""The simulated applicant's WebSocket: hears the room, answers offers, comes back by itself as a browser does."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
import msgspec

from signaling import messages
from web.simulator import hearsay
from web.simulator.media import Link
from web.simulator.visit import Visit

log = logging.getLogger(__name__)

DELAYS_S = (0.0, 0.5, 1.0, 1.5, 2.0)
"""Before each try to come back; the last one again and again, for as long as she lives."""
_STABLE_S = 10.0
"""A connection that lasted so long begins the delays anew."""
_FOR_GOOD = range(400, 500)
_MAY_PASS = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Shown:
    """What matters to the applicant of a ``room``: is she in the call, what is she asked, did the line just mend."""

    in_call: bool
    prompt: str
    came_back: bool


@dataclass(frozen=True, slots=True)
class Closed:
    """Why the server closed the connection for good, and what it said."""

    reason: str
    told: str


class RoomConnection:
    """One seat's connection to its room, through any number of sockets."""

    def __init__(
        self,
        visit: Visit,
        path: str,
        link: Link,
        *,
        on_room: Callable[[Shown], None],
        on_confirmation: Callable[[], None],
        takeover: bool,
    ) -> None:
        """``on_room`` hears every change of the room, ``on_confirmation`` that the confirmation should be looked at."""
        self._visit = visit
        self._path = path
        self._link = link
        self._on_room = on_room
        self._on_confirmation = on_confirmation
        self._takeover = takeover
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._you = ""
        self._heard_room = False
        self._rested = False
        self.reconnects = 0
        self.admitted = asyncio.Event()
        """Set from the first moment she is in the call."""

    async def stay(self) -> Closed:
        """Stay in the room until the server says that it is over; on cancellation leave it.

        Raises VisitRefused with the server's words when it does not let her in.
        """
        tries = 0
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            try:
                closed = await self._one_socket()
            except aiohttp.WSServerHandshakeError as error:
                if error.status in _FOR_GOOD and error.status not in _MAY_PASS:
                    # A browser cannot see why either, and asks a page: the refusal it gives has the words.
                    await self._visit.confirmation()
                    return Closed("not_admitted", f"服务没有让进入（{error.status}）")
                closed = None
            except (msgspec.DecodeError, ValueError) as error:
                log.warning("not understood: %r", error)
                return Closed("malformed", "服务发来的内容无法识别")
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                log.info("no connection: %r", error)
                closed = None
            if closed is not None:
                return closed
            tries = 0 if loop.time() - began_s > _STABLE_S else tries
            await asyncio.sleep(DELAYS_S[min(tries, len(DELAYS_S) - 1)])
            tries += 1

    def cut(self) -> None:
        """Cut the socket without a word, as a failing network does."""
        raw = self._socket.get_extra_info("socket") if self._socket is not None else None
        if raw is not None:
            try:
                raw.shutdown(socket.SHUT_RDWR)
            except OSError as error:
                log.info("the socket was gone already: %s", error)

    async def _one_socket(self) -> Closed | None:
        """Live through one socket. Return why it was closed for good, or None to come back."""
        self._heard_room = False
        # A seat once taken is hers: coming back, the server may still hold the dead socket open.
        takeover = self._takeover or bool(self._you)
        async with await self._visit.connect(f"{self._path}?takeover={int(takeover)}") as ws:
            self._socket = ws
            try:
                return await self._listen(ws)
            except asyncio.CancelledError:
                await self._leave(ws)
                raise
            finally:
                self._socket = None

    async def _listen(self, ws: aiohttp.ClientWebSocketResponse) -> Closed | None:
        said: hearsay.Closing | None = None
        while (frame := await ws.receive()).type is aiohttp.WSMsgType.TEXT:
            message = hearsay.decode(frame.data)
            if isinstance(message, hearsay.Closing):
                said = message
            else:
                await self._hear(ws, message)
        if said is not None and not said.retry:
            # The close frame carries a sentence for people (PROTOCOL.md, Closing).
            return Closed(said.reason, frame.extra or "" if frame.type is aiohttp.WSMsgType.CLOSE else "")
        log.info("the line broke (%s)", said.reason if said else ws.close_code)
        return None

    async def _hear(self, ws: aiohttp.ClientWebSocketResponse, message: hearsay.FromServer) -> None:
        match message:
            case hearsay.Room():
                await self._take_room(ws, message)
            case hearsay.Offer():
                await self._answer(ws, message)
            case hearsay.Notice(topic="confirmation"):
                self._on_confirmation()
            case hearsay.Refused():
                log.info("refused: %s", message.code)
            case _:
                pass

    async def _take_room(self, ws: aiohttp.ClientWebSocketResponse, room: hearsay.Room) -> None:
        came_back = not self._heard_room
        if came_back and self._you:
            self.reconnects += 1
        self._heard_room, self._you = True, room.you
        me = room.me
        in_call = room.phase == "in_session" and me is not None and me.admitted
        if me is not None and (me.microphone, me.camera) != ("on", "on"):
            await self._send(ws, messages.Devices(microphone="on", camera="on"))
        # Whoever waits alone sends no picture: nobody looks, and the estimate of the line would start low.
        self._link.show(in_call and room.recess is None)
        if self._rested and room.recess is None:
            # What was refused in the recess may be done now.
            self._on_confirmation()
        self._rested = room.recess is not None
        if in_call:
            self.admitted.set()
        self._on_room(Shown(in_call, room.prompt, came_back))

    async def _answer(self, ws: aiohttp.ClientWebSocketResponse, offer: hearsay.Offer) -> None:
        sdp = await self._link.answer(offer.sdp, offer.streams, self._you)
        await self._send(ws, messages.Answer(offer_id=offer.offer_id, sdp=sdp))

    async def _leave(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        try:
            async with asyncio.timeout(2):
                await self._send(ws, messages.Leave())
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.info("left without a word: %r", error)

    @staticmethod
    async def _send(ws: aiohttp.ClientWebSocketResponse, message: messages.ClientMessage) -> None:
        if not ws.closed:
            await ws.send_str(msgspec.json.encode(message).decode())
