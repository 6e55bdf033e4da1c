"""What passes between us and a bank, whatever its file format: orders one way, answers the other.

We never move money: we hand over a file, and believe only what comes back. A bank with a line of its own implements
`Bank`; without one a person downloads the file and uploads the answer.
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final, Protocol

from lxml import etree

from records.refusals import Refusal

ANSWER_BYTES_MAX: Final = 8 * 1024 * 1024
"""Some 5,000 lines; a month's orders of a county are a few dozen."""


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody with an account at a bank."""

    name: str
    account: str
    bank_name: str
    bank_cnaps: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """One order: `reference` (at most 35 characters) comes back in the answer."""

    reference: str
    payee: Party
    amount_fen: int
    purpose: str


@dataclass(frozen=True, slots=True)
class PaymentFile:
    """Orders that go together. Equal files make equal bytes."""

    message_id: str
    made_at: datetime
    execute_on: date
    payer: Party
    transfers: tuple[Transfer, ...]

    @property
    def total_fen(self) -> int:
        """The sum of all orders in fen."""
        return sum(transfer.amount_fen for transfer in self.transfers)


class LineStatus(StrEnum):
    """What an answer says about one order. Anything but the first two leaves the order as it is."""

    PAID = "paid"
    RETURNED = "returned"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """One line of an answer, numbered from 1. What the bank did not repeat is None."""

    line: int
    reference: str
    status: LineStatus
    code: str
    amount_fen: int
    account: str | None
    execute_on: date | None
    reason_code: str | None
    reason: str
    bank_reference: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer file, read but not yet believed: nothing here was compared with what was sent."""

    message_id: str
    answered_at: datetime
    bank_cnaps: str
    original_message_id: str
    original_count: int | None
    original_total_fen: int | None
    lines: tuple[AnswerLine, ...]


class Bank(Protocol):
    """A bank that takes files by itself. Handing over the same file again must be harmless: its message id repeats."""

    async def hand_over(self, name: str, data: bytes) -> None:
        """Give the bank a file; return when it has it for certain, raise when it is not certain."""
        ...


def read_xml(data: bytes, *, root: str) -> etree._Element:
    """Parse an answer without following anything it points to; `root` is the element it must begin and end with.

    Entities are not expanded, documents with a DTD are refused, no address is opened, the size is limited.
    Refusals: answer_too_large, answer_cut (it begins like an answer and stops), answer_unreadable.
    """
    if len(data) > ANSWER_BYTES_MAX:
        raise Refusal("answer_too_large", limit_mb=ANSWER_BYTES_MAX // 1024 // 1024)
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        element = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Refusal("answer_cut" if _looks_cut(data, root) else "answer_unreadable") from error
    information = element.getroottree().docinfo
    if information.internalDTD is not None or information.doctype:
        raise Refusal("answer_unreadable")
    return element


def _looks_cut(data: bytes, root: str) -> bool:
    # The names are ASCII in every encoding that banks use; a file in UTF-16 is simply called unreadable.
    return f"<{root}".encode() in data[:2000] and not data.rstrip().endswith(f"{root}>".encode())
