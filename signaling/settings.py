"""How long the live hearing waits for whom."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HubSettings:
    """Limits of the live hearing, in seconds."""

    heartbeat_s: float = 10.0
    """After so long without a sound the client is pinged; half as long again without an answer, and it is gone."""
    silence_s: float = 5.0
    """After so long without a word the client is shown the room again, so that it knows its line lives."""
    send_timeout_s: float = 10.0
    """How long one frame may take to be handed to the network."""
    farewell_s: float = 2.0
    """How long a peer may take to answer the close frame before its socket is simply dropped."""
    port_timeout_s: float = 10.0
    """How long the record or the media plane may take to answer."""
    again_timeout_s: float = 3.0
    """How long a host who asks for the recording to go on waits for the disk; the room waits with them."""
    close_timeout_s: float = 30.0
    """How long a recording may take to reach the disk whole when it is closed."""
    idle_s: float = 60.0
    """How long the room of a hearing that is not in session is kept when nobody is there."""
    look_every_s: float = 10.0
    """How often the room of a hearing in session is looked at while no host is there."""
    still_timeout_s: float = 5.0
    drain_timeout_s: float = 40.0
