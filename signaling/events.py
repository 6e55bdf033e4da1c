"""What happens to a room, in the past tense: the decider in `room` turns it into effects.

Outcomes are what the runner reports of effects whose end matters; news come from the media plane and the rest of the
house. Instants are in the events: nothing that decides reads a clock. Those of recesses and of trouble with the
recording are in `recess` and `trouble`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from signaling.closing import CloseReason
from signaling.messages import FromClient, Json, LinkStats
from signaling.ports import Seated
from signaling.recess import RecessBegan, RecessEnded, RecessFailed
from signaling.trouble import Interruption, RecordingMended, RecordingTroubled


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
class WordRecorded:
    """The record has what `seat_id` wrote as the `number`-th word of the hearing."""

    number: int
    seat_id: str
    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The record has the session as ended; `by` None: for want of a host."""

    by: str | None


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
class Looked:
    """The room was looked at: it is, every few seconds, while it lacks a host."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Drained:
    """The server goes away: everybody is to leave, for `reason`."""

    reason: CloseReason


OnRecord: TypeAlias = SessionStarted | SeatAdmitted | SeatSentBack | WordRecorded | SessionEnded | InterruptionRecorded
Outcome: TypeAlias = (
    OnRecord
    | MediaOpened
    | AdmissionFailed
    | EndingFailed
    | RecessBegan
    | RecessEnded
    | RecessFailed
    | ActionFailed
    | AddingFailed
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
    | Looked
    | Drained
)
Event: TypeAlias = Entered | ConnectionClosed | Received | Outcome | News
