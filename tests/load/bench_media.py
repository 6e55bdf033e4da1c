"""`python -m tests.load.bench_media`: the media plane against Janus and aiortc, in one run on one machine.

Everybody gets the same load, one after the other, in at least two rounds, because machines drift: each hearing is two
people who send VP8 720p30 at 1.2 Mbit/s and Opus at 32 kbit/s and receive the other's, over real ICE, DTLS and SRTP,
with reports and transport-wide feedback. The server has one core to itself, the generator another. Prints a table and,
last, one JSON line. Figures of different machines, or of different minutes on one machine, do not compare.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from tests.load.clip import Piece, load_clip
from tests.load.janus import MISSING, Janus, JanusRefused, find_janus
from tests.load.line import HandshakeFailed
from tests.load.ours import Ours
from tests.load.outcome import Outcome
from tests.load.reflector import Reflector
from tests.load.report import Limits, heading, row, summary
from tests.load.run import WARM_UP_S
from tests.load.server import may_take_precedence
from tests.load.stock import Stock
from tests.load.trial import MakesContender, try_out

LIMIT_FROM = 20
LIMIT_STEP = 20
LIMIT_MAX = 400
LIMIT_SECONDS = 10.0
LIMIT_TRIES = 2
"""A load at which packets are lost is tried once more: the machine may have been busy with something else."""
AIORTC_HEARINGS = 1
"""It does not carry more."""
GENERATOR_CPU_MAX = 0.9
CONTENDERS = ("ours", "janus", "aiortc", "reflector")


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Bench:
    """One invocation."""

    def __init__(self, clip: Sequence[Piece], core: int) -> None:
        self.outcomes: list[Outcome] = []
        self._clip = clip
        self._core = core

    async def run(self, make: MakesContender, hearings: int, seconds: float) -> Outcome | None:
        """Try one contender; a failure to set it up is told, and the others go on."""
        try:
            outcome = await try_out(make, hearings, seconds, self._clip, core=self._core)
        except (HandshakeFailed, JanusRefused, TimeoutError, OSError, ExceptionGroup) as error:
            say(f"{'':14}not measured: {error!r}")
            return None
        say(row(outcome))
        return outcome

    async def compare(self, contenders: Sequence[str], hearings: int, seconds: float, rounds: int) -> None:
        """Run everybody, in every other round the other way round."""
        say(heading())
        if "reflector" in contenders:
            await self.run(Reflector, hearings, seconds)
        for turn in range(rounds):
            makes: list[MakesContender] = [Ours] if "ours" in contenders else []
            makes += [Janus] if "janus" in contenders else []
            for make in makes if turn % 2 == 0 else reversed(makes):
                self._keep(await self.run(make, hearings, seconds))
        if "aiortc" in contenders:
            self._keep(await self.run(Stock, AIORTC_HEARINGS, seconds))

    def _keep(self, outcome: Outcome | None) -> None:
        if outcome is not None:
            self.outcomes.append(outcome)

    async def find_limits(self, contenders: Sequence[str]) -> Limits:
        """Load more and more hearings onto each, until the first packet is lost."""
        say(f"\nHow many hearings one core holds, {LIMIT_SECONDS:.0f} s each:")
        say(heading())
        reached: dict[str, Outcome | None] = {"ours": None, "janus": None}
        going: dict[str, MakesContender] = {}
        if "ours" in contenders:
            going["ours"] = Ours
        if "janus" in contenders:
            going["janus"] = Janus
        for hearings in range(LIMIT_FROM, LIMIT_MAX + 1, LIMIT_STEP):
            for name, make in list(going.items()):
                held = await self._hold(make, hearings)
                if held is None:
                    del going[name]
                    held = await self._hold(make, hearings - LIMIT_STEP // 2)
                reached[name] = held or reached[name]
            if not going:
                break
        return Limits(reached["ours"], reached["janus"])

    async def _hold(self, make: MakesContender, hearings: int) -> Outcome | None:
        """Return a run in which nothing was lost, or None when every try lost something."""
        for _ in range(LIMIT_TRIES):
            outcome = await self.run(make, hearings, LIMIT_SECONDS)
            if outcome is None:
                return None
            if outcome.generator_cpu > GENERATOR_CPU_MAX:
                say(f"{'':14}the generator is at its own limit: what is lost here says nothing of the server")
            if outcome.lost == 0 and outcome.lost_warming_up == 0:
                return outcome
        return None


def take_core() -> int:
    """Put this process on its own core and return the server's."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    if len(cores) < 2:
        say("Only one core: server and generator share it, and the figures say little.")
    if may_take_precedence():
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    return cores[0]


async def bench(arguments: argparse.Namespace) -> None:
    """Do what the command line asks."""
    contenders = [name for name in arguments.only.split(",") if name]
    if "janus" in contenders and find_janus() is None:
        say(MISSING)
        contenders.remove("janus")
    clip = load_clip()
    core = take_core()
    precedence = "real-time precedence" if may_take_precedence() else "no precedence over other processes"
    say(f"{arguments.hearings} hearings of two people, {arguments.seconds:.0f} s after {WARM_UP_S:.0f} s of warm-up.")
    say(f"{os.cpu_count()} cores, the server on core {core}; {precedence}; load average {os.getloadavg()[0]:.1f}.\n")
    made = Bench(clip, core)
    await made.compare(contenders, arguments.hearings, arguments.seconds, arguments.rounds)
    limits = await made.find_limits(contenders) if arguments.limit else None
    say("")
    say(summary(made.outcomes, limits))


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description="The media plane against Janus and aiortc, same load, one run.")
    parser.add_argument("--hearings", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--limit", action="store_true", help="find how many hearings one core holds")
    parser.add_argument("--only", default=",".join(CONTENDERS), help="which of " + ", ".join(CONTENDERS))
    asyncio.run(bench(parser.parse_args()))


if __name__ == "__main__":
    main()
