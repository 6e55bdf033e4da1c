"""Faults of others, and of our own code, stay where they are."""

import errno
import os
import socket
import threading
from pathlib import Path

import pytest

from records.clock import SystemClock
from records.journal import Event, JournalFault, JournalWriter, SegmentStart, read_journal
from records.journal_store import JournalInUse, at_rest, is_at_rest
from signaling.media import recorder, relay, worker
from signaling.media.events import (
    JournalFlushed,
    JournalMended,
    JournalTrouble,
    LinkLost,
    MediaEvent,
    MediaRefused,
    MediaSettings,
    OfferReady,
)
from signaling.media.port import Port
from signaling.media.worker import MediaWorker
from tests.integration.media.peers import HEARING, Peer, Plane, open_plane


@pytest.fixture(autouse=True)
def only_what_a_test_does_to_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with much else to do is no slow disk."""
    monkeypatch.setattr(recorder, "SLOW_S", 60.0)


ANSWER = "\r\n".join(
    [
        "v=0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "a=mid:0",
        "a=sendonly",
        "a=setup:active",
        "a=fingerprint:sha-256 " + ":".join(["CD"] * 32),
        "a=ssrc:{} cname:x",
        "",
    ]
)


async def test_an_offer_that_nobody_answers_ends_the_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "ANSWER_S", 0.1)
    plane = await open_plane(tmp_path)
    await plane.worker.add_participant(HEARING, "host")
    await plane.until(lambda: plane.of_kind(LinkLost, "host"), "link lost")
    (lost,) = plane.of_kind(LinkLost, "host")
    assert isinstance(lost, LinkLost)
    assert lost.reason == "unanswered"
    await plane.worker.stop()


async def test_a_listener_that_fails_does_not_stop_the_plane(tmp_path: Path) -> None:
    heard: list[MediaEvent] = []

    def fail(event: MediaEvent) -> None:
        heard.append(event)
        raise RuntimeError("a fault in the room")

    media = MediaWorker(MediaSettings(("127.0.0.1",), 0), fail)
    await media.start()
    await media.open_hearing(HEARING, JournalWriter.open(tmp_path, HEARING, clock=SystemClock()))
    await media.add_participant(HEARING, "host")
    await Plane(media, heard, tmp_path).until(lambda: len(heard) > 3, "events go on")
    assert media.drops["event_not_taken"] >= 3
    await media.stop()


async def test_a_datagram_that_trips_the_code_is_counted_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trip(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    plane = await open_plane(tmp_path)
    monkeypatch.setattr(Port, "datagram_arrived", trip)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        for _ in range(50):
            stranger.sendto(bytes(40), ("127.0.0.1", plane.worker.port))
    await plane.until(lambda: plane.worker.drops["internal"] == 50, "all read")
    await plane.worker.stop()


class FullDisk:
    """A file system on which nothing more can be written, until there is space again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._write = os.write
        self.full = True
        monkeypatch.setattr(os, "write", self.write)

    def write(self, fd: int, data: bytes) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "no space")
        return self._write(fd, data)


class SlowDisk:
    """A file system that takes its time over every sync, until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._sync = os.fdatasync
        self.quick = threading.Event()
        monkeypatch.setattr(os, "fdatasync", self.sync)

    def sync(self, fd: int) -> None:
        self.quick.wait(30)
        self._sync(fd)


def said(directory: Path) -> list[object]:
    return [record.data["event"] for record in read_journal(directory) if isinstance(record, Event)]


async def test_a_hearing_that_ends_on_a_slow_disk_is_written_to_its_end_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "CLOSE_S", 0.05)
    monkeypatch.setattr(recorder, "SLOW_S", 0.05)
    plane = await open_plane(tmp_path)
    disk = SlowDisk(monkeypatch)
    plane.worker.record_event(HEARING, {"event": "Said"})
    with pytest.raises(MediaRefused, match="journal_unwritten"):
        await plane.worker.close_hearing(HEARING)
    await plane.until(lambda: plane.of_kind(JournalTrouble), "trouble told")
    with pytest.raises(JournalInUse), at_rest(tmp_path):
        pass
    disk.quick.set()
    await plane.until(lambda: is_at_rest(tmp_path), "the journal let go")
    assert "Said" in said(tmp_path)
    monkeypatch.undo()
    await plane.worker.stop()


async def test_a_hearing_that_ends_on_a_full_disk_is_kept_in_memory_until_there_is_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "CLOSE_S", 0.05)
    monkeypatch.setattr(recorder, "FLUSH_S", 0.02)
    plane = await open_plane(tmp_path)
    disk = FullDisk(monkeypatch)
    plane.worker.record_event(HEARING, {"event": "Said"})
    await plane.until(lambda: plane.of_kind(JournalTrouble), "trouble told")
    with pytest.raises(MediaRefused, match="journal_unwritten"):
        await plane.worker.close_hearing(HEARING)
    disk.full = False
    await plane.until(lambda: is_at_rest(tmp_path), "the journal let go")
    assert "Said" in said(tmp_path)
    assert not any(isinstance(record, JournalFault) for record in read_journal(tmp_path))
    await plane.worker.stop()


async def test_a_disk_that_stays_full_is_given_up_after_a_while_and_the_journal_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "FLUSH_S", 0.02)
    monkeypatch.setattr(recorder, "CLOSE_PATIENCE_S", 0.1)
    plane = await open_plane(tmp_path)
    disk = FullDisk(monkeypatch)
    plane.worker.record_event(HEARING, {"event": "Said"})
    await plane.worker.close_hearing(HEARING)
    disk.full = False
    JournalWriter.open(tmp_path, HEARING, clock=SystemClock()).close()
    assert "Said" not in said(tmp_path)
    await plane.worker.stop()


async def test_a_server_that_stops_on_a_full_disk_stops_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "CLOSE_S", 0.05)
    plane = await open_plane(tmp_path)
    FullDisk(monkeypatch)
    plane.worker.record_event(HEARING, {"event": "Said"})
    await plane.worker.stop()


async def test_a_hole_in_the_recording_is_told_and_stands_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "STEADY_S", 0.1)
    plane = await open_plane(tmp_path, waiting_bytes=40_000)
    disk = FullDisk(monkeypatch)
    await plane.until(lambda: plane.of_kind(JournalTrouble), "trouble told")
    async with Peer(plane, "host") as host:
        await host.join()

        def losing() -> bool:
            return any(isinstance(event, JournalTrouble) and event.losing for event in plane.events)

        await plane.until(losing, "packets are lost")
        disk.full = False
        await plane.worker.record_again(HEARING)
    (mended,) = [event for event in plane.events if isinstance(event, JournalMended)]
    assert mended.lost is not None
    told = [event for event in plane.events if isinstance(event, JournalTrouble)]
    assert any(event.room_s is not None for event in told), "for how long memory holds what comes"
    assert {event.error for event in told} == {"disk_full"}
    await plane.worker.close_hearing(HEARING)
    assert said(tmp_path).count("RecordingResumed") == 1
    assert not any(isinstance(record, JournalFault) for record in read_journal(tmp_path))
    starts = [record for record in read_journal(tmp_path) if isinstance(record, SegmentStart)]
    assert mended.lost[1] in {(start.started_at_us - starts[0].started_at_us) // 1000 for start in starts}
    await plane.worker.stop()


async def test_a_recording_that_goes_on_without_its_beginning_says_what_is_missing(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    plane = await open_plane(directory)
    await plane.until(lambda: plane.of_kind(JournalFlushed), "saved once")
    directory.rename(tmp_path / "away")
    await plane.until(lambda: plane.of_kind(JournalTrouble), "trouble told")
    (trouble,) = [event for event in plane.events if isinstance(event, JournalTrouble)]
    assert (trouble.error, directory.exists()) == ("disk_gone", False)
    await plane.worker.record_again(HEARING)
    (mended,) = [event for event in plane.events if isinstance(event, JournalMended)]
    assert mended.lost == (0, trouble.saved_ms)
    await plane.worker.stop()


async def test_what_is_asked_of_nobody_is_refused_by_name(tmp_path: Path) -> None:
    plane = await open_plane(tmp_path)
    for asked, code in (
        (plane.worker.add_participant("another", "host"), "hearing_unknown"),
        (plane.worker.remove_participant(HEARING, "nobody"), "seat_unknown"),
        (plane.worker.take_answer(HEARING, "nobody", 1, ""), "seat_unknown"),
        (plane.worker.take_still("another", "host", timeout_s=1), "hearing_unknown"),
        (plane.worker.close_hearing("another"), "hearing_unknown"),
    ):
        with pytest.raises(MediaRefused) as refused:
            await asked
        assert refused.value.code == code
    assert plane.worker.position("another") is None
    await plane.worker.stop()


async def test_a_changed_world_during_an_open_offer_comes_in_one_later_offer(tmp_path: Path) -> None:
    plane = await open_plane(tmp_path)
    await plane.worker.add_participant(HEARING, "host")
    for number in range(1, 4):
        await plane.worker.add_participant(HEARING, f"officer-{number}")
        await plane.worker.take_answer(HEARING, f"officer-{number}", 1, ANSWER.format(1000 + number))
    assert len(plane.of_kind(OfferReady, "host")) == 1
    await plane.worker.take_answer(HEARING, "host", 1, ANSWER.format(1000))
    _, second = plane.of_kind(OfferReady, "host")
    assert isinstance(second, OfferReady)
    assert set(second.streams.values()) == {"host", "officer-1", "officer-2", "officer-3"}
    with pytest.raises(MediaRefused) as refused:
        await plane.worker.take_answer(HEARING, "officer-1", 2, ANSWER.format(1000))
    assert refused.value.code == "answer_ssrc_taken"
    await plane.worker.stop()


async def test_whoever_only_watches_is_asked_for_nothing_and_gets_nothing_in(tmp_path: Path) -> None:
    plane = await open_plane(tmp_path)
    await plane.worker.add_participant(HEARING, "host")
    await plane.worker.take_answer(HEARING, "host", 1, ANSWER.format(1000))
    await plane.worker.add_participant(HEARING, "observer", publishes=False)
    (offer,) = plane.of_kind(OfferReady, "observer")
    assert isinstance(offer, OfferReady)
    assert "a=recvonly" not in offer.sdp
    assert offer.sdp.count("a=sendonly") == 1
    assert set(offer.streams.values()) == {"host"}
    # A modified browser answers that it sends all the same.
    await plane.worker.take_answer(HEARING, "observer", 1, ANSWER.format(2000))
    assert len(plane.of_kind(OfferReady, "host")) == 1
    # The link made anew asks for as little.
    await plane.worker.add_participant(HEARING, "observer", publishes=False)
    again = plane.of_kind(OfferReady, "observer")[-1]
    assert isinstance(again, OfferReady)
    assert "a=recvonly" not in again.sdp
    await plane.worker.stop()


async def test_two_hearings_never_meet(tmp_path: Path) -> None:
    plane = await open_plane(tmp_path / "one")
    another = JournalWriter.open(tmp_path / "two", "another", clock=SystemClock())
    await plane.worker.open_hearing("another", another)
    with pytest.raises(MediaRefused) as refused:
        await plane.worker.open_hearing("another", another)
    assert refused.value.code == "hearing_open"
    for hearing, number in ((HEARING, 1), ("another", 2)):
        await plane.worker.add_participant(hearing, "host")
        await plane.worker.take_answer(hearing, "host", 1, ANSWER.format(number))
    await plane.worker.add_participant(HEARING, "gao")
    (offer,) = plane.of_kind(OfferReady, "gao")
    assert isinstance(offer, OfferReady)
    assert "a=ssrc:1 " in offer.sdp
    assert "a=ssrc:2 " not in offer.sdp
    await plane.worker.stop()


async def test_an_answer_to_a_lost_link_is_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plane = await open_plane(tmp_path)
    await plane.worker.add_participant(HEARING, "host")
    monkeypatch.setattr(relay, "ANSWER_S", 0.0)
    await plane.until(lambda: plane.of_kind(LinkLost), "link lost")
    with pytest.raises(MediaRefused) as refused:
        await plane.worker.take_answer(HEARING, "host", 1, ANSWER.format(1))
    assert refused.value.code == "answer_stale"
    await plane.worker.stop()


async def test_a_hanging_disk_does_not_hold_up_the_end_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = threading.Event()
    monkeypatch.setattr(worker, "CLOSE_S", 0.2)
    monkeypatch.setattr(JournalWriter, "flush", lambda self: back.wait(30))
    plane = await open_plane(tmp_path)
    plane.worker.record_event(HEARING, {"event": "Said"})
    await plane.worker.stop()
    back.set()


async def test_two_answers_at_once_shake_hands_once(tmp_path: Path) -> None:
    plane = await open_plane(tmp_path)
    await plane.worker.add_participant(HEARING, "host")
    await plane.worker.add_participant(HEARING, "officer")
    await plane.worker.take_answer(HEARING, "officer", 1, ANSWER.format(1))
    await plane.worker.take_answer(HEARING, "host", 1, ANSWER.format(2))
    await plane.worker.take_answer(HEARING, "host", 2, ANSWER.format(2))
    await plane.until(lambda: plane.of_kind(JournalFlushed), "time has passed")
    assert plane.of_kind(LinkLost) == []
    assert plane.worker.drops["task_failed"] == 0
    await plane.worker.stop()
