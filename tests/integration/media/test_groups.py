"""A way that takes no groups of datagrams: whoever is there gets everything alone, and nobody else does."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signaling.media.events import LinkConnected
from tests.fuzz.callers import Caller, drain
from tests.integration.media.peers import HEARING, Plane, open_plane
from tests.integration.media.test_hostile_datagrams import WithoutNumbers, sound

_SO_NO_CHECK = 11
"""Linux's; Python does not name it. Without checksums the kernel makes no groups."""
IN_ONE_GO = 20


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    plane = await open_plane(tmp_path / "journal", ("127.0.0.1", "127.0.0.2"))
    yield plane
    await plane.worker.stop()


async def until_hears(plane: Plane, listener: Caller, speaker: Caller, count: int) -> None:
    """Wait until so many packets of the speaker's have come to the listener's socket."""
    came: list[bytes] = []

    def enough() -> bool:
        came.extend(data for data in drain(listener.socket) if data[8:12] == speaker.ssrcs[0].to_bytes(4, "big"))
        return len(came) >= count

    await plane.until(enough, f"{listener.seat_id} hears {speaker.seat_id}", 10)
    assert len({data[2:4] for data in came}) == len(came) == count


async def test_what_cannot_go_as_a_group_goes_alone_to_those_there(plane: Plane) -> None:
    people = [
        WithoutNumbers(plane.worker, HEARING, seat, index + 1) for index, seat in enumerate(("gao", "wang", "li"))
    ]
    people[2].server = ("127.0.0.2", plane.worker.port)
    for each in people:
        await each.join(plane.events)
        await plane.until(lambda each=each: LinkConnected(HEARING, each.seat_id) in plane.events, "connected")
    sender = people[0]
    for each in people * 2:
        await each.answer_all(plane.events)
    hearing = plane.worker._hearings[HEARING]
    (refusing, _) = plane.worker._port._sockets
    refusing.setsockopt(socket.SOL_SOCKET, _SO_NO_CHECK, 1)
    sender.send(sound(sender))
    for listener in people[1:]:
        await until_hears(plane, listener, sender, 1)
    await plane.until(lambda: hearing._lanes._open, "lanes are open")
    for _ in range(2):
        for _ in range(IN_ONE_GO):
            sender.send(sound(sender))
        for listener in people[1:]:
            await until_hears(plane, listener, sender, IN_ONE_GO)
    states = {seat: person.downlink.state for seat, person in hearing._exchange.people.items()}
    assert (states["wang"].alone, states["li"].alone) == (1, 0)
    assert not plane.worker.drops["send_failed"]
    for each in people:
        await each.leave()
