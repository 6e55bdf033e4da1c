"""Seats everybody of a run and encrypts what they will send, while whoever sits already is kept alive."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from tests.load.clip import FRAME_RATE, Piece
from tests.load.person import Person
from tests.load.run import WARM_UP_S

SEATS = ("host", "applicant")
AT_ONCE = 8
"""Hearings whose people shake hands at the same time."""
KEEP_ALIVE_S = 1.0
PREPARED_BETWEEN_LOOKS = 8


class Seats(Protocol):
    """What seating needs of a contender."""

    async def seat(self, people: Sequence[Person]) -> None:
        """Connect the two of one hearing; set their lines and what was negotiated. Raises HandshakeFailed."""
        ...


async def seat_all(contender: Seats, hearings: int, *, stamped: bool = True) -> list[Person]:
    """Seat two people in each of so many hearings."""
    people = [
        Person(2 * hearing + index, hearing, seat) for hearing in range(hearings) for index, seat in enumerate(SEATS)
    ]
    for person in people:
        person.stamped = stamped
    free = asyncio.Semaphore(AT_ONCE)

    async def seat(hearing: int) -> None:
        async with free:
            await contender.seat(people[2 * hearing : 2 * hearing + 2])

    async with asyncio.TaskGroup() as tasks:
        keeper = tasks.create_task(_keep_alive(people))
        seated = [tasks.create_task(seat(hearing)) for hearing in range(hearings)]
        await asyncio.wait(seated)
        keeper.cancel()
    return people


async def _keep_alive(people: Sequence[Person]) -> None:
    while True:
        await asyncio.sleep(KEEP_ALIVE_S)
        keep_alive(people)


def keep_alive(people: Sequence[Person]) -> None:
    """Answer and send checks on every line that stands."""
    for person in people:
        for line in {person.sending, person.receiving}:
            if line is not None and line.connected:
                line.keep_alive()


def prepare_all(people: Sequence[Person], clip: Sequence[Piece], seconds: float) -> None:
    """Encrypt what everybody sends in the warm-up and `seconds`; people's frames are spread over a frame's time."""
    frame_us = 1_000_000 // FRAME_RATE
    for index, person in enumerate(people):
        phase_us = index * 7919 % frame_us
        person.prepare(clip, WARM_UP_S + seconds, phase_us, person.way_out.sending)
        if index % PREPARED_BETWEEN_LOOKS == 0:
            keep_alive(people)
