"""An office may sign with SM2 and SM3: everything else stays as it is, and OpenSSL agrees."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.chain import GENESIS, head_holds, sign_head_of
from records.seals import make_seal, sealed_digest
from records.signing import Algorithm, KeyUnreadable, SigningKey, VerifyKey

KEY = SigningKey.generate(Algorithm.SM2)
WORDS = "清单".encode()


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    """Run OpenSSL."""
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=False)


def test_what_is_signed_holds_and_anything_else_does_not() -> None:
    signature = KEY.sign(WORDS)
    assert KEY.public.verify(signature, WORDS)
    assert not KEY.public.verify(signature, WORDS + b"!")
    assert not SigningKey.generate(Algorithm.SM2).public.verify(signature, WORDS)
    assert not SigningKey.generate().public.verify(signature, WORDS)


@given(place=st.integers(0, 200), bit=st.integers(0, 7))
def test_no_bit_of_a_signature_is_free(place: int, bit: int) -> None:
    signature = bytearray(KEY.sign(WORDS))
    signature[place % len(signature)] ^= 1 << bit
    assert not KEY.public.verify(bytes(signature), WORDS)


@given(signature=st.binary(max_size=100))
def test_nonsense_is_no_signature(signature: bytes) -> None:
    assert not KEY.public.verify(signature, WORDS)


def test_heads_and_seals_are_signed_with_it_as_with_the_other() -> None:
    assert head_holds(sign_head_of(7, GENESIS, 1, KEY), KEY.public)
    assert sealed_digest(make_seal("p", "manifest", WORDS, KEY), "p", "manifest", KEY.public)


def test_keys_are_kept_as_pem_and_read_again(tmp_path: Path) -> None:
    KEY.save(tmp_path / "office.pem")
    KEY.public.save(tmp_path / "public.pem")
    assert (tmp_path / "office.pem").stat().st_mode & 0o777 == 0o600
    again, public = SigningKey.load(tmp_path / "office.pem"), VerifyKey.load(tmp_path / "public.pem")
    assert again.key_id == public.key_id == KEY.key_id
    assert public.verify(again.sign(WORDS), WORDS)
    with pytest.raises(KeyUnreadable):
        SigningKey.load(tmp_path / "public.pem")
    with pytest.raises(KeyUnreadable):
        VerifyKey.load(tmp_path / "office.pem")


def test_openssl_agrees_both_ways(tmp_path: Path) -> None:
    if b"SM2" not in openssl("list", "-signature-algorithms").stdout:
        pytest.skip("this OpenSSL knows no SM2")
    KEY.save(tmp_path / "ours.pem")
    KEY.public.save(tmp_path / "ours-public.pem")
    (tmp_path / "words").write_bytes(WORDS)
    (tmp_path / "ours.sig").write_bytes(KEY.sign(WORDS))
    options = ["-rawin", "-digest", "sm3", "-in", tmp_path / "words", "-pkeyopt", "distid:1234567812345678"]
    verified = openssl(
        "pkeyutl",
        "-verify",
        "-pubin",
        "-inkey",
        tmp_path / "ours-public.pem",
        "-sigfile",
        tmp_path / "ours.sig",
        *options,
    )
    assert verified.returncode == 0, verified.stderr
    made = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:SM2", "-out", tmp_path / "theirs.pem")
    assert made.returncode == 0, made.stderr
    openssl("pkey", "-in", tmp_path / "theirs.pem", "-pubout", "-out", tmp_path / "theirs-public.pem")
    signed = openssl("pkeyutl", "-sign", "-inkey", tmp_path / "theirs.pem", "-out", tmp_path / "theirs.sig", *options)
    assert signed.returncode == 0, signed.stderr
    theirs = VerifyKey.load(tmp_path / "theirs-public.pem")
    assert theirs.verify((tmp_path / "theirs.sig").read_bytes(), WORDS)
    assert SigningKey.load(tmp_path / "theirs.pem").key_id == theirs.key_id
