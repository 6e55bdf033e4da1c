"""The rules an award is measured against: versioned data, each with the article it comes from.

Provinces and years differ, so nothing here is a bare number: a rule set names its text and its articles, the monthly
wage is entered by the office (table `aid_wages`) with its source, and each case keeps the version it was opened under.
The articles of the categories are those of the 2016 text, which the 2021 text widened: whoever deploys this checks them
against the text in force, and no document for the public quotes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from records.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Category:
    """A group of people who may be aided."""

    key: str
    title: str
    article: str


@dataclass(frozen=True, slots=True)
class RuleSet:
    """One version of the rules."""

    version: str
    title: str
    in_force_on: date
    cap_months: int
    cap_article: str
    notice_working_days: int
    notice_article: str
    categories: tuple[Category, ...]


_2021 = RuleSet(
    version="2021",
    title="《人民检察院开展国家司法救助工作细则》（2021年修订）",
    in_force_on=date(2021, 12, 31),
    cap_months=36,
    cap_article="以办案检察院所在省、自治区、直辖市上一年度职工月平均工资为基准，一般不超过三十六个月的工资总额",
    notice_working_days=2,
    notice_article="收到财政拨付的救助资金后，二个工作日内通知救助申请人领取",
    categories=(
        Category("injured_victim", "刑事被害人受重伤或严重残疾，无法得到赔偿", "第七条第一项"),
        Category("urgent_treatment", "刑事被害人受到人身伤害，急需救治而无力承担", "第七条第二项"),
        Category("dependants", "被害人死亡或丧失劳动能力，靠其收入生活的近亲属生活困难", "第七条第三项"),
        Category("property_loss", "刑事被害人财产遭受重大损失，生活困难", "第七条第四项"),
        Category("retaliation", "举报人、证人、鉴定人受到打击报复", "第七条第五项"),
        Category("civil_injury", "追索赡养费、扶养费、抚育费或因道路交通事故等民事侵权受损害", "第七条第六项"),
        Category("other", "其他确需救助的情形", "第七条第七项"),
    ),
)

RULE_SETS: Final[Mapping[str, RuleSet]] = {_2021.version: _2021}


def rules_on(on: date) -> RuleSet:
    """Return the rules in force on a day; raise `Refusal("no_rules")` when none were yet."""
    in_force = [rules for rules in RULE_SETS.values() if rules.in_force_on <= on]
    if not in_force:
        raise Refusal("no_rules", on=on.isoformat())
    return max(in_force, key=lambda rules: rules.in_force_on)


def rules_of(version: str) -> RuleSet:
    """Return the rules a case was opened under. Versions are never removed: a missing one is a bug."""
    return RULE_SETS[version]


def cap_fen(rules: RuleSet, monthly_wage_fen: int) -> int:
    """Return the most that is normally awarded, in fen: so many months of the region's monthly wage."""
    return rules.cap_months * monthly_wage_fen


def check_category(rules: RuleSet, key: str) -> Category:
    """Return the category called `key`; raise `Refusal("unknown_category")` when these rules have none."""
    for category in rules.categories:
        if category.key == key:
            return category
    raise Refusal("unknown_category", category=key[:40])


def check_cap(rules: RuleSet, amount_fen: int, monthly_wage_fen: int | None) -> int | None:
    """Return the cap in fen (None when the region's wage was not entered); raise `amount_over_cap` above it."""
    if monthly_wage_fen is None:
        return None
    cap = cap_fen(rules, monthly_wage_fen)
    if amount_fen > cap:
        raise Refusal("amount_over_cap", amount_fen=amount_fen, cap_fen=cap, months=rules.cap_months)
    return cap
