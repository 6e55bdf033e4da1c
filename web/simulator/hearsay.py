"""What the simulated applicant takes from the server's messages (signaling/PROTOCOL.md); the rest is passed over."""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, frozen=True, tag_field="type"):
    """A message from the server, as far as she cares."""


class Person(msgspec.Struct, frozen=True):
    """One seat of a room."""

    seat_id: str
    admitted: bool
    microphone: str
    camera: str


class Recess(msgspec.Struct, frozen=True):
    """The hearing rests."""

    since: str


class Room(Message, frozen=True, tag="room"):
    """The whole room."""

    phase: str
    you: str
    people: tuple[Person, ...]
    prompt: str
    recess: Recess | None = None

    @property
    def me(self) -> Person | None:
        """Her own seat."""
        return next((person for person in self.people if person.seat_id == self.you), None)


class Offer(Message, frozen=True, tag="offer"):
    """The server's description; ``streams`` maps MID to seat."""

    offer_id: int
    sdp: str
    streams: dict[str, str]


class Notice(Message, frozen=True, tag="notice"):
    """A part of the page is to be loaded again."""

    topic: str


class Refused(Message, frozen=True, tag="refused"):
    """Something she asked was not done."""

    code: str


class Closing(Message, frozen=True, tag="closing"):
    """The last message of a connection."""

    reason: str
    retry: bool


class Saved(Message, frozen=True, tag="saved"):
    """How long the recording is: not for her."""


class Stats(Message, frozen=True, tag="stats"):
    """How the lines are: not for her."""


class Word(Message, frozen=True, tag="word"):
    """A written word: she cannot read it."""


class Words(Message, frozen=True, tag="words"):
    """Written words from before: she cannot read them either."""


FromServer = Room | Offer | Notice | Refused | Closing | Saved | Stats | Word | Words

_DECODER: msgspec.json.Decoder[FromServer] = msgspec.json.Decoder(FromServer)


def decode(frame: str) -> FromServer:
    """Read one frame. Raises msgspec.DecodeError for what is not of the protocol."""
    return _DECODER.decode(frame)
