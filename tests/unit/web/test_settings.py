"""An installation starts only when its environment says enough, and says in words what is missing."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from web.__main__ import main
from web.settings import Settings, SettingsIncomplete, demo_settings, read_settings

COMPLETE = {
    "JIEFANG_DATABASE_URL": "postgresql+asyncpg://jiefang@localhost/jiefang",
    "JIEFANG_DATA_DIR": "data",
    "JIEFANG_PUBLIC_ORIGIN": "https://12309.example.cn",
    "JIEFANG_LOGIN_SECRET": "s" * 32,
    "JIEFANG_PERSONAL_KEY": "ab" * 32,
    "JIEFANG_MASTER_KEY": "cd" * 32,
    "JIEFANG_SIGNING_KEY_FILE": "office.pem",
}


@pytest.fixture
def complete_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that has no default."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"JIEFANG_{name.upper()}", raising=False)
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("complete_environment")
def test_a_complete_environment_is_read() -> None:
    settings = read_settings()
    assert settings.secure
    assert settings.port == 8080
    assert not settings.demo


@pytest.mark.usefixtures("complete_environment")
@pytest.mark.parametrize("name", COMPLETE)
def test_each_missing_variable_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(SettingsIncomplete) as refused:
        read_settings()
    assert any(problem.startswith(f"{name}：") for problem in refused.value.problems)


@pytest.mark.usefixtures("complete_environment")
@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("JIEFANG_PERSONAL_KEY", "zz" * 32, "64 个十六进制字符"),
        ("JIEFANG_PERSONAL_KEY", "ab" * 16, "64 个十六进制字符"),
        ("JIEFANG_MASTER_KEY", "cd" * 31, "64 个十六进制字符"),
        ("JIEFANG_MASTER_KEY_BEFORE", "x", "64 个十六进制字符"),
        ("JIEFANG_LOGIN_SECRET", "short", "至少 32 个字符"),
        ("JIEFANG_DATABASE_URL", "mysql://x", "数据库地址"),
        ("JIEFANG_PUBLIC_ORIGIN", "12309.example.cn", "网址"),
        ("JIEFANG_TLS_KEY_FILE", "key.pem", "要么都给出"),
    ],
)
def test_each_wrong_value_is_explained(name: str, value: str, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsIncomplete) as refused:
        read_settings()
    assert any(word in problem for problem in refused.value.problems)


@pytest.mark.usefixtures("complete_environment")
def test_no_secret_is_repeated_in_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JIEFANG_PERSONAL_KEY", "very-secret-value")
    monkeypatch.setenv("JIEFANG_LOGIN_SECRET", "tiny-secret")
    with pytest.raises(SettingsIncomplete) as refused:
        read_settings()
    assert "secret" not in " ".join(refused.value.problems)
    monkeypatch.setenv("JIEFANG_PERSONAL_KEY", COMPLETE["JIEFANG_PERSONAL_KEY"])
    monkeypatch.setenv("JIEFANG_LOGIN_SECRET", "s" * 32)
    assert "ssss" not in repr(read_settings())


def test_serve_without_an_environment_says_what_is_missing_and_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"JIEFANG_{name.upper()}", raising=False)
    result = CliRunner().invoke(main, ["serve"])
    assert result.exit_code == 2
    assert "设置不完整，没有启动" in result.output
    assert "JIEFANG_DATABASE_URL" in result.output


def test_the_demos_secrets_are_made_once_and_are_nobody_elses_to_read(tmp_path: Path) -> None:
    first = demo_settings(tmp_path, port=1, media_port=2, addresses=("127.0.0.1",), tls=False)
    again = demo_settings(tmp_path, port=1, media_port=2, addresses=("127.0.0.1",), tls=False)
    assert first.personal_key == again.personal_key
    assert (tmp_path / "secrets" / "personal").stat().st_mode & 0o077 == 0
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0


def test_keys_are_made_once_and_never_overwritten(tmp_path: Path) -> None:
    made = CliRunner().invoke(main, ["make-keys", str(tmp_path / "keys")])
    assert made.exit_code == 0
    assert "JIEFANG_PERSONAL_KEY=" in made.output
    kept = (tmp_path / "keys" / "office.pem").read_bytes()
    again = CliRunner().invoke(main, ["make-keys", str(tmp_path / "keys")])
    assert again.exit_code == 1
    assert (tmp_path / "keys" / "office.pem").read_bytes() == kept
