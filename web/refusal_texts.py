"""What each refusal says to the person it stops: one whole sentence, and a way on.

A test demands that every code raised anywhere in the house stands here, and nothing else does.
"""

from dataclasses import dataclass

from records.refusals import Refusal


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence with `{params}` in it, the status it travels under, and where the reader can go next."""

    sentence: str
    status: int = 409
    way: str = "back"


TEXTS: dict[str, Text] = {
    # at the door
    "sign_in_needed": Text("您还没有登录，或登录已过期。请重新登录。", 401, "sign_in"),
    "sign_in_wrong": Text("用户名或密码不对，请再看一看。", 403, "sign_in"),
    "not_permitted": Text("这一步不在您的岗位权限之内。如需办理，请联系管理员。", 403),
    "invitation_needed": Text("请从我们发给您的邀请链接进入。找不到链接时，请拨打 12309。", 403, "hotline"),
    "too_often": Text("操作太频繁了，请过几分钟再试。", 429),
    "form_expired": Text("这个页面放得太久了，刚才的内容没有提交。请返回，刷新后再试一次。", 403),
    "malformed": Text("提交的内容读不懂，没有保存。请返回，刷新后再试一次。", 400),
    "field_too_long": Text("有一栏写得太长了，最多 {limit} 个字。请删短一些再提交。", 400),
    "file_missing": Text("没有选文件。请返回选好文件再上传。", 400),
    "too_large": Text("内容太大，超过了这里能收的大小，没有保存。", 413),
    "page_unknown": Text("没有这个页面，可能链接不完整。", 404),
    "method_unknown": Text("这个页面不能这样打开。", 405),
    "our_fault": Text("这一步没有办成，是我们的系统出了问题，已经记下。您填的内容没有保存，请稍后再试。", 500),
}


def sentence(refusal: Refusal) -> str:
    """Return the sentence for a refusal, its params filled in."""
    return TEXTS[refusal.code].sentence.format(**refusal.params)


def status_of(code: str) -> int:
    """Return the HTTP status under which a refusal travels."""
    return TEXTS[code].status


def way_on(code: str) -> str:
    """Return where the reader can go next: "back", "sign_in", "hotline" or a path."""
    return TEXTS[code].way
