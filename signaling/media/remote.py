"""A media worker as the hub has it: a process of its own at the other end of a socket."""

import asyncio
import itertools
import logging
import socket
import subprocess
import sys
from collections.abc import Callable

from signaling.media.events import MediaEvent, MediaRefused, MediaSettings, StillUnavailable
from signaling.media.wire import (
    ASKED_MAX,
    BEAT_S,
    Alive,
    Answer,
    FromWorker,
    HearingCommand,
    Line,
    LineBroken,
    Listen,
    Listening,
    News,
    Refusal,
    Request,
    Result,
    hub_line,
)

log = logging.getLogger(__name__)

START_S = 20.0
"""How long a process may take to start and open its port, also on a busy machine."""
SILENT_BEATS_MAX = 6
"""A worker that says nothing for so many beats (1.5 s) hangs."""
STOP_S = 30.0
"""How long a worker may take to write and close its journals before it is killed."""


class WorkerDied(Exception):
    """The worker is gone; what it was asked may or may not have been done."""


class RemoteWorker:
    """A running worker."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        line: Line[FromWorker],
        on_event: Callable[["RemoteWorker", MediaEvent], None],
    ) -> None:
        self.port = 0
        self.cpu = 0.0
        """How much of one core it used lately."""
        self.alive = True
        self._process = process
        self._line = line
        self._on_event = on_event
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Result]] = {}
        self._heard = True

    @classmethod
    async def spawn(cls, on_event: Callable[["RemoteWorker", MediaEvent], None]) -> "RemoteWorker":
        """Start a process that waits to be told to listen; `on_event` is called on the loop and must not block."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = _spawn(theirs)
        try:
            return cls(process, await hub_line(ours), on_event)
        except BaseException:
            ours.close()
            process.kill()
            process.wait()
            raise

    async def listen(self, settings: MediaSettings) -> None:
        """Have it open its UDP port, when it has started; a worker that cannot is ended.

        Raises MediaRefused (`port_taken`, `not_listening`), WorkerDied.
        """
        try:
            async with asyncio.timeout(START_S):
                await self._listen(Listen(settings.addresses, settings.port, settings.waiting_bytes))
        except TimeoutError:
            await self.kill()
            raise WorkerDied from None
        except BaseException:
            await self.kill()
            raise

    @property
    def lives(self) -> bool:
        """Whether its process runs."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    async def _listen(self, command: Listen) -> None:
        self._line.send(Request(0, command))
        match await self._line.receive():
            case Answer(_, Listening(port)):
                self.port = port
            case Refusal(_, _, code):
                raise MediaRefused(code)
            case _:
                raise WorkerDied

    async def live(self) -> str:
        """Hear what it says until it is dead; return how that came: `died`, `hung`, or `stopped` by us."""
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._kill_when_silent())
            try:
                while (message := await self._line.receive()) is not None:
                    self._heard = True
                    self._take(message)
            except LineBroken:
                log.exception("media worker %s speaks another language", self.pid)
            hung = watching.done()
            watching.cancel()
        if not self.alive:
            return "stopped"
        await self.kill()
        return "hung" if hung else "died"

    async def _kill_when_silent(self) -> None:
        # Beats are counted, not seconds: a hub that was held up itself must not take that for the worker's silence.
        silent = 0
        while silent < SILENT_BEATS_MAX:
            await asyncio.sleep(BEAT_S)
            silent = 0 if self._heard else silent + 1
            self._heard = False
        self._process.kill()

    def _take(self, message: FromWorker) -> None:
        match message:
            case Alive(cpu):
                self.cpu = cpu
            case News(event):
                self._on_event(self, event)
            case Answer(number, result):
                if (waiting := self._asked.pop(number, None)) is not None and not waiting.done():
                    waiting.set_result(result)
            case Refusal(number, kind, code):
                if (waiting := self._asked.pop(number, None)) is not None and not waiting.done():
                    waiting.set_exception(MediaRefused(code) if kind == "refused" else StillUnavailable(code))

    async def ask(self, command: HearingCommand) -> Result:
        """Have a command done. Raises MediaRefused (also `worker_busy`), StillUnavailable, WorkerDied."""
        if not self.alive:
            raise WorkerDied
        if len(self._asked) >= ASKED_MAX:
            raise MediaRefused("worker_busy")
        number = next(self._numbers)
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            self._line.send(Request(number, command))
            return await answer
        finally:
            # Whoever gave up waiting: the answer is not for anybody.
            self._asked.pop(number, None)

    def order(self, command: HearingCommand) -> None:
        """Have a command done without hearing how it went."""
        self._line.send(Request(next(self._numbers), command))

    async def stop(self) -> None:
        """Let it write and close every journal and end; kill it when it takes too long."""
        self.alive = False
        self._line.hang_up()
        try:
            await asyncio.to_thread(self._process.wait, STOP_S)
        except subprocess.TimeoutExpired:
            log.error("media worker %s did not end and was killed", self.pid)
        await self.kill()

    async def kill(self) -> None:
        """End it at once, if it has not ended. When this returns, its port and its journals are free."""
        self.alive = False
        self._process.kill()
        await asyncio.to_thread(self._process.wait)
        await self._line.close()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(WorkerDied())
        self._asked.clear()


def _spawn(end: socket.socket) -> subprocess.Popen[bytes]:
    """Start a media process that serves the hub at the other end of `end`."""
    return subprocess.Popen(  # noqa: S603  # this very program
        [sys.executable, "-m", "signaling.media.process", str(end.fileno())],
        pass_fds=(end.fileno(),),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        # Ctrl-C is for the hub.
        start_new_session=True,
    )
