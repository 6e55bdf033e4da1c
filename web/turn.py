"""What a browser needs to reach the media plane through a TURN relay: its servers, and credentials that expire.

The shared secret never leaves the server: coturn (`use-auth-secret`) works the password out of the user name in the
same way, so that nothing about a seat has to be told to it or stored there (draft-uberti-behave-turn-rest-00).
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from signaling.messages import Json

VALID_FOR = timedelta(hours=12)
"""Longer than any hearing. A page that is opened again gets new ones; a running call outlives them."""


class IcePolicy(StrEnum):
    """Which ways a browser may try. The values are those of RTCConfiguration.iceTransportPolicy."""

    ALL = "all"
    RELAY = "relay"
    """Through TURN only: where nothing else may leave the building, and in tests."""


@dataclass(frozen=True, slots=True)
class TurnCredentials:
    """A user name that says until when it is valid, and its password."""

    username: str
    password: str


def turn_credentials(secret: str, seat_id: str, *, now: datetime) -> TurnCredentials:
    """Return what a seat signs in to the TURN server with: `expiry:seat` and its HMAC-SHA1 in base64."""
    username = f"{int((now + VALID_FOR).timestamp())}:{seat_id}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return TurnCredentials(username, base64.b64encode(digest).decode("ascii"))


def rtc_configuration(
    urls: tuple[str, ...], secret: str, policy: IcePolicy, seat_id: str, *, now: datetime
) -> dict[str, Json]:
    """Return the part of RTCConfiguration that a page hands to its RTCPeerConnection."""
    servers: list[Json] = []
    if urls:
        credentials = turn_credentials(secret, seat_id, now=now)
        servers.append({"urls": list(urls), "username": credentials.username, "credential": credentials.password})
    return {"iceServers": servers, "iceTransportPolicy": policy.value}
