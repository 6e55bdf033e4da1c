"""The media plane's door. Only the typed, frozen values of `events` cross it, so that it can move into a process."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from aiortc import RTCCertificate

from records.journal import JournalPosition, JournalWriter
from records.journal_records import Json
from signaling.media.events import MediaEvent, MediaRefused, MediaSettings, Still, StillUnavailable
from signaling.media.express import Express
from signaling.media.link import Link
from signaling.media.port import Port
from signaling.media.recorder import Recorder
from signaling.media.relay import Hearing
from signaling.media.sdp import Transport
from signaling.media.still import to_picture

__all__ = ["MediaSettings", "MediaWorker"]

logger = logging.getLogger(__name__)

TURN_S = 0.05
FEEDBACK_TURNS = 2
MEASURE_S = 1.0
HEARINGS_AT_A_TIME = 8
CLOSE_S = 10.0
"""How long the end of a hearing waits for the disk."""
JOURNAL_THREADS = 4
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class MediaWorker:
    """All media of this process: one port, any number of hearings.

    `on_event` is called on the loop and must not block. `plainly`: without the express lane, even where it is built.
    """

    def __init__(
        self, settings: MediaSettings, on_event: Callable[[MediaEvent], None], *, plainly: bool = False
    ) -> None:
        self._express = None if plainly else Express.build()
        self._port = Port(settings.addresses, settings.port, self._express)
        self._listener = on_event
        self._hearings: dict[str, Hearing] = {}
        self._recordings: dict[str, asyncio.Event] = {}
        self._certificate = RTCCertificate.generateCertificate()
        self._fingerprint = next(
            print_.value for print_ in self._certificate.getFingerprints() if print_.algorithm == "sha-256"
        )
        self._tasks: asyncio.TaskGroup | None = None
        self._runner: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        # Threads of their own: a disk that hangs must not take those that others wait for.
        self._threads = ThreadPoolExecutor(JOURNAL_THREADS, thread_name_prefix="journal")

    # --- Lifetime

    @property
    def port(self) -> int:
        """The UDP port, once started."""
        return self._port.port

    @property
    def drops(self) -> Counter[str]:
        """What was dropped since the start, counted by reason."""
        return self._port.drops

    async def start(self) -> None:
        """Open the port. Raises OSError when it is taken."""
        self._port.open()
        ready = asyncio.Event()
        # The one task that owns the group in which all others run; it lives from start to stop.
        self._runner = asyncio.get_running_loop().create_task(self._run(ready), name="media worker")
        await ready.wait()

    async def stop(self) -> None:
        """Close every hearing and the port; a second time does nothing."""
        if self._runner is None:
            return
        # What is unwritten after that is waited for once more, below.
        await asyncio.gather(*(self._close_as_it_is(hearing_id) for hearing_id in list(self._hearings)))
        self._stopping.set()
        _, waiting = await asyncio.wait({self._runner}, timeout=CLOSE_S)
        if waiting:
            # A disk that hangs holds up its recorder only; whoever stops the server must not wait for ever.
            logger.error("media worker did not stop within %s s; what it still did is cut off", CLOSE_S)
            self._runner.cancel()
            await asyncio.wait({self._runner})
        self._runner = None
        self._port.close()
        if self._express is not None:
            self._express.free()
        self._threads.shutdown(wait=False)

    async def _run(self, ready: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            ready.set()
            while not self._stopping.is_set():
                await self._take_turns()
        self._tasks = None

    async def _take_turns(self) -> None:
        """Let every hearing take its turns. A fault in one is told and does not stop the others."""
        turn = 0
        measured_at = time.monotonic()
        while not self._stopping.is_set():
            at = time.monotonic()
            turn += 1
            elapsed_s = at - measured_at
            if elapsed_s >= MEASURE_S:
                measured_at = at
            for index, hearing in enumerate(list(self._hearings.values())):
                if index % HEARINGS_AT_A_TIME == HEARINGS_AT_A_TIME - 1:
                    await asyncio.sleep(0)  # packets that came meanwhile have waited long enough
                try:
                    hearing.turn(at)
                    if turn % FEEDBACK_TURNS == 0:
                        hearing.give_feedback(at)
                    if elapsed_s >= MEASURE_S:
                        hearing.measure(elapsed_s)
                except Exception:
                    logger.exception("turn of hearing %s failed", hearing.hearing_id)
                    self.drops["turn_failed"] += 1
            try:
                async with asyncio.timeout(TURN_S):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    # --- What hearings need (Plane)

    @property
    def express(self) -> Express | None:
        """The port's express lane, where it is built."""
        return self._port.express

    def new_link(self, owner: Hearing) -> Link:
        """Make a link and open the port for it."""
        link = Link(self._certificate, owner, self.drops, time.monotonic())
        self._port.add(link)
        return link

    def forget_link(self, link: Link) -> None:
        """Close the port for a link."""
        self._port.remove(link)

    def transport(self, link: Link) -> Transport:
        """Return what the link's description says of the way here."""
        return Transport(link.ufrag, link.password, self._fingerprint, self._port.addresses, self.port)

    def spawn(self, work: Coroutine[object, object, None], name: str) -> None:
        """Run something in the worker's task group."""
        if self._tasks is None:
            work.close()
            raise RuntimeError("the media worker is not running")
        self._tasks.create_task(self._guard(work, name), name=name)

    async def _guard(self, work: Coroutine[object, object, None], name: str) -> None:
        """Keep a fault where it is: in a task group it would end all the others."""
        try:
            await work
        except Exception:
            logger.exception("%s failed", name)
            self.drops["task_failed"] += 1

    def _tell(self, event: MediaEvent) -> None:
        """Hand an event to the room; a fault of its own must not stop packets."""
        try:
            self._listener(event)
        except Exception:
            logger.exception("%s was not taken", type(event).__name__)
            self.drops["event_not_taken"] += 1

    # --- Hearings

    async def open_hearing(self, hearing_id: str, journal: JournalWriter, *, paused: bool = False) -> None:
        """Begin to record into `journal`, which is the worker's from now on; `paused`: in the middle of a recess.

        Raises MediaRefused(`hearing_open`).
        """
        if hearing_id in self._hearings:
            raise MediaRefused("hearing_open")
        recorder = Recorder(hearing_id, journal, self._threads, self._tell)
        hearing = self._hearings[hearing_id] = Hearing(hearing_id, self, recorder, self._tell)
        hearing.set_paused(paused)
        closed = self._recordings[hearing_id] = asyncio.Event()
        self.spawn(self._record(hearing_id, recorder, closed), "recorder")

    async def _record(self, hearing_id: str, recorder: Recorder, closed: asyncio.Event) -> None:
        try:
            await recorder.run()
        finally:
            closed.set()

    async def close_hearing(self, hearing_id: str) -> None:
        """Drop every link, write what waits, close the journal. Raises MediaRefused: `hearing_unknown`, and
        `journal_unwritten` when the disk does not take it all in time: it is tried on, and closed when that is done.
        """
        hearing = self._hearing(hearing_id)
        del self._hearings[hearing_id]
        hearing.close()
        hearing.recorder.stop()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._recordings.pop(hearing_id).wait()
        except TimeoutError:
            logger.error("journal of hearing %s still being written after %s s", hearing_id, CLOSE_S)
            raise MediaRefused("journal_unwritten") from None

    async def _close_as_it_is(self, hearing_id: str) -> None:
        with suppress(MediaRefused):
            await self.close_hearing(hearing_id)

    async def record_again(self, hearing_id: str) -> None:
        """Try at once to write what a disk would not take. Raises MediaRefused, as `Recorder.record_again`."""
        await self._hearing(hearing_id).recorder.record_again()

    async def add_participant(self, hearing_id: str, seat_id: str, *, publishes: bool = True) -> None:
        """Give a seat a link and offer it; for one that is present: a fresh link. Raises MediaRefused.

        From a seat that does not publish nothing is taken, whatever its answer says.
        """
        self._hearing(hearing_id).add(seat_id, publishes=publishes)

    async def remove_participant(self, hearing_id: str, seat_id: str) -> None:
        """Take a seat out. Raises MediaRefused."""
        self._hearing(hearing_id).remove(seat_id)

    async def take_answer(self, hearing_id: str, seat_id: str, offer_id: int, sdp: str) -> None:
        """Take the answer to the seat's outstanding offer. Raises MediaRefused."""
        self._hearing(hearing_id).take_answer(seat_id, offer_id, sdp)

    def set_muted(self, hearing_id: str, seat_id: str, muted: bool) -> None:
        """Drop, or no longer drop, the seat's sound before it is forwarded or recorded. Raises MediaRefused."""
        self._hearing(hearing_id).set_muted(seat_id, muted)

    def set_paused(self, hearing_id: str, paused: bool) -> None:
        """Begin or end a recess: drop, or no longer drop, everything that everybody sends. Raises MediaRefused."""
        self._hearing(hearing_id).set_paused(paused)

    def record_event(self, hearing_id: str, event: Mapping[str, Json]) -> JournalPosition:
        """Put an event into the journal. Raises MediaRefused, JournalError, or ValueError when it is not JSON."""
        return self._hearing(hearing_id).recorder.event(event)

    def position(self, hearing_id: str) -> JournalPosition | None:
        """Return where the recording stands, or None when there is none."""
        hearing = self._hearings.get(hearing_id)
        return hearing.recorder.position() if hearing else None

    async def take_still(self, hearing_id: str, seat_id: str, *, timeout_s: float) -> Still:
        """Take a picture out of the seat's live stream. Raises StillUnavailable, MediaRefused."""
        hearing = self._hearing(hearing_id)
        gatherer = hearing.gather(seat_id)
        if gatherer is None:
            raise StillUnavailable("no_camera")
        try:
            async with asyncio.timeout(timeout_s):
                keyframe = await gatherer.found
        except TimeoutError:
            raise StillUnavailable("no_keyframe") from None
        finally:
            hearing.end_gathering(gatherer)
        picture = await asyncio.to_thread(to_picture, keyframe)
        elapsed_ms = hearing.recorder.elapsed_ms(keyframe.at)
        hearing.recorder.note({"event": "StillTaken", "seat_id": seat_id, "elapsed_ms": elapsed_ms})
        return Still(
            jpeg=picture.jpeg,
            width=picture.width,
            height=picture.height,
            elapsed_ms=elapsed_ms,
            taken_at=_EPOCH + timedelta(microseconds=hearing.recorder.arrival_us(keyframe.at)),
        )

    def _hearing(self, hearing_id: str) -> Hearing:
        hearing = self._hearings.get(hearing_id)
        if hearing is None:
            raise MediaRefused("hearing_unknown")
        return hearing
