"""The worker processes of this server: started together, and kept running.

Two spares stand ready behind them, with everything loaded but no port: on a busy machine a process takes seconds to
start, and a hearing cannot wait that long when its worker was the last that ran. Two, because whatever killed one
worker may well kill the next before a new spare is ready.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType

from signaling.media.events import MediaEvent, MediaRefused, MediaSettings
from signaling.media.remote import RemoteWorker, WorkerDied

log = logging.getLogger(__name__)

SPARES = 2
"""Some 30 MB of memory each; the rest they share with the workers."""
SPARE_AFTER_S = 1.0
"""A spare is not started at once while there is another: the machine has more urgent things to do after a death."""
START_WAITS_S = (0.0, 0.1, 0.3, 1.0, 2.0, 5.0)
"""Waits before each try to start a worker again. The last is repeated: a machine that was short of something for an
hour has its workers back afterwards, and a try in five seconds hurts nobody."""
STEADY_S = 2.0
"""A worker that lived so long was well, whatever ended it: its next start begins with the shortest wait."""


class MediaUnavailable(OSError):
    """A media worker could not be started, so neither can the server. `code`: `port_taken`, `not_listening`, `died`."""

    def __init__(self, port: int, code: str) -> None:
        super().__init__(f"media worker for UDP port {port}: {code}")
        self.port = port
        self.code = code


class Crew:
    """A lifetime. `on_event` hears what workers tell; `on_gone` of each that ended unasked, and why."""

    def __init__(
        self,
        places: list[MediaSettings],
        on_event: Callable[[RemoteWorker, MediaEvent], None],
        on_gone: Callable[[RemoteWorker, str], None],
    ) -> None:
        self._places = places
        self._on_event = on_event
        self._on_gone = on_gone
        self._running: list[RemoteWorker] = []
        self._spares: list[RemoteWorker] = []
        self._spare_taken = asyncio.Event()
        self._keeping: list[asyncio.Task[None]] = []
        self._group = asyncio.TaskGroup()
        self._came = asyncio.Event()
        self._stopping = asyncio.Event()

    @property
    def running(self) -> tuple[RemoteWorker, ...]:
        """The workers that run now."""
        return tuple(self._running)

    @property
    def spares(self) -> tuple[RemoteWorker, ...]:
        """The processes that stand ready."""
        return tuple(self._spares)

    async def any_running(self) -> tuple[RemoteWorker, ...]:
        """Return the workers that run, at least one: wait for it if need be."""
        while not self._running:
            self._came.clear()
            await self._came.wait()
        return self.running

    async def __aenter__(self) -> "Crew":
        """Start every worker. Raises MediaUnavailable when one cannot be."""
        outcomes = await asyncio.gather(*(self._start(place) for place in self._places), return_exceptions=True)
        self._running = [outcome for outcome in outcomes if isinstance(outcome, RemoteWorker)]
        for place, outcome in zip(self._places, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                await self._stop_all()
                self._running.clear()
                if isinstance(outcome, MediaRefused | WorkerDied):
                    code = outcome.code if isinstance(outcome, MediaRefused) else "died"
                    raise MediaUnavailable(place.port, code) from outcome
                raise outcome
        await self._group.__aenter__()
        for place, worker in zip(self._places, self._running, strict=True):
            self._keeping.append(self._group.create_task(self._keep(place, worker), name="media worker"))
        self._keeping.append(self._group.create_task(self._keep_spares(), name="spare media workers"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Have every worker write and close its journals, and end."""
        self._stopping.set()
        await self._stop_all()
        for task in self._keeping:
            task.cancel()
        await self._group.__aexit__(None, None, None)
        await asyncio.gather(*(spare.kill() for spare in self._spares))

    async def _stop_all(self) -> None:
        await asyncio.gather(*(worker.stop() for worker in self._running))

    async def _start(self, place: MediaSettings) -> RemoteWorker:
        """Put a spare to work, or a new process. Raises MediaRefused, WorkerDied, OSError."""
        worker = await self._take_spare() or await RemoteWorker.spawn(self._on_event)
        await worker.listen(place)
        return worker

    async def _take_spare(self) -> RemoteWorker | None:
        """Return the spare that has stood longest and lives."""
        while self._spares:
            spare = self._spares.pop(0)
            self._spare_taken.set()
            if spare.lives:
                return spare
            await spare.kill()
        return None

    async def _keep_spares(self) -> None:
        await asyncio.sleep(SPARE_AFTER_S)  # the start of the server comes first
        while True:
            if len(self._spares) >= SPARES:
                await self._spare_taken.wait()
            self._spare_taken.clear()
            if self._spares and await self._taken_within(SPARE_AFTER_S):
                continue
            try:
                self._spares.append(await RemoteWorker.spawn(self._on_event))
            except OSError as error:
                # No worse than having none: a process is started when one is needed.
                log.error("no spare media worker: %s", error)
                await self._taken_within(START_WAITS_S[-1])

    async def _taken_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._spare_taken.wait()
        except TimeoutError:
            return False
        return True

    async def _keep(self, place: MediaSettings, worker: RemoteWorker) -> None:
        """See one worker to its end, and start the next in its place, until told to stop."""
        quick = 0
        while True:
            log.info("media worker %s listens on UDP port %s", worker.pid, worker.port)
            began_at = time.monotonic()
            reason = await worker.live()
            if self._stopping.is_set():
                return
            self._running.remove(worker)
            log.error("media worker %s on UDP port %s %s", worker.pid, worker.port, reason)
            self._on_gone(worker, reason)
            quick = 0 if time.monotonic() - began_at > STEADY_S else quick + 1
            worker = await self._start_again(place, quick)
            if self._stopping.is_set():
                await worker.stop()
                return
            self._running.append(worker)
            self._came.set()

    async def _start_again(self, place: MediaSettings, tries: int) -> RemoteWorker:
        while True:
            await asyncio.sleep(START_WAITS_S[min(tries, len(START_WAITS_S) - 1)])
            tries += 1
            try:
                return await self._start(place)
            except (MediaRefused, WorkerDied, OSError) as error:
                log.error("media worker for UDP port %s did not start: %s %s", place.port, type(error).__name__, error)


def places_for(settings: MediaSettings, workers: int) -> list[MediaSettings]:
    """Return where each worker listens: ports in a row from the first (0: free ones); `workers` 0: one a core."""
    count = workers or len(os.sched_getaffinity(0))
    return [replace(settings, port=settings.port + index if settings.port else 0) for index in range(count)]
