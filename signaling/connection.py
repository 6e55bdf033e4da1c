"""One socket's outgoing side: a bounded queue that the room fills without waiting and a writer empties."""

import asyncio
from collections import deque
from typing import Protocol

from signaling.closing import CLOSINGS, CloseReason
from signaling.messages import ClosingSaid, FromServer, RoomShown, Saved, Stats, encode

OUTGOING_MESSAGES = 64
"""How many messages may wait for one reader. A hearing sends three a second, each replacing the one before."""

WHOLE_TRUTHS: tuple[type[FromServer], ...] = (RoomShown, Saved, Stats)
"""Messages that say everything anew: one not yet sent is worth nothing once there is a newer one."""


class Socket(Protocol):
    """What is needed of a WebSocket to write to it."""

    async def send_str(self, data: str) -> None:
        """Send a text frame; waits while the peer reads slowly."""
        ...

    async def close(self, *, code: int, message: bytes) -> bool:
        """Send the close frame and wait, bounded, for the peer's."""
        ...


class Connection:
    """A client at the other end. Owned by its endpoint; the room only calls `send` and `close`, which never wait."""

    def __init__(self, connection_id: str) -> None:
        self.connection_id = connection_id
        self.closing: CloseReason | None = None
        self._waiting: deque[FromServer] = deque()
        self._shown: RoomShown | None = None
        self._news = asyncio.Event()

    def send(self, message: FromServer) -> None:
        """Queue a message. A connection that does not keep up is closed: its page comes back to a fresh picture."""
        if self.closing is not None:
            return
        if isinstance(message, RoomShown):
            self._shown = message
        if isinstance(message, WHOLE_TRUTHS):
            for index, older in enumerate(self._waiting):
                if type(older) is type(message):
                    self._waiting[index] = message
                    return
        if len(self._waiting) >= OUTGOING_MESSAGES:
            self._waiting.clear()
            self.close(CloseReason.SLOW)
            return
        self._waiting.append(message)
        self._news.set()

    def close(self, reason: CloseReason) -> None:
        """Say why and end, after what is queued. The first reason stands."""
        if self.closing is None:
            self.closing = reason
            self._waiting.append(ClosingSaid(reason, CLOSINGS[reason].retry))
            self._news.set()

    async def write(self, socket: Socket, *, timeout_s: float, silence_s: float | None = None) -> None:
        """Send what is queued until the connection is to be closed and its `closing` is sent.

        When there was nothing to say for `silence_s`, the room is shown again: by that a page knows that its line
        lives, since a browser shows it no pings. A frame that cannot be handed over within `timeout_s` closes the
        connection as slow. Raises ConnectionError when the socket is gone.
        """
        while self.closing is None or self._waiting:
            try:
                async with asyncio.timeout(silence_s):
                    await self._news.wait()
            except TimeoutError:
                self._waiting.extend([self._shown] if self._shown is not None else [])
            self._news.clear()
            while self._waiting:
                try:
                    async with asyncio.timeout(timeout_s):
                        await socket.send_str(encode(self._waiting.popleft()))
                except TimeoutError:
                    # What is queued would not get through either; only the close frame is still tried.
                    self.close(CloseReason.SLOW)
                    self._waiting.clear()

    async def end(self, socket: Socket, *, timeout_s: float) -> None:
        """Send the close frame that says why and wait for the peer's.

        Nobody may be reading the socket meanwhile. Raises ConnectionError when the peer does not take even that.
        """
        closing = CLOSINGS[self.closing or CloseReason.SERVER_RESTARTING]
        try:
            async with asyncio.timeout(timeout_s):
                await socket.close(code=closing.code, message=closing.told.encode())
        except TimeoutError as error:
            raise ConnectionAbortedError from error
