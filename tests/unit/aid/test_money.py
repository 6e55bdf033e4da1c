"""Amounts in figures and in capital numerals, against rules written down a second time."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aid.money import MAX_FEN, capital_numerals, check_amount, format_fen, parse_yuan, plain_yuan

DIGITS = "零壹贰叁肆伍陆柒捌玖"


@pytest.mark.parametrize(
    ("fen", "expected"),
    [
        (32_504, "人民币叁佰贰拾伍元零肆分"),
        (140_950, "人民币壹仟肆佰零玖元伍角"),
        (2_000_000, "人民币贰万元整"),
        (600_714, "人民币陆仟零柒元壹角肆分"),
        (1_000_000_001, "人民币壹仟万元零壹分"),
        (10_000_001_000, "人民币壹亿零壹拾元整"),
        (1_000, "人民币壹拾元整"),
        (5, "人民币伍分"),
        (50, "人民币伍角"),
        (0, "人民币零元整"),
    ],
)
def test_capital_numerals_follow_the_rules_of_vouchers(fen: int, expected: str) -> None:
    assert capital_numerals(fen) == expected


def read_capital(text: str) -> int:
    """Read capital numerals back, written without looking at how they are made."""
    text = text.removeprefix("人民币").removesuffix("整")
    yuan, rest = text.split("元") if "元" in text else ("", text)
    fen = 0
    for unit, worth in (("角", 10), ("分", 1)):
        if unit in rest:
            fen += DIGITS.index(rest.split(unit)[0][-1]) * worth
            rest = rest.split(unit)[1]
    return read_integer(yuan) * 100 + fen


def read_integer(text: str) -> int:
    """Read an integer in capital numerals."""
    for big, worth in (("亿", 10**8), ("万", 10**4)):
        if big in text:
            above, below = text.split(big, 1) if big == "万" else text.rsplit(big, 1)
            return read_integer(above) * worth + read_integer(below)
    total, digit = 0, 0
    for sign in text:
        if sign in DIGITS:
            digit = DIGITS.index(sign)
        else:
            total, digit = total + digit * {"拾": 10, "佰": 100, "仟": 1000}[sign], 0
    return total + digit


@given(st.integers(min_value=1, max_value=MAX_FEN))
@example(10_000_000_000_000)
@example(10_001_000)
@example(100_000_050)
def test_capital_numerals_say_the_amount_and_nothing_else(fen: int) -> None:
    said = capital_numerals(fen)
    assert read_capital(said) == fen
    assert "零零" not in said
    assert said.endswith("整") == (fen % 100 == 0)
    assert said.startswith("人民币")
    if fen % 100 and fen % 100 < 10 and fen >= 100:
        assert "元零" in said


@given(st.integers(min_value=0, max_value=MAX_FEN))
def test_figures_are_grouped_and_read_back(fen: int) -> None:
    figures = format_fen(fen)
    assert int(figures.replace(",", "").replace(".", "")) == fen
    assert parse_yuan(figures) == (fen or None)
    assert all(len(group) == 3 for group in figures.split(".")[0].split(",")[1:])


def test_figures_of_twenty_thousand_yuan() -> None:
    assert (format_fen(2_000_000), plain_yuan(2_000_000), format_fen(-5)) == ("20,000.00", "20000.00", "-0.05")


@pytest.mark.parametrize(
    ("text", "fen"),
    [
        ("20000", 2_000_000),
        ("¥20,000.00", 2_000_000),
        (" ２００００ 元", 2_000_000),
        ("0.5", 50),
        ("2,0000", None),
        ("1.234", None),
        ("-5", None),
        ("0", None),
        ("1e5", None),
        ("9" * 13, None),
        ("", None),
        ("٣٤", None),
    ],
)
def test_an_amount_is_read_as_people_type_it_or_not_at_all(text: str, fen: int | None) -> None:
    assert parse_yuan(text) == fen


@pytest.mark.parametrize("wrong", [0, -1, MAX_FEN + 1])
def test_an_amount_that_cannot_be_paid_is_refused(wrong: int) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        check_amount(wrong)


@pytest.mark.parametrize("wrong", [1.0, True, "1"])
def test_only_an_int_is_an_amount(wrong: int) -> None:
    with pytest.raises(TypeError):
        check_amount(wrong)
