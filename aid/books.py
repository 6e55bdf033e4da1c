"""The accounts of a fund and the movements between them; there are no others."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Account(StrEnum):
    """Where a fund's money can stand. `SOURCE` is the treasury's side of an appropriation."""

    AVAILABLE = "available"
    IN_FLIGHT = "in_flight"
    PAID = "paid"
    RESERVED = "reserved"
    SOURCE = "source"


ACCOUNTS: Final = tuple(Account)
"""In the order in which they are locked."""


class EntryKind(StrEnum):
    """Every movement there is."""

    APPROPRIATED = "appropriated"
    RESERVED = "reserved"
    FREED = "freed"
    RELEASED = "released"
    PAID = "paid"
    RETURNED = "returned"
    CORRECTED = "corrected"


MOVEMENTS: Final[dict[EntryKind, tuple[Account, Account]]] = {
    EntryKind.APPROPRIATED: (Account.SOURCE, Account.AVAILABLE),
    EntryKind.RESERVED: (Account.AVAILABLE, Account.RESERVED),
    EntryKind.FREED: (Account.RESERVED, Account.AVAILABLE),
    EntryKind.RELEASED: (Account.RESERVED, Account.IN_FLIGHT),
    EntryKind.PAID: (Account.IN_FLIGHT, Account.PAID),
    EntryKind.RETURNED: (Account.IN_FLIGHT, Account.AVAILABLE),
    EntryKind.CORRECTED: (Account.AVAILABLE, Account.SOURCE),
}


@dataclass(frozen=True, slots=True)
class Balances:
    """A fund's money in fen; `appropriated` is always the sum of the other four."""

    appropriated: int
    available: int
    reserved: int
    in_flight: int
    paid: int
