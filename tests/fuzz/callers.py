"""People whose browsers are ours: they shake hands as any does, and then send what they like over the same keys."""

import asyncio
import re
import socket
from collections.abc import Callable
from typing import cast

import pylibsrtp
from aioice import stun
from aiortc import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport, RTCIceTransport

from signaling.media.events import MediaEvent, OfferReady
from signaling.media.worker import MediaWorker
from tests.fuzz import seeds

CERTIFICATE = RTCCertificate.generateCertificate()
FINGERPRINT = next(print_.value for print_ in CERTIFICATE.getFingerprints() if print_.algorithm == "sha-256")
CHECKS_KEPT = 1000
_RECEIVED_MAX = 2048


def open_socket() -> socket.socket:
    """Return a socket of somebody's on this machine."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.bind(("127.0.0.1", 0))
    return made


def drain(sock: socket.socket) -> list[bytes]:
    """Return everything that came."""
    came: list[bytes] = []
    while True:
        try:
            came.append(sock.recv(_RECEIVED_MAX))
        except BlockingIOError:
            return came


class _Wire:
    """What RTCDtlsTransport takes for an ICE transport: our socket, and of what comes the DTLS alone."""

    role = "controlling"

    def __init__(self, caller: "Caller") -> None:
        self._caller = caller

    async def _recv(self) -> bytes:
        loop = asyncio.get_running_loop()
        while not self._caller.settled.is_set():
            data = await loop.sock_recv(self._caller.socket, _RECEIVED_MAX)
            if 19 < data[0] < 64:
                self._caller.handshake.append(data)
                return data
        # From here on the fuzzer reads the socket.
        await asyncio.Event().wait()
        raise ConnectionError

    async def _send(self, data: bytes) -> None:
        self._caller.handshake.append(data)
        self._caller.socket.sendto(data, self._caller.server)


class Caller:
    """One seat's browser."""

    def __init__(self, worker: MediaWorker, hearing_id: str, seat_id: str, number: int) -> None:
        self.seat_id = seat_id
        self.ssrcs = (100 * number + 1, 100 * number + 2, 100 * number + 3)
        """Voice, camera, repair."""
        self.socket = open_socket()
        self.server = ("127.0.0.1", worker.port)
        self.username = ""
        self.password = ""
        self.handshake: list[bytes] = []
        """Every DTLS record of both sides."""
        self.settled = asyncio.Event()
        self.checks: list[bytes] = []
        """Every honest check that went over the line, where anybody may have captured it."""
        self._worker = worker
        self._hearing_id = hearing_id
        self._answered = 0
        self._dtls = RTCDtlsTransport(cast(RTCIceTransport, _Wire(self)), [CERTIFICATE])
        self._sequences = dict.fromkeys(self.ssrcs, 1)

    async def join(self, events: list[MediaEvent]) -> None:
        """Come in and shake hands."""
        await self._worker.add_participant(self._hearing_id, self.seat_id)
        offer = self._offers(events)[-1]
        await self._answer(offer)
        self.username = _find(r"a=ice-ufrag:(\S+)", offer.sdp) + ":other"
        self.password = _find(r"a=ice-pwd:(\S+)", offer.sdp)
        self.check()
        self._dtls._set_role("client")
        fingerprint = _find(r"a=fingerprint:sha-256 (\S+)", offer.sdp)
        async with asyncio.timeout(20):
            await self._dtls.start(RTCDtlsParameters([RTCDtlsFingerprint("sha-256", fingerprint)]))
        assert self._dtls.state == "connected"
        self.settled.set()

    def _offers(self, events: list[MediaEvent]) -> list[OfferReady]:
        return [event for event in events if isinstance(event, OfferReady) and event.seat_id == self.seat_id]

    async def answer_all(self, events: list[MediaEvent]) -> None:
        """Answer what was offered since: other people's streams."""
        for offer in self._offers(events):
            if offer.offer_id > self._answered:
                await self._answer(offer)

    async def _answer(self, offer: OfferReady) -> None:
        self._answered = offer.offer_id
        text = seeds.answer_to(offer.sdp, FINGERPRINT, self.ssrcs)
        await self._worker.take_answer(self._hearing_id, self.seat_id, offer.offer_id, text)

    async def leave(self) -> None:
        """Close everything; the socket too."""
        task = self._dtls._task
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        self.socket.close()

    # --- Sending

    def send(self, data: bytes) -> None:
        """Send a datagram as it is."""
        self.socket.sendto(data, self.server)

    def check(self, spoil: Callable[[bytes], bytes] | None = None, sock: socket.socket | None = None) -> bytes:
        """Send a STUN check, spoilt before its integrity is computed if asked to; return it."""
        data = seeds.check(self.username, self.password)
        if spoil is not None:
            data = vouched(spoil(data[:-32]), self.password)
        elif len(self.checks) < CHECKS_KEPT:
            self.checks.append(data)
        (sock or self.socket).sendto(data, self.server)
        return data

    def protected(self, packet: bytes) -> bytes | None:
        """Return an RTP packet as SRTP; None when it is too broken for that."""
        session = self._dtls._tx_srtp
        assert session is not None
        try:
            return bytes(session.protect(packet))
        except (pylibsrtp.Error, TypeError, ValueError):
            return None

    def protected_rtcp(self, compound: bytes) -> bytes | None:
        """Return an RTCP compound as SRTCP; None when it is too broken for that."""
        session = self._dtls._tx_srtp
        assert session is not None
        try:
            return bytes(session.protect_rtcp(compound))
        except (pylibsrtp.Error, TypeError, ValueError):
            return None

    def sequence(self, ssrc: int) -> int:
        """Return the last sequence number under one of our SSRCs."""
        return self._sequences[ssrc]

    def in_turn(self, packet: bytes, ssrc: int, step: int) -> bytes:
        """Give a packet one of our SSRCs and the next sequence number, or one a few steps on."""
        self._sequences[ssrc] = self._sequences[ssrc] + step & 0xFFFF
        sequence = self._sequences[ssrc].to_bytes(2, "big")
        return b"".join((packet[:2], sequence, packet[4:8], ssrc.to_bytes(4, "big"), packet[12:]))


def vouched(body: bytes, password: str) -> bytes:
    """Return a STUN message with its length, integrity and fingerprint set right, whatever its attributes are."""
    if len(body) < 20:
        return body

    def with_length(data: bytes, more: int) -> bytes:
        return data[:2] + (len(data) - 20 + more & 0xFFFF).to_bytes(2, "big") + data[4:]

    integrity = stun.message_integrity(with_length(body, 24), password.encode())
    body += b"\0\x08\0\x14" + integrity
    print_ = stun.message_fingerprint(with_length(body, 8))
    return with_length(body, 8) + b"\x80\x28\0\4" + print_.to_bytes(4, "big")


def _find(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found is not None
    return found[1]
