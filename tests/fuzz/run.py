"""Throw hostile inputs at whatever reads foreign bytes (`make fuzz INPUTS=1000000`).

Three targets: the readers each by itself, a media worker under fire over real sockets and SRTP keys, and journals that
somebody got at. Inputs are changes of honest packets and files; the same seed gives the same ones. The last line is
JSON: `inputs` in all, `targets` (inputs of each), `failures`, `seconds`, `seed`, `express_lane` (whether the compiled
way was there to be fired at).
"""

import argparse
import asyncio
import json
import logging
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from signaling.media import express
from signaling.media.media_loop import MediaLoop
from tests.fuzz import journals
from tests.fuzz.datagrams import Failed, lay_siege
from tests.fuzz.mutating import Mutator
from tests.fuzz.parsers import all_parsers

SHARES = {"readers": 0.6, "datagrams": 0.3, "journals": 0.1}
TOLD_MAX = 5
"""Failures told of one target in full."""


@dataclass
class Outcome:
    """What a run has seen."""

    inputs: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)

    def failed(self, target: str, what: str) -> None:
        """Count a failure; the first ones are told."""
        self.failures[target] += 1
        if self.failures[target] <= TOLD_MAX:
            say(f"FAILED {target}: {what}")


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def make_room() -> Path:
    """Return an empty directory, in memory where there is such a place: a disk has better things to do."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="fuzz-", dir=memory if memory.is_dir() else None))


async def fuzz_readers(mutator: Mutator, inputs: int, outcome: Outcome) -> None:
    """Give every reader its share."""
    for parser in all_parsers():
        name = f"reader: {parser.name}"
        for data in parser.seeds:
            parser.read(data)
        for _ in range(round(inputs * parser.share)):
            data = mutator.one_of(parser.seeds)
            outcome.inputs[name] += 1
            try:
                parser.read(data)
            except Exception:
                outcome.failed(name, f"{data.hex()}\n{traceback.format_exc()}")


async def fuzz_datagrams(room: Path, mutator: Mutator, inputs: int, outcome: Outcome, *, a_hearing: int) -> None:
    """Fire at media workers, at one hearing after the other."""
    while inputs > 0:
        count = min(inputs, 2 * a_hearing)
        inputs -= count
        try:
            for kind, sent in (await lay_siege(room, mutator, count, a_hearing=a_hearing)).items():
                outcome.inputs[f"datagram: {kind}"] += sent
        except Failed as failed:
            outcome.failed("datagrams", str(failed))


def fuzz_journals(room: Path, mutator: Mutator, inputs: int, outcome: Outcome) -> None:
    """Tamper with recordings, clear and encrypted."""
    originals: Sequence[journals.Original] = [
        journals.write_original(room, encrypted=encrypted, seed=mutator.dice.getrandbits(32))
        for encrypted in (False, True)
    ]
    tamperer = journals.Tamperer(mutator)
    for number in range(inputs):
        original = originals[number % 2]
        files = tamperer.tampered(original)
        outcome.inputs["journal: encrypted" if original.encrypted else "journal: clear"] += 1
        with journals.laid_out(room, files) as directory:
            try:
                journals.examine(directory, files, original)
            except Exception:
                changed = {name: data.hex() for name, data in files.items() if original.files.get(name) != data}
                outcome.failed("journals", f"{changed}\n{traceback.format_exc()}")


async def run(inputs: int, seed: int, *, a_hearing: int = 20_000) -> Outcome:
    """Do a whole run."""
    outcome = Outcome()
    room = make_room()
    try:
        mutator = Mutator(seed)
        await fuzz_readers(mutator, round(inputs * SHARES["readers"]), outcome)
        await fuzz_datagrams(room, mutator, round(inputs * SHARES["datagrams"]), outcome, a_hearing=a_hearing)
        fuzz_journals(room, mutator, inputs - outcome.inputs.total(), outcome)
    finally:
        shutil.rmtree(room)
    return outcome


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=None)
    wanted = parser.parse_args()
    seed = wanted.seed if wanted.seed is not None else random.randrange(1 << 32)
    logging.disable(logging.WARNING)
    started_at = time.monotonic()
    with asyncio.Runner(loop_factory=MediaLoop) as runner:
        outcome = runner.run(run(wanted.inputs, seed))
    for target, count in sorted(outcome.inputs.items()):
        say(f"{count:9} {target}")
    told = {
        "inputs": outcome.inputs.total(),
        "targets": dict(sorted(outcome.inputs.items())),
        "failures": outcome.failures.total(),
        "seconds": round(time.monotonic() - started_at, 1),
        "seed": seed,
        "express_lane": express.LIBRARY.exists(),
    }
    say(json.dumps(told))
    sys.exit(1 if outcome.failures else 0)


if __name__ == "__main__":
    main()
