"""Camera and microphone files for Chromium's fake devices, out of the simulated applicant's drawing and voice.

Made once and kept under ``var/clips``; made anew when the drawing, the voice or the play below changes. Chromium plays
a Motion-JPEG file at 30 frames a second and begins again at its end, and so with the sound; both last equally long.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import struct
import tempfile
import wave
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

import web.simulator
from web.simulator.drawing import Drawing, Side
from web.simulator.figure import APPLICANT_LOOK, PROSECUTOR_LOOK
from web.simulator.performance import Performance
from web.simulator.person import DEMO_APPLICANT
from web.simulator.voice import SAMPLE_RATE, Utterance, decode

CLIPS = Path(__file__).parents[2] / "var" / "clips"
FRAME_RATE = 30
_SAMPLES_A_FRAME = SAMPLE_RATE // FRAME_RATE
FLASH_EVERY_S = 2
_JPEG_QUALITY = 82
_PROSECUTOR_VOICE = Path(__file__).parent / "voice"

Act = Callable[[Performance, float], object]
Play = tuple[tuple[float, Act], ...]
"""What happens at which second."""

_APPLICANT_PLAY: Play = (
    (0.3, lambda her, _: her.say(Utterance.GREETING)),
    (2.5, lambda her, _: her.say(Utterance.CLEAR)),
    (5.2, lambda her, _: her.say(Utterance.CARD_FRONT)),
    (5.6, lambda her, now_s: her.show_card(Side.FRONT, now_s)),
    (8.5, lambda her, _: her.say(Utterance.CARD_BACK)),
    (8.7, lambda her, now_s: her.show_card(Side.BACK, now_s)),
    (10.9, lambda her, now_s: her.show_card(None, now_s)),
    (11.2, lambda her, _: her.say(Utterance.AGREE)),
)
_APPLICANT_LENGTH_S = 14
_PROSECUTOR_PLAY: Play = (
    (0.3, lambda him, _: him.say_samples(decode(_PROSECUTOR_VOICE / "greeting.webm"))),
    (4.2, lambda him, _: him.say_samples(decode(_PROSECUTOR_VOICE / "card_front.webm"))),
    (7.2, lambda him, _: him.say_samples(decode(_PROSECUTOR_VOICE / "reading.webm"))),
)
_PROSECUTOR_LENGTH_S = 12


@dataclass(frozen=True, slots=True)
class Clip:
    """A camera's and a microphone's file."""

    picture: Path
    sound: Path

    @property
    def chromium_arguments(self) -> list[str]:
        """The switches that make Chromium use this clip instead of a camera and a microphone, without asking."""
        return [
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={self.picture}",
            f"--use-file-for-fake-audio-capture={self.sound}",
        ]


def applicant_clip() -> Clip:
    """高秀兰: says who she is, holds up her card's front at 6-8.5 s and its back at 9.5-11 s, and agrees."""
    return _clip(
        "applicant", lambda: Drawing(APPLICANT_LOOK, DEMO_APPLICANT), _APPLICANT_PLAY, length_s=_APPLICANT_LENGTH_S
    )


def prosecutor_clip() -> Clip:
    """王志远, in a dark blue suit: greets, asks for the card, reads the decision out."""
    return _clip("prosecutor", lambda: Drawing(PROSECUTOR_LOOK), _PROSECUTOR_PLAY, length_s=_PROSECUTOR_LENGTH_S)


def flash_clip(hertz: int = 1000) -> Clip:
    """A dark room in which, every two seconds, a white picture and a beep come at the same instant, for 0.2 s."""
    lit, dark = _plain(235), _plain(24)
    frames = range(FLASH_EVERY_S * FRAME_RATE)
    beep = [round(12_000 * math.sin(2 * math.pi * hertz * n / SAMPLE_RATE)) for n in range(SAMPLE_RATE // 5)]
    silence = [0] * (SAMPLE_RATE // 2)
    sound = silence + beep + [0] * (FLASH_EVERY_S * SAMPLE_RATE - len(silence) - len(beep))
    first, count = FRAME_RATE // 2, FRAME_RATE // 5
    pictures = [lit if first <= number < first + count else dark for number in frames]
    return _kept(f"flash-{hertz}", lambda: (pictures * 2, [struct.pack(f"<{len(sound)}h", *sound)] * 2))


def _plain(shade: int) -> bytes:
    jpeg = io.BytesIO()
    Image.new("RGB", (640, 480), (shade, shade, shade)).save(jpeg, "JPEG", quality=_JPEG_QUALITY, subsampling=2)
    return jpeg.getvalue()


def _clip(name: str, drawing: Callable[[], Drawing], play: Play, *, length_s: int) -> Clip:
    def made() -> tuple[list[bytes], list[bytes]]:
        frames = list(_perform(drawing(), play, length_s=length_s))
        return [picture for picture, _ in frames], [sound for _, sound in frames]

    return _kept(name, made)


def _kept(name: str, make: Callable[[], tuple[list[bytes], list[bytes]]]) -> Clip:
    stem = f"{name}-{_fingerprint()}"
    clip = Clip(CLIPS / f"{stem}.mjpeg", CLIPS / f"{stem}.wav")
    if not (clip.picture.exists() and clip.sound.exists()):
        CLIPS.mkdir(parents=True, exist_ok=True)
        pictures, sounds = make()
        _put(clip.picture, b"".join(pictures))
        _put(clip.sound, _wav(b"".join(sounds)))
    return clip


def _perform(drawing: Drawing, play: Play, *, length_s: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield each frame's JPEG and its samples."""
    performance = Performance()
    acts = list(play)
    for frame in range(length_s * FRAME_RATE):
        now_s = frame / FRAME_RATE
        while acts and acts[0][0] <= now_s:
            acts.pop(0)[1](performance, now_s)
        sound = performance.next_samples(_SAMPLES_A_FRAME)
        jpeg = io.BytesIO()
        # 4:2:0 is what Chromium's MJPEG reader takes.
        drawing.picture(performance.pose(now_s)).save(jpeg, "JPEG", quality=_JPEG_QUALITY, subsampling=2)
        yield jpeg.getvalue(), sound.tobytes()


def _wav(samples: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes(samples)
    return file.getvalue()


def _put(path: Path, data: bytes) -> None:
    """Write all or nothing: another test process may be making the same file."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".making-")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    Path(name).replace(path)


def _fingerprint() -> str:
    """Return a digest of everything a clip is made from."""
    package = Path(web.simulator.__file__).parent
    sources = [Path(__file__), *sorted(_PROSECUTOR_VOICE.glob("*.webm")), *sorted(package.glob("voice/*.webm"))]
    sources += [package / f"{name}.py" for name in ("card", "drawing", "figure", "performance", "person")]
    sources.append(package.parent / "lettering.py")
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:12]
