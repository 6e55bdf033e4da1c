"""What the verifier found, in sentences; and why a file cannot be used."""

import errno

from records.texts import length_of_time
from records.verifier import Finding

TEXTS: dict[str, str] = {
    # the trail
    "trail_whole": "审计链完整：{entries} 条记录一条扣一条，链头签名核到第 {signed} 条。",
    "trail_unsigned_tail": "第 {first} 至 {last} 条是最近写的，已相扣，还没有签名。",
    "entry_changed": "审计链第 {sequence} 条被改过。",
    "entries_missing": "审计链少了第 {first} 至 {last} 条。",
    "entry_out_of_place": "审计链第 {sequence} 条不在原来的位置，是插进来的或调换过。",
    "chain_broken": "审计链第 {sequence} 条和上一条扣不上。",
    "head_forged": "第 {sequence} 条的链头签名和公钥对不上：签名后被改过，或不是这把密钥签的。",
    "heads_of_another_key": "{heads} 个链头签名没有一个和公钥对得上：公钥拿错了，或签名都被改过。",
    "trail_rewritten": "审计链第 {first} 至 {last} 条被整段重写过，和签过名的链头对不上。",
    "tail_cut": "审计链的末尾被截断：签名证明曾有到第 {last} 条，现在从第 {first} 条起没有了。",
    "heads_missing": "没有签过名的链头，{entries} 条记录的末尾无法证明。",
    "head_line_unreadable": "链头文件第 {line} 行读不出来，被改过或已损坏。",
    "line_unreadable": "审计链文件第 {line} 行读不出来。",
    "trail_unreadable": "数据库文件读不出来，已损坏或被改过。",
    "extract_whole": "审计链摘录完整：第 {first} 至 {last} 条一条扣一条，{shown} 条有全文，{sealed} 条只有摘要。",
    "extract_unanchored": "审计链摘录的开头（第 {first} 条之前）没有签过名的链头，无法证明它出自完整的审计链。",
    "extract_unsigned": "审计链摘录第 {first} 至 {last} 条之后没有签过名的链头，无法证明。",
    # evidence bundles
    "bundle_whole": "证据包（{number}）里的 {files} 个文件都在，没有多也没有少，逐一核对，都对。",
    "not_a_bundle": "{name} 不是证据包，或开头就已损坏，认不出里面的内容。解压后重新打过包的，请核对解压出来的文件夹。",
    "other_key": "证据包里写明的签名密钥编号是 {theirs}，和给出的公钥（{given}）不是一对，什么都证明不了。"
    "请先弄清公钥是否拿对了。",
    "bundle_unreadable": "证据包打不开：{name}。",
    "archive_changed": "证据包从第 {position} 个字节起被改过，或后面的缺了（{after} 之后）。",
    "bundle_list_missing": "证据包里没有文件清单（bundle.json）。",
    "bundle_list_changed": "证据包的文件清单（bundle.json）被改过。",
    "bundle_list_unreadable": "证据包的文件清单（bundle.json）读不出来。",
    "bundle_seal_missing": "证据包里没有文件清单的签名（bundle.sig）。",
    "bundle_seal_wrong": "证据包的签名（bundle.sig）和公钥对不上：被改过，或不是这把密钥签的。",
    "member_unexpected": "证据包里有一个不该有的文件：{name}。",
    "member_checksum_wrong": "证据包里的校验码和文件对不上：{name}。",
    "member_missing": "证据包里少了一个文件：{name}。",
    "member_changed": "证据包里的文件被改过：{name}。",
    "member_extra": "证据包里多出一个清单上没有的文件：{name}。",
    "trail_missing": "证据包里没有审计链摘录。",
    "opening_missing": "证据包里没有能打开录像的密钥（opening.json）：录像能核对，但没有它看不了、听不了。",
    "recording_unproven": "审计链摘录里没有封存录音录像的那一条，录像无法证明。",
    "facts_agree": "付款事实 {payments} 条，和审计链摘录一致。",
    "facts_differ": "付款事实（facts.json）和审计链摘录不一致。",
    "playback_same": "由原始记录重新生成的录像和证据包里的一样，每一帧画面、每一段声音都相同：{who}（{name}）。",
    "playback_differs": "由原始记录重新生成的录像和证据包里的不一样：{who}（{name}）。",
    "playback_missing": "由原始记录能生成这个录像，证据包里却没有：{who}（{name}）。",
    "playback_not_made": "证据包里有这个录像，由原始记录却生成不出来：{who}（{name}）。",
    "rebuild_failed": "没能重新生成录像：{why}。",
    "playback_none": "原始记录里没有画面和声音，没有可生成的录像。",
    # recordings
    "recording_whole": "录像完整：{segments} 段，共 {duration_ms}，清单的签名和公钥相符。",
    "gap": "录像从 {began} 起有 {lost_ms}没有录上，封存时的清单就是这样写明的，不是事后删去的。",
    "recess": "录像 {began} 至 {ended} 休会：按规定没有录音录像，不是缺失。",
    "recess_packets": "休会期间（{began} 至 {ended}）却录有声音或画面：从 {at} 起，{packets} 个数据包，在 {name}。",
    "recess_recorded": "休会期间（{began} 至 {ended}）却录有声音或画面：{name} 整段都是。",
    "manifest_missing": "录像的清单不见了。",
    "manifest_changed": "录像的清单被改过。",
    "manifest_unreadable": "录像的清单读不出来。",
    "manifest_replaced": "录像的清单被换成了另一份：签名不假，但不是审计链上记的那一份。",
    "signature_missing": "录像清单的签名不见了。",
    "signature_wrong": "录像清单的签名和公钥对不上：被改过，或不是这把密钥签的。",
    "segment_missing": "录像少了一段：{name}（{began} 至 {ended}）。",
    "segment_changed": "录像的这一段被改过：{name}（{began} 至 {ended}）。",
    "segment_torn": "录像的这一段在断电或重启时没写完，封存时就是这样：{name}。",
    "sealed_too_short": "录像封存时就比接访的时间短，末尾缺了一截。",
    "sealed_with_fault": "录像封存时就有缺陷（{fault}）：{name}。",
    "segment_extra": "录像多出来一段：{name}。",
    "segment_unchained": "录像的这一段和上一段扣不上：{name}。",
    "session_key_changed": "录像的密钥文件（session.key）和公钥对不上：被改过，或不是这把密钥签的。"
    "录像本身没有因此改动，但可能解不开。",
    "session_key_missing": "录像的密钥文件（session.key）不见了。录像没有被改动，但没有它就打不开，请从备份里找回。",
    "segment_locked": "录像的这一段用给出的密钥打不开：{name}。",
    "stamp_holds": "时间戳有效：清单的签名在 {at} 已经存在。",
    "stamp_unchecked": "清单的签名盖有时间戳；用 --authority 给出时间戳服务的证书就能一并核对。",
    "stamp_missing": "清单签名的时间戳不见了。",
    "stamp_changed": "清单签名的时间戳被改过或换过，和审计链上记的不是同一份。",
    "stamp_wrong": "清单签名的时间戳无效：不是这家机构盖的，或不是盖在这份签名上的。",
    "recording_deleted": "录像原始记录已按保管期限删除，审计链上有记录；清单和签名仍在，都对。",
    # the vault
    "vault_whole": "文书、截图、签名、银行文件 {files} 份，逐一核对，都对。",
    "vault_deleted": "{files} 份文件已按保管期限删除，审计链上有记录。",
    "vault_missing": "少了一份文件，摘要 {digest}。",
    "vault_changed": "有一份文件被改过，摘要 {digest}。",
    "vault_key_missing": "有一份文件解不开，密钥不在，摘要 {digest}。",
    "vault_reference_wrong": "记录里的文件摘要写错了：{digest}。",
    # money
    "books_whole": "账目相抵为零，余额、付款与账目逐一相符。",
    "books_wrong": "账目对不上：{what}。",
}


FAULTS: dict[str, str] = {
    "segment_missing": "缺这一段",
    "segment_misplaced": "不是放在这里的",
    "header_unreadable": "开头读不出来",
    "record_unreadable": "有的地方读不出来",
    "chunk_unreadable": "有的地方解不开",
}


_REASONS = {
    errno.ENOENT: "没有这个文件或文件夹",
    errno.EACCES: "没有权限",
    errno.EPERM: "没有权限",
    errno.EEXIST: "那里有一个同名的文件",
    errno.ENOTDIR: "那里不是文件夹",
    errno.EISDIR: "那里是一个文件夹",
    errno.ENOSPC: "磁盘满了",
    errno.EDQUOT: "磁盘满了",
    errno.EROFS: "磁盘是只读的",
}


def describe(finding: Finding) -> str:
    """Return the sentence for one finding."""
    return TEXTS[finding.code].format(**{name: _said(name, value) for name, value in finding.params.items()})


def _said(name: str, value: str | int) -> str | int:
    if name.endswith("_ms"):
        return length_of_time(int(value))
    return FAULTS.get(value, value) if isinstance(value, str) else value


def reason_of(error: OSError) -> str:
    """Return in words why a file cannot be read or written."""
    return _REASONS.get(error.errno or 0, f"磁盘出错（{error.strerror or type(error).__name__}）")
