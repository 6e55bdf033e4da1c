"""A journal of one seat, written packet by packet: pictures in either codec, plain and redundant sound."""

import struct
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av

from records.clock import FixedClock
from records.journal import JournalWriter
from signaling.media.h264 import units

TEN = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
TEN_US = int(TEN.timestamp()) * 1_000_000
VOICE = b"\xfc" + bytes(60)


def encoded(codec: str, size: tuple[int, int], shades: range) -> list[bytes]:
    """Return frames of one shade of grey each, 10 a second, the first a keyframe, every tenth another."""
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = *size, "yuv420p"
    encoder.time_base = Fraction(1, 10)
    encoder.gop_size = 10
    if codec == "libx264":
        encoder.profile = "Baseline"
        encoder.options = {"tune": "zerolatency", "x264-params": "scenecut=0:keyint=10:threads=1"}
    else:
        encoder.options = {"lag-in-frames": "0", "deadline": "realtime", "auto-alt-ref": "0"}
    made = []
    for index, shade in enumerate(shades):
        picture = av.VideoFrame(*size, "yuv420p")
        for plane, value in zip(picture.planes, (40 + 4 * shade, 128, 128), strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        picture.pts = index
        made += [bytes(packet) for packet in encoder.encode(picture)]
    return [*made, *(bytes(packet) for packet in encoder.encode(None))]


class Book:
    """A journal of one seat whose packets are told by what is in them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.writer = JournalWriter.open(directory, "h", clock=FixedClock(TEN))
        self._numbers: dict[int, int] = {}
        self._sequences = {11: 65_500, 22: 65_500}

    def _source(self, payload_type: int) -> int:
        if payload_type not in self._numbers:
            kind, ssrc, codec, rate = {
                111: ("audio", 11, "opus", 48000),
                63: ("audio", 11, "red", 48000),
                96: ("video", 22, "VP8", 90000),
                98: ("video", 22, "H264", 90000),
            }[payload_type]
            self._numbers[payload_type] = self.writer.declare_source(
                seat_id="gao", kind=kind, ssrc=ssrc, payload_type=payload_type, codec=codec, clock_rate=rate
            )
        return self._numbers[payload_type]

    def packet(self, payload_type: int, payload: bytes, at_ms: int, *, last: bool = True, lost: bool = False) -> None:
        ssrc, ticks = (11, 48) if payload_type in (111, 63) else (22, 90)
        sequence = self._sequences[ssrc]
        self._sequences[ssrc] = sequence + 1
        if not lost:
            kind = payload_type | 0x80 * last
            head = struct.pack(">BBHII", 0x80, kind, sequence & 0xFFFF, at_ms * ticks & 0xFFFFFFFF, ssrc)
            self.writer.write_packet(self._source(payload_type), TEN_US + at_ms * 1000, head + payload)

    def h264(self, frame: bytes, at_ms: int, *, lost: int | None = None) -> None:
        """Write a frame: its parameters together, its slices in pieces of 20 bytes; the `lost`th packet is missing."""
        small = [unit for unit in units(frame) if unit[0] & 0x1F in (7, 8)]
        packets = [b"\x78" + b"".join(len(unit).to_bytes(2, "big") + unit for unit in small)] if small else []
        for unit in units(frame):
            if unit[0] & 0x1F in (1, 5):
                chunks = [unit[at : at + 20] for at in range(1, len(unit), 20)]
                for index, chunk in enumerate(chunks):
                    ends = 0x80 * (index == 0) | 0x40 * (index == len(chunks) - 1)
                    packets.append(bytes((unit[0] & 0xE0 | 28, unit[0] & 0x1F | ends)) + chunk)
        for index, packet in enumerate(packets):
            self.packet(98, packet, at_ms, last=index == len(packets) - 1, lost=index == lost)

    def vp8(self, frame: bytes, at_ms: int) -> None:
        self.packet(96, b"\x10" + frame, at_ms)

    def red(self, before: tuple[int, bytes], now: bytes, at_ms: int, *, lost: bool = False) -> None:
        """Write sound with the piece that was made `before[0]` ms earlier."""
        head = (1 << 31 | 111 << 24 | before[0] * 48 << 10 | len(before[1])).to_bytes(4, "big")
        self.packet(63, head + b"\x6f" + before[1] + now, at_ms, lost=lost)
