"""What people type is trimmed, bounded and fit to keep, or refused by name."""

import pytest

from records.refusals import Refusal
from records.texts import clean_text


@pytest.mark.parametrize(
    ("typed", "kept"), [(" 高秀兰 ", "高秀兰"), ("一\r\n二\r三", "一\n二\n三"), ("a\tb", "a\tb"), ("𠮷野", "𠮷野")]
)
def test_a_text_is_kept_trimmed_with_one_kind_of_line_end(typed: str, kept: str) -> None:
    assert clean_text(typed, "name", limit=20) == kept


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("", "text_missing"),
        (" \n\t", "text_missing"),
        ("长" * 21, "text_too_long"),
        ("长" * 65536, "text_too_long"),
        ("a\x00b", "text_unreadable"),
        ("a\x1bb", "text_unreadable"),
        ("a\ud800b", "text_unreadable"),
    ],
)
def test_a_text_that_cannot_be_kept_is_refused_by_name(typed: str, code: str) -> None:
    with pytest.raises(Refusal) as raised:
        clean_text(typed, "name", limit=20)
    assert (raised.value.code, raised.value.params["field"]) == (code, "name")


def test_a_text_that_may_be_left_out_may_be_empty() -> None:
    assert clean_text("  ", "note", limit=20, required=False) == ""
