"""A sealed recording proves itself, and a changed one says which file was changed."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from records.clock import FixedClock
from records.journal import JournalFull, JournalWriter
from records.manifests import MANIFEST, SIGNATURE, Fault, Gap, Recess, compose, seal_directory, survey, with_recesses
from records.master_keys import MasterKeys
from records.session_keys import ensure_session_key, load_session_key
from records.signing import SigningKey
from records.verifier import Finding, verify_recording

KEY = SigningKey.generate()
SEGMENTS = [f"segment-00000{number}.jfj" for number in (1, 2, 3)]
FILES = [*SEGMENTS, MANIFEST, SIGNATURE]


def record_hearing(directory: Path) -> None:
    """Three segments: the server stopped twice, the second time for a minute."""
    clock = FixedClock(datetime(2026, 11, 25, 2, 0, tzinfo=UTC))
    for break_s in (0.2, 60, 0):
        journal = JournalWriter.open(directory, "hearing", clock=clock)
        for _ in range(5):
            clock.advance(1)
            journal.write_event({"kind": "tick"})
        journal.close()
        clock.advance(break_s)


def seal(directory: Path, key: SigningKey = KEY) -> str:
    manifest = compose(survey(directory), facts={"session": {"number": "1号"}}, key_id=key.key_id)
    seal_directory(directory, manifest, key)
    return hashlib.sha256(manifest).hexdigest()


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Path]:
    """The directory of a sealed recording."""
    record_hearing(tmp_path)
    seal(tmp_path)
    yield tmp_path


def bad(directory: Path, **expected: str) -> list[tuple[str, str | int | None]]:
    findings = list(verify_recording(directory, KEY.public, **expected))
    whole = any(finding.code == "recording_whole" for finding in findings)
    assert whole == all(finding.ok for finding in findings)
    return [(finding.code, finding.params.get("name")) for finding in findings if not finding.ok]


def test_a_sealed_recording_is_whole(recording: Path) -> None:
    assert list(verify_recording(recording, KEY.public)) == [
        Finding(True, "gap", {"began": "00:00:05", "lost_ms": 200}),
        Finding(True, "gap", {"began": "00:00:10", "lost_ms": 60_000}),
        Finding(True, "recording_whole", {"segments": 3, "duration_ms": 75_200}),
    ]


def test_a_survey_knows_where_nothing_was_recorded(recording: Path) -> None:
    assert survey(recording).gaps == (Gap(5_000, 5_200), Gap(10_200, 70_200))


def test_a_silence_is_no_gap_and_the_shortest_hole_is_one(tmp_path: Path) -> None:
    clock = FixedClock(datetime(2026, 11, 25, 2, 0, tzinfo=UTC))
    journal = JournalWriter.open(tmp_path, "hearing", clock=clock, waiting_bytes=1 << 10)
    for _ in range(3):  # nobody says anything for longer than a segment lasts
        clock.advance(12)
        journal.write_event({"kind": "tick"})
        journal.flush()
    assert (len(survey(tmp_path).segments), survey(tmp_path).gaps) == (3, ())
    clock.advance(0.5)
    with pytest.raises(JournalFull):
        journal.write_packet(0, journal.now_us(), bytes(1 << 10))
    journal.flush()
    clock.advance(0.1)
    journal.go_on()
    journal.close()
    assert survey(tmp_path).gaps == (Gap(36_000, 36_600),)


def test_where_the_headers_do_not_tell_a_short_silence_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("records.journal_records._truth", lambda _: None)  # as before they did
    record_hearing(tmp_path)
    assert survey(tmp_path).gaps == (Gap(10_200, 70_200),)


@pytest.mark.parametrize(
    ("recess", "gaps"),
    [
        (Recess(10_000, 71_000), ()),
        (Recess(10_200, 40_000), (Gap(40_000, 70_200),)),
        (Recess(30_000, 40_000), (Gap(10_200, 30_000), Gap(40_000, 70_200))),
        (Recess(10_600, 69_800), ()),
        (Recess(10_701, 69_699), (Gap(10_200, 10_701), Gap(69_699, 70_200))),
        (Recess(72_000, 73_000), (Gap(10_200, 70_200),)),
    ],
)
def test_what_of_a_gap_lies_in_a_recess_is_none(recording: Path, recess: Recess, gaps: tuple[Gap, ...]) -> None:
    (_, *found) = with_recesses(survey(recording), [recess]).gaps
    assert tuple(found) == gaps


def hear_with_a_recess(directory: Path, *, forged_s: float | None = None) -> None:
    """Ten seconds of sound, of which the fourth to the eighth are a recess; and what somebody put into it."""
    clock = FixedClock(datetime(2026, 11, 25, 2, 0, tzinfo=UTC))
    journal = JournalWriter.open(directory, "hearing", clock=clock)
    for tenth in range(100):
        clock.advance(0.1)
        if tenth < 30 or tenth >= 80:
            journal.write_packet(0, journal.now_us(), bytes(12))
        elif tenth % 10 == 0:
            journal.write_event({"event": "LinesMeasured"})
        if forged_s is not None and tenth == 79:
            journal.write_packet(0, journal.started_at_us + int(forged_s * 1e6), bytes(12))
        journal.flush()
    journal.close()
    surveyed = with_recesses(survey(directory), [Recess(3_000, 8_000)])
    seal_directory(directory, compose(surveyed, facts={}, key_id=KEY.key_id), KEY)


@pytest.mark.parametrize("sealed", [False, True])
@pytest.mark.parametrize(("forged_s", "at"), [(None, ""), (4.1, "00:00:04"), (6.5, "00:00:06"), (3.5, ""), (7.9, "")])
def test_one_packet_recorded_in_a_recess_is_found_and_its_time_told(
    tmp_path: Path, sealed: bool, forged_s: float | None, at: str
) -> None:
    session_key = None
    if sealed:
        master = MasterKeys(MasterKeys.generate())
        ensure_session_key(tmp_path, "hearing", master, KEY)
        session_key = load_session_key(tmp_path, master)
    hear_with_a_recess(tmp_path, forged_s=forged_s)
    findings = list(verify_recording(tmp_path, KEY.public, session_key=session_key))
    assert [dict(finding.params) for finding in findings if finding.code == "recess"] == [
        {"began": "00:00:03", "ended": "00:00:08"}
    ]
    told = {"name": SEGMENTS[0], "packets": 1, "at": at, "began": "00:00:03", "ended": "00:00:08"}
    wrong = [Finding(False, "recess_packets", told)] if at else []
    assert [finding for finding in findings if not finding.ok] == wrong
    assert any(finding.code == "recording_whole" for finding in findings) == (not wrong)


@pytest.mark.parametrize("packets", [True, False])
def test_what_cannot_be_opened_is_told_by_whole_segments(tmp_path: Path, packets: bool) -> None:
    ensure_session_key(tmp_path, "hearing", MasterKeys(MasterKeys.generate()), KEY)
    clock = FixedClock(datetime(2026, 11, 25, 2, 0, tzinfo=UTC))
    for number in range(3):
        journal = JournalWriter.open(tmp_path, "hearing", clock=clock)
        for _ in range(5):
            clock.advance(1)
            if packets or number != 1:
                journal.write_packet(0, journal.now_us(), bytes(12))
            else:
                journal.write_event({"event": "LinesMeasured"})
        journal.close()
    surveyed = with_recesses(survey(tmp_path), [Recess(3_000, 12_500)])
    seal_directory(tmp_path, compose(surveyed, facts={}, key_id=KEY.key_id), KEY)
    assert bad(tmp_path) == ([("recess_recorded", SEGMENTS[1])] if packets else [])


def test_a_survey_finds_nothing_wrong_with_a_whole_journal(recording: Path) -> None:
    assert survey(recording).faults == ()


def test_a_survey_names_what_is_torn_changed_or_missing(recording: Path) -> None:
    first, second, third = (recording / name for name in SEGMENTS)
    whole = first.read_bytes()
    first.write_bytes(whole[:-1])
    assert survey(recording).faults == (Fault("segment_torn", first.name), Fault("chain_broken", second.name))
    first.write_bytes(whole)
    second.unlink()
    assert survey(recording).faults == (Fault("segment_missing", second.name),)
    third.write_bytes(b"")
    assert third.name in {fault.segment for fault in survey(recording).faults}


@pytest.mark.parametrize("name", SEGMENTS)
def test_a_changed_segment_is_named(recording: Path, name: str) -> None:
    path = recording / name
    path.write_bytes(path.read_bytes()[:-1])
    assert bad(recording) == [("segment_changed", name)]


@pytest.mark.parametrize("name", SEGMENTS)
def test_a_missing_segment_is_named(recording: Path, name: str) -> None:
    (recording / name).unlink()
    assert bad(recording) == [("segment_missing", name)]


def test_a_changed_segment_tells_which_time_of_the_recording_it_is(recording: Path) -> None:
    (recording / SEGMENTS[1]).write_bytes(b"")
    (recording / SEGMENTS[2]).unlink()
    wrong = [dict(finding.params) for finding in verify_recording(recording, KEY.public) if not finding.ok]
    assert wrong == [
        {"name": SEGMENTS[1], "began": "00:00:05", "ended": "00:00:10"},
        {"name": SEGMENTS[2], "began": "00:01:10", "ended": "00:01:15"},
    ]


def test_an_extra_segment_is_named(recording: Path) -> None:
    (recording / "segment-000004.jfj").write_bytes(b"more")
    assert bad(recording) == [("segment_extra", "segment-000004.jfj")]


def test_two_segments_that_changed_places_are_both_named(recording: Path) -> None:
    one, two = (recording / name for name in SEGMENTS[:2])
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert bad(recording) == [("segment_changed", name) for name in SEGMENTS[:2]]


def test_a_changed_manifest_is_told_from_a_changed_signature(recording: Path) -> None:
    manifest, signature = recording / MANIFEST, recording / SIGNATURE
    whole = manifest.read_bytes()
    manifest.write_bytes(whole.replace("1号".encode(), "2号".encode()))
    assert bad(recording) == [("manifest_changed", None)]
    manifest.write_bytes(whole)
    signature.write_bytes(signature.read_bytes().replace(b'"signature":"', b'"signature":"A'))
    assert bad(recording) == [("signature_wrong", None)]


def test_a_missing_manifest_or_signature_is_named(recording: Path) -> None:
    (recording / SIGNATURE).unlink()
    assert bad(recording) == [("signature_missing", None)]
    (recording / MANIFEST).unlink()
    assert bad(recording) == [("manifest_missing", None)]


def test_a_seal_of_another_key_proves_nothing(recording: Path) -> None:
    seal(recording, SigningKey.generate())
    assert bad(recording) == [("signature_wrong", None)]


def test_a_second_seal_over_a_cut_recording_is_not_the_one_on_the_trail(recording: Path) -> None:
    on_the_trail = seal(recording)
    (recording / SEGMENTS[2]).unlink()
    seal(recording)
    assert bad(recording) == []
    assert bad(recording, manifest_digest=on_the_trail) == [("manifest_replaced", None)]


def test_what_was_lost_before_the_seal_is_named_afterwards_too(recording: Path) -> None:
    (recording / SEGMENTS[1]).unlink()
    seal(recording)
    findings = [(finding.ok, finding.code, dict(finding.params)) for finding in verify_recording(recording, KEY.public)]
    assert findings == [
        (False, "segment_unchained", {"name": SEGMENTS[2]}),
        (False, "sealed_with_fault", {"fault": "segment_missing", "name": SEGMENTS[1]}),
        (True, "gap", {"began": "00:00:05", "lost_ms": 65_200}),
    ]


def test_a_segment_that_a_crash_tore_is_no_forgery(tmp_path: Path) -> None:
    clock = FixedClock(datetime(2026, 11, 25, 2, 0, tzinfo=UTC))
    journal = JournalWriter.open(tmp_path, "hearing", clock=clock)
    journal.write_event({"kind": "tick"})
    journal.close()
    torn = tmp_path / SEGMENTS[0]
    torn.write_bytes(torn.read_bytes() + b"\x00\x00\x01")
    journal = JournalWriter.open(tmp_path, "hearing", clock=clock)
    journal.write_event({"kind": "tick"})
    journal.close()
    seal(tmp_path)
    assert [(finding.ok, finding.code) for finding in verify_recording(tmp_path, KEY.public)] == [
        (True, "segment_torn"),
        (True, "recording_whole"),
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=st.sampled_from(FILES), place=st.integers(0), value=st.integers(1, 255))
def test_any_changed_byte_of_a_recording_is_found(recording: Path, name: str, place: int, value: int) -> None:
    path = recording / name
    whole = path.read_bytes()
    broken = bytearray(whole)
    broken[place % len(broken)] ^= value
    path.write_bytes(broken)
    try:
        found = bad(recording)
    finally:
        path.write_bytes(whole)
    wanted = {MANIFEST: ("manifest_changed", None), SIGNATURE: ("signature_wrong", None)}
    assert wanted.get(name, ("segment_changed", name)) in found
