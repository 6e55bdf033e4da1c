"""Money as integer fen, in figures and in capital numerals.

1 yuan = 100 fen. No float is ever made: text is cut and joined as digits.
"""

import re
from typing import Final

import cn2an

MAX_FEN: Final = 99_999_999_999_999
"""999 999 999 999.99 yuan: more than any order, and within what the bank file's 18 digits can carry."""

_AMOUNT = re.compile(r"(?P<yuan>[0-9]{1,12})(?:\.(?P<fen>[0-9]{1,2}))?")


def check_amount(amount_fen: int) -> int:
    """Return `amount_fen` (fen) when it is an amount that can be paid; raise ValueError otherwise.

    A programmer's guard: what a user typed is read by `parse_yuan`.
    """
    if isinstance(amount_fen, bool) or not isinstance(amount_fen, int):
        raise TypeError(f"an amount is an int of fen, not {type(amount_fen).__name__}")
    if not 0 < amount_fen <= MAX_FEN:
        raise ValueError(f"not an amount that can be paid: {amount_fen}")
    return amount_fen


def plain_yuan(amount_fen: int) -> str:
    """Write fen as yuan with two decimals and no grouping, e.g. `20000.00` (what a bank file wants)."""
    sign = "-" if amount_fen < 0 else ""
    yuan, fen = divmod(abs(amount_fen), 100)
    return f"{sign}{yuan}.{fen:02d}"


def format_fen(amount_fen: int) -> str:
    """Write fen as yuan with two decimals, grouped by thousands, e.g. `20,000.00`."""
    sign = "-" if amount_fen < 0 else ""
    yuan, fen = divmod(abs(amount_fen), 100)
    return f"{sign}{yuan:,}.{fen:02d}"


def parse_yuan(text: str) -> int | None:
    """Read an amount of yuan as a person types it (`20,000.00`, `¥20000`, `２００００元`) and return fen, or None.

    Grouping commas are accepted only where they group, so that `2,0000` is not silently read as twenty thousand.
    """
    plain = text.strip().translate(_FULL_WIDTH).replace(" ", "").removeprefix("¥").removeprefix("￥").removesuffix("元")
    if "," in plain:
        if not re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]{1,2})?", plain):
            return None
        plain = plain.replace(",", "")
    found = _AMOUNT.fullmatch(plain)
    if found is None:
        return None
    fen = int(found["yuan"]) * 100 + int((found["fen"] or "0").ljust(2, "0"))
    return fen if 0 < fen <= MAX_FEN else None


_FULL_WIDTH = str.maketrans("０１２３４５６７８９．，", "0123456789.,")


def capital_numerals(amount_fen: int) -> str:
    """Write an amount (fen) in the capital numerals of vouchers, e.g. 人民币贰万元整.

    Rules: 《支付结算办法》附一《正确填写票据和结算凭证的基本规定》: the currency's name comes right before the
    numerals; an amount ending at 元 closes with 整; one ending at 角 here does not; a run of zeros is read as
    one 零; 角 of zero before 分 is read 零.
    """
    if not 0 <= amount_fen <= MAX_FEN:
        raise ValueError(f"no capital numerals for {amount_fen}")
    return "人民币" + str(cn2an.an2cn(plain_yuan(amount_fen), "rmb"))
