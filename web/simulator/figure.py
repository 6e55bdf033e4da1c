"""The layers of a drawn person: ground, body, head, features, hand. Coordinates are pixels of the 640 x 480 picture."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageDraw

SIZE = (640, 480)
_SCALE = 2
"""Layers are drawn twice as large and reduced, for smooth edges."""
_BELOW = 40
"""Pixels drawn below the picture, so that a body that moves up does not show its edge."""

Rgb = tuple[int, int, int]
Point = tuple[float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Look:
    """The colours of a person and of the room behind. ``collar`` makes the clothes a suit."""

    skin: Rgb
    hair: Rgb
    clothes: Rgb
    collar: Rgb | None
    lips: Rgb
    ground_near: Rgb
    ground_far: Rgb
    long_hair: bool


APPLICANT_LOOK = Look(
    skin=(217, 168, 130),
    hair=(42, 35, 32),
    clothes=(122, 59, 58),
    collar=None,
    lips=(156, 90, 74),
    ground_near=(91, 112, 97),
    ground_far=(50, 63, 57),
    long_hair=True,
)
PROSECUTOR_LOOK = Look(
    skin=(226, 182, 148),
    hair=(29, 25, 22),
    clothes=(32, 48, 73),
    collar=(236, 240, 245),
    lips=(156, 90, 74),
    ground_near=(121, 134, 150),
    ground_far=(78, 92, 109),
    long_hair=False,
)


@dataclass(frozen=True, slots=True)
class Layer:
    """An RGBA image cut to what is drawn on it, and where it belongs."""

    image: Image.Image
    at: tuple[int, int]

    def lay(self, picture: Image.Image, x: int, y: int) -> None:
        """Paste it onto ``picture``, moved by ``x`` and ``y``."""
        picture.paste(self.image, (self.at[0] + x, self.at[1] + y), self.image)


class _Pencil:
    """Draws in final pixels on the enlarged layer."""

    def __init__(self) -> None:
        self._image = Image.new("RGBA", (SIZE[0] * _SCALE, (SIZE[1] + _BELOW) * _SCALE), (0, 0, 0, 0))
        self._draw = ImageDraw.Draw(self._image)

    def ellipse(self, box: Box, fill: Rgb) -> None:
        self._draw.ellipse([each * _SCALE for each in box], fill=fill)

    def box(self, box: Box, radius: float, fill: Rgb) -> None:
        self._draw.rounded_rectangle([each * _SCALE for each in box], radius * _SCALE, fill=fill)

    def shape(self, points: list[Point], fill: Rgb) -> None:
        self._draw.polygon([(x * _SCALE, y * _SCALE) for x, y in points], fill=fill)

    def stroke(self, start: Point, bend: Point, end: Point, *, width: float, fill: Rgb) -> None:
        """Draw a curved line with round ends."""
        radius = width / 2
        for x, y in _curve(start, bend, end):
            self.ellipse((x - radius, y - radius, x + radius, y + radius), fill)

    def layer(self) -> Layer:
        small = self._image.resize((SIZE[0], SIZE[1] + _BELOW), Image.Resampling.LANCZOS)
        box = small.getbbox() or (0, 0, 1, 1)
        return Layer(small.crop(box), (box[0], box[1]))


def _curve(start: Point, bend: Point, end: Point, steps: int = 60) -> list[Point]:
    """Return points of the quadratic Bézier curve."""
    points = []
    for n in range(steps + 1):
        t = n / steps
        a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t * t
        points.append((a * start[0] + b * bend[0] + c * end[0], a * start[1] + b * bend[1] + c * end[1]))
    return points


def _shade(colour: Rgb, factor: float) -> Rgb:
    red, green, blue = (min(255, round(each * factor)) for each in colour)
    return red, green, blue


def ground(look: Look) -> Image.Image:
    """Return the room behind: a soft diagonal from near to far."""
    # Larger than the picture, so that its corners stay outside when it is turned.
    ramp = Image.linear_gradient("L").resize((1000, 860)).rotate(-24, Image.Resampling.BICUBIC)
    left, top = (ramp.width - SIZE[0]) // 2, (ramp.height - SIZE[1]) // 2
    mask = ramp.crop((left, top, left + SIZE[0], top + SIZE[1]))
    return Image.composite(Image.new("RGB", SIZE, look.ground_far), Image.new("RGB", SIZE, look.ground_near), mask)


def body(look: Look) -> Layer:
    """Return shoulders, clothes and neck."""
    pencil = _Pencil()
    pencil.ellipse((92, 350, 548, 820), look.clothes)
    if look.collar is None:
        pencil.ellipse((262, 338, 378, 396), _shade(look.clothes, 0.86))
    else:
        pencil.shape([(272, 358), (368, 358), (320, 470)], look.collar)
        pencil.shape([(310, 384), (330, 384), (336, 460), (320, 476), (304, 460)], _shade(look.clothes, 0.7))
        pencil.shape([(258, 352), (280, 352), (322, 478), (286, 478)], _shade(look.clothes, 0.82))
        pencil.shape([(382, 352), (360, 352), (318, 478), (354, 478)], _shade(look.clothes, 0.82))
    pencil.box((282, 270, 358, 384), 34, _shade(look.skin, 0.93))
    return pencil.layer()


def head(look: Look) -> Layer:
    """Return hair, face and fringe."""
    pencil = _Pencil()
    if look.long_hair:
        pencil.box((216, 36, 424, 292), 98, look.hair)
        pencil.box((216, 150, 262, 296), 22, look.hair)
        pencil.box((378, 150, 424, 296), 22, look.hair)
    else:
        pencil.ellipse((226, 36, 414, 256), look.hair)
        pencil.ellipse((222, 184, 246, 228), _shade(look.skin, 0.95))
        pencil.ellipse((394, 184, 418, 228), _shade(look.skin, 0.95))
    pencil.ellipse((234, 78, 406, 316), look.skin)
    edge = _curve((231, 168), (316, 160), (376, 100))
    pencil.shape([*edge, (398, 150), (408, 168), (403, 100), (370, 56), (320, 40), (270, 56), (238, 100)], look.hair)
    return pencil.layer()


def features(look: Look, mouth: int, *, eyes_shut: bool) -> Layer:
    """Return brows, eyes, cheeks and mouth; ``mouth`` 0 (closed, a slight smile) to 4 (wide)."""
    pencil = _Pencil()
    dark = (42, 35, 32)
    for x in (287, 353):
        pencil.stroke((x - 15, 181), (x, 173), (x + 15, 181), width=4, fill=_shade(look.hair, 1.25))
        if eyes_shut:
            pencil.stroke((x - 9, 205), (x, 210), (x + 9, 205), width=4, fill=dark)
        else:
            pencil.ellipse((x - 8, 196, x + 8, 212), dark)
            pencil.ellipse((x + 1, 199, x + 5, 203), (235, 235, 235))
    pencil.stroke((318, 222), (324, 236), (315, 238), width=3.5, fill=_shade(look.skin, 0.86))
    if mouth == 0:
        pencil.stroke((296, 264), (320, 281), (344, 264), width=5.5, fill=look.lips)
    else:
        half, tall = 23 - mouth, 5 + 2.9 * mouth
        pencil.ellipse((320 - half, 270 - tall, 320 + half, 270 + tall), look.lips)
        inner = tall - 4.5
        if inner > 1.5:
            pencil.ellipse((324 - half, 270 - inner, 316 + half, 270 + inner), (92, 40, 36))
            pencil.box((328 - half, 270 - inner, 312 + half, 270 - inner + min(5, inner)), 2, (240, 236, 230))
    return pencil.layer()


def finger(look: Look) -> Layer:
    """Return the finger of the other hand that points to the left."""
    pencil = _Pencil()
    pencil.box((0, 4, 260, 46), 21, _shade(look.skin, 0.94))
    pencil.box((5, 10, 29, 36), 11, _shade(look.skin, 1.07))
    return pencil.layer()


def hand(look: Look) -> Layer:
    """Return the fingers that hold the card's edge."""
    pencil = _Pencil()
    for n in range(3):
        y = 8 + n * 21
        pencil.box((4, y, 62, y + 25), 12, _shade(look.skin, 0.96 - 0.03 * n))
    return pencil.layer()
