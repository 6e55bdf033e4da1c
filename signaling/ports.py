"""What the live hearing asks of the rest of the house, as Protocols that `web` implements, and what it is told.

Every method may raise `Refusal`, which the person who asked is shown. Anything else that is raised becomes an alarm
for the host and a line in the log; the room lives on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from signaling.lines import Lines
from signaling.media.events import Moment, Still
from signaling.messages import Json, Phase
from signaling.recess import Recess
from signaling.trouble import Interruption
from signaling.words import Word

PUBLISH = "publish"
ENTER_FREELY = "enter_freely"
ADMIT = "admit"
SEND_BACK = "send_back"
MUTE_OTHERS = "mute_others"
PROMPT = "prompt"
PAUSE = "pause"
END = "end"
WORD = "word"
RAISE_HAND = "raise_hand"
"""What a seat may do in the room. Whoever may ADMIT is a host and sees everybody; who may ENTER_FREELY never waits."""


@dataclass(frozen=True, slots=True)
class Seated:
    """Who is at the door: made by web, which has already checked the person, before the socket is opened.

    `connection_id` is fresh for each socket; `device` is the same for one browser; `takeover` is the person's own
    wish to go on here although the seat is in use on another device; `words_after` is the number of the last written
    word that this page was sent.
    """

    hearing_id: str
    seat_id: str
    role: str
    name: str
    title: str
    abilities: frozenset[str]
    connection_id: str
    device: str
    takeover: bool = False
    words_after: int = 0


@dataclass(frozen=True, slots=True)
class SeatCard:
    """A seat of the hearing that the room can show before anybody has come."""

    seat_id: str
    role: str
    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Opening:
    """What the record knows of a hearing: enough to build its room again after a restart.

    `words`: the last `WORDS_KEPT` of them, in order.
    """

    phase: Phase
    started_at: datetime | None
    admitted: frozenset[str]
    seats: tuple[SeatCard, ...] = ()
    recess: Recess | None = None
    words: tuple[Word, ...] = ()


class Proceedings(Protocol):
    """The hearing on record."""

    async def opening(self, hearing_id: str) -> Opening:
        """Return how far the hearing is."""
        ...

    async def entered(self, hearing_id: str, seat_id: str) -> None:
        """Somebody is there."""
        ...

    async def left(self, hearing_id: str, seat_id: str, reason: str) -> None:
        """Somebody is gone; `reason` is a CloseReason or a Departure."""
        ...

    async def started(self, hearing_id: str, by: str) -> None:
        """The seat `by` begins the session."""
        ...

    async def admitted(self, hearing_id: str, by: str, seat_id: str) -> None:
        """`by` lets `seat_id` in."""
        ...

    async def sent_back(self, hearing_id: str, by: str, seat_id: str) -> None:
        """`by` sends `seat_id` back to the waiting room."""
        ...

    async def paused(self, hearing_id: str, by: str, reason: str, elapsed_ms: int) -> None:
        """`by` began a recess at this moment of the recording."""
        ...

    async def resumed(self, hearing_id: str, by: str, elapsed_ms: int) -> None:
        """`by` ends the recess at this moment of the recording."""
        ...

    async def said(self, hearing_id: str, seat_id: str, text: str, at: datetime) -> int:
        """`seat_id` wrote a word; return which one of the hearing's it is. It is sent to the others then."""
        ...

    async def troubled(self, hearing_id: str, error: str, saved_ms: int | None) -> None:
        """The recording does not reach the disk; up to `saved_ms` (None: not known) it did."""
        ...

    async def interrupted(self, hearing_id: str, interruption: Interruption) -> None:
        """The recording had not reached the disk for a while; told once at least."""
        ...

    async def measured(self, hearing_id: str, lines: Lines) -> None:
        """What people's lines were like since the last time."""
        ...

    async def running(self) -> tuple[str, ...]:
        """Return which hearings are in session, as it is when the server starts."""
        ...

    async def ended(self, hearing_id: str, by: str | None, elapsed_ms: int | None) -> None:
        """`by` ends the session (None: it is over for want of a host).

        The recording, complete on disk, is `elapsed_ms` long (None: there is none).
        """
        ...

    async def refused(self, hearing_id: str, seat_id: str, code: str) -> None:
        """The room refused something that a seat asked."""
        ...


class Journals(Protocol):
    """Where recordings are written."""

    def directory(self, hearing_id: str) -> Path:
        """Return the directory of the hearing's journal, absolute; it is made when it is first written to."""
        ...

    def prepare(self, hearing_id: str) -> None:
        """Make the directory ready to be written to, if it is not. Blocking. Raises OSError."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """All that signaling asks of the rest."""

    proceedings: Proceedings
    journals: Journals


class MediaPlane(Protocol):
    """The media plane, as `signaling.media.pool.MediaPool` is one. What happens there arrives as `MediaEvent`s.

    Every method but `position` may raise MediaRefused.
    """

    async def open_hearing(self, hearing_id: str, directory: Path, *, paused: bool = False) -> None:
        """Begin to relay, and to record into the journal in `directory`: in a new segment when there are some.

        `paused`: in the middle of a recess, in which neither is done.
        """
        ...

    async def close_hearing(self, hearing_id: str) -> None:
        """Drop everybody, flush and close the journal."""
        ...

    async def record_again(self, hearing_id: str) -> None:
        """Try at once to write what a disk would not take: where the journal was, or its path leads now."""
        ...

    async def add_participant(self, hearing_id: str, seat_id: str, *, publishes: bool = True) -> None:
        """Make an offer for a seat; for one who is there already, start its link afresh.

        A seat that does not publish is sent everything, and nothing is taken from it.
        """
        ...

    async def take_answer(self, hearing_id: str, seat_id: str, offer_id: int, sdp: str) -> None:
        """Take the browser's answer."""
        ...

    async def remove_participant(self, hearing_id: str, seat_id: str) -> None:
        """Drop a seat's link."""
        ...

    async def set_muted(self, hearing_id: str, seat_id: str, muted: bool) -> None:
        """Drop a seat's sound before it is forwarded or recorded."""
        ...

    async def set_paused(self, hearing_id: str, paused: bool) -> None:
        """Drop everybody's sound and pictures before they are forwarded or recorded; links stay up."""
        ...

    async def take_still(self, hearing_id: str, seat_id: str, *, timeout_s: float) -> Still:
        """Decode one picture of a seat's stream. Raises StillUnavailable."""
        ...

    async def record_event(self, hearing_id: str, event: Mapping[str, Json]) -> Moment:
        """Write an event into the recording and return where it stands."""
        ...

    def position(self, hearing_id: str) -> Moment | None:
        """Return where the recording is now; None when none runs."""
        ...
