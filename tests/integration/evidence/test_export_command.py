"""`jiefang export`: by number, on the trail, and only what was sealed."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.integration.evidence.conftest import environment_of
from tests.support.database import sqlite_url
from tests.support.house import settings_of
from web.__main__ import main


@pytest.fixture
def environment(sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installation with an empty database, as the environment tells of it; returns the database's address."""
    shutil.copyfile(sqlite_template, tmp_path / "jiefang.db")
    settings = settings_of(sqlite_url(tmp_path / "jiefang.db"), tmp_path / "home")
    settings.data_dir.mkdir()
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    return settings.database_url


def test_a_hearing_nobody_knows_is_refused_and_no_file_is_left(environment: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["export", "接访〔2026〕404号", "--to", str(tmp_path / "bundle.zip")])
    assert result.exit_code == 1
    assert result.output.strip().endswith("。")
    assert not list(tmp_path.glob("bundle*"))


def test_a_directory_without_the_demonstration_is_told_in_words(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["export", "x", "--var", str(tmp_path), "--to", str(tmp_path / "bundle.zip")])
    assert result.exit_code == 2
    assert "没有演示的密钥" in result.output
