"""The sentences the simulated applicant can say, decoded once from the Opus files beside this module."""

from __future__ import annotations

import enum
from functools import cache
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 48_000
"""Samples a second, as Opus in WebRTC has it (RFC 7587 §4.1)."""
VOICE_DIRECTORY = Path(__file__).parent / "voice"

Samples = npt.NDArray[np.int16]


class Utterance(enum.Enum):
    """One sentence each; the value is the file's name, the words stand in tools/render_voice/sentences.json."""

    GREETING = "greeting"
    CLEAR = "clear"
    CONSENT = "consent"
    CARD_FRONT = "card_front"
    CARD_BACK = "card_back"
    CARD_LOWERED = "card_lowered"
    NUMBER = "number"
    TURN = "turn"
    LISTENING = "listening"
    MOMENT = "moment"
    ALL_RIGHT = "all_right"
    LOUDER = "louder"
    AGREE = "agree"
    OBJECT = "object"
    SIGNED = "signed"
    OWN_WILL = "own_will"
    BACK_AGAIN = "back_again"
    THANKS = "thanks"


@cache
def samples_of(utterance: Utterance) -> Samples:
    """Return the sentence as mono samples at 48 kHz. Decoding takes some 10 ms, once."""
    return decode(VOICE_DIRECTORY / f"{utterance.value}.webm")


def decode(path: Path) -> Samples:
    """Return a sound file as mono samples at 48 kHz."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    frames: list[av.AudioFrame] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            frames.extend(resampler.resample(frame))
    frames.extend(resampler.resample(None))
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames]).astype(np.int16)
