"""One person of the load: what is sent, encrypted ahead of time, and what is received, counted packet by packet.

Encrypting ahead is what makes the generator cheap enough to load a server to its limit from one core: while packets are
on their way it only sends, receives and counts.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import pylibsrtp

from tests.load.clip import LENGTH_S, Piece
from tests.load.descriptions import AUDIO_LEVEL_ID, AUDIO_TYPE, TRANSPORT_WIDE_ID, VIDEO_TYPE
from tests.load.line import Line

FIRST_SEQUENCE = 1000
KINDS = ("audio", "video")
_STAMP = struct.Struct(">HHI")
"""The last bytes of every payload: a mark, the sender's number, the packet's number among all that the sender sends."""
_MARK = 0x4A46


@dataclass(slots=True)
class Outgoing:
    """One stream that a person sends. `places` tells where its packets stand among all of the person's."""

    kind: str
    ssrc: int
    timestamp: int
    payload_type: int
    places: list[int] = field(default_factory=list)


class Person:
    """Somebody in a hearing. Contenders set the lines (one for both ways, or one each) and what was negotiated."""

    def __init__(self, number: int, hearing: int, seat: str) -> None:
        self.number = number
        self.hearing = hearing
        self.seat = seat
        self.streams = {
            kind: Outgoing(kind, 0x10000000 + number * 16 + index, number * 7001, (AUDIO_TYPE, VIDEO_TYPE)[index])
            for index, kind in enumerate(KINDS)
        }
        self.sending: Line | None = None
        self.receiving: Line | None = None
        self.numbered = False
        """Whether transport-wide numbers were negotiated for what this person sends."""
        self.stamped = True
        self.packets: list[bytes] = []
        self.dues_us: list[int] = []
        self.sent_ns: list[int] = []
        self.sent = 0

    @property
    def ssrcs(self) -> dict[str, int]:
        """SSRC by kind, for descriptions."""
        return {kind: stream.ssrc for kind, stream in self.streams.items()}

    @property
    def way_out(self) -> Line:
        """The line that the person's packets leave by."""
        assert self.sending is not None
        return self.sending

    @property
    def way_in(self) -> Line:
        """The line that the others' packets come by."""
        assert self.receiving is not None
        return self.receiving

    def prepare(self, clip: Sequence[Piece], seconds: float, phase_us: int, session: pylibsrtp.Session) -> None:
        """Encrypt `seconds` of the clip, over and over, shifted by `phase_us` so that people do not send in step."""
        sequences = dict.fromkeys(KINDS, FIRST_SEQUENCE)
        turn = 0
        while turn * LENGTH_S < seconds:
            for piece in clip:
                due_us = turn * LENGTH_S * 1_000_000 + piece.due_us
                if due_us >= seconds * 1_000_000:
                    break
                kind = KINDS[piece.video]
                packet = self._packet(piece, turn, sequences[kind])
                sequences[kind] += 1
                self.streams[kind].places.append(len(self.packets))
                self.packets.append(session.protect(packet))
                self.dues_us.append(due_us + phase_us)
            turn += 1
        self.sent_ns = [0] * len(self.packets)

    def _packet(self, piece: Piece, turn: int, sequence: int) -> bytes:
        stream = self.streams[KINDS[piece.video]]
        rate = 90_000 if piece.video else 48_000
        timestamp = (stream.timestamp + piece.timestamp + turn * LENGTH_S * rate) & 0xFFFFFFFF
        extensions = b"" if piece.video else bytes((AUDIO_LEVEL_ID << 4, 0x80 | 30))
        if self.numbered:
            extensions += struct.pack(">BH", TRANSPORT_WIDE_ID << 4 | 1, len(self.packets) & 0xFFFF)
        extensions += bytes(-len(extensions) % 4)
        head = struct.pack(
            ">BBHII",
            0x90 if extensions else 0x80,
            stream.payload_type | (0x80 if piece.marker else 0),
            sequence & 0xFFFF,
            timestamp,
            stream.ssrc,
        )
        if extensions:
            head += struct.pack(">HH", 0xBEDE, len(extensions) // 4) + extensions
        if not self.stamped:
            return head + piece.payload
        stamp = _STAMP.pack(_MARK, self.number, len(self.packets))
        return head + piece.payload[: -_STAMP.size] + stamp


def read_stamp(plain: bytes) -> tuple[int, int] | None:
    """Return (sender's number, packet's number) out of a decrypted packet, or None when it is not one of ours."""
    mark, number, place = _STAMP.unpack_from(plain, len(plain) - _STAMP.size)
    return (number, place) if mark == _MARK else None


@dataclass(slots=True)
class Incoming:
    """One stream that a person receives: every sequence number in the order of arrival, and whose it is."""

    ssrc: int
    sequences: list[int] = field(default_factory=list)
    sender: int | None = None
    kind: str = ""
    shift: int = 0
    """What the server added to the sender's sequence numbers."""
    payload_type: int = 0
    frames: int = 0
    """Packets that end a frame (marker bit): all that can be counted where the server encodes anew."""
    report_middle: int = 0
    report_at: float = 0.0
