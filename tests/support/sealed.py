"""A hearing that was held, sealed and paid, without a server: for what happens to its records afterwards."""

import struct
from fractions import Fraction
from pathlib import Path

import av

from records.clock import FixedClock
from records.journal import JournalWriter

SOUND = b"\xfc" + bytes(60)
STREAMS = (("audio", 11, 111, "opus", 48000), ("video", 22, 96, "VP8", 90000))


def encoded_frames(count: int) -> list[bytes]:
    """Return VP8 frames, ten a second, every tenth a keyframe."""
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "yuv420p"
    encoder.time_base = Fraction(1, 10)
    encoder.gop_size = 10
    encoder.options = {"lag-in-frames": "0", "deadline": "realtime", "auto-alt-ref": "0"}
    made: list[bytes] = []
    for index in range(count):
        picture = av.VideoFrame(64, 48, "yuv420p")
        for plane, shade in zip(picture.planes, (40 + 4 * index % 200, 128, 128), strict=True):
            plane.update(bytes([shade]) * plane.buffer_size)
        picture.pts = index
        made += [bytes(packet) for packet in encoder.encode(picture)]
    return made + [bytes(packet) for packet in encoder.encode(None)]


def write_journal(directory: Path, hearing_id: str, seat_id: str, clock: FixedClock, *, frames: int = 20) -> None:
    """Write a journal of one seat that sends sound and picture, in two segments."""
    pictures = encoded_frames(frames)
    for part in range(2):
        writer = JournalWriter.open(directory, hearing_id, clock=clock)
        started_us = writer.now_us()
        for kind, ssrc, payload_type, codec, rate in STREAMS:
            number = writer.declare_source(
                seat_id=seat_id, kind=kind, ssrc=ssrc + part, payload_type=payload_type, codec=codec, clock_rate=rate
            )
            sounds = [SOUND] * frames * 5
            step_ms, payloads = (20, sounds) if kind == "audio" else (100, [b"\x10" + frame for frame in pictures])
            for index, payload in enumerate(payloads):
                at_ms = step_ms * index
                head = struct.pack(">BBHII", 0x80, payload_type | 0x80, index, at_ms * rate // 1000, ssrc + part)
                writer.write_packet(number, started_us + at_ms * 1000, head + payload)
        writer.write_event({"event": "part", "number": part})
        writer.flush()
        clock.advance(frames / 10)
        writer.close()
