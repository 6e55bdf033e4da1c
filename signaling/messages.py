"""Every message of the live hearing's WebSocket, as one typed struct each. PROTOCOL.md explains them to people.

JSON text frames, told apart by `type`. Unknown types, unknown fields, wrong types and missing fields are refused:
a client that sends what we do not know is broken or hostile, and is not guessed at.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

import msgspec

FRAME_BYTES = 64 * 1024
"""The largest frame a client may send: a description (SDP) is the largest, and ten times smaller."""

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
DeviceState: TypeAlias = Literal["on", "off", "missing"]
LinkState: TypeAlias = Literal["none", "connecting", "connected", "lost"]
Phase: TypeAlias = Literal["waiting", "in_session", "ended"]


class ClientMessage(msgspec.Struct, frozen=True, tag_field="type", forbid_unknown_fields=True):
    """What a browser may say."""


class Answer(ClientMessage, frozen=True, tag="answer"):
    """The browser's description, answering the server's offer `offer_id`."""

    offer_id: int
    sdp: str


class Devices(ClientMessage, frozen=True, tag="devices"):
    """What the sender's microphone and camera are doing now."""

    microphone: DeviceState
    camera: DeviceState


class Admit(ClientMessage, frozen=True, tag="admit"):
    """Let a seat in out of the waiting room; the first one starts the session and its recording."""

    seat_id: str


class SendBack(ClientMessage, frozen=True, tag="send_back"):
    """Send an admitted seat back to the waiting room."""

    seat_id: str


class Mute(ClientMessage, frozen=True, tag="mute"):
    """Stop (or, with `muted` false, let through again) a seat's sound at the server, in the room and the recording."""

    seat_id: str
    muted: bool = True


class Prompt(ClientMessage, frozen=True, tag="prompt"):
    """The banner on the applicant's screen; an empty text takes it away."""

    text: str


class Pause(ClientMessage, frozen=True, tag="pause"):
    """Begin a recess: nobody is seen, heard or recorded until `resume`. The reason may be empty."""

    reason: str = ""


class Resume(ClientMessage, frozen=True, tag="resume"):
    """End the recess."""


class Hand(ClientMessage, frozen=True, tag="hand"):
    """Raise or lower the sender's hand."""

    raised: bool


class Word(ClientMessage, frozen=True, tag="word"):
    """A written word to the host; from the host, to everybody."""

    text: str


class Quality(ClientMessage, frozen=True, tag="quality"):
    """Of the others' pictures on the sender's screen, the one that stood still longest since the last such message."""

    freezes: Annotated[int, msgspec.Meta(ge=0, le=1_000)]
    frozen_ms: Annotated[int, msgspec.Meta(ge=0, le=600_000)]


class Leave(ClientMessage, frozen=True, tag="leave"):
    """Going, on purpose."""


class RecordAgain(ClientMessage, frozen=True, tag="record_again"):
    """Have the recording go on after trouble; once it does, say that one has seen what was lost."""


class End(ClientMessage, frozen=True, tag="end"):
    """End the hearing for everybody."""


FromClient: TypeAlias = (
    Answer
    | Devices
    | Admit
    | SendBack
    | Mute
    | Prompt
    | Pause
    | Resume
    | Hand
    | Word
    | Quality
    | Leave
    | RecordAgain
    | End
)

FIELD_LIMITS: Mapping[tuple[type[ClientMessage], str], int] = {
    (Answer, "sdp"): 60_000,
    (Admit, "seat_id"): 64,
    (SendBack, "seat_id"): 64,
    (Mute, "seat_id"): 64,
    (Prompt, "text"): 200,
    (Pause, "reason"): 100,
    (Word, "text"): 500,
}
"""The most characters each text may have. Beyond it the person is told; within a frame's size it is no attack."""


class ServerMessage(msgspec.Struct, frozen=True, tag_field="type"):
    """What the server says."""


class Person(msgspec.Struct, frozen=True):
    """One seat, as the room shows it. `unseen_by`: seats whose browsers cannot show its picture."""

    seat_id: str
    role: str
    name: str
    title: str
    present: bool
    admitted: bool
    microphone: DeviceState
    camera: DeviceState
    muted: bool
    hand: bool
    link: LinkState
    unseen_by: tuple[str, ...] = ()


class RecordingTrouble(msgspec.Struct, frozen=True):
    """The recording does not reach the disk; after `mended_at`: did not, and what is missing. PROTOCOL.md says more."""

    error: str
    since: str | None
    saved_ms: int | None
    room_s: int | None
    losing: bool
    mended_at: str | None
    lost_ms: tuple[int, int] | None


class RecessShown(msgspec.Struct, frozen=True):
    """The hearing rests: since when (ISO 8601 in UTC), who said so (a name), and why, if that was said."""

    since: str
    by: str
    reason: str


class HostAwaited(msgspec.Struct, frozen=True):
    """No host is there: since when, and when the hearing ends unless one comes (ISO 8601 in UTC)."""

    since: str
    ends_at: str


class RoomShown(ServerMessage, frozen=True, tag="room"):
    """The whole room as the receiver may see it, after every change. `started_at` is ISO 8601 in UTC."""

    phase: Phase
    you: str
    people: tuple[Person, ...]
    started_at: str | None
    elapsed_ms: int | None
    saved_ms: int | None
    prompt: str
    trouble: RecordingTrouble | None = None
    recess: RecessShown | None = None
    host_awaited: HostAwaited | None = None


class Offer(ServerMessage, frozen=True, tag="offer"):
    """The server's description; `streams` says whose stream each media section (MID) carries."""

    offer_id: int
    sdp: str
    streams: dict[str, str]


class Saved(ServerMessage, frozen=True, tag="saved"):
    """How long the recording is, and how much of it is safely on disk."""

    elapsed_ms: int
    saved_ms: int


class LinkStats(msgspec.Struct, frozen=True):
    """One person's line during the last second. `level` is the loudness, 0 to 100; null is what is not known.

    While the line carries no more, no pictures come to this person (`sound_alone`), or fewer a second of somebody
    (`fewer_pictures`).
    """

    loss_pct: float
    rtt_ms: int | None
    kbps: int
    level: int
    jitter_ms: int | None = None
    sound_alone: bool = False
    fewer_pictures: bool = False


class Stats(ServerMessage, frozen=True, tag="stats"):
    """Everybody's line, by seat."""

    people: dict[str, LinkStats]


class WordSaid(ServerMessage, frozen=True, tag="word"):
    """A written word, the `number`-th of the hearing. `sender` travels as `from`; `at` is ISO 8601 in UTC."""

    number: int
    sender: str = msgspec.field(name="from")
    name: str
    text: str
    at: str


class Words(ServerMessage, frozen=True, tag="words"):
    """The words that the receiver has not been sent, in order."""

    said: tuple[WordSaid, ...]


class Notice(ServerMessage, frozen=True, tag="notice"):
    """Something changed outside the room: the page reloads the part called `topic`."""

    topic: str
    data: dict[str, Json]


class Refused(ServerMessage, frozen=True, tag="refused"):
    """What was asked is not done; `code` is stable, the page has a sentence for it."""

    code: str
    params: dict[str, str | int]


class ClosingSaid(ServerMessage, frozen=True, tag="closing"):
    """The last message before the close frame; `retry`: come back by yourself."""

    reason: str
    retry: bool


FromServer: TypeAlias = RoomShown | Offer | Saved | Stats | WordSaid | Words | Notice | Refused | ClosingSaid


class MessageMalformed(Exception):
    """A frame that is no message of this protocol."""


class MessageTooLarge(Exception):
    """A frame over `FRAME_BYTES`."""


class FieldTooLong(Exception):
    """A well-formed message with a text longer than its limit of `limit` characters."""

    def __init__(self, field: str, limit: int) -> None:
        super().__init__(field, limit)
        self.field = field
        self.limit = limit


_DECODER: msgspec.json.Decoder[FromClient] = msgspec.json.Decoder(FromClient)
_ENCODER = msgspec.json.Encoder()


def decode(frame: str) -> FromClient:
    """Read one client frame.

    Raises MessageTooLarge, MessageMalformed or FieldTooLong; never anything else, whatever the frame holds.
    """
    # A frame with lone surrogates cannot come over a WebSocket (RFC 6455 §8.1), but nothing here relies on that.
    data = frame.encode("utf-8", errors="replace")
    if len(data) > FRAME_BYTES:
        raise MessageTooLarge
    try:
        message = _DECODER.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MessageMalformed(type(error).__name__) from error
    for field in message.__struct_fields__:
        limit = FIELD_LIMITS.get((type(message), field))
        if limit is not None and len(getattr(message, field)) > limit:
            raise FieldTooLong(field, limit)
    return message


def encode(message: FromServer) -> str:
    """Write one server frame."""
    return _ENCODER.encode(message).decode()
