"""States and roles in words; states with the tag they are shown in (see .tag in components.css)."""

from aid.states import CaseState, OrderState
from sessions.seats import SeatRole
from sessions.states import SessionState

SEAT_ROLES: dict[SeatRole, str] = {
    SeatRole.HOST: "主持",
    SeatRole.APPLICANT: "申请人",
    SeatRole.FAR_END: "相对端",
    SeatRole.JOINT: "联合接访",
    SeatRole.HELPER: "协助",
    SeatRole.OBSERVER: "旁听",
}
SESSION_STATES: dict[SessionState, tuple[str, str]] = {
    SessionState.BOOKED: ("accent", "已约好"),
    SessionState.IN_SESSION: ("good", "正在接访"),
    SessionState.ENDED: ("careful", "已结束，正在封存"),
    SessionState.SEALED: ("good", "已结束，录像已封存"),
    SessionState.CANCELLED: ("", "已取消"),
}


def session_standing(state: SessionState, *, rests: bool, host_absent: bool) -> tuple[str, str]:
    """Return how a session stands: its state, or what says more."""
    if rests:
        return "careful", "休会中"
    return ("careful", "主持人没有回来，已自动结束") if host_absent else SESSION_STATES[state]


CASE_STATES: dict[CaseState, tuple[str, str]] = {
    CaseState.AWAITING_HEARING: ("accent", "等接访确认"),
    CaseState.AWAITING_APPROVAL: ("careful", "等审批"),
    CaseState.APPROVED: ("accent", "已同意，等制单放行"),
    CaseState.IN_FLIGHT: ("accent", "已放行，等银行回单"),
    CaseState.PAID: ("good", "已到账"),
    CaseState.RETURNED: ("danger", "银行退回，要核对账号"),
    CaseState.DECLINED: ("danger", "不同意"),
    CaseState.WITHDRAWN: ("", "已撤回"),
}
ORDER_STATES: dict[OrderState, tuple[str, str]] = {
    OrderState.DRAFTED: ("accent", "等放行"),
    OrderState.HELD_BACK: ("careful", "暂缓"),
    OrderState.CANCELLED: ("", "已取消"),
    OrderState.RELEASED: ("accent", "已放行，等银行回单"),
    OrderState.PAID: ("good", "已到账"),
    OrderState.RETURNED: ("danger", "银行退回"),
}
