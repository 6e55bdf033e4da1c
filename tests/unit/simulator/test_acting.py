"""What she does when asked."""

import pytest

from aid.verification import CHECKLIST
from web.simulator.acting import Act, Gesture, act_on
from web.simulator.drawing import Side
from web.simulator.voice import Utterance


@pytest.mark.parametrize(
    ("item", "act"),
    [
        ("consent", Act(Gesture.NONE, Utterance.CONSENT)),
        ("face", Act(Gesture.LOWER_CARD, Utterance.ALL_RIGHT)),
        ("document_front", Act(Gesture.SHOW_FRONT, Utterance.CARD_FRONT)),
        ("document_back", Act(Gesture.SHOW_BACK, Utterance.CARD_BACK)),
        ("matches_photo", Act(Gesture.SHOW_FRONT_AND_TURN, Utterance.TURN)),
        ("number_read_aloud", Act(Gesture.NONE, Utterance.NUMBER)),
        ("free_will", Act(Gesture.LOWER_CARD, Utterance.OWN_WILL)),
        ("covered_corner", Act(Gesture.SHOW_FRONT_AND_COVER, Utterance.MOMENT)),
    ],
)
def test_she_does_what_the_check_list_says(item: str, act: Act) -> None:
    (say,) = (check.say for check in CHECKLIST if check.key == item)
    assert act_on(say) == act


def test_she_knows_every_item_of_the_check_list() -> None:
    for check in CHECKLIST:
        assert act_on(check.say).utterance is not Utterance.LISTENING, check.key


@pytest.mark.parametrize(
    ("words", "act"),
    [
        ("请把身份证正面对着镜头", Act(Gesture.SHOW_FRONT, Utterance.CARD_FRONT)),
        ("好了，请收起身份证。", Act(Gesture.LOWER_CARD, Utterance.CARD_LOWERED)),
        ("您听得清楚吗？", Act(Gesture.NONE, Utterance.CLEAR)),
        ("请说一下您的姓名。", Act(Gesture.NONE, Utterance.GREETING)),
        ("请大声一点，我听不清。", Act(Gesture.NONE, Utterance.LOUDER)),
        ("请走到亮一点的地方。", Act(Gesture.NONE, Utterance.ALL_RIGHT)),
        ("请稍等，我查一下材料。", Act(Gesture.NONE, Utterance.ALL_RIGHT)),
        ("请慢慢转头。", Act(Gesture.TURN, Utterance.TURN)),
        ("今天就到这里。", Act(Gesture.LOWER_CARD, Utterance.THANKS)),
        ("  ", Act(Gesture.LOWER_CARD, None)),
    ],
)
def test_she_understands_a_hosts_own_words(words: str, act: Act) -> None:
    assert act_on(words) == act


def test_she_listens_when_she_does_not_understand() -> None:
    assert act_on("请谈谈家里的情况。") == Act(Gesture.NONE, Utterance.LISTENING)


def test_gestures_name_the_side_they_hold_up() -> None:
    sides = {gesture: gesture.card for gesture in Gesture}
    assert sides[Gesture.SHOW_BACK] is Side.BACK
    assert sides[Gesture.SHOW_FRONT_AND_COVER] is Side.FRONT
    assert sides[Gesture.LOWER_CARD] is None
