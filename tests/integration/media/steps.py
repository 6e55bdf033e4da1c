"""What can happen in a hearing, for the test of the two ways: packets of every form, losses, changes."""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from signaling.media import rtp
from signaling.media.codecs import H264, OPUS, RED, VP8

DATAGRAM_MAX = 1900
_EXTENSIONS = b"\xbe\xde\0\2" + b"\x10\x9f" + b"\x31\0\0" + bytes(3)
"""Of one byte each: a level of sound, a transport-wide number."""
_OTHER_EXTENSIONS = b"\x10\0\0\2" + b"\x01\x01\x9f\x03\x02\0\7\0"
"""The same, of two bytes each."""


class Seat(Enum):
    """Who is in the hearing. Li comes and goes, and has a browser that knows no redundant sound."""

    GAO = "gao"
    WANG = "wang"
    LI = "li"


class Form(Enum):
    """Packets as browsers make them, and some as none does: first byte, second byte, what follows the fixed header."""

    SOUND = 0x90, OPUS, _EXTENSIONS + b"\xfc" + bytes(60)
    SOUND_WITHOUT_EXTENSIONS = 0x80, OPUS, b"\xfc" + bytes(20)
    REDUNDANT_SOUND = 0x90, RED, _EXTENSIONS + b"\xef\x00\x10\x14" + b"\x6f" + bytes(range(40))
    TWICE_REDUNDANT_SOUND = (
        0x90,
        RED,
        _EXTENSIONS + b"\xef\x00\x21\x04\xef\x00\x10\x14" + b"\x6f" + bytes(range(20)) * 15,
    )
    SOUND_IN_ONE_PIECE = 0x90, RED, _EXTENSIONS + b"\x6f" + bytes(range(40))
    SOUND_OF_NO_LENGTH = 0x90, RED, _EXTENSIONS + b"\xef\x00\x10\x28" + b"\x6f" + bytes(range(40))
    REDUNDANT_SOUND_CUT = 0x90, RED, _EXTENSIONS + b"\xef\x00\x13\xff" + b"\x6f" + bytes(range(40))
    REDUNDANT_SOUND_OF_HEADS = 0x90, RED, _EXTENSIONS + b"\xef\x00\x10\x14" * 2 + b"\xef\0"
    KEYFRAME = 0x90, 0x80 | VP8, _EXTENSIONS + b"\x90\x80\x81\x23\x10\x02\x00\x9d\x01\x2a\x40\x01\xf0\x00" + bytes(80)
    PICTURE = 0x90, VP8, _EXTENSIONS + b"\x90\x80\x81\x23\x11" + bytes(200)
    PICTURE_GOES_ON = 0x90, VP8, _EXTENSIONS + b"\x80\x80\x81\x23" + bytes(400)
    PICTURE_OF_SEVERAL_SOURCES = 0x92, VP8, b"\0\0\0\x09" * 2 + _EXTENSIONS + b"\x10\x01" + bytes(300)
    PICTURE_WITH_OTHER_EXTENSIONS = 0x90, VP8, _OTHER_EXTENSIONS + b"\x80\x80\x01" + bytes(90)
    PICTURE_CUT = 0x90, VP8, _EXTENSIONS + b"\x90"
    PADDING = 0xA0, VP8, b"\0" * 9 + b"\4"
    H264_PARAMETERS = (
        0x90,
        0x80 | H264,
        _EXTENSIONS + b"\x78\0\6\x67\x42\xe0\x1f\x12\x34\0\4\x68\xce\x3c\x80" + bytes(33),
    )
    H264_KEYFRAME = 0x90, H264, _EXTENSIONS + b"\x7c\x85" + bytes(60)
    H264_PICTURE = 0x90, H264, _EXTENSIONS + b"\x41\x9a" + bytes(100)
    H264_PICTURE_BEGINS = 0x90, H264, _EXTENSIONS + b"\x7c\x81" + bytes(300)
    H264_PICTURE_GOES_ON = 0x90, H264, _EXTENSIONS + b"\x7c\x01" + bytes(300)

    @property
    def camera(self) -> bool:
        """Whether cameras send this."""
        return self.value[1] & 0x7F not in (OPUS, RED)

    def packet(self, number: int, longer: int = 0) -> bytes:
        """Return one so many bytes longer than usual, under a transport-wide number if it has room for one."""
        first, second, rest = self.value
        packet = (bytes((first, second)) + bytes(10) + rest + bytes(longer))[:DATAGRAM_MAX]
        at = rtp.extension_at(packet, rtp.TRANSPORT_WIDE_ID)
        return packet if at < 0 else rtp.with_transport_number(packet, number, at)


@dataclass(frozen=True)
class Send:
    """Packets in a row, all of one form, each `longer` bytes longer than usual; `gap`: before them so many are lost."""

    seat: Seat
    form: Form
    count: int = 1
    longer: int = 0
    gap: int = 0


@dataclass(frozen=True)
class Late:
    """One of the packets that were lost comes after all: late, or in a repair packet."""

    seat: Seat
    camera: bool
    repaired: bool = False


@dataclass(frozen=True)
class Double:
    """The last datagram comes once more."""

    seat: Seat


@dataclass(frozen=True)
class Strange:
    """Something comes under an SSRC that nobody announced: authentic, or made up by somebody without the keys."""

    seat: Seat
    control: bool
    authentic: bool


@dataclass(frozen=True)
class Mute:
    """The relay drops a seat's sound, or does so no longer."""

    seat: Seat
    muted: bool


@dataclass(frozen=True)
class Ask:
    """A receiver asks for packets again: those so far back from another's newest one."""

    seat: Seat
    of: Seat
    camera: bool
    back: tuple[int, ...]


@dataclass(frozen=True)
class Report:
    """A camera's sender report."""

    seat: Seat


@dataclass(frozen=True)
class Feedback:
    """A receiver tells which of the relay's packets came: all, each after the same time, or all but every so many."""

    seat: Seat
    lost: int | None = None


@dataclass(frozen=True)
class Move:
    """A phone's address changes."""

    seat: Seat


class Change(Enum):
    """What else happens: a still of Gao's camera is begun or given up, Li comes or goes, a recess begins or ends, the
    relay takes its turn, or all that was sent is read."""

    STILL = "still"
    LI = "li"
    RECESS = "recess"
    TURN = "turn"
    PAUSE = "pause"


Step: TypeAlias = Send | Late | Double | Strange | Mute | Ask | Report | Feedback | Move | Change
