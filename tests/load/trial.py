"""One contender, one load, once: start, seat, send, count, stop."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Protocol

from tests.load.clip import Piece
from tests.load.ours import Ours
from tests.load.outcome import Outcome, take_counts, take_frames
from tests.load.person import Person
from tests.load.run import CHECKED_ONE_IN, Run
from tests.load.seating import prepare_all, seat_all
from tests.load.server import Server, Usage


class Contender(Protocol):
    """A server that can be put under load."""

    name: str

    async def start(self) -> Server:
        """Start the server."""
        ...

    async def seat(self, people: Sequence[Person]) -> None:
        """Connect the people of one hearing."""
        ...

    async def finish(self) -> Counter[str]:
        """Stop the server; returns what went wrong, by name."""
        ...

    def recorded_bytes(self) -> int:
        """Return how much was recorded."""
        ...


class MakesContender(Protocol):
    """How a contender is made: where it may write, its core, where its log goes."""

    def __call__(self, directory: Path, core: int, log: IO[bytes]) -> Contender:
        """Make it."""
        ...


async def try_out(
    make: MakesContender,
    hearings: int,
    seconds: float,
    clip: Sequence[Piece],
    *,
    core: int,
    checked_one_in: int = CHECKED_ONE_IN,
) -> Outcome:
    """Run it. Raises what the contender raises when it cannot be started or will not seat people."""
    with tempfile.TemporaryDirectory(prefix="load-") as name:
        directory = Path(name)
        log_path = directory / "log"
        with log_path.open("wb") as log:
            contender = make(directory, core, log)
            outcome = Outcome(contender.name, hearings, seconds)
            server = await contender.start()
            try:
                await _load(contender, server, outcome, clip, checked_one_in)
            except BaseException:
                await server.stop()
                raise
        outcome.recorded_bytes = contender.recorded_bytes()
    return outcome


async def _load(
    contender: Contender, server: Server, outcome: Outcome, clip: Sequence[Piece], checked_one_in: int
) -> None:
    stamped = contender.name != "aiortc"
    people = await seat_all(contender, outcome.hearings, stamped=stamped)
    prepare_all(people, clip, outcome.seconds)
    usages: list[Usage] = []
    run = Run(
        people,
        outcome.seconds,
        lambda: usages.append(server.usage()),
        checked_one_in=checked_one_in,
        reports=contender.name != "reflector",
    )
    # Blocks this loop on purpose: whatever else it has to do waits until the packets are counted.
    ran = run.go()
    if stamped:
        take_counts(outcome, people, ran)
    else:
        take_frames(outcome, people, ran)
    before, after = usages
    outcome.cpu_user = (after.user_s - before.user_s) / outcome.seconds
    outcome.cpu = outcome.cpu_user + (after.system_s - before.system_s) / outcome.seconds
    outcome.rss_mib = after.rss_mib
    outcome.profile = people[0].way_out.profile
    troubles = await contender.finish()
    for person in people:
        for line in {person.way_out, person.way_in}:
            await line.close()
    if isinstance(contender, Ours):
        sent, held = contender.count_journals(people)
        outcome.journal_complete = sent == held and not contender.faults
        troubles += contender.faults
        if not outcome.journal_complete:
            outcome.notes.append(f"journal: {held} of {sent} packets")
    outcome.notes += [f"{name}: {count}" for name, count in troubles.items()]
