"""The codecs that we offer, and their payload types: ours, and the same for everybody.

Sound is Opus, with RED (RFC 2198) around it for whoever can: each packet carries the one before as well, so that a lost
one costs nothing. Pictures are VP8, which every browser has, or H.264 constrained baseline, which old phones encode in
hardware. RFC 7587 (Opus), RFC 7741 (VP8), RFC 6184 (H.264), RFC 4588 (repair).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["audio", "video"]

OPUS = 111
RED = 63
VP8 = 96
H264 = 98


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec as descriptions and the journal name it. `parameters`: what we ask of whoever sends it (SDP `fmtp`)."""

    name: str
    kind: Kind
    clock_rate: int
    parameters: str
    feedback: tuple[str, ...]
    channels: int = 1


# Chromium begins at 300 kbit/s and then keeps a small picture for some 15 s; from 500 on it shows 720p at once, and a
# thin line is still not drowned for longer than its first feedback takes.
_START = "x-google-start-bitrate=500"
_PICTURE_FEEDBACK = ("transport-cc", "goog-remb", "ccm fir", "nack", "nack pli")

CODECS: Mapping[int, Codec] = {
    RED: Codec("red", "audio", 48000, f"{OPUS}/{OPUS}", (), channels=2),
    OPUS: Codec("opus", "audio", 48000, "minptime=10;useinbandfec=1;usedtx=1", ("transport-cc", "nack"), channels=2),
    VP8: Codec("VP8", "video", 90000, _START, _PICTURE_FEEDBACK),
    H264: Codec(
        "H264",
        "video",
        90000,
        f"level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f;{_START}",
        _PICTURE_FEEDBACK,
    ),
}
"""By payload type."""

OFFERED: Mapping[Kind, tuple[int, ...]] = {"audio": (RED, OPUS), "video": (VP8, H264)}
"""What an m-line lists, the preferred one first."""

REPAIRED: Mapping[int, int] = {VP8 + 1: VP8, H264 + 1: H264}
"""Payload type of repair packets -> payload type of what they bring again.

Without them a browser pads and probes on the picture's own SSRC, and padding that is lost can neither be sent again nor
be told from a lost piece of picture; and a receiver cannot tell how much its line loses from what was mended.
"""

REPAIRS: Mapping[int, int] = {of: repair for repair, of in REPAIRED.items()}
"""The other way round."""
