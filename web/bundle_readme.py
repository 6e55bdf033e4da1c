"""The README of an evidence bundle: what a stranger reads first."""

from collections.abc import Sequence

from records.chain import ExportedEntry

_TEXT = """# 远程接访证据包：{number}

这个文件包装着一场远程视频接访的全部证据：录音录像的原始记录、清单和签名，谁在什么时候做了什么，
核验身份时的截图、本人的签名，以及相关救助金付款的记录。里面的每一个字节都可以核对，
不需要登录任何系统，不需要联网，也不需要相信把它交给您的人。

## 怎样核对

1. 从**别的途径**取得本院的公钥文件（office-public.pem），例如本院网站、公告或当面领取。
   公钥不在这个包里：要是连公钥都由被核对的人给，核对就没有意义。
   制作这个包时使用的签名密钥编号是 `{key_id}`，可与公布的编号对照。
2. 在任何一台装有 jiefang 程序的计算机上运行：

       jiefang verify 证据包.zip --key office-public.pem

   有时间戳的，可以加上 `--authority 证书.pem`，用时间戳服务机构的证书一并核对。

3. 结果逐行用人话写出。任何一个文件哪怕改动一个字节，都会指出是哪一个。
4. 想自己从原始记录重新生成可播放的录像，并和包里的对照：

       jiefang verify 证据包.zip --key office-public.pem --rebuild 目录

## 里面有什么

| 文件 | 是什么 |
|---|---|
| `recording/segment-*.jfj` | 录音录像的原始记录，按时间分段，每段写明上一段的 SHA-256 摘要 |
| `recording/manifest.json`、`manifest.sig` | 录音录像的清单（人、时间、间断、休会、每一段的摘要）和本院对清单的签名 |
| `recording/manifest.tsr` | 时间戳服务机构（RFC 3161）对清单签名盖的时间戳；没有这个文件就是没有盖 |
| `opening.json` | 原始记录是加密保存的；这是打开这一份录音录像的密钥，打不开别的 |
| `playback/*.webm`、`*.mp4` | 每个人一个可播放的文件，转存自原始记录，不重新编码（中途换过编码的，较短的一段除外） |
| `composite/composite.mp4` | 合成录像：所有人在一个画面里，带姓名和时间。重新编码过，供观看；证据以原始记录为准 |
| `trail/extract.jsonl` | 审计链摘录，共 {shown} 条是这场接访和相关付款的，写出全文；其余的只写摘要，不泄露别人的信息 |
| `trail/heads.jsonl` | 本院签过名的链头：证明摘录出自完整的审计链，并且签名那一刻已经存在 |
| `vault/` | 审计链提到的文件：截图、签名图片、清单，文件名就是它的 SHA-256 摘要 |
| `facts.json` | 付款的事实（订单、银行文件和银行回单的摘要），照审计链抄录 |
| `bundle.json`、`bundle.sig` | 以上全部文件的清单和本院的签名 |

银行文件和银行回单里有同一批次其他人的信息，所以这里只有它们的摘要，没有原件；原件可以依法向本院调取，
用摘要核对。

## 能证明什么，不能证明什么

- 能证明：录音录像、截图、签名、审计记录和付款事实自本院签名以来没有被改动、增删、调换或截断。
- 能证明：摘录里的每一条都在本院的审计链上，位置没有变过。
- 不能单凭本包证明：只写摘要的那些条目里没有与本案有关的。有疑问时，可以要求本院公开某一条的全文，
  其内容的摘要必须与这里写的相同。
- 不能证明：签名密钥从未被他人使用。密钥由本院保管。

本包含有个人信息（影像、声音、截图、签名），请妥善保管，只用于依法需要的目的。
"""


def readme(number: str, key_id: str, shown: Sequence[ExportedEntry]) -> str:
    """Return the text for one bundle."""
    return _TEXT.format(number=number, key_id=key_id, shown=len(shown))
