"""aiortc's own way: an RTCPeerConnection a person, MediaRelay to the other, MediaRecorder to a Matroska file.

In, one JSON line each: `{"hearing", "seat", "sdp"}` (an offer) or `{"close": true}`. Out: `{"hearing", "seat", "sdp"}`.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import TypeAlias

import av
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.contrib.media import MediaRecorder, MediaRelay

Tracks: TypeAlias = dict[tuple[str, str], "asyncio.Future[MediaStreamTrack]"]
"""By hearing and seat and kind: the track, once it is there."""


class FromTheOther(MediaStreamTrack):
    """The other person's track, which may come later."""

    def __init__(self, kind: str, relay: MediaRelay, coming: "asyncio.Future[MediaStreamTrack]") -> None:
        super().__init__()
        self.kind = kind
        self._relay = relay
        self._coming = coming
        self._track: MediaStreamTrack | None = None

    async def recv(self) -> "av.frame.Frame | av.packet.Packet[av.stream.Stream]":
        """Return the next frame of the other's track."""
        if self._track is None:
            self._track = self._relay.subscribe(await self._coming)
        return await self._track.recv()


class StockServer:
    """Any number of hearings of two people."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._relay = MediaRelay()
        self._coming: dict[tuple[str, str, str], asyncio.Future[MediaStreamTrack]] = {}
        self._connections: list[RTCPeerConnection] = []
        self._recorders: list[MediaRecorder] = []

    def _track(self, hearing: str, seat: str, kind: str) -> "asyncio.Future[MediaStreamTrack]":
        return self._coming.setdefault((hearing, seat, kind), asyncio.get_running_loop().create_future())

    async def answer(self, hearing: str, seat: str, offer: str) -> str:
        """Seat somebody; returns the answer."""
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._connections.append(connection)
        recorder = MediaRecorder(str(self._directory / f"{hearing}-{seat}.mkv"))
        self._recorders.append(recorder)
        other = "applicant" if seat == "host" else "host"

        def on_track(track: MediaStreamTrack) -> None:
            recorder.addTrack(self._relay.subscribe(track))
            self._track(hearing, seat, track.kind).set_result(track)

        connection.on("track", on_track)
        await connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        for kind in ("audio", "video"):
            connection.addTrack(FromTheOther(kind, self._relay, self._track(hearing, other, kind)))
        await connection.setLocalDescription(await connection.createAnswer())
        await recorder.start()
        return str(connection.localDescription.sdp)

    async def close(self) -> None:
        """End the recordings and the connections."""
        for recorder in self._recorders:
            await recorder.stop()
        for connection in self._connections:
            await connection.close()


async def serve(directory: Path) -> None:
    """Serve until told to close, or the input ends."""
    server = StockServer(directory)
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = json.loads(line)
        if "close" in order:
            break
        answer = await server.answer(order["hearing"], order["seat"], order["sdp"])
        sys.stdout.write(json.dumps({**order, "sdp": answer}) + "\n")
        sys.stdout.flush()
    await server.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
