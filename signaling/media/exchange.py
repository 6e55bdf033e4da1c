"""Who sends what to whom in one hearing: looked up for every packet, worked out only when something changes."""

from collections.abc import Iterator

from signaling.media.link import Link
from signaling.media.participant import Participant
from signaling.media.stream import Stream


class Exchange:
    """The people of a hearing, by seat and by link, and who gets which stream."""

    def __init__(self) -> None:
        self.people: dict[str, Participant] = {}
        self.muted: set[str] = set()
        """Seats whose sound is dropped here. Stays with the seat when the link changes."""
        self._by_link: dict[Link, Participant] = {}
        self._receivers: dict[int, list[Participant]] = {}

    def put(self, person: Participant) -> None:
        """Take a participant in, in place of whoever had the seat."""
        self.people[person.seat_id] = person
        self._by_link[person.link] = person

    def at(self, link: Link) -> Participant | None:
        """Return whose link it is, unless it was let go."""
        return self._by_link.get(link)

    def let_go(self, link: Link) -> None:
        """Forget a link; the seat stays."""
        self._by_link.pop(link, None)
        self.place_receivers()

    def streams_for(self, person: Participant) -> Iterator[Stream]:
        """Yield everybody else's streams."""
        for other in self.people.values():
            if other is not person:
                yield from other.streams.values()

    def place_receivers(self) -> None:
        """Work out anew who gets what: to be called when a link or an agreement has changed."""
        self._receivers = {}
        for person in self.people.values():
            if person.link.connected:
                for ssrc in person.receiving:
                    self._receivers.setdefault(ssrc, []).append(person)

    def receivers_of(self, ssrc: int) -> list[Participant]:
        """Return who gets a stream now."""
        return self._receivers.get(ssrc, [])

    def sender_to(self, receiver: Participant, ssrc: int | None) -> Participant | None:
        """Return who sends a stream that `receiver` gets; None for a stream that is not its business."""
        if ssrc is None or ssrc not in receiver.receiving:
            return None
        return next((person for person in self.people.values() if ssrc in person.streams), None)

    def silenced(self, stream: Stream) -> bool:
        """Tell whether a stream's packets are to be dropped here."""
        return stream.kind == "audio" and stream.seat_id in self.muted
