"""What goes between hub and worker: whole, in order, bounded, and never guessed at."""

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec
import pytest

from signaling.media import wire
from signaling.media.events import JournalFlushed, Moment, OfferReady, PersonStats, StatsMeasured, Still
from signaling.media.wire import (
    Alive,
    Answer,
    FromWorker,
    Line,
    LineBroken,
    News,
    Opened,
    RecordEvent,
    Refusal,
    Request,
    TakeAnswer,
    hub_line,
    worker_line,
)

NOON = datetime(2026, 11, 25, 4, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
async def ends() -> AsyncIterator[tuple[Line[FromWorker], Line[Request]]]:
    ours, theirs = socket.socketpair()
    hub, worker = await hub_line(ours), await worker_line(theirs)
    yield hub, worker
    await hub.close()
    await worker.close()


@pytest.fixture
async def stranger() -> AsyncIterator[tuple[Line[FromWorker], socket.socket]]:
    """The hub's end of a line whose other end does as it likes."""
    ours, theirs = socket.socketpair()
    line = await hub_line(ours)
    with theirs:
        yield line, theirs
    await line.close()


async def test_what_is_said_arrives_as_it_was_said(ends: tuple[Line[FromWorker], Line[Request]]) -> None:
    hub, worker = ends
    asked = [
        Request(1, TakeAnswer("h", "gao", 3, "v=0\r\n")),
        Request(2, RecordEvent("h", '{"event":"话"}'.encode())),
    ]
    told: list[FromWorker] = [
        Alive(0.25),
        Answer(1, None),
        Answer(2, Moment(1500, NOON)),
        Answer(3, Opened(Moment(0, NOON))),
        Answer(4, Still(bytes(300_000), 640, 480, 1500, NOON)),
        Refusal(5, "no_still", "no_camera"),
        News(OfferReady("h", "gao", 3, "v=0\r\n", {"0": "gao"})),
        News(StatsMeasured("h", {"gao": PersonStats(0.5, None, 800, 12)})),
    ]
    for request in asked:
        assert hub.send(request)
    for message in told:
        assert worker.send(message)
    assert [await worker.receive() for _ in asked] == asked
    assert [await hub.receive() for _ in told] == told


async def test_an_end_that_is_gone_is_silence_and_not_an_error(ends: tuple[Line[FromWorker], Line[Request]]) -> None:
    hub, worker = ends
    worker.send(Alive(0.5))
    await worker.close()
    assert await hub.receive() == Alive(0.5)
    assert await hub.receive() is None
    await hub.close()
    assert not hub.send(Request(1, TakeAnswer("h", "gao", 3, "v=0")))


async def test_a_message_cut_in_the_middle_is_none(stranger: tuple[Line[FromWorker], socket.socket]) -> None:
    line, other = stranger
    other.sendall(b"\x00\x00\x00\x10abc")
    other.close()
    assert await line.receive() is None


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x01\xc1",
        len(body := msgspec.msgpack.encode({"type": "Unknown"})).to_bytes(4, "big") + body,
        len(body := msgspec.msgpack.encode({"type": "Alive", "cpu": "much"})).to_bytes(4, "big") + body,
        b"\x00\x00\x00\x0c\x81\xa4type\xa5Al\xffve",
    ],
)
async def test_what_is_no_message_of_ours_breaks_the_line(
    stranger: tuple[Line[FromWorker], socket.socket], data: bytes
) -> None:
    line, other = stranger
    other.sendall(data)
    with pytest.raises(LineBroken):
        await line.receive()


async def test_what_is_told_every_second_is_dropped_while_the_other_side_does_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "WAITING_BYTES_MAX", 100_000)
    ours, theirs = socket.socketpair()
    worker = await worker_line(theirs)
    flushed = News(JournalFlushed("h", 1000, 900))
    with ours:
        sent = 0
        while worker.send(flushed, droppable=True):
            sent += 1
            assert sent < 1_000_000
        offer = News(OfferReady("h", "gao", 3, "v=0", {}))
        assert worker.send(offer), "what comes once is never dropped"
    await asyncio.wait_for(worker.close(), 5)
