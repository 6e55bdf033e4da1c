"""Chinese text on drawn pictures, set in the same Noto Sans SC that the pages use, so that no system font is needed.

The font is cut into files by unicode-range (``static/css/fonts.css``); each character is set from the file that has it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_STATIC = Path(__file__).parent / "static"
_FACE = re.compile(r"fonts/noto-sans-sc/(?P<file>[\w.-]+)'\).*?unicode-range: (?P<ranges>[^;]+);", re.DOTALL)

Colour = tuple[int, int, int] | tuple[int, int, int, int]
_UNKNOWN = "□"


@lru_cache(maxsize=1)
def _faces() -> tuple[tuple[Path, tuple[tuple[int, int], ...]], ...]:
    """Return each font file with the code points it holds, as the style sheet lists them."""
    css = (_STATIC / "css" / "fonts.css").read_text(encoding="utf-8")
    faces = []
    for face in _FACE.finditer(css):
        spans = []
        for span in face["ranges"].split(","):
            first, _, last = span.strip().removeprefix("U+").partition("-")
            spans.append((int(first, 16), int(last or first, 16)))
        faces.append((_STATIC / "fonts" / "noto-sans-sc" / face["file"], tuple(spans)))
    return tuple(faces)


@lru_cache(maxsize=512)
def _file_of(character: str) -> Path:
    point = ord(character)
    for path, spans in reversed(_faces()):
        # The last matching face wins, as in a browser.
        if any(first <= point <= last for first, last in spans):
            return path
    raise LookupError(f"no font file has {character!r}")


@lru_cache(maxsize=256)
def _font(path: Path, size: int, weight: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.truetype(str(path), size)
    font.set_variation_by_axes([weight])
    return font


def set_text(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    *,
    size: int,
    fill: Colour,
    weight: int = 400,
    spacing: float = 0,
) -> float:
    """Set one line with its baseline's left end at ``at``; ``size`` and ``spacing`` in pixels. Return the line's width.

    Raises LookupError for a character the font lacks.
    """
    x, y = at
    for character in text:
        font = _font(_file_of(character), size, weight)
        draw.text((x, y), character, font=font, fill=fill, anchor="ls")
        x += font.getlength(character) + spacing
    return x - at[0]


class NotoLettering:
    """Sets lines of Chinese in the middle of boxes, for pictures of hearings; any text can be set."""

    def line(self, text: str, size: int, width: int, height: int) -> NDArray[np.uint8]:
        """Return a line as coverage (0 to 255), shortened to the box; what the font lacks stands as an empty square."""
        known = [character if _has(character) else _UNKNOWN for character in text]
        while known and _width(known, size) > width:
            known = [*known[:-2], "…"] if len(known) > 1 else []
        picture = Image.new("L", (width, height))
        draw = ImageDraw.Draw(picture)
        x, baseline = (width - _width(known, size)) / 2, (height + 0.72 * size) / 2
        for character in known:
            font = _font(_file_of(character), size, 500)
            draw.text((x, baseline), character, font=font, fill=255, anchor="ls")
            x += font.getlength(character)
        return np.asarray(picture)


def _has(character: str) -> bool:
    try:
        _file_of(character)
    except LookupError:
        return False
    return True


def _width(characters: list[str], size: int) -> float:
    return sum(_font(_file_of(character), size, 500).getlength(character) for character in characters)
