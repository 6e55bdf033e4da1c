"""An encrypted vault: nothing in clear, checked with the public key alone, opened by the master key that wraps it."""

from pathlib import Path

import pytest

from records.master_keys import MasterKeys
from records.signing import SigningKey
from records.vault import Strongbox, Vault, VaultDamaged
from records.verifier import verify_vault

OFFICE = SigningKey.generate()
OLD, NEW = bytes(32), bytes(range(32))
STILL = b"\xff\xd8 a face that nobody else may see"


def vault_of(root: Path, *master: bytes) -> Vault:
    """Return the vault, opened with the current master key and those before."""
    return Vault(root / "vault", Strongbox(MasterKeys(master[0], master[1:]), OFFICE))


def files_in(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def what_is_wrong(root: Path, *digests: str) -> list[str]:
    return [finding.code for finding in verify_vault(root / "vault", digests, OFFICE.public) if not finding.ok]


async def test_what_is_put_comes_back_and_lies_nowhere_in_clear(tmp_path: Path) -> None:
    vault = vault_of(tmp_path, OLD)
    digest = await vault.put(STILL)
    assert await vault.put(STILL) == digest
    assert await vault.get(digest) == STILL
    files = files_in(tmp_path)
    assert len(files) == 2
    assert not any(STILL[4:12] in path.read_bytes() for path in files)


async def test_every_byte_of_file_and_key_is_covered_by_the_public_key_alone(tmp_path: Path) -> None:
    digest = await vault_of(tmp_path, OLD).put(STILL)
    assert what_is_wrong(tmp_path, digest) == []
    for path in files_in(tmp_path):
        data = path.read_bytes()
        for place in range(len(data)):
            path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
            assert what_is_wrong(tmp_path, digest) == ["vault_changed"], (path.suffix, place)
        path.write_bytes(data)


async def test_a_key_signed_by_somebody_else_proves_nothing(tmp_path: Path) -> None:
    forger = Vault(tmp_path / "vault", Strongbox(MasterKeys(OLD), SigningKey.generate()))
    digest = await forger.put(STILL)
    assert what_is_wrong(tmp_path, digest) == ["vault_changed"]


async def test_files_of_two_digests_cannot_change_places(tmp_path: Path) -> None:
    vault = vault_of(tmp_path, OLD)
    one, other = await vault.put(STILL), await vault.put(STILL + b"!")
    for suffix in ("", ".key"):
        a = vault.path(one).with_name(one + suffix)
        b = vault.path(other).with_name(other + suffix)
        kept = a.read_bytes()
        a.write_bytes(b.read_bytes())
        b.write_bytes(kept)
    assert what_is_wrong(tmp_path, one, other) == ["vault_changed", "vault_changed"]
    with pytest.raises(VaultDamaged):
        await vault.get(one)


async def test_a_new_master_key_rewraps_keys_and_leaves_files_alone(tmp_path: Path) -> None:
    digests = [await vault_of(tmp_path, OLD).put(STILL + bytes([index])) for index in range(3)]
    vault = vault_of(tmp_path, NEW, OLD)
    before = [vault.path(digest).read_bytes() for digest in digests]
    assert (vault.rewrap(), vault.rewrap()) == (3, 0)
    assert before == [vault.path(digest).read_bytes() for digest in digests]
    assert await vault_of(tmp_path, NEW).get(digests[0]) == STILL + b"\0"
    with pytest.raises(VaultDamaged, match="key_missing"):
        await vault_of(tmp_path, OLD).get(digests[0])
    assert what_is_wrong(tmp_path, *digests) == []


async def test_what_was_laid_in_before_encryption_is_still_read_and_checked(tmp_path: Path) -> None:
    digest = await Vault(tmp_path / "vault").put(STILL)
    vault = vault_of(tmp_path, OLD)
    assert await vault.get(digest) == STILL
    assert what_is_wrong(tmp_path, digest) == []
    with pytest.raises(VaultDamaged, match="key_missing"):
        await Vault(tmp_path / "vault").get(await vault.put(b"new"))


async def test_a_file_whose_writing_was_cut_short_is_laid_in_anew(tmp_path: Path) -> None:
    vault = vault_of(tmp_path, OLD)
    digest = await vault.put(STILL)
    vault.path(digest).unlink()
    assert await vault.put(STILL) == digest
    assert await vault.get(digest) == STILL
