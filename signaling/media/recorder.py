"""A silent participant: puts what everybody sends into the hearing's journal, and sees to it that it reaches the disk.

Never blocks the loop: records go into memory, a thread writes and syncs them. What may wait there is bounded by the
journal (`records.journal.PENDING_BYTES_MAX`); beyond it the newest records are dropped, counted, and told as trouble.
"""

import asyncio
import ctypes
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor

from records.journal import JournalError, JournalPosition, JournalWriter
from records.journal_reading import Json
from signaling.media.codecs import CODECS
from signaling.media.events import JournalFlushed, JournalTrouble, MediaEvent
from signaling.media.shared_state import INTAKE_BYTES, Intake

logger = logging.getLogger(__name__)

FLUSH_S = 0.7
TELL_S = 1.0
SLOW_S = 2.0
CLOSE_TRIES_MAX = 6


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
        self._trouble: str | None = None
        self._stopping = asyncio.Event()
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
        except JournalError as error:
            self.dropped += 1
            self._tell_trouble(error.code)

    def event(self, event: Mapping[str, Json]) -> JournalPosition:
        """Keep an event and return where it stands. Raises JournalError, or ValueError when it is not JSON."""
        self._take_in()
        return self._journal.write_event(event)

    def note(self, event: Mapping[str, Json]) -> None:
        """Keep an event of the media plane's own; one that cannot be kept is counted and told."""
        self._take_in()
        try:
            self._journal.write_event(event)
        except JournalError as error:
            self.dropped += 1
            self._tell_trouble(error.code)

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
        except JournalError as error:
            self.dropped += packets
            self._tell_trouble(error.code)

    def position(self) -> JournalPosition:
        """Return where the recording stands."""
        return self._journal.position()

    async def run(self) -> None:
        """Flush until `stop`, then close the journal. A disk that refuses is asked again at every turn."""
        told_at = 0.0
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(FLUSH_S):
                    await self._stopping.wait()
            except TimeoutError:
                pass
            if await self._store(self._journal.flush) and time.monotonic() - told_at >= TELL_S - FLUSH_S / 2:
                told_at = time.monotonic()
                position = self._journal.position()
                self._on_event(JournalFlushed(self._hearing_id, position.elapsed_ms, self._journal.saved_ms))
        for _ in range(CLOSE_TRIES_MAX):
            if await self._store(self._journal.close):
                return
            await asyncio.sleep(FLUSH_S)
        # The room was told of the trouble all along; what the disk would not take is gone.
        self._journal.abandon()

    def stop(self) -> None:
        """Let `run` end."""
        self._stopping.set()

    async def _store(self, store: Callable[[], int | None]) -> bool:
        """Let a thread write; tell when it takes too long or fails. Returns whether everything is on the disk."""
        self._take_in()
        self._journal.now_us()
        storing = asyncio.get_running_loop().run_in_executor(self._threads, store)
        try:
            done, _ = await asyncio.wait({storing}, timeout=SLOW_S)
            if not done:
                self._tell_trouble("disk_slow")
            await storing
        except OSError as error:
            logger.error("journal of hearing %s not written: %s", self._hearing_id, error)
            self._tell_trouble("disk_refused")
            return False
        self._trouble = None
        return True

    def _tell_trouble(self, error: str) -> None:
        """Tell once per kind of trouble, until something was saved again."""
        if self._trouble != error:
            self._trouble = error
            self._on_event(JournalTrouble(self._hearing_id, error))
