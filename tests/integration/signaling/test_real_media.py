"""A hearing through the hub and the real media plane: two peers see and hear each other, come back, are recorded."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from records.journal import read_journal
from records.journal_reading import Event, JournalFault, Packet, SegmentStart, Source
from signaling.media.events import MediaEvent, MediaSettings, OfferReady
from signaling.media.pool import MediaPool
from signaling.ports import Ports
from tests.integration.media.peers import Peer
from tests.support.media_fake import FolderJournals, MemoryProceedings
from tests.support.room_page import House, Page, serving

HEARING = "hearing-1"


class OverSocket:
    """What a `Peer` needs of the media plane, brought to it over the hearing's WebSocket."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.offers: list[MediaEvent] = []
        self.worker = self
        self._changed = asyncio.Condition()

    async def read(self) -> None:
        """Read what the page is told, until it is closed."""
        with self._ending():
            while True:
                message = await self.page.next()
                if message["type"] == "offer":
                    seat = self.page.room["you"]
                    offer = OfferReady(HEARING, seat, message["offer_id"], message["sdp"], message["streams"])
                    self.offers.append(offer)
                async with self._changed:
                    self._changed.notify_all()

    @contextmanager
    def _ending(self) -> Iterator[None]:
        try:
            yield
        except EOFError:
            return

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds, looked at whenever a message comes (one does every second)."""
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(lambda: bool(holds()))

    def of_kind(self, kind: type, seat_id: str | None = None) -> list[MediaEvent]:
        return self.offers if kind is OfferReady else []

    async def take_answer(self, hearing_id: str, seat_id: str, offer_id: int, sdp: str) -> None:
        await self.page.say("answer", offer_id=offer_id, sdp=sdp)


class Person:
    """Somebody with a page and a peer."""

    def __init__(self, page: Page, shade: int) -> None:
        self.page = page
        self.socket = OverSocket(page)
        self.peer = Peer(self.socket, page.room["you"], shade=shade)  # type: ignore[arg-type]

    async def sees_and_hears(self, seat_id: str) -> None:
        before = len(self.peer.pictures.get(seat_id, ())), self.peer.sounds.get(seat_id, 0)
        await self.socket.until(
            lambda: (
                len(self.peer.pictures.get(seat_id, ())) > before[0] + 5
                and self.peer.sounds.get(seat_id, 0) > before[1] + 5
            )
        )


@asynccontextmanager
async def sitting(house: House, seat_id: str, shade: int) -> AsyncIterator[Person]:
    """Have somebody come and stay."""
    person = Person(await house.comes(seat_id), shade)
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(person.socket.read())
        async with person.peer:
            yield person
        reading.cancel()


@asynccontextmanager
async def real_house(ports: Ports) -> AsyncIterator[House]:
    """Run a server with a media plane of its own."""
    events: list[Callable[[MediaEvent], None]] = []
    media = MediaPool(MediaSettings(("127.0.0.1",), 0), lambda event: events[0](event), workers=1)
    async with media, serving(media, ports) as house:
        events.append(house.hub.take_media_event)
        yield house


@pytest.mark.timeout(90)
async def test_two_people_meet_lose_each_other_come_back_after_a_restart_and_are_recorded(
    record: MemoryProceedings, ports: Ports, journals: FolderJournals
) -> None:
    async with real_house(ports) as house, sitting(house, "li", 60) as li:
        async with sitting(house, "gao", 160) as gao:
            await li.page.say("admit", seat_id="gao")
            await asyncio.gather(li.sees_and_hears("gao"), gao.sees_and_hears("li"))
            still = await house.hub.take_still(HEARING, "gao")
            assert (still.width, still.height) == (320, 240)
            gao.page.cut()
            await record.until("left", "gao", "lost")
        async with sitting(house, "gao", 160) as gao:
            await asyncio.gather(li.sees_and_hears("gao"), gao.sees_and_hears("li"))
            before = house.hub.position(HEARING)
            await house.hub.drain()

    async with (
        real_house(ports) as house,
        sitting(house, "gao", 160) as gao,
        sitting(house, "li", 60) as li,
    ):
        await asyncio.gather(li.sees_and_hears("gao"), gao.sees_and_hears("li"))
        after = house.hub.position(HEARING)
        assert before is not None
        assert after is not None
        assert after.elapsed_ms > before.elapsed_ms
        await li.page.say("end")
        await record.until("ended", "li", "with")

    check_journal(list(await asyncio.to_thread(lambda: list(read_journal(journals.root / HEARING)))), journals.root)


def check_journal(entries: list[object], root: Path) -> None:
    """Check that what was recorded is whole, and holds both people in both of the server's lives."""
    assert not [entry for entry in entries if isinstance(entry, JournalFault)], root
    assert [entry.data["event"] for entry in entries if isinstance(entry, Event)][-1] == "HearingEnded"
    assert sum(isinstance(entry, SegmentStart) for entry in entries) >= 2
    lives: list[set[str]] = []
    seats: dict[int, str] = {}
    for entry in entries:
        match entry:
            case Event(data=data) if data["event"] == "RecordingOpened":
                lives.append(set())
                seats = {}
            case Source():
                seats[entry.number] = entry.seat_id
            case Packet():
                lives[-1].add(seats[entry.source])
    assert lives == [{"li", "gao"}, {"li", "gao"}]
