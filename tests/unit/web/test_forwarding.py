"""Whose address a request counts for, with and without a proxy in front, and when somebody makes one up."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.forwarding import client_address

PROXY = ip_network("10.0.0.0/30")


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["198.51.100.1", "203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        ("10.0.0.1", ["2001:db8::7"], "2001:db8::7"),
        ("::ffff:10.0.0.1", ["203.0.113.7"], "203.0.113.7"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.7, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["", "203.0.113.7,"], "10.0.0.1"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1, 10.0.0.1"], "203.0.113.9"),
        (None, ["198.51.100.1"], ""),
        ("", [], ""),
    ],
)
def test_only_what_the_proxy_added_is_believed(peer: str | None, forwarded: list[str], counted: str) -> None:
    assert client_address(peer, forwarded, PROXY) == counted


def test_without_a_proxy_nothing_is_believed() -> None:
    assert client_address("127.0.0.1", ["198.51.100.1"], None) == "127.0.0.1"


@given(st.text(), st.lists(st.text()))
def test_whatever_somebody_writes_they_count_as_who_they_are_to_the_proxy(peer: str, written: list[str]) -> None:
    client_address(peer, written, PROXY)
    assert client_address("10.0.0.1", [*written, "203.0.113.7"], PROXY) == "203.0.113.7"
