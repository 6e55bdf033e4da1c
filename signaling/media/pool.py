"""The media plane as the hub has it: worker processes, each with its own UDP port, and the hearings placed on them.

A worker that dies, or hangs, takes down nothing else: its hearings are opened again on another at once, their journals
go on in a new segment, and the room, told by `HearingMoved`, has everybody's browser make a fresh link. All of it
happens without anybody's doing. The dead worker is started again.
"""

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TypeAlias

from signaling.media.events import (
    HearingLost,
    HearingMoved,
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
    RecordEvent,
    RemoveParticipant,
    Result,
    SetMuted,
    TakeAnswer,
    TakeStill,
)
from signaling.messages import Json

log = logging.getLogger(__name__)

HEARING_CPU = 0.01
"""What a hearing is reckoned to use of one core at least: one just opened has nobody in it yet, but will."""
PLACING_TRIES = 3
"""How many workers may die one after the other over one request before it is given up."""
PATIENCE_S = 10.0
"""How long a request waits for a worker when none runs."""
MOVE_WAITS_S = (0.0, 0.1, 0.3, 1.0, 3.0)
"""Waits before each try to open a hearing again whose worker is gone; after the last the hearing is lost."""
START_WAITS_S = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Waits before each try to start a worker again. The last is repeated: a machine that was short of something for an
hour has its workers back afterwards, and two tries a minute hurt nobody."""
STEADY_S = 10.0
"""A worker that lived so long was well: its next start begins with the shortest wait."""

Listener: TypeAlias = Callable[[MediaEvent], None]


@dataclass(slots=True)
class PlacedHearing:
    """A hearing and where it runs."""

    hearing_id: str
    directory: Path
    worker: RemoteWorker | None = None
    placed: asyncio.Event = field(default_factory=asyncio.Event)
    """Not set while it is between two workers."""
    moved: bool = False
    seats: set[str] = field(default_factory=set)
    """Who has a link in the present worker."""
    offers_before: int = 0
    """Workers number a hearing's offers from one; this many were made by the workers before."""
    offers: int = 0
    anchor: Moment | None = None
    anchored_at: float = 0.0

    def put(self, worker: RemoteWorker, now: Moment) -> None:
        """Note where it runs now, and where its recording stands."""
        self.worker = worker
        self.seats.clear()
        self.offers_before = self.offers
        self.anchor, self.anchored_at = now, time.monotonic()
        self.placed.set()

    def position(self) -> Moment | None:
        """Return where the recording stands: it goes on with the clock, also between two workers."""
        if self.anchor is None:
            return None
        passed_ms = int((time.monotonic() - self.anchored_at) * 1000)
        return Moment(self.anchor.elapsed_ms + passed_ms, self.anchor.at + timedelta(milliseconds=passed_ms))


class MediaPool:
    """All media of this server (`signaling.ports.MediaPlane`). A lifetime: `async with MediaPool(...) as media`.

    `settings.port` is the first worker's; each further one has the next (0: free ones). `on_event` is called on the
    event loop's thread and must not block.
    """

    def __init__(self, settings: MediaSettings, on_event: Listener, *, workers: int = 0) -> None:
        count = workers or len(os.sched_getaffinity(0))
        self._places = [
            MediaSettings(settings.addresses, settings.port + index if settings.port else 0) for index in range(count)
        ]
        self._listener = on_event
        self._workers: list[RemoteWorker] = []
        self._hearings: dict[str, PlacedHearing] = {}
        self._group = asyncio.TaskGroup()
        self._worker_came = asyncio.Condition()
        self._stopping = False

    # --- Lifetime

    @property
    def workers(self) -> tuple[RemoteWorker, ...]:
        """The workers that run now."""
        return tuple(self._workers)

    async def __aenter__(self) -> "MediaPool":
        """Start every worker. Raises MediaUnavailable when one cannot be started."""
        started = await asyncio.gather(*(self._start(place) for place in self._places), return_exceptions=True)
        workers = [worker for worker in started if isinstance(worker, RemoteWorker)]
        for place, outcome in zip(self._places, started, strict=True):
            if isinstance(outcome, BaseException):
                await asyncio.gather(*(worker.stop() for worker in workers))
                if isinstance(outcome, MediaRefused | WorkerDied):
                    raise MediaUnavailable(place.port, getattr(outcome, "code", "died")) from outcome
                raise outcome
        await self._group.__aenter__()
        for place, worker in zip(self._places, workers, strict=True):
            self._workers.append(worker)
            self._group.create_task(self._keep(place, worker), name=f"media worker {place.port}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Have every worker write and close its journals, and end."""
        self._stopping = True
        self._hearings.clear()
        await asyncio.gather(*(worker.stop() for worker in self._workers))
        await self._group.__aexit__(None, None, None)

    async def _start(self, place: MediaSettings) -> RemoteWorker:
        return await RemoteWorker.start(place, self._take_event)

    async def _keep(self, place: MediaSettings, worker: RemoteWorker) -> None:
        """Keep one worker running; see to its hearings whenever it is gone."""
        quick = 0
        while True:
            began_at = time.monotonic()
            reason = await worker.live()
            self._workers.remove(worker)
            if self._stopping:
                return
            log.error("media worker %s on port %s %s", worker.pid, worker.port, reason)
            for hearing in [hearing for hearing in self._hearings.values() if hearing.worker is worker]:
                self._unplace(hearing, worker)
                self._group.create_task(self._move(hearing, reason), name=f"move {hearing.hearing_id}")
            quick = 0 if time.monotonic() - began_at > STEADY_S else quick + 1
            started = await self._start_again(place, quick)
            if started is None:
                return
            worker = started

    async def _start_again(self, place: MediaSettings, tries: int) -> RemoteWorker | None:
        while not self._stopping:
            await asyncio.sleep(START_WAITS_S[min(tries, len(START_WAITS_S) - 1)])
            tries += 1
            try:
                worker = await self._start(place)
            except (MediaRefused, WorkerDied, OSError) as error:
                log.error("media worker for port %s did not start: %s %s", place.port, type(error).__name__, error)
                continue
            if self._stopping:
                await worker.stop()
                return None
            log.info("media worker %s runs on port %s", worker.pid, worker.port)
            self._workers.append(worker)
            async with self._worker_came:
                self._worker_came.notify_all()
            return worker
        return None
