"""The specimen identity card that the simulated applicant holds up: laid out like a card, marked as none."""

from __future__ import annotations

from PIL import Image, ImageDraw

from web.lettering import set_text
from web.simulator.person import Person

CARD_SIZE = (424, 268)
"""Pixels, in the proportion of an ID-1 card (85.6 x 54 mm, ISO/IEC 7810)."""
_DRAWN_SIZE = (944, 597)
"""Drawn larger and reduced, for smooth edges."""

_PAPER = (236, 242, 246)
_WAVE = (214, 227, 236)
_LABEL = (46, 104, 146)
_INK = (24, 28, 34)
_SPECIMEN = (190, 40, 32)


def card_front(person: Person, portrait: Image.Image) -> Image.Image:
    """Draw name, sex, birth, address, number and picture. ``portrait`` is RGB of any size."""
    card, draw = _blank()
    for y, label, value in (
        (92, "姓名", person.name),
        (152, "性别", person.sex),
        (212, "出生", f"{person.birth_on.year} 年 {person.birth_on.month} 月 {person.birth_on.day} 日"),
        (272, "住址", person.address[:11]),
    ):
        set_text(draw, (56, y), label, size=27, fill=_LABEL, weight=500)
        set_text(draw, (140, y), value, size=36 if label == "姓名" else 31, fill=_INK, weight=600)
    set_text(draw, (236, 152), "民族", size=27, fill=_LABEL, weight=500)
    set_text(draw, (320, 152), person.ethnicity, size=31, fill=_INK, weight=600)
    set_text(draw, (140, 318), person.address[11:], size=31, fill=_INK, weight=600)
    picture = portrait.resize((252, 312), Image.Resampling.LANCZOS)
    card.paste(picture, (638, 60))
    set_text(draw, (56, 532), "公民身份号码", size=27, fill=_LABEL, weight=500)
    set_text(draw, (262, 535), person.id_number, size=44, fill=_INK, weight=700, spacing=8)
    set_text(draw, (140, 400), "演示样本", size=58, fill=_SPECIMEN, weight=700, spacing=14)
    set_text(draw, (140, 446), "不是真证件", size=27, fill=_SPECIMEN, weight=500, spacing=6)
    return _cut(card)


def card_back(person: Person) -> Image.Image:
    """Draw the emblem's place (left empty but for a word: the emblem itself is protected), issuer and validity."""
    card, draw = _blank()
    draw.ellipse((70, 60, 230, 220), outline=_SPECIMEN, width=8)
    draw.ellipse((92, 82, 208, 198), outline=_SPECIMEN, width=3)
    set_text(draw, (106, 152), "国徽位", size=29, fill=_SPECIMEN, weight=600)
    set_text(draw, (276, 128), "居民身份证", size=66, fill=_INK, weight=600, spacing=26)
    set_text(draw, (276, 204), "演示样本", size=52, fill=_SPECIMEN, weight=700, spacing=14)
    set_text(draw, (560, 200), "不是真证件", size=29, fill=_SPECIMEN, weight=500, spacing=6)
    validity = f"{person.valid_from_on:%Y.%m.%d}-{person.valid_to_on:%Y.%m.%d}"
    for y, label, value in ((430, "签发机关", person.issued_by), (506, "有效期限", validity)):
        set_text(draw, (210, y), label, size=30, fill=_LABEL, weight=500)
        set_text(draw, (362, y), value, size=38, fill=_INK, weight=600, spacing=3)
    return _cut(card)


def _blank() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    width, height = _DRAWN_SIZE
    card = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(card)
    for n in range(14):
        y = 36 + n * 42
        draw.arc((-200, y - 160, width + 200, y + 160), 200, 340, fill=_WAVE, width=3)
    return card, draw


def _cut(card: Image.Image) -> Image.Image:
    """Round the corners, draw the edge, and reduce to the final size (RGBA)."""
    mask = Image.new("L", card.size, 0)
    box = (0, 0, card.width - 1, card.height - 1)
    ImageDraw.Draw(mask).rounded_rectangle(box, radius=36, fill=255)
    ImageDraw.Draw(card).rounded_rectangle(box, radius=36, outline=(150, 166, 180), width=5)
    card.putalpha(mask)
    return card.resize(CARD_SIZE, Image.Resampling.LANCZOS)
