"""A real coturn, configured as documented, lets in whom we gave credentials, until they expire, and no further."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aioice.stun import TransactionFailed
from aioice.turn import TurnTransport, create_turn_endpoint

from tests.browser.coturn import SECRET, Coturn, running_coturn
from web.addresses import own_addresses
from web.turn import VALID_FOR, turn_credentials

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Coturn]:
    """A TURN relay that forwards to this machine's address only."""
    with running_coturn(tmp_path, own_addresses()[-1]) as coturn:
        yield coturn


class Echo(asyncio.DatagramProtocol):
    """Remembers what arrives."""

    def __init__(self) -> None:
        self.arrived: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.arrived.put_nowait(data)


async def sign_in(relay: Coturn, *, secret: str = SECRET, given_at: datetime | None = None) -> TurnTransport:
    """Ask the relay for an address, with credentials that were given at some time."""
    credentials = turn_credentials(secret, "seat-7", now=given_at or datetime.now(UTC))
    transport, _ = await create_turn_endpoint(
        asyncio.DatagramProtocol,
        server_addr=(relay.address, relay.port),
        username=credentials.username,
        password=credentials.password,
    )
    return transport


async def test_what_a_seat_sends_through_the_relay_reaches_the_media_address(relay: Coturn) -> None:
    loop = asyncio.get_running_loop()
    media, echo = await loop.create_datagram_endpoint(Echo, local_addr=(relay.address, 0))
    transport = await sign_in(relay)
    transport.sendto(b"sound and picture", media.get_extra_info("sockname")[:2])
    assert await echo.arrived.get() == b"sound and picture"
    transport.close()
    media.close()


@pytest.mark.parametrize(
    ("secret", "given_at"),
    [("some other secret of sufficient length", None), (SECRET, datetime.now(UTC) - VALID_FOR - timedelta(minutes=5))],
    ids=["not ours", "expired"],
)
async def test_credentials_that_are_not_ours_or_have_expired_get_no_address(
    secret: str, given_at: datetime | None, relay: Coturn
) -> None:
    with pytest.raises(TransactionFailed, match="401"):
        await sign_in(relay, secret=secret, given_at=given_at)


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "8.8.8.8"])
async def test_nothing_but_the_media_address_can_be_reached_through_it(peer: str, relay: Coturn) -> None:
    transport = await sign_in(relay)
    inner = transport._TurnTransport__inner_protocol  # type: ignore[attr-defined]
    with pytest.raises(TransactionFailed, match="403"):
        await inner.channel_bind(0x4000, (peer, 9))
    transport.close()
