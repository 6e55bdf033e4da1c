"""Whatever is done to a trail that was signed, the verifier finds it, with the public key alone."""

import dataclasses
import errno
import os
from pathlib import Path

import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from records.chain import (
    GENESIS,
    ExportedEntry,
    SignedHead,
    append_head,
    digest_of,
    entry_line,
    sign_head_of,
)
from records.signing import SigningKey
from records.verifier import Finding, verify_trail, verify_trail_files

KEY = SigningKey.generate()
STRANGER = SigningKey.generate()


def trail_of(length: int) -> list[ExportedEntry]:
    entries: list[ExportedEntry] = []
    previous = GENESIS
    for sequence in range(1, length + 1):
        draft = ExportedEntry(
            sequence=sequence,
            at_us=1_795_000_000_000_000 + sequence,
            actor_kind="staff",
            actor_id="wang",
            actor_name="王检察官",
            office_id="dongying" if sequence % 2 else None,
            event="IdentityVerified",
            subject_kind="case",
            subject_id=f"case{sequence}",
            session_id=None if sequence % 3 else "s1",
            details=f'{{"amount_fen":{sequence}}}',
            previous=previous,
            digest="",
        )
        entries.append(dataclasses.replace(draft, digest=digest_of(draft)))
        previous = entries[-1].digest
    return entries


def head_of(entries: list[ExportedEntry], key: SigningKey = KEY) -> SignedHead:
    return sign_head_of(entries[-1].sequence, entries[-1].digest, entries[-1].at_us, key)


def bad(entries: list[ExportedEntry], heads: list[SignedHead]) -> list[Finding]:
    return [finding for finding in verify_trail(entries, heads, KEY.public) if not finding.ok]


def rechain(entries: list[ExportedEntry]) -> list[ExportedEntry]:
    """Do what a forger with the whole database but without the key would do: make the chain fit again."""
    made: list[ExportedEntry] = []
    previous = GENESIS
    for sequence, entry in enumerate(entries, start=1):
        draft = dataclasses.replace(entry, sequence=sequence, previous=previous)
        made.append(dataclasses.replace(draft, digest=digest_of(draft)))
        previous = made[-1].digest
    return made


ORIGINAL = trail_of(8)
HEAD = head_of(ORIGINAL)


@st.composite
def tampered(draw: st.DrawFn) -> list[ExportedEntry]:
    """The original trail with one thing done to it."""
    entries = list(ORIGINAL)
    place = draw(st.integers(0, len(entries) - 1))
    deed = draw(st.sampled_from(["edit", "edit and digest again", "insert", "delete", "reorder", "cut"]))
    if deed == "edit":
        entry = entries[place]
        name = draw(st.sampled_from([field.name for field in dataclasses.fields(entry)]))
        value = getattr(entry, name)
        other = draw(st.integers(-1, 2**60) if isinstance(value, int) else st.text("甲a0\ud800", max_size=70))
        entries[place] = dataclasses.replace(entry, **{name: other})
    elif deed == "edit and digest again":
        entry = dataclasses.replace(entries[place], details=f'{{"amount_fen":{draw(st.integers(100, 200))}}}')
        entries[place] = dataclasses.replace(entry, digest=digest_of(entry))
    elif deed == "insert":
        entries.insert(place, dataclasses.replace(draw(st.sampled_from(entries)), subject_id="somebody else"))
    elif deed == "delete":
        del entries[place : draw(st.integers(place + 1, len(entries)))]
    elif deed == "reorder":
        entries = draw(st.permutations(entries))
    else:
        entries = entries[:place]
    assume(entries != ORIGINAL)
    return entries


@given(tampered())
def test_every_edit_insertion_deletion_reordering_and_cut_is_found(entries: list[ExportedEntry]) -> None:
    assert bad(entries, [HEAD])


@given(tampered())
def test_it_is_found_as_well_when_the_chain_was_made_to_fit_again(entries: list[ExportedEntry]) -> None:
    try:
        forged = rechain(entries)
    except ValueError:
        reject()  # numbers or characters that have no canonical form: nobody can make them fit
    assume(forged != ORIGINAL)  # editing a digest alone is undone by making the chain fit
    assert bad(forged, [HEAD])


def test_a_whole_trail_is_said_to_be_whole() -> None:
    entries = trail_of(5)
    assert list(verify_trail(entries, [head_of(entries)], KEY.public)) == [
        Finding(True, "trail_whole", {"entries": 5, "signed": 5})
    ]


def test_an_empty_trail_is_whole() -> None:
    assert [finding.code for finding in verify_trail([], [], KEY.public)] == ["trail_whole"]


def test_an_edit_names_the_entry() -> None:
    entries = trail_of(5)
    entries[2] = dataclasses.replace(entries[2], details='{"amount_fen":9999}')
    assert bad(entries, [head_of(trail_of(5))]) == [Finding(False, "entry_changed", {"sequence": 3})]


def test_an_edit_with_a_digest_to_match_breaks_the_chain_after_it() -> None:
    entries = trail_of(5)
    forged = dataclasses.replace(entries[2], details='{"amount_fen":9999}')
    entries[2] = dataclasses.replace(forged, digest=digest_of(forged))
    assert bad(entries, [head_of(trail_of(5))]) == [Finding(False, "chain_broken", {"sequence": 4})]


def test_a_deletion_names_the_entries_that_are_missing() -> None:
    entries = trail_of(6)
    del entries[1:3]
    assert bad(entries, [head_of(trail_of(6))]) == [Finding(False, "entries_missing", {"first": 2, "last": 3})]


def test_an_insertion_names_the_entry_that_stands_twice() -> None:
    entries = trail_of(4)
    entries.insert(2, dataclasses.replace(entries[1], event="AidApproved"))
    assert bad(entries, [head_of(trail_of(4))]) == [Finding(False, "entry_out_of_place", {"sequence": 2})]


def test_a_cut_tail_names_what_was_cut() -> None:
    assert bad(trail_of(3), [head_of(trail_of(7))]) == [Finding(False, "tail_cut", {"first": 4, "last": 7})]


def test_a_database_restored_from_an_older_backup_and_used_on_is_found() -> None:
    known = trail_of(5)
    restored = [*known[:3], dataclasses.replace(known[3], subject_id="another"), known[4]]
    assert bad(rechain(restored), [head_of(known[:2]), head_of(known)]) == [
        Finding(False, "trail_rewritten", {"first": 3, "last": 5})
    ]


def test_a_head_that_another_key_signed_proves_nothing() -> None:
    entries = trail_of(3)
    codes = [finding.code for finding in bad(entries, [head_of(entries, STRANGER)])]
    assert codes == ["heads_of_another_key", "heads_missing"]


def test_entries_after_the_newest_head_are_named_but_not_blamed() -> None:
    entries = trail_of(5)
    findings = list(verify_trail(entries, [head_of(entries[:3])], KEY.public))
    assert Finding(True, "trail_unsigned_tail", {"first": 4, "last": 5}) in findings
    assert Finding(True, "trail_whole", {"entries": 5, "signed": 3}) in findings


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A trail and its heads, written to files as they leave the server."""
    home = tmp_path_factory.mktemp("export")
    entries = trail_of(4)
    (home / "trail.jsonl").write_bytes(b"".join(entry_line(entry) for entry in entries))
    append_head(home / "heads.jsonl", head_of(entries[:2]))
    append_head(home / "heads.jsonl", head_of(entries))
    return home / "trail.jsonl", home / "heads.jsonl"


def test_a_head_that_a_full_disk_took_half_of_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = trail_of(3)
    heads = tmp_path / "heads.jsonl"
    append_head(heads, head_of(entries[:1]))
    before = heads.read_bytes()

    def refuse(fd: int) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="no space"):
        append_head(heads, head_of(entries))
    assert heads.read_bytes() == before


def test_exported_files_verify(exported: tuple[Path, Path]) -> None:
    assert [finding.code for finding in verify_trail_files(*exported, KEY.public)] == ["trail_whole"]


@given(place=st.integers(0), value=st.integers(1, 255), in_heads=st.booleans())
def test_any_changed_byte_of_the_exported_files_is_found(
    exported: tuple[Path, Path], place: int, value: int, in_heads: bool
) -> None:
    changed = exported[1] if in_heads else exported[0]
    whole = changed.read_bytes()
    broken = bytearray(whole)
    broken[place % len(broken)] ^= value
    changed.write_bytes(broken)
    try:
        findings = list(verify_trail_files(*exported, KEY.public))
    finally:
        changed.write_bytes(whole)
    assert any(not finding.ok for finding in findings)
    assert not any(finding.code == "trail_whole" for finding in findings)
