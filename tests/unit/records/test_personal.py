"""Personal data: concealed, compared, masked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.personal import PersonalData, PersonalDataDamaged, mask_account, mask_id_number, mask_name, mask_phone

PERSONAL = PersonalData(bytes(range(32)))
OTHER = PersonalData(bytes(range(1, 33)))


@given(st.text(st.characters(codec="utf-8"), max_size=50))
def test_what_is_concealed_is_revealed_as_it_was(text: str) -> None:
    assert PERSONAL.reveal(PERSONAL.conceal(text)) == text


def test_equal_texts_conceal_differently_and_fingerprint_equally() -> None:
    assert PERSONAL.conceal("高秀兰") != PERSONAL.conceal("高秀兰")
    assert PERSONAL.fingerprint("高秀兰") == PERSONAL.fingerprint("高秀兰")
    assert PERSONAL.fingerprint("高秀兰") != OTHER.fingerprint("高秀兰")


@given(place=st.integers(0), value=st.integers(1, 255))
def test_a_changed_byte_of_a_concealed_value_is_refused(place: int, value: int) -> None:
    blob = bytearray(PERSONAL.conceal("6217 0000"))
    blob[place % len(blob)] ^= value
    with pytest.raises(PersonalDataDamaged):
        PERSONAL.reveal(bytes(blob))


@pytest.mark.parametrize("blob", [b"", b"\x01", b"\x01" + bytes(12), bytes(40)])
def test_what_was_never_concealed_is_refused(blob: bytes) -> None:
    with pytest.raises(PersonalDataDamaged):
        PERSONAL.reveal(blob)


def test_another_key_reveals_nothing() -> None:
    with pytest.raises(PersonalDataDamaged):
        OTHER.reveal(PERSONAL.conceal("x"))


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        PersonalData(b"short")


@pytest.mark.parametrize(
    ("masked", "shown"),
    [
        (mask_id_number("370522196803128024"), "370522********8024"),
        (mask_account("6217 0001 2345 3456"), "6217 **** **** 3456"),
        (mask_account("12345678"), "****5678"),
        (mask_phone("13812345678"), "138****5678"),
        (mask_name("高秀兰"), "高**"),
        (mask_name("高"), "*"),
        (mask_name(""), ""),
    ],
)
def test_masks_leave_enough_to_recognise(masked: str, shown: str) -> None:
    assert masked == shown


@pytest.mark.parametrize("mask", [mask_account, mask_id_number, mask_phone])
@given(text=st.text("0123456789", max_size=25))
def test_a_mask_never_shows_the_whole(mask: object, text: str) -> None:
    assert callable(mask)
    assert not text or mask(text) != text
