"""A silent participant: puts what everybody sends into the hearing's journal, and sees to it that it reaches the disk.

Never blocks the loop: records go into memory, a thread writes and syncs them. What may wait there is bounded by the
journal (`records.journal.WAITING_BYTES`); beyond it the newest records are dropped and counted. A disk that is
slow, full or gone is told at once, asked again at every turn, and told again when everything is well.
"""

import asyncio
import ctypes
import errno
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor

from records.journal import JournalError, JournalPosition, JournalWriter
from records.journal_records import Json
from signaling.media.codecs import CODECS
from signaling.media.events import JournalFlushed, JournalMended, JournalTrouble, MediaEvent, MediaRefused
from signaling.media.shared_state import INTAKE_BYTES, Intake

logger = logging.getLogger(__name__)

FLUSH_S = 0.7
TELL_S = 1.0
SLOW_S = 1.3
"""What arrived just after a flush began, and is not on the disk when the next takes so long, is two seconds late."""
STEADY_S = 5.0
"""A slow disk is well again when it was not slow for so long: nobody wants an alarm that comes and goes."""
ROOM_STEP_S = 10
CLOSE_WAIT_S_MAX = 5.0
CLOSE_PATIENCE_S = 3600.0
"""How long after its end a recording that the disk does not take is kept in memory and tried again."""

_ERRORS = {
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EROFS: "disk_read_only",
    errno.ENOENT: "disk_gone",
    errno.ENOTDIR: "disk_gone",
    errno.ENODEV: "disk_gone",
    errno.ENXIO: "disk_gone",
    errno.ESTALE: "disk_gone",
}


def named(error: OSError | JournalError) -> str:
    """Return what is the matter with the disk: a `JournalTrouble`'s error."""
    if isinstance(error, JournalError | FileNotFoundError):
        return "disk_gone"
    return _ERRORS.get(error.errno or 0, "disk_failed")


class Recorder:
    """Records one hearing."""

    def __init__(
        self, hearing_id: str, journal: JournalWriter, threads: Executor, on_event: Callable[[MediaEvent], None]
    ) -> None:
        self.dropped = 0
        self._threads = threads
        self._hearing_id = hearing_id
        self._journal = journal
        self._on_event = on_event
        self._trouble: JournalTrouble | None = None
        self._troubled_s = 0.0
        self._filling: tuple[float, float] | None = None
        self._lost: tuple[int, int] | None = None
        self._left_behind = False
        self._stopping = False
        self._woken = asyncio.Event()
        self._asked: list[asyncio.Future[str | None]] = []
        self._told_s = 0.0
        # One anchor for the hearing: a packet's arrival costs no look at the clock.
        self._anchor_us = journal.now_us()
        self._anchor_s = time.monotonic()
        # Where the express lane puts packets; whatever else is recorded comes after those that wait there.
        self._room = ctypes.create_string_buffer(INTAKE_BYTES)
        self.intake = Intake(
            bytes=ctypes.addressof(self._room),
            size=INTAKE_BYTES,
            anchor_us=self._anchor_us,
            anchor_s=self._anchor_s,
        )

    def arrival_us(self, at: float) -> int:
        """Turn a monotonic second into the journal's microseconds of Unix time."""
        return self._anchor_us + int((at - self._anchor_s) * 1e6)

    def elapsed_ms(self, at: float) -> int:
        """Turn a monotonic second into milliseconds of the recording."""
        return max(0, self.arrival_us(at) - self._journal.started_at_us) // 1000

    def declare(self, seat_id: str, ssrc: int, payload_type: int) -> int:
        """Announce one payload type of a stream; returns its number in the journal. Raises JournalFull."""
        self._take_in()
        codec = CODECS[payload_type]
        return self._journal.declare_source(
            seat_id=seat_id,
            kind=codec.kind,
            ssrc=ssrc,
            payload_type=payload_type,
            codec=codec.name,
            clock_rate=codec.clock_rate,
        )

    def packet(self, number: int, at: float, data: bytes) -> None:
        """Keep a packet. One that cannot be kept is counted and told."""
        self._take_in()
        try:
            self._journal.write_packet(number, self._anchor_us + int((at - self._anchor_s) * 1e6), data)
        except JournalError:
            self._drop(1)

    def event(self, event: Mapping[str, Json]) -> JournalPosition:
        """Keep an event and return where it stands. Raises JournalError, or ValueError when it is not JSON."""
        self._take_in()
        return self._journal.write_event(event)

    def note(self, event: Mapping[str, Json]) -> None:
        """Keep an event of the media plane's own; one that cannot be kept is counted and told."""
        self._take_in()
        try:
            self._journal.write_event(event)
        except JournalError:
            self._drop(1)

    def _take_in(self) -> None:
        """Give the journal what the express lane has put into the intake."""
        intake = self.intake
        if not intake.packets:
            return
        records = ctypes.string_at(self._room, intake.used)
        packets = intake.packets
        intake.used = intake.packets = 0
        try:
            self._journal.write_packets(records, intake.first_us, intake.last_us)
        except JournalError:
            self._drop(packets)

    def _drop(self, packets: int) -> None:
        self.dropped += packets
        if self._trouble is None or not self._trouble.losing:
            self._tell_trouble(self._trouble.error if self._trouble else "disk_slow")

    def position(self) -> JournalPosition:
        """Return where the recording stands."""
        return self._journal.position()

    # --- Storing

    async def run(self) -> None:
        """Flush until `stop`, then close the journal. A disk that refuses is asked again at every turn."""
        while not self._stopping:
            await self._rest(FLUSH_S)
            asked, self._asked = self._asked, []
            error = await self._store(self._journal.begin_anew if asked else self._journal.flush)
            if error is None:
                self._go_on()
                self._mend(at_once=bool(asked))
            self._answer(asked, error)
            self._tell_position()
        await self._close()

    async def _close(self) -> None:
        began_s = time.monotonic()
        wait_s = FLUSH_S
        while (error := await self._store(self._journal.close)) is not None:
            self._answer(self._asked, error)
            if time.monotonic() - began_s > CLOSE_PATIENCE_S:
                logger.error("journal of hearing %s given up: %s", self._hearing_id, error)
                self._journal.abandon()
                return
            await self._rest(wait_s)
            wait_s = min(2 * wait_s, CLOSE_WAIT_S_MAX)
        self._answer(self._asked, None)

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return
        finally:
            self._woken.clear()

    def stop(self) -> None:
        """Let `run` end."""
        self._stopping = True
        self._woken.set()

    async def record_again(self) -> None:
        """Try at once to write what waits; where the journal's place is gone, at the place where its path leads now.

        Raises MediaRefused with a `JournalTrouble`'s error when the disk still takes nothing.
        """
        outcome: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._asked.append(outcome)
        self._woken.set()
        error = await outcome
        if error is not None:
            raise MediaRefused(error)

    def _answer(self, asked: list[asyncio.Future[str | None]], error: str | None) -> None:
        for outcome in asked:
            if not outcome.done():
                outcome.set_result(error)
        asked.clear()

    async def _store(self, store: Callable[[], int | None]) -> str | None:
        """Let a thread write; tell when it takes too long or fails. Returns what is the matter, if anything."""
        self._take_in()
        self._journal.now_us()
        storing = asyncio.get_running_loop().run_in_executor(self._threads, store)
        done, _ = await asyncio.wait({storing}, timeout=SLOW_S)
        while not done:
            self._tell_trouble("disk_slow")
            self._tell_position()
            done, _ = await asyncio.wait({storing}, timeout=TELL_S)
        try:
            await storing
        except (OSError, JournalError) as error:
            if self._trouble is None:
                logger.error("journal of hearing %s not written: %s", self._hearing_id, error)
            self._tell_trouble(named(error))
            return named(error)
        return None

    def _go_on(self) -> None:
        """End the hole, if there is one."""
        if self._journal.left_behind and not self._left_behind and self._trouble is not None:
            # Whatever was on the disk before is not in this recording, until somebody brings it.
            self._left_behind = True
            self._lost = (0, self._trouble.saved_ms)
        hole = self._journal.go_on()
        if hole is None:
            return
        self._lost = hole if self._lost is None else (self._lost[0], hole[1])
        self.note({"event": "RecordingResumed", "from_ms": hole[0], "to_ms": hole[1], "packets": self.dropped})

    # --- Telling

    def _tell_position(self) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s >= TELL_S - FLUSH_S / 2:
            self._told_s = now_s
            position = self._journal.position()
            self._on_event(JournalFlushed(self._hearing_id, position.elapsed_ms, self._journal.saved_ms))

    def _tell_trouble(self, error: str) -> None:
        """Tell what is the matter, when it is news."""
        self._troubled_s = time.monotonic()
        before = self._trouble
        saved_ms = self._journal.saved_ms if before is None else before.saved_ms
        losing = self._journal.room_left <= 0
        self._trouble = JournalTrouble(self._hearing_id, error, saved_ms, self._room_s(), losing)
        if self._trouble != before:
            self._on_event(self._trouble)
        if before is None:
            self.note({"event": "DiskTroubled", "error": error, "saved_ms": saved_ms})

    def _room_s(self) -> int | None:
        """Return for how long memory still holds what comes, by how fast it filled so far; in steps."""
        left, now_s = self._journal.room_left, time.monotonic()
        if self._filling is None:
            self._filling = (left, now_s)
        filled, took_s = self._filling[0] - left, now_s - self._filling[1]
        if filled <= 0 or took_s < STEADY_S:
            return None
        return int(left * took_s / filled) // ROOM_STEP_S * ROOM_STEP_S

    def _mend(self, *, at_once: bool) -> None:
        """Tell that all is well, if it was not."""
        trouble = self._trouble
        if trouble is None or self._journal.room_left <= 0:
            return  # well, or still without room: other hearings' recordings fill the memory of this process
        if trouble.error == "disk_slow" and not at_once and time.monotonic() - self._troubled_s < STEADY_S:
            return
        lost, self._lost = self._lost, None
        self._trouble, self._filling, self.dropped = None, None, 0
        self.note({"event": "DiskMended", "error": trouble.error, "saved_ms": trouble.saved_ms})
        self._on_event(JournalMended(self._hearing_id, self._journal.saved_ms, lost))
