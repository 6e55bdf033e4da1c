"""What a room is at one moment: immutable values, and what each person may see of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from signaling.absence import ends_at
from signaling.lines import Lines
from signaling.messages import (
    DeviceState,
    HostAwaited,
    LinkState,
    Person,
    Phase,
    RecessShown,
    RecordingTrouble,
    RoomShown,
)
from signaling.ports import ADMIT, ENTER_FREELY, PUBLISH, Opening, Seated
from signaling.recess import Recess
from signaling.trouble import Interruption, Trouble
from signaling.words import WORDS_KEPT, Word


@dataclass(frozen=True, slots=True)
class LiveConnection:
    """The one socket through which a seat is present, and the browser it came from."""

    connection_id: str
    device: str


@dataclass(frozen=True, slots=True)
class Place:
    """A seat and whoever sits there. It lasts; the connection comes and goes.

    `in_media`: the media plane was asked to carry this seat. `media_tries`: offers made by ourselves since the link
    last stood. `refusals`: how often it asked for what it must not have, up to `REFUSALS_RECORDED_MAX`.
    """

    seat_id: str
    role: str
    name: str
    title: str
    abilities: frozenset[str] = frozenset()
    connection: LiveConnection | None = None
    admitted: bool = False
    in_media: bool = False
    media_tries: int = 0
    muted: bool = False
    hand: bool = False
    microphone: DeviceState = "off"
    camera: DeviceState = "off"
    link: LinkState = "none"
    refusals: int = 0

    @property
    def present(self) -> bool:
        """Whether somebody sits there now."""
        return self.connection is not None

    @property
    def is_host(self) -> bool:
        """Whether this seat decides who comes in."""
        return ADMIT in self.abilities

    @property
    def never_waits(self) -> bool:
        """Whether this seat needs no admission."""
        return bool(self.abilities & {ADMIT, ENTER_FREELY})

    @property
    def publishes(self) -> bool:
        """Whether this seat is seen and heard; whoever is not only watches."""
        return PUBLISH in self.abilities

    def without_media(self) -> "Place":
        """Return the place as it is when the media plane does not carry it."""
        return replace(self, in_media=False, link="none", media_tries=0)


@dataclass(frozen=True, slots=True)
class Room:
    """A hearing's room. `recording`: the media plane has opened it, so people can be heard and are recorded."""

    hearing_id: str
    phase: Phase = "waiting"
    started_at: datetime | None = None
    places: Mapping[str, Place] = field(default_factory=dict)
    recording: bool = False
    elapsed_ms: int | None = None
    saved_ms: int | None = None
    prompt: str = ""
    recess: Recess | None = None
    """While there is one, the media plane forwards and records nothing."""
    no_host_since: datetime | None = None
    """Since when no host was found there while the hearing was in session."""
    unseen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Whose picture cannot be seen by whom, for want of a common codec."""
    lines: Lines = field(default_factory=dict)
    """What was measured of people's lines and is not kept yet."""
    trouble: Trouble | None = None
    untold: tuple[Interruption, ...] = ()
    """Interruptions of the recording that are not on record yet."""
    words: tuple[Word, ...] = ()
    """The last ones that were written."""

    @classmethod
    def opened(cls, hearing_id: str, opening: Opening) -> "Room":
        """Return the room as the record knows it."""
        cards = {card.seat_id: card for card in opening.seats}
        # An admission without its session was cut short by a crash: it is the host's to make again.
        admitted = frozenset() if opening.phase == "waiting" else opening.admitted
        places = {
            seat_id: Place(seat_id, card.role, card.name, card.title, admitted=seat_id in admitted)
            for seat_id, card in cards.items()
        }
        # Somebody who was admitted but has no card yet stays admitted: the name comes with the person.
        places |= {seat_id: Place(seat_id, "", "", "", admitted=True) for seat_id in admitted - cards.keys()}
        return cls(
            hearing_id,
            phase=opening.phase,
            started_at=opening.started_at,
            places=places,
            recess=opening.recess,
            words=opening.words,
        )

    def with_place(self, place: Place) -> "Room":
        """Return the room with this place in it."""
        return replace(self, places={**self.places, place.seat_id: place})

    def with_word(self, number: int, writer: Place, text: str, at: datetime) -> "Room":
        """Return the room with another word at the end of `words`."""
        word = Word(number, writer.seat_id, writer.name, text, at, to_all=writer.is_host)
        return replace(self, words=(*self.words, word)[-WORDS_KEPT:])

    def seated(self, seated: Seated) -> Place:
        """Return the place of whoever enters: the kept one, with the name and abilities they have today."""
        kept = self.places.get(seated.seat_id) or Place(seated.seat_id, "", "", "")
        place = replace(
            kept,
            role=seated.role,
            name=seated.name,
            title=seated.title,
            abilities=seated.abilities,
            connection=LiveConnection(seated.connection_id, seated.device),
        )
        return replace(place, admitted=kept.admitted or place.never_waits)

    @property
    def lacks_host(self) -> bool:
        """Whether the hearing is in session and no host is there."""
        return self.phase == "in_session" and not any(self.hosts())

    def present(self) -> Iterator[Place]:
        """Yield the places where somebody sits."""
        return (place for place in self.places.values() if place.present)

    def hosts(self) -> Iterator[Place]:
        """Yield the hosts who are there."""
        return (place for place in self.present() if place.is_host)


def _visible(viewer: Place, place: Place) -> bool:
    """Say whether `viewer` may know of `place`: visitors who wait do not learn who else waits or is heard."""
    if place.seat_id == viewer.seat_id or place.is_host or viewer.is_host:
        return bool(place.role)
    return viewer.admitted and place.admitted and bool(place.role)


def person(place: Place, unseen_by: tuple[str, ...] = ()) -> Person:
    """Return a place as messages show it."""
    return Person(
        seat_id=place.seat_id,
        role=place.role,
        name=place.name,
        title=place.title,
        present=place.present,
        admitted=place.admitted,
        microphone=place.microphone,
        camera=place.camera,
        muted=place.muted,
        hand=place.hand,
        link=place.link,
        unseen_by=unseen_by,
    )


def _shown(trouble: Trouble) -> RecordingTrouble:
    return RecordingTrouble(
        error=trouble.error,
        since=None if trouble.since is None else trouble.since.isoformat(),
        saved_ms=trouble.saved_ms,
        room_s=trouble.room_s,
        losing=trouble.losing,
        mended_at=None if trouble.mended_at is None else trouble.mended_at.isoformat(),
        lost_ms=trouble.lost,
    )


def snapshot(room: Room, viewer: Place) -> RoomShown:
    """Return the room as `viewer` may see it."""
    visible = {place.seat_id: place for place in room.places.values() if _visible(viewer, place)}
    unseen = {seat: tuple(by for by in blind if by in visible) for seat, blind in room.unseen.items()}
    return RoomShown(
        phase=room.phase,
        you=viewer.seat_id,
        people=tuple(person(place, unseen.get(place.seat_id, ())) for place in visible.values()),
        started_at=None if room.started_at is None else room.started_at.isoformat(),
        elapsed_ms=room.elapsed_ms,
        saved_ms=room.saved_ms,
        prompt=room.prompt,
        trouble=_shown(room.trouble) if viewer.admitted and room.trouble is not None else None,
        recess=_recess_shown(room),
        host_awaited=_host_awaited(room),
    )


def _host_awaited(room: Room) -> HostAwaited | None:
    since = room.no_host_since
    if since is None or room.phase != "in_session":
        return None
    return HostAwaited(since.isoformat(), ends_at(since, rests=room.recess is not None).isoformat())


def _recess_shown(room: Room) -> RecessShown | None:
    if room.recess is None or room.phase != "in_session":
        return None
    host = room.places.get(room.recess.by)
    return RecessShown(room.recess.since.isoformat(), host.name if host else "", room.recess.reason)
