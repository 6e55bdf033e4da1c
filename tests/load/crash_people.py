"""The people of a crash run: each with a page's WebSocket, and a peer that sends a picture and a tone all the time.

They come back as browsers do, and by nothing else. Of every packet they note when it left, so that the journal can be
held against it. Picture and tone are encoded once; sending them costs next to nothing.
"""

import asyncio
import fractions
import json
import math
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import av
from aiortc import MediaStreamTrack, RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from tests.support.house import Visitor

DELAYS_S = (0.0, 0.5, 1.0, 1.5, 2.0)
"""Before each try to come back, as the pages' script waits; the last one again and again."""
CLIP_S = 1
FRAMES_A_SECOND = 15
SIDE_PIXELS = 160
_RTP_KINDS = range(96, 128)
"""Payload types of ours: everything else on this way out is RTCP."""


class Encoded(MediaStreamTrack):
    """A second of something encoded, over and over."""

    def __init__(self, kind: str, packets: list[bytes], time_base: fractions.Fraction) -> None:
        super().__init__()
        self.kind = kind
        self._packets = packets
        self._time_base = time_base
        self._count = 0
        self._started_at = 0.0

    async def recv(self) -> av.Packet:
        loop = asyncio.get_running_loop()
        if not self._count:
            self._started_at = loop.time()
        at_s = self._count * CLIP_S / len(self._packets)
        await asyncio.sleep(max(0.0, self._started_at + at_s - loop.time()))
        packet = av.Packet(self._packets[self._count % len(self._packets)])
        packet.time_base = self._time_base
        packet.pts = round(at_s / self._time_base)
        self._count += 1
        return packet


@dataclass(frozen=True, slots=True)
class Clip:
    """What everybody sends."""

    picture: list[bytes]
    tone: list[bytes]

    @classmethod
    def make(cls) -> "Clip":
        """Encode a picture with a bar that moves, and 440 Hz."""
        return cls(_picture(), _tone())

    def tracks(self) -> tuple[Encoded, Encoded]:
        """Return a voice and a camera."""
        return (
            Encoded("audio", self.tone, fractions.Fraction(1, 48_000)),
            Encoded("video", self.picture, fractions.Fraction(1, 90_000)),
        )


def _picture() -> list[bytes]:
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width = encoder.height = SIDE_PIXELS
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = fractions.Fraction(1, FRAMES_A_SECOND)
    encoder.bit_rate = 100_000
    encoder.options = {"deadline": "realtime", "lag-in-frames": "0", "g": str(FRAMES_A_SECOND)}
    packets: list[bytes] = []
    for number in range(FRAMES_A_SECOND * CLIP_S):
        frame = av.VideoFrame(SIDE_PIXELS, SIDE_PIXELS, "yuv420p")
        for plane, shade in zip(frame.planes, (b"\x5a", b"\x80", b"\x80"), strict=True):
            plane.update(shade * plane.buffer_size)
        line = frame.planes[0].line_size
        rows = bytearray(frame.planes[0])
        rows[number * 8 * line : (number * 8 + 8) * line] = b"\xeb" * (8 * line)
        frame.planes[0].update(bytes(rows))
        frame.pts = number
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets


def _tone() -> list[bytes]:
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = 48_000, "stereo", "s16", 24_000
    encoder.time_base = fractions.Fraction(1, 48_000)
    packets: list[bytes] = []
    for number in range(50 * CLIP_S + 1):
        frame = av.AudioFrame("s16", "stereo", 960)
        samples = (round(9000 * math.sin(2 * math.pi * 440 * index / 48_000)) for index in range(960))
        frame.planes[0].update(b"".join(sample.to_bytes(2, "little", signed=True) * 2 for sample in samples))
        frame.sample_rate, frame.pts, frame.time_base = 48_000, number * 960, fractions.Fraction(1, 48_000)
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets[: 50 * CLIP_S]


@dataclass(frozen=True, slots=True)
class Sent:
    """A packet on its way out: when (microseconds of Unix time), and its name in the journal."""

    at_us: int
    ssrc: int
    sequence: int


@dataclass
class Way:
    """One link of somebody's: everything from one fresh offer to the next."""

    ufrag: str
    port: int
    connection: RTCPeerConnection
    made_at: float = field(default_factory=time.monotonic)
    heard_at: float | None = None
    """When the far voice was first heard over it."""
    sent: list[Sent] = field(default_factory=list)


class Guest:
    """Somebody in a hearing, from coming in until it ends."""

    def __init__(self, name: str, visitor: Visitor, session_id: str, role: str, clip: Clip) -> None:
        self.name = name
        self.visitor = visitor
        self.session_id = session_id
        self.role = role
        self.room: dict[str, Any] = {}
        self.ways: list[Way] = []
        self.struck_at = 0.0
        """When this person's worker, or the server, was last struck down: monotonic seconds."""
        self.ended = asyncio.Event()
        self._clip = clip
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._changed = asyncio.Condition()
        self._tasks = asyncio.TaskGroup()

    @property
    def seat_id(self) -> str:
        """The seat, once seated."""
        return str(self.room.get("you", ""))

    @property
    def way(self) -> Way | None:
        """The present link."""
        return self.ways[-1] if self.ways else None

    @property
    def back_after_s(self) -> float | None:
        """How long after the last blow the far voice was heard again; None while it is not."""
        way = self.way
        if way is None or way.heard_at is None or way.made_at < self.struck_at:
            return None
        return way.heard_at - self.struck_at

    def person(self, role: str) -> dict[str, Any]:
        """Return somebody of this room as the server shows them; empty when not there."""
        people: list[dict[str, Any]] = self.room.get("people", [])
        return next((person for person in people if person["role"] == role), {})

    async def say(self, type_: str, **fields: object) -> None:
        """Send one message over the present socket."""
        assert self._socket is not None
        await self._socket.send_str(json.dumps({"type": type_, **fields}))

    async def until(self, holds: Callable[[], object], timeout_s: float) -> None:
        """Wait until something holds, looked at whenever this person was told or heard something."""
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: bool(holds()))

    async def stay(self) -> None:
        """Be there until the hearing ends; come back whenever the line breaks."""
        async with self._tasks:
            tries = 0
            while not self.ended.is_set():
                heard = await self._one_socket()
                tries = 0 if heard else tries + 1
                await asyncio.sleep(DELAYS_S[min(tries, len(DELAYS_S) - 1)])
            for way in self.ways:
                await way.connection.close()

    async def _one_socket(self) -> bool:
        """Live through one socket; return whether the room was shown over it."""
        path = f"{self.visitor.origin}/ws/hearings/{self.session_id}"
        query = {"as": self.role, "takeover": str(int(bool(self.room)))}
        heard = False
        try:
            async with self.visitor.http.ws_connect(path, params=query) as socket:
                self._socket = socket
                while (frame := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
                    message = json.loads(frame.data)
                    heard = heard or message["type"] == "room"
                    await self._hear(message)
        except (aiohttp.ClientError, ConnectionError):
            pass  # as a page does: the next try is all there is to do
        finally:
            self._socket = None
        return heard

    async def _hear(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "room":
                self.room = message
            case "offer":
                await self._answer(message)
            case "closing" if not message["retry"]:
                self.ended.set()
        await self._tell_changed()

    async def _tell_changed(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _answer(self, offer: dict[str, Any]) -> None:
        sdp = str(offer["sdp"])
        ufrag = sdp.partition("a=ice-ufrag:")[2].split()[0]
        way = self.way
        fresh = way is None or way.ufrag != ufrag
        if fresh:
            if way is not None:
                self._tasks.create_task(_close(way.connection))
            way = self._fresh_way(ufrag, sdp)
        assert way is not None
        connection, streams = way.connection, dict(offer["streams"])

        def on_track(track: MediaStreamTrack) -> None:
            mid = next(each.mid for each in connection.getTransceivers() if each.receiver.track is track)
            self._tasks.create_task(self._listen(way, track, far=streams.get(mid) != self.seat_id))

        connection.remove_all_listeners("track")
        connection.on("track", on_track)
        await connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        if fresh:
            for track in self._clip.tracks():
                connection.addTrack(track)
        await connection.setLocalDescription(await connection.createAnswer())
        if fresh:
            _note_sent(connection, way.sent)
        await self.say("answer", offer_id=offer["offer_id"], sdp=connection.localDescription.sdp)

    def _fresh_way(self, ufrag: str, sdp: str) -> Way:
        found = re.search(r"a=candidate:.* (\d+) typ host", sdp)
        assert found is not None
        configuration = RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        self.ways.append(Way(ufrag, int(found[1]), RTCPeerConnection(configuration)))
        return self.ways[-1]

    async def _listen(self, way: Way, track: MediaStreamTrack, *, far: bool) -> None:
        try:
            while True:
                await track.recv()
                if far and track.kind == "audio" and way.heard_at is None:
                    way.heard_at = time.monotonic()
                    await self._tell_changed()
        except MediaStreamError:
            return


async def _close(connection: RTCPeerConnection) -> None:
    await connection.close()


def _note_sent(connection: RTCPeerConnection, sent: list[Sent]) -> None:
    """Have every RTP packet that leaves noted. All m-lines share one transport."""
    transport = connection.getTransceivers()[0].sender.transport
    send: Callable[[bytes], Awaitable[None]] = transport._send_rtp

    async def send_and_note(data: bytes) -> None:
        await send(data)
        if data[1] & 0x7F in _RTP_KINDS:
            ssrc, sequence = int.from_bytes(data[8:12], "big"), int.from_bytes(data[2:4], "big")
            sent.append(Sent(time.time_ns() // 1000, ssrc, sequence))

    transport._send_rtp = send_and_note
