"""A media process: hosts one `MediaWorker` for one hub, over the socket whose number is its only argument.

It ends when the hub's end of the socket closes, after writing and closing every journal: also when the server was
killed. The signals that stop a server (Ctrl-C, a service manager's SIGTERM) are the hub's business and ignored here,
so that hearings are told before their media ends.
"""

import asyncio
import errno
import faulthandler
import json
import logging
import signal
import socket
import sys
import time
from pathlib import Path
from typing import assert_never

from records.clock import SteadyClock
from records.journal import JournalError, JournalWriter
from records.journal_memory import Memory
from signaling.media.events import (
    JournalFlushed,
    MediaEvent,
    MediaRefused,
    MediaSettings,
    Moment,
    StatsMeasured,
    StillUnavailable,
)
from signaling.media.media_loop import MediaLoop
from signaling.media.recorder import named
from signaling.media.wire import (
    BEAT_S,
    AddParticipant,
    Alive,
    Answer,
    CloseHearing,
    FromWorker,
    HearingCommand,
    Line,
    LineBroken,
    Listen,
    Listening,
    News,
    Opened,
    OpenHearing,
    RecordAgain,
    RecordEvent,
    Refusal,
    RemoveParticipant,
    Request,
    Result,
    SetMuted,
    SetPaused,
    TakeAnswer,
    TakeStill,
    worker_line,
)
from signaling.media.worker import MediaWorker

log = logging.getLogger(__name__)

LOG_FORMAT = "%(asctime)s %(levelname)s media[%(process)d] %(name)s %(message)s"
CPU_TURNS = 4
"""How many beats a measure of the processor's use spans."""
WATCHDOG_S = 10.0
"""A process that hangs for so long and was not killed has no hub any more: it ends itself, and lets journals go."""
HELD_IN_FULL = 8
"""As many hearings' recordings may fill the memory that each of them may: beyond that, all together are bounded."""
JOURNAL_WAIT_S = 3.0
"""How long a journal may still be held by the worker before, which is just closing it."""
JOURNAL_LOOK_S = 0.05


class Service:
    """Does what the hub asks, and tells it what happens."""

    def __init__(self, line: Line[Request]) -> None:
        self._line = line
        self._worker: MediaWorker | None = None
        self._waiting_bytes = 0
        self._memory = Memory(0)
        self._group = asyncio.TaskGroup()
        self._beating: asyncio.Task[None] | None = None
        self._hub_gone = False
        self._opening: dict[str, asyncio.Event] = {}

    async def run(self) -> None:
        """Serve until the hub is gone; then close everything."""
        async with self._group:
            try:
                while (request := await self._line.receive()) is not None:
                    self._group.create_task(self._serve(request))
            except LineBroken:
                log.exception("the hub speaks another language")
            self._hub_gone = True
            if self._worker is not None:
                await self._worker.stop()
            if self._beating is not None:
                self._beating.cancel()
        await self._line.close()

    async def _beat(self) -> None:
        uses = [(time.monotonic(), time.process_time())]
        while True:
            faulthandler.dump_traceback_later(WATCHDOG_S, exit=True)
            await asyncio.sleep(BEAT_S)
            uses = [*uses[-CPU_TURNS:], (time.monotonic(), time.process_time())]
            cpu = (uses[-1][1] - uses[0][1]) / max(uses[-1][0] - uses[0][0], BEAT_S)
            self._line.send(Alive(cpu), droppable=True)

    async def _serve(self, request: Request) -> None:
        answer: FromWorker
        try:
            answer = Answer(request.number, await self._do(request.command))
        except MediaRefused as refused:
            answer = Refusal(request.number, "refused", refused.code)
        except StillUnavailable as unavailable:
            answer = Refusal(request.number, "no_still", unavailable.code)
        except JournalError as error:
            answer = Refusal(request.number, "refused", error.code)
        except OSError as error:
            log.error("%s failed: %s", type(request.command).__name__, error)
            answer = Refusal(request.number, "refused", named(error), str(error))
        except Exception:
            # A defect of ours: it costs this one request.
            log.exception("%s failed", type(request.command).__name__)
            answer = Refusal(request.number, "refused", "internal")
        self._line.send(answer)

    async def _do(self, command: Listen | HearingCommand) -> Result:
        if isinstance(command, Listen):
            return await self._listen(command)
        worker = self._worker
        if worker is None:
            raise MediaRefused("not_listening")
        match command:
            case OpenHearing(hearing_id, directory, paused):
                return await self._open(worker, hearing_id, Path(directory), paused=paused)
            case TakeStill(hearing_id, seat_id, timeout_s):
                return await worker.take_still(hearing_id, seat_id, timeout_s=timeout_s)
            case RecordEvent(hearing_id, event):
                position = worker.record_event(hearing_id, json.loads(event))
                return Moment(position.elapsed_ms, position.at)
            case RecordAgain(hearing_id):
                await worker.record_again(hearing_id)
                return None
            case CloseHearing() | AddParticipant() | TakeAnswer() | RemoveParticipant() | SetMuted() | SetPaused():
                await self._change(worker, command)
                return None
        assert_never(command)

    async def _change(
        self,
        worker: MediaWorker,
        command: CloseHearing | AddParticipant | TakeAnswer | RemoveParticipant | SetMuted | SetPaused,
    ) -> None:
        match command:
            case CloseHearing(hearing_id):
                if hearing_id in self._opening:
                    # Of a hub that gave up waiting: what yet opens is not wanted any more.
                    await self._opening[hearing_id].wait()
                await worker.close_hearing(hearing_id)
            case AddParticipant(hearing_id, seat_id, publishes):
                await worker.add_participant(hearing_id, seat_id, publishes=publishes)
            case TakeAnswer(hearing_id, seat_id, offer_id, sdp):
                await worker.take_answer(hearing_id, seat_id, offer_id, sdp)
            case RemoveParticipant(hearing_id, seat_id):
                await worker.remove_participant(hearing_id, seat_id)
            case SetMuted(hearing_id, seat_id, muted):
                worker.set_muted(hearing_id, seat_id, muted)
            case SetPaused(hearing_id, paused):
                worker.set_paused(hearing_id, paused)

    async def _listen(self, command: Listen) -> Listening:
        if self._worker is not None:
            raise MediaRefused("listening_already")
        self._waiting_bytes = command.waiting_bytes
        self._memory = Memory(command.waiting_bytes * HELD_IN_FULL)
        worker = MediaWorker(MediaSettings(command.addresses, command.port), self._tell)
        try:
            await worker.start()
        except OSError as error:
            log.error("UDP port %s cannot be opened: %s", command.port, error)
            code = "port_taken" if error.errno == errno.EADDRINUSE else "not_listening"
            raise MediaRefused(code) from error
        if self._hub_gone:
            # It went while we began: nobody would ever stop this worker, and its port would stay taken.
            await worker.stop()
            raise MediaRefused("not_listening")
        self._worker = worker
        # Not before: a spare is not listened to.
        self._beating = self._group.create_task(self._beat())
        return Listening(worker.port)

    async def _open(self, worker: MediaWorker, hearing_id: str, directory: Path, *, paused: bool) -> Opened:
        if hearing_id in self._opening:
            raise MediaRefused("hearing_open")
        done = self._opening[hearing_id] = asyncio.Event()
        try:
            journal = await _open_journal(directory, hearing_id, self._waiting_bytes, self._memory)
            try:
                # The recording's start is on the disk before anybody counts from it: it must outlive this process.
                await asyncio.to_thread(journal.flush)
                await worker.open_hearing(hearing_id, journal, paused=paused)
            except BaseException:
                # Nobody else knows this journal, and it would keep the next try from opening it.
                await asyncio.to_thread(journal.abandon)
                raise
            position = journal.position()
            return Opened(Moment(position.elapsed_ms, position.at))
        finally:
            del self._opening[hearing_id]
            done.set()

    def _tell(self, event: MediaEvent) -> None:
        # What is told every second is told again; the rest comes seldom, and must arrive.
        self._line.send(News(event), droppable=isinstance(event, StatsMeasured | JournalFlushed))


async def _open_journal(directory: Path, hearing_id: str, waiting_bytes: int, memory: Memory) -> JournalWriter:
    """Open a journal; one that is still in use is waited for, a while. Raises JournalError, OSError."""
    clock = SteadyClock()
    looked = 0.0
    while True:
        try:
            return await asyncio.to_thread(
                JournalWriter.open, directory, hearing_id, clock=clock, waiting_bytes=waiting_bytes, memory=memory
            )
        except JournalError as error:
            if error.code != "journal_in_use" or looked >= JOURNAL_WAIT_S:
                raise
        looked += JOURNAL_LOOK_S
        await asyncio.sleep(JOURNAL_LOOK_S)


async def serve(sock: socket.socket) -> None:
    """Serve the hub at the other end of `sock` until it is gone."""
    await Service(await worker_line(sock)).run()


def main() -> None:
    """Run a media process."""
    for signal_ in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    for chatty in ("aioice", "aiortc"):
        logging.getLogger(chatty).setLevel(logging.WARNING)  # they log addresses of people
    with asyncio.Runner(loop_factory=MediaLoop) as runner:
        runner.run(serve(socket.socket(fileno=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
