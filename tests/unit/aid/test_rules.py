"""The rules an award is measured against."""

from datetime import date

import pytest

from aid.rules import RULE_SETS, cap_fen, check_cap, check_category, rules_of, rules_on
from records.refusals import Refusal


def test_the_newest_rules_in_force_are_taken() -> None:
    assert rules_on(date(2026, 11, 24)).version == "2021"
    with pytest.raises(Refusal, match="no_rules"):
        rules_on(date(2015, 1, 1))


def test_the_cap_is_thirty_six_months_of_the_monthly_wage() -> None:
    rules = rules_of("2021")
    assert cap_fen(rules, 800_000) == 28_800_000
    assert check_cap(rules, 28_800_000, 800_000) == 28_800_000
    with pytest.raises(Refusal, match="amount_over_cap"):
        check_cap(rules, 28_800_001, 800_000)


def test_without_a_wage_there_is_no_cap_to_compare_with() -> None:
    assert check_cap(rules_of("2021"), 10**12, None) is None


def test_every_category_names_its_article() -> None:
    for rules in RULE_SETS.values():
        assert rules.cap_article
        assert len({category.key for category in rules.categories}) == len(rules.categories)
        assert all(category.article and category.title for category in rules.categories)
    with pytest.raises(Refusal, match="unknown_category"):
        check_category(rules_of("2021"), "nothing of the kind")
