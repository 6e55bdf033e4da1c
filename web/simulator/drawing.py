"""The drawn people: flat, warm, and cheap. Layers are drawn once and pasted together for every picture.

The features move further than the head, the head further than the body, which is enough to look alive.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from web.simulator import figure
from web.simulator.card import CARD_SIZE, card_back, card_front
from web.simulator.figure import SIZE, Look
from web.simulator.person import Person

MOUTHS = 5
"""Mouth openings, 0 closed to 4 wide."""
_CARD_Y = 208
_CHIN_UP_Y = -16
"""How far the head goes up behind a raised card, so that the eyes stay to be seen."""
_TILT_STEP_DEG = 0.5
_SQUASH_STEPS = 8


class Side(enum.Enum):
    """Which side of the card faces the camera."""

    FRONT = "front"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Pose:
    """One moment of a person. Offsets are in pixels to the right or down.

    ``card_rise`` goes from 0 (out of sight) to 1 (held up); ``card_width`` is 1 when the card faces the camera and 0
    edge on, while it is being turned over; ``finger`` goes from 0 to 1 (covers a corner of the card's photograph).
    """

    mouth: int = 0
    eyes_shut: bool = False
    head_x: int = 0
    head_y: int = 0
    body_y: int = 0
    turn_x: int = 0
    card: Side | None = None
    card_rise: float = 0.0
    card_width: float = 1.0
    card_tilt_deg: float = 0.0
    finger: float = 0.0


class Drawing:
    """Draws one person in any pose. Making one takes half a second, a picture then about a millisecond."""

    def __init__(self, look: Look, person: Person | None = None) -> None:
        """Draw the layers. Without a ``person`` there is no card to hold up."""
        self._ground = figure.ground(look)
        self._body = figure.body(look)
        self._head = figure.head(look)
        self._features = {
            (mouth, shut): figure.features(look, mouth, eyes_shut=shut)
            for mouth in range(MOUTHS)
            for shut in (False, True)
        }
        self._hand = figure.hand(look).image
        self._finger = figure.finger(look).image
        self._cards: dict[Side, Image.Image] = {}
        if person is not None:
            portrait = self.picture(Pose()).crop((180, 24, 460, 371))
            self._cards = {Side.FRONT: card_front(person, portrait), Side.BACK: card_back(person)}
        self._turned = lru_cache(maxsize=64)(self._turn_card)

    def picture(self, pose: Pose) -> Image.Image:
        """Return the picture of a pose: RGB, 640 x 480."""
        picture = self._ground.copy()
        self._body.lay(picture, 0, pose.body_y)
        head_y = pose.head_y + (round(_CHIN_UP_Y * pose.card_rise) if pose.card else 0)
        self._head.lay(picture, pose.head_x + pose.turn_x // 4, head_y)
        self._features[pose.mouth, pose.eyes_shut].lay(picture, round(pose.head_x * 1.4) + pose.turn_x, head_y)
        if pose.card is not None and pose.card_rise > 0 and pose.card in self._cards:
            self._lay_card(picture, pose.card, pose)
        return picture

    def _lay_card(self, picture: Image.Image, side: Side, pose: Pose) -> None:
        squash = max(1, round(pose.card_width * _SQUASH_STEPS))
        card = self._turned(side, squash, round(pose.card_tilt_deg / _TILT_STEP_DEG))
        hidden_y = SIZE[1] + 20
        y = round(hidden_y + (_CARD_Y - hidden_y) * pose.card_rise)
        x = (SIZE[0] - card.width) // 2
        picture.paste(card, (x, y - (card.height - CARD_SIZE[1]) // 2), card)
        picture.paste(self._hand, (x + card.width - 26, y + CARD_SIZE[1] * 3 // 5), self._hand)
        if pose.finger > 0:
            # From outside the picture to the upper corner of the photograph.
            tip_x = SIZE[0] + round((x + card.width - 84 - SIZE[0]) * pose.finger)
            picture.paste(self._finger, (tip_x, y + 22), self._finger)

    def _turn_card(self, side: Side, squash: int, tilt: int) -> Image.Image:
        card = self._cards[side]
        if squash < _SQUASH_STEPS:
            return card.resize((max(8, card.width * squash // _SQUASH_STEPS), card.height), Image.Resampling.BILINEAR)
        if tilt == 0:
            return card
        return card.rotate(tilt * _TILT_STEP_DEG, Image.Resampling.BICUBIC, expand=True)
