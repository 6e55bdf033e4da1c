"""What a room wants done, in the imperative: done in order, and how it went is reported where that matters."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from signaling.closing import CloseReason
from signaling.events import SeatAdmitted
from signaling.lines import Lines
from signaling.messages import FromServer, Json
from signaling.recess import BeginRecess, EndRecess, SetPaused
from signaling.trouble import Interruption


@dataclass(frozen=True, slots=True)
class SendTo:
    """Send a message over a connection, if it is still there."""

    connection_id: str
    message: FromServer


@dataclass(frozen=True, slots=True)
class CloseConnection:
    """Say why and end a connection; messages to it that came before are sent before."""

    connection_id: str
    reason: CloseReason


@dataclass(frozen=True, slots=True)
class StartSession:
    """Have the session begun on record by the host who made `admission`; then SessionStarted or AdmissionFailed."""

    admission: SeatAdmitted


@dataclass(frozen=True, slots=True)
class RecordAdmission:
    """Have an admission on record; then SeatAdmitted."""

    by: str
    seat_id: str


@dataclass(frozen=True, slots=True)
class RecordSendingBack:
    """Have a sending back on record; then SeatSentBack."""

    by: str
    seat_id: str


@dataclass(frozen=True, slots=True)
class EndSession:
    """Close the recording, then have the session ended on record; then SessionEnded or EndingFailed.

    In this order, because what is on record as ended may be sealed at once, and must then be whole. `by` None: for want
    of a host.
    """

    by: str | None


@dataclass(frozen=True, slots=True)
class OpenMedia:
    """Open the journal and the media plane; then MediaOpened, or AdmissionFailed if an `admission` waits for it."""

    admission: SeatAdmitted | None = None


@dataclass(frozen=True, slots=True)
class CloseMedia:
    """Flush and close the recording: nobody is heard any more."""


@dataclass(frozen=True, slots=True)
class AddToMedia:
    """Have the media plane make an offer for a seat, afresh when it has a link already."""

    seat_id: str
    muted: bool
    publishes: bool = True


@dataclass(frozen=True, slots=True)
class RemoveFromMedia:
    """Have the media plane drop a seat."""

    seat_id: str


@dataclass(frozen=True, slots=True)
class TakeAnswer:
    """Hand a browser's answer to the media plane."""

    seat_id: str
    offer_id: int
    sdp: str


@dataclass(frozen=True, slots=True)
class SetMuted:
    """Have the media plane drop, or let through, a seat's sound."""

    seat_id: str
    muted: bool


@dataclass(frozen=True, slots=True)
class WriteJournal:
    """Write an event into the recording."""

    mapping: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class RecordEntry:
    """Tell the record that a seat is present."""

    seat_id: str


@dataclass(frozen=True, slots=True)
class RecordDeparture:
    """Tell the record that a seat is empty, and why."""

    seat_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class RecordWord:
    """Have what was written on record; then WordRecorded."""

    seat_id: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class RecordLines:
    """Tell the record what people's lines were like lately."""

    lines: Lines


@dataclass(frozen=True, slots=True)
class RecordTrouble:
    """Tell the record that the recording does not reach the disk, and up to where it did."""

    error: str
    saved_ms: int | None


@dataclass(frozen=True, slots=True)
class RecordInterruption:
    """Have an interruption of the recording on record; then InterruptionRecorded."""

    interruption: Interruption


@dataclass(frozen=True, slots=True)
class RecordAgain:
    """Have the media plane try at once to write what a disk would not take, for the host `by`."""

    by: str


@dataclass(frozen=True, slots=True)
class RecordRefusal:
    """Tell the record that a seat asked for what it must not have."""

    seat_id: str
    code: str


Errand: TypeAlias = (
    StartSession
    | RecordAdmission
    | RecordSendingBack
    | EndSession
    | BeginRecess
    | EndRecess
    | OpenMedia
    | CloseMedia
    | AddToMedia
    | RemoveFromMedia
    | TakeAnswer
    | SetMuted
    | SetPaused
    | WriteJournal
    | RecordEntry
    | RecordDeparture
    | RecordWord
    | RecordLines
    | RecordTrouble
    | RecordInterruption
    | RecordAgain
    | RecordRefusal
)
"""What is asked of the record and of the media plane."""
Effect: TypeAlias = SendTo | CloseConnection | Errand
