"""SRTP with the sessions that DTLS keyed: pylibsrtp's own calls, less what they allocate for every packet.

pylibsrtp.Session makes a new C integer and checks types and sizes on each call, which costs more than the cipher does.
Here buffer and integer are made once. RFC 3711, RFC 7714.
"""

from collections.abc import Callable

import pylibsrtp
from pylibsrtp import _binding

PACKET_BYTES_MAX = 2048
"""More than any datagram that the port takes."""
_TRAILER_BYTES_MAX = 4 + 16 + 128
"""SRTCP index, longest tag, longest key identifier (libsrtp's SRTP_MAX_SRTCP_TRAILER_LEN)."""


class SrtpRefused(Exception):
    """Tampered, replayed, cut or too long: libsrtp will not have this packet."""


class Srtp:
    """One direction of a link. Not for several threads."""

    def __init__(self, session: pylibsrtp.Session) -> None:
        self._session = session
        """Kept, for libsrtp's memory goes with it."""
        self._context = session._srtp[0]
        self._length = _binding.ffi.new("int *")
        self._data = _binding.ffi.new("char[]", PACKET_BYTES_MAX + _TRAILER_BYTES_MAX)
        self._buffer = _binding.ffi.buffer(self._data)

    def protect(self, packet: bytes) -> bytes:
        """Encrypt an RTP packet. Raises SrtpRefused."""
        return self._run(_binding.lib.srtp_protect, packet)

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Encrypt an RTCP packet. Raises SrtpRefused."""
        return self._run(_binding.lib.srtp_protect_rtcp, packet)

    def unprotect(self, packet: bytes) -> bytes:
        """Authenticate and decrypt an RTP packet. Raises SrtpRefused."""
        return self._run(_binding.lib.srtp_unprotect, packet)

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """Authenticate and decrypt an RTCP packet. Raises SrtpRefused."""
        return self._run(_binding.lib.srtp_unprotect_rtcp, packet)

    def _run(self, call: Callable[[object, object, object], int], packet: bytes) -> bytes:
        size = len(packet)
        if size > PACKET_BYTES_MAX:
            raise SrtpRefused("too long")
        length = self._length
        length[0] = size
        self._buffer[0:size] = packet
        status = call(self._context, self._data, length)
        if status:
            raise SrtpRefused(pylibsrtp.ERRORS[status] if status < len(pylibsrtp.ERRORS) else str(status))
        plain: bytes = self._buffer[0 : length[0]]
        return plain
