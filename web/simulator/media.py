"""The simulated applicant's sound and picture on the wire: aiortc's RTCPeerConnection answers the server's offers.

aiortc is a far end here, as a browser is one (docs/decisions/simulated-applicant.md).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache

import av
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpTransceiver, RTCSessionDescription
from aiortc.exceptions import OperationError
from aiortc.mediastreams import MediaStreamTrack
from aiortc.rtcconfiguration import RTCBundlePolicy

from web.simulator.drawing import Drawing
from web.simulator.figure import APPLICANT_LOOK
from web.simulator.performance import Performance
from web.simulator.person import DEMO_APPLICANT
from web.simulator.voice import SAMPLE_RATE, Utterance, samples_of

log = logging.getLogger(__name__)

FRAME_RATE = 15
"""Pictures a second. With the VP8 encoder the whole applicant stays under a quarter of a core."""
_SAMPLES_A_PACKET = SAMPLE_RATE // 50
_VIDEO_CLOCK = 90_000
_LATE_S = 0.5
"""When the machine falls this far behind, what was missed is left out rather than hurried after."""


@cache
def applicant_drawing() -> Drawing:
    """Return the drawn applicant; the first call takes half a second of a core."""
    return Drawing(APPLICANT_LOOK, DEMO_APPLICANT)


def prepare() -> None:
    """Draw and decode everything beforehand: to be called in a thread, so that the event loop does not stand still."""
    applicant_drawing()
    for utterance in Utterance:
        samples_of(utterance)


class _Pace:
    """Waits until the next sound or picture is due."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._due_s: float | None = None
        self.count = 0

    async def wait(self) -> float:
        """Wait; return the steady time in seconds and count on ``count``, also over what was left out."""
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        if self._due_s is None:
            self._due_s = now_s
        elif now_s - self._due_s > _LATE_S:
            missed = int((now_s - self._due_s) / self._interval_s)
            self._due_s += missed * self._interval_s
            self.count += missed
        if self._due_s > now_s:
            await asyncio.sleep(self._due_s - now_s)
        self._due_s += self._interval_s
        self.count += 1
        return loop.time()


class SpokenTrack(MediaStreamTrack):
    """Her microphone: 20 ms at a time, 48 kHz mono."""

    kind = "audio"

    def __init__(self, performance: Performance) -> None:
        """Speak what ``performance`` says."""
        super().__init__()
        self._performance = performance
        self._pace = _Pace(_SAMPLES_A_PACKET / SAMPLE_RATE)

    async def recv(self) -> av.AudioFrame:
        """Return the next sound when it is due."""
        await self._pace.wait()
        samples = self._performance.next_samples(_SAMPLES_A_PACKET)
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        frame.pts = self._pace.count * _SAMPLES_A_PACKET
        frame.time_base = Fraction(1, SAMPLE_RATE)
        return frame


class DrawnTrack(MediaStreamTrack):
    """Her camera: 640 x 480."""

    kind = "video"

    def __init__(self, performance: Performance) -> None:
        """Show what ``performance`` shows."""
        super().__init__()
        self._performance = performance
        self._pace = _Pace(1 / FRAME_RATE)

    async def recv(self) -> av.VideoFrame:
        """Return the next picture when it is due."""
        now_s = await self._pace.wait()
        picture = applicant_drawing().picture(self._performance.pose(now_s))
        frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
        frame.pts = self._pace.count * _VIDEO_CLOCK // FRAME_RATE
        frame.time_base = Fraction(1, _VIDEO_CLOCK)
        return frame


class Link:
    """The media link of one seat: answers offers, one RTCPeerConnection for each identity of the server's end.

    Of the far streams nothing is taken: aiortc would decode them into queues without a bound, and nobody looks.
    """

    def __init__(self, performance: Performance, *, on_broken: Callable[[], None]) -> None:
        """``on_broken`` is called when the link has failed and only a fresh offer can mend it."""
        self._performance = performance
        self._on_broken = on_broken
        self._connection: RTCPeerConnection | None = None
        self._identity = ""
        self._seat_of_mid: Mapping[str, str] = {}
        self._you = ""
        self._spoken: SpokenTrack | None = None
        self._drawn: DrawnTrack | None = None
        self._shows = False

    @property
    def state(self) -> str:
        """The connection's state in W3C words: new, connecting, connected, disconnected, failed or closed."""
        return self._connection.connectionState if self._connection else "new"

    async def answer(self, sdp: str, streams: Mapping[str, str], you: str) -> str:
        """Return the description that answers an offer. ``streams``: MID to seat; ``you``: our own seat.

        Raises ValueError for a description that cannot be read.
        """
        identity = identity_of(sdp)
        if self._connection is None or identity != self._identity:
            await self.close()
            self._connection = self._make()
            self._identity = identity
        self._seat_of_mid, self._you = dict(streams), you
        connection = self._connection
        try:
            await connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        except (AssertionError, ValueError, LookupError, AttributeError, OperationError) as error:
            # All of these are how aiortc's parser says that it cannot read a description.
            raise ValueError(f"unreadable offer: {error!r}") from error
        self._attach()
        await connection.setLocalDescription(await connection.createAnswer())
        return connection.localDescription.sdp

    def show(self, wanted: bool) -> None:
        """Send the picture or not; sound is always sent. Nothing is renegotiated."""
        if self._shows != wanted:
            self._shows = wanted
            self._attach()

    async def close(self) -> None:
        """Let go of the link; the next offer makes a new one."""
        connection, self._connection = self._connection, None
        self._identity = ""
        if connection is not None:
            await connection.close()

    def _make(self) -> RTCPeerConnection:
        # An empty list: without one aiortc asks a STUN server on the internet for our address.
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._spoken, self._drawn = SpokenTrack(self._performance), DrawnTrack(self._performance)

        def watch() -> None:
            log.info("link %s", connection.connectionState)
            if connection is self._connection and connection.connectionState == "failed":
                self._on_broken()

        connection.on("connectionstatechange", watch)
        return connection

    def _attach(self) -> None:
        """Put our tracks on the sections the server gave us; take nothing from the others."""
        if self._connection is None:
            return
        for transceiver in self._connection.getTransceivers():
            if self._seat_of_mid.get(transceiver.mid or "") != self._you:
                transceiver.direction = "inactive"
                continue
            track = self._track_for(transceiver)
            transceiver.direction = "sendonly"
            if transceiver.sender.track is not track:
                transceiver.sender.replaceTrack(track)

    def _track_for(self, transceiver: RTCRtpTransceiver) -> MediaStreamTrack | None:
        if transceiver.kind == "audio":
            return self._spoken
        return self._drawn if self._shows else None


def identity_of(sdp: str) -> str:
    """Return what makes a server's link the same one: its ICE user name and its DTLS fingerprint."""
    found = (re.search(pattern, sdp, re.MULTILINE) for pattern in (r"^a=ice-ufrag:(\S+)", r"^a=fingerprint:(\S+ \S+)"))
    return " ".join(each[1] if each else "" for each in found)
