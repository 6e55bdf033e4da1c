"""Sealed files: any part reads as the clear file does, nothing lies in clear, no change goes unseen."""

import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from records.master_keys import MasterKeys
from records.sealed_files import CHUNK_BYTES, SealedFileDamaged, open_sealed, seal_file
from records.session_keys import ensure_session_key, load_session_key, public_half
from records.shelf import MAKING, Shelf
from records.signing import SigningKey

OFFICE = SigningKey.generate()
OLD, NEW = bytes(32), bytes(range(32))
WEBM = b"\x1a\x45\xdf\xa3"
FILM = WEBM + b"".join(f"frame {number} ".encode() for number in range(30_000))


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """A shelf with one film of a few chunks."""
    shelf = Shelf(tmp_path_factory.mktemp("shelf"), MasterKeys(OLD))
    put(shelf, "hearing/gao.webm", FILM)
    return shelf


def put(shelf: Shelf, path: str, data: bytes) -> None:
    session_id = path.partition("/")[0]
    seal_file(io.BytesIO(data), shelf.place(path), shelf.prepare(session_id, OFFICE), session_id)


def read(shelf: Shelf, path: str) -> bytes:
    with shelf.open(path) as file:
        return file.read()


@settings(max_examples=300, deadline=None)
@given(start=st.integers(0, len(FILM) + 10), count=st.integers(0, 3 * CHUNK_BYTES))
def test_any_range_reads_as_in_the_clear_file(shelf: Shelf, start: int, count: int) -> None:
    with shelf.open("hearing/gao.webm") as file:
        file.seek(start)
        assert file.read(count) == FILM[start : start + count]
        assert file.tell() == (min(start + count, len(FILM)) if start < len(FILM) else start)


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES])
def test_files_of_any_size_come_back(tmp_path: Path, size: int) -> None:
    shelf = Shelf(tmp_path, MasterKeys(OLD))
    put(shelf, "hearing/one.mp4", FILM[:size])
    assert read(shelf, "hearing/one.mp4") == FILM[:size]


def test_nothing_of_it_lies_in_clear(shelf: Shelf) -> None:
    for path in shelf.root.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert WEBM not in data[:64]
            assert not any(FILM[at : at + 12] in data for at in range(0, len(FILM) - 12, 997))


def test_any_byte_changed_cut_off_or_put_elsewhere_is_seen(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, MasterKeys(OLD))
    put(shelf, "hearing/gao.webm", FILM[: 2 * CHUNK_BYTES + 100])
    path = shelf.place("hearing/gao.webm")
    whole = path.read_bytes()
    chunk = CHUNK_BYTES + 16
    head = len(whole) - 2 * chunk - 116
    places = [*range(0, len(whole), 1009), *range(head), len(whole) - 1]
    changed = [whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :] for place in places]
    swapped = whole[:head] + whole[head + chunk : head + 2 * chunk] + whole[head : head + chunk] + whole[-116:]
    for data in (*changed, swapped, whole[:-1], whole[:-116], whole + b"\0", whole[:head], whole[:9], b""):
        path.write_bytes(data)
        with pytest.raises(SealedFileDamaged):
            read(shelf, "hearing/gao.webm")


def test_another_hearings_key_opens_nothing(shelf: Shelf, tmp_path: Path) -> None:
    ensure_session_key(tmp_path / "other", "hearing", MasterKeys(OLD), OFFICE)
    other = load_session_key(tmp_path / "other", MasterKeys(OLD))
    assert other is not None
    with pytest.raises(SealedFileDamaged):
        open_sealed(shelf.place("hearing/gao.webm"), other, "hearing")
    with pytest.raises(SealedFileDamaged):
        open_sealed(shelf.place("hearing/gao.webm"), shelf.key("hearing"), "another-hearing")


def test_a_file_that_cannot_be_written_whole_is_not_there_at_all(tmp_path: Path) -> None:
    class Torn(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= CHUNK_BYTES:
                raise OSError(28, "No space left on device")
            return super().read(size)

    shelf = Shelf(tmp_path, MasterKeys(OLD))
    public = shelf.prepare("hearing", OFFICE)
    with pytest.raises(OSError, match="No space"):
        seal_file(Torn(FILM), shelf.place("hearing/gao.webm"), public, "hearing")
    assert [path.name for path in (tmp_path / "hearing").iterdir()] == ["session.key"]


def test_a_new_master_key_changes_the_key_and_not_the_films(tmp_path: Path) -> None:
    put(Shelf(tmp_path, MasterKeys(OLD)), "hearing/gao.webm", FILM)
    before = Shelf(tmp_path, MasterKeys(OLD)).place("hearing/gao.webm").read_bytes()
    assert Shelf(tmp_path, MasterKeys(NEW, [OLD])).rewrap(OFFICE) == 1
    assert Shelf(tmp_path, MasterKeys(NEW, [OLD])).rewrap(OFFICE) == 0
    shelf = Shelf(tmp_path, MasterKeys(NEW))
    assert read(shelf, "hearing/gao.webm") == FILM
    assert shelf.place("hearing/gao.webm").read_bytes() == before


def test_films_from_before_are_served_as_they_lie_and_then_sealed(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, MasterKeys(OLD))
    clear = tmp_path / "hearing" / "gao.webm"
    clear.parent.mkdir()
    clear.write_bytes(FILM)
    assert shelf.holds("hearing/gao.webm")
    assert read(shelf, "hearing/gao.webm") == FILM
    assert list(shelf.seal_leftovers(OFFICE)) == ["hearing/gao.webm"]
    assert not clear.exists()
    assert read(shelf, "hearing/gao.webm") == FILM
    assert list(shelf.seal_leftovers(OFFICE)) == []


def test_what_a_crash_left_in_the_making_is_gone_at_the_next_start(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, MasterKeys(OLD))
    put(shelf, "hearing/gao.webm", FILM)
    left = [tmp_path / MAKING / "x1" / "gao.webm.part", tmp_path / "hearing" / "composite.mp4.sealed.part"]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(FILM)
    shelf.sweep()
    assert not any(path.exists() for path in left)
    assert read(shelf, "hearing/gao.webm") == FILM
    with shelf.making() as directory:
        assert directory.parent == tmp_path / MAKING
    assert not directory.exists()


def test_whoever_writes_needs_the_public_half_only(tmp_path: Path) -> None:
    ensure_session_key(tmp_path, "hearing", MasterKeys(OLD), OFFICE)
    public = public_half(tmp_path)
    assert public is not None
    seal_file(io.BytesIO(FILM), tmp_path / "film", public, "hearing")
    key = load_session_key(tmp_path, MasterKeys(OLD))
    assert key is not None
    with open_sealed(tmp_path / "film", key, "hearing") as file:
        assert file.read() == FILM
