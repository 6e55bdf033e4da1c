"""Sends datagrams: alone, or those of one wake-up grouped by receiver into one message of the kernel's.

UDP generic segmentation (Linux 4.18, `UDP_SEGMENT`): one system call carries up to 64 datagrams of equal size to one
address, the last of which may be shorter. The pieces of a VP8 frame are of nearly equal size.
"""

import errno
import socket
import struct
from collections import Counter
from typing import TypeAlias

Address: TypeAlias = tuple[str, int] | tuple[str, int, int, int]
"""As the socket gives it: IPv4 has two parts, IPv6 four."""

SEGMENTS_MAX = 60
GROUP_BYTES_MAX = 60_000
_UDP_SEGMENT = 103
"""Linux's; Python does not name it."""
_SIZE = struct.Struct("=H")
_NO_GROUPS = (errno.EIO, errno.EINVAL, errno.EMSGSIZE, errno.ENOPROTOOPT, errno.EOPNOTSUPP)
"""This kernel, card or way cannot, or not datagrams of this size; it was worth a try."""


class Outbox:
    """Holds back what is sent while a wake-up lasts. Bounded by the datagrams that one wake-up reads."""

    def __init__(self, drops: Counter[str]) -> None:
        self.drops = drops
        self.holding = False
        self.held: dict[Way, list[bytes]] = {}

    def hold(self) -> None:
        """Begin to hold back."""
        self.holding = True

    def release(self) -> None:
        """Send everything that was held back, in order for each receiver."""
        self.holding = False
        held, self.held = self.held, {}
        for way, packets in held.items():
            way.send_all(packets)


class Way:
    """One of our sockets and an address that it reaches."""

    __slots__ = ("_outbox", "_socket", "address", "groups", "key")

    def __init__(self, key: tuple[int, Address], sock: socket.socket, outbox: Outbox) -> None:
        self.key = key
        self.address = key[1]
        self.groups = True
        """False once the kernel has refused a group to there: from then on everything goes alone."""
        self._socket = sock
        self._outbox = outbox

    @property
    def descriptor(self) -> int:
        """The socket's file descriptor."""
        return self._socket.fileno()

    def send(self, data: bytes) -> None:
        """Send a datagram, at the end of the wake-up when there is one."""
        outbox = self._outbox
        if not outbox.holding:
            self._send_alone(data)
            return
        held = outbox.held.get(self)
        if held is None:
            outbox.held[self] = [data]
        else:
            held.append(data)

    def send_all(self, packets: list[bytes]) -> None:
        """Send datagrams in order, those of equal size together."""
        if len(packets) == 1 or not self.groups:
            for data in packets:
                self._send_alone(data)
            return
        start = 0
        while start < len(packets):
            end = _end_of_group(packets, start)
            if end - start == 1:
                self._send_alone(packets[start])
            else:
                self._send_group(packets[start:end])
            start = end

    def _send_alone(self, data: bytes) -> None:
        """Send a datagram. What the kernel does not take is dropped and counted: it would be late anyway."""
        try:
            self._socket.sendto(data, self.address)
        except BlockingIOError:
            self._outbox.drops["send_buffer_full"] += 1
        except OSError:
            self._outbox.drops["send_failed"] += 1

    def _send_group(self, packets: list[bytes]) -> None:
        control = [(socket.SOL_UDP, _UDP_SEGMENT, _SIZE.pack(len(packets[0])))]
        try:
            self._socket.sendmsg(packets, control, 0, self.address)
        except BlockingIOError:
            self._outbox.drops["send_buffer_full"] += len(packets)
        except OSError as error:
            if error.errno in _NO_GROUPS:
                self.groups = False
            for data in packets:
                self._send_alone(data)


def _end_of_group(packets: list[bytes], start: int) -> int:
    """Return where the run of equal sizes that begins at `start` ends; a shorter datagram may close it."""
    size = total = len(packets[start])
    end = start + 1
    while end < len(packets) and end - start < SEGMENTS_MAX:
        length = len(packets[end])
        total += length
        if length > size or total > GROUP_BYTES_MAX:
            break
        end += 1
        if length < size:
            break
    return end
