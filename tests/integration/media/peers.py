"""People for the media plane's tests: aiortc peers with a moving picture and a tone, and the plane they meet in."""

import asyncio
import fractions
import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import pytest
from aioice.ice import StunProtocol
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from records.clock import SteadyClock
from records.journal import WAITING_BYTES, JournalWriter, Packet, Source, read_journal
from signaling.media.codecs import REPAIRED
from signaling.media.congestion import signed16
from signaling.media.events import (
    LinkConnected,
    MediaEvent,
    MediaRefused,
    MediaSettings,
    OfferReady,
    StatsMeasured,
)
from signaling.media.express import LIBRARY
from signaling.media.rtp import is_rtcp
from signaling.media.worker import MediaWorker

HEARING = "hearing-of-gao"


class MovingPicture(MediaStreamTrack):
    """A picture in one shade of grey with a bar that moves, 15 a second."""

    kind = "video"

    def __init__(self, shade: int) -> None:
        super().__init__()
        self.shade = shade
        self._count = 0
        self._started_at = 0.0

    async def recv(self) -> av.VideoFrame:
        loop = asyncio.get_running_loop()
        if not self._count:
            self._started_at = loop.time()
        await asyncio.sleep(max(0.0, self._started_at + self._count / 15 - loop.time()))
        frame = av.VideoFrame(320, 240, "yuv420p")
        rows = bytearray([self.shade]) * (frame.planes[0].line_size * 240)
        bar = self._count % 240 * frame.planes[0].line_size
        rows[bar : bar + frame.planes[0].line_size] = b"\xeb" * frame.planes[0].line_size
        frame.planes[0].update(bytes(rows))
        for plane in frame.planes[1:]:
            plane.update(b"\x80" * plane.buffer_size)
        frame.pts = self._count * 6000
        frame.time_base = fractions.Fraction(1, 90000)
        self._count += 1
        return frame


class Tone(MediaStreamTrack):
    """A tone of 440 Hz in pieces of 20 ms."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._count = 0
        self._started_at = 0.0
        samples = (round(9000 * math.sin(2 * math.pi * 440 * index / 48000)) for index in range(960))
        self._piece = b"".join(struct.pack("<h", sample) for sample in samples)

    async def recv(self) -> av.AudioFrame:
        loop = asyncio.get_running_loop()
        if not self._count:
            self._started_at = loop.time()
        await asyncio.sleep(max(0.0, self._started_at + self._count / 50 - loop.time()))
        frame = av.AudioFrame("s16", "mono", 960)
        frame.planes[0].update(self._piece)
        frame.sample_rate = 48000
        frame.pts = self._count * 960
        frame.time_base = fractions.Fraction(1, 48000)
        self._count += 1
        return frame


@dataclass
class Plane:
    """A running worker, everything it said, and a way to wait for what it says."""

    worker: MediaWorker
    events: list[MediaEvent]
    directory: Path

    async def until(self, holds: Callable[[], object], why: str, timeout_s: float = 45) -> None:
        """Wait until something holds, looking again at short intervals; fail with what was waited for."""
        for _ in range(round(timeout_s / 0.02)):
            if holds():
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"did not happen in {timeout_s} s: {why}; drops {dict(self.worker.drops)}")

    async def until_seconds_bring_nothing(self, count: Callable[[], int], why: str) -> None:
        """Wait until something that is counted has not changed over two measured seconds: what was on its way, or was
        being decoded, may come first."""
        for _ in range(20):
            before = count()
            await self.seconds_measured(2)
            if count() == before:
                return
        raise AssertionError(f"goes on and on: {why}")

    async def seconds_measured(self, count: int) -> None:
        """Wait until so many seconds more have been measured."""
        enough = len(self.of_kind(StatsMeasured)) + count
        await self.until(lambda: len(self.of_kind(StatsMeasured)) >= enough, "seconds go by")

    async def until_nothing_is_missing(self) -> None:
        """Wait until the relay has everything of everybody's streams, from where nothing more is lost."""
        people = self.worker._hearings[HEARING]._exchange.people.values()
        await self.until(
            lambda: not any(stream._missing for person in people for stream in person.streams.values()),
            "all that was lost came again",
        )

    def of_kind(self, kind: type, seat_id: str | None = None) -> list[MediaEvent]:
        """Return the events of a kind, of one seat if given."""
        return [
            event
            for event in self.events
            if isinstance(event, kind) and (seat_id is None or getattr(event, "seat_id", None) == seat_id)
        ]


async def open_plane(
    directory: Path,
    addresses: tuple[str, ...] = ("127.0.0.1",),
    *,
    plainly: bool = False,
    waiting_bytes: int = WAITING_BYTES,
) -> Plane:
    """Start a worker with one open hearing that records into `directory`; `plainly`: without the express lane."""
    events: list[MediaEvent] = []
    worker = MediaWorker(MediaSettings(addresses, 0), events.append, plainly=plainly)
    await worker.start()
    assert (worker.express is None) == (plainly or not LIBRARY.exists())
    await worker.open_hearing(
        HEARING, JournalWriter.open(directory, HEARING, clock=SteadyClock(), waiting_bytes=waiting_bytes)
    )
    return Plane(worker, events, directory)


def lose(
    monkeypatch: pytest.MonkeyPatch,
    *,
    up: Callable[[bytes], bool] | None = None,
    down: Callable[[bytes], bool] | None = None,
) -> None:
    """Let the peers' lines lose the datagrams that `up` (to the relay) and `down` (from it) choose."""
    send, received = StunProtocol.send_data, StunProtocol.datagram_received

    async def lossy_send(self: StunProtocol, data: bytes, address: tuple[str, int]) -> None:
        if up is None or not up(data):
            await send(self, data, address)

    def lossy_received(self: StunProtocol, data: bytes, address: tuple[str, int]) -> None:
        if down is None or not down(data):
            received(self, data, address)

    monkeypatch.setattr(StunProtocol, "send_data", lossy_send)
    monkeypatch.setattr(StunProtocol, "datagram_received", lossy_received)


class Peer:
    """Somebody with a browser, played by aiortc."""

    def __init__(
        self,
        plane: Plane,
        seat_id: str,
        *,
        shade: int = 90,
        camera: bool = True,
        prefers: str = "VP8",
        lacks: int | None = None,
        repairs: bool = True,
    ) -> None:
        self.plane = plane
        self.seat_id = seat_id
        self.shade = shade
        self.camera = camera
        self.prefers = prefers
        """In which codec it sends its picture, if it may choose."""
        self.lacks = lacks
        """A payload type that its browser has no codec for."""
        self.repairs = repairs
        """Whether its browser knows repair packets."""
        self.pictures: dict[str, list[int]] = {}
        """The shades seen, by the seat that showed them."""
        self.sounds: dict[str, int] = {}
        """How many loud pieces were heard, by the seat that made them."""
        self.pc: RTCPeerConnection | None = None
        self._ufrag = ""
        self._answered = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = asyncio.Event()

    async def __aenter__(self) -> "Peer":
        self._tasks.append(asyncio.get_running_loop().create_task(self._follow_offers()))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.pc is not None:
            await self.pc.close()

    async def join(self) -> None:
        """Come in and wait until the link stands."""
        before = len(self.plane.of_kind(LinkConnected, self.seat_id))
        await self.plane.worker.add_participant(HEARING, self.seat_id)
        await self.plane.until(
            lambda: len(self.plane.of_kind(LinkConnected, self.seat_id)) > before, f"{self.seat_id} connected"
        )

    async def _follow_offers(self) -> None:
        while not self._closing.is_set():
            offers = self.plane.of_kind(OfferReady, self.seat_id)
            if len(offers) > self._answered:
                offer = offers[self._answered]
                self._answered += 1
                assert isinstance(offer, OfferReady)
                await self._answer(offer)
            await asyncio.sleep(0.01)

    async def _answer(self, offer: OfferReady) -> None:
        ufrag = offer.sdp.partition("a=ice-ufrag:")[2].split()[0]
        fresh = ufrag != self._ufrag
        if fresh:
            self._ufrag = ufrag
            if self.pc is not None:
                await self.pc.close()
            self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        pc = self.pc
        assert pc is not None
        streams = dict(offer.streams)

        def on_track(track: MediaStreamTrack) -> None:
            transceiver = next(item for item in pc.getTransceivers() if item.receiver.track is track)
            seat = streams[transceiver.mid]
            self._tasks.append(asyncio.get_running_loop().create_task(self._watch(track, seat)))

        pc.remove_all_listeners("track")
        pc.on("track", on_track)
        sdp = h264_first(offer.sdp) if self.prefers == "H264" else offer.sdp
        await pc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        if fresh:
            pc.addTrack(Tone())
            if self.camera:
                pc.addTrack(MovingPicture(self.shade))
        await pc.setLocalDescription(await pc.createAnswer())
        answer: str = pc.localDescription.sdp
        for payload_type in (self.lacks, *(() if self.repairs else REPAIRED)):
            answer = answer if payload_type is None else without(answer, payload_type)
        try:
            await self.plane.worker.take_answer(HEARING, self.seat_id, offer.offer_id, answer)
        except MediaRefused as refused:
            assert refused.code == "answer_stale"

    async def _watch(self, track: MediaStreamTrack, seat: str) -> None:
        try:
            while True:
                frame = await track.recv()
                if isinstance(frame, av.VideoFrame):
                    self.pictures.setdefault(seat, []).append(bytes(frame.planes[0])[frame.planes[0].line_size * 60])
                else:
                    data = bytes(frame.planes[0])
                    loud = max(abs(value) for (value,) in struct.iter_unpack("<h", data[: len(data) // 2 * 2])) > 2000
                    self.sounds[seat] = self.sounds.get(seat, 0) + loud
        except MediaStreamError:
            return


def h264_first(offer: str) -> str:
    """Return an offer as somebody reads it who prefers H.264; aiortc answers in the order of the `rtpmap` lines."""
    swap = r"(a=rtpmap:96 VP8/90000)((?:(?!\r\nm=).)*?)(a=rtpmap:98 H264/90000)"
    return re.sub(swap, r"\3\2\1", offer, count=1, flags=re.DOTALL)


def without(answer: str, payload_type: int) -> str:
    """Return an answer as a browser without that codec gives it."""
    answer = re.sub(rf"^(m=video.*?) {payload_type}\b", r"\1", answer, flags=re.MULTILINE)
    return re.sub(rf"^a=(rtpmap|fmtp|rtcp-fb):{payload_type} .*\r\n", "", answer, flags=re.MULTILINE)


def video_numbers(directory: Path, seat_id: str) -> set[int]:
    """Return the sequence numbers of a seat's picture that are in the journal, counted on where they wrap."""
    sources: dict[int, Source] = {}
    numbers: set[int] = set()
    highest: int | None = None
    for record in read_journal(directory):
        if isinstance(record, Source):
            sources[record.number] = record
        elif isinstance(record, Packet) and not is_rtcp(record.data):
            source = sources[record.source]
            if (source.seat_id, source.kind) == (seat_id, "video"):
                number = int.from_bytes(record.data[2:4], "big")
                full = number if highest is None else highest + signed16(number - highest)
                highest = full if highest is None else max(highest, full)
                numbers.add(full)
    return numbers
