"""The check list by which a person in a hearing is verified.

It follows what is asked of identification by live video elsewhere (BSI TR-03147; BaFin Circular 3/2017): consent first,
stills of face and document, security features seen moving, a number read aloud, an action on command.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class StillKind(StrEnum):
    """What a still shows."""

    FACE = "face"
    DOCUMENT_FRONT = "document_front"
    DOCUMENT_BACK = "document_back"


STILL_TITLES: Final[Mapping[StillKind, str]] = {
    StillKind.FACE: "人脸",
    StillKind.DOCUMENT_FRONT: "证件正面",
    StillKind.DOCUMENT_BACK: "证件背面",
}


@dataclass(frozen=True, slots=True)
class CheckItem:
    """One step of the check list: what the host says, what to look for, and the still to take, if any."""

    key: str
    title: str
    say: str
    look_for: str
    still: StillKind | None
    mandatory: bool


CHECKLIST_VERSION: Final = "2026-1"

CHECKLIST: Final[tuple[CheckItem, ...]] = (
    CheckItem(
        "consent",
        "同意录音录像",
        "这次接访全程录音录像，用来核对身份和留存证据。您同意吗？",
        "本人亲口说同意；旁边有没有人替她回答。",
        None,
        True,
    ),
    CheckItem(
        "face",
        "人脸截图",
        "请您正对镜头，摘下口罩和帽子，看着屏幕。",
        "五官清楚、光线够亮；画面是活动的，不是照片。",
        StillKind.FACE,
        True,
    ),
    CheckItem(
        "document_front",
        "证件正面",
        "请把身份证有照片的一面举到镜头前，拿稳。",
        "姓名、号码看得清；证件没有破损、涂改。",
        StillKind.DOCUMENT_FRONT,
        True,
    ),
    CheckItem(
        "document_back",
        "证件背面，慢慢倾斜",
        "请把身份证翻到背面，拿稳，再慢慢左右倾斜。",
        "国徽面的反光是否连贯移动；有效期是否已过。",
        StillKind.DOCUMENT_BACK,
        True,
    ),
    CheckItem(
        "matches_photo",
        "人和照片是同一个人",
        "请把身份证放在脸旁边，再慢慢向左、向右转头。",
        "脸与证件照是同一个人；转头时轮廓自然，没有闪烁。",
        None,
        True,
    ),
    CheckItem(
        "number_read_aloud",
        "念出证件号码后六位",
        "请您念一遍身份证号码的最后六位。",
        "念的和证件上、案卷里的一致；不用别人提示。",
        None,
        True,
    ),
    CheckItem(
        "free_will",
        "本人自愿，没有人逼迫",
        "今天参加接访、领取救助金，是您自己的意思吗？旁边有没有别人？",
        "回答自然；没有人在旁边指使或者代答。",
        None,
        True,
    ),
    CheckItem(
        "covered_corner",
        "手指遮住照片一角",
        "请用一个手指遮住身份证照片的一角，再拿开。",
        "手指边缘自然，证件图像没有错位。",
        None,
        False,
    ),
)

ITEMS: Final[Mapping[str, CheckItem]] = {item.key: item for item in CHECKLIST}
MANDATORY: Final = tuple(item.key for item in CHECKLIST if item.mandatory)
