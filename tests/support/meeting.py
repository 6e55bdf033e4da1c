"""People who meet over the hub's WebSocket and a real media plane: each with a page, and a peer that aiortc plays."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from signaling.media.events import MediaEvent, MediaSettings, OfferReady
from signaling.media.pool import MediaPool
from signaling.ports import Ports
from tests.integration.media.peers import Peer
from tests.support.room_page import PEOPLE, House, Page, People, serving

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
async def meeting_place(
    ports: Ports, *, workers: int = 1, people: People = PEOPLE
) -> AsyncIterator[tuple[House, MediaPool]]:
    """Run a server with a media plane of its own, for these people."""
    listeners: list[Callable[[MediaEvent], None]] = []
    media = MediaPool(MediaSettings(("127.0.0.1",), 0), lambda event: listeners[0](event), workers=workers)
    async with media, serving(media, ports, people=people) as house:
        listeners.append(house.hub.take_media_event)
        yield house, media
