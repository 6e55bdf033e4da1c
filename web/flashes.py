"""What was just done, said once on the next page. The cookie holds only a key of this table."""

from dataclasses import dataclass

from aiohttp import web

COOKIE = "jiefang_flash"

_TEXTS: dict[str, tuple[str, str]] = {
    "hearing_booked": ("good", "接访已经约好，邀请链接可以发给申请人了。"),
    "case_approved": ("good", "已同意救助，资金已从预算中留出，等待制单。"),
    "case_declined": ("careful", "已不同意救助，理由已写进案卷。"),
    "batch_drafted": ("good", "批次已制好，请另一位财务人员复核放行。"),
    "batch_released": ("good", "已放行，银行文件可以下载了。款项到账要以银行的回单为准。"),
    "batch_returned": ("careful", "已退回制单人，资金仍为这些案件留着。"),
    "answer_taken": ("good", "银行的回单已收下，逐笔核对过了。"),
    "answer_taken_returned": ("careful", "银行的回单已收下。有款项被退回，资金已回到预算，请看下面的原因。"),
    "account_allowed": ("good", "已写明理由，这个账号可以使用。"),
    "account_changed": ("careful", "账号已改，要请本人在接访中再确认一次。"),
    "people_seated": ("good", "参加的人已改好，页面上看得到每个人的席位。"),
    "invited": ("good", "新的邀请链接已生成，旧链接作废。"),
}


@dataclass(frozen=True, slots=True)
class Flash:
    """A sentence shown once. `kind` is info, good, careful or danger."""

    kind: str
    text: str


def redirect(path: str, *, said: str | None = None) -> web.Response:
    """Return a redirect after a change (303), with the sentence `said` to show on the next page.

    Returned and not raised: raising inside the transaction would undo the change it reports.
    """
    response = web.Response(status=303, headers={"Location": path})
    if said is not None:
        if said not in _TEXTS:
            raise KeyError(said)
        response.set_cookie(COOKIE, said, httponly=True, samesite="Lax", path="/", max_age=60)
    return response


def take_flash(request: web.Request) -> Flash | None:
    """Return the sentence to show, if there is one."""
    kind, text = _TEXTS.get(request.cookies.get(COOKIE, ""), ("", ""))
    return Flash(kind, text) if text else None
