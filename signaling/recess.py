"""A recess (休会) of a hearing: what it is, what happens to it, and what a room wants done about it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Recess:
    """The hearing rests: since when, at whose (a seat's) word, and why, if that was said."""

    since: datetime
    by: str
    reason: str


# Events ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecessBegan:
    """The media plane forwards and records nothing any more, and the record has the recess."""

    recess: Recess


@dataclass(frozen=True, slots=True)
class RecessEnded:
    """The record has the recess as ended; the media plane has yet to hear of it."""

    by: str


@dataclass(frozen=True, slots=True)
class RecessFailed:
    """A recess could not be begun: what the media plane may have stopped is to go on."""


# Effects --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BeginRecess:
    """Have the media plane stop, then the record know of it; then RecessBegan or RecessFailed.

    In this order: a database that is slow must not keep anybody in the recording.
    """

    recess: Recess


@dataclass(frozen=True, slots=True)
class EndRecess:
    """Have the recess ended on record; then RecessEnded."""

    by: str


@dataclass(frozen=True, slots=True)
class SetPaused:
    """Have the media plane drop, or let through, everybody's sound and pictures."""

    paused: bool
