"""One task owns one room: it takes what happens out of a bounded inbox, lets the room decide, and does the effects."""

import asyncio
from collections import Counter, deque

from records.clock import Clock
from records.refusals import Refusal
from signaling.closing import CloseReason
from signaling.connection import Connection
from signaling.effects import (
    CloseConnection,
    Effect,
    SendTo,
)
from signaling.events import (
    ConnectionClosed,
    Drained,
    Entered,
    Event,
    Looked,
    MediaMoved,
    MediaStopped,
    Outcome,
    Received,
)
from signaling.hearing_log import HearingLog
from signaling.performer import Performer
from signaling.ports import MediaPlane, Ports
from signaling.room import decide
from signaling.settings import HubSettings
from signaling.state import Room

UNREAD_MESSAGES = 40
"""How many of one connection's messages may wait: a burst that `endpoint` lets through, and a second more."""
INBOX_MESSAGES = 256
"""How many events may wait before messages of clients are turned away: the room does not keep up."""
INBOX_EVENTS = 1024
"""How many before arrivals and media news are, too: the room is stuck."""


class RoomRunner:
    """Runs one room. `post` never waits; everything else happens in the one task that runs `run`."""

    def __init__(self, hearing_id: str, media: MediaPlane, ports: Ports, settings: HubSettings, clock: Clock) -> None:
        self.hearing_id = hearing_id
        self.room = Room(hearing_id)
        self.log = HearingLog(hearing_id)
        self._proceedings = ports.proceedings
        self._settings = settings
        self._clock = clock
        self._performer = Performer(hearing_id, media, ports, settings, clock, self.log)
        # Its bound is kept by `post`, because different events meet it differently.
        self._inbox: asyncio.Queue[Event] = asyncio.Queue()
        self._connections: dict[str, Connection] = {}
        self._unread: Counter[str] = Counter()
        """How many messages of each connection wait in the inbox."""
        self._look_at_s: float | None = None
        """When, by the event loop's clock, the room is looked at next; None while a host is there."""

    def post(self, event: Event) -> bool:
        """Put an event into the inbox; False when it is full for this kind of event.

        A closing always fits, or its seat would stay taken: there is one for each arrival, and those are bounded. So
        do the draining, which comes once, and the end of a media worker, without which nobody would be heard again.
        """
        waiting = self._inbox.qsize()
        match event:
            case ConnectionClosed() | Drained() | MediaMoved() | MediaStopped():
                full = False
            case Received():
                full = waiting >= INBOX_MESSAGES
            case _:
                full = waiting >= INBOX_EVENTS
        if full:
            self.log.error("inbox_full", happened=type(event).__name__)
            return False
        self._inbox.put_nowait(event)
        return True

    def take(self, message: Received) -> CloseReason | None:
        """Post what a client says; return why its connection is to be closed when that cannot be.

        When the room does not keep up, who floods it is thrown out, and who said a word meanwhile may come again.
        """
        if self._unread[message.connection_id] >= UNREAD_MESSAGES:
            return CloseReason.RATE
        if not self.post(message):
            return CloseReason.SLOW
        self._unread[message.connection_id] += 1
        return None

    def arrive(self, event: Entered, connection: Connection) -> bool:
        """Post an arrival together with the connection that its messages go to; False when the inbox is full."""
        if not self.post(event):
            return False
        self._connections[connection.connection_id] = connection
        return True

    async def run(self) -> None:
        """Own the room until it is drained, or nobody has been there for a while and nothing is in session."""
        try:
            async with asyncio.timeout(self._settings.port_timeout_s):
                opening = await self._proceedings.opening(self.hearing_id)
        except Refusal as refusal:
            self.log.info("room_refused", code=refusal.code)
            self.turn_away(CloseReason.NOT_ADMITTED)
            return
        except Exception as error:
            self.log.failed("opening", error)
            self.turn_away(CloseReason.SERVER_RESTARTING)
            return
        self.room = Room.opened(self.hearing_id, opening)
        self.log.info("room_opened", phase=self.room.phase)
        while (event := await self._next()) is not None:
            await self._handle(event)
            if isinstance(event, Drained):
                # Arrivals behind it in the inbox; the hub accepts none after it.
                self.turn_away(event.reason)
                break
        self.log.info("room_dropped", phase=self.room.phase)

    async def _next(self) -> Event | None:
        """Return what happened next; None when the room is not needed any more.

        Between finding the inbox empty and returning there is no await, so that nothing can slip in unseen.
        """
        if self.room.lacks_host:
            return await self._next_or_look()
        self._look_at_s = None
        if self._connections or self.room.phase == "in_session":
            return await self._inbox.get()
        return await self._next_within(0 if self.room.phase == "ended" else self._settings.idle_s)

    async def _next_or_look(self) -> Event:
        now_s = asyncio.get_running_loop().time()
        if self._look_at_s is None:
            self._look_at_s = now_s + self._settings.look_every_s
        event = await self._next_within(self._look_at_s - now_s)
        if event is not None:
            return event
        self._look_at_s = None
        return Looked(self._clock.now())

    async def _next_within(self, seconds: float) -> Event | None:
        try:
            async with asyncio.timeout(seconds):
                return await self._inbox.get()
        except TimeoutError:
            return None if self._inbox.empty() else self._inbox.get_nowait()

    async def _handle(self, first: Event) -> None:
        """Let the room decide on an event and on how its effects went, before anything else is looked at."""
        events = deque([first])
        while events:
            event = events.popleft()
            if isinstance(event, ConnectionClosed):
                self._connections.pop(event.connection_id, None)
            if isinstance(event, Received):
                self._unread -= Counter((event.connection_id,))
            self._log_event(event)
            try:
                self.room, effects = decide(self.room, event)
                for effect in effects:
                    events.extend(await self._perform(effect))
            except Exception as error:
                # A defect of ours. The hearing is worth more than this one event.
                self.log.failed(f"decide {type(event).__name__}", error)

    async def _perform(self, effect: Effect) -> list[Outcome]:
        match effect:
            case SendTo(connection_id, message):
                if connection_id in self._connections:
                    self._connections[connection_id].send(message)
            case CloseConnection(connection_id, reason):
                if connection_id in self._connections:
                    self._connections.pop(connection_id).close(reason)
            case _:
                return await self._performer.perform(effect, self.room)
        return []

    def turn_away(self, reason: CloseReason) -> None:
        """Close whoever is still connected, all of whom wait in the inbox to be seated."""
        for connection in self._connections.values():
            connection.close(reason)
        self._connections.clear()

    def _log_event(self, event: Event) -> None:
        if isinstance(event, Entered):
            self.log.info("entered", seat_id=event.seated.seat_id, connection_id=event.seated.connection_id)
        elif isinstance(event, ConnectionClosed):
            self.log.info("closed", seat_id=event.seat_id, connection_id=event.connection_id, why=event.reason)
