"""The express lane's Python side: finds the compiled `express.c`, opens and closes senders in it, waits in it.

`python -m tools.build_express` builds the library where there is a C compiler; without it every packet goes the plain
way. What it may touch is laid out in `shared_state`; what it does is told in `express.c`. It works while the loop waits
(`media_loop`): only the loop's thread may touch what the two share.
"""

import ctypes
import logging
import socket
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from ctypes import POINTER, byref, c_double, c_int, c_uint8, c_uint16, c_uint32, c_void_p
from enum import IntEnum
from math import inf
from pathlib import Path
from typing import NamedTuple

from pylibsrtp._binding import ffi, lib

from signaling.media.shared_state import ADDRESS_BYTES, DownlinkState, FlowState, Heard, Intake, UplinkState

logger = logging.getLogger(__name__)

LIBRARY = Path(__file__).with_name("libexpress.so")
HANDED_MAX = 256


class Handed(IntEnum):
    """How far the express lane got with what it hands up."""

    DATAGRAM = 0
    """As it came."""
    RTP = 1
    """Authentic and decrypted, from a link's current address, but not ordinary."""
    RTCP = 2
    """The same."""


class HandedUp(NamedTuple):
    """Something to be handled in Python. `address` where it is a datagram, else `uplink_id`."""

    kind: int
    """One of `Handed`."""
    data: bytes
    at: float
    """When it was read, in monotonic seconds."""
    socket: int
    """The place of its socket among those watched."""
    uplink_id: int
    address: tuple[str, int] | tuple[str, int, int, int] | None


class _HandedUp(ctypes.Structure):
    _fields_ = (
        ("at", c_double),
        ("bytes", c_void_p),
        ("length", c_uint32),
        ("kind", c_uint32),
        ("uplink_id", c_uint32),
        ("address_bytes", c_uint16),
        ("socket", c_uint16),
        ("address", c_uint8 * ADDRESS_BYTES),
    )


_HANDED = struct.Struct(f"@dQIIIHH{ADDRESS_BYTES}s")
"""The same, to be read in one go."""


class _Counts(ctypes.Structure):
    _fields_ = (
        ("any", c_uint32),
        ("receive_failed", c_uint32),
        ("srtp_refused", c_uint32),
        ("protect_failed", c_uint32),
        ("send_buffer_full", c_uint32),
        ("send_failed", c_uint32),
    )


class _Express(ctypes.Structure):
    """The part of `struct express` that is shown."""

    _fields_ = (
        ("calls", c_void_p * 3),
        ("counts", _Counts),
        ("handed_count", c_uint32),
        ("handed", _HandedUp * HANDED_MAX),
    )


_LAYOUT = (Intake, DownlinkState, FlowState, UplinkState, _HandedUp, Heard, _Express)
_COUNTED = tuple(name for name, _ in _Counts._fields_ if name != "any")


def _load() -> ctypes.PyDLL | None:
    # PyDLL keeps the interpreter's lock: no call through it blocks.
    try:
        library = ctypes.PyDLL(str(LIBRARY))
    except OSError:
        logger.info("no express lane: %s is not built, packets go the plain way", LIBRARY.name)
        return None
    library.express_layout.restype = c_uint32
    if any(library.express_layout(which) != ctypes.sizeof(shape) for which, shape in enumerate(_LAYOUT)):
        logger.warning("no express lane: %s is of another version, build it anew", LIBRARY.name)
        return None
    library.express_new.restype = POINTER(_Express)
    library.express_new.argtypes = (c_void_p, c_void_p, c_void_p)
    for name in ("express_free", "express_taken"):
        getattr(library, name).argtypes = (POINTER(_Express),)
    library.express_watch.argtypes = (POINTER(_Express), POINTER(c_int), c_uint32)
    library.express_open.argtypes = library.express_close.argtypes = (POINTER(_Express), POINTER(UplinkState))
    return library


class Express:
    """One express lane, for one port. Everything opened in it stays alive until it is closed."""

    def __init__(self, library: ctypes.PyDLL) -> None:
        self._library = library
        # CDLL lets go of the interpreter's lock: journals are written while the loop waits.
        self._wait = ctypes.CDLL(library._name, handle=library._handle).express_wait
        self._wait.argtypes = (POINTER(_Express), c_int, c_double)
        calls = [int(ffi.cast("uintptr_t", ffi.addressof(lib, name))) for name in _SRTP_CALLS]
        self._express = library.express_new(*calls)
        if not self._express:
            raise MemoryError
        self._freed = False
        self._handed_at = ctypes.addressof(self._express.contents) + _Express.handed.offset
        self._shown = self._express.contents
        self._open: dict[int, UplinkState] = {}

    @classmethod
    def build(cls) -> "Express | None":
        """Return a new express lane, or None where the library is not there."""
        library = _load()
        return None if library is None else cls(library)

    def open(self, uplink: UplinkState) -> bool:
        """Let a sender's ordinary packets in; False when there is no room, and they go the plain way."""
        if not self._library.express_open(self._express, byref(uplink)):
            return False
        self._open[ctypes.addressof(uplink)] = uplink
        return True

    def close(self, uplink: UplinkState) -> None:
        """Let no more of them in; a sender that is not open stays so."""
        if self._open.pop(ctypes.addressof(uplink), None) is not None and not self._freed:
            self._library.express_close(self._express, byref(uplink))

    def watch(self, descriptors: Sequence[int]) -> None:
        """Read these sockets from now on. Raises ValueError when they are too many."""
        if not self._library.express_watch(self._express, (c_int * len(descriptors))(*descriptors), len(descriptors)):
            raise ValueError("too many sockets")

    def wait(self, elsewhere: int, until: float | None) -> bool:
        """Carry packets until something is handed up, the descriptor `elsewhere` is ready, a signal has come, or it is
        monotonic second `until` (None: never); returns whether `elsewhere` is ready."""
        return bool(self._wait(self._express, elsewhere, inf if until is None else until))

    @property
    def has_handed_up(self) -> bool:
        """Whether something waits for `handed_up`, or was dropped and is to be counted."""
        return bool(self._shown.handed_count or self._shown.counts.any)

    def handed_up(self) -> Iterator[HandedUp]:
        """Yield what was left to Python since the last time, in order."""
        raw = ctypes.string_at(self._handed_at, self._shown.handed_count * _HANDED.size)
        try:
            for at, bytes_at, length, kind, uplink_id, address_bytes, place, address in _HANDED.iter_unpack(raw):
                known = read_address(address[:address_bytes]) if kind == Handed.DATAGRAM else None
                yield HandedUp(kind, ctypes.string_at(bytes_at, length), at, place, uplink_id, known)
        finally:
            self._library.express_taken(self._express)

    def count_into(self, drops: Counter[str]) -> None:
        """Add what was dropped since the last time."""
        counts = self._shown.counts
        if counts.any:
            for name in _COUNTED:
                drops[name] += getattr(counts, name)
                setattr(counts, name, 0)
            counts.any = 0

    def free(self) -> None:
        """Close everything and give the memory back; a second time does nothing."""
        self._open.clear()
        if not self._freed:
            self._freed = True
            self._library.express_free(self._express)


_SRTP_CALLS = ("srtp_protect", "srtp_unprotect", "srtp_unprotect_rtcp")


def write_address(field: "ctypes.Array[c_uint8]", address: tuple[str, int] | tuple[str, int, int, int]) -> int:
    """Write a socket address into a `struct sockaddr_storage`; returns its size."""
    if len(address) == 2:
        data = struct.pack("=H", socket.AF_INET) + struct.pack(">H", address[1])
        data += socket.inet_pton(socket.AF_INET, address[0]) + bytes(8)
    else:
        host, port, flow, scope = address
        data = struct.pack("=H", socket.AF_INET6) + struct.pack(">HI", port, flow)
        data += socket.inet_pton(socket.AF_INET6, host.partition("%")[0]) + struct.pack("=I", scope)
    ctypes.memset(field, 0, ADDRESS_BYTES)
    ctypes.memmove(field, data, len(data))
    return len(data)


def read_address(data: bytes) -> tuple[str, int] | tuple[str, int, int, int]:
    """Return what a `struct sockaddr` names, as sockets of this family give it."""
    (family,) = struct.unpack_from("=H", data)
    (port,) = struct.unpack_from(">H", data, 2)
    if family == socket.AF_INET:
        return socket.inet_ntop(socket.AF_INET, data[4:8]), port
    (flow,) = struct.unpack_from(">I", data, 4)
    (scope,) = struct.unpack_from("=I", data, 24)
    return socket.inet_ntop(socket.AF_INET6, data[8:24]), port, flow, scope
