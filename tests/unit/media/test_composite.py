"""The picture of everybody out of films made by hand: who is where, when nothing is shown, what is heard."""

import io
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from signaling.media.composite import FRAME_RATE, HEIGHT, WIDTH, Hearing, Person, compose, mix
from signaling.media.layout import Box, fit, strip, tiles
from tests.support.lips import beeps

TEN = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)


class Blank:
    """Sets every text as an even shade, and keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def line(self, text: str, size: int, width: int, height: int) -> np.ndarray:
        self.said.append(text)
        return np.full((height, width), 255, np.uint8)


def film(
    shade: int, *, hertz: int, from_s: float, to_s: float, silent: bool = False, size: tuple[int, int] = (160, 120)
) -> bytes:
    """Return a WebM that shows one shade and sounds one tone from a moment to another."""
    file = io.BytesIO()
    with av.open(file, "w", format="webm") as container:
        picture = container.add_stream("libvpx", rate=10, options={"deadline": "realtime", "lag-in-frames": "0"})
        width, height = size
        picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
        sound = container.add_stream("libopus", rate=48_000, layout="mono")
        for number in range(round(from_s * 10), round(to_s * 10)):
            shown = av.VideoFrame.from_ndarray(np.full((height * 3 // 2, width), 128, np.uint8), format="yuv420p")
            shown.planes[0].update(np.full((height, shown.planes[0].line_size), shade, np.uint8).tobytes())
            shown.pts, shown.time_base = number, Fraction(1, 10)
            container.mux(picture.encode(shown))
            times = np.arange(4800) + number * 4800
            tone = 0.4 * np.sin(2 * np.pi * hertz * times / 48_000) * (not silent)
            heard = av.AudioFrame.from_ndarray(tone.astype(np.float32).reshape(1, -1), format="flt", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = 48_000, number * 4800, Fraction(1, 48_000)
            container.mux(sound.encode(heard))
        container.mux(picture.encode(None))
        container.mux(sound.encode(None))
    return file.getvalue()


@pytest.fixture(scope="module")
def hearing() -> Hearing:
    """Ten seconds: one sends from 1 s to 3 s, another all the time, a third nothing; nothing was recorded in 5-7 s, and
    there was a recess in 8.4-9 s."""
    early = film(200, hertz=1000, from_s=1, to_s=3)
    always = film(90, hertz=1700, from_s=0, to_s=10, silent=True)
    people = (
        Person("王志远", partial(io.BytesIO, early)),
        Person("高秀兰", partial(io.BytesIO, always)),
        Person("刘敏", None),
    )
    return Hearing("梁检接访〔2026〕1号", TEN, 10_000, ((5000, 7000),), people, ((8400, 9000),))


def made(hearing: Hearing, path: Path) -> tuple[bytes, list[str], list[int]]:
    lettering, told = Blank(), list[int]()
    compose(hearing, str(path), lettering, told.append)
    return path.read_bytes(), lettering.said, told


@pytest.fixture(scope="module")
def composed(hearing: Hearing, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[str], list[int]]:
    return made(hearing, tmp_path_factory.mktemp("made") / "composite.mp4")


def shades(data: bytes, at_s: float) -> list[int]:
    """Return the shade in the middle of each of three tiles, above any words."""
    with av.open(io.BytesIO(data), "r") as container:
        frame = next(frame for frame in container.decode(video=0) if (frame.time or 0) >= at_s - 0.001)
        luma = frame.to_ndarray(format="yuv420p")[:HEIGHT]
    places = [tile.picture for tile in tiles(3, WIDTH, HEIGHT)]
    return [int(luma[box.y + box.height // 4, box.x + box.width // 2]) for box in places]


def close(found: list[int], wanted: list[int]) -> bool:
    return all(abs(one - other) < 8 for one, other in zip(found, wanted, strict=True))


def test_everybody_is_shown_when_they_were_seen_and_a_calm_tile_when_not(
    composed: tuple[bytes, list[str], list[int]],
) -> None:
    data = composed[0]
    assert close(shades(data, 0.5), [44, 90, 44])
    assert close(shades(data, 2), [200, 90, 44])
    assert close(shades(data, 4), [200, 90, 44]), "a picture that stands still for a moment stays"
    assert close(shades(data, 8), [44, 90, 44]), "an old picture is not shown as if it were now"


def test_a_recess_is_one_plain_card_and_everybody_is_back_after_it(
    composed: tuple[bytes, list[str], list[int]],
) -> None:
    data, said, _ = composed
    assert close(shades(data, 8.2), [44, 90, 44])
    assert close(shades(data, 8.7), [26, 26, 26])
    assert close(shades(data, 9.5), [44, 90, 44])
    assert said.count("休会") == 1
    assert said.count("00:00:08–00:00:09，不录音录像") == 1


def test_where_nothing_was_recorded_that_is_said_and_time_goes_on(
    composed: tuple[bytes, list[str], list[int]],
) -> None:
    data, said, _ = composed
    assert close(shades(data, 6), [44, 44, 44])
    assert said.count("录像中断 00:00:05–00:00:07") == 3
    clocks = [words for words in said if "北京时间" in words]
    assert clocks[6] == "梁检接访〔2026〕1号    00:00:06    北京时间 2026-11-25 10:00:06"
    assert len(clocks) == 10


def test_names_and_roles_stand_under_the_pictures(composed: tuple[bytes, list[str], list[int]]) -> None:
    assert composed[1][:3] == ["王志远", "高秀兰", "刘敏"]


def test_it_plays_anywhere_sounds_in_time_and_is_as_long_as_the_recording(
    composed: tuple[bytes, list[str], list[int]],
) -> None:
    data, _, told = composed
    with av.open(io.BytesIO(data), "r") as container:
        assert [stream.codec.name for stream in container.streams] == ["h264", "aac"]
        assert container.duration is not None
        assert abs(container.duration / 1e6 - 10) < 0.1
        assert sum(1 for _ in container.decode(video=0)) == 10 * FRAME_RATE
    assert data.index(b"moov") < data.index(b"mdat"), "a player can begin before it has everything"
    (beep,) = beeps(io.BytesIO(data), 1000)
    assert abs(beep - 1) < 0.03
    assert told == list(range(100))


def test_the_same_films_make_the_same_picture(
    hearing: Hearing, composed: tuple[bytes, list[str], list[int]], tmp_path: Path
) -> None:
    assert made(hearing, tmp_path / "again.mp4")[0] == composed[0]


@pytest.mark.parametrize(("size", "shown"), [((1920, 1200), True), ((1080, 1920), True), ((1936, 1200), False)])
def test_a_picture_larger_than_was_asked_of_any_camera_is_a_gap_and_costs_no_memory(
    tmp_path: Path, size: tuple[int, int], *, shown: bool
) -> None:
    sent = film(200, hertz=1000, from_s=0.4, to_s=1, size=size)
    data = made(Hearing("1号", TEN, 1000, (), (Person("王志远", partial(io.BytesIO, sent)),)), tmp_path / "x.mp4")[0]
    with av.open(io.BytesIO(data), "r") as container:
        luma = [frame.to_ndarray(format="gray")[100, WIDTH // 2] for frame in container.decode(video=0)]
    assert (max(luma) > 150) == shown
    assert beeps(io.BytesIO(data), 1000), "the voice is heard all the same"


def test_films_without_sense_cost_their_senders_tile_only(tmp_path: Path) -> None:
    good = film(200, hertz=1000, from_s=0.4, to_s=1)
    torn = good[: len(good) // 2] + bytes(range(256)) * 8
    people = (Person("王志远", partial(io.BytesIO, good)), Person("高秀兰", partial(io.BytesIO, torn)))
    data = made(Hearing("1号", TEN, 1000, (), people), tmp_path / "x.mp4")[0]
    (beep,) = beeps(io.BytesIO(data), 1000)
    assert abs(beep - 0.4) < 0.03


def test_a_disk_that_refuses_is_told_as_such(hearing: Hearing) -> None:
    with pytest.raises(OSError, match="No space left on device"):
        compose(hearing, "/dev/full", Blank(), lambda percent: None)


def test_voices_add_up_and_are_never_louder_than_full() -> None:
    one, other = np.array([0.2, 0.9, -0.9], np.float32), np.array([0.3, 0.9, -0.9], np.float32)
    assert mix([one, other]).tolist() == pytest.approx([0.5, 1.0, -1.0])
    assert not mix([]).any()


@pytest.mark.parametrize("count", range(1, 9))
def test_tiles_lie_beside_each_other_within_the_picture_on_even_pixels(count: int) -> None:
    covered = np.zeros((HEIGHT, WIDTH), int)
    boxes = [box for tile in tiles(count, WIDTH, HEIGHT) for box in (tile.picture, tile.label)]
    for box in (*boxes, strip(WIDTH, HEIGHT)):
        assert all(value % 2 == 0 for value in (box.x, box.y, box.width, box.height))
        assert box.x >= 0 and box.y >= 0 and box.x + box.width <= WIDTH and box.y + box.height <= HEIGHT
        covered[box.y : box.y + box.height, box.x : box.x + box.width] += 1
    assert covered.max() == 1
    assert len(boxes) == 2 * count


def test_a_picture_keeps_its_shape_in_its_box() -> None:
    box = Box(8, 8, 600, 450)
    assert fit(1280, 720, box) == Box(8, 64, 600, 338)
    assert fit(360, 640, box) == Box(182, 8, 252, 450)
    assert fit(1, 4000, box).width == 2
