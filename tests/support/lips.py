"""Measures how far sound and picture are apart in a film of `clips.flash_clip`."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import BinaryIO

import av
import numpy as np

LIT = 128
_HOP_S = 0.002
_WINDOW_S = 0.010
_APART_S = 0.5
_PURE = 0.6


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the picture, in pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Flash:
    """It came on between the last dark picture and the first bright one (seconds)."""

    dark_s: float
    lit_s: float


@dataclass(frozen=True, slots=True)
class Lips:
    """By how many ms beeps came after the bright picture, and after the dark one before it; negative: before."""

    after_lit_ms: tuple[float, ...]
    after_dark_ms: tuple[float, ...]

    def errors_ms(self, true_ms: float) -> list[float]:
        """Return by how much sound and picture are out of step, when at the devices beeps come `true_ms` after flashes.

        Nobody can tell when, between two pictures, the light came on: anything in between is in step.
        """
        both = zip(self.after_lit_ms, self.after_dark_ms, strict=True)
        return [max(0.0, lit - true_ms, true_ms - dark) for lit, dark in both]

    def told(self, true_ms: float) -> str:
        """Return what was measured, in words."""
        offsets = [offset - true_ms for offset in self.after_lit_ms]
        worst = max(offsets, key=abs)
        count = len(offsets)
        return f"sound {median(offsets):+.0f} ms after the picture (median of {count}; at most {worst:+.0f})"


@dataclass(frozen=True, slots=True)
class Film:
    """When a film of flashes and beeps flashes and beeps (seconds)."""

    flashes: tuple[Flash, ...]
    beeps: tuple[float, ...]

    def lips(self) -> Lips:
        """Return the offsets of all flashes that have a beep within half a second."""
        lit = self.flashes if self.beeps else ()
        nearest = [(flash, min(self.beeps, key=lambda beep: abs(beep - flash.lit_s))) for flash in lit]
        near = [(flash, beep) for flash, beep in nearest if abs(beep - flash.lit_s) < _APART_S]
        return Lips(
            tuple(1000 * (beep - flash.lit_s) for flash, beep in near),
            tuple(1000 * (beep - flash.dark_s) for flash, beep in near),
        )

    def shifts_from(self, source: "Film") -> tuple[list[float], list[float]]:
        """Return by how many ms each flash and each beep of the film that this was made of came later here."""
        return (
            _shifts([flash.lit_s for flash in source.flashes], [flash.lit_s for flash in self.flashes]),
            _shifts(source.beeps, self.beeps),
        )


def _shifts(before: Sequence[float], after: Sequence[float]) -> list[float]:
    return [1000 * min((moment - was for moment in after), key=abs, default=_APART_S) for was in before]


def watch(film: BinaryIO, hertz: int, region: Region | None = None) -> Film:
    """Watch a film, or a region of it, and listen for a tone of this pitch."""
    return Film(tuple(flashes(film, region)), tuple(beeps(film, hertz)))


def flashes(film: BinaryIO, region: Region | None = None) -> list[Flash]:
    """Return when the picture turned bright."""
    film.seek(0)
    found: list[Flash] = []
    dark_s: float | None = None
    with av.open(film, "r") as container:
        for frame in container.decode(video=0):
            luma = frame.to_ndarray(format="gray")
            if region is not None:
                luma = luma[region.y : region.y + region.height, region.x : region.x + region.width]
            at_s = float(frame.time or 0)
            is_lit = bool(luma.mean() > LIT)
            if is_lit and dark_s is not None:
                found.append(Flash(dark_s, at_s))
            dark_s = None if is_lit else at_s
    return found


def beeps(film: BinaryIO, hertz: int) -> list[float]:
    """Return when a tone of this pitch set in, in seconds."""
    film.seek(0)
    pieces: list[np.ndarray] = []
    begins: float | None = None
    with av.open(film, "r") as container:
        resampler = av.AudioResampler("fltp", "mono", 48_000)
        for frame in container.decode(audio=0):
            begins = float(frame.time or 0) if begins is None else begins
            frame.pts = None
            pieces += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
    if not pieces:
        return []
    return [(begins or 0) + at for at in _onsets(np.concatenate(pieces), hertz)]


def _onsets(samples: np.ndarray, hertz: int) -> Sequence[float]:
    turning = np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / 48_000)
    window, hop = round(_WINDOW_S * 48_000), round(_HOP_S * 48_000)
    level = np.abs(_windows(samples * turning, window))[::hop]
    # A tone of this pitch alone would make all of the sound's energy.
    purity = level / np.sqrt(np.abs(_windows(samples.astype(np.float64) ** 2, window))[::hop] * window / 2 + 1e-9)
    loud = (level > level.max() / 3) & (purity > _PURE)
    found: list[float] = []
    for index in np.flatnonzero(loud[1:] & ~loud[:-1]):
        # A third of the full level is reached when a third of the window sounds.
        at = float(index + 1) * _HOP_S + _WINDOW_S * 2 / 3
        if not found or at - found[-1] > _APART_S:
            found.append(at)
    return found


def _windows(values: np.ndarray, window: int) -> np.ndarray:
    summed = np.concatenate(([0], np.cumsum(values)))
    return summed[window:] - summed[:-window]
