"""Which senders of one hearing may use the express lane, and how its packets go from there.

Whatever changes in a hearing closes its lanes at once; the next turn opens those that are ordinary by then. So the
express lane never knows of anything that is no longer so, and no change has to say what it changes.
"""

import ctypes
from collections.abc import Callable

from signaling.media.exchange import Exchange
from signaling.media.express import Express, write_address
from signaling.media.link import Link
from signaling.media.participant import Participant
from signaling.media.shared_state import FLOWS_MAX, ROUTES_MAX, Intake, Route
from signaling.media.stream import Stream


class Lanes:
    """The open lanes of one hearing. Without an express lane nothing ever opens."""

    def __init__(self, express: Express | None, intake: Intake, extraordinary: Callable[[Stream], bool]) -> None:
        self._express = express
        self._intake = intake
        self._extraordinary = extraordinary
        """Tells whether a stream's packets need more than to be kept and forwarded as they are."""
        self._settled = False
        self._open: list[Link] = []
        self._sessions: list[object] = []
        """The SRTP sessions that the open lanes use: they must not go before those are closed."""

    def close(self) -> None:
        """Close all lanes: something has changed."""
        self._settled = False
        if self._express is not None:
            for link in self._open:
                self._express.close(link.state)
        self._open.clear()
        self._sessions.clear()

    def place(self, exchange: Exchange) -> None:
        """Open what is ordinary now, unless nothing has changed since the last time."""
        if self._settled or self._express is None:
            return
        self._settled = True
        for person in exchange.people.values():
            self._open_uplink(self._express, exchange, person)

    def _open_uplink(self, express: Express, exchange: Exchange, person: Participant) -> None:
        link = person.link
        session, way = link.receiving, link.way
        if session is None or way is None:
            return
        state = link.state
        state.flows_count = 0
        for stream in person.streams.values():
            if state.flows_count < FLOWS_MAX and self._lay(exchange, stream):
                state.flows[state.flows_count] = ctypes.pointer(stream.flow)
                state.flows_count += 1
        state.back = ctypes.pointer(person.downlink.state)
        state.session = session.address
        state.socket = way.descriptor
        write_address(state.address, way.address)
        if express.open(state):
            self._open.append(link)
            self._sessions.append(session)

    def _lay(self, exchange: Exchange, stream: Stream) -> bool:
        """Write down whom a stream goes to; False when it is not ordinary."""
        receivers = exchange.receivers_of(stream.ssrc)
        if len(receivers) > ROUTES_MAX or self._extraordinary(stream):
            return False
        for index, receiver in enumerate(receivers):
            session, way = receiver.link.sending, receiver.link.way
            if session is None or way is None or stream.ssrc in receiver.thinned:
                return False
            downlink = receiver.downlink.state
            downlink.session = session.address
            downlink.socket = way.descriptor
            downlink.address_bytes = write_address(downlink.address, way.address)
            downlink.counted = receiver.transport_wide
            sent_under = receiver.receiving[stream.ssrc].address
            stream.flow.routes[index] = Route(ctypes.pointer(downlink), sent_under, receiver.takes_plain(stream))
            self._sessions.append(session)
        stream.flow.routes_count = len(receivers)
        stream.flow.intake = ctypes.pointer(self._intake)
        return True
