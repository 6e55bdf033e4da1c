"""The one UDP port: one socket an advertised address, ICE-lite, and the way of each datagram to its link.

A socket bound to every address answers from the wrong one when the peer came to another, and browsers drop that: so
there is one socket an address. Sockets are plain and non-blocking, and read until empty in one wake-up, which costs
less than a callback a datagram. Everything that cannot be placed is dropped and counted under a name, never raised.
Where the express lane is built (`express`) and the loop has room for it (`media_loop`), it reads, and this port handles
what it hands up.

RFC 8445 (ICE; a lite agent only answers checks), RFC 8489 (STUN), RFC 7983 (telling protocols apart by a first byte).
"""

import asyncio
import logging
import socket
import struct
import time
from collections import Counter, OrderedDict
from contextlib import suppress
from typing import Protocol

from aioice import stun
from pylibsrtp._binding import ffi

from signaling.media.express import Express, Handed
from signaling.media.media_loop import MediaLoop
from signaling.media.sending import Address, Outbox, Way
from signaling.media.shared_state import UplinkState

__all__ = ["Address", "LinkEnd", "Port", "PortInUse", "Way"]

logger = logging.getLogger(__name__)

RECEIVE_BUFFER_BYTES = 8 << 20
DATAGRAMS_A_WAKE_UP_MAX = 512
"""Then the loop's other work gets its turn; what is left wakes it up again."""
DATAGRAM_BYTES_MAX = 2048
REST_BELOW_S = 0.004
"""Wake-ups nearer to each other than this are too many,"""
REST_S = 0.002
"""and then this much rest gathers several datagrams into one. Costs that much delay, and only under load."""
_ARRIVED = ffi.buffer(ffi.new("char[]", DATAGRAM_BYTES_MAX))
"""Received into, and cut from: `recvfrom` would make a 2 KiB object for every datagram and then shrink it."""
ADDRESSES_A_LINK_MAX = 16
FAULTS_LOGGED_MAX = 20
_SO_RCVBUFFORCE = 33
"""Linux's; Python does not name it."""
_COOKIE = b"\x21\x12\xa4\x42"


class PortInUse(OSError):
    """No common free port was found on all addresses."""


class LinkEnd(Protocol):
    """What a link is to the port."""

    ufrag: str
    password: str
    state: UplinkState

    def check_passed(self, way: Way, *, nominated: bool, transaction: bytes, at: float) -> bool:
        """A check with valid integrity came; return False when it is a copy from somewhere else."""
        ...

    def dtls_arrived(self, data: bytes) -> None:
        """Take a DTLS record."""
        ...

    def srtp_arrived(self, way: Way, data: bytes, at: float) -> None:
        """Take an SRTP or SRTCP packet that arrived at monotonic second `at` on a way whose check passed."""
        ...

    def plain_arrived(self, data: bytes, at: float, *, control: bool) -> None:
        """Take an RTP or RTCP packet whose authenticity holds, from the link's current address."""
        ...


class Port:
    """Owns the sockets. `drops` counts, by reason, what was not used."""

    def __init__(self, addresses: tuple[str, ...], port: int, express: Express | None = None) -> None:
        if not addresses:
            raise ValueError("at least one address is needed")
        self.addresses = addresses
        self.port = port
        self.drops: Counter[str] = Counter()
        self._sockets: list[socket.socket] = []
        self.express = express
        """What reads; None once it is clear that this port must do so itself."""
        self._links: dict[str, LinkEnd] = {}
        self._links_by_id: dict[int, LinkEnd] = {}
        self._ways: OrderedDict[tuple[int, Address], tuple[LinkEnd, Way]] = OrderedDict()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._outbox = Outbox(self.drops)
        self._woken_at = [0.0] * len(addresses)
        self._read_count = 0
        self._rests: dict[int, asyncio.TimerHandle] = {}

    def open(self) -> None:
        """Bind and begin to read. Raises PortInUse or OSError."""
        self._sockets = _bind(self.addresses, self.port)
        self.port = int(self._sockets[0].getsockname()[1])
        self._loop = asyncio.get_running_loop()
        if self.express is not None:
            self.express.watch([sock.fileno() for sock in self._sockets])
            if isinstance(self._loop, MediaLoop) and self._loop.carry(self.express, self._handed_up):
                return
            self.express = None
        for index, sock in enumerate(self._sockets):
            self._loop.add_reader(sock, self._woken, index, sock)

    def close(self) -> None:
        """Stop reading and close the sockets; a second time does nothing."""
        for rest in self._rests.values():
            rest.cancel()
        self._rests.clear()
        if self.express is not None and isinstance(self._loop, MediaLoop):
            self._loop.carry_no_more(self.express)
        for sock in self._sockets:
            if self._loop is not None:
                self._loop.remove_reader(sock)
            sock.close()
        self._sockets = []
        self._links.clear()
        self._links_by_id.clear()
        self._ways.clear()

    def add(self, link: LinkEnd) -> None:
        """Let checks for the link's ufrag in."""
        self._links[link.ufrag] = link
        self._links_by_id[link.state.id] = link

    def remove(self, link: LinkEnd) -> None:
        """Forget the link and every address it came from."""
        self._links.pop(link.ufrag, None)
        self._links_by_id.pop(link.state.id, None)
        for key in [key for key, (owner, _) in self._ways.items() if owner is link]:
            del self._ways[key]

    def _woken(self, index: int, sock: socket.socket) -> None:
        """Read; when wake-ups come thick, look by the clock from now on: each costs more than what it brings."""
        before, self._woken_at[index] = self._woken_at[index], self._read(index, sock)
        if self._loop is not None and self._woken_at[index] - before < REST_BELOW_S:
            self._loop.remove_reader(sock)
            self._rests[index] = self._loop.call_later(REST_S, self._rested, index, sock)

    def _rested(self, index: int, sock: socket.socket) -> None:
        """Look again by the clock, until nothing has come."""
        if self._loop is None or sock.fileno() < 0:
            return
        before = self._read_count
        try:
            self._read(index, sock)
        finally:
            # Whatever happened: a port that nobody looks at any more would be deaf.
            if self._read_count > before:
                self._rests[index] = self._loop.call_later(REST_S, self._rested, index, sock)
            else:
                del self._rests[index]
                self._loop.add_reader(sock, self._woken, index, sock)

    def _handed_up(self) -> None:
        """Handle what the express lane has left."""
        if self.express is None:
            return
        self._outbox.hold()
        try:
            for kind, data, at, index, uplink_id, address in self.express.handed_up():
                try:
                    if address is not None:
                        self.datagram_arrived(index, data, address, at)
                    elif (link := self._links_by_id.get(uplink_id)) is not None:
                        link.plain_arrived(data, at, control=kind == Handed.RTCP)
                except Exception:
                    self._failed()
        finally:
            self._outbox.release()
        self.express.count_into(self.drops)

    def _read(self, index: int, sock: socket.socket) -> float:
        """Read until nothing is left, and send at the end what that gave rise to. Returns when it began."""
        at = time.monotonic()
        receive = sock.recvfrom_into
        self._outbox.hold()
        try:
            for _ in range(DATAGRAMS_A_WAKE_UP_MAX):
                try:
                    size, address = receive(_ARRIVED)
                except BlockingIOError:
                    break
                except OSError:
                    # An ICMP error of an earlier datagram; the next call reads on.
                    self.drops["receive_failed"] += 1
                    continue
                self._read_count += 1
                try:
                    self.datagram_arrived(index, _ARRIVED[:size], address, at)
                except Exception:
                    self._failed()
        finally:
            self._outbox.release()
        return at

    def _failed(self) -> None:
        """One datagram has tripped the code, which must not cost everybody theirs. Told, but not once a packet."""
        self.drops["internal"] += 1
        if self.drops["internal"] <= FAULTS_LOGGED_MAX:
            logger.exception("a datagram could not be handled")

    def datagram_arrived(self, index: int, data: bytes, address: Address, at: float) -> None:
        """Place one datagram: by its first byte and by the address it came from (RFC 7983)."""
        if len(data) < 12:
            self.drops["too_short"] += 1
            return
        first = data[0]
        if first < 4:
            self._stun_arrived(index, data, address, at)
            return
        found = self._ways.get((index, address))
        if found is None:
            self.drops["unknown_address"] += 1
        elif 127 < first < 192:
            found[0].srtp_arrived(found[1], data, at)
        elif 19 < first < 64:
            found[0].dtls_arrived(data)
        else:
            self.drops["unknown_protocol"] += 1

    def _stun_arrived(self, index: int, data: bytes, address: Address, at: float) -> None:
        if data[4:8] != _COOKIE:
            self.drops["stun_malformed"] += 1
            return
        try:
            message = stun.parse_message(data)
        except (ValueError, KeyError, struct.error):
            self.drops["stun_malformed"] += 1
            return
        if message.message_method != stun.Method.BINDING or message.message_class != stun.Class.REQUEST:
            self.drops["stun_not_a_check"] += 1
            return
        link = self._links.get(str(message.attributes.get("USERNAME", "")).partition(":")[0])
        if link is None:
            self.drops["stun_unknown_user"] += 1
            return
        if not message.check_message_integrity(link.password.encode()):
            self.drops["stun_bad_integrity"] += 1
            return
        way = self._way(index, address, link)
        if not link.check_passed(
            way,
            nominated="USE-CANDIDATE" in message.attributes,
            transaction=message.transaction_id,
            at=at,
        ):
            self.drops["stun_copied"] += 1
            return
        self._remember(way, link)
        answer = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, message.transaction_id)
        answer.attributes["XOR-MAPPED-ADDRESS"] = (address[0], address[1])
        answer.add_message_integrity(link.password.encode())
        way.send(bytes(answer))

    def _way(self, index: int, address: Address, link: LinkEnd) -> Way:
        found = self._ways.get((index, address))
        if found is not None and found[0] is link:
            return found[1]
        return Way((index, address), self._sockets[index], self._outbox)

    def _remember(self, way: Way, link: LinkEnd) -> None:
        """Let the address in, the link's least recently checked one out when it has too many."""
        self._ways[way.key] = (link, way)
        self._ways.move_to_end(way.key)
        if len(self._ways) > ADDRESSES_A_LINK_MAX:
            own = [key for key, (owner, _) in self._ways.items() if owner is link]
            for key in own[:-ADDRESSES_A_LINK_MAX]:
                del self._ways[key]


def _bind(addresses: tuple[str, ...], port: int) -> list[socket.socket]:
    """Bind one socket an address, all to the same port; with port 0 a few free ones are tried."""
    for _ in range(1 if port else 20):
        sockets: list[socket.socket] = []
        try:
            chosen = port
            for address in addresses:
                sockets.append(_bind_one(address, chosen))
                chosen = int(sockets[0].getsockname()[1])
        except OSError:
            for sock in sockets:
                sock.close()
            if port:
                raise
        else:
            return sockets
    raise PortInUse(f"no free UDP port common to {', '.join(addresses)}")


def _bind_one(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        # With the default one, 4-9 % of packets were lost at 40 hearings. net.core.rmem_max may grant less.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, RECEIVE_BUFFER_BYTES)
        with suppress(PermissionError):
            # Beyond that limit only with CAP_NET_ADMIN.
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock
