"""Hearing id -> room: the door for connections, for what the media plane reports, and for the rest of the house."""

import asyncio
import contextvars
import logging
from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import assert_never

from records.clock import Clock, SystemClock
from signaling.closing import CloseReason
from signaling.connection import Connection
from signaling.events import (
    ConnectionClosed,
    Drained,
    Entered,
    Event,
    LinkBroke,
    LinkStood,
    Measured,
    MediaMoved,
    MediaStopped,
    OfferMade,
    PicturesMissed,
    Received,
    RecordingSaved,
    Told,
)
from signaling.media.events import (
    HearingLost,
    HearingMoved,
    JournalFlushed,
    JournalMended,
    JournalTrouble,
    LinkConnected,
    LinkLost,
    MediaEvent,
    Moment,
    OfferReady,
    PicturesUnseen,
    StatsMeasured,
    Still,
)
from signaling.messages import FromClient, Json, LinkStats, Person
from signaling.ports import MediaPlane, Ports, Seated
from signaling.runner import RoomRunner
from signaling.settings import HubSettings
from signaling.state import person
from signaling.trouble import RecordingMended, RecordingTroubled

log = logging.getLogger(__name__)


class Hub:
    """All rooms of this process. A lifetime: `async with Hub(...) as hub`, inside the media plane's."""

    def __init__(self, settings: HubSettings, media: MediaPlane, ports: Ports, *, clock: Clock | None = None) -> None:
        self.settings = settings
        self._media = media
        self._ports = ports
        self._clock = clock or SystemClock()
        self._rooms: dict[str, RoomRunner] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._group = asyncio.TaskGroup()
        self._draining: CloseReason | None = None

    async def __aenter__(self) -> "Hub":
        """Begin to accept connections. Hearings in session have their rooms at once: nobody may ever come back."""
        running = await self._ports.proceedings.running()
        await self._group.__aenter__()
        for hearing_id in running:
            self._start(hearing_id)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drain, if nobody has, and end every room's task."""
        await self.drain(CloseReason.SERVER_RESTARTING)
        for task in self._tasks.values():
            task.cancel()
        await self._group.__aexit__(None, None, None)

    # For endpoints ----------------------------------------------------------------------------------------------------

    def enter(self, seated: Seated, connection: Connection) -> None:
        """Let a connection into its hearing's room, or close it with the reason why not."""
        if self._draining is not None:
            connection.close(self._draining)
            return
        runner = self._rooms.get(seated.hearing_id) or self._start(seated.hearing_id)
        if not runner.arrive(Entered(seated), connection):
            connection.close(CloseReason.SERVER_RESTARTING)

    def receive(self, seated: Seated, message: FromClient) -> CloseReason | None:
        """Hand a message to the room; return why the connection is to be closed when too many wait."""
        runner = self._rooms.get(seated.hearing_id)
        if runner is None:
            return None
        return runner.take(Received(seated.seat_id, seated.connection_id, message, self._clock.now()))

    def leave(self, seated: Seated, reason: str) -> None:
        """Say that a connection is gone."""
        self._post(seated.hearing_id, ConnectionClosed(seated.seat_id, seated.connection_id, reason))

    # For the media plane ----------------------------------------------------------------------------------------------

    def take_media_event(self, event: MediaEvent) -> None:
        """Take what the media plane reports. On the event loop's thread; never waits.

        News for a room whose inbox is full are dropped: it has had no turn for a thousand events, and a link that
        stays without its offer is reported lost by the media plane.
        """
        self._post(event.hearing_id, _translated(event, self._clock.now()))

    # For web ----------------------------------------------------------------------------------------------------------

    async def tell(self, hearing_id: str, topic: str, data: Mapping[str, Json], *, to: str | None = None) -> None:
        """Notify one seat, or everybody admitted, that the part of the page called `topic` changed."""
        self._post(hearing_id, Told(topic, data, to))

    async def take_still(self, hearing_id: str, seat_id: str) -> Still:
        """Take a picture of a seat's live stream. Raises StillUnavailable or MediaRefused."""
        return await self._media.take_still(hearing_id, seat_id, timeout_s=self.settings.still_timeout_s)

    def position(self, hearing_id: str) -> Moment | None:
        """Return where the recording is now; None when none runs."""
        return self._media.position(hearing_id)

    async def record_event(self, hearing_id: str, event: Mapping[str, Json]) -> Moment:
        """Write an event into the recording and return where it stands. Raises MediaRefused when none runs."""
        return await self._media.record_event(hearing_id, event)

    def presence(self, hearing_id: str) -> tuple[Person, ...]:
        """Return the seats of a room, present or not; none when nobody has come lately."""
        runner = self._rooms.get(hearing_id)
        return () if runner is None else tuple(person(place) for place in runner.room.places.values() if place.role)

    async def drain(self, reason: CloseReason = CloseReason.SERVER_RESTARTING) -> None:
        """Close every connection with `reason` and every recording, and let nobody in any more. Bounded."""
        if self._draining is None:
            self._draining = reason
            for runner in self._rooms.values():
                runner.post(Drained(reason))
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=self.settings.drain_timeout_s)

    # ------------------------------------------------------------------------------------------------------------------

    def _post(self, hearing_id: str, event: Event) -> None:
        if (runner := self._rooms.get(hearing_id)) is not None:
            runner.post(event)

    def _start(self, hearing_id: str) -> RoomRunner:
        runner = RoomRunner(hearing_id, self._media, self._ports, self.settings, self._clock)
        self._rooms[hearing_id] = runner
        # A room outlives the request that opened it, so it does not inherit what that request's context holds.
        task = self._group.create_task(self._run(runner), name=f"room {hearing_id}", context=contextvars.Context())
        self._tasks[hearing_id] = task
        return runner

    async def _run(self, runner: RoomRunner) -> None:
        try:
            await runner.run()
        except Exception as error:
            # A defect of ours: an exception that left here would take every other room down with it.
            runner.log.failed("run", error)
            runner.turn_away(CloseReason.SERVER_RESTARTING)
        finally:
            del self._rooms[runner.hearing_id], self._tasks[runner.hearing_id]


def _translated(event: MediaEvent, at: datetime) -> Event:
    match event:
        case OfferReady():
            return OfferMade(event.seat_id, event.offer_id, event.sdp, event.streams)
        case LinkConnected():
            return LinkStood(event.seat_id)
        case LinkLost():
            return LinkBroke(event.seat_id, event.reason)
        case PicturesUnseen():
            return PicturesMissed(event.unseen)
        case StatsMeasured():
            people = {
                seat_id: LinkStats(
                    stats.loss_pct,
                    stats.rtt_ms,
                    stats.kbps,
                    stats.level,
                    stats.jitter_ms,
                    stats.sound_alone,
                    stats.fewer_pictures,
                )
                for seat_id, stats in event.people.items()
            }
            return Measured(people)
        case JournalFlushed() | JournalTrouble() | JournalMended():
            return _of_the_journal(event, at)
        case HearingMoved():
            return MediaMoved(event.reason)
        case HearingLost():
            log.error("recording_lost hearing_id=%s reason=%s", event.hearing_id, event.reason)
            return MediaStopped(event.reason, at)
    assert_never(event)


def _of_the_journal(event: JournalFlushed | JournalTrouble | JournalMended, at: datetime) -> Event:
    match event:
        case JournalFlushed():
            return RecordingSaved(event.elapsed_ms, event.saved_ms, at)
        case JournalTrouble():
            log.error("recording_trouble hearing_id=%s error=%s", event.hearing_id, event.error)
            return RecordingTroubled(event.error, event.saved_ms, event.room_s, event.losing, at)
        case JournalMended():
            log.info("recording_mended hearing_id=%s lost=%s", event.hearing_id, event.lost)
            return RecordingMended(event.elapsed_ms, event.lost, at)
    assert_never(event)
