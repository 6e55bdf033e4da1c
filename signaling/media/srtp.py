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


# One for all links: packets are handled by one thread, and a buffer a link would only push others out of the cache.
_length = _binding.ffi.new("int *")
_data = _binding.ffi.new("char[]", PACKET_BYTES_MAX + _TRAILER_BYTES_MAX)
_buffer = _binding.ffi.buffer(_data)


class SrtpRefused(Exception):
    """Tampered, replayed, cut or too long: libsrtp will not have this packet."""


class Srtp:
    """One direction of a link. All of a process belong to one thread."""

    def __init__(self, session: pylibsrtp.Session) -> None:
        self._session = session
        """Kept, for libsrtp's memory goes with it."""
        self._context = session._srtp[0]

    @property
    def address(self) -> int:
        """Where libsrtp keeps the session; good as long as this object lives."""
        return int(_binding.ffi.cast("uintptr_t", self._context))

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
        _length[0] = size
        _buffer[0:size] = packet
        status = call(self._context, _data, _length)
        if status:
            raise SrtpRefused(pylibsrtp.ERRORS[status] if status < len(pylibsrtp.ERRORS) else str(status))
        plain: bytes = _buffer[: _length[0]]
        return plain
