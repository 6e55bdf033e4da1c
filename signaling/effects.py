"""What happens to a room (events, past tense) and what it then wants done (effects, imperative).

The decider in `room` turns one into the other; the runner does the effects in order and reports, as further events,
how those went whose outcome matters. Instants are in the events: nothing below reads a clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from signaling.closing import CloseReason
from signaling.lines import Lines
from signaling.messages import FromClient, FromServer, Json, LinkStats
from signaling.ports import Seated
from signaling.recess import BeginRecess, EndRecess, RecessBegan, RecessEnded, RecessFailed, SetPaused
from signaling.trouble import Interruption, RecordingMended, RecordingTroubled

# Events ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entered:
    """A connection came for a seat."""

    seated: Seated


@dataclass(frozen=True, slots=True)
class ConnectionClosed:
    """A connection is gone, whoever ended it; `reason` is a CloseReason or a Departure."""

    seat_id: str
    connection_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Received:
    """A message arrived over a connection."""

    seat_id: str
    connection_id: str
    message: FromClient
    at: datetime


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """The record has the session as begun, for the sake of `admission`."""

    admission: "SeatAdmitted"
    at: datetime


@dataclass(frozen=True, slots=True)
class MediaOpened:
    """The media plane relays and records."""

    elapsed_ms: int | None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AdmissionFailed:
    """The record has an admission, but there is no session or no recording for it: it is to be taken back."""

    admission: "SeatAdmitted"


@dataclass(frozen=True, slots=True)
class SeatAdmitted:
    """The record has `seat_id` as let in by `by`."""

    by: str
    seat_id: str


@dataclass(frozen=True, slots=True)
class SeatSentBack:
    """The record has `seat_id` as sent back by `by`."""

    by: str
    seat_id: str


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The record has the session as ended."""

    by: str


@dataclass(frozen=True, slots=True)
class EndingFailed:
    """The recording was closed, but the record refused the end: the hearing goes on, so must the recording."""


@dataclass(frozen=True, slots=True)
class OfferMade:
    """The media plane has an offer for a seat."""

    seat_id: str
    offer_id: int
    sdp: str
    streams: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LinkStood:
    """A seat's link is connected."""

    seat_id: str


@dataclass(frozen=True, slots=True)
class LinkBroke:
    """A seat's link is lost, or could not be made."""

    seat_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Measured:
    """The lines of the last second."""

    people: Mapping[str, LinkStats]


@dataclass(frozen=True, slots=True)
class PicturesMissed:
    """Whose picture cannot be seen by whom, because their browsers share no codec: seat -> seats, the whole truth."""

    unseen: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class RecordingSaved:
    """How much of the recording is on disk."""

    elapsed_ms: int
    saved_ms: int
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class InterruptionRecorded:
    """The record has an interruption of the recording."""

    interruption: Interruption


@dataclass(frozen=True, slots=True)
class MediaMoved:
    """Another worker of the media plane relays and records the hearing now; nobody has a link there yet."""

    reason: str


@dataclass(frozen=True, slots=True)
class MediaStopped:
    """The media plane neither relays nor records the hearing any more."""

    reason: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """The rest of the house has news for the pages; `to` None: for everybody admitted."""

    topic: str
    data: Mapping[str, Json]
    to: str | None


@dataclass(frozen=True, slots=True)
class ActionFailed:
    """What a seat asked could not be done; it is told `code`."""

    seat_id: str
    code: str
    params: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AddingFailed:
    """The media plane could not make an offer for a seat."""

    seat_id: str
    code: str


@dataclass(frozen=True, slots=True)
class TroubleArose:
    """Something failed that the hosts must know of."""

    code: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Drained:
    """The server goes away: everybody is to leave, for `reason`."""

    reason: CloseReason


Outcome: TypeAlias = (
    SessionStarted
    | MediaOpened
    | AdmissionFailed
    | SeatAdmitted
    | SeatSentBack
    | SessionEnded
    | EndingFailed
    | RecessBegan
    | RecessEnded
    | RecessFailed
    | ActionFailed
    | AddingFailed
    | InterruptionRecorded
    | TroubleArose
)
News: TypeAlias = (
    OfferMade
    | LinkStood
    | LinkBroke
    | PicturesMissed
    | Measured
    | RecordingSaved
    | RecordingTroubled
    | RecordingMended
    | MediaMoved
    | MediaStopped
    | Told
    | Drained
)
Event: TypeAlias = Entered | ConnectionClosed | Received | Outcome | News

# Effects --------------------------------------------------------------------------------------------------------------


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

    In this order, because what is on record as ended may be sealed at once, and must then be whole.
    """

    by: str


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
    """Tell the record what was written."""

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


Effect: TypeAlias = (
    SendTo
    | CloseConnection
    | StartSession
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
