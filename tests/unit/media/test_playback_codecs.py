"""Playback files of people who sent H.264, redundant sound, and nothing while they were silent."""

import struct
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from signaling.media.comparing import content_digest
from signaling.media.h264 import units
from signaling.media.playback import GAP_US, remux
from tests.support.book import VOICE, Book, encoded

ROUND_S = 20


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    book = Book(tmp_path / "journal")
    yield book
    book.writer.close()


def pictures(path: Path) -> list[tuple[int, int, int]]:
    """Return (time in ms, width, shade's number) of everything shown after the black with which an MP4 begins."""
    with av.open(str(path)) as container:
        shown = [
            (round(float(frame.time) * 1000), frame.width, round((bytes(frame.planes[0])[0] - 40) / 4))
            for frame in container.decode(video=0)
        ]
    if path.suffix == ".mp4":
        # Without it, browsers would not agree on when the first picture is due.
        at_ms, _, number = shown.pop(0)
        assert at_ms == 0 and number < 0
    return shown


def sounds(path: Path) -> list[tuple[int, bytes]]:
    """Return (time in ms, coded piece) of everything heard."""
    with av.open(str(path)) as container:
        return [
            (round(float(packet.pts * packet.time_base) * 1000), bytes(packet))
            for packet in container.demux(audio=0)
            if packet.pts is not None and packet.size
        ]


def test_a_picture_in_h264_becomes_an_mp4_in_which_everything_stands_at_its_time(book: Book, tmp_path: Path) -> None:
    for index, frame in enumerate(encoded("libx264", (64, 48), range(40))):
        book.h264(frame, 1500 + 100 * index)
    book.writer.close()
    (made,) = remux(book.directory, tmp_path)
    assert (made.path.name, made.has_video, made.has_audio, made.starts_ms) == ("gao.mp4", True, False, 1500)
    shown = pictures(made.path)
    assert [number for _, _, number in shown] == list(range(40))
    assert all(abs(at_ms - 1500 - 100 * number) < 5 for at_ms, _, number in shown)


def test_after_a_hole_in_h264_nothing_is_shown_until_the_next_keyframe(book: Book, tmp_path: Path) -> None:
    frames = encoded("libx264", (320, 240), range(30))
    for index, frame in enumerate(frames):
        bare = b"".join(b"\0\0\1" + unit for unit in units(frame) if unit[0] & 0x1F == 5)
        book.h264(bare if index == 20 else frame, 100 * index, lost=0 if index == 14 else None)
    book.writer.close()
    (made,) = remux(book.directory, tmp_path)
    # The keyframe at 20 was sent without its parameters, so that nobody could begin with it.
    assert [number for _, _, number in pictures(made.path)] == list(range(14))


def test_a_picture_that_changes_its_size_goes_on_in_the_same_file(book: Book, tmp_path: Path) -> None:
    frames = [*encoded("libx264", (64, 48), range(20)), *encoded("libx264", (128, 96), range(20, 40))]
    for index, frame in enumerate(frames):
        book.h264(frame, 100 * index)
    book.writer.close()
    (made,) = remux(book.directory, tmp_path)
    shown = pictures(made.path)
    assert [number for _, _, number in shown] == list(range(40))
    assert [width for _, width, _ in shown] == [64] * 20 + [128] * 20


def test_parameters_without_sense_cost_the_picture_and_not_the_sound(book: Book, tmp_path: Path) -> None:
    for at_ms in range(0, 1000, 20):
        book.packet(111, VOICE, at_ms)
        book.packet(98, b"\x78\0\x04\x67\x42\xe0\x1f\0\x02\x68\xce", at_ms, last=False)
        book.packet(98, b"\x65" + bytes(30), at_ms)
    book.writer.close()
    (made,) = remux(book.directory, tmp_path)
    assert (made.has_video, made.has_audio) == (False, True)


def test_pictures_of_a_size_that_no_camera_has_are_left_out_with_what_builds_on_them(
    book: Book, tmp_path: Path
) -> None:
    for index, frame in enumerate(encoded("libvpx", (64, 48), range(30))):
        huge = frame[:6] + struct.pack("<HH", 16_383, 16_383) + frame[10:]
        book.vp8(huge if index == 10 else frame, 100 * index)
    book.writer.close()
    (made,) = remux(book.directory, tmp_path)
    assert [number for _, _, number in pictures(made.path)] == [*range(10), *range(20, 30)]


def test_lost_sound_is_taken_out_of_the_packet_after_it(book: Book, tmp_path: Path) -> None:
    pieces = [bytes((0xFC, index)) + bytes(50) for index in range(100)]
    for index, piece in enumerate(pieces):
        book.red((20, pieces[max(0, index - 1)]), piece, 20 * index, lost=index in (30, 31, 60))
    book.writer.close()
    (made,) = remux(book.directory, tmp_path)
    heard = [(at_ms, pieces.index(data)) for at_ms, data in sounds(made.path) if data in pieces]
    # Of two lost in a row only the second stands in the packet after them.
    assert [number for _, number in heard] == [index for index in range(100) if index != 30]
    assert all(abs(at_ms - 20 * number) <= 1 for at_ms, number in heard)


def test_redundant_and_plain_packets_of_one_voice_are_one_sound(book: Book, tmp_path: Path) -> None:
    pieces = [bytes((0xFC, index)) + bytes(50) for index in range(60)]
    for index, piece in enumerate(pieces):
        if index % 3:
            book.red((20, pieces[index - 1]), piece, 20 * index)
        else:
            book.packet(111, piece, 20 * index)
    book.writer.close()
    (made,) = remux(book.directory, tmp_path)
    assert [pieces.index(data) for _, data in sounds(made.path)] == list(range(60))


def test_silence_that_is_not_sent_neither_shifts_nor_stretches_what_is_said_after_it(
    book: Book, tmp_path: Path
) -> None:
    said = [at_ms for at_ms in range(ROUND_S * 1000) if at_ms % 4000 < 500 and at_ms % 20 == 0]
    noise = [at_ms for at_ms in range(ROUND_S * 1000) if at_ms % 4000 >= 500 and (at_ms % 4000 - 500) % 410 == 0]
    for at_ms in sorted(said + noise):
        book.packet(111, VOICE if at_ms in said else b"\x08" + bytes(6), at_ms)
        if at_ms % 4000 == 480:
            book.packet(111, b"\x08", at_ms + 20)  # says that it is silent, and nothing more
    book.writer.close()
    (made,) = remux(book.directory, tmp_path)
    played_ms = 0
    for at_ms, data in sounds(made.path):
        # Browsers play one piece after the other, whatever time is written on it.
        assert abs(played_ms - at_ms) * 1000 <= GAP_US
        played_ms += 20
        assert len(data) > 1
        if data == VOICE:
            assert at_ms in said
    assert abs(played_ms - said[-1] - 20) < 4000


@pytest.mark.parametrize(("first", "suffix"), [(30, ".mp4"), (10, ".webm")])
def test_a_camera_that_changes_its_codec_is_seen_throughout_in_that_which_it_sent_longest(
    book: Book, tmp_path: Path, first: int, suffix: str
) -> None:
    for index, frame in enumerate(encoded("libx264", (64, 48), range(first))):
        book.h264(frame, 100 * index)
    for index, frame in enumerate(encoded("libvpx", (128, 96), range(first, 40)), start=first):
        book.vp8(frame, 100 * index)
    book.writer.close()
    (made,) = remux(book.directory, tmp_path)
    assert made.path.suffix == suffix
    shown = pictures(made.path)
    assert [number for _, _, number in shown] == list(range(40))
    assert [width for _, width, _ in shown] == [64] * first + [128] * (40 - first)
    assert all(abs(at_ms - 100 * number) < 5 for at_ms, _, number in shown)
    # Whoever rebuilds the files to check them gets the same, what was coded again included.
    (again,) = remux(book.directory, tmp_path / "again")
    assert content_digest(again.path) == content_digest(made.path)


def test_a_codec_that_begins_in_the_middle_is_not_shown_before_its_first_keyframe(book: Book, tmp_path: Path) -> None:
    for index, frame in enumerate(encoded("libx264", (64, 48), range(20))):
        book.h264(frame, 100 * index)
    for index, frame in enumerate(encoded("libvpx", (64, 48), range(20, 40))[1:], start=21):
        book.vp8(frame, 100 * index)
    book.writer.close()
    (made,) = remux(book.directory, tmp_path)
    assert [number for _, _, number in pictures(made.path)] == [*range(20), *range(30, 40)]
