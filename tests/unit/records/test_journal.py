"""The journal: what goes in comes out, whatever happens to the server, the disk or the files in between."""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from records.clock import FixedClock
from records.journal import (
    Event,
    JournalError,
    JournalFault,
    JournalFull,
    JournalWriter,
    Packet,
    Record,
    SegmentStart,
    Source,
    read_journal,
)
from records.journal_memory import Memory
from records.journal_records import read_segment
from records.manifests import Gap, survey

TEN = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
TEN_US = int(TEN.timestamp()) * 1_000_000


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(TEN)


def open_journal(directory: Path, clock: FixedClock, hearing_id: str = "h1") -> JournalWriter:
    return JournalWriter.open(directory, hearing_id, clock=clock)


def declare(writer: JournalWriter, seat_id: str = "gao", kind: str = "audio") -> int:
    return writer.declare_source(seat_id=seat_id, kind=kind, ssrc=7, payload_type=111, codec="opus", clock_rate=48000)


def faults(directory: Path) -> list[JournalFault]:
    return [record for record in read_journal(directory) if isinstance(record, JournalFault)]


def packets(directory: Path) -> list[bytes]:
    return [record.data for record in read_journal(directory) if isinstance(record, Packet)]


def crash(writer: JournalWriter) -> None:
    """Die as a killed process does: nothing more is written, the lock is gone."""
    os.close(writer._store._lock_fd)


def test_what_was_written_is_read_in_order_with_its_times(tmp_path: Path, clock: FixedClock) -> None:
    writer = open_journal(tmp_path, clock)
    number = declare(writer)
    writer.write_packet(number, TEN_US + 5, b"first")
    clock.advance(2.5)
    position = writer.write_event({"event": "Joined", "name": "高某"})
    writer.write_packet(number, TEN_US + 2_600_000, b"second")
    writer.close()
    assert (position.elapsed_ms, position.segment, position.at) == (2500, 1, clock.now())
    assert list(read_journal(tmp_path)) == [
        SegmentStart("segment-000001.jfj", "h1", 1, "", TEN_US, 0, continues=True),
        Source(0, "gao", "audio", 7, 111, "opus", 48000),
        Packet(0, TEN_US + 5, b"first"),
        Event(TEN_US + 2_500_000, {"event": "Joined", "name": "高某"}),
        Packet(0, TEN_US + 2_600_000, b"second"),
    ]


def test_a_segment_ends_after_ten_seconds_and_repeats_the_sources(tmp_path: Path, clock: FixedClock) -> None:
    writer = open_journal(tmp_path, clock)
    number = declare(writer)
    for second in range(25):
        writer.write_packet(number, TEN_US + second * 1_000_000, b"x")
    writer.close()
    summaries = survey(tmp_path).segments
    assert [summary.packets for summary in summaries] == [10, 10, 5]
    assert faults(tmp_path) == []
    for summary in summaries:
        records = list(read_segment(summary.name, (tmp_path / summary.name).read_bytes()))
        assert any(isinstance(record, Source) for record in records)


def test_a_segment_never_exceeds_eight_mebibytes(tmp_path: Path, clock: FixedClock) -> None:
    writer = open_journal(tmp_path, clock)
    number = declare(writer)
    for _ in range(9000):
        writer.write_packet(number, TEN_US, bytes(1200))
    writer.close()
    assert len(survey(tmp_path).segments) == 2
    assert all(summary.bytes <= 8 << 20 for summary in survey(tmp_path).segments)
    assert len(packets(tmp_path)) == 9000


def test_each_segment_names_the_digest_of_the_whole_file_before(tmp_path: Path, clock: FixedClock) -> None:
    writer = open_journal(tmp_path, clock)
    number = declare(writer)
    for second in range(25):
        writer.write_packet(number, TEN_US + second * 1_000_000, b"x")
    writer.close()
    first, second_, third = survey(tmp_path).segments
    assert first.previous == ""
    assert second_.previous == first.digest == hashlib.sha256((tmp_path / first.name).read_bytes()).hexdigest()
    assert third.previous == second_.digest


def test_after_a_crash_the_journal_goes_on_in_a_new_segment_and_keeps_its_clock(
    tmp_path: Path, clock: FixedClock
) -> None:
    writer = open_journal(tmp_path, clock)
    number = declare(writer)
    writer.write_packet(number, TEN_US, b"before")
    writer.flush()
    writer.write_packet(number, TEN_US, b"never saved")
    crash(writer)
    clock.advance(60)
    again = open_journal(tmp_path, clock)
    assert again.position().elapsed_ms == 60_000
    later = declare(again)
    assert later != number
    again.write_packet(later, TEN_US + 60_000_000, b"after")
    again.close()
    assert packets(tmp_path) == [b"before", b"after"]
    assert faults(tmp_path) == []


def test_a_torn_tail_is_told_and_covered_by_the_next_segments_digest(tmp_path: Path, clock: FixedClock) -> None:
    writer = open_journal(tmp_path, clock)
    number = declare(writer)
    writer.write_packet(number, TEN_US, b"whole")
    writer.write_packet(number, TEN_US, b"half of this will be missing")
    writer.flush()
    crash(writer)
    path = tmp_path / "segment-000001.jfj"
    torn = path.read_bytes()[:-9]
    path.write_bytes(torn)
    again = open_journal(tmp_path, clock)
    again.write_event({"event": "Restarted"})
    again.close()
    assert packets(tmp_path) == [b"whole"]
    assert [(fault.code, fault.segment) for fault in faults(tmp_path)] == [("segment_torn", path.name)]
    path.write_bytes(torn[:-1])
    assert [fault.code for fault in faults(tmp_path)] == ["segment_torn", "chain_broken"]


def test_a_segment_without_even_a_header_does_not_stop_the_journal(tmp_path: Path, clock: FixedClock) -> None:
    writer = open_journal(tmp_path, clock)
    number = declare(writer)
    writer.write_packet(number, TEN_US, b"x")
    writer.flush()
    crash(writer)
    (tmp_path / "segment-000002.jfj").write_bytes(b"\0\0")
    clock.advance(5)
    again = open_journal(tmp_path, clock)
    assert declare(again) == number + 1
    assert again.position().elapsed_ms == 5000
    again.close()
    assert [summary.number for summary in survey(tmp_path).segments] == [1, 2, 3]
    assert [fault.code for fault in faults(tmp_path)] == ["segment_torn"]


@pytest.fixture
def three_segments(tmp_path: Path, clock: FixedClock) -> Path:
    writer = open_journal(tmp_path / "journal", clock)
    number = declare(writer)
    for second in range(25):
        writer.write_packet(number, TEN_US + second * 1_000_000, b"something that was said")
    writer.close()
    return tmp_path / "journal"


@pytest.mark.parametrize(
    ("tamper", "code", "segment"),
    [
        (lambda data: data[:-3] + bytes((data[-3] ^ 1,)) + data[-2:], "chain_broken", "segment-000003.jfj"),
        (lambda data: data + data[-40:], "chain_broken", "segment-000003.jfj"),
        (lambda data: data[:-60], "chain_broken", "segment-000003.jfj"),
        (lambda data: b"", "segment_torn", "segment-000002.jfj"),
        (lambda data: b"\0" + data[1:5] + b"!" + data[6:], "header_unreadable", "segment-000002.jfj"),
    ],
    ids=["a bit", "a record more", "a record less", "everything", "the header"],
)
def test_whoever_changes_a_segment_breaks_the_chain_by_name(
    three_segments: Path, tamper: Callable[[bytes], bytes], code: str, segment: str
) -> None:
    path = three_segments / "segment-000002.jfj"
    path.write_bytes(tamper(path.read_bytes()))
    assert (code, segment) in [(fault.code, fault.segment) for fault in faults(three_segments)]


def test_a_segment_that_was_taken_away_is_missed_by_name(three_segments: Path) -> None:
    (three_segments / "segment-000002.jfj").unlink()
    assert [(fault.code, fault.segment) for fault in faults(three_segments)] == [
        ("segment_missing", "segment-000002.jfj"),
        ("chain_broken", "segment-000003.jfj"),
    ]


def test_two_segments_that_changed_places_are_found(three_segments: Path) -> None:
    first, second = three_segments / "segment-000001.jfj", three_segments / "segment-000002.jfj"
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)
    assert {"segment_misplaced", "chain_broken"} <= {fault.code for fault in faults(three_segments)}


def test_a_second_writer_is_refused_until_the_first_closes(tmp_path: Path, clock: FixedClock) -> None:
    writer = open_journal(tmp_path, clock)
    with pytest.raises(JournalError) as refused:
        open_journal(tmp_path, clock)
    assert refused.value.code == "journal_in_use"
    writer.close()
    open_journal(tmp_path, clock).close()


def test_the_journal_of_another_hearing_is_not_written_to(tmp_path: Path, clock: FixedClock) -> None:
    open_journal(tmp_path, clock).close()
    with pytest.raises(JournalError) as refused:
        open_journal(tmp_path, clock, "h2")
    assert refused.value.code == "journal_of_another_hearing"
    open_journal(tmp_path, clock).close()


def test_a_full_disk_loses_nothing_once_there_is_space_again(
    tmp_path: Path, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_journal(tmp_path, clock)
    number = declare(writer)
    writer.write_packet(number, TEN_US, b"before")
    writer.flush()
    clock.advance(1)
    writer.now_us()
    writer.write_packet(number, TEN_US + 1, b"while the disk is full")
    real_write = os.write
    calls = []

    def write_some_then_refuse(fd: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) == 1:
            return real_write(fd, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "write", write_some_then_refuse)
    with pytest.raises(OSError, match="no space"):
        writer.flush()
    assert writer.saved_ms == 0
    monkeypatch.undo()
    assert writer.flush() == 1000
    writer.close()
    assert packets(tmp_path) == [b"before", b"while the disk is full"]
    assert faults(tmp_path) == []


def test_a_disk_that_refuses_a_new_file_gets_it_at_the_next_flush(
    tmp_path: Path, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_journal(tmp_path, clock)
    writer.write_event({"event": "Started"})

    def refuse(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(OSError, match="no space"):
        writer.flush()
    assert survey(tmp_path).segments == ()
    monkeypatch.undo()
    writer.close()
    assert [summary.name for summary in survey(tmp_path).segments] == ["segment-000001.jfj"]
    assert faults(tmp_path) == []


def fill(writer: JournalWriter, number: int) -> int:
    """Write until the memory is full; return how many packets were taken."""
    taken = 0
    with pytest.raises(JournalFull):
        while True:
            writer.write_packet(number, TEN_US, bytes(1 << 16))
            taken += 1
    return taken


def test_what_waits_for_the_disk_is_bounded_and_what_is_lost_is_one_hole(tmp_path: Path, clock: FixedClock) -> None:
    writer = open_journal(tmp_path, clock)
    number = declare(writer)
    taken = fill(writer, number)
    assert writer.room_left == 0
    clock.advance(1)
    with pytest.raises(JournalFull):
        writer.write_packet(number, TEN_US + 1_000_000, b"small, but in the middle of the hole")
    writer.write_event({"event": "SeatLeft"})
    late = declare(writer, "sun", "video")
    assert writer.go_on() is None, "not before everything that waits is stored"
    writer.flush()
    clock.advance(4)
    assert writer.go_on() == (0, 5000)
    writer.write_packet(late, TEN_US + 5_000_000, b"there is room again")
    writer.close()
    assert packets(tmp_path)[taken:] == [b"there is room again"]
    assert faults(tmp_path) == []
    (told,) = [record for record in read_journal(tmp_path) if isinstance(record, Event)]
    assert told == Event(TEN_US + 1_000_000, {"event": "SeatLeft"})
    assert survey(tmp_path).gaps == (Gap(0, 5000),)


def test_events_that_find_no_room_either_are_refused(tmp_path: Path, clock: FixedClock) -> None:
    writer = open_journal(tmp_path, clock)
    fill(writer, declare(writer))
    with pytest.raises(JournalFull):
        for _ in range(100):
            writer.write_event({"event": "x" * 20_000})
    writer.close()
    assert faults(tmp_path) == []


def test_a_journal_that_ends_in_a_hole_keeps_the_events_of_it(tmp_path: Path, clock: FixedClock) -> None:
    writer = open_journal(tmp_path, clock)
    fill(writer, declare(writer))
    writer.write_event({"event": "HearingEnded"})
    writer.close()
    assert any(isinstance(record, Event) for record in read_journal(tmp_path))


def test_a_sync_that_failed_is_not_believed_the_second_time(
    tmp_path: Path, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_journal(tmp_path, clock)
    number = declare(writer)
    writer.write_packet(number, TEN_US, b"safe")
    writer.flush()
    safe = (tmp_path / "segment-000001.jfj").stat().st_size

    def forget(fd: int) -> None:
        os.ftruncate(fd, safe)  # the system drops the pages that it could not write, and says so once
        monkeypatch.undo()
        raise OSError(errno.EIO, "the disk did not answer")

    monkeypatch.setattr(os, "fdatasync", forget)
    writer.write_packet(number, TEN_US, b"nearly lost")
    with pytest.raises(OSError, match="did not answer"):
        writer.flush()
    assert writer.saved_ms == 0
    writer.write_packet(number, TEN_US, b"after")
    writer.close()
    assert packets(tmp_path) == [b"safe", b"nearly lost", b"after"]
    assert faults(tmp_path) == []


def test_a_disk_that_turns_read_only_in_the_middle_of_a_write_leaves_no_torn_record_once_it_is_well(
    tmp_path: Path, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_journal(tmp_path, clock)
    number = declare(writer)
    writer.flush()
    write = os.write

    def refuse(fd: int, *_: object) -> None:
        raise OSError(errno.EROFS, "read only")

    def write_half(fd: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", refuse)
        return write(fd, bytes(data)[: len(data) // 2])

    monkeypatch.setattr(os, "write", write_half)
    monkeypatch.setattr(os, "ftruncate", refuse)
    writer.write_packet(number, TEN_US, b"written in halves")
    for _ in range(2):
        with pytest.raises(OSError, match="read only"):
            writer.flush()
    monkeypatch.undo()
    writer.write_packet(number, TEN_US, b"after")
    writer.close()
    assert packets(tmp_path) == [b"written in halves", b"after"]
    assert faults(tmp_path) == []


def test_a_directory_that_went_away_is_noticed_at_the_next_flush_and_gone_on_in_when_it_is_back(
    tmp_path: Path, clock: FixedClock
) -> None:
    writer = open_journal(tmp_path / "h1", clock)
    number = declare(writer)
    writer.write_packet(number, TEN_US, b"before")
    writer.flush()
    (tmp_path / "h1").rename(tmp_path / "away")
    writer.write_packet(number, TEN_US + 1_000_000, b"while it was away")
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            writer.flush()
    shutil.copytree(tmp_path / "away", tmp_path / "h1")  # another volume, with the same on it
    writer.write_packet(number, TEN_US + 2_000_000, b"after")
    writer.close()
    assert not writer.left_behind
    assert packets(tmp_path / "h1") == [b"before", b"while it was away", b"after"]
    assert faults(tmp_path / "h1") == []
    with pytest.raises(JournalError, match="journal_closed"):
        writer.write_packet(number, TEN_US, b"no more")


def test_a_directory_that_is_gone_for_good_is_made_anew_only_when_told_and_what_is_missing_shows(
    tmp_path: Path, clock: FixedClock
) -> None:
    writer = open_journal(tmp_path / "h1", clock)
    number = declare(writer)
    for second in range(15):
        writer.write_packet(number, TEN_US + second * 1_000_000, b"lost")
    writer.flush()
    shutil.rmtree(tmp_path / "h1")
    writer.write_packet(number, TEN_US + 16_000_000, b"kept in memory")
    with pytest.raises(FileNotFoundError):
        writer.flush()
    assert not (tmp_path / "h1").exists()
    writer.begin_anew()
    assert writer.left_behind
    writer.close()
    assert packets(tmp_path / "h1") == [b"kept in memory"]
    assert [path.name for path in sorted((tmp_path / "h1").glob("*.jfj"))] == ["segment-000003.jfj"]
    assert [fault.code for fault in faults(tmp_path / "h1")] == ["segment_missing", "chain_broken"]


def test_a_segment_that_vanished_before_anything_of_it_was_confirmed_is_begun_again(
    tmp_path: Path, clock: FixedClock
) -> None:
    writer = open_journal(tmp_path / "h1", clock)
    number = declare(writer)
    (tmp_path / "h1").rename(tmp_path / "away")
    writer.write_packet(number, TEN_US, b"first")
    with pytest.raises(FileNotFoundError):
        writer.flush()
    (tmp_path / "away").rename(tmp_path / "h1")
    writer.close()
    assert packets(tmp_path / "h1") == [b"first"]
    assert faults(tmp_path / "h1") == []


def test_a_wall_clock_set_back_does_not_move_the_recording_back(tmp_path: Path, clock: FixedClock) -> None:
    writer = open_journal(tmp_path, clock)
    clock.advance(10)
    before = writer.position()
    clock.advance(-3600)
    assert writer.position() == before
    writer.close()


def test_a_closed_journal_takes_nothing_more(tmp_path: Path, clock: FixedClock) -> None:
    writer = open_journal(tmp_path, clock)
    writer.close()
    writer.close()
    with pytest.raises(JournalError):
        writer.write_event({"event": "Late"})


def _kinds(records: list[Record]) -> list[Record]:
    return [record for record in records if not isinstance(record, JournalFault)]


@settings(max_examples=200, deadline=None)
@given(cut=st.integers(0, 10_000), flip=st.integers(0, 10_000), bit=st.integers(0, 7), noise=st.binary(max_size=64))
def test_no_damage_makes_the_reader_raise_or_invent_what_came_before_it(
    cut: int, flip: int, bit: int, noise: bytes, sample_segment: bytes
) -> None:
    whole = _kinds(list(read_segment("s", sample_segment)))
    shorter = _kinds(list(read_segment("s", sample_segment[: cut % (len(sample_segment) + 1)])))
    assert shorter == whole[: len(shorter)]
    damaged = bytearray(sample_segment)
    damaged[flip % len(damaged)] ^= 1 << bit
    list(read_segment("s", bytes(damaged)))
    list(read_segment("s", noise))
    list(read_segment("s", sample_segment + noise))


@pytest.fixture(scope="session")
def sample_segment(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    directory = tmp_path_factory.mktemp("sample")
    writer = open_journal(directory, FixedClock(TEN))
    number = declare(writer)
    for index in range(20):
        writer.write_packet(number, TEN_US + index, bytes(index))
        writer.write_event({"event": "Said", "count": index})
    writer.close()
    return (directory / "segment-000001.jfj").read_bytes()


def test_all_journals_of_a_process_share_one_bound_and_a_hole_is_one(tmp_path: Path, clock: FixedClock) -> None:
    memory = Memory(100_000)
    one, other = (
        JournalWriter.open(tmp_path / name, "h1", clock=clock, waiting_bytes=80_000, memory=memory)
        for name in ("one", "other")
    )
    sources = {writer: declare(writer) for writer in (one, other)}

    def speak(writer: JournalWriter, seconds: int) -> None:
        for _ in range(seconds):
            clock.advance(1)
            writer.write_packet(sources[writer], writer.now_us(), bytes(10_000))

    for _ in range(30):  # a disk that takes everything: however much it becomes, nobody is refused
        speak(one, 2)
        one.flush()
    assert memory.room_left > 0.99
    speak(one, 6)
    speak(other, 3)
    with pytest.raises(JournalFull):
        speak(other, 1)
    assert (one.room_left, other.room_left) == (pytest.approx(0.1, abs=0.01), 0)
    other.flush()
    assert other.go_on() is None, "the other one still fills more than half"
    with pytest.raises(JournalFull):
        speak(other, 1)
    one.flush()
    assert other.go_on() == (70_000, 71_000)
    speak(other, 3)
    speak(one, 6)
    one.abandon()
    speak(other, 4)
    other.close()
    assert len(survey(tmp_path / "other").gaps) == 1


def test_a_recording_that_ends_while_others_fill_the_memory_keeps_who_came_and_went(
    tmp_path: Path, clock: FixedClock
) -> None:
    memory = Memory(50_000)
    one, other = (JournalWriter.open(tmp_path / name, "h1", clock=clock, memory=memory) for name in ("one", "other"))
    one.write_packet(declare(one), one.now_us(), bytes(49_000))
    with pytest.raises(JournalFull):
        other.write_packet(declare(other), other.now_us(), bytes(2_000))
    other.write_event({"event": "SeatLeft"})
    other.close()
    assert [record.data for record in read_journal(tmp_path / "other") if isinstance(record, Event)] == [
        {"event": "SeatLeft"}
    ]
    one.abandon()
