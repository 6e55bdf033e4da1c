"""The files for Chromium's fake devices."""

import wave
from collections.abc import Callable

import av
import numpy as np
import pytest

from tests.support.clips import FRAME_RATE, Clip, applicant_clip, prosecutor_clip


@pytest.mark.parametrize("make", [applicant_clip, prosecutor_clip])
def test_a_clip_has_picture_and_sound_of_equal_length(make: Callable[[], Clip]) -> None:
    clip = make()
    with wave.open(str(clip.sound)) as sound:
        seconds = sound.getnframes() / sound.getframerate()
        samples = np.frombuffer(sound.readframes(sound.getnframes()), dtype=np.int16)
    assert np.abs(samples).max() > 5000
    with av.open(str(clip.picture), format="mjpeg") as container:
        frames = list(container.decode(video=0))
    assert len(frames) == seconds * FRAME_RATE
    assert (frames[0].width, frames[0].height) == (640, 480)
    assert clip.picture.stat().st_size < 10_000_000


def test_the_two_people_are_told_apart_by_their_rooms() -> None:
    corners = []
    for clip in (applicant_clip(), prosecutor_clip()):
        with av.open(str(clip.picture), format="mjpeg") as container:
            frame = next(container.decode(video=0)).to_ndarray(format="rgb24")
        corners.append(frame[10:40, 10:40].mean(axis=(0, 1)))
    green, blue = corners
    assert green[1] > green[2]
    assert blue[2] > blue[1]
