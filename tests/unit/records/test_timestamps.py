"""Time stamps of an authority that speaks the real protocol: what holds, what does not, and never an exception."""

import contextlib
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from records.manifests import SIGNATURE
from records.timestamps import STAMP, Authority, AuthorityUnreadable, StampRefused, ask_for, check_stamp
from tests.support.authority import TimeAuthority

SIGNED = b"the signature of a manifest"


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> TimeAuthority:
    return TimeAuthority(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> TimeAuthority:
    return TimeAuthority(tmp_path_factory.mktemp("theirs"), name="别的时间戳服务")


@pytest.fixture(scope="module")
def answer(ours: TimeAuthority) -> bytes:
    return ours.answer(ask_for(SIGNED).der)


def test_a_stamp_tells_when_and_holds_for_this_and_nothing_else(ours: TimeAuthority, theirs: TimeAuthority) -> None:
    query = ask_for(SIGNED)
    answer = ours.answer(query.der)
    believed = Authority.load(ours.certificate)
    at = believed.stamped_at(answer, SIGNED, nonce=query.nonce)
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
    for data, nonce, authority in (
        (SIGNED + b"!", None, believed),
        (SIGNED, query.nonce + 1, believed),
        (SIGNED, None, Authority.load(theirs.certificate)),
    ):
        with pytest.raises(StampRefused):
            authority.stamped_at(answer, data, nonce=nonce)


def test_an_authority_that_grants_nothing_is_refused(ours: TimeAuthority) -> None:
    # A query for a digest that this authority does not accept.
    refused = ours.answer(
        ask_for(SIGNED).der.replace(bytes.fromhex("0609608648016503040201"), bytes.fromhex("0609608648016503040209"))
    )
    with pytest.raises(StampRefused):
        Authority.load(ours.certificate).stamped_at(refused, SIGNED)


def test_what_lies_beside_a_journal_is_held_against_trail_and_authority(
    ours: TimeAuthority, theirs: TimeAuthority, answer: bytes, tmp_path: Path
) -> None:
    def codes(expected: str | None, authority: TimeAuthority | None) -> list[str]:
        believed = None if authority is None else Authority.load(authority.certificate)
        return [finding.code for finding in check_stamp(tmp_path, expected, believed)]

    digest = hashlib.sha256(answer).hexdigest()
    assert codes(None, ours) == []
    assert codes(digest, ours) == ["stamp_missing"]
    (tmp_path / SIGNATURE).write_bytes(SIGNED)
    (tmp_path / STAMP).write_bytes(answer)
    assert codes(digest, ours) == ["stamp_holds"]
    assert codes(digest, None) == ["stamp_unchecked"]
    assert codes(digest, theirs) == ["stamp_wrong"]
    assert codes("0" * 64, ours) == ["stamp_changed"]
    (tmp_path / SIGNATURE).write_bytes(SIGNED + b"!")
    assert codes(digest, ours) == ["stamp_wrong"]


def test_a_damaged_answer_is_refused_or_says_the_same(ours: TimeAuthority, answer: bytes) -> None:
    believed = Authority.load(ours.certificate)
    at = believed.stamped_at(answer, SIGNED)

    @settings(max_examples=300)
    @given(place=st.integers(0, len(answer) - 1), bits=st.integers(1, 255))
    def damaged(place: int, bits: int) -> None:
        data = answer[:place] + bytes([answer[place] ^ bits]) + answer[place + 1 :]
        with contextlib.suppress(StampRefused):
            # Bytes that nobody signs are covered by the digest on the trail.
            assert believed.stamped_at(data, SIGNED) == at

    damaged()


@given(data=st.binary(max_size=200))
def test_nonsense_is_no_stamp(ours: TimeAuthority, data: bytes) -> None:
    with pytest.raises(StampRefused):
        Authority.load(ours.certificate).stamped_at(data, SIGNED)


def test_a_file_without_certificates_is_no_authority(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("nothing")
    with pytest.raises(AuthorityUnreadable):
        Authority.load(tmp_path / "x.pem")
