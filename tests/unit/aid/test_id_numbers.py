"""Identity numbers, card numbers, bank numbers."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aid.id_numbers import (
    AccountDoubt,
    IdNumberFault,
    Sex,
    check_id_number,
    cnaps_holds,
    doubts,
    id_check_character,
    is_account_number,
    is_cnaps,
    luhn_holds,
    normal_account_number,
)


@pytest.mark.parametrize(
    ("number", "birth_on", "sex"),
    [
        ("11010519491231002X", date(1949, 12, 31), Sex.FEMALE),
        ("440524188001010014", date(1880, 1, 1), Sex.MALE),
        (" 11010519491231002x ", date(1949, 12, 31), Sex.FEMALE),
        ("１１０１０５１９４９１２３１００２Ｘ", date(1949, 12, 31), Sex.FEMALE),
    ],
)
def test_a_valid_number_tells_birth_and_sex(number: str, birth_on: date, sex: Sex) -> None:
    checked = check_id_number(number)
    assert (checked.valid, checked.reason, checked.birth_on, checked.sex) == (True, None, birth_on, sex)


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        ("", IdNumberFault.LENGTH),
        ("1101051949123100", IdNumberFault.LENGTH),
        ("11010519491231002", IdNumberFault.LENGTH),
        ("1101051949123100AX", IdNumberFault.CHARACTERS),
        ("X1010519491231002X", IdNumberFault.CHARACTERS),
        ("110105194902310021", IdNumberFault.BIRTH_DATE),
        ("110105000001010021", IdNumberFault.BIRTH_DATE),
        ("110105194912310021", IdNumberFault.CHECK_DIGIT),
    ],
)
def test_a_faulty_number_is_refused_for_its_fault(number: str, fault: IdNumberFault) -> None:
    checked = check_id_number(number)
    assert (checked.valid, checked.reason, checked.birth_on) == (False, fault, None)


@given(
    st.integers(min_value=100_000, max_value=999_999),
    st.dates(date(1900, 1, 1), date(2026, 1, 1)),
    st.integers(0, 999),
    st.data(),
)
def test_every_single_wrong_digit_is_found(region: int, birth_on: date, sequence: int, data: st.DataObject) -> None:
    first = f"{region}{birth_on:%Y%m%d}{sequence:03d}"
    number = first + id_check_character(first)
    assert check_id_number(number).valid
    place = data.draw(st.integers(0, 16))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != number[place]]))
    assert not check_id_number(number[:place] + other + number[place + 1 :]).valid


def test_real_bank_numbers_hold_and_changed_ones_do_not() -> None:
    for number in ("102100099996", "103100000026", "104100000004", "105100000017", "301290000007"):
        assert cnaps_holds(number)
        assert not cnaps_holds(number[:5] + str((int(number[5]) + 1) % 10) + number[6:])


def test_luhn_holds_for_a_card_and_not_with_two_digits_swapped() -> None:
    assert luhn_holds("6228480402564890018")
    assert not luhn_holds("6228480402564890081")


def test_doubts_warn_about_cards_and_leave_passbooks_alone() -> None:
    assert doubts("6228480402564890018", "102100099996") == ()
    assert doubts("6228480402564890017", "102100099995") == (AccountDoubt.LUHN, AccountDoubt.CNAPS)
    assert doubts("370501656801", "102100099996") == ()


def test_what_cannot_be_an_account_or_a_bank_is_told_apart() -> None:
    assert normal_account_number(" 6228 4804-0256 ４890018 ") == "6228480402564890018"
    assert is_account_number("62284804")
    assert not is_account_number("6228480a")
    assert not is_account_number("1" * 33)
    assert is_cnaps("102100099996")
    assert not is_cnaps("10210009999")
