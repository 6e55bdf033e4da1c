"""From where a request comes, when it may have come through a proxy of the office's own."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address


def client_address(peer: str | None, forwarded: Iterable[str], trusted: IPv4Network | IPv6Network | None) -> str:
    """Return the address of the last hop that is not a trusted proxy's; "" when there is none.

    `forwarded`: the X-Forwarded-For headers. Each proxy adds at the end whom it heard, so that only what trusted ones
    added can be believed, from the end backwards; what comes before it anybody can write.
    """
    nearest = _read(peer or "")
    if nearest is None:
        return peer or ""
    if trusted is not None:
        hops = [hop for header in forwarded for hop in header.split(",")]
        while nearest in trusted and hops:
            before = _read(hops.pop())
            if before is None:
                break
            nearest = before
    return str(nearest)


def _read(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    # How a socket that listens on both names its IPv4 peers (RFC 4291 section 2.5.5.2).
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
