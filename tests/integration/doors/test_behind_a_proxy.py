"""Behind a proxy people are told apart by the address that it names, and by nothing that they write themselves."""

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path

from tests.support.house import House, open_house

TRIES = 8


async def _signs_in_wrong(house: House, headers: Mapping[str, str]) -> int:
    visitor = house.visitor()
    data = {"user_name": "wang", "password": "wrong", "csrf": await visitor.token()}
    return (await visitor.ask("POST", "/sign-in", data=data, headers=headers)).status


async def test_who_comes_through_the_proxy_pays_for_their_own_tries_alone(database_url: str, tmp_path: Path) -> None:
    trusted = {"trusted_proxy": ip_network("127.0.0.0/8")}
    async with open_house(database_url, tmp_path / "house", **trusted) as house:
        for number in range(TRIES):
            forged = f"198.51.100.{number}, 203.0.113.7"
            assert await _signs_in_wrong(house, {"X-Forwarded-For": forged}) != 429
        assert await _signs_in_wrong(house, {"X-Forwarded-For": "203.0.113.7"}) == 429
        assert await _signs_in_wrong(house, {"X-Forwarded-For": "203.0.113.8"}) != 429


async def test_a_forged_header_is_worth_nothing_where_there_is_no_proxy(house: House) -> None:
    for number in range(TRIES):
        assert await _signs_in_wrong(house, {"X-Forwarded-For": f"203.0.113.{number}"}) != 429
    assert await _signs_in_wrong(house, {"X-Forwarded-For": "203.0.113.99"}) == 429
