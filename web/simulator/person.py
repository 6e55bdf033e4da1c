"""Who the simulated applicant is: one made-up person, the same in the demo data, on the drawn card and in the voice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Person:
    """What stands on an identity card (GB 11643 number, GA 448 layout). ``ethnicity`` is the card's 民族 field."""

    name: str
    sex: str
    ethnicity: str
    birth_on: date
    address: str
    id_number: str
    issued_by: str
    valid_from_on: date
    valid_to_on: date

    @property
    def id_tail(self) -> str:
        """The last four characters, which the invitation asks for."""
        return self.id_number[-4:]


DEMO_APPLICANT = Person(
    name="高秀兰",
    sex="女",
    ethnicity="汉",
    birth_on=date(1968, 3, 12),
    address="山东省梁山县水泊街道演示村16号",
    # The sequence numbers 996 to 999 were kept for people over a hundred: nobody born in 1968 bears one, so this
    # number, valid in form, is nobody's.
    id_number="370832196803129963",
    issued_by="梁山县公安局",
    valid_from_on=date(2019, 6, 18),
    valid_to_on=date(2039, 6, 18),
)
