"""The vault keeps bytes as they were, and notices when they are not."""

import hashlib
import os
from pathlib import Path

import pytest

from records.signing import SigningKey
from records.vault import Vault, VaultDamaged, write_durably
from records.verifier import Finding, verify_vault

KEY = SigningKey.generate().public
STILL = b"\xff\xd8 a face"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """An empty vault."""
    return Vault(tmp_path / "vault")


def list_files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


async def test_what_is_put_comes_back_under_its_sha256(vault: Vault) -> None:
    digest = await vault.put(STILL)
    assert digest == hashlib.sha256(STILL).hexdigest()
    assert await vault.get(digest) == STILL
    assert vault.path(digest).read_bytes() == STILL


async def test_putting_the_same_twice_keeps_one(vault: Vault, tmp_path: Path) -> None:
    assert await vault.put(STILL) == await vault.put(STILL)
    assert len(list_files(tmp_path)) == 1


async def test_changed_bytes_are_not_handed_out(vault: Vault) -> None:
    digest = await vault.put(STILL)
    vault.path(digest).write_bytes(b"\xff\xd8 a f4ce")
    with pytest.raises(VaultDamaged, match="changed"):
        await vault.get(digest)


async def test_a_torn_file_is_written_again(vault: Vault) -> None:
    digest = await vault.put(STILL)
    vault.path(digest).write_bytes(STILL[:3])
    await vault.put(STILL)
    assert await vault.get(digest) == STILL


async def test_missing_bytes_are_named(vault: Vault) -> None:
    digest = hashlib.sha256(b"never put").hexdigest()
    with pytest.raises(VaultDamaged) as raised:
        await vault.get(digest)
    assert (raised.value.digest, raised.value.reason) == (digest, "missing")


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 65])
async def test_nothing_but_a_digest_names_a_file(vault: Vault, digest: str) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        await vault.get(digest)


def test_a_full_disk_leaves_neither_half_a_file_nor_a_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        write_durably(tmp_path / "manifest.json", b"{}")
    assert list(tmp_path.iterdir()) == []


async def test_verifying_names_what_is_missing_and_what_was_changed(vault: Vault, tmp_path: Path) -> None:
    whole, changed = await vault.put(STILL), await vault.put(b"a signature")
    assert list(verify_vault(tmp_path / "vault", [whole, changed, whole], KEY)) == [
        Finding(True, "vault_whole", {"files": 2})
    ]
    vault.path(changed).write_bytes(b"b signature")
    missing = hashlib.sha256(b"never put").hexdigest()
    findings = list(verify_vault(tmp_path / "vault", [whole, changed, missing, "nonsense"], KEY))
    assert {(finding.code, finding.params["digest"]) for finding in findings} == {
        ("vault_changed", changed),
        ("vault_missing", missing),
        ("vault_reference_wrong", "nonsense"),
    }
