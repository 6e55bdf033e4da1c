"""Keys: kept private, loaded again, told apart."""

import stat
from pathlib import Path

import pytest

from records.signing import KeyUnreadable, SigningKey, VerifyKey


def test_a_saved_key_signs_the_same_and_its_public_half_verifies(tmp_path: Path) -> None:
    key = SigningKey.generate()
    key.save(tmp_path / "signing.pem")
    key.public.save(tmp_path / "verify.pem")
    loaded, public = SigningKey.load(tmp_path / "signing.pem"), VerifyKey.load(tmp_path / "verify.pem")
    assert loaded.key_id == public.key_id == key.key_id
    assert public.verify(loaded.sign(b"head"), b"head")
    assert not public.verify(loaded.sign(b"head"), b"tail")


def test_a_private_key_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    SigningKey.generate().save(tmp_path / "signing.pem")
    assert stat.S_IMODE((tmp_path / "signing.pem").stat().st_mode) == 0o600


def test_a_key_that_may_have_signed_something_is_not_overwritten(tmp_path: Path) -> None:
    SigningKey.generate().save(tmp_path / "signing.pem")
    with pytest.raises(FileExistsError):
        SigningKey.generate().save(tmp_path / "signing.pem")


def test_a_file_without_a_key_is_refused(tmp_path: Path) -> None:
    key = SigningKey.generate()
    key.save(tmp_path / "signing.pem")
    (tmp_path / "nonsense.pem").write_text("nonsense")
    with pytest.raises(KeyUnreadable):
        SigningKey.load(tmp_path / "nonsense.pem")
    with pytest.raises(KeyUnreadable):
        VerifyKey.load(tmp_path / "signing.pem")
