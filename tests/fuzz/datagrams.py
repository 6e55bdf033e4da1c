"""A media worker under fire: real sockets, real handshakes, and everything after them changed.

Strangers send from addresses that never passed a check; people send from theirs, in the clear and over their own SRTP
keys, so that what lies behind authenticity is reached as well. Nothing may raise, nobody who did not pass a check may
be sent anything, no link may end by what is not authentic, and memory stays bounded.
"""

import asyncio
import logging
import resource
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from pathlib import Path

from records.clock import SystemClock
from records.journal import JournalWriter
from records.journal_reading import read_journal
from records.journal_records import JournalFault, Packet
from signaling.media import express, rtp
from signaling.media.events import LinkConnected, LinkLost, MediaEvent, MediaSettings, StillUnavailable
from signaling.media.participant import Participant
from signaling.media.seen import RECENT_MAX
from signaling.media.shared_state import SSRCS_MAX
from signaling.media.worker import MediaWorker
from tests.fuzz import seeds
from tests.fuzz.callers import Caller, drain, open_socket
from tests.fuzz.mutating import Mutator

HEARING = "hearing-of-gao"
PEOPLE = ("gao", "wang", "officer")
BATCH = 128
CHECKS_AT_ONCE = 32
CHANGES = 0.05
"""How likely somebody comes, goes or is muted after a batch."""
INPUTS_A_HEARING = 20_000
STRANGERS = 4
GROWTH_MIB_MAX = 64
"""Of the whole process, after its first hearing."""
NEVER = ("internal", "turn_failed", "task_failed", "event_not_taken")
"""Drops that are faults of ours."""
FOREIGN = 8 * SSRCS_MAX
"""So many SSRCs that nobody announced: each of those that are let in is one more stream for SRTP to remember."""
TELLING = 1000
"""A hearing under so many inputs must have dropped something for each of these reasons:"""
MUST_DROP = ("stun_copied", "srtp_ssrcs", "srtp_refused", "unknown_address")

STEPS = (1,) * 12 + (2, 3, 40, -1, -5)
"""From one sequence number to the next."""


class Failed(Exception):
    """Something happened that may not; the argument says what, and names the input if it is known."""


class _Ear(logging.Handler):
    """Hears what is logged as an exception."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and len(self.heard) < 20:
            self.heard.append(logging.Formatter().format(record))


class Siege:
    """One hearing under fire."""

    def __init__(self, worker: MediaWorker, events: list[MediaEvent], mutator: Mutator) -> None:
        self.worker = worker
        self.events = events
        self.inputs: Counter[str] = Counter()
        self.mutator = mutator
        self.callers: list[Caller] = []
        self.strangers = [open_socket() for _ in range(STRANGERS)]
        self.moved = [open_socket() for _ in range(2)]
        """Other addresses of people: they pass checks."""
        self.datagrams: list[bytes] = []
        """Honest datagrams as they go over the line."""
        self.checks: list[bytes] = [b""] * len(PEOPLE)
        """The last check of each."""
        self._dice = mutator.dice
        self._comings = 0
        self._foreign = [self._dice.getrandbits(32) for _ in range(FOREIGN)]
        self._ways: tuple[tuple[str, int, Callable[[Caller], None]], ...] = (
            ("stranger", 2, self._from_a_stranger),
            ("captured", 1, self._captured),
            ("unauthentic", 3, self._not_authentic),
            ("check", 2, self._spoilt_check),
            ("rtp", 9, self._authentic_rtp),
            ("rtcp", 6, self._authentic_rtcp),
        )
        self._weights = [weight for _, weight, _ in self._ways]

    async def begin(self) -> None:
        """Have everybody come in and agree to get everybody."""
        for seat_id in PEOPLE:
            await self._come_in(seat_id)
        for caller in self.callers:
            self.datagrams += caller.handshake
            self.datagrams += [data for each in seeds.rtp_packets(caller.ssrcs) if (data := caller.protected(each))]
        await self._let_checks_grow_old()
        await self._use_up_ssrcs(self.callers[-1])
        self.events.clear()

    async def _let_checks_grow_old(self) -> None:
        """Send more checks than a link knows the origin of: the first ones are old then."""
        for _ in range(2 * RECENT_MAX // CHECKS_AT_ONCE):
            for caller in self.callers:
                for _ in range(CHECKS_AT_ONCE):
                    caller.check()
            await self.quiet()
            for caller in self.callers:
                drain(caller.socket)

    async def _use_up_ssrcs(self, caller: Caller) -> None:
        """Send as many SSRCs as a link lets in, and some more."""
        honest = seeds.rtp_packets(caller.ssrcs)[0]
        for ssrc in self._foreign[: SSRCS_MAX + 10]:
            data = caller.protected(honest[:8] + ssrc.to_bytes(4, "big") + honest[12:])
            if data is not None:
                caller.send(data)
        await self.quiet()

    async def _come_in(self, seat_id: str) -> None:
        # Who comes back sends under other SSRCs, as browsers do.
        self._comings += 1
        caller = Caller(self.worker, HEARING, seat_id, self._comings)
        self.callers.append(caller)
        await caller.join(self.events)
        await self.until(lambda: LinkConnected(HEARING, seat_id) in self.events)
        for _ in PEOPLE:
            for other in self.callers:
                await other.answer_all(self.events)

    async def _change_something(self) -> None:
        """Let somebody come back, leave and return, or be muted; or take a picture: the relay must not lose its way."""
        caller = self._dice.choice(self.callers)
        match self._dice.choice(("fresh link", "leave", "mute", "mute", "still", "still")):
            case "mute":
                self.worker.set_muted(HEARING, caller.seat_id, self._dice.random() < 0.5)
            case "still":
                with suppress(StillUnavailable):
                    await self.worker.take_still(HEARING, caller.seat_id, timeout_s=0.02)
            case change:
                self.callers.remove(caller)
                if change == "leave":
                    await self.worker.remove_participant(HEARING, caller.seat_id)
                    for other in self.callers:
                        await other.answer_all(self.events)
                await self._come_in(caller.seat_id)
                await caller.leave()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(20):
            while not holds():  # noqa: ASYNC110 (nobody says when)
                await asyncio.sleep(0.002)

    async def quiet(self) -> None:
        """Wait until the worker has read everything that was sent."""
        for _ in range(3):
            await asyncio.sleep(0.003)

    async def fire(self, count: int) -> None:
        """Send so many datagrams, and look at what came of them after each batch. Raises Failed."""
        sent = 0
        while sent < count:
            size = min(BATCH, count - sent)
            for kind, _, send in self._dice.choices(self._ways, self._weights, k=size):
                self.inputs[kind] += 1
                send(self._dice.choice(self.callers))
            sent += size
            await self.quiet()
            for index, caller in enumerate(self.callers):
                drain(caller.socket)
                # They live: without a check now and then their links would be given up. It also leads the way home.
                self.checks[index] = caller.check()
            self._look()
            if self._dice.random() < CHANGES:
                await self._change_something()

    def _look(self) -> None:
        faults = {name: self.worker.drops[name] for name in NEVER if self.worker.drops[name]}
        if faults:
            raise Failed(f"faults of ours: {faults}")
        lost = [event for event in self.events if isinstance(event, LinkLost)]
        if lost:
            raise Failed(f"a link was lost: {lost}")
        for stranger in self.strangers:
            if came := drain(stranger):
                raise Failed(f"a stranger was sent {len(came)} datagrams: {came[0].hex()}")
        for sock in self.moved:
            drain(sock)
        if any(person.link.state.ssrcs_count > SSRCS_MAX for person in self._people()):
            raise Failed("a link has let in too many SSRCs")
        self.events.clear()

    def _people(self) -> Iterable[Participant]:
        return self.worker._hearings[HEARING]._exchange.people.values()

    # --- What is sent

    def _from_a_stranger(self, caller: Caller) -> None:
        data = self.mutator.one_of([*self.datagrams, *self.checks])
        self._dice.choice(self.strangers).sendto(data[:2000], caller.server)

    def _captured(self, caller: Caller) -> None:
        """Send a check of any age as it was from somewhere else: it must neither be answered nor draw the stream."""
        self._dice.choice(self.strangers).sendto(self._dice.choice(caller.checks), caller.server)

    def _not_authentic(self, caller: Caller) -> None:
        caller.send(self.mutator.one_of([*self.datagrams, *self.checks])[:2000])

    def _spoilt_check(self, caller: Caller) -> None:
        elsewhere = self._dice.choice(self.moved) if self._dice.random() < 0.1 else None
        caller.check(self.mutator.changed, elsewhere)

    def _authentic_rtp(self, caller: Caller) -> None:
        # Most are whole enough to be taken: many odd ones in a row are worse than one.
        honest = self._dice.choice(seeds.rtp_packets(caller.ssrcs))
        chance = self._dice.random()
        packet = honest if chance < 0.2 else self.mutator.changed(honest)
        if len(packet) < 12:
            return caller.send(packet)
        if chance < 0.75:
            packet = bytes((packet[0] & 0x3F | 0x80, packet[1] & 0x80 | honest[1] & 0x7F)) + packet[2:]
        if chance < 0.96:
            ssrc = int.from_bytes(honest[8:12], "big") if chance < 0.9 else self._dice.choice(caller.ssrcs)
            packet = self._repairing(caller, caller.in_turn(packet, ssrc, self._dice.choice(STEPS)))
        else:
            packet = packet[:8] + self._dice.choice(self._foreign).to_bytes(4, "big") + packet[12:]
        data = caller.protected(packet[:1400])
        return caller.send(data if data is not None else packet[:1400])

    def _repairing(self, caller: Caller, packet: bytes) -> bytes:
        """Have a repair packet bring one of the last pictures' packets, which may well be missing."""
        head = rtp.read_head(packet)
        if head is None or head.ssrc != caller.ssrcs[2] or self._dice.random() < 0.2:
            return packet
        missing = caller.sequence(caller.ssrcs[1]) - self._dice.randrange(6) & 0xFFFF
        return packet[: head.payload_at] + missing.to_bytes(2, "big") + packet[head.payload_at + 2 :]

    def _about_now(self, caller: Caller) -> bytes:
        """Return a NACK for what somebody sent lately, or feedback for numbers that the relay gave lately."""
        far = self._dice.choice([other for other in self.callers if other is not caller])
        ssrc = self._dice.choice(far.ssrcs[:2])
        if self._dice.random() < 0.5:
            newest = far.sequence(ssrc)
            return rtp.make_nack(ssrc, [newest - back & 0xFFFF for back in (40, 39, 12, 3, 0)])
        return seeds.feedback(first=self._dice.randrange(self.inputs["rtp"] + 1), count=self._dice.randrange(1, 400))

    def _authentic_rtcp(self, caller: Caller) -> None:
        far = next(other for other in self.callers if other is not caller).ssrcs
        honest = self._dice.choice(seeds.rtcp_compounds(caller.ssrcs, (far[0], far[1])))
        if self._dice.random() < 0.3:
            honest = self._about_now(caller)
        compound = self.mutator.changed(honest) if self._dice.random() < 0.85 else honest
        if len(compound) >= 8:
            if self._dice.random() < 0.9:
                compound = compound[:1] + honest[1:2] + compound[2:]
            sender = self._dice.choice(caller.ssrcs if self._dice.random() < 0.95 else self._foreign)
            compound = compound[:4] + sender.to_bytes(4, "big") + compound[8:]
        data = caller.protected_rtcp(compound[:1400])
        caller.send(data if data is not None else compound[:1400])

    async def end(self) -> None:
        """Close everything of ours."""
        for caller in self.callers:
            await caller.leave()
        for sock in (*self.strangers, *self.moved):
            sock.close()


@asynccontextmanager
async def besieged(room: Path, mutator: Mutator) -> AsyncIterator[Siege]:
    """Hold a hearing under fire for as long as the block lasts; its journal must be whole afterwards."""
    events: list[MediaEvent] = []
    worker = MediaWorker(MediaSettings(("127.0.0.1",), 0), events.append)
    directory = Path(tempfile.mkdtemp(dir=room))
    await worker.start()
    try:
        await worker.open_hearing(HEARING, JournalWriter.open(directory, HEARING, clock=SystemClock()))
        siege = Siege(worker, events, mutator)
        await siege.begin()
        try:
            yield siege
        finally:
            await siege.end()
        await worker.close_hearing(HEARING)
        records = list(read_journal(directory))
        faults = [record for record in records if isinstance(record, JournalFault)]
        if faults:
            raise Failed(f"the journal has faults: {faults[0]}")
        untried = [reason for reason in MUST_DROP if not worker.drops[reason]]
        if siege.inputs.total() >= TELLING and untried:
            raise Failed(f"never came to be dropped: {untried}")
        if siege.inputs["rtp"] > 100 and not any(isinstance(record, Packet) for record in records):
            raise Failed("nothing authentic was recorded")
    finally:
        await worker.stop()
        shutil.rmtree(directory)


@contextmanager
def without_express_lane() -> Iterator[None]:
    """Have workers that are made meanwhile take the plain way, as where there is no C compiler."""
    library, express.LIBRARY = express.LIBRARY, express.LIBRARY.with_name("nowhere.so")
    try:
        yield
    finally:
        express.LIBRARY = library


def resident_mib() -> float:
    """Return how much memory this process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


async def lay_siege(room: Path, mutator: Mutator, inputs: int, *, a_hearing: int = INPUTS_A_HEARING) -> Counter[str]:
    """Send so many inputs to one worker after the other, every second one without the express lane.

    Returns how many of each kind. Raises Failed.
    """
    ear = _Ear()
    logging.getLogger().addHandler(ear)
    counted: Counter[str] = Counter()
    at_first_mib = 0.0
    try:
        for turn in range(-(-inputs // a_hearing)):
            with without_express_lane() if turn % 2 else nullcontext():
                async with besieged(room, mutator) as siege:
                    await siege.fire(min(a_hearing, inputs - counted.total()))
            counted += siege.inputs
            at_first_mib = at_first_mib or resident_mib()
            if resident_mib() - at_first_mib > GROWTH_MIB_MAX:
                raise Failed(f"memory grew from {at_first_mib:.0f} to {resident_mib():.0f} MiB")
    except Failed as failed:
        raise Failed("\n".join([*failed.args, *ear.heard])) from None
    finally:
        logging.getLogger().removeHandler(ear)
    return counted
