"""What the simulated applicant says and shows, as a function of time: no network, no clock of its own.

The sound asks for its next samples and the picture for its pose; both are told the time, so that a test or a clip can
play faster than life.
"""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass

import numpy as np

from web.simulator.drawing import MOUTHS, Pose, Side
from web.simulator.voice import SAMPLE_RATE, Samples, Utterance, samples_of

LONGEST_QUEUE = 4
"""Sentences waiting to be said. When full a new one is left out, as by a person asked too much at once."""
RISE_S = 0.7
FLIP_S = 0.6
TURN_S = 3.0
COVER_S = 4.0
_BLINK_S = 0.14
_ROOM_NOISE = 12
"""Amplitude of the quiet room, of 32767: about -70 dBFS, so that silence is a microphone's and not a dead line's."""
_LOUDEST_RMS = 5200.0


@dataclass(frozen=True, slots=True)
class _CardChange:
    """The card was told at ``at_s`` to go from one state to another (None: out of sight)."""

    at_s: float
    before: Side | None
    after: Side | None


class Performance:
    """One person's sentences, card and small movements. Times are seconds of any steady clock."""

    def __init__(self, *, seed: int = 7) -> None:
        """Start silent, without a card. ``seed`` decides when she blinks."""
        self._waiting: deque[Samples] = deque()
        self._speaking: Samples | None = None
        self._position = 0
        self._loudness = 0.0
        self._change = _CardChange(-60.0, None, None)
        self._turned_at_s = -60.0
        self._covered_at_s = -60.0
        self._random = random.Random(seed)
        self._next_blink_s: float | None = None
        self._noise = np.random.default_rng(seed)

    def say(self, utterance: Utterance) -> float:
        """Say a sentence after those still waiting. Return seconds until it is said; 0.0 when it was left out."""
        return self.say_samples(samples_of(utterance))

    def say_samples(self, samples: Samples) -> float:
        """Say what is not one of the known sentences; otherwise like ``say``."""
        if len(self._waiting) >= LONGEST_QUEUE:
            return 0.0
        self._waiting.append(samples)
        left = 0 if self._speaking is None else len(self._speaking) - self._position
        return (left + sum(len(each) for each in self._waiting)) / SAMPLE_RATE

    def show_card(self, side: Side | None, now_s: float) -> float:
        """Raise the card, turn it over or lower it (None). Return the seconds this takes."""
        if self._change.after is side:
            return 0.0
        self._change = _CardChange(now_s, self._change.after, side)
        return FLIP_S if self._change.before is not None and side is not None else RISE_S

    def turn_head(self, now_s: float) -> float:
        """Turn the head slowly left, right and back. Return the seconds this takes."""
        self._turned_at_s = now_s
        return TURN_S

    def cover_photograph(self, now_s: float) -> float:
        """Lay a finger on a corner of the card's photograph and take it away. Return the seconds this takes."""
        self._covered_at_s = now_s
        return COVER_S

    @property
    def silent(self) -> bool:
        """Whether nothing is being said or waiting to be."""
        return self._speaking is None and not self._waiting

    @property
    def card(self) -> Side | None:
        """The side held up, or being held up."""
        return self._change.after

    def next_samples(self, count: int) -> Samples:
        """Return the next ``count`` samples of sound: speech where there is some, the quiet room elsewhere."""
        sound = self._noise.integers(-_ROOM_NOISE, _ROOM_NOISE + 1, size=count, dtype=np.int16)
        filled = 0
        while filled < count:
            if self._speaking is None:
                if not self._waiting:
                    break
                self._speaking, self._position = self._waiting.popleft(), 0
            part = self._speaking[self._position : self._position + count - filled]
            sound[filled : filled + len(part)] += part
            filled += len(part)
            self._position += len(part)
            if self._position >= len(self._speaking):
                self._speaking = None
        rms = float(np.sqrt(np.mean(np.square(sound.astype(np.float32)))))
        # The mouth follows the voice with a little weight, as lips do.
        self._loudness += 0.45 * (min(1.0, rms / _LOUDEST_RMS) - self._loudness)
        return sound

    def pose(self, now_s: float) -> Pose:
        """Return how she looks at ``now_s``."""
        rise, width, side = self._card_at(now_s)
        return Pose(
            mouth=min(MOUTHS - 1, int(self._loudness * (MOUTHS + 1))) if self._loudness > 0.06 else 0,
            eyes_shut=self._blinks(now_s),
            head_x=round(4 * math.sin(now_s * 0.7) + 2 * math.sin(now_s * 1.9)),
            head_y=round(2 * math.sin(now_s * 1.1) + 2 * self._loudness),
            body_y=round(1.5 * math.sin(now_s * 1.3)),
            turn_x=self._turn_at(now_s),
            card=side,
            card_rise=rise,
            card_width=width,
            card_tilt_deg=(5 if side is Side.BACK else 2) * math.sin(now_s * 0.9) if width >= 1 else 0.0,
            finger=self._finger_at(now_s),
        )

    def _card_at(self, now_s: float) -> tuple[float, float, Side | None]:
        """Return rise, width and side of the card."""
        change = self._change
        elapsed_s = now_s - change.at_s
        if change.before is not None and change.after is not None:
            progress = min(1.0, elapsed_s / FLIP_S)
            return 1.0, abs(math.cos(math.pi * progress)), change.before if progress < 0.5 else change.after
        eased = _ease(min(1.0, max(0.0, elapsed_s / RISE_S)))
        if change.after is not None:
            return eased, 1.0, change.after
        return 1.0 - eased, 1.0, change.before if eased < 1 else None

    def _turn_at(self, now_s: float) -> int:
        elapsed_s = now_s - self._turned_at_s
        if not 0 <= elapsed_s < TURN_S:
            return 0
        return round(30 * math.sin(2 * math.pi * elapsed_s / TURN_S))

    def _finger_at(self, now_s: float) -> float:
        elapsed_s = now_s - self._covered_at_s - RISE_S
        if not 0 <= elapsed_s < COVER_S:
            return 0.0
        return _ease(min(1.0, elapsed_s, COVER_S - elapsed_s))

    def _blinks(self, now_s: float) -> bool:
        if self._next_blink_s is None or now_s > self._next_blink_s + _BLINK_S:
            self._next_blink_s = now_s + self._random.uniform(1.8, 4.5)
        return now_s >= self._next_blink_s


def _ease(progress: float) -> float:
    """Start and stop softly."""
    return progress * progress * (3 - 2 * progress)
