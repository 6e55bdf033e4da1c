"""Three people over real sockets, one of whom has a thin line: who gets what, under which numbers, and who is told."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pylibsrtp
import pytest

from records.journal_reading import read_journal
from records.journal_records import Event, Packet
from signaling.media import sharing, sparing
from signaling.media.events import LinkConnected, OfferReady, PersonStats, StatsMeasured
from signaling.media.layers import read_layer
from signaling.media.rtp import (
    SENDER_REPORT,
    is_rtcp,
    make_nack,
    make_receiver_report,
    make_remb,
    payload_of,
    read_head,
    read_remb,
    read_reports,
    read_rtcp,
)
from tests.integration.media.peers import HEARING, Plane
from tests.load.descriptions import VIDEO_TYPE, make_answer, read_description
from tests.load.line import Line
from tests.unit.media.screen import Screen, read_frame

PATTERN = ((0, False), (2, True), (1, True), (2, False))
FRAMES_A_SECOND = 30
FRAME_BYTES = (3600, 1400, 1400, 1400)
"""Some 470 kbit/s, of which the base layer is a half, the middle one a fifth."""
PIECE_BYTES = 1200


@pytest.fixture
def plane(way: Plane) -> Plane:
    """Both ways, for every test here."""
    return way


class LightPeer:
    """A seat and its line: nothing is encoded or decoded. Estimates by itself what the line carries."""

    def __init__(self, plane: Plane, seat_id: str, number: int) -> None:
        self.plane = plane
        self.seat_id = seat_id
        self.ssrcs = {"audio": 0x1000 + 16 * number, "video": 0x1001 + 16 * number}
        self.came: dict[int, list[bytes]] = {}
        """Packets by SSRC, as they came."""
        self.as_sent: dict[bytes, bytes] = {}
        """Packets -> their datagrams."""
        self.came_again: list[bytes] = []
        """Datagrams that SRTP takes for a replay."""
        self.counted = 0
        """How many packets there were, by the last sender report."""
        self.highest_told = b""
        """Of what this peer sends, the highest number that a receiver has reported."""
        self.told_bps = 0
        self.line = Line()
        self._answered = 0
        self._connecting: asyncio.Task[None] | None = None
        self.sequence = 65_500

    async def join(self) -> None:
        """Come in and wait until the link stands."""
        await self.plane.worker.add_participant(HEARING, self.seat_id)
        async with asyncio.timeout(20):
            while not (self.line.connected and self.plane.of_kind(LinkConnected, self.seat_id)):
                await self.answer_offers()
                await asyncio.sleep(0.02)
        asyncio.get_running_loop().add_reader(self.line.socket, self._readable)

    async def answer_offers(self) -> None:
        """Answer what is new."""
        offers = self.plane.of_kind(OfferReady, self.seat_id)
        for offer in offers[self._answered :]:
            assert isinstance(offer, OfferReady)
            self._answered += 1
            answer = make_answer(self.line.own, offer.sdp, self.ssrcs)
            answer = "\r\n".join(line for line in answer.splitlines() if "transport-wide" not in line) + "\r\n"
            await self.plane.worker.take_answer(HEARING, self.seat_id, offer.offer_id, answer)
            if self._connecting is None:
                work = self.line.connect(read_description(offer.sdp), offered=True)
                self._connecting = asyncio.get_running_loop().create_task(work)

    def _readable(self) -> None:
        while True:
            try:
                data = self.line.socket.recv(2048)
            except BlockingIOError:
                return
            if data[0] < 4:
                self.line.stun_arrived(data)
            elif is_rtcp(data):
                for part in read_rtcp(self.line.receiving.unprotect_rtcp(data)):
                    self.told_bps = read_remb(part) or self.told_bps
                    if part.kind == SENDER_REPORT:
                        self.counted = int.from_bytes(part.data[20:24], "big")
                    self.highest_told = next((block.data[8:12] for block in read_reports(part)), self.highest_told)
            elif 127 < data[0] < 192:
                self._heard(data)

    def _heard(self, data: bytes) -> None:
        try:
            plain = self.line.receiving.unprotect(data)
        except pylibsrtp.Error:
            self.came_again.append(data)
            return
        head = read_head(plain)
        assert head is not None
        self.came.setdefault(head.ssrc, []).append(plain)
        self.as_sent[plain] = data

    def carries(self, bps: int) -> None:
        """Tell the relay what this line carries, by this browser's own estimate."""
        self.line.socket.send(self.line.sending.protect_rtcp(make_remb(bps, self.ssrcs.values())))

    def asks_again(self, ssrc: int, sequence: int) -> None:
        """Ask for a packet again."""
        self.line.socket.send(self.line.sending.protect_rtcp(make_nack(ssrc, [sequence])))

    def reports(self, counted: int) -> None:
        """Report as a sender that so many packets of the picture were sent."""
        report = struct.pack(">BBHIQIII", 0x80, SENDER_REPORT, 6, self.ssrcs["video"], 7, 8, counted, 99_999)
        self.line.socket.send(self.line.sending.protect_rtcp(report))

    def reports_of(self, ssrc: int, highest: int) -> None:
        """Report as a receiver up to where a stream came."""
        block = struct.pack(">IIIIII", ssrc, 0, highest, 0, 0, 0)
        self.line.socket.send(self.line.sending.protect_rtcp(make_receiver_report(self.ssrcs["audio"], [block])))

    async def show(self) -> None:
        """Send a picture in layers, and a check now and then, until cancelled."""
        frame = 0
        while True:
            layer, sync = PATTERN[frame % len(PATTERN)]
            left = FRAME_BYTES[frame % len(PATTERN)]
            while left > 0:
                first = left == FRAME_BYTES[frame % len(PATTERN)]
                size = min(PIECE_BYTES, left)
                left -= size
                fixed = (0x80, VIDEO_TYPE | (0 if left else 0x80), self.sequence & 0xFFFF, 3000 * frame)
                head = struct.pack(">BBHII", *fixed, self.ssrcs["video"])
                picture = struct.pack(">H", 0x8000 | frame & 0x7FFF)
                base = frame // len(PATTERN) & 0xFF
                mark = bytes((0x90 if first else 0x80, 0xE0)) + picture + bytes((base, layer << 6 | sync << 5))
                body = b"\x01" + struct.pack(">I", self.sequence) + bytes(size)
                self.line.socket.send(self.line.sending.protect(head + mark + body))
                self.sequence += 1
            frame += 1
            if frame % FRAMES_A_SECOND == 0:
                self.line.check()
            await asyncio.sleep(1 / FRAMES_A_SECOND)


def stats_of(plane: Plane, seat_id: str) -> PersonStats | None:
    """Return what was told last of a person's line."""
    latest = plane.of_kind(StatsMeasured)[-1:]
    return next((event.people.get(seat_id) for event in latest if isinstance(event, StatsMeasured)), None)


def layers(packets: list[bytes]) -> set[int]:
    """Return which layers packets are of."""
    found = set()
    for data in packets:
        head = read_head(data)
        assert head is not None
        layer = read_layer(data, head)
        assert layer is not None
        found.add(layer.number)
    return found


def numbers(packets: list[bytes]) -> list[int]:
    """Return the sequence numbers of packets, counted on over their wrap."""
    low = [struct.unpack_from(">H", data, 2)[0] for data in packets]
    return [number if number > 0x8000 else number + 0x10000 for number in low]


def shown(packets: list[bytes]) -> bool:
    """Tell whether a browser shows all of these packets' frames, and no picture is missing between the first and last;
    the last may not be whole."""
    screen = Screen()
    frames = list(dict.fromkeys(frame for data in packets if (frame := read_frame(data)) is not None))
    first = next(index for index, frame in enumerate(frames) if frame.layer == 0)
    whole = all(screen.shows(frame) for frame in frames[first:])
    return whole and screen.pictures == list(range(screen.pictures[0], screen.pictures[-1] + 1))


def numbered_by_sender(data: bytes) -> bool:
    """Tell whether a packet bears the number that its sender gave it, which stands in its payload too."""
    head = read_head(data)
    assert head is not None
    return struct.unpack_from(">I", payload_of(data, head), 7)[0] & 0xFFFF == head.sequence


@asynccontextmanager
async def showing(people: list[LightPeer], sender: LightPeer) -> AsyncIterator[None]:
    """Let one show a picture, and everybody's line live."""

    async def stay() -> None:
        while True:
            await asyncio.sleep(1)
            for person in people:
                if person is not sender:
                    person.line.check()

    tasks = [asyncio.get_running_loop().create_task(work) for work in (sender.show(), stay())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for person in people:
            asyncio.get_running_loop().remove_reader(person.line.socket)
            await person.line.close()


async def test_a_thin_line_gets_ever_more_layers_then_sound_alone_and_all_again(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "HOLDS_S", (0.2,))
    monkeypatch.setattr(sparing, "PATIENCE_S", 0.2)
    gao, wang, zhao = people = [LightPeer(plane, seat, index) for index, seat in enumerate(("gao", "wang", "zhao"))]
    camera = gao.ssrcs["video"]
    for person in people:
        await person.join()
    for person in people * 2:
        await person.answer_offers()
    async with showing(people, gao):
        await plane.until(lambda: min(len(one.came.get(camera, [])) for one in (wang, zhao)) > 90, "both see all")
        await plane.until(lambda: (stats_of(plane, "gao") or PersonStats(0, None, 0, 0)).kbps > 300, "measured")

        zhao.carries(200_000)
        await plane.until(lambda: (told := stats_of(plane, "zhao")) and told.fewer_pictures, "zhao is thinned")
        begins = len(zhao.came[camera])
        await plane.until(lambda: len(zhao.came[camera]) > begins + 60, "zhao still sees motion")
        assert layers(zhao.came[camera][begins:]) == {0}
        assert layers(wang.came[camera][-30:]) == {0, 1, 2}
        assert 300_000 < gao.told_bps < 600_000
        told = stats_of(plane, "wang")
        assert told is not None
        assert not (told.fewer_pictures or told.sound_alone)

        zhao.carries(330_000)
        await plane.until(lambda: layers(zhao.came[camera][-30:]) == {0, 1}, "zhao gets the middle layer too")
        begins = len(zhao.came[camera])
        await plane.until(lambda: len(zhao.came[camera]) > begins + 60, "zhao sees more motion")
        assert layers(zhao.came[camera][begins:]) == {0, 1}
        told = stats_of(plane, "zhao")
        assert told is not None
        assert told.fewer_pictures

        # What zhao asks for again is what went under that number.
        lost = zhao.came[camera][-3]
        zhao.asks_again(camera, struct.unpack_from(">H", lost, 2)[0])
        await plane.until(lambda: zhao.came_again, "sent again")
        assert zhao.came_again == [zhao.as_sent[lost]]

        # Reports tell each side of its own packets.
        gao.reports(10_000)
        await plane.until(lambda: wang.counted == 10_000 and zhao.counted > 0, "reported to receivers")
        assert zhao.counted <= 10_000 - 120
        sent = gao.sequence
        zhao.reports_of(camera, numbers(zhao.came[camera])[-1])
        await plane.until(lambda: gao.highest_told, "reported to the sender")
        assert sent - 60 < int.from_bytes(gao.highest_told, "big") < gao.sequence

        zhao.carries(3_000_000)
        await plane.until(lambda: (told := stats_of(plane, "zhao")) and not told.fewer_pictures, "all again")
        begins = len(zhao.came[camera])
        await plane.until(lambda: layers(zhao.came[camera][begins:]) == {0, 1, 2}, "all layers came")

        zhao.carries(60_000)
        await plane.until(lambda: (told := stats_of(plane, "zhao")) and told.sound_alone, "sound alone")
        assert shown(zhao.came[camera])
        before = len(zhao.came[camera])
        zhao.carries(3_000_000)
        await plane.until(lambda: (told := stats_of(plane, "zhao")) and not told.sound_alone, "pictures again")
        begins = len(zhao.came[camera])
        await plane.until(lambda: layers(zhao.came[camera][begins:]) == {0, 1, 2}, "all layers came again")
        assert shown(zhao.came[camera][before:])

    # No gap, and no number twice, through all of it; whoever got all got it as it was sent.
    assert numbers(zhao.came[camera]) == list(range(numbers(zhao.came[camera])[0], numbers(zhao.came[camera])[-1] + 1))
    assert wang.came[camera] == [data for data in wang.came[camera] if numbered_by_sender(data)]
    await plane.worker.close_hearing(HEARING)
    entries = list(read_journal(plane.directory))
    events = [str(entry.data["event"]) for entry in entries if isinstance(entry, Event)]
    seen = [event for event in events if event.startswith("Pictures")]
    assert seen[:2] == ["PicturesThinned", "PicturesWhole"]
    assert seen[-3:] == ["PicturesResumed", "PicturesThinned", "PicturesWhole"]
    kept = [entry.data for entry in entries if isinstance(entry, Packet) and not is_rtcp(entry.data)]
    assert layers(kept[-30:]) == {0, 1, 2}
    assert set(numbers(wang.came[camera])) <= set(numbers(kept))
