"""What is written in a hearing: who may read it, and what somebody who comes back has not been sent."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from signaling.messages import WordSaid

WORDS_KEPT = 100
"""How many of a hearing's last words are sent to whoever comes; all of them are on record."""


@dataclass(frozen=True, slots=True)
class Word:
    """A written word, the `number`-th of its hearing. One `to_all` is a host's; any other goes to the hosts alone."""

    number: int
    seat_id: str
    name: str
    text: str
    at: datetime
    to_all: bool

    def is_for(self, seat_id: str, *, is_host: bool) -> bool:
        """Tell whether somebody may read it; its writer gets it back."""
        return self.to_all or is_host or self.seat_id == seat_id

    def as_message(self) -> WordSaid:
        """Return it as it is sent."""
        return WordSaid(self.number, sender=self.seat_id, name=self.name, text=self.text, at=self.at.isoformat())


def missed(words: Iterable[Word], after: int, seat_id: str, *, is_host: bool) -> Iterator[WordSaid]:
    """Yield what somebody may read of the words that came after the number `after`."""
    for word in words:
        if word.number > after and word.is_for(seat_id, is_host=is_host):
            yield word.as_message()
