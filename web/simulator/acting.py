"""What the simulated applicant does when asked something: from the prompt's words to a sentence and a gesture."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from web.simulator.drawing import Side
from web.simulator.voice import Utterance


class Gesture(enum.Enum):
    """What she does besides speaking."""

    NONE = "none"
    SHOW_FRONT = "show_front"
    SHOW_BACK = "show_back"
    LOWER_CARD = "lower_card"
    SHOW_FRONT_AND_TURN = "show_front_and_turn"
    SHOW_FRONT_AND_COVER = "show_front_and_cover"
    TURN = "turn"

    @property
    def card(self) -> Side | None:
        """The side the gesture holds up, if any."""
        return {
            Gesture.SHOW_FRONT: Side.FRONT,
            Gesture.SHOW_FRONT_AND_TURN: Side.FRONT,
            Gesture.SHOW_FRONT_AND_COVER: Side.FRONT,
            Gesture.SHOW_BACK: Side.BACK,
        }.get(self)


@dataclass(frozen=True, slots=True)
class Act:
    """A gesture and the sentence that goes with it; None says nothing."""

    gesture: Gesture
    utterance: Utterance | None


_RULES: tuple[tuple[tuple[str, ...], Act], ...] = (
    (("遮",), Act(Gesture.SHOW_FRONT_AND_COVER, Utterance.MOMENT)),
    (("脸旁", "脸边"), Act(Gesture.SHOW_FRONT_AND_TURN, Utterance.TURN)),
    (("背面", "反面", "国徽"), Act(Gesture.SHOW_BACK, Utterance.CARD_BACK)),
    (("正面", "有照片的一面", "人像面"), Act(Gesture.SHOW_FRONT, Utterance.CARD_FRONT)),
    (("收起", "放下", "收好"), Act(Gesture.LOWER_CARD, Utterance.CARD_LOWERED)),
    (("后六位", "最后六位", "念一遍", "念出"), Act(Gesture.NONE, Utterance.NUMBER)),
    (("转头", "转一下头"), Act(Gesture.TURN, Utterance.TURN)),
    (("自愿", "自己的意思", "逼"), Act(Gesture.LOWER_CARD, Utterance.OWN_WILL)),
    (("正对镜头", "看着屏幕", "摘下"), Act(Gesture.LOWER_CARD, Utterance.ALL_RIGHT)),
    (("大声", "听不清", "听不见"), Act(Gesture.NONE, Utterance.LOUDER)),
    (("亮一点", "稍等", "等一下"), Act(Gesture.NONE, Utterance.ALL_RIGHT)),
    (("录音录像", "同意吗"), Act(Gesture.NONE, Utterance.CONSENT)),
    (("听得", "听见", "听到", "看得"), Act(Gesture.NONE, Utterance.CLEAR)),
    (("姓名", "叫什么"), Act(Gesture.NONE, Utterance.GREETING)),
    (("再见", "到这里", "结束"), Act(Gesture.LOWER_CARD, Utterance.THANKS)),
)
"""The first rule with a word of the prompt decides; the more exact ones come first."""


def act_on(prompt: str) -> Act:
    """Return what to do when the host's prompt changes to ``prompt``; an empty one means that it was taken away."""
    if not prompt.strip():
        return Act(Gesture.LOWER_CARD, None)
    for words, act in _RULES:
        if any(word in prompt for word in words):
            return act
    return Act(Gesture.NONE, Utterance.LISTENING)
