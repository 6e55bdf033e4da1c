"""Which addresses of this machine a browser can reach."""

import socket

# Never sent to: connecting a UDP socket only asks the kernel which of our addresses it would use (RFC 5737 network).
_ELSEWHERE = ("198.51.100.1", 9)


def own_addresses() -> tuple[str, ...]:
    """Return loopback and, where there is one, the address that the rest of the network sees.

    Firefox does not use loopback candidates, so that the second one is needed even on one machine.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return ("127.0.0.1",)
        outward = str(probe.getsockname()[0])
    return ("127.0.0.1",) if outward.startswith("127.") else ("127.0.0.1", outward)
