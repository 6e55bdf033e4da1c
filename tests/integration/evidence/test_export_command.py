"""`jiefang export`: by number, on the trail, and only what was sealed."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.integration.evidence.conftest import Evidence, environment_of
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


def test_the_master_key_is_changed_at_the_command_line_and_everything_still_opens(
    evidence: Evidence, tmp_path: Path
) -> None:
    old, new = evidence.environment["JIEFANG_MASTER_KEY"], "7e" * 32
    both = evidence.environment | {"JIEFANG_MASTER_KEY": new, "JIEFANG_MASTER_KEY_BEFORE": old}
    result = CliRunner().invoke(main, ["rotate-keys"], env=both)
    assert result.exit_code == 0, result.output
    bundle = tmp_path / "bundle.zip"
    export = ["export", evidence.session_id, "--to", str(bundle)]
    try:
        result = CliRunner().invoke(main, export, env=evidence.environment | {"JIEFANG_MASTER_KEY": new})
        assert result.exit_code == 0, result.output
        arguments = ["verify", str(bundle), "--key", str(evidence.key), "--rebuild", str(tmp_path / "again")]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        result = CliRunner().invoke(main, export, env=evidence.environment)
        assert result.exit_code == 1
        assert "JIEFANG_MASTER_KEY_BEFORE" in result.output
    finally:
        back = evidence.environment | {"JIEFANG_MASTER_KEY_BEFORE": new}
        assert CliRunner().invoke(main, ["rotate-keys"], env=back).exit_code == 0
