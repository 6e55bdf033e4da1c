"""The media plane as the hub has it: hearings placed on worker processes.

A worker that dies, or hangs, takes down nothing else: its hearings are opened again on another at once, their journals
go on in a new segment, and the room, told by `HearingMoved`, has everybody's browser make a fresh link. All of it
happens by itself.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import msgspec

from signaling.media.crew import Crew, places_for
from signaling.media.events import (
    HearingLost,
    HearingMoved,
    JournalFlushed,
    MediaEvent,
    MediaRefused,
    MediaSettings,
    Moment,
    OfferReady,
    Still,
    StillUnavailable,
)
from signaling.media.remote import RemoteWorker, WorkerDied
from signaling.media.wire import (
    AddParticipant,
    CloseHearing,
    HearingCommand,
    Opened,
    OpenHearing,
    RecordAgain,
    RecordEvent,
    RemoveParticipant,
    Result,
    SetMuted,
    SetPaused,
    TakeAnswer,
    TakeStill,
)
from signaling.messages import Json

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")

HEARING_CPU = 0.01
"""What a hearing is reckoned to use of one core at least: one just opened has nobody in it yet, but will."""
TRIES_MAX = 3
"""How many workers may die one after the other over one request before it is given up."""
PATIENCE_S = 8.0
"""How long a hearing waits for a worker when none runs."""
MOVE_WAITS_S = (0.0, 0.1, 0.3, 1.0, 3.0)
"""Waits before each try to open a hearing again whose worker is gone; after the last the hearing is lost."""


@dataclass(slots=True, eq=False)
class PlacedHearing:
    """A hearing and where it runs."""

    hearing_id: str
    directory: Path
    paused: bool = False
    """In a recess, in which the next worker must open it again."""
    worker: RemoteWorker | None = None
    placed: asyncio.Event = field(default_factory=asyncio.Event)
    """Not set while it is between two workers."""
    cut_off: set[str] = field(default_factory=set)
    """Whose links ended with a worker, and who were not added to the present one."""
    seats: set[str] = field(default_factory=set)
    """Who have a link in the present worker."""
    offers: int = 0
    """How many offers were made in all: each worker numbers its own from one."""
    offers_before: int = 0
    """How many of those the workers before the present one made."""
    started_at: datetime | None = None
    started_s: float = inf
    """When the recording began: by the wall, and by our monotonic clock."""

    def put(self, worker: RemoteWorker, now: Moment) -> None:
        """Note where it runs, and where its recording stands."""
        self.worker = worker
        self.offers_before = self.offers
        self.started_at = now.at - timedelta(milliseconds=now.elapsed_ms)
        self.hear_position(now.elapsed_ms)
        self.placed.set()

    def take_from(self, worker: RemoteWorker) -> None:
        """Note that its worker is gone; a second time does nothing."""
        if self.worker is worker and self.placed.is_set():
            self.placed.clear()
            self.cut_off |= self.seats
            self.seats.clear()

    def hear_position(self, elapsed_ms: int) -> None:
        """Take the worker's word for where the recording stands; of several, the one that was least long on its way."""
        self.started_s = min(self.started_s, time.monotonic() - elapsed_ms / 1000)

    def position(self) -> Moment | None:
        """Return where the recording stands: it goes with the clock, also between two workers."""
        if self.started_at is None:
            return None
        elapsed = timedelta(seconds=max(0.0, time.monotonic() - self.started_s))
        return Moment(elapsed // timedelta(milliseconds=1), self.started_at + elapsed)


class MediaPool:
    """All media of this server (`signaling.ports.MediaPlane`). A lifetime: `async with MediaPool(...) as media`.

    `settings.port` is the first worker's, the others have the ones after it (0: free ones); `workers` 0: one a core.
    `on_event` is called on the event loop's thread and must not block.
    """

    def __init__(self, settings: MediaSettings, on_event: Callable[[MediaEvent], None], *, workers: int = 0) -> None:
        self._listener = on_event
        self._hearings: dict[str, PlacedHearing] = {}
        self._crew = Crew(places_for(settings, workers), self._take_event, self._worker_gone)
        self._moves = asyncio.TaskGroup()
        self._moving: set[asyncio.Task[None]] = set()
        self._stopping = False

    # --- Lifetime

    @property
    def workers(self) -> tuple[RemoteWorker, ...]:
        """The workers that run now."""
        return self._crew.running

    def carrier(self, hearing_id: str) -> RemoteWorker | None:
        """Return the worker that carries a hearing; None when none does at the moment."""
        hearing = self._hearings.get(hearing_id)
        return hearing.worker if hearing is not None and hearing.placed.is_set() else None

    async def __aenter__(self) -> "MediaPool":
        """Start every worker. Raises MediaUnavailable when one cannot be."""
        await self._crew.__aenter__()
        await self._moves.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every hearing that is still open, and end every worker."""
        self._stopping = True
        for task in self._moving:
            task.cancel()
        await self._moves.__aexit__(None, None, None)
        self._hearings.clear()
        await self._crew.__aexit__(None, None, None)

    # --- Hearings

    async def open_hearing(self, hearing_id: str, directory: Path, *, paused: bool = False) -> None:
        """Begin to relay and record, or, `paused`, go on with a recess in which neither is done.

        Raises MediaRefused: `hearing_open`, `no_worker`, the journal's codes.
        """
        if hearing_id in self._hearings:
            raise MediaRefused("hearing_open")
        hearing = self._hearings[hearing_id] = PlacedHearing(hearing_id, directory, paused)
        try:
            await self._place(hearing)
        except BaseException:
            del self._hearings[hearing_id]
            raise

    async def close_hearing(self, hearing_id: str) -> None:
        """Drop everybody, write and close the journal. Raises MediaRefused: also `journal_unwritten`, when the disk is
        slow or full; it is closed all the same, as soon as everything is written."""
        try:
            await self._ask(hearing_id, CloseHearing(hearing_id))
        finally:
            # Whatever came of it: who wants the hearing again opens it, and a move under way finds it gone.
            self._hearings.pop(hearing_id, None)

    async def record_again(self, hearing_id: str) -> None:
        """Try at once to write what a disk would not take. Raises MediaRefused with what is still the matter."""
        await self._ask(hearing_id, RecordAgain(hearing_id))

    async def add_participant(self, hearing_id: str, seat_id: str, *, publishes: bool = True) -> None:
        """Make an offer for a seat; one that does not publish is only sent to. Raises MediaRefused."""
        hearing = self._hearing(hearing_id)
        hearing.cut_off.add(seat_id)
        if await self._ask_of_link(hearing, AddParticipant(hearing_id, seat_id, publishes)):
            hearing.seats.add(seat_id)
            hearing.cut_off.discard(seat_id)

    async def take_answer(self, hearing_id: str, seat_id: str, offer_id: int, sdp: str) -> None:
        """Take the answer to a seat's offer. Raises MediaRefused."""
        hearing = self._hearing(hearing_id)
        own_id = offer_id - hearing.offers_before
        if own_id <= 0 or not await self._ask_of_link(hearing, TakeAnswer(hearing_id, seat_id, own_id, sdp)):
            raise MediaRefused("answer_stale")

    async def remove_participant(self, hearing_id: str, seat_id: str) -> None:
        """Drop a seat's link. Raises MediaRefused."""
        hearing = self._hearing(hearing_id)
        if seat_id not in hearing.cut_off:
            await self._ask_of_link(hearing, RemoveParticipant(hearing_id, seat_id))
        hearing.seats.discard(seat_id)
        hearing.cut_off.discard(seat_id)

    async def set_muted(self, hearing_id: str, seat_id: str, muted: bool) -> None:
        """Drop, or let through, a seat's sound. Raises MediaRefused."""
        hearing = self._hearing(hearing_id)
        if seat_id not in hearing.cut_off:
            await self._ask_of_link(hearing, SetMuted(hearing_id, seat_id, muted))

    async def set_paused(self, hearing_id: str, paused: bool) -> None:
        """Begin or end a recess, in which nobody's sound and pictures are relayed or recorded. Raises MediaRefused."""
        self._hearing(hearing_id).paused = paused
        await self._ask(hearing_id, SetPaused(hearing_id, paused))

    async def take_still(self, hearing_id: str, seat_id: str, *, timeout_s: float) -> Still:
        """Take a picture out of a seat's live stream. Raises StillUnavailable, MediaRefused."""
        hearing = self._hearing(hearing_id)
        if seat_id in hearing.cut_off or not hearing.placed.is_set() or hearing.worker is None:
            raise StillUnavailable("no_camera")
        try:
            still = await hearing.worker.ask(TakeStill(hearing_id, seat_id, timeout_s))
        except WorkerDied:
            raise StillUnavailable("no_keyframe") from None
        return _expected(still, Still)

    async def record_event(self, hearing_id: str, event: Mapping[str, Json]) -> Moment:
        """Write an event into the journal, once at least. Raises MediaRefused; ValueError when it is not JSON."""
        text = json.dumps(event, ensure_ascii=False, allow_nan=False).encode()
        moment = _expected(await self._ask(hearing_id, RecordEvent(hearing_id, text)), Moment)
        if (hearing := self._hearings.get(hearing_id)) is not None:
            hearing.hear_position(moment.elapsed_ms)
        return moment

    def position(self, hearing_id: str) -> Moment | None:
        """Return where the recording stands, or None when there is none."""
        hearing = self._hearings.get(hearing_id)
        return None if hearing is None else hearing.position()

    # --- Asking

    def _hearing(self, hearing_id: str) -> PlacedHearing:
        hearing = self._hearings.get(hearing_id)
        if hearing is None:
            raise MediaRefused("hearing_unknown")
        return hearing

    async def _ask(self, hearing_id: str, command: HearingCommand) -> Result:
        """Have a hearing's command done: by its next worker, when it is between two or its worker dies over it."""
        for _ in range(TRIES_MAX):
            hearing = self._hearing(hearing_id)
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await hearing.placed.wait()
            except TimeoutError:
                raise MediaRefused("no_worker") from None
            worker = self._hearing(hearing_id).worker
            if worker is None:
                raise MediaRefused("hearing_unknown")
            try:
                return await worker.ask(command)
            except WorkerDied:
                hearing.take_from(worker)
        raise MediaRefused("worker_died")

    async def _ask_of_link(self, hearing: PlacedHearing, command: HearingCommand) -> bool:
        """Have something done about a link; False when links end just now: the room will add everybody afresh."""
        if hearing.worker is None or not hearing.placed.is_set():
            return False
        try:
            await hearing.worker.ask(command)
        except WorkerDied:
            return False
        return True

    # --- Placing

    async def _place(self, hearing: PlacedHearing) -> None:
        """Open a hearing on the least loaded worker. Raises MediaRefused."""
        for _ in range(TRIES_MAX):
            worker = await self._least_loaded()
            command = OpenHearing(hearing.hearing_id, str(hearing.directory.absolute()), hearing.paused)
            try:
                opened = await worker.ask(command)
            except WorkerDied:
                continue
            except asyncio.CancelledError:
                worker.order(CloseHearing(hearing.hearing_id))
                raise
            if self._hearings.get(hearing.hearing_id) is not hearing:
                worker.order(CloseHearing(hearing.hearing_id))
                raise MediaRefused("hearing_unknown")
            if not worker.alive:
                continue
            hearing.put(worker, _expected(opened, Opened).now)
            return
        raise MediaRefused("worker_died")

    async def _least_loaded(self) -> RemoteWorker:
        try:
            async with asyncio.timeout(PATIENCE_S):
                running = await self._crew.any_running()
        except TimeoutError:
            raise MediaRefused("no_worker") from None
        return min(running, key=self._load)

    def _load(self, worker: RemoteWorker) -> tuple[float, int]:
        count = sum(hearing.worker is worker for hearing in self._hearings.values())
        return max(round(worker.cpu, 2), HEARING_CPU * count), count

    def _worker_gone(self, worker: RemoteWorker, reason: str) -> None:
        if self._stopping:
            return
        for hearing in self._hearings.values():
            if hearing.worker is worker:
                hearing.take_from(worker)
                task = self._moves.create_task(self._move(hearing, reason), name=f"move {hearing.hearing_id}")
                self._moving.add(task)
                task.add_done_callback(self._moving.discard)

    async def _move(self, hearing: PlacedHearing, reason: str) -> None:
        """Go on elsewhere with a hearing whose worker is gone."""
        code = "no_worker"
        began_at = time.monotonic()
        for wait_s in MOVE_WAITS_S:
            await asyncio.sleep(wait_s)
            try:
                await self._place(hearing)
            except MediaRefused as refused:
                if self._hearings.get(hearing.hearing_id) is not hearing:
                    return  # closed meanwhile
                code = refused.code
                continue
            log.info("hearing %s moved within %.2f s", hearing.hearing_id, time.monotonic() - began_at)
            self._tell(HearingMoved(hearing.hearing_id, reason))
            # Should this worker die at once too, its end moves the hearing again, and says so in the journal then.
            with suppress(MediaRefused):
                await self.record_event(hearing.hearing_id, {"event": "MediaRestarted", "reason": reason})
            return
        log.error("hearing %s could not be moved: %s", hearing.hearing_id, code)
        self._hearings.pop(hearing.hearing_id, None)
        hearing.worker = None
        hearing.placed.set()  # for those who wait, to find that it is gone
        self._tell(HearingLost(hearing.hearing_id, code))

    # --- Events

    def _take_event(self, worker: RemoteWorker, event: MediaEvent) -> None:
        """Pass on what a worker tells of the hearings placed on it."""
        hearing = self._hearings.get(event.hearing_id)
        if hearing is None or hearing.worker is not worker:
            return
        if isinstance(event, JournalFlushed):
            hearing.hear_position(event.elapsed_ms)
        elif isinstance(event, OfferReady):
            event = msgspec.structs.replace(event, offer_id=hearing.offers_before + event.offer_id)
            hearing.offers = max(hearing.offers, event.offer_id)
        self._tell(event)

    def _tell(self, event: MediaEvent) -> None:
        try:
            self._listener(event)
        except Exception:
            # A fault of the listener's must not end the task that hears this worker.
            log.exception("%s was not taken", type(event).__name__)


def _expected(result: Result, kind: type[ResultT]) -> ResultT:
    if not isinstance(result, kind):
        raise MediaRefused("internal")
    return result
