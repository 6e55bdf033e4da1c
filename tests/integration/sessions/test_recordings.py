"""A recording is begun, marked, sealed once, and proves itself afterwards."""

import asyncio
import json
from collections.abc import Awaitable
from pathlib import Path

import pytest

from records.actors import Role, system_actor
from records.clock import FixedClock
from records.database import Database
from records.journal import JournalWriter
from records.manifests import MANIFEST
from records.refusals import Refusal
from records.signing import SigningKey
from records.trail import entries_of, export_trail, sign_head
from records.vault import Vault
from records.verifier import verify_recording, verify_trail, verify_vault
from sessions.handing_out import note_played
from sessions.proceedings import end, enter, start
from sessions.queries import session_file
from sessions.recordings import MadePlayback, add_mark, begin, record_playback
from sessions.sealing import seal
from sessions.states import SessionState
from sessions.tables import Recording, RecordingState
from tests.support.people import LIU, WANG, ZHAO, Hearing, give_every_consent, staff

SYSTEM = system_actor("recorder")
KEY = SigningKey.generate()


async def refused(doing: Awaitable[object]) -> str:
    with pytest.raises(Refusal) as raised:
        await doing
    return raised.value.code


def write_journal(directory: Path, clock: FixedClock, *, seconds: int) -> None:
    journal = JournalWriter.open(directory, "hearing", clock=clock)
    for _ in range(seconds):
        clock.advance(1)
        journal.write_event({"kind": "tick"})
    journal.close()


async def hold(database: Database, hearing: Hearing, directory: Path, clock: FixedClock, *, seconds: int = 30) -> None:
    """Hold a hearing of thirty seconds with one mark in it."""
    session_id = hearing.session_id
    await give_every_consent(database, hearing, clock)
    async with database.begin() as db:
        await start(db, WANG, session_id, clock=clock)
        await enter(db, hearing.gao, session_id, hearing.applicant_seat, clock=clock)
        await begin(db, SYSTEM, session_id, directory=directory.name, clock=clock)
    write_journal(directory, clock, seconds=seconds)
    async with database.begin() as db:
        await add_mark(db, WANG, session_id, "still", 12_000, "留取证件照", {"digest": "ab"}, clock=clock)
        await end(db, WANG, session_id, elapsed_ms=seconds * 1000, clock=clock)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the journal lies."""
    return tmp_path / "recording"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """An empty vault."""
    return Vault(tmp_path / "vault")


async def seal_it(database: Database, hearing: Hearing, directory: Path, vault: Vault, clock: FixedClock) -> Recording:
    async with database.begin() as db:
        return await seal(db, SYSTEM, hearing.session_id, directory=directory, key=KEY, vault=vault, clock=clock)


async def test_a_sealed_recording_proves_itself_to_whoever_has_the_public_key(
    database: Database, hearing: Hearing, directory: Path, vault: Vault, clock: FixedClock, tmp_path: Path
) -> None:
    await hold(database, hearing, directory, clock)
    recording = await seal_it(database, hearing, directory, vault, clock)
    assert (recording.state, recording.duration_ms) == (RecordingState.SEALED, 30_000)
    assert recording.manifest_digest is not None
    findings = list(verify_recording(directory, KEY.public, manifest_digest=recording.manifest_digest))
    assert [finding.code for finding in findings] == ["recording_whole"]
    assert [finding.code for finding in verify_vault(tmp_path / "vault", [recording.manifest_digest], KEY.public)] == [
        "vault_whole"
    ]
    async with database.read() as db:
        head = await sign_head(db, KEY, clock=clock)
        entries = [entry async for entry in export_trail(db)]
        assert (await session_file(db, hearing.session_id)).session.state is SessionState.SEALED
    assert [finding.code for finding in verify_trail(entries, [head], KEY.public)] == ["trail_whole"]
    assert json.loads(entries[-1].details)["manifest"] == recording.manifest_digest


async def test_the_manifest_says_who_was_there_what_they_agreed_to_and_what_was_marked(
    database: Database, hearing: Hearing, directory: Path, vault: Vault, clock: FixedClock
) -> None:
    await hold(database, hearing, directory, clock)
    await seal_it(database, hearing, directory, vault, clock)
    manifest = json.loads((directory / MANIFEST).read_bytes())
    applicant = next(person for person in manifest["people"] if person["role"] == "applicant")
    assert applicant["name"] == "高秀兰"
    assert [consent["kind"] for consent in applicant["consents"]] == ["personal_data", "recording"]
    assert [span["reason"] for span in applicant["present"]] == ["ended"]
    assert [(mark["kind"], mark["elapsed_ms"]) for mark in manifest["marks"]] == [("still", 12_000)]
    assert manifest["session"]["far_office"] == "梁山县人民检察院"
    assert len(manifest["segments"]) >= 3


async def test_a_gap_of_the_recording_stands_in_the_manifest(
    database: Database, hearing: Hearing, directory: Path, vault: Vault, clock: FixedClock
) -> None:
    async with database.begin() as db:
        await start(db, WANG, hearing.session_id, clock=clock)
        await begin(db, SYSTEM, hearing.session_id, directory=directory.name, clock=clock)
    write_journal(directory, clock, seconds=5)
    clock.advance(40)
    write_journal(directory, clock, seconds=5)
    async with database.begin() as db:
        # After a restart the recording goes on: the same row, the same directory.
        await begin(db, SYSTEM, hearing.session_id, directory=directory.name, clock=clock)
        await end(db, WANG, hearing.session_id, clock=clock)
    recording = await seal_it(database, hearing, directory, vault, clock)
    manifest = json.loads((directory / MANIFEST).read_bytes())
    assert recording.duration_ms == 50_000
    assert manifest["gaps"] == [{"from_ms": 5_000, "to_ms": 45_000}]


async def test_sealing_twice_at_once_seals_once(
    database: Database, hearing: Hearing, directory: Path, vault: Vault, clock: FixedClock
) -> None:
    await hold(database, hearing, directory, clock)
    answers = await asyncio.gather(
        *(seal_it(database, hearing, directory, vault, clock) for _ in range(3)), return_exceptions=True
    )
    assert [answer.code for answer in answers if isinstance(answer, Refusal)] == ["recording_already_sealed"] * 2
    async with database.read() as db:
        events = [entry.event for entry in await entries_of(db, session_id=hearing.session_id)]
    assert events.count("RecordingSealed") == 1
    assert [finding.ok for finding in verify_recording(directory, KEY.public)] == [True]


async def test_nothing_is_sealed_that_runs_or_was_never_recorded(
    database: Database, hearing: Hearing, directory: Path, vault: Vault, clock: FixedClock
) -> None:
    assert await refused(seal_it(database, hearing, directory, vault, clock)) == "session_not_started"
    async with database.begin() as db:
        await start(db, WANG, hearing.session_id, clock=clock)
    assert await refused(seal_it(database, hearing, directory, vault, clock)) == "session_still_running"
    async with database.begin() as db:
        await end(db, WANG, hearing.session_id, clock=clock)
    assert await refused(seal_it(database, hearing, directory, vault, clock)) == "recording_missing"
    async with database.read() as db:
        assert (await session_file(db, hearing.session_id)).session.state is SessionState.ENDED


@pytest.mark.parametrize(
    ("lost", "faults"),
    [
        (0, ["segment_missing segment-000001.jfj", "shorter_than_held"]),
        (1, ["segment_missing segment-000002.jfj"]),
        (-1, ["shorter_than_held"]),
    ],
)
async def test_a_segment_lost_before_the_seal_is_on_the_trail(
    database: Database,
    hearing: Hearing,
    directory: Path,
    vault: Vault,
    clock: FixedClock,
    lost: int,
    faults: list[str],
) -> None:
    await hold(database, hearing, directory, clock, seconds=36)
    sorted(directory.glob("segment-*"))[lost].unlink()  # noqa: ASYNC240 (a test may wait)
    await seal_it(database, hearing, directory, vault, clock)
    async with database.read() as db:
        sealed = (await entries_of(db, session_id=hearing.session_id))[-1]
    assert json.loads(sealed.details)["faults"] == faults
    manifest = json.loads((directory / MANIFEST).read_bytes())
    assert [f"{fault['code']} {fault['segment']}".strip() for fault in manifest["faults"]] == faults


async def test_a_lost_journal_is_not_sealed_over(
    database: Database, hearing: Hearing, directory: Path, vault: Vault, clock: FixedClock
) -> None:
    await hold(database, hearing, directory, clock)
    assert await refused(seal_it(database, hearing, directory / "elsewhere", vault, clock)) == "recording_missing"
    async with database.begin() as db:
        doing = seal(db, ZHAO, hearing.session_id, directory=directory, key=KEY, vault=vault, clock=clock)
        assert await refused(doing) == "not_your_hearing"


async def test_a_seal_that_failed_half_way_is_made_again(
    database: Database,
    hearing: Hearing,
    directory: Path,
    vault: Vault,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def disk_full(data: bytes) -> str:
        raise OSError(28, "No space left on device")

    await hold(database, hearing, directory, clock)
    with monkeypatch.context() as broken:
        broken.setattr(vault, "put", disk_full)
        with pytest.raises(OSError, match="No space left"):
            await seal_it(database, hearing, directory, vault, clock)
    async with database.read() as db:
        assert (await session_file(db, hearing.session_id)).session.state is SessionState.ENDED
    clock.advance(60)
    recording = await seal_it(database, hearing, directory, vault, clock)
    findings = list(verify_recording(directory, KEY.public, manifest_digest=recording.manifest_digest))
    assert [finding.code for finding in findings] == ["recording_whole"]


async def test_a_recording_is_begun_only_in_session_and_in_one_place(
    database: Database, hearing: Hearing, directory: Path, clock: FixedClock
) -> None:
    session_id = hearing.session_id
    async with database.begin() as db:
        assert await refused(begin(db, SYSTEM, session_id, directory="a", clock=clock)) == "session_not_started"
        await start(db, WANG, session_id, clock=clock)
        first = await begin(db, SYSTEM, session_id, directory="a", clock=clock)
        assert await begin(db, SYSTEM, session_id, directory="a", clock=clock) is first
        assert await refused(begin(db, SYSTEM, session_id, directory="b", clock=clock)) == "recording_elsewhere"


async def test_whoever_plays_a_recording_is_on_the_trail_and_strangers_do_not_play_it(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    session_id = hearing.session_id
    approver = staff("sun", "孙法", Role.APPROVER)
    made = MadePlayback(hearing.host_seat, "a.webm", starts_ms=0, duration_ms=1, has_video=True, has_audio=True)
    async with database.begin() as db:
        assert await refused(note_played(db, approver, session_id, clock=clock)) == "playback_missing"
        await record_playback(db, SYSTEM, session_id, [made], clock=clock)
        assert [file.path for file in await note_played(db, approver, session_id, clock=clock)] == ["a.webm"]
        for stranger in (LIU, hearing.gao, staff("x", "某", Role.APPROVER, office_id="elsewhere")):
            assert await refused(note_played(db, stranger, session_id, clock=clock)) == "not_permitted"
    async with database.read() as db:
        played = [entry for entry in await entries_of(db, session_id=session_id) if entry.event == "RecordingPlayed"]
    assert [entry.actor_id for entry in played] == ["sun"]


async def test_playback_files_made_again_replace_the_old(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    def file(seat_id: str, path: str) -> MadePlayback:
        return MadePlayback(seat_id, path, starts_ms=0, duration_ms=30_000, has_video=True, has_audio=True)

    for path in ("one.webm", "two.webm"):
        async with database.begin() as db:
            await record_playback(db, SYSTEM, hearing.session_id, [file(hearing.applicant_seat, path)], clock=clock)
    async with database.begin() as db:
        doing = record_playback(db, SYSTEM, hearing.session_id, [file("nobody", "x.webm")], clock=clock)
        assert await refused(doing) == "seat_unknown"
    async with database.read() as db:
        assert [made.path for made in (await session_file(db, hearing.session_id)).playback] == ["two.webm"]
