"""Why a connection ends: one table from the reason to what travels over the wire.

Codes are of the range 4000-4999 that RFC 6455 §7.4.2 leaves to applications; 4000-4009 say "do not come back by
yourself", 4010-4019 "come back", 4020-4029 "you did something wrong". They are stable: clients compare them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from signaling.absence import HOST_ABSENT

CLOSE_TEXT_BYTES = 123
"""How long the text of a close frame may be (RFC 6455 §5.5: 125 bytes less the code)."""


class CloseReason(StrEnum):
    """Why the server ends a connection."""

    LEFT = "left"
    ENDED = "ended"
    MOVED = "moved"
    SEAT_TAKEN = "seat_taken"
    NOT_ADMITTED = "not_admitted"
    HOST_ABSENT = HOST_ABSENT
    SERVER_RESTARTING = "server_restarting"
    SILENT = "silent"
    SLOW = "slow"
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    RATE = "rate"


@dataclass(frozen=True, slots=True)
class Closing:
    """What the other end is told: the WebSocket `code`, whether it should `retry` by itself, a Chinese sentence."""

    code: int
    retry: bool
    told: str


CLOSINGS: Mapping[CloseReason, Closing] = MappingProxyType(
    {
        CloseReason.LEFT: Closing(4000, False, "您已离开本次接访。"),
        CloseReason.ENDED: Closing(4001, False, "本次接访已结束。"),
        CloseReason.MOVED: Closing(4002, False, "您已在别处进入，此处已停止。"),
        CloseReason.SEAT_TAKEN: Closing(4003, False, "您已在另一台设备上，可选择在这里继续。"),
        CloseReason.NOT_ADMITTED: Closing(4004, False, "不能进入本次接访，请联系检察院。"),
        CloseReason.HOST_ABSENT: Closing(4005, False, "主持人一直没有回来，本次接访已结束，检察院会再联系您。"),
        CloseReason.SERVER_RESTARTING: Closing(4010, True, "服务正在重启，马上自动重新连接。"),
        CloseReason.SILENT: Closing(4011, True, "网络长时间没有回应，正在重新连接。"),
        CloseReason.SLOW: Closing(4012, True, "网络太慢，正在重新连接。"),
        CloseReason.TOO_LARGE: Closing(4020, False, "发送的内容过大，连接已断开。"),
        CloseReason.MALFORMED: Closing(4021, False, "页面发送的内容无法识别，请刷新。"),
        CloseReason.RATE: Closing(4022, False, "操作过于频繁，请刷新页面后再试。"),
    }
)


class Departure(StrEnum):
    """Why somebody is gone when the server did not decide it; together with `CloseReason`, all reasons of `left`."""

    LOST = "lost"
    """The socket was cut without a word: the network, the power, the process."""
    PAGE_CLOSED = "page_closed"
    """The browser said goodbye: tab closed, page reloaded or navigated away."""
