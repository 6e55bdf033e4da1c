"""What each refusal says to the person it stops: one whole sentence, and a way on.

A test demands that every code raised anywhere in the house stands here, and nothing else does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from aid.money import format_fen
from records.refusals import Refusal, RefusalParam


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence with `{params}` in it, the status it travels under, and where the reader can go next.

    `way` is "back", "sign_in" or "hotline".
    """

    sentence: str
    status: int = 409
    way: str = "back"


_AT_THE_DOOR: dict[str, Text] = {
    "sign_in_needed": Text("您还没有登录，或登录已过期。请重新登录。", 401, "sign_in"),
    "sign_in_wrong": Text("用户名或密码不对，请再看一看。", 403, "sign_in"),
    "not_permitted": Text("这一步不在您的岗位权限之内。如需办理，请联系管理员。", 403),
    "not_your_office": Text("这个案件属于别的院，您这里不能办。", 403),
    "too_often": Text("操作太频繁了，请过几分钟再试。", 429),
    "form_expired": Text("这个页面放得太久了，刚才的内容没有提交。请返回，刷新后再试一次。", 403),
    "malformed": Text("提交的内容读不懂，没有保存。请返回，刷新后再试一次。", 400),
    "field_too_long": Text("有一栏写得太长了，最多 {limit} 个字。请删短一些再提交。", 400),
    "file_missing": Text("没有选文件。请返回选好文件再上传。", 400),
    "too_large": Text("内容太大，超过了这里能收的大小，没有保存。", 413),
    "page_unknown": Text("没有这个页面，可能链接不完整。", 404),
    "method_unknown": Text("这个页面不能这样打开。", 405),
    "our_fault": Text("这一步没有办成，是我们的系统出了问题，已经记下。您填的内容没有保存，请稍后再试。", 500),
    "database_busy": Text("同时办事的人太多，这一步没有办成，也没有办一半。请再试一次。", 503),
    "text_missing": Text("{field}还没有填。请填好再提交。", 400),
    "text_too_long": Text("{field}写得太长了，最多 {limit} 个字。请删短一些再提交。", 400),
    "text_unreadable": Text("{field}里有看不见的特殊字符，存不下来。请删掉再提交。", 400),
}

_INVITATIONS: dict[str, Text] = {
    "invitation_needed": Text("请从我们发给您的邀请链接进入。找不到链接时，请拨打 12309。", 403, "hotline"),
    "invitation_unknown": Text(
        "这个链接打不开，可能没有复制完整。请点开短信里的原链接，或拨打 12309。", 404, "hotline"
    ),
    "invitation_replaced": Text("这个链接已经换成新的了。请用最近一次发给您的链接。", 410, "hotline"),
    "invitation_expired": Text(
        "这个链接已经过期了。如果还没有办完，请拨打 12309，我们给您重新发一个。", 410, "hotline"
    ),
    "invitation_too_early": Text("这个链接 {opens_at} 才开放。到那天再点开就可以。", 403, "hotline"),
    "invitation_locked": Text(
        "证件号码后四位连错了 5 次，为了保护您，链接已经锁住。请拨打 12309，核对后我们给您重新发。", 403, "hotline"
    ),
    "id_tail_malformed": Text("请填身份证号码的最后四位，最后一位可以是字母 X。", 400),
    "session_over": Text("这次接访已经结束了。", 410, "hotline"),
    "session_cancelled": Text("这次接访取消了。请拨打 12309 问一问新的时间。", 410, "hotline"),
    "consent_missing": Text("申请人还没有同意{kind}，不能请进来。请对方先在手机上点同意。"),
}

_HEARINGS: dict[str, Text] = {
    "session_unknown": Text("没有找到这次接访。", 404),
    "session_not_ready": Text("接访现在的状态不能这样办，请刷新看一看。"),
    "session_not_started": Text("接访还没有开始。请先把申请人请进来。"),
    "session_not_running": Text("接访没有在进行，这一步要在接访中办。"),
    "hearing_in_recess": Text("现在休会，这一步先不能办。等主持人复会以后，请再点一次。"),
    "session_has_other_case": Text("这次接访已经关联了另一个案件。"),
    "session_number_taken": Text("编号 {number} 已经用过了，请换一个。"),
    "session_times_wrong": Text("结束时间要晚于开始时间。", 400),
    "session_too_long": Text("一次接访最长 {hours} 小时，请分次安排。", 400),
    "not_your_hearing": Text("您不在这次接访的名单里，不能进入。", 403),
    "host_present": Text("这次接访由{name}主持，您不能再以主持人进入。需要换人，请联系{name}。"),
    "office_unknown": Text("没有找到这个院。", 400),
    "person_seated_twice": Text("同一个人不能在一次接访里占两个席位。", 400),
    "seat_was_taken": Text("{name}已经进入过这次接访，席位要留着，不能拿掉或改换。"),
    "too_many_seen": Text("一次接访最多 {limit} 人出镜发言，主持人和申请人都算在内。请减少几位，或改为旁听。", 400),
    "too_many_watching": Text("一次接访最多 {limit} 人旁听。请减少几位。", 400),
    "seat_unknown": Text("没有找到这个席位，请刷新页面。", 404),
    "seat_needs_no_invitation": Text("只有申请人需要邀请链接。", 400),
    "too_many_words": Text("一次接访最多留 {limit} 句话。请在接访中当面说。"),
    "recording_elsewhere": Text("这次接访的录像已经存在别处，不能再开一份。"),
    "recording_missing": Text("没有找到这次接访的录像，请联系管理员。"),
}

_IDENTITY: dict[str, Text] = {
    "check_unknown": Text("核验清单里没有这一项，请刷新页面。", 400),
    "checks_missing": Text("还有必做的项目没有完成：{items}。全部完成才能结束核验。"),
    "checks_not_passed": Text("有必做的项目没有通过，不能结论为核验通过。"),
    "still_missing": Text("还缺{kind}截图，请先截图。"),
    "too_many_stills": Text("一次接访最多截 {limit} 张图。"),
    "id_number_invalid": Text("身份证号码不对：{reason}。请对照证件再核一遍。"),
    "verification_concluded": Text("身份核验已经有结论了，不能再改。"),
    "identity_not_verified": Text("身份还没有核验通过，不能往下办。"),
    "identity_withdrawn": Text("身份核验的结论已撤回，要重新核验。"),
    "another_person_verified": Text("接访中核验的不是这个案件的申请人，不能付款。"),
}

_CASES: dict[str, Text] = {
    "case_unknown": Text("没有找到这个案件。", 404),
    "case_not_ready": Text("案件现在的状态不能这样办，可能刚有人办过。请刷新看一看。"),
    "case_number_taken": Text("案号 {number} 已经用过了。"),
    "no_case_for_session": Text("这次接访还没有关联救助案件。"),
    "applicant_has_open_case": Text("这位申请人还有一个没办完的案件 {number}，不能再立一个。"),
    "unknown_category": Text("没有这个救助类别。", 400),
    "no_rules": Text("{on} 没有生效的救助规定。"),
    "amount_invalid": Text("金额不对，请核对后再填。", 400),
    "amount_over_cap": Text("¥{amount_fen} 超过了 {months} 个月工资的上限 ¥{cap_fen}，要按程序另行报批。"),
    "amount_changed": Text("金额在接访后改过，要本人再确认。"),
    "holder_differs": Text("户名和申请人不一致。收款人不是本人时，要写明关系。"),
    "account_number_invalid": Text("账号不对，应当是 8 到 32 位数字。", 400),
    "cnaps_invalid": Text("开户行行号不对，应当是 12 位数字。", 400),
    "account_unchanged": Text("新账号和原来的一样，没有改动。"),
    "account_changed": Text("账号在接访后改过，要本人再确认。"),
    "account_shared": Text("与 {month} 的一笔收款账号相同（{number}），要审批人写明理由。"),
    "account_not_shared": Text("这个账号没有别的案件在用，不需要说明。"),
    "nothing_asked": Text("还没有宣读决定，没有要确认的内容。"),
    "confirmation_not_ready": Text("现在不能办这一步，可能刚刚已经办过。请刷新看一看。"),
    "confirmation_not_signed": Text("本人还没有确认并签名。"),
    "confirmation_outdated": Text("检察官刚刚改过内容，请看新的数额和账号，再确认一次。"),
    "typed_name_differs": Text("输入的姓名和申请人的姓名不一样，请再看一看。", 400),
    "signature_empty": Text("还没有签名。请用手指在框里写上您的名字。", 400),
    "signature_too_large": Text("签名的笔画太多，存不下。请清除后重新签。", 400),
    "hearing_not_ended": Text("接访还没有结束，录像还没有封存。"),
    "recording_not_sealed": Text("录像还没有封存，请稍等一会儿。"),
    "already_decided": Text("这个案件已经审批过了。"),
    "approval_missing": Text("还没有审批同意。"),
    "version_stale": Text("您打开页面以后，别人改过这里。请刷新看清楚再办。"),
    "handler_cannot_approve": Text("您是承办人，不能审批自己承办的案件。", 403),
    "verifier_cannot_approve": Text("身份是您核验的，不能再由您审批。", 403),
}

_MONEY: dict[str, Text] = {
    "budget_short": Text("预算不够：还能用 ¥{available_fen}，这笔要 ¥{amount_fen}。请先追加预算。"),
    "fund_unknown": Text("没有找到这笔资金。", 404),
    "fund_exists": Text("{year} 年的资金已经建好了。"),
    "no_fund": Text("{year} 年还没有建立救助资金，请管理员先拨入预算。"),
    "wage_exists": Text("{region} {year} 年的月工资已经录过了。"),
    "document_already_entered": Text("文号 {document} 已经入过账，不会重复记。"),
    "entry_unknown": Text("没有找到这笔账。", 404),
    "entry_already_corrected": Text("这笔账已经更正过了。"),
    "entry_not_correctable": Text("只有拨入的预算可以这样更正。"),
    "nothing_reserved": Text("案件 {number} 没有留出的资金。"),
    "nothing_chosen": Text("还没有选案件。请至少选一个。", 400),
    "too_many_orders": Text("一个批次最多 {limit} 笔，请分批制单。"),
    "different_funds": Text("选中的案件不是同一笔资金，请分开制单。"),
    "order_exists": Text("案件 {number} 已经有一笔没办完的付款，不会重复付。"),
    "order_not_ready": Text("这笔付款现在的状态不能这样办，请刷新看一看。"),
    "batch_unknown": Text("没有找到这个批次。", 404),
    "batch_not_ready": Text("这个批次现在的状态不能这样办，可能刚有人办过。请刷新看一看。"),
    "batch_already_released": Text("这个批次已经放行过了，不会重复付款。"),
    "batch_not_released": Text("这个批次还没有放行。"),
    "nothing_to_release": Text("这个批次里 {count} 笔都还不能放行，请看每一笔的原因。"),
    "handler_cannot_draft": Text("您是承办人，不能给自己承办的案件制单。", 403),
    "verifier_cannot_draft": Text("身份是您核验的，不能再由您制单。", 403),
    "approver_cannot_draft": Text("案件是您审批的，不能再由您制单。", 403),
    "handler_cannot_release": Text("您是承办人，不能放行自己承办的案件。", 403),
    "verifier_cannot_release": Text("身份是您核验的，不能再由您放行。", 403),
    "approver_cannot_release": Text("案件是您审批的，不能再由您放行。", 403),
    "drafter_cannot_release": Text("批次是您制的单，要另一位财务人员放行。", 403),
    "already_settled": Text("这笔钱已经结清，不会再动。请刷新看一看。"),
    "held_back": Text("放行时还不能付，已经暂缓。可以重新列入下一批。"),
    "case_withdrawn": Text("案件已经撤回，不能付款。"),
    "case_declined": Text("案件没有获得批准，不能付款。"),
    "account_already_allowed": Text("这个账号的共用已经同意过一次。又有别人来用，要由后来的案件说明理由。"),
    "order_unknown": Text("没有找到这笔付款。", 404),
    "not_your_receipt": Text("这不是您的领款凭证。", 403),
    "receipt_not_ready": Text("这笔钱还没有到账，到账以后才有领款凭证。"),
    "not_paid_yet": Text("这笔钱还没有到账，到账以后才有领款凭证。"),
    "answer_other_bank": Text("这不是{expected}的回单（文件里的行号是 {found}）。没有记账，请换成付款银行的回单。"),
    "answer_unknown_batch": Text("没有找到这份回单所答的批次（{reference}）。没有记账，请核对是不是别处的文件。"),
    "answer_unknown_order": Text(
        "回单第 {line} 笔（{reference}）不是这个批次付出去的。整份回单都没有记账，请联系银行。"
    ),
    "answer_order_twice": Text("回单第 {line} 笔（{reference}）出现了两次。整份回单都没有记账，请联系银行。"),
    "answer_total_differs": Text("回单上的总笔数或总金额和我们付的不一样。整份回单都没有记账，请联系银行。"),
    "answer_account_differs": Text(
        "回单第 {line} 笔（{reference}）的收款账号和我们付的不一样。整份回单都没有记账，请联系银行。"
    ),
    "answer_day_differs": Text(
        "回单第 {line} 笔（{reference}）的付款日期和我们付的不一样。整份回单都没有记账，请联系银行。"
    ),
    "answer_contradicts": Text(
        "回单第 {line} 笔（{reference}）和以前的回单说法相反。整份回单都没有记账，请联系银行书面确认。"
    ),
    "answer_already_taken": Text("这份回单在 {taken_at} 已经收过，没有重复记账。"),
    "handler_cannot_reconcile": Text("您是承办人，不能再由您对账。请另一位财务人员上传回单。", 403),
    "verifier_cannot_reconcile": Text("身份是您核验的，不能再由您对账。请另一位财务人员上传回单。", 403),
    "approver_cannot_reconcile": Text("案件是您审批的，不能再由您对账。请另一位财务人员上传回单。", 403),
    "releaser_cannot_reconcile": Text("批次是您放行的，不能再由您对账。请另一位财务人员上传回单。", 403),
    "answer_unreadable": Text("这不是银行的回单文件，或文件已损坏。没有记账，请向银行重新取。", 400),
    "answer_cut": Text("回单文件不完整，像是中途断了。没有记账，请重新下载再上传。", 400),
    "answer_too_large": Text("回单文件超过 {limit_mb} MB，没有收下。", 413),
    "answer_unknown_status": Text("回单第 {line} 笔的状态“{status}”不认识。没有记账，请联系银行。"),
    "answer_amount_differs": Text(
        "回单第 {line} 笔（{reference}）的金额和我们付的不一样。整份回单都没有记账，请联系银行。"
    ),
}

_ROOM: dict[str, Text] = {
    "message_malformed": Text("页面发送的内容无法识别，请刷新页面后再试。", 400),
    "text_empty": Text("请先写上要说的话再发送。", 400),
    "seat_absent": Text("对方此刻不在线，等对方回来后再请进来。"),
    "no_call_now": Text("此刻没有通话，请稍候。"),
    "hearing_not_started": Text("接访还没有开始。请先请申请人进来；不再进行的，请在接访页面取消。"),
    "recording_unavailable": Text("录像没能开始，暂不能请人进来。请再点一次；仍不行请联系管理员。"),
    "recording_still_down": Text("刚才又试了一次，还是存不上。"),
    "recording_trouble": Text("录像写入出现问题，请暂停谈话并联系管理员；已录下的内容不受影响。"),
    "media_unavailable": Text("有一方的音视频没能接通，请这一方刷新页面重新进入。"),
    "media_unreachable": Text(
        "有一方的音视频多次没能接通，可能是网络拦住了通话。请这一方换一个网络（如手机流量），再刷新页面。"
    ),
    "picture_unseen": Text(
        "{by}的浏览器放不出{name}的画面，声音照常。请其中一方换用谷歌浏览器打开链接，不要在微信里打开。"
    ),
    "seats_full": Text("这次接访在线的人已经满了，请等有人离开后再刷新页面。"),
    "record_unavailable": Text("系统暂时没能记录这项操作，请稍后再试。"),
    "still_no_camera": Text("对方没有打开画面，截不了图。请让对方点“开画面”再试。"),
    "still_failed": Text("这一张没有截到清楚的画面，请再截一次。"),
    "still_unknown": Text("没有这张截图。", 404),
    "picture_unreadable": Text("签名的图片读不懂，请点“重写”再签一次。", 400),
    "recording_not_running": Text("现在没有在录音录像，这一步不能做。请等录音录像恢复后再试。"),
    "demo_only": Text("模拟申请人只在演示中提供。", 403),
    "simulations_full": Text("已经有模拟申请人在这场接访里，或者同时进行的太多了，请稍等。"),
    "already_held": Text("这场接访的材料已经在保全，不能重复保全。"),
    "not_held": Text("这场接访的材料没有在保全。"),
    "not_due": Text("这一项现在不能删除：期限没到、正在保全，或已经删除。请重新列出。"),
    "evidence_damaged": Text(
        "这场接访的材料有一份打不开或不见了，做不成证据包。请管理员运行 jiefang verify 查明。", 500
    ),
    "evidence_deleted": Text("这场接访的录音录像或文件已按保管期限删除，不能再制作证据包。"),
    "composite_missing": Text("合成录像还没有生成。请在接访的页面看进度，或请它重新生成。", 404),
    "playback_damaged": Text("这份录像的文件打不开。请管理员运行 jiefang verify 查明。", 500),
    "playback_missing": Text("录像还没有整理好，暂时不能播放。请过几分钟再打开。", 404),
}

TEXTS: dict[str, Text] = {**_AT_THE_DOOR, **_INVITATIONS, **_HEARINGS, **_ROOM, **_IDENTITY, **_CASES, **_MONEY}

_WORDS: Mapping[str, Mapping[str, str]] = {
    "field": {
        "account_name": "户名",
        "account_number": "账号",
        "address": "地址",
        "applicant_name": "申请人姓名",
        "bank_name": "开户行",
        "case_number": "案号",
        "cnaps": "行号",
        "decision_text": "决定内容",
        "document": "文号",
        "fund_name": "资金名称",
        "holder_relation": "与申请人的关系",
        "id_number": "身份证号码",
        "note": "备注",
        "number": "编号",
        "objection": "要说的话",
        "opinion": "意见",
        "payer_name": "付款人",
        "phone": "电话",
        "reason": "理由",
        "region": "地区",
        "source": "来源",
        "subject": "事由",
        "text": "要说的话",
        "title": "标题",
    },
    "reason": {
        "length": "应当是 18 位",
        "characters": "有不该出现的字符",
        "birth_date": "出生日期不存在",
        "check_digit": "最后一位对不上",
    },
    "kind": {
        "recording": "录音录像",
        "personal_data": "使用个人信息",
        "face": "人脸",
        "document_front": "证件正面",
        "document_back": "证件背面",
    },
}
_OFFICE_ZONE = timezone(timedelta(hours=8))


def sentence(refusal: Refusal) -> str:
    """Return the sentence for a refusal, its params said in words."""
    params = {name: _say(name, value) for name, value in refusal.params.items()}
    return TEXTS[refusal.code].sentence.format(**params)


def _say(name: str, value: RefusalParam) -> str:
    if name.endswith("_fen") and isinstance(value, int):
        return format_fen(value)
    if name.endswith("_at"):
        return datetime.fromisoformat(str(value)).astimezone(_OFFICE_ZONE).strftime("%Y年%-m月%-d日 %H:%M")
    return _WORDS.get(name, {}).get(str(value), str(value))


def status_of(code: str) -> int:
    """Return the HTTP status under which a refusal travels."""
    return TEXTS[code].status


def way_on(code: str) -> str:
    """Return where the reader can go next: "back", "sign_in" or "hotline"."""
    return TEXTS[code].way
