"""A disk that will not hold a day of hearings is told of before it is full."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from web.space import BYTES_AN_HOUR, SHORT_HOURS, short_hours


@pytest.mark.parametrize(
    ("free", "told"),
    [(0, 0), (BYTES_AN_HOUR - 1, 0), (BYTES_AN_HOUR, 1), (SHORT_HOURS * BYTES_AN_HOUR, None)],
)
def test_hours_are_counted_down_to_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, told: int | None
) -> None:
    asked: list[Path] = []

    def usage(path: Path) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(free=free)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert short_hours(tmp_path / "not" / "made" / "yet") == told
    assert asked == [tmp_path]


def test_a_disk_that_does_not_answer_has_no_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> SimpleNamespace:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(shutil, "disk_usage", refuse)
    assert short_hours(tmp_path) == 0
