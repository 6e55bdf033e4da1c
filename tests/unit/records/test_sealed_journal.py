"""A sealed journal: nobody reads it without the key, everybody checks it without it, and a crash costs no more."""

import os
import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from records.clock import FixedClock
from records.journal import Event, JournalError, JournalFault, JournalWriter, Packet, Source, read_journal
from records.journal_reading import KeyedJournal, with_key
from records.journal_records import RECORD_BYTES_MAX, Sealed, SegmentStart, read_segment
from records.manifests import compose, seal_directory, survey
from records.master_keys import MasterKeyMissing, MasterKeys
from records.session_keys import SESSION_KEY, ensure_session_key, rewrap_session_key, session_key_holds
from records.signing import SigningKey
from records.verifier import Finding, verify_recording

TEN = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
TEN_US = int(TEN.timestamp()) * 1_000_000
OFFICE = SigningKey.generate()
OLD, NEW = bytes(32), bytes(range(32))
SPOKEN = b"what was said to the prosecutor"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(TEN)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A directory that will hold a sealed journal."""
    directory = tmp_path / "h1"
    ensure_session_key(directory, "h1", MasterKeys(OLD), OFFICE)
    return directory


def speak(directory: Path, clock: FixedClock, *, packets: int = 3, seat_id: str = "gao") -> JournalWriter:
    """Open, declare a stream, and write packets that are on the disk."""
    writer = JournalWriter.open(directory, "h1", clock=clock)
    source = writer.declare_source(
        seat_id=seat_id, kind="audio", ssrc=7, payload_type=111, codec="opus", clock_rate=48000
    )
    for index in range(packets):
        writer.write_packet(source, writer.now_us() + 1000 * index, SPOKEN + bytes([index]))
    writer.write_event({"event": "still", "by": "王志远"})
    writer.flush()
    return writer


def die(writer: JournalWriter) -> None:
    """End as a killed process does."""
    os.close(writer._store._lock_fd)


def opened(directory: Path, *master: bytes) -> list[bytes]:
    """Return the packets of a journal, read with its key."""
    journal = with_key(directory, MasterKeys(master[0], master[1:]))
    return [record.data for record in read_journal(journal) if isinstance(record, Packet)]


def test_what_was_written_comes_out_with_the_key_and_is_nowhere_in_clear(journal: Path, clock: FixedClock) -> None:
    speak(journal, clock).close()
    everything = b"".join(path.read_bytes() for path in journal.glob("segment-*"))
    assert SPOKEN not in everything
    assert "王志远".encode() not in everything
    keyed = with_key(journal, MasterKeys(OLD))
    records = list(read_journal(keyed))
    assert [type(record) for record in records] == [SegmentStart, Source, Packet, Packet, Packet, Event]
    assert [record.data for record in records if isinstance(record, Packet)] == [SPOKEN + bytes([i]) for i in range(3)]


def test_without_the_key_it_tells_how_long_it_is_and_how_many_packets_it_has(journal: Path, clock: FixedClock) -> None:
    writer = speak(journal, clock)
    clock.advance(4)
    source = writer.declare_source(seat_id="b", kind="audio", ssrc=8, payload_type=111, codec="opus", clock_rate=48000)
    writer.write_packet(source, writer.now_us(), SPOKEN)
    writer.close()
    found = survey(journal)
    assert (found.duration_ms, [segment.packets for segment in found.segments], found.faults) == (4000, [4], ())
    records = list(read_journal(journal))
    assert [type(record) for record in records] == [SegmentStart, Sealed, Sealed]


def test_after_kill_minus_nine_everything_flushed_is_there_and_the_next_writer_has_another_key(
    journal: Path, clock: FixedClock
) -> None:
    first = speak(journal, clock)
    first.write_packet(0, TEN_US + 5000, b"never flushed")
    die(first)
    torn = journal / "segment-000001.jfj"
    torn.write_bytes(torn.read_bytes() + b"\x00\x00\x01\x00\x05half a chunk")
    clock.advance(2)
    second = speak(journal, clock, seat_id="liu")
    second.close()
    records = list(read_journal(with_key(journal, MasterKeys(OLD))))
    assert len([record for record in records if isinstance(record, Packet)]) == 6
    assert [(one.code, one.segment) for one in records if isinstance(one, JournalFault)] == [
        ("segment_torn", "segment-000001.jfj")
    ]
    # The second writer's source has a number of its own, though it could not read the first one's.
    assert [one.number for one in records if isinstance(one, Source)] == [0, 1]
    starts = [record for record in records if isinstance(record, SegmentStart)]
    assert starts[0].enclosed != starts[1].enclosed


def test_a_disk_that_refuses_loses_nothing_and_no_nonce_is_used_twice(
    journal: Path, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = speak(journal, clock)
    writer.write_packet(0, TEN_US + 9000, b"late")
    real = os.write
    written: list[bytes] = []

    def refuse(fd: int, data: bytes) -> int:
        written.append(bytes(data))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(OSError, match="No space"):
        writer.flush()
    monkeypatch.setattr(os, "write", real)
    writer.close()
    assert opened(journal, OLD)[-1] == b"late"
    (refused,) = written
    assert refused[:13] not in (journal / "segment-000001.jfj").read_bytes(), (
        "the same counter stood on the disk before"
    )


def test_long_silence_of_the_disk_is_sealed_in_pieces(journal: Path, clock: FixedClock) -> None:
    writer = speak(journal, clock, packets=0)
    for index in range(40):
        writer.write_packet(0, TEN_US + index, bytes([index]) * 200_000)
    writer.close()
    assert [data[:1] for data in opened(journal, OLD)] == [bytes([index]) for index in range(40)]
    assert survey(journal).faults == ()


def test_what_the_head_of_a_chunk_tells_does_not_depend_on_what_was_sent(journal: Path, clock: FixedClock) -> None:
    writer = speak(journal, clock, packets=0)
    sent = [b"", b"x", *(bytes([kind]) * 40 for kind in range(8)), bytes(RECORD_BYTES_MAX - 10)]
    for index, data in enumerate(sent):
        writer.write_packet(0, TEN_US + 1000 * index, data)
    writer.close()
    assert opened(journal, OLD) == sent
    (segment,) = survey(journal).segments
    assert (segment.packets, segment.ended_at_us) == (len(sent), TEN_US + 1000 * (len(sent) - 1))


def test_a_new_master_key_changes_the_key_file_and_not_the_recording(journal: Path, clock: FixedClock) -> None:
    speak(journal, clock).close()
    before = {path.name: path.read_bytes() for path in journal.glob("segment-*")}
    assert rewrap_session_key(journal, MasterKeys(NEW, [OLD]), OFFICE)
    assert not rewrap_session_key(journal, MasterKeys(NEW, [OLD]), OFFICE), "a second time there is nothing to do"
    assert before == {path.name: path.read_bytes() for path in journal.glob("segment-*")}
    assert len(opened(journal, NEW)) == 3
    assert session_key_holds(journal, OFFICE.public)
    with pytest.raises(MasterKeyMissing):
        with_key(journal, MasterKeys(OLD))


def test_a_recording_that_was_encrypted_never_goes_on_in_clear(journal: Path, clock: FixedClock) -> None:
    speak(journal, clock).close()
    (journal / SESSION_KEY).unlink()
    with pytest.raises(JournalError) as refused:
        JournalWriter.open(journal, "h1", clock=clock)
    assert refused.value.code == "session_key_missing"


def test_a_damaged_key_file_is_told_and_nothing_is_written(journal: Path, clock: FixedClock) -> None:
    data = (journal / SESSION_KEY).read_bytes()
    for place in range(0, len(data), 5):
        (journal / SESSION_KEY).write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert not session_key_holds(journal, OFFICE.public)
    (journal / SESSION_KEY).write_bytes(data[:-2])
    with pytest.raises(JournalError):
        JournalWriter.open(journal, "h1", clock=clock)


def test_a_sealed_recording_whose_key_file_is_gone_is_said_to_be_lost(journal: Path, clock: FixedClock) -> None:
    speak(journal, clock).close()
    seal_directory(journal, compose(survey(journal), facts={}, key_id=OFFICE.key_id), OFFICE)
    assert [finding.code for finding in verify_recording(journal, OFFICE.public)] == ["recording_whole"]
    (journal / SESSION_KEY).unlink()
    assert list(verify_recording(journal, OFFICE.public)) == [Finding(False, "session_key_missing")]
    elsewhere = verify_recording(journal, OFFICE.public, key_elsewhere=True)
    assert [finding.code for finding in elsewhere] == ["recording_whole"]


def test_another_hearings_key_opens_nothing(journal: Path, clock: FixedClock, tmp_path: Path) -> None:
    speak(journal, clock).close()
    ensure_session_key(tmp_path / "h2", "h2", MasterKeys(OLD), OFFICE)
    other = with_key(tmp_path / "h2", MasterKeys(OLD))
    assert isinstance(other, KeyedJournal)
    records = list(read_journal(KeyedJournal(journal, other.key)))
    assert not [record for record in records if isinstance(record, Packet | Event)]
    assert {record.code for record in records if isinstance(record, JournalFault)} == {"chunk_unreadable"}
    seal_directory(journal, compose(survey(journal), facts={}, key_id=OFFICE.key_id), OFFICE)
    locked = Finding(False, "segment_locked", {"name": "segment-000001.jfj"})
    assert list(verify_recording(journal, OFFICE.public, session_key=other.key)) == [locked]


def test_whatever_stands_in_a_segment_reading_it_raises_nothing(
    tmp_path_factory: pytest.TempPathFactory, clock: FixedClock
) -> None:
    directory = tmp_path_factory.mktemp("fuzz") / "h1"
    ensure_session_key(directory, "h1", MasterKeys(OLD), OFFICE)
    speak(directory, clock).close()
    keyed = with_key(directory, MasterKeys(OLD))
    assert isinstance(keyed, KeyedJournal)
    whole = (directory / "segment-000001.jfj").read_bytes()

    @settings(max_examples=300)
    @given(place=st.integers(0, len(whole)), put=st.binary(max_size=40), gone=st.integers(0, 40))
    def read(place: int, put: bytes, gone: int) -> None:
        data = whole[:place] + put + whole[place + gone :]
        for key in (None, keyed.key):
            for record in read_segment("segment-000001.jfj", data, key):
                if isinstance(record, Packet) and key is not None:
                    assert record.data.startswith(SPOKEN) or data[:4] != whole[:4]

    read()


WRITER = """
import sys
from pathlib import Path
from records.clock import SteadyClock
from records.journal import JournalWriter
writer = JournalWriter.open(Path(sys.argv[1]), "h1", clock=SteadyClock())
source = writer.declare_source(seat_id="gao", kind="audio", ssrc=7, payload_type=111, codec="opus", clock_rate=48000)
for count in range(1, 1_000_000):
    writer.write_packet(source, writer.now_us(), b"spoken" + count.to_bytes(4, "big") + bytes(5000))
    if count % 20 == 0:
        writer.flush()
        print(count, flush=True)
"""


def test_a_process_killed_while_it_writes_loses_nothing_that_was_flushed(journal: Path) -> None:
    flushed: list[int] = []
    for told in (1, 7, 40):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(journal)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
        )
        with process:
            assert process.stdout is not None
            for _ in range(told):
                last = int(process.stdout.readline())
            process.kill()
            rest = process.stdout.read().split()
        flushed.append(int(rest[-1]) if rest else last)
    assert all(fault.code == "segment_torn" for fault in survey(journal).faults)
    runs: list[list[int]] = []
    for record in read_journal(with_key(journal, MasterKeys(OLD))):
        if isinstance(record, Packet):
            number = int.from_bytes(record.data[6:10], "big")
            if number == 1:
                runs.append([])
            runs[-1].append(number)
    assert [run == list(range(1, len(run) + 1)) for run in runs] == [True] * 3
    assert all(len(run) >= count for run, count in zip(runs, flushed, strict=True))


def faults_in(directory: Path) -> list[str]:
    journal = with_key(directory, MasterKeys(OLD))
    return [record.code for record in read_journal(journal) if isinstance(record, JournalFault)]


def records_of(segment: Path) -> list[bytes]:
    """Return the records of a segment, heads and all."""
    data, found, at = segment.read_bytes(), [], 0
    while at < len(data):
        end = at + 5 + int.from_bytes(data[at : at + 4], "big")
        found.append(data[at:end])
        at = end
    return found


def test_a_clear_record_slipped_into_a_sealed_segment_is_a_fault(journal: Path, clock: FixedClock) -> None:
    speak(journal, clock).close()
    forged = (10 + 7).to_bytes(4, "big") + b"\x03" + (0).to_bytes(2, "big") + TEN_US.to_bytes(8, "big") + b"forgery"
    (segment,) = journal.glob("segment-*")
    segment.write_bytes(segment.read_bytes() + forged)
    assert opened(journal, OLD) == [SPOKEN + bytes([index]) for index in range(3)]
    assert faults_in(journal) == ["record_unreadable"]


def test_a_sealed_chunk_that_stands_there_twice_or_moved_is_a_fault(journal: Path, clock: FixedClock) -> None:
    writer = speak(journal, clock)
    writer.write_event({"event": "end"})
    writer.flush()
    writer.close()
    (segment,) = journal.glob("segment-*")
    *start, first, second = records_of(segment)
    assert first[4] == second[4] == 5
    for order in ([first, first, second], [second, first], [first, second, first]):
        segment.write_bytes(b"".join([*start, *order]))
        assert faults_in(journal) == ["chunk_unreadable"]
        assert len(opened(journal, OLD)) <= 3


def test_of_a_file_that_is_no_segment_of_ours_only_so_much_is_read(
    journal: Path, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    speak(journal, clock).close()
    (segment,) = journal.glob("segment-*")
    for module in ("journal_reading", "journal_records"):
        monkeypatch.setattr(f"records.{module}.SEGMENT_FILE_BYTES_MAX", segment.stat().st_size)
    assert faults_in(journal) == []
    with segment.open("ab") as file:
        file.truncate(64 << 20)
    tracemalloc.start()
    try:
        assert faults_in(journal) == ["segment_torn"]
        assert len(opened(journal, OLD)) == 3
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
