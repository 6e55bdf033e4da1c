"""Whoever has a bundle and the public key can check everything, and nobody can change a byte unseen."""

import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import av
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from records.archive import write_archive
from records.bundle import verify_bundle
from records.chain import canonical
from records.manifests import MANIFEST, seal_directory
from records.signing import SigningKey, VerifyKey
from tests.integration.evidence.conftest import Evidence
from web.__main__ import main
from web.simulator.person import DEMO_APPLICANT


def zipped(files: dict[str, bytes]) -> bytes:
    """Return an archive as another program makes it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return made.getvalue()


def verify(bundle: Path, key: Path, tmp_path: Path) -> list[str]:
    """Return the codes of what is wrong with a bundle."""
    workspace = tmp_path / "workspace"
    shutil.rmtree(workspace, ignore_errors=True)
    workspace.mkdir()
    found = verify_bundle(bundle, VerifyKey.load(key), workspace)
    return [" ".join([one.code, *map(str, one.params.values())]) for one in found if not one.ok]


def test_a_bundle_is_whole_and_says_so_in_words(evidence: Evidence) -> None:
    result = CliRunner().invoke(main, ["verify", str(evidence.bundle), "--key", str(evidence.key)])
    assert result.exit_code == 0, result.output
    assert "全部核对过，没有被改动。" in result.output
    assert "审计链摘录完整" in result.output
    assert "付款事实 4 条" in result.output


def test_any_zip_program_opens_it_and_it_explains_itself(evidence: Evidence, tmp_path: Path) -> None:
    with zipfile.ZipFile(evidence.bundle) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        archive.extractall(tmp_path / "opened")  # it is ours
    assert names[0] == "README.md"
    assert {"recording/manifest.json", "recording/segment-000001.jfj", "facts.json", "bundle.sig"} <= set(names)
    assert len([name for name in names if name.startswith("playback/")]) == 1
    with av.open(str(tmp_path / "opened" / "composite" / "composite.mp4")) as film:
        assert {stream.type for stream in film.streams} == {"video", "audio"}
    assert "怎样核对" in (tmp_path / "opened" / "README.md").read_text("utf-8")
    assert verify(tmp_path / "opened", evidence.key, tmp_path) == []


def test_nobody_elses_entries_are_told(evidence: Evidence) -> None:
    with zipfile.ZipFile(evidence.bundle) as archive:
        lines = [json.loads(line) for line in archive.read("trail/extract.jsonl").splitlines()]
        everything = b"".join(
            archive.read(name) for name in archive.namelist() if not name.startswith(("playback", "composite"))
        )
    events = {line["event"] for line in lines if "event" in line}
    sealed = [line for line in lines if "event" not in line]
    assert {"IdentityVerified", "AidSigned", "PaymentSettled", "RecordingSealed", "EvidenceExported"} <= events
    assert not events & {"StaffSignedIn", "FundAppropriated"}
    assert sealed
    assert all(line.keys() == {"sequence", "content"} for line in sealed)
    assert DEMO_APPLICANT.id_number.encode() not in everything
    assert not re.search(rb"[^0-9a-f]6217[0-9]{12,15}[^0-9a-f]", everything)


def test_one_byte_changed_in_any_member_is_found_and_named(evidence: Evidence, tmp_path: Path) -> None:
    whole = evidence.bundle.read_bytes()
    with zipfile.ZipFile(evidence.bundle) as archive:
        members = [(info.filename, info.header_offset, info.file_size) for info in archive.infolist()]
    broken = tmp_path / "broken.zip"
    for name, offset, size in members:
        begins = offset + 30 + len(name.encode()) + 20
        for place in {begins, begins + size // 2, begins + size - 1}:
            broken.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            found = verify(broken, evidence.key, tmp_path)
            named = f"member_changed {name}"
            assert named in found or (name.startswith("bundle.") and any(code.startswith("bundle_") for code in found))


def test_any_other_byte_changed_is_found(evidence: Evidence, tmp_path_factory: pytest.TempPathFactory) -> None:
    whole = evidence.bundle.read_bytes()
    tmp_path = tmp_path_factory.mktemp("flips")
    broken = tmp_path / "broken.zip"

    @settings(max_examples=60)
    @given(place=st.integers(0, len(whole) - 1), bits=st.integers(1, 255))
    def changed(place: int, bits: int) -> None:
        broken.write_bytes(whole[:place] + bytes([whole[place] ^ bits]) + whole[place + 1 :])
        assert verify(broken, evidence.key, tmp_path)

    changed()


def test_the_wrapping_is_covered_to_the_byte(evidence: Evidence, tmp_path: Path) -> None:
    whole = evidence.bundle.read_bytes()
    with zipfile.ZipFile(evidence.bundle) as archive:
        directory_at = archive.start_dir
    broken = tmp_path / "broken.zip"
    for place in [*range(0, 59, 2), *range(directory_at, len(whole), 37)]:
        broken.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        assert verify(broken, evidence.key, tmp_path), place
    for other in (whole + b"\0", whole[:-1], b"\0" + whole, whole[: len(whole) // 2], b""):
        broken.write_bytes(other)
        assert verify(broken, evidence.key, tmp_path)


def test_another_offices_key_proves_nothing(evidence: Evidence, tmp_path: Path) -> None:
    SigningKey.generate().public.save(tmp_path / "stranger.pem")
    (told,) = verify(evidence.bundle, tmp_path / "stranger.pem", tmp_path)
    assert told.startswith("other_key")
    # Who says that he signed it with that key has not.
    key, stranger = VerifyKey.load(evidence.key), VerifyKey.load(tmp_path / "stranger.pem")
    with zipfile.ZipFile(evidence.bundle) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    forged = [(name, data.replace(key.key_id.encode(), stranger.key_id.encode())) for name, data in members]
    write_archive(tmp_path / "forged.zip", forged)
    found = verify(tmp_path / "forged.zip", tmp_path / "stranger.pem", tmp_path)
    assert {"bundle_seal_wrong", "signature_wrong"} <= set(found)
    assert any(code.startswith("heads_of_another_key") for code in found)


@pytest.mark.parametrize("data", [b"", b"hello", zipped({"a.txt": b"x"})], ids=["empty", "text", "another program's"])
def test_what_is_no_bundle_is_said_to_be_none_and_nothing_else(evidence: Evidence, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "file.zip").write_bytes(data)
    assert verify(tmp_path / "file.zip", evidence.key, tmp_path) == ["not_a_bundle file.zip"]
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file.zip").write_bytes(data)
    assert verify(tmp_path / "folder", evidence.key, tmp_path) == ["not_a_bundle folder"]


def test_files_that_cannot_be_used_are_told_in_words(evidence: Evidence, tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("")
    arguments = ["verify", str(evidence.bundle), "--key", str(evidence.key), "--rebuild", str(tmp_path / "a-file")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert "没能重新生成录像：那里有一个同名的文件。" in result.output
    nowhere = str(tmp_path / "no-folder" / "bundle.zip")
    result = CliRunner().invoke(main, ["export", evidence.session_id, "--to", nowhere], env=evidence.environment)
    assert (result.exit_code, "没能完成：没有这个文件或文件夹（" in result.output) == (1, True)
    result = CliRunner().invoke(main, ["verify", str(tmp_path / "nothing.zip"), "--key", str(evidence.key)])
    assert (result.exit_code, "没有这个文件：" in result.output) == (2, True)


def test_playback_files_can_be_made_again_from_the_journal(evidence: Evidence, tmp_path: Path) -> None:
    arguments = ["verify", str(evidence.bundle), "--key", str(evidence.key), "--rebuild", str(tmp_path / "again")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "每一帧画面、每一段声音都相同：高秀兰（" in result.output
    assert list((tmp_path / "again").glob("*.webm"))


def test_a_bundle_without_a_key_is_not_checked(evidence: Evidence) -> None:
    result = CliRunner().invoke(main, ["verify", str(evidence.bundle)])
    assert result.exit_code == 2
    assert "--key" in result.output


def test_the_office_can_export_at_the_command_line_by_the_hearings_number(evidence: Evidence, tmp_path: Path) -> None:
    with zipfile.ZipFile(evidence.bundle) as archive:
        number = json.loads(archive.read("bundle.json"))["session"]["number"]
    bundle = tmp_path / "again.zip"
    result = CliRunner().invoke(main, ["export", number, "--to", str(bundle)], env=evidence.environment)
    assert result.exit_code == 0, result.output
    assert verify(bundle, evidence.key, tmp_path) == []
    with zipfile.ZipFile(bundle) as archive:
        lines = [json.loads(line) for line in archive.read("trail/extract.jsonl").splitlines()]
    exports = [line for line in lines if line.get("event") == "EvidenceExported"]
    assert exports[0]["actor_kind"] == "staff"
    assert exports[-1]["actor_id"].startswith("command-line/")


def test_the_stamp_of_an_authority_is_checked_with_its_certificate(evidence: Evidence) -> None:
    arguments = ["verify", str(evidence.bundle), "--key", str(evidence.key)]
    told = CliRunner().invoke(main, arguments)
    assert "用 --authority 给出" in told.output
    result = CliRunner().invoke(main, [*arguments, "--authority", str(evidence.authority)])
    assert result.exit_code == 0, result.output
    assert "时间戳有效" in result.output


@pytest.fixture
def unpacked(evidence: Evidence, tmp_path: Path) -> Path:
    """The bundle's files in a directory, to be changed."""
    with zipfile.ZipFile(evidence.bundle) as archive:
        archive.extractall(tmp_path / "unpacked")  # it is ours
    return tmp_path / "unpacked"


def test_what_was_recorded_in_a_recess_is_found_packet_by_packet(
    evidence: Evidence, unpacked: Path, tmp_path: Path
) -> None:
    key = SigningKey.load(Path(evidence.environment["JIEFANG_SIGNING_KEY_FILE"]))
    manifest = json.loads((unpacked / "recording" / MANIFEST).read_bytes())
    recess = {"from_ms": 0, "to_ms": manifest["duration_ms"]}
    seal_directory(unpacked / "recording", canonical(manifest | {"recesses": [recess]}), key)
    found = verify(unpacked, evidence.key, tmp_path)
    (packets, *_) = [code for code in found if code.startswith("recess_packets")]
    assert "00:00:01" in packets


def test_a_bundle_whose_recording_nobody_can_open_says_so(evidence: Evidence, unpacked: Path, tmp_path: Path) -> None:
    opening = unpacked / "opening.json"
    private = json.loads(opening.read_bytes())["private"]
    opening.write_bytes(canonical({"private": private[::-1]}) + b"\n")
    assert any(code.startswith("segment_locked") for code in verify(unpacked, evidence.key, tmp_path))
    opening.unlink()
    assert "opening_missing" in verify(unpacked, evidence.key, tmp_path)
