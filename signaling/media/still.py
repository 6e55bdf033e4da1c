"""One picture out of a live stream: gather the next keyframe's packets, decode it in a thread, make a JPEG."""

import asyncio
import io
from dataclasses import dataclass

import av

from signaling.media import rtp
from signaling.media.codecs import CODECS
from signaling.media.congestion import signed16
from signaling.media.events import StillUnavailable
from signaling.media.pictures import new_decoder, read_piece

PACKETS_MAX = 1024
"""More than any keyframe of a camera; what is longer is not one."""
GATHERERS_MAX = 4
"""Of one stream at a time."""


@dataclass(frozen=True, slots=True)
class Keyframe:
    """A whole encoded keyframe, its codec, and the monotonic second at which its last packet came."""

    codec: str
    data: bytes
    at: float


class KeyframeGatherer:
    """Puts the packets of the next whole keyframe together, in whatever order they come.

    `found` is resolved with it. Packets of one frame share a timestamp; the last carries the marker (RFC 7741,
    RFC 6184), the first of a keyframe what a decoder must know.
    """

    def __init__(self) -> None:
        self.found: asyncio.Future[Keyframe] = asyncio.get_running_loop().create_future()
        self._timestamp: int | None = None
        self._first: int | None = None
        self._last: int | None = None
        self._pieces: dict[int, bytes] = {}

    def take(self, head: rtp.RtpHead, data: bytes, at: float) -> None:
        """Look at a packet of the stream."""
        codec = CODECS[head.payload_type].name
        piece = read_piece(codec, rtp.payload_of(data, head))
        if self.found.done() or piece is None:
            return
        if head.timestamp != self._timestamp and not self._turn_to(head.timestamp, begins=piece.parameters):
            return
        if piece.parameters and (self._first is None or signed16(head.sequence - self._first) < 0):
            self._first = head.sequence
        self._pieces[head.sequence] = piece.data
        if head.marker:
            self._last = head.sequence
        if len(self._pieces) > PACKETS_MAX:
            self._turn_to(head.timestamp, begins=True)
        if self._first is None or self._last is None:
            return
        count = ((self._last - self._first) & 0xFFFF) + 1
        if count <= len(self._pieces) and all((self._first + index) & 0xFFFF in self._pieces for index in range(count)):
            ordered = [self._pieces[(self._first + index) & 0xFFFF] for index in range(count)]
            self.found.set_result(Keyframe(codec, b"".join(ordered), at))

    def _turn_to(self, timestamp: int, *, begins: bool) -> bool:
        """Gather another frame from now on: a keyframe that begins, or what comes after a frame that was none."""
        newer = self._timestamp is None or 0 < (timestamp - self._timestamp) & 0xFFFFFFFF < 1 << 31
        if not begins and (self._first is not None or not newer):
            return False
        self._timestamp = timestamp
        self._first = self._last = None
        self._pieces = {}
        return True


class Gatherers:
    """Who waits for the next keyframe of which stream of a hearing."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[KeyframeGatherer]] = {}

    def __contains__(self, ssrc: int) -> bool:
        return ssrc in self._waiting

    def begin(self, ssrc: int) -> KeyframeGatherer | None:
        """Wait for a stream's next keyframe; None when too many do already."""
        waiting = self._waiting.setdefault(ssrc, [])
        if len(waiting) >= GATHERERS_MAX:
            return None
        waiting.append(KeyframeGatherer())
        return waiting[-1]

    def end(self, gatherer: KeyframeGatherer) -> None:
        """Wait no longer; one that does not wait stays so."""
        self._waiting = {
            ssrc: [other for other in waiting if other is not gatherer]
            for ssrc, waiting in self._waiting.items()
            if waiting != [gatherer]
        }

    def take(self, ssrc: int, head: rtp.RtpHead, data: bytes, at: float) -> None:
        """Show a stream's packet to whoever waits."""
        for gatherer in self._waiting.get(ssrc, ()):
            gatherer.take(head, data, at)


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG and its size in pixels."""

    jpeg: bytes
    width: int
    height: int


def to_picture(keyframe: Keyframe) -> Picture:
    """Decode a keyframe into a JPEG. Blocks; raises StillUnavailable(`not_decodable`)."""
    try:
        decoder = new_decoder(keyframe.codec)
        frames = decoder.decode(av.Packet(keyframe.data))
        frames += decoder.decode(None)
        image = frames[0]
        buffer = io.BytesIO()
        with av.open(buffer, "w", format="image2pipe") as container:
            stream = container.add_stream("mjpeg", rate=1)
            stream.width, stream.height = image.width, image.height
            stream.pix_fmt = "yuvj420p"
            stream.codec_context.options = {"qmin": "2", "qmax": "3"}
            image = image.reformat(format="yuvj420p")
            image.pts = 0
            container.mux(stream.encode(image))
            container.mux(stream.encode(None))
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise StillUnavailable("not_decodable") from error
    return Picture(buffer.getvalue(), frames[0].width, frames[0].height)
