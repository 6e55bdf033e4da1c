"""A server under load: started on a core of its own, asked for its processor time and memory through /proc."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
STOP_S = 20.0


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor seconds since the start (all threads) and resident memory."""

    user_s: float
    system_s: float
    rss_mib: float


def may_take_precedence() -> bool:
    """Tell whether real-time scheduling is allowed: then whatever else runs on the machine disturbs little."""
    return os.geteuid() == 0 and shutil.which("chrt") is not None


class Server:
    """A process pinned to one core."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(
        cls,
        command: Sequence[str],
        core: int,
        *,
        log: IO[bytes] | int = asyncio.subprocess.DEVNULL,
        pipes: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> "Server":
        """Start `command` on `core`; threads that it starts stay there. Raises OSError."""
        # Others may use the machine too: whoever may take precedence takes it, the generator as well.
        precedence = ["chrt", "--rr", "1"] if may_take_precedence() else []
        process = await asyncio.create_subprocess_exec(
            *precedence,
            *("taskset", "--cpu-list", str(core)),
            *command,
            stdin=asyncio.subprocess.PIPE if pipes else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if pipes else log,
            stderr=log,
            limit=1 << 20,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        return cls(process)

    def usage(self) -> Usage:
        """Return what the process has used up to now."""
        base = Path("/proc") / str(self.process.pid)
        # Behind the last bracket: the name may hold spaces. Fields 14 and 15 of proc(5) cover all threads.
        fields = (base / "stat").read_text().rpartition(")")[2].split()
        rss = next(line for line in (base / "status").read_text().splitlines() if line.startswith("VmRSS"))
        return Usage(int(fields[11]) / TICKS_A_SECOND, int(fields[12]) / TICKS_A_SECOND, int(rss.split()[1]) / 1024)

    async def wait(self) -> None:
        """Wait for a process that ends by itself, and make it when it does not."""
        try:
            async with asyncio.timeout(STOP_S):
                await self.process.wait()
        except TimeoutError:
            await self.stop()

    async def stop(self) -> None:
        """Ask the process to end, and make it."""
        if self.process.returncode is not None:
            return
        # Not Process.send_signal: that may reap the process before asyncio does.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
