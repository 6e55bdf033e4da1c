"""Kill media workers and the server at random moments in live hearings, and see what is left (`make crash-media`).

Every round strikes one blow and waits until everybody sees and hears everybody again, with nobody's doing. At the end
the hearings are ended and sealed, and every journal is opened, verified and held against every packet that was sent.
The last line is JSON:

rounds: blows that were struck · journals_broken: journals that do not open or verify · seconds_lost_max: the longest
time before a blow of which the journal has nothing · seconds_back_p95: from a worker's death, or from when the server
is up again, until the far voice is heard.
"""

import argparse
import asyncio
import json
import logging
import random
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from records.journal_reading import with_key
from records.signing import VerifyKey
from tests.load.crash_check import faults_of, losses_of, names_in
from tests.load.crash_house import Booked, House
from tests.load.crash_people import Clip, Guest, Sent
from tests.support.house import Visitor

BACK_WITHIN_S = 60.0
"""When somebody is not back by then, the run has failed; how long it took is measured."""
PAUSE_S = (0.3, 3.0)
"""Between two blows, once everybody is back."""
BLOWS = {"worker": 5, "workers": 1, "hang": 1, "server": 3}
"""How often each kind is struck, of ten: one worker, all at once, one that hangs, the server."""


@dataclass
class Struck:
    """A way that a blow ended."""

    session_id: str
    ended_us: int
    sent: list[Sent]


@dataclass
class Tally:
    """What a run has seen."""

    rounds: int = 0
    back_s: list[float] = field(default_factory=list)
    struck: list[Struck] = field(default_factory=list)
    disturbed: int = 0
    """People whose worker was not the one struck down, and who lost their link all the same."""


@asynccontextmanager
async def hearings(house: House, booked: list[Booked]) -> AsyncIterator[list[Guest]]:
    """Hold the hearings: a host and an applicant in each, who see and hear each other."""
    clip = await asyncio.to_thread(Clip.make)
    origin = house.demo.server.origin
    guests: list[Guest] = []
    staying: list[asyncio.Task[None]] = []
    async with AsyncExitStack() as stack:
        group = await stack.enter_async_context(asyncio.TaskGroup())
        host = await stack.enter_async_context(Visitor(origin))
        await host.signs_in("wang")
        for hearing in booked:
            phone = await stack.enter_async_context(Visitor(origin))
            await phone.comes_in(hearing.link)
            for kind in ("recording", "personal_data"):
                await phone.send("/hearing/consents", {"kind": kind})
            wang = Guest("wang", host, hearing.session_id, "staff", clip)
            gao = Guest("gao", phone, hearing.session_id, "applicant", clip)
            guests += [wang, gao]
            staying += [group.create_task(guest.stay()) for guest in (wang, gao)]
            await wang.until(lambda wang=wang: wang.person("applicant").get("present"), BACK_WITHIN_S)  # type: ignore[misc]
            await wang.say("admit", seat_id=wang.person("applicant")["seat_id"])
            for guest in (wang, gao):
                await guest.until(lambda guest=guest: guest.back_after_s is not None, BACK_WITHIN_S)  # type: ignore[misc]
        try:
            yield guests
        except BaseException:
            for task in staying:
                task.cancel()
            raise


async def strike(house: House, guests: list[Guest], kind: str, tally: Tally) -> None:
    """Strike one blow, and wait until everybody is back."""
    ports = {guest.way.port for guest in guests if guest.way}
    struck_ports = ports if kind in ("server", "workers") else {random.choice(sorted(ports))}
    touched = [guest for guest in guests if guest.way and guest.way.port in struck_ports]
    others = [(guest, len(guest.ways)) for guest in guests if guest not in touched]
    at_us = time.time_ns() // 1000
    if kind == "server":
        await house.kill()
    else:
        for port in house.workers() if kind == "workers" else struck_ports:
            house.strike(port, signal.SIGSTOP if kind == "hang" else signal.SIGKILL)
    struck_at = time.monotonic()
    for guest in touched:
        guest.struck_at = struck_at
        if guest.way is not None:
            tally.struck.append(Struck(guest.session_id, at_us, guest.way.sent))
    if kind == "server":
        await house.start()
        up_at = time.monotonic()
    else:
        up_at = struck_at
    for guest in touched:
        await guest.until(lambda guest=guest: guest.back_after_s is not None, BACK_WITHIN_S)  # type: ignore[misc]
        tally.back_s.append(max(0.0, (guest.back_after_s or 0.0) - (up_at - struck_at)))
    tally.disturbed += sum(len(guest.ways) != ways for guest, ways in others)
    tally.rounds += 1
    slowest = max(tally.back_s[-len(touched) :])
    say(f"{tally.rounds:4} {kind:7} {len(touched):3} people back within {slowest:.2f} s")


async def run(house: House, *, rounds: int, count: int) -> dict[str, float]:
    """Do a whole run; return its last line."""
    tally = Tally()
    await house.start()
    booked = await house.book(count)
    kinds = [kind for kind, weight in BLOWS.items() for _ in range(weight)]
    async with hearings(house, booked) as guests:
        for turn in range(rounds):
            await asyncio.sleep(random.uniform(*PAUSE_S))
            # The first two are one of each that matter most; the short run has no others.
            await strike(house, guests, ("worker", "server")[turn] if turn < 2 else random.choice(kinds), tally)
        await asyncio.sleep(1)
        for guest in guests:
            if guest.role == "staff":
                await guest.say("end")
        for guest in guests:
            await asyncio.wait_for(guest.ended.wait(), BACK_WITHIN_S)
    await house.until_sealed([hearing.session_id for hearing in booked], 120)
    await house.stop()
    whole, said = await house.verify()
    if not whole:
        say(said)
    return {**_weigh(house, booked, tally), "whole": whole, "others_disturbed": tally.disturbed}


def _weigh(house: House, booked: list[Booked], tally: Tally) -> dict[str, float]:
    key = VerifyKey.load(house.public_key)
    broken = 0
    lost_s, missing = [0.0], 0
    for hearing in booked:
        journal = house.journals / hearing.session_id
        faults = faults_of(journal, key)
        if faults:
            broken += 1
            say("\n  ".join([hearing.session_id, *faults]))
        kept = names_in(with_key(journal, house.master_keys))
        for struck in tally.struck:
            if struck.session_id == hearing.session_id:
                for loss in losses_of(struck.sent, struck.ended_us, kept):
                    lost_s.append(loss.seconds)
                    missing += loss.packets
    back_s = sorted(tally.back_s)
    return {
        "rounds": tally.rounds,
        "journals_broken": broken,
        "seconds_lost_max": round(max(lost_s), 3),
        "seconds_back_p95": round(back_s[max(0, -(-95 * len(back_s) // 100) - 1)], 3),
        "seconds_back_max": round(back_s[-1], 3),
        "packets_missing_between": missing,
    }


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--hearings", type=int, default=4)
    parser.add_argument("--seed", type=int, default=None)
    wanted = parser.parse_args()
    seed = wanted.seed if wanted.seed is not None else random.randrange(1 << 32)
    random.seed(seed)
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="crash-") as directory:
        house = House(Path(directory) / "var")
        outcome = asyncio.run(run(house, rounds=wanted.rounds, count=wanted.hearings))
    say(json.dumps(outcome))
    sound = outcome["journals_broken"] == 0 and outcome["whole"] and outcome["others_disturbed"] == 0
    sys.exit(0 if sound and outcome["seconds_lost_max"] <= 1 and outcome["seconds_back_p95"] <= 3 else 1)


if __name__ == "__main__":
    main()
