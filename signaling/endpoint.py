"""One connection: the upgrade, then a reader and a writer in one TaskGroup, then the clean-up."""

import asyncio
import logging

from aiohttp import WebSocketError, WSCloseCode, WSMessage, WSMsgType, web

from signaling.closing import CloseReason, Departure
from signaling.connection import Connection
from signaling.hub import Hub
from signaling.messages import (
    FRAME_BYTES,
    FieldTooLong,
    MessageMalformed,
    MessageTooLarge,
    Refused,
    decode,
)
from signaling.ports import Seated
from signaling.settings import HubSettings

log = logging.getLogger(__name__)

READ_BYTES = 16 * FRAME_BYTES
"""The largest frame that is read at all; between FRAME_BYTES and this, the client is told why it is closed."""
MALFORMED_FRAMES = 5
MESSAGES_AT_ONCE = 30
MESSAGES_PER_S = 10.0


class Allowance:
    """How much somebody may send: `at_once`, refilled by `per_s` (a token bucket). Times are the event loop's."""

    def __init__(self, *, at_once: int, per_s: float, now_s: float) -> None:
        self._left = float(at_once)
        self._at_once = at_once
        self._per_s = per_s
        self._then_s = now_s

    def take(self, now_s: float) -> bool:
        """Use up one; False when there is none."""
        self._left = min(self._at_once, self._left + (now_s - self._then_s) * self._per_s)
        self._then_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Reader:
    """The incoming side of one connection: what may not pass is stopped here, the rest goes to the room."""

    def __init__(self, hub: Hub, socket: web.WebSocketResponse, seated: Seated, connection: Connection) -> None:
        self._hub = hub
        self._socket = socket
        self._seated = seated
        self._connection = connection
        now_s = asyncio.get_running_loop().time()
        self._allowance = Allowance(at_once=MESSAGES_AT_ONCE, per_s=MESSAGES_PER_S, now_s=now_s)
        self._malformed = 0
        self._last: WSMessage | None = None

    async def read(self) -> None:
        """Read until the socket is gone."""
        while True:
            self._last = await self._socket.receive()
            match self._last.type:
                case WSMsgType.TEXT:
                    self._take(self._last.data)
                case WSMsgType.BINARY:
                    self._take(None)
                case _:
                    return

    def why_gone(self) -> CloseReason | Departure:
        """Return why the socket is gone, also when reading was cancelled because of it."""
        if self._connection.closing is not None:
            return self._connection.closing
        if isinstance(self._socket.exception(), TimeoutError):
            return CloseReason.SILENT
        if self._last is None:
            return Departure.LOST
        error = self._last.data
        if isinstance(error, WebSocketError) and error.code == WSCloseCode.MESSAGE_TOO_BIG:
            return CloseReason.TOO_LARGE
        return Departure.PAGE_CLOSED if self._last.type is WSMsgType.CLOSE else Departure.LOST

    def _take(self, frame: str | None) -> None:
        if self._connection.closing is not None:
            return  # was sent before the client could know
        if not self._allowance.take(asyncio.get_running_loop().time()):
            self._close(CloseReason.RATE)
            return
        try:
            if frame is None:
                raise MessageMalformed("binary")
            message = decode(frame)
        except MessageTooLarge:
            self._close(CloseReason.TOO_LARGE)
        except MessageMalformed:
            self._malformed += 1
            self._connection.send(Refused("message_malformed", {}))
            if self._malformed >= MALFORMED_FRAMES:
                self._close(CloseReason.MALFORMED)
        except FieldTooLong as error:
            self._connection.send(Refused("text_too_long", {"field": error.field, "limit": error.limit}))
        else:
            turned_out = self._hub.receive(self._seated, message)
            if turned_out is not None:
                self._close(turned_out)

    def _close(self, reason: CloseReason) -> None:
        log.warning(
            "turned_out hearing_id=%s seat_id=%s connection_id=%s reason=%s",
            self._seated.hearing_id,
            self._seated.seat_id,
            self._seated.connection_id,
            reason,
        )
        self._connection.close(reason)


async def serve(hub: Hub, request: web.Request, seated: Seated) -> web.WebSocketResponse:
    """Upgrade `request`, whose sender web has found to be `seated`, and speak until the connection ends."""
    settings = hub.settings
    socket = web.WebSocketResponse(
        heartbeat=settings.heartbeat_s, max_msg_size=READ_BYTES, timeout=settings.farewell_s, compress=False
    )
    await socket.prepare(request)
    connection = Connection(seated.connection_id)
    reader = Reader(hub, socket, seated, connection)
    hub.enter(seated, connection)
    try:
        await _converse(reader, connection, socket, settings)
    except ConnectionError:
        # The peer is gone or does not read. Closing politely would wait for it to take what is buffered.
        if request.transport is not None:
            request.transport.abort()
    finally:
        # Last, so that a seat is not free while its old socket could still be heard; always, or it stays taken.
        hub.leave(seated, reader.why_gone())
    return socket


async def _converse(
    reader: Reader, connection: Connection, socket: web.WebSocketResponse, settings: HubSettings
) -> None:
    """Read and write until either is over. Raises ConnectionError when the peer is gone while it is written to."""
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(reader.read())
        writing = group.create_task(_write(connection, socket, settings))
        await asyncio.wait({reading, writing}, return_when=asyncio.FIRST_COMPLETED)
        if connection.closing is None:
            # The socket is gone, and nothing will ever wake the writer.
            writing.cancel()
        else:
            # The server closes. Leaving the group waits, bounded, until the writer has said why; the reader must be off
            # the socket before it is closed, because aiohttp waits for the peer's close frame only when nobody else
            # reads, and without that wait the peer's last words make its kernel drop what it was told: it would see
            # 1006 in place of the reason.
            reading.cancel()
    if not writing.cancelled() and (error := writing.result()) is not None:
        raise error
    if connection.closing is not None:
        await connection.end(socket, timeout_s=2 * settings.farewell_s)


async def _write(
    connection: Connection, socket: web.WebSocketResponse, settings: HubSettings
) -> ConnectionError | None:
    """Write until told to end; a lost peer is returned, since raised it would be wrapped by the group."""
    try:
        await connection.write(socket, timeout_s=settings.send_timeout_s, silence_s=settings.silence_s)
    except ConnectionError as error:
        return error
    return None
