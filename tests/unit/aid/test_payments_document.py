"""PAYMENTS.md says what the code does."""

import re
from pathlib import Path

import pytest

import aid
from aid.books import MOVEMENTS
from aid.states import BATCH_TABLE, CASE_TABLE, CONFIRMATION_TABLE, ORDER_TABLE
from aid.tables.money import FOUR_EYES

DOCUMENT = (Path(aid.__file__).parent / "PAYMENTS.md").read_text("utf-8")


def rows_of(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head."""
    part = DOCUMENT.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize(
    ("heading", "table"),
    [
        ("A case", CASE_TABLE),
        ("An order", ORDER_TABLE),
        ("A batch", BATCH_TABLE),
        ("A confirmation", CONFIRMATION_TABLE),
    ],
)
def test_the_document_lists_every_step_of_the_table(heading: str, table: dict[tuple[str, str], str]) -> None:
    assert {tuple(row) for row in rows_of(heading)} == {(state, event, to) for (state, event), to in table.items()}


def test_the_document_lists_every_movement_of_the_ledger() -> None:
    written = {(row[0], row[1], row[2]) for row in rows_of("The ledger")}
    assert written == {(kind.value, origin.value, target.value) for kind, (origin, target) in MOVEMENTS.items()}


def test_the_document_and_the_database_agree_on_whose_hands_may_meet() -> None:
    people = ["handler", "verifier", "approver", "drafter", "releaser", "reconciler"]
    never = {
        (row[0], people[place])
        for row in rows_of("Whose hands")
        for place, cell in enumerate(row[1:])
        if cell == "never"
    }
    assert never == set(re.findall(r"(\w+)_id <> (\w+)_id", FOUR_EYES))
