"""One PeerConnection's worth of network: a UDP socket, its ICE checks, its DTLS handshake, its SRTP sessions.

The handshake runs under asyncio with aiortc's DTLS; afterwards the socket belongs to the pacing loop
(`tests.load.run`), which needs neither. RFC 8445, RFC 8489, RFC 5764.
"""

import asyncio
import contextlib
import secrets
import socket
import struct
from typing import cast

import pylibsrtp
from aioice import stun
from aiortc import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport, RTCIceTransport
from aiortc.rtcdtlstransport import SRTP_AEAD_AES_128_GCM, SRTP_AES128_CM_SHA1_80

from tests.load.descriptions import FarEnd, OwnEnd

CHECK_AGAIN_S = 0.1
HANDSHAKE_S = 30.0
SOCKET_BUFFER_BYTES = 4 << 20
CERTIFICATE = RTCCertificate.generateCertificate()
FINGERPRINT = next(print_.value for print_ in CERTIFICATE.getFingerprints() if print_.algorithm == "sha-256")


def own_address() -> str:
    """Return an address of this machine's that is not loopback: full ICE agents make no candidate of that one.

    The kernel carries packets from and to it over the loopback device all the same.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Sends nothing; only asks which address would be used (198.51.100.0/24 is for documentation, RFC 5737).
        probe.connect(("198.51.100.1", 9))
        return str(probe.getsockname()[0])


class HandshakeFailed(Exception):
    """A line could not be set up; says where it stuck."""


class Line:
    """A socket on loopback that becomes a way for SRTP."""

    role = "controlled"  # What RTCDtlsTransport asks its ICE transport for; our role is set explicitly.

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.ufrag = secrets.token_hex(4)
        self.password = secrets.token_hex(16)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self.socket.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER_BYTES)
        self.socket.bind((address, 0))
        self.profile = ""
        self.controlling = True
        self._far: FarEnd | None = None
        self._records: asyncio.Queue[bytes] = asyncio.Queue()
        self._checked = asyncio.Event()
        self._selected = asyncio.Event()
        self._dtls = RTCDtlsTransport(cast(RTCIceTransport, self), [CERTIFICATE])
        self._dtls._srtp_profiles = [SRTP_AEAD_AES_128_GCM, SRTP_AES128_CM_SHA1_80]

    @property
    def connected(self) -> bool:
        """Tell whether packets can be sent and received."""
        return bool(self.profile)

    @property
    def own(self) -> OwnEnd:
        """What this line's description says of it."""
        address, port = self.socket.getsockname()
        return OwnEnd(self.ufrag, self.password, FINGERPRINT, address, port)

    @property
    def sending(self) -> pylibsrtp.Session:
        """The session that protects."""
        return self._dtls._tx_srtp

    @property
    def receiving(self) -> pylibsrtp.Session:
        """The session that unprotects."""
        return self._dtls._rx_srtp

    # --- What RTCDtlsTransport takes for an ICE transport

    async def _recv(self) -> bytes:
        return await self._records.get()

    async def _send(self, data: bytes) -> None:
        self.socket.send(data)

    # --- Handshake

    async def connect(self, far: FarEnd, *, offered: bool) -> None:
        """Check the way and shake hands. `offered`: the other side made the offer. Raises HandshakeFailed."""
        self._far = far
        self.controlling = far.lite or not offered
        self.socket.connect(far.address)
        loop = asyncio.get_running_loop()
        loop.add_reader(self.socket, self._readable)
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                while not (self._checked.is_set() and self._selected.is_set()):
                    self.check()
                    await asyncio.sleep(CHECK_AGAIN_S)
                # The offerer says actpass, so whoever answers chooses; our answers say active.
                self._dtls._set_role("client" if offered or far.setup == "passive" else "server")
                await self._dtls.start(RTCDtlsParameters([RTCDtlsFingerprint(*far.fingerprint)]))
        except TimeoutError:
            where = "DTLS" if self._checked.is_set() else "ICE"
            raise HandshakeFailed(f"{where} with {far.address} not done in {HANDSHAKE_S} s") from None
        finally:
            loop.remove_reader(self.socket)
        if self._dtls.state != "connected" or self._dtls._ssl is None:
            raise HandshakeFailed(f"DTLS with {far.address}: {self._dtls.state}")
        self.profile = (self._dtls._ssl.get_selected_srtp_profile() or b"").decode()

    def keep_alive(self) -> None:
        """Answer what came while nobody listened, and check again."""
        self._readable()
        self.check()

    def _readable(self) -> None:
        while True:
            try:
                data = self.socket.recv(4096)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                continue
            if data[0] < 4:
                self.stun_arrived(data)
            elif 19 < data[0] < 64:
                self._records.put_nowait(data)

    def check(self) -> None:
        """Send a connectivity check, which is also the consent to go on."""
        assert self._far is not None
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{self._far.ufrag}:{self.ufrag}"
        request.attributes["PRIORITY"] = 1862270975
        if self.controlling:
            request.attributes["ICE-CONTROLLING"] = 1 << 62
            request.attributes["USE-CANDIDATE"] = None
        else:
            request.attributes["ICE-CONTROLLED"] = 1
        request.add_message_integrity(self._far.password.encode())
        self._send_stun(request)

    def stun_arrived(self, data: bytes) -> None:
        """Answer the other side's check, or note its answer to ours."""
        try:
            message = stun.parse_message(data)
        except (ValueError, KeyError, struct.error):
            return
        if message.message_class == stun.Class.RESPONSE:
            self._checked.set()
            if self.controlling:
                self._selected.set()
        elif message.message_class == stun.Class.REQUEST and message.check_message_integrity(self.password.encode()):
            if "USE-CANDIDATE" in message.attributes:
                self._selected.set()
            answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, message.transaction_id)
            answer.attributes["XOR-MAPPED-ADDRESS"] = self.socket.getpeername()
            answer.add_message_integrity(self.password.encode())
            self._send_stun(answer)

    def _send_stun(self, message: stun.Message) -> None:
        try:
            self.socket.send(bytes(message))
        except (BlockingIOError, ConnectionRefusedError):
            return  # A check is sent again anyway.

    async def close(self) -> None:
        """Say goodbye and close the socket."""
        if self._dtls.state == "connected":
            with contextlib.suppress(OSError):  # The server may be gone already.
                await self._dtls.stop()
        self.socket.close()


class EchoLine(Line):
    """A line to a reflector: no handshake, one made-up key for both ways."""

    def __init__(self, reflector: tuple[str, int]) -> None:
        super().__init__()
        self.socket.connect(reflector)
        key = secrets.token_bytes(SRTP_AEAD_AES_128_GCM.key_length + SRTP_AEAD_AES_128_GCM.salt_length)
        self.profile = "SRTP_AEAD_AES_128_GCM"
        self._sessions = [
            pylibsrtp.Session(
                pylibsrtp.Policy(key=key, ssrc_type=kind, srtp_profile=SRTP_AEAD_AES_128_GCM.libsrtp_profile)
            )
            for kind in (pylibsrtp.Policy.SSRC_ANY_OUTBOUND, pylibsrtp.Policy.SSRC_ANY_INBOUND)
        ]

    @property
    def sending(self) -> pylibsrtp.Session:
        """The session that protects."""
        return self._sessions[0]

    @property
    def receiving(self) -> pylibsrtp.Session:
        """The session that unprotects."""
        return self._sessions[1]

    def check(self) -> None:
        """Do nothing: a reflector answers no checks, it only sends them back."""
