"""Numbers people carry: the citizen identity number, and the checks that bank numbers usually satisfy.

Only the identity number's own arithmetic refuses (GB 11643-1999). Region codes are never looked up: codes of counties
that were renamed or merged stay valid for life. Bank numbers only ever warn: passbook accounts need not satisfy Luhn.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_CHARACTERS: Final = "10X98765432"


class Sex(StrEnum):
    """As coded in the identity number's sequence: odd is male."""

    FEMALE = "female"
    MALE = "male"


class IdNumberFault(StrEnum):
    """What is wrong with an identity number."""

    LENGTH = "length"
    CHARACTERS = "characters"
    BIRTH_DATE = "birth_date"
    CHECK_DIGIT = "check_digit"


@dataclass(frozen=True, slots=True)
class IdNumberCheck:
    """The verdict on an identity number; `birth_on` and `sex` are None unless it is valid."""

    valid: bool
    reason: IdNumberFault | None
    birth_on: date | None
    sex: Sex | None


def normal_id_number(text: str) -> str:
    """Return the number without spaces, in ASCII digits, with a capital X."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text)).upper()


def check_id_number(text: str) -> IdNumberCheck:
    """Check a citizen identity number of 18 characters (GB 11643-1999; check character by ISO 7064 MOD 11-2)."""
    number = normal_id_number(text)
    if len(number) != 18:
        return _faulty(IdNumberFault.LENGTH)
    if re.fullmatch(r"[0-9]{17}[0-9X]", number) is None:
        return _faulty(IdNumberFault.CHARACTERS)
    try:
        birth_on = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return _faulty(IdNumberFault.BIRTH_DATE)
    if birth_on.year < 1880:
        return _faulty(IdNumberFault.BIRTH_DATE)
    if number[17] != id_check_character(number[:17]):
        return _faulty(IdNumberFault.CHECK_DIGIT)
    return IdNumberCheck(True, None, birth_on, Sex.MALE if int(number[16]) % 2 else Sex.FEMALE)


def id_check_character(first_17: str) -> str:
    """Return the 18th character belonging to 17 digits (ISO 7064 MOD 11-2)."""
    return _CHECK_CHARACTERS[sum(int(digit) * weight for digit, weight in zip(first_17, _WEIGHTS, strict=True)) % 11]


def normal_account_number(text: str) -> str:
    """Return an account number without spaces and hyphens, in ASCII digits."""
    return re.sub(r"[\s-]", "", unicodedata.normalize("NFKC", text))


def is_account_number(text: str) -> bool:
    """Tell whether `text` (already normal) can be an account at all: 8 to 32 digits, what the order format carries."""
    return re.fullmatch(r"[0-9]{8,32}", text) is not None


def luhn_holds(number: str) -> bool:
    """Tell whether the Luhn check holds (ISO/IEC 7812-1), as it does for every card and for few passbooks."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def is_cnaps(text: str) -> bool:
    """Tell whether `text` has the form of a CNAPS bank number (行号): 12 digits."""
    return re.fullmatch(r"[0-9]{12}", text) is not None


def cnaps_holds(number: str) -> bool:
    """Tell whether the check digit of a CNAPS number holds (ISO 7064 MOD 11,10)."""
    remainder = 10
    for digit in number[:-1]:
        remainder = ((remainder + int(digit)) % 10 or 10) * 2 % 11
    return (remainder + int(number[-1])) % 10 == 1


class AccountDoubt(StrEnum):
    """Why an account deserves a second look. Never a reason to refuse."""

    LUHN = "luhn"
    CNAPS = "cnaps"


def doubts(account_number: str, cnaps: str) -> tuple[AccountDoubt, ...]:
    """Return the warnings about an account number and its bank's number (both normal and well formed)."""
    found: list[AccountDoubt] = []
    if 16 <= len(account_number) <= 19 and not luhn_holds(account_number):
        found.append(AccountDoubt.LUHN)
    if not cnaps_holds(cnaps):
        found.append(AccountDoubt.CNAPS)
    return tuple(found)


def _faulty(fault: IdNumberFault) -> IdNumberCheck:
    return IdNumberCheck(False, fault, None, None)
