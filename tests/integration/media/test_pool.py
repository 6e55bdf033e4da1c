"""Worker processes die, hang, and cannot start: hearings go on by themselves, and their recordings are whole."""

import asyncio
import os
import re
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from records.clock import SteadyClock
from records.journal import JournalWriter
from records.journal_reading import read_journal
from records.journal_records import Event, JournalFault, Packet, SegmentStart, Source
from records.manifests import compose, seal_directory, survey
from records.signing import SigningKey
from records.verifier import verify_recording
from signaling.media import crew, pool
from signaling.media.crew import SPARES, Crew, MediaUnavailable
from signaling.media.events import (
    HearingLost,
    HearingMoved,
    JournalFlushed,
    MediaEvent,
    MediaRefused,
    MediaSettings,
    OfferReady,
    StillUnavailable,
)
from signaling.media.pool import MediaPool
from signaling.media.remote import RemoteWorker
from signaling.ports import Ports
from tests.support.media_fake import FolderJournals, MemoryProceedings
from tests.support.meeting import HEARING, Person, meeting_place, sitting
from tests.support.room_page import House

LOOPBACK = MediaSettings(("127.0.0.1",), 0)


# Two people -----------------------------------------------------------------------------------------------------------


@dataclass
class Call:
    """Li and Gao in a hearing that one of two workers carries."""

    house: House
    media: MediaPool
    li: Person
    gao: Person
    record: MemoryProceedings
    journal: Path

    async def see_and_hear_each_other(self) -> None:
        await asyncio.gather(self.li.sees_and_hears("gao"), self.gao.sees_and_hears("li"))

    async def carried_by(self, holds: Callable[[set[int]], bool]) -> set[int]:
        """Wait until the UDP ports that both are connected to are such; return them."""
        for person in (self.li, self.gao):
            await person.socket.until(lambda: holds({port_of(self.li), port_of(self.gao)}))
        return {port_of(self.li), port_of(self.gao)}

    async def saved_ms(self) -> int:
        """Wait until some of the recording is told to be safe; return how much."""

        def told() -> list[int]:
            return [one["saved_ms"] for one in self.li.page.received if one["type"] == "saved"]

        await self.li.socket.until(lambda: any(told()))
        return told()[-1]

    async def end(self) -> list[object]:
        """End the hearing; return everything that was recorded."""
        await self.li.page.say("end")
        await self.record.until("ended", "li", "with")
        return await asyncio.to_thread(lambda: list(read_journal(self.journal)))


def port_of(person: Person) -> int:
    """Return the UDP port that somebody's peer sends to."""
    connection = person.peer.pc
    found = re.search(r"a=candidate:.* (\d+) typ host", connection.remoteDescription.sdp) if connection else None
    return int(found[1]) if found else 0


@pytest.fixture
async def call(tmp_path: Path) -> AsyncIterator[Call]:
    record = MemoryProceedings()
    async with AsyncExitStack() as stack:
        ports = Ports(record, FolderJournals(tmp_path))
        house, media = await stack.enter_async_context(meeting_place(ports, workers=2))
        li = await stack.enter_async_context(sitting(house, "li", 60))
        gao = await stack.enter_async_context(sitting(house, "gao", 160))
        await li.page.say("admit", seat_id="gao")
        call = Call(house, media, li, gao, record, tmp_path / HEARING)
        await call.see_and_hear_each_other()
        yield call


@pytest.mark.timeout(90)
@pytest.mark.parametrize(("blow", "reason"), [(signal.SIGKILL, "died"), (signal.SIGSTOP, "hung")])
async def test_a_hearing_whose_worker_dies_or_hangs_goes_on_in_the_other_by_itself(
    call: Call, blow: signal.Signals, reason: str
) -> None:
    (port,) = await call.carried_by(lambda ports: len(ports) == 1)
    worker = next(worker for worker in call.media.workers if worker.port == port)
    saved_ms = await call.saved_ms()
    stopped_us = time.time_ns() // 1000
    os.kill(worker.pid, blow)
    await call.carried_by(lambda ports: len(ports) == 1 and port not in ports)
    await call.see_and_hear_each_other()
    entries = await call.end()
    await asyncio.to_thread(check_recording, call.journal, entries, reason, stopped_us, saved_ms)


@pytest.mark.timeout(90)
async def test_a_hearing_whose_worker_dies_in_a_recess_still_rests_in_the_other(call: Call) -> None:
    (port,) = await call.carried_by(lambda ports: len(ports) == 1)
    await call.li.page.say("pause", reason="")
    await call.record.until("paused", "li", "")
    since = len(call.li.page.received)
    # Twice: by then everything from before has reached the disk.
    await call.li.socket.until(lambda: [one["type"] for one in call.li.page.received[since:]].count("saved") > 1)
    os.kill(next(worker for worker in call.media.workers if worker.port == port).pid, signal.SIGKILL)
    await call.carried_by(lambda ports: len(ports) == 1 and port not in ports)
    for person in (call.li, call.gao):
        person.peer.pictures.clear()
        person.peer.sounds.clear()
    heard = call.li.page.received
    since = len(heard)

    def both_send() -> bool:
        told = [message["people"] for message in heard[since:] if message["type"] == "stats"]
        return any(min(people.get(seat, {}).get("kbps", 0) for seat in ("li", "gao")) > 0 for people in told)

    await call.li.socket.until(both_send)
    assert call.li.page.room["recess"] is not None
    assert not call.li.peer.pictures and not call.gao.peer.sounds
    await call.li.page.say("resume")
    await call.see_and_hear_each_other()
    entries = await call.end()
    paused = [entry.at_us for entry in entries if isinstance(entry, Event) and entry.data["event"] == "Paused"]
    (resumed,) = [entry.at_us for entry in entries if isinstance(entry, Event) and entry.data["event"] == "Resumed"]
    arrivals = [entry.arrival_us for entry in entries if isinstance(entry, Packet)]
    assert len(paused) == 2, "the second worker knew"
    assert not [at_us for at_us in arrivals if paused[0] < at_us < resumed]
    assert max(arrivals) > resumed


def check_recording(journal: Path, entries: list[object], reason: str, stopped_us: int, saved_ms: int) -> None:
    """Check that all that was told to be safe is in the recording, that it says what happened, and can be proven."""
    assert {entry.code for entry in entries if isinstance(entry, JournalFault)} <= {"segment_torn"}
    restarts = [entry for entry in entries if isinstance(entry, Event) and entry.data["event"] == "MediaRestarted"]
    assert [restart.data["reason"] for restart in restarts] == [reason]
    seats: dict[int, str] = {}
    before: dict[str, int] = {}
    after: set[str] = set()
    for entry in entries:
        if isinstance(entry, Source):
            seats[entry.number] = entry.seat_id
        elif isinstance(entry, Packet) and entry.arrival_us < stopped_us:
            before[seats[entry.source]] = entry.arrival_us
        elif isinstance(entry, Packet):
            after.add(seats[entry.source])
    assert set(before) == after == {"li", "gao"}
    started_us = next(entry.started_at_us for entry in entries if isinstance(entry, SegmentStart))
    # The last that was safe may have come a little before that was told, not more.
    assert all(arrival_us > started_us + 1000 * saved_ms - 500_000 for arrival_us in before.values())
    surveyed = survey(journal)
    key = SigningKey.generate()
    seal_directory(journal, compose(surveyed, facts={}, key_id=key.key_id), key)
    assert all(finding.ok for finding in verify_recording(journal, key.public))


# The pool alone -------------------------------------------------------------------------------------------------------


@dataclass
class Desk:
    """Hears what a pool tells."""

    told: list[MediaEvent] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, event: MediaEvent) -> None:
        self.told.append(event)
        self.changed.set()

    async def until(self, kind: type, hearing_id: str, after: int = 0) -> MediaEvent:
        """Wait until something of this kind is told of a hearing; skip what was told before `after`."""
        async with asyncio.timeout(30):
            while True:
                self.changed.clear()
                for event in self.told[after:]:
                    if isinstance(event, kind) and event.hearing_id == hearing_id:
                        return event
                await self.changed.wait()


@pytest.fixture
def desk() -> Desk:
    return Desk()


def carrier(media: MediaPool, hearing_id: str) -> RemoteWorker:
    """Return the worker that carries a hearing."""
    worker = media.carrier(hearing_id)
    assert worker is not None
    return worker


def events_in(journal: Path) -> list[str]:
    return [str(entry.data["event"]) for entry in read_journal(journal) if isinstance(entry, Event)]


async def test_a_worker_that_dies_takes_down_nothing_else(desk: Desk, tmp_path: Path) -> None:
    async with MediaPool(LOOPBACK, desk.hear, workers=2) as media:
        for name in ("one", "two"):
            await media.open_hearing(name, tmp_path / name)
        assert carrier(media, "one") is not carrier(media, "two")
        os.kill(carrier(media, "one").pid, signal.SIGKILL)
        await desk.until(HearingMoved, "one")
        assert carrier(media, "one") is carrier(media, "two")
        await desk.until(JournalFlushed, "one", after=len(desk.told))
        await desk.until(JournalFlushed, "two", after=len(desk.told))
    assert [event.hearing_id for event in desk.told if isinstance(event, HearingMoved)] == ["one"]
    for name in ("one", "two"):
        assert not [fault for fault in survey(tmp_path / name).faults if fault.code != "segment_torn"]
        JournalWriter.open(tmp_path / name, name, clock=SteadyClock()).close()


async def test_the_only_worker_is_started_again_and_goes_on(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "PATIENCE_S", 30.0)  # a busy machine starts processes slowly
    async with MediaPool(LOOPBACK, desk.hear, workers=1) as media:
        await media.open_hearing("one", tmp_path)
        before = media.position("one")
        os.kill(carrier(media, "one").pid, signal.SIGKILL)
        written = await media.record_event("one", {"event": "DecisionReadOut"})
        after = media.position("one")
        assert before is not None
        assert after is not None
        assert before.elapsed_ms < written.elapsed_ms <= after.elapsed_ms
        await media.close_hearing("one")
        assert media.position("one") is None
    assert sorted(events_in(tmp_path)) == ["DecisionReadOut", "MediaRestarted"]


async def test_the_signals_that_stop_a_server_are_left_to_the_hub(desk: Desk, tmp_path: Path) -> None:
    async with MediaPool(LOOPBACK, desk.hear, workers=1) as media:
        await media.open_hearing("one", tmp_path)
        worker = carrier(media, "one")
        for signal_ in (signal.SIGINT, signal.SIGTERM):
            os.kill(worker.pid, signal_)
        await desk.until(JournalFlushed, "one", after=len(desk.told))
        await media.record_event("one", {"event": "StillHere"})
        assert carrier(media, "one") is worker
    assert events_in(tmp_path) == ["StillHere"]
    assert not survey(tmp_path).faults


async def test_what_was_asked_of_links_that_died_with_their_worker_is_left_to_the_room(
    desk: Desk, tmp_path: Path
) -> None:
    async with MediaPool(LOOPBACK, desk.hear, workers=2) as media:
        await media.open_hearing("one", tmp_path)
        await media.add_participant("one", "gao")
        old = await desk.until(OfferReady, "one")
        os.kill(carrier(media, "one").pid, signal.SIGKILL)
        await desk.until(HearingMoved, "one")
        assert isinstance(old, OfferReady)
        with pytest.raises(MediaRefused, match="answer_stale"):
            await media.take_answer("one", "gao", old.offer_id, old.sdp)
        with pytest.raises(StillUnavailable, match="no_camera"):
            await media.take_still("one", "gao", timeout_s=1)
        await media.set_muted("one", "gao", True)
        await media.remove_participant("one", "gao")
        seen = len(desk.told)
        await media.add_participant("one", "gao")
        new = await desk.until(OfferReady, "one", after=seen)
        assert isinstance(new, OfferReady)
        assert new.offer_id > old.offer_id
        with pytest.raises(MediaRefused, match="seat_unknown"):
            await media.remove_participant("one", "nobody")


async def test_a_hearing_whose_journal_cannot_be_opened_again_is_lost_and_said_to_be(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "MOVE_WAITS_S", (0.0, 0.05))
    async with MediaPool(LOOPBACK, desk.hear, workers=2) as media:
        await media.open_hearing("one", tmp_path / "one")
        (tmp_path / "one").rename(tmp_path / "gone")
        (tmp_path / "one").write_text("not a directory")
        os.kill(carrier(media, "one").pid, signal.SIGKILL)
        lost = await desk.until(HearingLost, "one")
        assert isinstance(lost, HearingLost)
        assert lost.reason == "disk_failed"
        with pytest.raises(MediaRefused, match="hearing_unknown"):
            await media.record_event("one", {"event": "Said"})
        assert media.position("one") is None
        (tmp_path / "one").unlink()
        await media.open_hearing("one", tmp_path / "one")


async def test_what_a_worker_refuses_is_refused_by_the_same_name(desk: Desk, tmp_path: Path) -> None:
    async with MediaPool(LOOPBACK, desk.hear, workers=1) as media:
        await media.open_hearing("one", tmp_path)
        with pytest.raises(MediaRefused, match="hearing_open"):
            await media.open_hearing("one", tmp_path)
        with pytest.raises(MediaRefused, match="seat_unknown"):
            await media.take_answer("one", "gao", 1, "v=0")
        with pytest.raises(MediaRefused, match="hearing_unknown"):
            await media.add_participant("another", "gao")
        await media.close_hearing("one")
        with pytest.raises(MediaRefused, match="journal_of_another_hearing"):
            await media.open_hearing("another", tmp_path)


async def test_a_port_that_is_taken_is_named_and_nothing_stays_behind(desk: Desk) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        media = MediaPool(MediaSettings(("127.0.0.1",), port), desk.hear, workers=1)
        with pytest.raises(MediaUnavailable) as refused:
            await media.__aenter__()
        assert (refused.value.port, refused.value.code) == (port, "port_taken")
        assert media.workers == ()


# Spares ---------------------------------------------------------------------------------------------------------------


@dataclass
class Watched:
    """A crew, and what it tells of workers that are gone."""

    crew: Crew
    gone: list[int]

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not holds():  # noqa: ASYNC110  # the crew tells nobody of its spares
                await asyncio.sleep(0.01)

    async def ready(self) -> set[int]:
        """Wait until as many spares stand as are to; return their processes."""
        await self.until(lambda: len(self.crew.spares) == SPARES)
        return {spare.pid for spare in self.crew.spares}


@pytest.fixture
async def watched(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    monkeypatch.setattr(crew, "SPARE_AFTER_S", 0.01)
    gone: list[int] = []
    places = crew.places_for(LOOPBACK, 2)
    async with Crew(places, lambda worker, event: None, lambda worker, reason: gone.append(worker.pid)) as running:
        yield Watched(running, gone)


async def test_two_workers_that_die_at_once_are_replaced_by_those_that_stand_ready(watched: Watched) -> None:
    spares = await watched.ready()
    for worker in watched.crew.running:
        os.kill(worker.pid, signal.SIGKILL)
    await watched.until(lambda: {worker.pid for worker in watched.crew.running} == spares)
    assert len(watched.gone) == 2
    assert not spares & await watched.ready()


async def test_everybody_who_dies_while_the_next_spare_is_begun_leaves_one_that_is_ready(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    spares = await watched.ready()
    monkeypatch.setattr(crew, "SPARE_AFTER_S", 3600.0)  # the next is not begun before it is needed
    first = watched.crew.running[0]
    os.kill(first.pid, signal.SIGKILL)
    await watched.until(lambda: len(watched.crew.running) == 2 and first not in watched.crew.running)
    (left,) = watched.crew.spares
    for worker in watched.crew.running:
        os.kill(worker.pid, signal.SIGKILL)
    await watched.until(lambda: left in watched.crew.running)
    assert left.pid in spares
    await watched.until(lambda: len(watched.crew.running) == 2)


async def test_spares_that_were_killed_where_they_stood_are_not_put_to_work(watched: Watched) -> None:
    spares = await watched.ready()
    for pid in spares:
        os.kill(pid, signal.SIGKILL)
    await watched.until(lambda: not any(spare.lives for spare in watched.crew.spares))
    worker = watched.crew.running[0]
    os.kill(worker.pid, signal.SIGKILL)
    await watched.until(lambda: len(watched.crew.running) == 2 and worker not in watched.crew.running)
    assert not spares & {worker.pid for worker in watched.crew.running}
    assert not spares & await watched.ready()
