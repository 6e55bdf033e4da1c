"""Out of the journal's packets: whole frames of sound and picture, in order, each at its place in the recording.

A hole in the sound is filled out of the redundancy of the packets after it (RFC 2198); after a hole in the picture
nothing comes until the next keyframe.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from records.journal_records import Packet, Source
from signaling.media import rtp
from signaling.media.congestion import signed16
from signaling.media.pictures import read_piece
from signaling.media.red import read_red
from signaling.media.timeline import Timeline

REORDER_PACKETS_MAX = 256
REORDER_US_MAX = 1_500_000
"""How long a missing packet is waited for: longer than the relay keeps asking for it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole frame of sound or picture at its place, in µs since the recording's start."""

    codec: str
    at_us: int
    data: bytes
    keyframe: bool


class Assembler:
    """Puts one stream's packets in order and makes whole frames of them, also when it changes its codec."""

    def __init__(self, kind: str, timeline: Timeline, started_at_us: int) -> None:
        self._kind = kind
        self._timeline = timeline
        self._started_at_us = started_at_us
        self._waiting: dict[int, tuple[int, Source, bytes]] = {}
        self._next: int | None = None
        self._highest = 0
        self._heard: int | None = None
        """RTP time of the last sound that was given out."""
        self._codec = ""
        self._frame: list[bytes] = []
        self._frame_time = 0
        self._frame_at_us = 0
        self._frame_parameters = False
        self._frame_key = False
        self._frame_begun = False
        self._after_frame = False
        """The last packet ended a frame, so that the next one begins one."""
        self._needs_keyframe = True

    def take(self, packet: Packet, source: Source) -> Iterator[Frame]:
        """Take the next packet as it arrived; yield what it makes whole."""
        sequence = int.from_bytes(packet.data[2:4], "big")
        if self._next is None:
            self._next = self._highest = sequence
        number = self._highest + signed16(sequence - self._highest)
        if number < self._next:
            return
        self._highest = max(self._highest, number)
        self._waiting[number] = (packet.arrival_us, source, packet.data)
        while self._waiting:
            entry = self._waiting.pop(self._next, None)
            if entry is not None:
                self._next += 1
                yield from self._in_order(*entry)
                continue
            first = min(self._waiting)
            late = packet.arrival_us - self._waiting[first][0] > REORDER_US_MAX
            if not late and len(self._waiting) <= REORDER_PACKETS_MAX:
                return
            self._hole()
            self._next = first

    def rest(self) -> Iterator[Frame]:
        """Yield what still waited at the end."""
        for number in sorted(self._waiting):
            if number != self._next:
                self._hole()
            self._next = number + 1
            yield from self._in_order(*self._waiting[number])
        self._waiting.clear()

    def _hole(self) -> None:
        self._drop_frame()
        self._after_frame = False
        self._needs_keyframe = True

    def _drop_frame(self) -> None:
        self._frame = []
        self._frame_begun = self._frame_parameters = self._frame_key = False

    def _in_order(self, arrival_us: int, source: Source, data: bytes) -> Iterator[Frame]:
        head = rtp.read_head(data)
        payload = rtp.payload_of(data, head) if head is not None else b""
        if head is None or not payload:
            return
        if self._kind == "audio":
            yield from self._sound(head, source, payload, arrival_us)
        else:
            yield from self._picture(head, source.codec, payload, arrival_us)

    def _at_us(self, timestamp: int, arrival_us: int) -> int:
        return self._timeline.place_us(timestamp, arrival_us) - self._started_at_us

    def _sound(self, head: rtp.RtpHead, source: Source, payload: bytes, arrival_us: int) -> Iterator[Frame]:
        blocks = [(0, payload)]
        if source.codec == "red":
            blocks = [(block.earlier, block.data) for block in read_red(payload)]
        for earlier, data in blocks:
            time = (head.timestamp - earlier) & 0xFFFFFFFF
            if earlier and (self._heard is None or not 0 < (time - self._heard) & 0xFFFFFFFF < 1 << 31):
                continue  # it came in its own packet
            if len(data) > 1:  # one byte says only that the sender is silent now
                self._heard = time
                yield Frame(
                    "opus", self._at_us(time, arrival_us - earlier * 1_000_000 // source.clock_rate), data, True
                )

    def _picture(self, head: rtp.RtpHead, codec: str, payload: bytes, arrival_us: int) -> Iterator[Frame]:
        if codec != self._codec:
            self._hole()
            self._codec = codec
        piece = read_piece(codec, payload)
        if piece is None:
            self._hole()
            return
        begins = self._after_frame if piece.begins is None else piece.begins
        if begins and not (self._frame_begun and head.timestamp == self._frame_time):
            self._drop_frame()
            self._frame_begun = True
            self._frame_time = head.timestamp
            self._frame_at_us = self._at_us(head.timestamp, arrival_us)
        self._frame.append(piece.data)
        self._frame_parameters |= piece.parameters
        self._frame_key |= piece.whole
        self._after_frame = head.marker
        if head.marker:
            key = self._frame_key and self._frame_parameters
            if self._frame_begun and (key or not self._needs_keyframe):
                self._needs_keyframe = False
                yield Frame(codec, self._frame_at_us, b"".join(self._frame), key)
            self._drop_frame()
