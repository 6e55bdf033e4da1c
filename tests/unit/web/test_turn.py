"""Credentials for the TURN relay: what coturn works out for itself, and nothing that outlives a hearing's day."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from web.settings import SettingsIncomplete, read_settings
from web.turn import IcePolicy, rtc_configuration, turn_credentials

TEN = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
SECRET = "a secret shared with the relay, long enough"
URLS = ("turn:turn.example.cn:3478?transport=udp", "turns:turn.example.cn:443?transport=tcp")
COMPLETE = {
    "JIEFANG_DATABASE_URL": "postgresql+asyncpg://jiefang@localhost/jiefang",
    "JIEFANG_DATA_DIR": "data",
    "JIEFANG_PUBLIC_ORIGIN": "https://12309.example.cn",
    "JIEFANG_LOGIN_SECRET": "s" * 32,
    "JIEFANG_PERSONAL_KEY": "ab" * 32,
    "JIEFANG_MASTER_KEY": "cd" * 32,
    "JIEFANG_SIGNING_KEY_FILE": "office.pem",
    "JIEFANG_TURN_URLS": '["turn:turn.example.cn:3478?transport=udp"]',
    "JIEFANG_TURN_SECRET": SECRET,
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with a relay."""
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_user_name_says_until_when_and_the_password_is_its_digest_under_the_secret() -> None:
    credentials = turn_credentials(SECRET, "seat-7", now=TEN)
    expiry, _, seat = credentials.username.partition(":")
    assert seat == "seat-7"
    assert datetime.fromtimestamp(int(expiry), UTC) == TEN + timedelta(hours=12)
    expected = hmac.new(SECRET.encode(), credentials.username.encode(), hashlib.sha1).digest()
    assert base64.b64decode(credentials.password) == expected


def test_a_page_gets_the_relays_and_its_own_credentials_but_never_the_secret() -> None:
    told = rtc_configuration(URLS, SECRET, IcePolicy.RELAY, "seat-7", now=TEN)
    credentials = turn_credentials(SECRET, "seat-7", now=TEN)
    assert told == {
        "iceServers": [
            {"urls": list(URLS), "username": credentials.username, "credential": credentials.password},
        ],
        "iceTransportPolicy": "relay",
    }
    assert SECRET not in str(told)


def test_without_a_relay_a_page_is_given_none() -> None:
    told = rtc_configuration((), "", IcePolicy.ALL, "seat-7", now=TEN)
    assert told == {"iceServers": [], "iceTransportPolicy": "all"}


def test_a_relay_in_the_environment_is_read_and_its_secret_is_not_shown(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("JIEFANG_ICE_POLICY", "relay")
    settings = read_settings()
    assert settings.turn_urls == ("turn:turn.example.cn:3478?transport=udp",)
    assert settings.ice_policy is IcePolicy.RELAY
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("JIEFANG_TURN_SECRET", None, "要么都给出"),
        ("JIEFANG_TURN_URLS", "[]", "要么都给出"),
        ("JIEFANG_TURN_SECRET", "short", "至少 32 个字符"),
        ("JIEFANG_TURN_URLS", '["stun:turn.example.cn"]', "TURN 中继的地址"),
        ("JIEFANG_TURN_URLS", '["turn://turn.example.cn"]', "TURN 中继的地址"),
        ("JIEFANG_ICE_POLICY", "none", "浏览器走哪些路"),
    ],
)
def test_half_a_relay_is_explained(name: str, value: str | None, words: str, environment: pytest.MonkeyPatch) -> None:
    if value is None:
        environment.delenv(name)
    else:
        environment.setenv(name, value)
    with pytest.raises(SettingsIncomplete) as refused:
        read_settings()
    assert any(words in problem for problem in refused.value.problems), refused.value.problems
    assert SECRET not in " ".join(refused.value.problems)


def test_relay_only_needs_a_relay(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("JIEFANG_TURN_SECRET")
    environment.delenv("JIEFANG_TURN_URLS")
    environment.setenv("JIEFANG_ICE_POLICY", "relay")
    with pytest.raises(SettingsIncomplete) as refused:
        read_settings()
    assert any("JIEFANG_TURN_URLS" in problem for problem in refused.value.problems)
