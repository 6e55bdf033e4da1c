"""One task owns one room: it takes what happens out of a bounded inbox, lets the room decide, and does the effects."""

import asyncio
import logging
import traceback
from collections import deque
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from records.clock import Clock
from records.refusals import Refusal
from signaling.alarms import at_the_end
from signaling.closing import CloseReason
from signaling.connection import Connection
from signaling.effects import (
    ActionFailed,
    AddingFailed,
    AddToMedia,
    AdmissionFailed,
    CloseConnection,
    CloseMedia,
    ConnectionClosed,
    Drained,
    Effect,
    EndingFailed,
    EndSession,
    Entered,
    Event,
    InterruptionRecorded,
    MediaMoved,
    MediaOpened,
    MediaStopped,
    OpenMedia,
    Outcome,
    Received,
    RecordAdmission,
    RecordAgain,
    RecordDeparture,
    RecordEntry,
    RecordInterruption,
    RecordLines,
    RecordRefusal,
    RecordSendingBack,
    RecordTrouble,
    RecordWord,
    RemoveFromMedia,
    SeatAdmitted,
    SeatSentBack,
    SendTo,
    SessionEnded,
    SessionStarted,
    SetMuted,
    StartSession,
    TakeAnswer,
    TroubleArose,
    WriteJournal,
)
from signaling.media.events import MediaRefused
from signaling.ports import MediaPlane, Ports
from signaling.recess import BeginRecess, EndRecess, Recess, RecessBegan, RecessEnded, RecessFailed, SetPaused
from signaling.room import decide
from signaling.state import Room

log = logging.getLogger(__name__)

INBOX_MESSAGES = 256
"""How many events may wait before messages of clients are turned away: whoever sends then is flooding."""
INBOX_EVENTS = 1024
"""How many before arrivals and media news are, too: the room is stuck."""

MEDIA_CODES = frozenset({"answer_stale", "seats_full"})
"""What the media plane refuses that means something here or to people; the rest is for the log."""


@dataclass(frozen=True, slots=True)
class HubSettings:
    """Limits of the live hearing, in seconds."""

    heartbeat_s: float = 10.0
    """After so long without a sound the client is pinged; half as long again without an answer, and it is gone."""
    send_timeout_s: float = 10.0
    """How long one frame may take to be handed to the network."""
    farewell_s: float = 2.0
    """How long a peer may take to answer the close frame before its socket is simply dropped."""
    port_timeout_s: float = 10.0
    """How long the record or the media plane may take to answer."""
    again_timeout_s: float = 3.0
    """How long a host who asks for the recording to go on waits for the disk; the room waits with them."""
    close_timeout_s: float = 30.0
    """How long a recording may take to reach the disk whole when it is closed."""
    idle_s: float = 60.0
    """How long the room of a hearing that is not in session is kept when nobody is there."""
    still_timeout_s: float = 5.0
    drain_timeout_s: float = 40.0


@dataclass(frozen=True, slots=True)
class Failure:
    """Something could not be done, for a reason with a stable code."""

    code: str
    params: Mapping[str, str | int] = field(default_factory=dict)


class RoomRunner:
    """Runs one room. `post` never waits; everything else happens in the one task that runs `run`."""

    def __init__(self, hearing_id: str, media: MediaPlane, ports: Ports, settings: HubSettings, clock: Clock) -> None:
        self.hearing_id = hearing_id
        self.room = Room(hearing_id)
        self._media = media
        self._ports = ports
        self._settings = settings
        self._clock = clock
        # Its bound is kept by `post`, because different events meet it differently.
        self._inbox: asyncio.Queue[Event] = asyncio.Queue()
        self._connections: dict[str, Connection] = {}

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
            self._log(logging.ERROR, "inbox_full", happened=type(event).__name__)
            return False
        self._inbox.put_nowait(event)
        return True

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
                opening = await self._ports.proceedings.opening(self.hearing_id)
        except Refusal as refusal:
            self._log(logging.INFO, "room_refused", code=refusal.code)
            self.turn_away(CloseReason.NOT_ADMITTED)
            return
        except Exception as error:
            self.log_error("opening", error)
            self.turn_away(CloseReason.SERVER_RESTARTING)
            return
        self.room = Room.opened(self.hearing_id, opening)
        self._log(logging.INFO, "room_opened", phase=self.room.phase)
        while (event := await self._next()) is not None:
            await self._handle(event)
            if isinstance(event, Drained):
                # Arrivals behind it in the inbox; the hub accepts none after it.
                self.turn_away(event.reason)
                break
        self._log(logging.INFO, "room_dropped", phase=self.room.phase)

    async def _next(self) -> Event | None:
        """Return what happened next; None when the room is not needed any more.

        Between finding the inbox empty and returning there is no await, so that nothing can slip in unseen.
        """
        if self._connections or self.room.phase == "in_session":
            return await self._inbox.get()
        try:
            async with asyncio.timeout(0 if self.room.phase == "ended" else self._settings.idle_s):
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
            self._log_event(event)
            try:
                self.room, effects = decide(self.room, event)
                for effect in effects:
                    events.extend(await self._perform(effect))
            except Exception as error:
                # A defect of ours. The hearing is worth more than this one event.
                self.log_error(f"decide {type(event).__name__}", error)

    async def _perform(self, effect: Effect) -> list[Outcome]:
        match effect:
            case SendTo(connection_id, message):
                if connection_id in self._connections:
                    self._connections[connection_id].send(message)
                return []
            case CloseConnection(connection_id, reason):
                if connection_id in self._connections:
                    self._connections.pop(connection_id).close(reason)
                return []
            case RecordEntry() | RecordDeparture() | RecordWord() | RecordLines() | RecordRefusal():
                return await self._note(effect)
            case RecordTrouble() | RecordInterruption() | RecordAgain():
                return await self._attend_to_trouble(effect)
            case StartSession() | RecordAdmission() | RecordSendingBack() | EndSession() | BeginRecess() | EndRecess():
                return await self._have_on_record(effect)
            case OpenMedia() | CloseMedia() | AddToMedia() | RemoveFromMedia() | TakeAnswer():
                return await self._use_media(effect)
            case SetMuted() | SetPaused() | WriteJournal():
                return await self._adjust_media(effect)
        assert_never(effect)

    async def _note(
        self, effect: RecordEntry | RecordDeparture | RecordWord | RecordLines | RecordRefusal
    ) -> list[Outcome]:
        record = self._ports.proceedings
        match effect:
            case RecordEntry(seat_id):
                work = record.entered(self.hearing_id, seat_id)
            case RecordDeparture(seat_id, reason):
                work = record.left(self.hearing_id, seat_id, str(reason))
            case RecordLines(lines):
                work = record.measured(self.hearing_id, lines)
            case RecordRefusal(seat_id, code):
                work = record.refused(self.hearing_id, seat_id, str(code))
            case RecordWord(seat_id, text, at):
                work = record.said(self.hearing_id, seat_id, text, at)
        failure = await self._attempt(work, "record_unavailable", effect)
        if failure is None:
            return []
        if isinstance(effect, RecordLines):
            # The recording has the same; nothing that the host could do would bring it back.
            return []
        if isinstance(effect, RecordWord):
            return [ActionFailed(effect.seat_id, failure.code, failure.params)]
        return [TroubleArose("record_unavailable")]

    async def _attend_to_trouble(self, effect: RecordTrouble | RecordInterruption | RecordAgain) -> list[Outcome]:
        record = self._ports.proceedings
        match effect:
            case RecordTrouble(error, saved_ms):
                # The disk that the record lies on may be the same: what is not kept now is, with the interruption.
                await self._attempt(record.troubled(self.hearing_id, error, saved_ms), "record_unavailable", effect)
                return []
            case RecordInterruption(interruption):
                work = record.interrupted(self.hearing_id, interruption)
                failure = await self._attempt(work, "record_unavailable", effect)
                return [InterruptionRecorded(interruption)] if failure is None else []
            case RecordAgain(by):
                failure = await self._attempt(self._record_again(), "recording_still_down", effect)
                return [] if failure is None else [ActionFailed(by, failure.code, failure.params)]
        assert_never(effect)

    async def _record_again(self) -> None:
        async with asyncio.timeout(self._settings.again_timeout_s):
            await asyncio.to_thread(self._ports.journals.prepare, self.hearing_id)
            await self._media.record_again(self.hearing_id)

    async def _have_on_record(
        self, effect: StartSession | RecordAdmission | RecordSendingBack | EndSession | BeginRecess | EndRecess
    ) -> list[Outcome]:
        record = self._ports.proceedings
        done: Outcome
        undone: list[Outcome] = []
        match effect:
            case StartSession(admission):
                by = admission.by
                work = record.started(self.hearing_id, by)
                done = SessionStarted(admission, self._clock.now())
                undone = [AdmissionFailed(admission)]
            case RecordAdmission(by, seat_id):
                work = record.admitted(self.hearing_id, by, seat_id)
                done = SeatAdmitted(by, seat_id)
            case RecordSendingBack(by, seat_id):
                work = record.sent_back(self.hearing_id, by, seat_id)
                done = SeatSentBack(by, seat_id)
            case EndSession(by):
                work = self._end(by)
                done = SessionEnded(by)
                undone = [EndingFailed()]
            case BeginRecess(recess):
                by = recess.by
                work = self._begin_recess(recess)
                done = RecessBegan(recess)
                undone = [RecessFailed()]
            case EndRecess(by):
                work = record.resumed(self.hearing_id, by, self._elapsed_ms())
                done = RecessEnded(by)
        failure = await self._attempt(work, "record_unavailable", effect)
        if failure is None:
            return [done]
        return [*undone, ActionFailed(by, failure.code, failure.params)]

    async def _begin_recess(self, recess: Recess) -> None:
        await self._media.set_paused(self.hearing_id, True)
        await self._ports.proceedings.paused(self.hearing_id, recess.by, recess.reason, self._elapsed_ms())

    def _elapsed_ms(self) -> int:
        position = self._media.position(self.hearing_id)
        return (self.room.elapsed_ms or 0) if position is None else position.elapsed_ms

    async def _end(self, by: str) -> None:
        position = self._media.position(self.hearing_id)
        unwritten = False
        if position is not None:
            try:
                await self._media.close_hearing(self.hearing_id)
            except MediaRefused as refused:
                if refused.code != "journal_unwritten":
                    raise
                # It is written as soon as the disk takes it, and sealed then.
                unwritten = True
            interruption = at_the_end(self.room, position.elapsed_ms, unwritten=unwritten)
            if interruption is not None:
                await self._ports.proceedings.interrupted(self.hearing_id, interruption)
        await self._ports.proceedings.ended(self.hearing_id, by, None if position is None else position.elapsed_ms)

    async def _use_media(
        self, effect: OpenMedia | CloseMedia | AddToMedia | RemoveFromMedia | TakeAnswer
    ) -> list[Outcome]:
        media = self._media
        match effect:
            case OpenMedia(admission):
                directory = self._ports.journals.directory(self.hearing_id)
                work = media.open_hearing(self.hearing_id, directory, paused=self.room.recess is not None)
                failure = await self._attempt(work, "recording_unavailable", effect)
                if failure is not None:
                    undone = [] if admission is None else [AdmissionFailed(admission)]
                    return [*undone, TroubleArose("recording_unavailable", at=self._clock.now())]
                position = media.position(self.hearing_id)
                return [MediaOpened(None if position is None else position.elapsed_ms, self._clock.now())]
            case CloseMedia():
                failure = await self._attempt(media.close_hearing(self.hearing_id), "recording_trouble", effect)
                return [] if failure is None else [TroubleArose("recording_trouble")]
            case AddToMedia(seat_id):
                failure = await self._attempt(self._add(effect), "media_unavailable", effect)
                return [] if failure is None else [AddingFailed(seat_id, failure.code)]
            case RemoveFromMedia(seat_id):
                work = media.remove_participant(self.hearing_id, seat_id)
                failure = await self._attempt(work, "media_unavailable", effect)
                return [] if failure is None else [TroubleArose("media_unavailable", {"seat_id": seat_id})]
            case TakeAnswer(seat_id, offer_id, sdp):
                work = media.take_answer(self.hearing_id, seat_id, offer_id, sdp)
                failure = await self._attempt(work, "media_unavailable", effect)
                # A newer offer overtook this answer on its way. The browser answers that one next.
                if failure is None or failure.code == "answer_stale":
                    return []
                return [ActionFailed(seat_id, failure.code, {"seat_id": seat_id})]
        assert_never(effect)

    async def _add(self, effect: AddToMedia) -> None:
        await self._media.add_participant(self.hearing_id, effect.seat_id, publishes=effect.publishes)
        await self._media.set_muted(self.hearing_id, effect.seat_id, effect.muted)

    async def _adjust_media(self, effect: SetMuted | SetPaused | WriteJournal) -> list[Outcome]:
        match effect:
            case SetMuted(seat_id, muted):
                work = self._media.set_muted(self.hearing_id, seat_id, muted)
                failure = await self._attempt(work, "media_unavailable", effect)
                return [] if failure is None else [TroubleArose("media_unavailable", {"seat_id": seat_id})]
            case SetPaused(paused):
                work = self._media.set_paused(self.hearing_id, paused)
                failure = await self._attempt(work, "recording_unavailable", effect)
                return [] if failure is None else [TroubleArose("recording_unavailable", at=self._clock.now())]
            case WriteJournal(mapping):
                failure = await self._attempt(
                    self._media.record_event(self.hearing_id, mapping), "recording_trouble", effect
                )
                return [] if failure is None else [TroubleArose("recording_trouble")]
        assert_never(effect)

    async def _attempt(self, work: Awaitable[object], otherwise: str, effect: Effect) -> Failure | None:
        """Wait, bounded, for `work`; a Refusal fails with its own code, all else with `otherwise`."""
        closes = isinstance(effect, EndSession | CloseMedia)
        try:
            async with asyncio.timeout(self._settings.close_timeout_s if closes else self._settings.port_timeout_s):
                await work
        except Refusal as refusal:
            self._log(logging.INFO, "refused", wanted=type(effect).__name__, code=refusal.code)
            return Failure(refusal.code, refusal.params)
        except MediaRefused as refusal:
            self._log(logging.INFO, "refused", wanted=type(effect).__name__, code=refusal.code)
            return Failure(refusal.code if refusal.code in MEDIA_CODES else otherwise)
        except Exception as error:
            self.log_error(type(effect).__name__, error)
            return Failure(otherwise)
        return None

    def turn_away(self, reason: CloseReason) -> None:
        """Close whoever is still connected, all of whom wait in the inbox to be seated."""
        for connection in self._connections.values():
            connection.close(reason)
        self._connections.clear()

    def _log_event(self, event: Event) -> None:
        if isinstance(event, Entered):
            self._log(logging.INFO, "entered", seat_id=event.seated.seat_id, connection_id=event.seated.connection_id)
        elif isinstance(event, ConnectionClosed):
            self._log(
                logging.INFO, "closed", seat_id=event.seat_id, connection_id=event.connection_id, why=event.reason
            )

    def log_error(self, wanted: str, error: Exception) -> None:
        """Log that something wanted could not be done."""
        # Its type and place, not its text: an error of the database may quote what somebody wrote.
        frames = traceback.extract_tb(error.__traceback__)[-3:]
        at = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
        self._log(logging.ERROR, "failed", wanted=wanted, error=type(error).__name__, at=at)

    def _log(self, level: int, message: str, **details: str | int) -> None:
        values = {"hearing_id": self.hearing_id, **details}
        log.log(level, "%s %s", message, " ".join(f"{key}={value}" for key, value in values.items()))
