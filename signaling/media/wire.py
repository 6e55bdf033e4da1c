"""What the hub and a media worker say to each other: typed, frozen messages over a stream socket.

A frame is `length (u32, big-endian) | MessagePack of one message`. The hub sends `Request`s and gets one `Answer` or
`Refusal` to each, in whatever order they are done; the worker tells of events (`News`) and, several times a second,
that it lives (`Alive`). Nothing else is shared, so that a worker can later stand on another machine.
"""

import asyncio
import socket
from typing import Generic, Literal, TypeAlias, TypeVar

import msgspec

from signaling.media.events import MediaEvent, Moment, Still

FRAME_BYTES_MAX = 16 << 20
"""A still is the largest: a JPEG of a few hundred KiB."""
WAITING_BYTES_MAX = 8 << 20
"""What may wait in a socket for the other side to read; see `Line.send`."""
ASKED_MAX = 1024
"""How many requests to one worker may wait for their answers; more are refused by the hub."""
BEAT_S = 0.25

_LENGTH_BYTES = 4


# From the hub ---------------------------------------------------------------------------------------------------------


class Command(msgspec.Struct, frozen=True, tag=True):
    """What the hub wants of a worker."""


class Listen(Command, frozen=True):
    """Open the UDP port; the first thing said, and once. Answer: Listening. Refused `not_listening`."""

    addresses: tuple[str, ...]
    port: int
    waiting_bytes: int


class OpenHearing(Command, frozen=True):
    """Relay, and record into the journal in `directory` (an absolute path); `paused`: in the middle of a recess.

    Answer: Opened.
    """

    hearing_id: str
    directory: str
    paused: bool = False


class CloseHearing(Command, frozen=True):
    """Drop everybody; write and close the journal."""

    hearing_id: str


class RecordAgain(Command, frozen=True):
    """Try at once to write what a disk would not take. Refused with what is still the matter."""

    hearing_id: str


class AddParticipant(Command, frozen=True):
    """Make an offer for a seat; one that does not publish is only sent to."""

    hearing_id: str
    seat_id: str
    publishes: bool = True


class TakeAnswer(Command, frozen=True):
    """Take the answer to an offer."""

    hearing_id: str
    seat_id: str
    offer_id: int
    sdp: str


class RemoveParticipant(Command, frozen=True):
    """Drop a seat's link."""

    hearing_id: str
    seat_id: str


class SetMuted(Command, frozen=True):
    """Drop, or let through, a seat's sound."""

    hearing_id: str
    seat_id: str
    muted: bool


class SetPaused(Command, frozen=True):
    """Begin or end a recess: drop, or let through, everybody's sound and pictures."""

    hearing_id: str
    paused: bool


class TakeStill(Command, frozen=True):
    """Take a picture out of a seat's live stream. Answer: Still."""

    hearing_id: str
    seat_id: str
    timeout_s: float


class RecordEvent(Command, frozen=True):
    """Write an event, a JSON object given as text, into the journal. Answer: Moment."""

    hearing_id: str
    event: bytes


HearingCommand: TypeAlias = (
    OpenHearing
    | CloseHearing
    | RecordAgain
    | AddParticipant
    | TakeAnswer
    | RemoveParticipant
    | SetMuted
    | SetPaused
    | TakeStill
    | RecordEvent
)


class Request(msgspec.Struct, frozen=True):
    """A command under a number that its answer repeats."""

    number: int
    command: Listen | HearingCommand


# From the worker ------------------------------------------------------------------------------------------------------


class Listening(msgspec.Struct, frozen=True, tag=True):
    """The UDP port is open."""

    port: int


class Opened(msgspec.Struct, frozen=True, tag=True):
    """A hearing is relayed and recorded, and stands at this moment now."""

    now: Moment


Result: TypeAlias = Listening | Opened | Moment | Still | None


class Answer(msgspec.Struct, frozen=True, tag=True):
    """A request was done."""

    number: int
    result: Result


class Refusal(msgspec.Struct, frozen=True, tag=True):
    """A request was not done. `kind` is which error stands for it at the hub."""

    number: int
    kind: Literal["refused", "no_still"]
    code: str
    detail: str = ""


class News(msgspec.Struct, frozen=True, tag=True):
    """Something happened."""

    event: MediaEvent


class Alive(msgspec.Struct, frozen=True, tag=True):
    """The worker's loop turns. `cpu`: how much of one core the process used lately."""

    cpu: float


FromWorker: TypeAlias = Answer | Refusal | News | Alive

ReceivedT = TypeVar("ReceivedT")


class LineBroken(Exception):
    """What came is not a message of ours: the other side is broken."""


class Line(Generic[ReceivedT]):
    """One end of the socket between hub and worker."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        decoder: msgspec.msgpack.Decoder[ReceivedT],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = decoder
        self._encoder = msgspec.msgpack.Encoder()

    def send(self, message: Request | FromWorker, *, droppable: bool = False) -> bool:
        """Send without waiting; return False when a droppable message was not sent: the other side does not read.

        Only what is told again by itself is droppable. The rest is bounded elsewhere: requests and answers by
        ASKED_MAX, offers by the requests that lead to them.
        """
        if self._writer.is_closing():
            return False
        if droppable and self._writer.transport.get_write_buffer_size() > WAITING_BYTES_MAX:
            return False
        data = self._encoder.encode(message)
        self._writer.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
        return True

    async def receive(self) -> ReceivedT | None:
        """Return the next message, or None when the other side is gone. Raises LineBroken."""
        try:
            length = int.from_bytes(await self._reader.readexactly(_LENGTH_BYTES), "big")
            if length > FRAME_BYTES_MAX:
                raise LineBroken(f"a frame of {length} bytes")
            return self._decoder.decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise LineBroken(str(error)) from error

    def hang_up(self) -> None:
        """Send what waits, then close; without waiting for it."""
        self._writer.close()

    async def close(self) -> None:
        """Send what waits, and close. Waits for an other side that lives but does not read."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return


async def hub_line(sock: socket.socket) -> Line[FromWorker]:
    """Return the hub's end."""
    reader, writer = await asyncio.open_unix_connection(sock=sock)
    return Line(reader, writer, msgspec.msgpack.Decoder(FromWorker))


async def worker_line(sock: socket.socket) -> Line[Request]:
    """Return the worker's end."""
    reader, writer = await asyncio.open_unix_connection(sock=sock)
    return Line(reader, writer, msgspec.msgpack.Decoder(Request))
