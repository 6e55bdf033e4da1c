"""One participant's link: its addresses, its DTLS and its SRTP.

DTLS is aiortc's RTCDtlsTransport over a transport that is only a queue; the SRTP sessions it makes are used directly.
RFC 5764 (DTLS-SRTP), RFC 7675 (consent), RFC 8445 section 11 (media goes where checks come from).
"""

import asyncio
import itertools
import secrets
from collections import Counter
from typing import Protocol, cast

from aiortc import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport, RTCIceTransport
from aiortc.rtcdtlstransport import SRTP_AEAD_AES_128_GCM, SRTP_PROFILES

from signaling.media.port import Way
from signaling.media.seen import SeenChecks, SeenSsrcs
from signaling.media.shared_state import UplinkState
from signaling.media.srtp import Srtp, SrtpRefused

CONSENT_S = 15.0
"""A browser checks every few seconds; without a check for this long the other side is gone (RFC 7675: at most 30 s)."""
ANSWER_S = 30.0
"""How long an offer may go unanswered, or an answer without a first check."""
HANDSHAKE_S = 20.0
ADDRESS_SILENT_S = 5.0
"""When the current address is silent this long, a check from another takes over even without being nominated."""
PACKETS_TO_FOLLOW = 3
"""So many authentic packets in a row from another checked address mean that the other side has moved there. Fewer may
be stragglers of a way just left."""
DTLS_QUEUE_MAX = 32
_ids = itertools.count(1)


class LinkOwner(Protocol):
    """Who is told what a link receives."""

    def link_connected(self, link: "Link") -> None:
        """Packets can be sent."""
        ...

    def link_lost(self, link: "Link", reason: str) -> None:
        """The link is dead; told once."""
        ...

    def link_moved(self, link: "Link") -> None:
        """The link's address is another one."""
        ...

    def rtp_arrived(self, link: "Link", data: bytes, at: float) -> None:
        """An RTP packet whose authenticity holds."""
        ...

    def rtcp_arrived(self, link: "Link", data: bytes, at: float) -> None:
        """An RTCP compound whose authenticity holds."""
        ...


class _Wire:
    """What RTCDtlsTransport takes for an ICE transport. Full: the newest record is dropped, DTLS sends again."""

    role = "controlled"

    def __init__(self, link: "Link") -> None:
        self._link = link
        self.records: asyncio.Queue[bytes | None] = asyncio.Queue(DTLS_QUEUE_MAX)

    async def _recv(self) -> bytes:
        record = await self.records.get()
        if record is None:
            raise ConnectionError
        return record

    async def _send(self, data: bytes) -> None:
        self._link.send(data)


class Link:
    """Between the relay and one browser. Not reused: who comes back gets a fresh one."""

    def __init__(self, certificate: RTCCertificate, owner: LinkOwner, drops: Counter[str], at: float) -> None:
        # RFC 8839 section 5.4: at least 4 characters of ufrag, 22 of password.
        self.ufrag = secrets.token_hex(4)
        self.password = secrets.token_hex(16)
        self.state = UplinkState(id=next(_ids))
        self.way: Way | None = None
        self.connected = False
        self.lost = False
        self._owner = owner
        self._drops = drops
        self._made_at = at
        self._checked_at: float | None = None
        self._way_checked_at = at
        self._checks = SeenChecks()
        self._ssrcs = SeenSsrcs(self.state)
        self._way_known = asyncio.Event()
        self._from_elsewhere = 0
        self._wire = _Wire(self)
        # The duck-typed transport has the three members that RTCDtlsTransport uses.
        self._dtls = RTCDtlsTransport(cast(RTCIceTransport, self._wire), [certificate])
        # 128-bit GCM costs a third less than HMAC-SHA1 and is as strong as the P-256 certificates need.
        self._dtls._srtp_profiles = sorted(SRTP_PROFILES, key=lambda profile: profile is not SRTP_AEAD_AES_128_GCM)
        self._dtls.on("statechange", self._dtls_changed)
        self.receiving: Srtp | None = None
        self.sending: Srtp | None = None
        self._fingerprints: tuple[tuple[str, str], ...] | None = None

    # --- The port's side

    def check_passed(self, way: Way, *, nominated: bool, transaction: bytes, at: float) -> bool:
        """Follow the address that the other side nominates, at once and without renegotiation.

        A check moves the link once. It is answered a second time where it came from, for the answer may have been
        lost; from elsewhere it is a captured one, sent to draw the stream there.
        """
        current = self.way is not None and self.way.key == way.key
        if transaction in self._checks:
            origin = self._checks.origin(transaction)
            return current if origin is None else origin == way.key
        self._checks.note(transaction, way.key)
        self._checked_at = at
        if self.way is None or nominated or at - self._way_checked_at > ADDRESS_SILENT_S or current:
            self._follow(way, at)
        return True

    def _follow(self, way: Way, at: float) -> None:
        moved = self.way is not None and self.way.key != way.key
        self.way = way
        self._way_checked_at = at
        self._from_elsewhere = 0
        self._way_known.set()
        if moved:
            self._owner.link_moved(self)

    def dtls_arrived(self, data: bytes) -> None:
        """Queue a DTLS record; those that come before the answer wait here."""
        try:
            self._wire.records.put_nowait(data)
        except asyncio.QueueFull:
            self._drops["dtls_queue_full"] += 1

    def srtp_arrived(self, way: Way, data: bytes, at: float) -> None:
        """Authenticate and decrypt a packet, and hand it on.

        A browser whose network went away sends from its other address at once, but may take seconds to nominate it by
        a check: so the way that its packets take is followed as well. They are authentic and no copies, and the
        address passed a check before.
        """
        if self.receiving is None:
            self._drops["srtp_too_early"] += 1
            return
        control = 191 < data[1] < 224  # RFC 5761 section 4
        ssrc = data[4:8] if control else data[8:12]
        if not self._ssrcs.admits(ssrc):
            self._drops["srtp_ssrcs"] += 1
            return
        try:
            plain = self.receiving.unprotect_rtcp(data) if control else self.receiving.unprotect(data)
        except SrtpRefused:
            # Tampered, replayed, cut or too long: libsrtp does not say more than that to us.
            self._drops["srtp_refused"] += 1
            return
        self._ssrcs.note(ssrc)
        if way is self.way:
            self.state.heard = 1
        else:
            self._from_elsewhere = 1 if self.state.heard else self._from_elsewhere + 1
            self.state.heard = 0
            if self._from_elsewhere >= PACKETS_TO_FOLLOW:
                self._follow(way, at)
        self.plain_arrived(plain, at, control=control)

    def plain_arrived(self, plain: bytes, at: float, *, control: bool) -> None:
        """Hand a packet on whose authenticity holds."""
        if control:
            self._owner.rtcp_arrived(self, plain, at)
        else:
            self._owner.rtp_arrived(self, plain, at)

    # --- The relay's side

    def knows(self, ssrc: int) -> bool:
        """Tell whether anything authentic came under an SSRC: there are not ever more of those."""
        return ssrc in self._ssrcs

    def send(self, data: bytes) -> None:
        """Send a datagram to the link's current address."""
        if self.way is None:
            self._drops["no_address"] += 1
        else:
            self.way.send(data)

    def send_rtp(self, packet: bytes) -> None:
        """Encrypt and send an RTP packet."""
        if self.sending is None:
            return
        try:
            data = self.sending.protect(packet)
        except SrtpRefused:
            self._drops["protect_failed"] += 1
        else:
            self.send(data)

    def send_rtcp(self, packet: bytes) -> None:
        """Encrypt and send an RTCP packet."""
        if self.sending is None:
            return
        try:
            self.send(self.sending.protect_rtcp(packet))
        except SrtpRefused:
            self._drops["protect_failed"] += 1

    @property
    def answered(self) -> bool:
        """Tell whether the other side's fingerprints are known."""
        return self._fingerprints is not None

    def knows_other(self, fingerprints: tuple[tuple[str, str], ...]) -> bool:
        """Tell whether the other side showed different fingerprints before."""
        return self._fingerprints is not None and self._fingerprints != fingerprints

    def expect(self, fingerprints: tuple[tuple[str, str], ...], *, other_is_client: bool) -> None:
        """Note who the other side is, once and before `shake_hands`: the next answer may come before that begins."""
        self._fingerprints = fingerprints
        self._dtls._set_role("server" if other_is_client else "client")

    async def shake_hands(self) -> None:
        """Run the DTLS handshake; the owner hears of its end."""
        fingerprints = self._fingerprints or ()
        parameters = RTCDtlsParameters([RTCDtlsFingerprint(algorithm, value) for algorithm, value in fingerprints])
        try:
            # Until there is an address, silence is the consent check's business.
            await self._way_known.wait()
            async with asyncio.timeout(HANDSHAKE_S):
                await self._dtls.start(parameters)
        except TimeoutError:
            self._lose("handshake_failed")
            return
        if self._dtls.state == "connected" and not self.lost:
            self.receiving = Srtp(self._dtls._rx_srtp)
            self.sending = Srtp(self._dtls._tx_srtp)
            self.connected = True
            self._owner.link_connected(self)

    def overdue(self, at: float) -> str | None:
        """Return why the link must be given up at monotonic second `at`, or None."""
        if self._checked_at is None:
            return "unanswered" if at - self._made_at > ANSWER_S else None
        if not self.answered and at - self._made_at > ANSWER_S:
            return "unanswered"
        return "silent" if at - self._checked_at > CONSENT_S else None

    def lose(self, reason: str) -> None:
        """Give the link up and tell the owner."""
        self._lose(reason)

    async def close(self) -> None:
        """Say goodbye to the other side and stop. The owner is not told."""
        self.lost = True
        self._stop_using()
        await self._dtls.stop()
        self._wake_reader()

    def _dtls_changed(self) -> None:
        if self._dtls.state == "closed":
            self._lose("closed")
        elif self._dtls.state == "failed":
            self._lose("handshake_failed")

    def _lose(self, reason: str) -> None:
        if self.lost:
            return
        self.lost = True
        self._stop_using()
        self._wake_reader()
        self._owner.link_lost(self, reason)

    def _stop_using(self) -> None:
        self.connected = False
        self.receiving = None
        self.sending = None

    def _wake_reader(self) -> None:
        """End whoever waits for a record, making room when the queue is full."""
        if self._wire.records.full():
            self._wire.records.get_nowait()
        self._wire.records.put_nowait(None)
        self._way_known.set()
