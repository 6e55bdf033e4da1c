"""Who sends what to whom in one hearing: looked up for every packet, worked out only when something changes."""

from collections.abc import Callable, Collection, Iterator

from signaling.media.codecs import OFFERED
from signaling.media.link import Link
from signaling.media.participant import Participant
from signaling.media.red import unwrap_red
from signaling.media.resending import RepairSsrcs
from signaling.media.rtp import RtpHead, make_empty
from signaling.media.stream import Stream

LED_ON_EVERY = 2048
"""Sequence numbers. Of the sixteen in half a turn one must arrive."""


class Exchange:
    """The people of a hearing, by seat and by link, and who gets which stream."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self.people: dict[str, Participant] = {}
        self.muted: set[str] = set()
        """Seats whose sound is dropped here. Stays with the seat when the link changes."""
        self.paused = False
        """In a recess everybody's sound and pictures are dropped here. Links stay up."""
        self._repair_ssrcs = RepairSsrcs()
        self._spent_ssrcs: set[int] = set()
        """Under which somebody sends or has sent. Bounded by what a journal has room for."""
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

    def has_no_room_for(self, person: Participant, ssrcs: Collection[int]) -> bool:
        """Tell whether one of somebody's SSRCs is another's, or the relay's own, or would make it so; or somebody sent
        under it before: numbers that went to a receiver once must not begin anew there (RFC 3711 section 9.1)."""
        taken = {ssrc for other in self.people.values() if other is not person for ssrc in other.ssrcs()}
        taken |= self._spent_ssrcs.difference(person.streams)
        return not taken.isdisjoint(ssrcs) or self._repair_ssrcs.clash(taken.union(ssrcs))

    def take_ssrc(self, ssrc: int) -> int:
        """Note that somebody sends under an SSRC; return under which the relay sends lost packets of it again."""
        self._spent_ssrcs.add(ssrc)
        return self._repair_ssrcs.of(ssrc)

    def formats_for(self, sender: Participant) -> tuple[int, ...]:
        """Return the payload types to ask of a camera: those that most of the others can show."""
        able = [one for one in OFFERED["video"] if one not in sender.unable] or list(OFFERED["video"])
        others = [other for other in self.people.values() if other is not sender]
        shown = {one: sum(other.shows(one) for other in others) for one in able}
        return tuple(one for one in able if shown[one] == max(shown.values()))

    def unseen(self) -> dict[str, tuple[str, ...]]:
        """Return whose picture cannot be seen by whom, for want of a common codec; not while another is being tried."""
        found: dict[str, tuple[str, ...]] = {}
        for sender in self.people.values():
            asked = self.formats_for(sender)
            streams = [stream for stream in sender.streams.values() if stream.payload_type in asked]
            cannot = sender.publishes and sender.unable.issuperset(OFFERED["video"])
            blind = tuple(
                other.seat_id
                for other in self.people.values()
                if other is not sender and not other.link.lost and (cannot or any(map(other.cannot_show, streams)))
            )
            if blind and not sender.link.lost:
                found[sender.seat_id] = blind
        return found

    def settle(self) -> None:
        """Work out anew what everybody gets, after a stream has changed."""
        for person in self.people.values():
            person.settle(self.streams_for(person))
        self.place_receivers()

    def place_receivers(self) -> None:
        """Work out anew who gets what: to be called when a link or an agreement has changed."""
        self._on_change()
        self._receivers = {}
        streams = (stream for person in self.people.values() for stream in person.streams.values())
        pictures = {stream.ssrc for stream in streams if stream.kind == "video"}
        for person in self.people.values():
            if person.link.connected:
                for ssrc in person.receiving:
                    if not (person.sound_alone and ssrc in pictures):
                        self._receivers.setdefault(ssrc, []).append(person)

    def receivers_of(self, ssrc: int) -> list[Participant]:
        """Return who gets a stream now."""
        return self._receivers.get(ssrc, [])

    def forward_red(self, stream: Stream, head: RtpHead, data: bytes, numbered: int, at: float) -> None:
        """Send redundant sound as it is to those who take it, and without what is redundant to the others."""
        plain: bytes | None = None
        for receiver in self.receivers_of(stream.ssrc):
            if stream.ssrc not in receiver.plain:
                receiver.forward(stream, head.sequence, data, numbered, at)
                continue
            plain = plain or unwrap_red(data, head.payload_at)
            if plain is not None:
                receiver.forward(stream, head.sequence, plain, numbered, at)

    def holds_back(self, stream: Stream, head: RtpHead, data: bytes) -> bool:
        """Tell whether a packet is to be dropped here; now and then an empty one goes in its place.

        SRTP takes a number more than half a turn (2^15) ahead for an old one (RFC 3711 section 3.3.1). So after a long
        silence nobody would get anything until the numbers have come round, which takes minutes.
        """
        silenced = self.silenced(stream)
        if silenced and head.sequence % LED_ON_EVERY == 0:
            for receiver in self.receivers_of(stream.ssrc):
                thinned = receiver.thinned.get(stream.ssrc)
                if thinned is None:
                    receiver.link.send_rtp(make_empty(data))
                else:
                    thinned.skip_to(stream.flow.highest)
        return silenced

    def sender_to(self, receiver: Participant, ssrc: int | None) -> Participant | None:
        """Return who sends a stream that `receiver` gets; None for a stream that is not its business."""
        if ssrc is None or ssrc not in receiver.receiving:
            return None
        return next((person for person in self.people.values() if ssrc in person.streams), None)

    def silenced(self, stream: Stream) -> bool:
        """Tell whether a stream's packets are to be dropped here."""
        return self.paused or (stream.kind == "audio" and stream.seat_id in self.muted)

    def set_muted(self, seat_id: str, muted: bool) -> bool:
        """Drop a seat's sound from now on, or no longer; returns whether that changed anything. What was said meanwhile
        is forgotten: nobody can ask for it afterwards."""
        if muted == (seat_id in self.muted):
            return False
        self.muted ^= {seat_id}
        self._on_change()
        person = self.people.get(seat_id)
        for stream in person.streams.values() if person is not None and not muted else ():
            if stream.kind == "audio":
                stream.begin_anew()
        return True

    def set_paused(self, paused: bool) -> bool:
        """Begin or end a recess; returns whether that changed anything. Afterwards everybody's pictures begin anew."""
        if paused == self.paused:
            return False
        self.paused = paused
        self._on_change()
        if not paused:
            for person in self.people.values():
                for stream in person.streams.values():
                    stream.begin_anew()
                    stream.want_keyframe()
        return True
