"""One picture of everybody: an MP4 made of the playback files, with names, time code and the hearing's number.

Unlike playback files it is decoded and encoded anew, for handing out; the evidence is the recording. Frame n shows what
everybody's camera saw at n/25 s of the recording and sounds as they did then. Who is not seen gets a tile with the
name; where nothing was recorded, that is said, and time goes on; a recess is a card. The same files give the same
picture.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from typing import BinaryIO, Protocol, TypeAlias

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.video.plane import VideoPlane
from numpy.typing import NDArray

from signaling.media.layout import LABEL, Box, fit, strip, tiles

WIDTH, HEIGHT = 1280, 720
FRAME_RATE = 25
SAMPLE_RATE = 48_000
PIXELS_MAX = 1920 * 1200
"""More than our pages ask of any camera. A larger one is not shown: it costs its sender the tile, and us no hour."""
STALE_MS = 3_000
"""A picture older than this is not shown as if it were now."""

_SAMPLES = SAMPLE_RATE // FRAME_RATE
_JITTER = SAMPLE_RATE // 50
"""Sound that is off by less follows the sound before it without a seam."""
_EARLY_MS = 500 // FRAME_RATE
"""A frame shows the picture nearest to it, also one that is a little later: half a frame."""
_BEIJING = timezone(timedelta(hours=8))
_GROUND, _TILE, _QUIET, _CLEAR, _NEUTRAL = 26, 44, 150, 228, 128
"""Shades of luma, and the chroma of what has no colour."""
_PICTURE_OPTIONS = {
    "preset": "veryfast",
    "crf": "25",
    "x264-params": "colorprim=smpte170m:transfer=smpte170m:colormatrix=smpte170m",
}

Shades: TypeAlias = NDArray[np.uint8]
Samples: TypeAlias = NDArray[np.float32]


class Lettering(Protocol):
    """Sets text."""

    def line(self, text: str, size: int, width: int, height: int) -> Shades:
        """Return a line in the middle of a box, as coverage (0 to 255); what is too long for the box is shortened."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a tile. `open_file` opens the playback file; None for who sent nothing."""

    name: str
    open_file: Callable[[], BinaryIO] | None


@dataclass(frozen=True, slots=True)
class Hearing:
    """What is shown. `gaps` and `recesses`: from and to, in ms of the recording."""

    number: str
    started_at: datetime
    duration_ms: int
    gaps: Sequence[tuple[int, int]]
    people: Sequence[Person]
    recesses: Sequence[tuple[int, int]] = ()


def compose(hearing: Hearing, output: str, lettering: Lettering, report: Callable[[int], object]) -> None:
    """Write the MP4 to the path `output`, telling the percentage whenever it grows.

    Blocks, for a third of the hearing's length or more. Memory grows with it by about 1 MB a minute: the file's index,
    which stands first. Raises OSError when the disk refuses, or a playback file cannot be read.
    """
    try:
        _compose(hearing, output, lettering, report)
    except FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error


def _compose(hearing: Hearing, output: str, lettering: Lettering, report: Callable[[int], object]) -> None:
    frames = max(1, -(-hearing.duration_ms * FRAME_RATE // 1000))
    told = -1
    with ExitStack() as stack:
        canvas = _Canvas(hearing, [_camera(stack, person) for person in hearing.people], lettering)
        voices = [_Voice(_opened(stack, person)) for person in hearing.people]
        writer = _Writer(stack.enter_context(av.open(output, "w", format="mp4", options={"movflags": "+faststart"})))
        for number in range(frames):
            shown = canvas.at(number * 1000 // FRAME_RATE)
            writer.write(number, shown, mix([voice.take(number * _SAMPLES, _SAMPLES) for voice in voices]))
            percent = number * 100 // frames
            if percent > told:
                told = percent
                report(percent)
        writer.finish()


def mix(voices: Sequence[Samples]) -> Samples:
    """Return what is heard when all speak at once; louder than full is cut."""
    if not voices:
        return np.zeros(_SAMPLES, np.float32)
    heard: Samples = np.clip(np.sum(voices, axis=0), -1, 1).astype(np.float32)
    return heard


def _opened(stack: ExitStack, person: Person) -> InputContainer | None:
    if person.open_file is None:
        return None
    file = stack.enter_context(person.open_file())
    return stack.enter_context(av.open(file, "r"))


def _camera(stack: ExitStack, person: Person) -> "_Camera":
    return _Camera(_opened(stack, person))


def _decoded(container: InputContainer | None, kind: str) -> Iterator[av.VideoFrame | av.AudioFrame]:
    """Yield what can be decoded of a kind; what cannot is left out."""
    stream = next((stream for stream in container.streams if stream.type == kind), None) if container else None
    if container is None or stream is None:
        return
    if stream.type == "video":
        stream.codec_context.options = {"max_pixels": str(PIXELS_MAX)}
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except FFmpegError:
            continue
        for frame in frames:
            if isinstance(frame, av.VideoFrame | av.AudioFrame) and frame.time is not None:
                yield frame


class _Camera:
    """Somebody's picture along the recording."""

    def __init__(self, container: InputContainer | None) -> None:
        self._frames = _decoded(container, "video")
        self._now: av.VideoFrame | None = None
        self._next = self._following()

    def at(self, at_ms: int) -> av.VideoFrame | None:
        """Return what is seen at a moment; moments only grow."""
        while self._next is not None and _ms(self._next) <= at_ms + _EARLY_MS:
            self._now, self._next = self._next, self._following()
        if self._now is None or at_ms - _ms(self._now) > STALE_MS:
            return None
        return self._now

    def _following(self) -> av.VideoFrame | None:
        frame = next(self._frames, None)
        return frame if isinstance(frame, av.VideoFrame) else None


def _ms(frame: av.VideoFrame) -> int:
    return round((frame.time or 0) * 1000)


class _Voice:
    """Somebody's sound along the recording."""

    def __init__(self, container: InputContainer | None) -> None:
        self._pieces = self._resampled(container)
        self._begins = 0
        self._piece: Samples | None = np.zeros(0, np.float32)

    def take(self, begins: int, count: int) -> Samples:
        """Return the sound from one sample on; beginnings only grow. Where there is none, it is silent."""
        heard = np.zeros(count, np.float32)
        while self._piece is not None and self._begins < begins + count:
            first = max(begins, self._begins)
            last = min(begins + count, self._begins + len(self._piece))
            if first < last:
                heard[first - begins : last - begins] = self._piece[first - self._begins : last - self._begins]
            if self._begins + len(self._piece) > begins + count:
                break
            self._follow()
        return heard

    def _follow(self) -> None:
        ends = self._begins + (0 if self._piece is None else len(self._piece))
        begins, self._piece = next(self._pieces, (ends, None))
        self._begins = ends if abs(begins - ends) < _JITTER else begins

    @staticmethod
    def _resampled(container: InputContainer | None) -> Iterator[tuple[int, Samples]]:
        resampler = av.AudioResampler("fltp", "mono", SAMPLE_RATE)
        for frame in _decoded(container, "audio"):
            if isinstance(frame, av.AudioFrame):
                begins = round((frame.time or 0) * SAMPLE_RATE)
                frame.pts = None
                pieces = [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
                yield begins, np.concatenate(pieces, dtype=np.float32) if pieces else np.zeros(0, np.float32)


class _Canvas:
    """The picture of everybody, of which only what changes is drawn again."""

    def __init__(self, hearing: Hearing, cameras: Sequence[_Camera], lettering: Lettering) -> None:
        self._hearing = hearing
        self._cameras = cameras
        self._lettering = lettering
        self._tiles = tiles(len(cameras), WIDTH, HEIGHT)
        self._strip = strip(WIDTH, HEIGHT)
        self._seen: list[object] = ["" for _ in cameras]
        """What each tile shows now: a frame, a word, or at first nothing."""
        self._second = -1
        self._packed = np.full((HEIGHT * 3 // 2, WIDTH), _NEUTRAL, np.uint8)
        quarter = HEIGHT + HEIGHT // 4
        self._luma = self._packed[:HEIGHT]
        self._chroma = [
            plane.reshape(HEIGHT // 2, WIDTH // 2) for plane in (self._packed[HEIGHT:quarter], self._packed[quarter:])
        ]
        self._luma[:] = _GROUND
        self._resting: tuple[int, int] | None = None
        """The recess whose card is shown now."""
        self._name_tiles()

    def _name_tiles(self) -> None:
        for tile, person in zip(self._tiles, self._hearing.people, strict=True):
            self._write(tile.label, person.name, size=20, shade=_CLEAR, ground=_GROUND)

    def at(self, at_ms: int) -> av.VideoFrame:
        """Return the picture of a moment; moments only grow."""
        gap = next((gap for gap in self._hearing.gaps if gap[0] <= at_ms < gap[1]), None)
        self._rest(next((span for span in self._hearing.recesses if span[0] <= at_ms < span[1]), None))
        for index, camera in enumerate(self._cameras):
            frame = camera.at(at_ms)
            if self._resting is not None:
                continue
            if gap is not None:
                self._say(index, f"录像中断 {_clock(gap[0])}–{_clock(gap[1])}")
            elif frame is None:
                self._say(index, "没有画面")
            elif frame is not self._seen[index]:
                self._show(index, frame)
        if at_ms // 1000 != self._second:
            self._second = at_ms // 1000
            self._tell_time()
        return av.VideoFrame.from_ndarray(self._packed, format="yuv420p")

    def _rest(self, recess: tuple[int, int] | None) -> None:
        """Show a recess as one plain card in the place of all pictures, or the pictures again."""
        if recess == self._resting:
            return
        self._resting = recess
        self._seen = ["" for _ in self._cameras]
        above = Box(0, 0, WIDTH, self._strip.y)
        self._clear(above, _GROUND)
        if recess is None:
            self._name_tiles()
            return
        middle = above.height // 2
        self._write(Box(0, middle - 80, WIDTH, 80), "休会", size=56, shade=_CLEAR, ground=_GROUND)
        times = f"{_clock(recess[0])}–{_clock(recess[1])}，不录音录像"
        self._write(Box(0, middle + 8, WIDTH, LABEL), times, size=24, shade=_QUIET, ground=_GROUND)

    def _show(self, index: int, frame: av.VideoFrame) -> None:
        before, self._seen[index] = self._seen[index], frame
        into = self._tiles[index].picture
        box = fit(frame.width, frame.height, into)
        if not isinstance(before, av.VideoFrame) or (before.width, before.height) != (frame.width, frame.height):
            self._clear(into, _TILE)
        scaled = frame.reformat(width=box.width, height=box.height, format="yuv420p")
        self._luma[_rows(box), _columns(box)] = _plane(scaled.planes[0], box.width, box.height)
        half = Box(box.x // 2, box.y // 2, box.width // 2, box.height // 2)
        for chroma, plane in zip(self._chroma, scaled.planes[1:], strict=True):
            chroma[_rows(half), _columns(half)] = _plane(plane, half.width, half.height)

    def _say(self, index: int, words: str) -> None:
        if self._seen[index] == words:
            return
        self._seen[index] = words
        into = self._tiles[index].picture
        self._clear(into, _TILE)
        middle = Box(into.x, into.y + (into.height - LABEL) // 4 * 2, into.width, LABEL)
        self._write(middle, words, size=20, shade=_QUIET, ground=_TILE)

    def _tell_time(self) -> None:
        at = (self._hearing.started_at + timedelta(seconds=self._second)).astimezone(_BEIJING)
        words = f"{self._hearing.number}    {_clock(self._second * 1000)}    北京时间 {at:%Y-%m-%d %H:%M:%S}"
        self._write(self._strip, words, size=22, shade=_CLEAR, ground=_GROUND)

    def _clear(self, box: Box, shade: int) -> None:
        self._luma[_rows(box), _columns(box)] = shade
        half = Box(box.x // 2, box.y // 2, box.width // 2, box.height // 2)
        for chroma in self._chroma:
            chroma[_rows(half), _columns(half)] = _NEUTRAL

    def _write(self, box: Box, words: str, *, size: int, shade: int, ground: int) -> None:
        coverage = self._lettering.line(words, size, box.width, box.height).astype(np.uint16)
        self._luma[_rows(box), _columns(box)] = ground + coverage * (shade - ground) // 255


def _rows(box: Box) -> slice:
    return slice(box.y, box.y + box.height)


def _columns(box: Box) -> slice:
    return slice(box.x, box.x + box.width)


def _plane(plane: VideoPlane, width: int, height: int) -> Shades:
    lines: Shades = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return lines[:height, :width]


def _clock(elapsed_ms: int) -> str:
    minutes, seconds = divmod(elapsed_ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}"


class _Writer:
    """Encodes H.264 and AAC, as every player takes them."""

    def __init__(self, container: OutputContainer) -> None:
        self._container = container
        self._picture = container.add_stream("libx264", rate=FRAME_RATE, options=_PICTURE_OPTIONS)
        self._picture.width, self._picture.height, self._picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        self._picture.codec_context.time_base = Fraction(1, FRAME_RATE)
        self._picture.codec_context.gop_size = 2 * FRAME_RATE
        self._picture.codec_context.thread_count = 2
        self._sound = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        self._sound.bit_rate = 96_000

    def write(self, number: int, shown: av.VideoFrame, heard: Samples) -> None:
        """Write one frame and its sound."""
        shown.pts, shown.time_base = number, Fraction(1, FRAME_RATE)
        self._container.mux(self._picture.encode(shown))
        frame = av.AudioFrame.from_ndarray(heard.reshape(1, -1), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, number * _SAMPLES
        frame.time_base = Fraction(1, SAMPLE_RATE)
        self._container.mux(self._sound.encode(frame))

    def finish(self) -> None:
        """Write what the encoders still hold."""
        self._container.mux(self._picture.encode(None))
        self._container.mux(self._sound.encode(None))
