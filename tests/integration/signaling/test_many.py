"""Eight who are seen and sixteen who watch, through the hub and a real media worker, played by light peers."""

import asyncio
import itertools
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pylibsrtp
import pytest

from records.journal import read_journal
from records.journal_records import Event, JournalFault, Packet, Source
from signaling.media.rtp import is_rtcp, make_receiver_report, make_remb, read_remb, read_rtcp
from signaling.ports import Ports
from tests.load.descriptions import AUDIO_TYPE, VIDEO_TYPE, make_answer, read_description
from tests.load.line import Line
from tests.support.media_fake import FolderJournals, MemoryProceedings
from tests.support.meeting import HEARING, meeting_place
from tests.support.room_page import EVERYTHING, VISITOR, House, Page, People

SEEN = ("li", "gao", *(f"helper-{number}" for number in range(6)))
WATCHING = tuple(f"observer-{number}" for number in range(16))
KINDS = ("audio", "video")
PEOPLE: People = {
    "li": ("host", "李检察官", EVERYTHING),
    "gao": ("applicant", "高某", VISITOR),
    **{seat: ("helper", seat, VISITOR | {"enter_freely"}) for seat in SEEN[2:]},
    **{seat: ("observer", seat, frozenset({"enter_freely"})) for seat in WATCHING},
}
COUNTED = range(5000, 5012)
"""The sequence numbers that are to arrive everywhere, after those that only find out whether everybody is connected."""
PATIENCE_S = 45


class LightPerson:
    """A page and a line of its own: ICE, DTLS and SRTP without anything that encodes, decodes or plays."""

    def __init__(self, page: Page, number: int, changed: asyncio.Event, *, lies: bool = False) -> None:
        self.thin = number == len(PEOPLE) - 2
        self.page = page
        self.seat = str(page.room["you"])
        self.ssrcs = {kind: 0x1000 + 16 * number + index for index, kind in enumerate(KINDS)}
        self.received: dict[int, set[int]] = {}
        """Sequence numbers by SSRC, of packets that are authentic."""
        self.offers: list[str] = []
        self.caps_bps: list[int] = []
        self.stats: dict[str, dict[str, object]] = {}
        self._changed = changed
        self._lies = lies
        self._line = Line()
        self._connecting: asyncio.Task[None] | None = None

    async def live(self) -> None:
        """Answer what is offered, and take what comes, until the page is closed."""
        try:
            async with asyncio.TaskGroup() as group:
                checking = group.create_task(self._check())
                try:
                    while True:
                        message = await self.page.next()
                        if message["type"] == "stats":
                            self.stats = message["people"]
                        if message["type"] == "offer":
                            await self._answer(group, message["offer_id"], message["sdp"])
                        self._changed.set()
                except EOFError:
                    checking.cancel()
        finally:
            asyncio.get_running_loop().remove_reader(self._line.socket)
            await self._line.close()

    async def _answer(self, group: asyncio.TaskGroup, offer_id: int, sdp: str) -> None:
        self.offers.append(sdp)
        answer = make_answer(self._line.own, sdp, self.ssrcs)
        if self.thin:
            # A browser that knows no transport-wide feedback estimates by itself what its line carries.
            answer = "\r\n".join(line for line in answer.splitlines() if "transport-wide" not in line) + "\r\n"
        if self._lies:
            for kind in KINDS:
                answer = answer.replace("a=inactive", f"a=sendonly\r\na=ssrc:{self.ssrcs[kind]} cname:lie", 1)
        await self.page.say("answer", offer_id=offer_id, sdp=answer)
        if self._connecting is None:
            self._connecting = group.create_task(self._connect(sdp))

    async def _connect(self, sdp: str) -> None:
        await self._line.connect(read_description(sdp), offered=True)
        asyncio.get_running_loop().add_reader(self._line.socket, self._readable)

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(1)
            if self._line.connected:
                self._line.check()

    def _readable(self) -> None:
        self._changed.set()
        while True:
            try:
                data = self._line.socket.recv(2048)
            except BlockingIOError:
                return
            if data[0] < 4:
                self._line.stun_arrived(data)
            elif 127 < data[0] < 192 and is_rtcp(data):
                self.is_told(data)
            elif 127 < data[0] < 192:
                try:
                    plain = self._line.receiving.unprotect(data)
                except pylibsrtp.Error:
                    continue
                _, _, sequence, _, ssrc = struct.unpack_from(">BBHII", plain)
                self.received.setdefault(ssrc, set()).add(sequence)

    @property
    def connected(self) -> bool:
        """Whether packets can be sent."""
        return self._line.connected

    def sends(self, kind: str, sequence: int, ssrc: int | None = None) -> None:
        """Send one packet, under an SSRC that may be somebody else's."""
        payload_type = AUDIO_TYPE if kind == "audio" else VIDEO_TYPE
        head = struct.pack(">BBHII", 0x80, payload_type, sequence, 960 * sequence, ssrc or self.ssrcs[kind])
        self._line.socket.send(self._line.sending.protect(head + b"\x10\x01" + bytes(150)))

    def reports(self, sender: "LightPerson", jitter_ms: int) -> None:
        """Report how unevenly somebody's sound arrives here (RFC 3550 section 6.4.1)."""
        block = struct.pack(">IIIIII", sender.ssrcs["audio"], 0, 0, 48 * jitter_ms, 0, 0)
        self._line.socket.send(self._line.sending.protect_rtcp(make_receiver_report(self.ssrcs["audio"], [block])))

    def is_told(self, data: bytes) -> None:
        """Note what the relay asks for in RTCP: how much this person is to send at most."""
        for part in read_rtcp(self._line.receiving.unprotect_rtcp(data)):
            if (cap_bps := read_remb(part)) is not None:
                self.caps_bps.append(cap_bps)

    def carries(self, bps: int) -> None:
        """Say what the own line carries for everything together."""
        self._line.socket.send(self._line.sending.protect_rtcp(make_remb(bps, [self.ssrcs["video"]])))


@asynccontextmanager
async def everybody(house: House, changed: asyncio.Event) -> AsyncIterator[list[LightPerson]]:
    """Have all of them come and stay; the last of those who watch has a browser of their own making."""
    people = []
    async with asyncio.TaskGroup() as group:
        living = []
        for number, seat in enumerate(PEOPLE):
            person = LightPerson(await house.comes(seat), number, changed, lies=seat == WATCHING[-1])
            people.append(person)
            living.append(group.create_task(person.live()))
        yield people
        for task in living:
            task.cancel()


async def until(changed: asyncio.Event, holds: Callable[[], object]) -> None:
    """Wait until something holds, looked at whenever anybody is told or sent something (everybody is, every second)."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            changed.clear()
            await changed.wait()


def say(people: Sequence[LightPerson], sequence: int) -> None:
    """Have everybody who is seen send one packet of each kind."""
    for person in people[: len(SEEN)]:
        for kind in KINDS:
            person.sends(kind, sequence)


async def talk(
    people: Sequence[LightPerson], sequences: range, listeners: Sequence[LightPerson], changed: asyncio.Event
) -> None:
    """Have everybody who is seen send so many packets, each once the one before is with all listeners.

    Nobody here asks for what was lost, so that no more must be under way than the slowest machine takes.
    """
    for sequence in sequences:
        say(people, sequence)
        await until(changed, lambda sequence=sequence: not lacking(people, listeners, (sequence,)))  # type: ignore[misc]


async def find_each_other(people: Sequence[LightPerson]) -> None:
    """Have everybody who is seen send until each has arrived at each of the others."""

    def found() -> bool:
        return all(
            set(sender.ssrcs.values()) <= receiver.received.keys()
            for receiver in people
            for sender in people[: len(SEEN)]
            if sender is not receiver
        )

    async with asyncio.timeout(PATIENCE_S):
        for sequence in itertools.count(1000):
            if found():
                return
            say(people, sequence)
            await asyncio.sleep(0.02)


def lacking(
    people: Sequence[LightPerson], listeners: Sequence[LightPerson], sequences: Sequence[int]
) -> list[tuple[str, str]]:
    """Return which of the listeners has not got a packet of whom."""
    wanted = set(sequences)
    return [
        (receiver.seat, sender.seat)
        for receiver in listeners
        for sender in people[: len(SEEN)]
        if receiver is not sender
        and any(not wanted <= receiver.received.get(ssrc, set()) for ssrc in sender.ssrcs.values())
    ]


@pytest.mark.timeout(150)
async def test_eight_are_seen_by_each_other_and_by_sixteen_who_cannot_send(
    record: MemoryProceedings, ports: Ports, journals: FolderJournals
) -> None:
    changed = asyncio.Event()
    async with meeting_place(ports, people=PEOPLE) as (house, _), everybody(house, changed) as people:
        li, gao = people[:2]
        await until(changed, lambda: any(person["seat_id"] == "gao" for person in li.page.room["people"]))
        await li.page.say("admit", seat_id="gao")
        await until(changed, lambda: all(person.connected for person in people))
        await find_each_other(people)
        await talk(people, COUNTED[:6], people, changed)
        liar = people[-1]
        for sequence in COUNTED:
            liar.sends("audio", sequence)
            liar.sends("video", sequence)
            # In somebody else's name, ahead of what that one has sent.
            liar.sends("audio", sequence + 5000, gao.ssrcs["audio"])
        await talk(people, COUNTED[6:], people, changed)

        assert not [person.seat for person in people if set(liar.ssrcs.values()) & person.received.keys()]
        heard_of_gao = set().union(*(person.received.get(gao.ssrcs["audio"], set()) for person in people))
        assert max(heard_of_gao) == max(COUNTED)
        assert not [offer for offer in liar.offers if "a=recvonly" in offer]
        # Li's line is worse than the others', which only Li's own reports tell.
        for receiver, jitter_ms in ((li, 30), (people[3], 8)):
            for sender in people[1:3]:
                receiver.reports(sender, jitter_ms)
        expected = {"li": 30, "gao": 8, "helper-0": 8, "helper-1": 8, "helper-2": None, WATCHING[0]: None}
        await until(
            changed, lambda: expected == {seat: gao.stats.get(seat, {}).get("jitter_ms", "") for seat in expected}
        )
        await spectator_on_a_thin_line(people, changed)
        shown = {person["seat_id"]: person for person in gao.page.room["people"]}
        assert {seat for seat, person in shown.items() if person["role"] == "observer" and person["present"]} == {
            *WATCHING
        }
        await li.page.say("end")
        await record.until("ended", "li", "with")
    entries = await asyncio.to_thread(lambda: list(read_journal(journals.root / HEARING)))
    check_journal(entries, {seat: person.ssrcs for seat, person in zip(SEEN, people, strict=False)}, journals.root)


async def spectator_on_a_thin_line(people: Sequence[LightPerson], changed: asyncio.Event) -> None:
    """One spectator's line becomes thin: pictures are held back there, and nobody sends less for it."""
    thin = next(person for person in people if person.thin)
    thin.carries(100_000)
    await until(changed, lambda: thin.stats.get(thin.seat, {}).get("sound_alone"))
    after = range(max(COUNTED) + 1, max(COUNTED) + 7)
    await talk(people, after, [person for person in people if person is not thin], changed)
    for sender in people[: len(SEEN)]:
        await until(changed, lambda ssrc=sender.ssrcs["audio"]: set(after) <= thin.received[ssrc])  # type: ignore[misc]
        assert not set(after) & thin.received[sender.ssrcs["video"]], sender.seat
        assert not [cap_bps for cap_bps in sender.caps_bps if cap_bps < 150_000], sender.seat


def check_journal(entries: Sequence[object], ssrcs: dict[str, dict[str, int]], root: Path) -> None:
    """Check that the recording is whole for everybody who is seen, and holds nothing of anybody else's."""
    assert not [entry for entry in entries if isinstance(entry, JournalFault)], root
    sources = {entry.number: entry for entry in entries if isinstance(entry, Source)}
    assert {source.seat_id for source in sources.values()} == set(SEEN)
    kept: dict[int, set[int]] = {}
    for entry in entries:
        if isinstance(entry, Packet) and not is_rtcp(entry.data):
            kept.setdefault(sources[entry.source].ssrc, set()).add(int.from_bytes(entry.data[2:4], "big"))
    for seat, own in ssrcs.items():
        for kind, ssrc in own.items():
            assert set(COUNTED) <= kept[ssrc], (seat, kind)
            assert max(kept[ssrc]) == max(COUNTED) + 6, (seat, kind)
    entered = [str(entry.data["seat_id"]) for entry in entries if isinstance(entry, Event) and "seat_id" in entry.data]
    assert set(WATCHING) <= set(entered), "who watched stands in the recording"
