"""The picture: she is seen, her card is seen, and it is plainly a specimen."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from web.lettering import set_text
from web.simulator.card import CARD_SIZE, card_back, card_front
from web.simulator.drawing import Drawing, Pose, Side
from web.simulator.figure import APPLICANT_LOOK, PROSECUTOR_LOOK, SIZE
from web.simulator.person import DEMO_APPLICANT


@pytest.fixture(scope="module")
def gao() -> Drawing:
    return Drawing(APPLICANT_LOOK, DEMO_APPLICANT)


def difference(one: Image.Image, other: Image.Image, box: tuple[int, int, int, int]) -> float:
    """The mean difference of two pictures in a box."""
    pixels = [np.asarray(each.crop(box)).astype(int) for each in (one, other)]
    return float(np.abs(pixels[0] - pixels[1]).mean())


def reddish(picture: Image.Image) -> float:
    """The share of the specimen's red."""
    red, green, blue = np.asarray(picture.convert("RGB")).astype(int).transpose(2, 0, 1)
    return float(((red > 150) & (green < 90) & (blue < 90)).mean())


def test_a_picture_has_the_size_the_camera_says(gao: Drawing) -> None:
    assert gao.picture(Pose()).size == SIZE
    assert gao.picture(Pose()).mode == "RGB"


@pytest.mark.parametrize("pose", [Pose(mouth=4), Pose(eyes_shut=True), Pose(turn_x=20), Pose(head_x=6)])
def test_every_movement_changes_the_face(gao: Drawing, pose: Pose) -> None:
    assert difference(gao.picture(Pose()), gao.picture(pose), (240, 160, 400, 300)) > 0.5


@pytest.mark.parametrize("side", list(Side))
def test_a_raised_card_is_seen_with_its_mark_and_leaves_the_eyes_to_be_seen(gao: Drawing, side: Side) -> None:
    raised = gao.picture(Pose(card=side, card_rise=1))
    assert difference(gao.picture(Pose()), raised, (120, 230, 520, 460)) > 50
    assert reddish(raised.crop((120, 210, 520, 470))) > 0.01
    eyes = np.asarray(raised.crop((270, 170, 370, 206)).convert("L"))
    assert (eyes < 60).sum() > 150


def test_the_finger_covers_a_corner_of_the_photograph(gao: Drawing) -> None:
    bare, covered = (gao.picture(Pose(card=Side.FRONT, card_rise=1, finger=finger)) for finger in (0.0, 1.0))
    assert difference(bare, covered, (455, 234, 505, 270)) > 30
    assert difference(bare, covered, (396, 300, 505, 370)) == 0


def test_somebody_without_a_card_shows_none() -> None:
    wang = Drawing(PROSECUTOR_LOOK)
    assert wang.picture(Pose(card=Side.FRONT, card_rise=1)).size == SIZE


def test_both_sides_of_the_card_say_that_it_is_a_specimen() -> None:
    portrait = Image.new("RGB", (10, 10))
    for card in (card_front(DEMO_APPLICANT, portrait), card_back(DEMO_APPLICANT)):
        assert card.size == CARD_SIZE
        assert reddish(card) > 0.007


def test_letters_are_set_in_the_pages_own_font() -> None:
    paper = Image.new("RGB", (400, 60), "white")
    width = set_text(ImageDraw.Draw(paper), (4, 44), "高秀兰 37X", size=40, fill=(0, 0, 0), weight=600)
    assert width > 3 * 39
    ink = np.asarray(paper.convert("L")) < 128
    # Characters differ: a font without them would show the same empty box for each.
    boxes = [ink[:, 4 + n * 40 : 44 + n * 40] for n in range(3)]
    assert all((boxes[a] != boxes[b]).mean() > 0.05 for a, b in ((0, 1), (1, 2), (0, 2)))


def test_a_character_no_font_file_has_is_an_error() -> None:
    with pytest.raises(LookupError, match="no font file"):
        set_text(ImageDraw.Draw(Image.new("RGB", (9, 9))), (0, 9), "\U00012000", size=9, fill=(0, 0, 0))
