"""A signature as a finger writes it: 高秀兰 in strokes with time, and its picture.

The strokes were drawn for this project, each as a few points of the unit square of its character; a curve is laid
through them, a hand's unevenness added, and time given in proportion to length.
"""

from __future__ import annotations

import io
import math
import random
from dataclasses import dataclass
from itertools import pairwise
from typing import TypedDict

from PIL import Image, ImageDraw

Point = tuple[float, float]

PAD_SIZE = (350, 170)
"""The pad's size in CSS pixels, about that of a phone 390 pixels wide."""
_PICTURE_SCALE = 2
_CHARACTER_SIZE = 96.0
_CHARACTER_STEP = 104.0
_ORIGIN = (24.0, 36.0)
_SPEED = 0.42
"""Pixels a millisecond."""
_LIFT_MS = 95
"""From the end of a stroke to the next one's beginning, besides the way between them."""
_SAMPLE_PX = 5.0
_INK = 24
"""Grey of the ink, 0 black to 255 white."""

_GAO: tuple[tuple[Point, ...], ...] = (
    ((0.48, 0.02), (0.55, 0.10)),
    ((0.10, 0.19), (0.50, 0.16), (0.92, 0.14)),
    ((0.32, 0.27), (0.35, 0.42)),
    ((0.33, 0.28), (0.68, 0.26), (0.64, 0.40), (0.37, 0.41)),
    ((0.14, 0.54), (0.13, 0.98)),
    ((0.15, 0.55), (0.55, 0.51), (0.88, 0.52), (0.87, 0.92), (0.77, 0.88)),
    ((0.34, 0.66), (0.37, 0.82)),
    ((0.35, 0.67), (0.67, 0.65), (0.62, 0.80), (0.38, 0.81)),
)
_XIU: tuple[tuple[Point, ...], ...] = (
    ((0.66, 0.03), (0.50, 0.09), (0.32, 0.12)),
    ((0.10, 0.25), (0.50, 0.21), (0.92, 0.20)),
    ((0.50, 0.10), (0.51, 0.50)),
    ((0.49, 0.23), (0.34, 0.38), (0.08, 0.48)),
    ((0.52, 0.23), (0.70, 0.37), (0.95, 0.45)),
    ((0.24, 0.57), (0.66, 0.55), (0.58, 0.68), (0.82, 0.68), (0.78, 0.92), (0.64, 0.92)),
    ((0.42, 0.57), (0.38, 0.78), (0.14, 0.98)),
)
_LAN: tuple[tuple[Point, ...], ...] = (
    ((0.30, 0.06), (0.40, 0.20)),
    ((0.72, 0.02), (0.62, 0.20)),
    ((0.22, 0.31), (0.50, 0.28), (0.80, 0.27)),
    ((0.28, 0.57), (0.50, 0.55), (0.74, 0.54)),
    ((0.08, 0.88), (0.50, 0.84), (0.94, 0.85)),
)


class StrokePoint(TypedDict):
    """One point: CSS pixels of the pad, milliseconds since the first touch, pressure 0 to 1."""

    x: float
    y: float
    t_ms: int
    pressure: float


@dataclass(frozen=True, slots=True)
class Signature:
    """Strokes in the order they were written."""

    strokes: list[list[StrokePoint]]

    @property
    def duration_s(self) -> float:
        """Seconds from the first touch to the last."""
        return self.strokes[-1][-1]["t_ms"] / 1000

    def picture(self) -> bytes:
        """Return it in black on white, as PNG."""
        scale = _PICTURE_SCALE * 2
        paper = Image.new("L", (PAD_SIZE[0] * scale, PAD_SIZE[1] * scale), 255)
        draw = ImageDraw.Draw(paper)
        for stroke in self.strokes:
            for start, end in pairwise(stroke):
                _draw_segment(draw, start, end, scale)
        small = paper.resize((PAD_SIZE[0] * _PICTURE_SCALE, PAD_SIZE[1] * _PICTURE_SCALE), Image.Resampling.LANCZOS)
        file = io.BytesIO()
        small.save(file, "PNG", optimize=True)
        return file.getvalue()


def write_signature(seed: int | None = None) -> Signature:
    """Write 高秀兰. Each ``seed`` writes it a little differently, as a hand does; None takes a new one."""
    hand = random.Random(seed)
    strokes: list[list[StrokePoint]] = []
    now_ms, last = 0.0, None
    for position, character in enumerate((_GAO, _XIU, _LAN)):
        left = _ORIGIN[0] + position * _CHARACTER_STEP + hand.uniform(-3, 3)
        top = _ORIGIN[1] + hand.uniform(-5, 5)
        size = _CHARACTER_SIZE * hand.uniform(0.94, 1.04)
        for unit_points in character:
            points = [
                (left + size * (x + hand.uniform(-0.018, 0.018)), top + size * (y + hand.uniform(-0.018, 0.018)))
                for x, y in unit_points
            ]
            if last is not None:
                now_ms += _LIFT_MS + math.dist(last, points[0]) / _SPEED * 0.6
            stroke = _timed(_smooth(points), now_ms, hand)
            now_ms, last = stroke[-1]["t_ms"], points[-1]
            strokes.append(stroke)
    return Signature(strokes)


def _smooth(points: list[Point]) -> list[Point]:
    """Lay a Catmull-Rom curve through the points, with one point every few pixels."""
    padded = [points[0], *points, points[-1]]
    curve: list[Point] = []
    for before, start, end, after in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        steps = max(3, round(math.dist(start, end) / _SAMPLE_PX))
        curve.extend(_between(before, start, end, after, n / steps) for n in range(steps))
    return [*curve, points[-1]]


def _between(before: Point, start: Point, end: Point, after: Point, t: float) -> Point:
    def along(a: float, b: float, c: float, d: float) -> float:
        return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)

    return along(before[0], start[0], end[0], after[0]), along(before[1], start[1], end[1], after[1])


def _timed(points: list[Point], start_ms: float, hand: random.Random) -> list[StrokePoint]:
    speed = _SPEED * hand.uniform(0.8, 1.2)
    stroke: list[StrokePoint] = []
    now_ms, last = start_ms, points[0]
    for n, point in enumerate(points):
        now_ms += math.dist(last, point) / speed
        last = point
        # A stroke is pressed in its middle and lifted at its end.
        pressure = 0.35 + 0.4 * math.sin(math.pi * (0.15 + 0.8 * n / max(1, len(points) - 1)))
        stroke.append(
            {"x": round(point[0], 2), "y": round(point[1], 2), "t_ms": round(now_ms), "pressure": round(pressure, 2)}
        )
    return stroke


def _draw_segment(draw: ImageDraw.ImageDraw, start: StrokePoint, end: StrokePoint, scale: int) -> None:
    steps = max(1, round(math.dist((start["x"], start["y"]), (end["x"], end["y"])) * 2))
    for n in range(steps + 1):
        t = n / steps
        x = (start["x"] + (end["x"] - start["x"]) * t) * scale
        y = (start["y"] + (end["y"] - start["y"]) * t) * scale
        radius = (0.6 + 1.5 * (start["pressure"] + (end["pressure"] - start["pressure"]) * t)) * scale
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_INK)
