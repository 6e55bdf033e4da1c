"""Playback files out of journals made by hand: order, holes, gaps, and what cannot be shown."""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import pytest

from records.clock import FixedClock
from records.journal import JournalWriter
from signaling.media.playback import opus_us, remux

TEN = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
TEN_US = int(TEN.timestamp()) * 1_000_000
SOUND = b"\xfc" + bytes(60)


@pytest.fixture(scope="module")
def frames() -> list[bytes]:
    """Encoded VP8 frames, 10 a second; every tenth is a keyframe; the shade of grey tells which."""
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "yuv420p"
    encoder.time_base = Fraction(1, 10)
    encoder.gop_size = 10
    encoder.options = {"lag-in-frames": "0", "deadline": "realtime", "auto-alt-ref": "0"}
    made = []
    for index in range(40):
        picture = av.VideoFrame(64, 48, "yuv420p")
        for plane, shade in zip(picture.planes, (40 + 4 * index, 128, 128), strict=True):
            plane.update(bytes([shade]) * plane.buffer_size)
        picture.pts = index
        made += [bytes(packet) for packet in encoder.encode(picture)]
    made += [bytes(packet) for packet in encoder.encode(None)]
    assert [frame[0] & 1 == 0 for frame in made] == [index % 10 == 0 for index in range(40)]
    return made


class Book:
    """A journal of one seat, written packet by packet."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.writer = JournalWriter.open(directory, "h", clock=FixedClock(TEN))
        self.audio = self._declare("audio", 11, 111, "opus", 48000)
        self.video = self._declare("video", 22, 96, "VP8", 90000)
        self._sequence = 65_500
        self._sound = 0

    def _declare(self, kind: str, ssrc: int, payload_type: int, codec: str, rate: int) -> int:
        return self.writer.declare_source(
            seat_id="gao", kind=kind, ssrc=ssrc, payload_type=payload_type, codec=codec, clock_rate=rate
        )

    def picture(self, frame: bytes, at_ms: int) -> list[tuple[int, int, bytes]]:
        """Return a frame's packets: (source, arrival, data), in two pieces."""
        half = max(1, len(frame) // 2)
        packets = []
        for index, piece in enumerate((frame[:half], frame[half:])):
            descriptor = b"\x10" if index == 0 else b"\x00"
            head = struct.pack(">BBHII", 0x80, 96 | 0x80 * index, self._sequence & 0xFFFF, at_ms * 90 & 0xFFFFFFFF, 22)
            packets.append((self.video, TEN_US + at_ms * 1000 + index, head + descriptor + piece))
            self._sequence += 1
        return packets

    def sound(self, at_ms: int) -> tuple[int, int, bytes]:
        head = struct.pack(">BBHII", 0x80, 111, self._sound & 0xFFFF, at_ms * 48 & 0xFFFFFFFF, 11)
        self._sound += 1
        return self.audio, TEN_US + at_ms * 1000, head + SOUND

    def write(self, *packets: tuple[int, int, bytes]) -> None:
        for packet in packets:
            self.writer.write_packet(*packet)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    book = Book(tmp_path / "journal")
    yield book
    book.writer.close()


def shades(path: Path) -> list[tuple[int, int]]:
    """Return (time in ms, number of the frame by its shade) of everything shown."""
    with av.open(str(path)) as container:
        return [
            (round(float(frame.time) * 1000), round((bytes(frame.planes[0])[0] - 40) / 4))
            for frame in container.decode(video=0)
        ]


def test_frames_whose_packets_came_out_of_order_are_shown_in_order(
    book: Book, frames: list[bytes], tmp_path: Path
) -> None:
    packets = [packet for index, frame in enumerate(frames) for packet in book.picture(frame, 1000 + 100 * index)]
    for index in range(3, len(packets) - 4, 7):
        packets[index], packets[index + 3] = packets[index + 3], packets[index]
    book.write(*packets)
    book.writer.close()
    (made,) = remux(book.directory, tmp_path)
    shown = shades(made.path)
    assert [number for _, number in shown] == list(range(40))
    assert all(abs(at_ms - (1000 + 100 * number)) < 5 for at_ms, number in shown)
    assert (made.starts_ms, made.has_video, made.has_audio) == (1000, True, False)


def test_after_a_hole_nothing_is_shown_until_the_next_keyframe(book: Book, frames: list[bytes], tmp_path: Path) -> None:
    for index, frame in enumerate(frames):
        packets = book.picture(frame, 100 * index)
        book.write(*(packets[1:] if index == 14 else packets))
    book.writer.close()
    (made,) = remux(book.directory, tmp_path)
    assert [number for _, number in shades(made.path)] == [*range(14), *range(20, 40)]


def test_a_gap_in_the_sound_keeps_its_length(book: Book, tmp_path: Path) -> None:
    for at_ms in [*range(500, 2000, 20), *range(7000, 8000, 20)]:
        book.write(book.sound(at_ms))
    book.writer.close()
    (made,) = remux(book.directory, tmp_path)
    with av.open(str(made.path)) as container:
        assert container.duration is not None
        assert abs(container.duration / 1e6 - 8.0) < 0.1
        spoken = [
            float(packet.pts * packet.time_base) * 1000
            for packet in container.demux(audio=0)
            if packet.size == len(SOUND) and packet.pts is not None
        ]
    assert len(spoken) == 125
    assert abs(spoken[0] - 500) < 25
    assert abs(spoken[75] - 7000) < 25


def test_after_a_recess_everything_stands_at_its_time_though_the_senders_clock_stood_still(
    book: Book, frames: list[bytes], tmp_path: Path
) -> None:
    def write(recess_ms: int, *, first: int) -> None:
        for index in range(first, first + 10):
            packets = [
                *book.picture(frames[index], 100 * index),
                *(book.sound(100 * index + more) for more in range(0, 100, 20)),
            ]
            book.write(*((number, at_us + 1000 * recess_ms, data) for number, at_us, data in packets))

    write(0, first=0)
    book.writer.write_event({"event": "Paused"})
    book.writer.write_event({"event": "Resumed"})
    write(60_000, first=10)
    book.writer.close()
    (made,) = remux(book.directory, tmp_path)
    shown = shades(made.path)
    assert [number for _, number in shown] == list(range(20))
    wanted_ms = [*range(0, 1000, 100), *range(61_000, 62_000, 100)]
    assert all(abs(at_ms - wanted) < 25 for (at_ms, _), wanted in zip(shown, wanted_ms, strict=True))
    with av.open(str(made.path)) as container:
        spoken = [
            float(packet.pts * packet.time_base) * 1000
            for packet in container.demux(audio=0)
            if packet.size == len(SOUND) and packet.pts is not None
        ]
    assert len(spoken) == 100
    assert abs(spoken[50] - 61_000) < 25


def test_a_camera_that_never_sent_a_keyframe_makes_no_file(book: Book, frames: list[bytes], tmp_path: Path) -> None:
    for index, frame in enumerate(frames[1:9]):
        book.write(*book.picture(frame, 100 * index))
    book.writer.close()
    assert remux(book.directory, tmp_path / "out") == []
    assert list((tmp_path / "out").iterdir()) == []


def test_packets_without_sense_spoil_nothing_else(book: Book, frames: list[bytes], tmp_path: Path) -> None:
    for index, frame in enumerate(frames):
        book.write(*book.picture(frame, 100 * index))
        book.write((book.video, TEN_US + 100_000 * index, b"\x80"), (book.audio, TEN_US, b""), (99, TEN_US, b"x" * 40))
    book.writer.close()
    (made,) = remux(book.directory, tmp_path)
    assert len(shades(made.path)) == 40


@pytest.mark.parametrize(
    ("packet", "length_us"),
    [(b"\xfc\xff\xfe", 20_000), (b"\x08", 20_000), (b"\x78\0", 20_000), (b"\xfb\x03", 60_000), (b"\xe1", 5_000)],
)
def test_how_long_an_opus_packet_sounds(packet: bytes, length_us: int) -> None:
    assert opus_us(packet) == length_us
