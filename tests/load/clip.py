"""What everybody sends: ten seconds of VP8 720p30 at 1.2 Mbit/s and Opus at 32 kbit/s, encoded and packetised once.

Every sender and every contender gets the same payloads at the same distances of time. The clip repeats; its first frame
is a keyframe. Kept under ``var/clips``: encoding takes some ten seconds.
"""

import fractions
import hashlib
import math
import random
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import av.audio

CLIPS = Path(__file__).parents[2] / "var" / "clips"
LENGTH_S = 10
FRAME_RATE = 30
WIDTH, HEIGHT = 1280, 720
VIDEO_BPS = 1_200_000
AUDIO_BPS = 32_000
PAYLOAD_BYTES_MAX = 1200
VIDEO_TICKS_A_FRAME = 90_000 // FRAME_RATE
AUDIO_TICKS_A_PACKET = 960
_HEAD = struct.Struct(">BBII H")
"""kind (0 sound, 1 picture), marker, due (microseconds in the clip), RTP timestamp, payload size."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One RTP packet to be: when it is due in the clip, and everything that does not differ between senders."""

    video: bool
    marker: bool
    due_us: int
    timestamp: int
    payload: bytes


def load_clip() -> list[Piece]:
    """Return the clip's pieces in the order of their time; made when there is none yet."""
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    path = CLIPS / f"load-{recipe}.bin"
    if not path.exists():
        CLIPS.mkdir(parents=True, exist_ok=True)
        pieces = sorted([*_video(), *_audio()], key=lambda piece: piece.due_us)
        with tempfile.NamedTemporaryFile(dir=CLIPS, delete=False) as file:
            for piece in pieces:
                head = (piece.video, piece.marker, piece.due_us, piece.timestamp, len(piece.payload))
                file.write(_HEAD.pack(*head) + piece.payload)
        Path(file.name).replace(path)
    return list(_read(path.read_bytes()))


def _read(data: bytes) -> Iterator[Piece]:
    position = 0
    while position < len(data):
        video, marker, due_us, timestamp, size = _HEAD.unpack_from(data, position)
        position += _HEAD.size
        yield Piece(bool(video), bool(marker), due_us, timestamp, data[position : position + size])
        position += size


def _video() -> Iterator[Piece]:
    codec = av.CodecContext.create("libvpx", "w")
    assert isinstance(codec, av.VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    codec.framerate = fractions.Fraction(FRAME_RATE)
    codec.time_base = fractions.Fraction(1, FRAME_RATE)
    codec.bit_rate = VIDEO_BPS
    codec.gop_size = LENGTH_S * FRAME_RATE
    # What a browser asks of the same encoder: constant bitrate, real time, no frame held back.
    codec.options = {
        "deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "minrate": str(VIDEO_BPS),
        "maxrate": str(VIDEO_BPS), "bufsize": str(VIDEO_BPS), "undershoot-pct": "5", "auto-alt-ref": "0",
    }  # fmt: skip
    number = 0
    for frame in _frames():
        for packet in codec.encode(frame):
            yield from _vp8_pieces(bytes(packet), number)
            number += 1
    for packet in codec.encode(None):
        yield from _vp8_pieces(bytes(packet), number)
        number += 1


def _frames() -> Iterator[av.VideoFrame]:
    """A grained picture that drifts, with fresh grain in a moving band: as hard to encode as a face in poor light."""
    dice = random.Random(20261125)
    grain = b"".join(bytes((min(235, max(16, round(dice.gauss(110, 14)))),)) * 8 for _ in range(1 << 15)) * 2
    for number in range(LENGTH_S * FRAME_RATE):
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        stride = frame.planes[0].line_size
        drift = number * 3 + round(40 * math.sin(number / 9))
        rows = [grain[drift + row // 8 * 1500 :][:stride] for row in range(HEIGHT)]
        band = number * 7 % (HEIGHT - 24)
        for row in range(band, band + 24):
            rows[row] = dice.randbytes(stride // 4).translate(_MILD) * 4
        frame.planes[0].update(b"".join(rows))
        for plane in frame.planes[1:]:
            plane.update(bytes((128,)) * plane.buffer_size)
        frame.pts = number
        frame.time_base = fractions.Fraction(1, FRAME_RATE)
        yield frame


_MILD = bytes(100 + value // 8 for value in range(256))


def _vp8_pieces(frame: bytes, number: int) -> Iterator[Piece]:
    """Cut a frame as browsers do: pieces of nearly one size, a descriptor with a 15-bit picture number (RFC 7741)."""
    count = math.ceil(len(frame) / (PAYLOAD_BYTES_MAX - 4))
    size = math.ceil(len(frame) / count)
    for index in range(count):
        descriptor = bytes((0x90 if index == 0 else 0x80, 0x80, 0x80 | (number >> 8 & 0x7F), number & 0xFF))
        payload = descriptor + frame[index * size : (index + 1) * size]
        due_us = number * 1_000_000 // FRAME_RATE
        yield Piece(True, index == count - 1, due_us, number * VIDEO_TICKS_A_FRAME, payload)


def _audio() -> Iterator[Piece]:
    codec = av.CodecContext.create("libopus", "w")
    assert isinstance(codec, av.AudioCodecContext)
    codec.sample_rate = 48_000
    codec.layout = "mono"
    codec.format = av.AudioFormat("s16")
    codec.bit_rate = AUDIO_BPS
    codec.options = {"application": "voip", "frame_duration": "20", "vbr": "constrained"}
    dice = random.Random(1)
    number = 0
    total = LENGTH_S * 50
    for index in range(total + 10):
        frame = av.AudioFrame("s16", "mono", 960)
        samples = (
            round(6000 * math.sin((index * 960 + i) * 2 * math.pi * (180 + index % 50) / 48_000) + dice.gauss(0, 600))
            for i in range(960)
        )
        frame.planes[0].update(struct.pack("<960h", *samples))
        frame.sample_rate = 48_000
        frame.pts = index * 960
        frame.time_base = fractions.Fraction(1, 48_000)
        for packet in codec.encode(frame):
            if number < total:
                # 5 ms beside the frames, so that the two do not always fall together.
                yield Piece(False, number == 0, number * 20_000 + 5_000, number * AUDIO_TICKS_A_PACKET, bytes(packet))
                number += 1
