"""What a broken or hostile page gets, and that nobody else notices."""

import asyncio
import contextlib
from dataclasses import replace

import pytest
from aiohttp import ClientConnectionError

from signaling.connection import OUTGOING_MESSAGES, Connection
from signaling.messages import FRAME_BYTES, Refused, RoomShown, Saved
from signaling.ports import Ports
from tests.support.media_fake import FakeMediaPlane, Gate, MemoryProceedings
from tests.support.room_page import SETTINGS, House, begin, serving


async def test_the_fifth_frame_that_is_no_message_ends_the_connection(house: House, record: MemoryProceedings) -> None:
    li, gao = await begin(house)
    for frame in ("{", '{"type": "dance"}', b"\x00", '{"type": "leave", "really": true}'):
        await gao.say_raw(frame)
        await gao.told("refused", code="message_malformed")
    await gao.say_raw("[]")
    assert await gao.closed() == ("malformed", 4021)
    await li.sees("gao", present=False, admitted=True)
    await record.until("left", "gao", "malformed")


async def test_a_frame_over_the_limit_ends_the_connection(house: House, record: MemoryProceedings) -> None:
    li, gao = await begin(house)
    await gao.say("word", text="话" * (FRAME_BYTES // 3))
    assert await gao.closed() == ("too_large", 4020)
    await li.sees("gao", present=False)
    await record.until("left", "gao", "too_large")


async def test_a_frame_too_large_to_read_ends_the_connection(house: House, record: MemoryProceedings) -> None:
    li, gao = await begin(house)
    with contextlib.suppress(ClientConnectionError):  # it may be cut off before all of it is sent
        await gao.say_raw("x" * (2 << 20))
    assert (await gao.closed())[1] in (1009, 1006)
    await li.sees("gao", present=False)
    await record.until("left", "gao", "too_large")


async def test_a_long_text_in_every_field_is_answered_and_changes_nothing(
    house: House, record: MemoryProceedings
) -> None:
    li, gao = await begin(house)
    long = "长" * 20_000
    for request, limit in (
        ({"type_": "word", "text": long}, 500),
        ({"type_": "prompt", "text": long}, 200),
        ({"type_": "admit", "seat_id": long}, 64),
        ({"type_": "mute", "seat_id": long}, 64),
        ({"type_": "send_back", "seat_id": long}, 64),
        ({"type_": "answer", "offer_id": 1, "sdp": "v" * 60_001}, 60_000),
    ):
        await li.say(**request)
        assert (await li.told("refused", code="text_too_long"))["params"]["limit"] == limit
    await li.say("word", text=" \n ")
    await li.told("refused", code="text_empty")
    await li.say("word", text="长" * 500)
    await gao.told("word", text="长" * 500)
    assert len([entry for entry in record.happened if entry[0] == "said"]) == 1


async def test_a_flood_ends_the_connection_and_not_the_hearing(house: House, record: MemoryProceedings) -> None:
    li, gao = await begin(house)
    for number in range(100):
        await gao.say("hand", raised=number % 2 == 0)
    assert await gao.closed() == ("rate", 4022)
    await li.sees("gao", present=False)
    await record.until("left", "gao", "rate")
    await li.say("word", text="还在")
    await li.told("word", text="还在")


async def test_what_is_asked_of_nobody_or_too_early_is_refused_in_words(house: House) -> None:
    li = await house.comes("li")
    await li.say("admit", seat_id="nobody")
    await li.told("refused", code="seat_unknown")
    await li.say("admit", seat_id="gao")
    await li.told("refused", code="seat_absent")
    await li.say("end")
    await li.told("refused", code="hearing_not_started")
    await li.say("admit", seat_id="li")
    await li.say("word", text="仍在等")
    await li.told("word", text="仍在等")
    assert li.room["phase"] == "waiting"


async def test_what_is_said_before_the_room_stands_is_heard_when_it_does(
    house: House, record: MemoryProceedings
) -> None:
    gate = record.held["opening"] = Gate()
    li = await house.comes("li", read=False)
    await li.say("word", text="有人吗")
    await li.say("admit", seat_id="gao")
    async with asyncio.timeout(15):
        await gate.reached.wait()
    gate.open.set()
    await li.told("room", you="li")
    await li.told("word", text="有人吗")
    await li.told("refused", code="seat_absent")


async def test_what_is_said_after_the_end_is_passed_over(house: House, record: MemoryProceedings) -> None:
    li, gao = await begin(house)
    gate = record.held["ended"] = Gate()
    await li.say("end")
    async with asyncio.timeout(15):
        await gate.reached.wait()
    await gao.say("word", text="等一下")
    await gao.say("leave")
    gate.open.set()
    assert await gao.closed() == ("ended", 4001)
    assert await li.closed() == ("ended", 4001)
    assert record.happened[-1] in (("left", "li", "ended"), ("left", "gao", "ended"))
    assert not [entry for entry in record.happened if entry[0] == "said"]


async def test_a_hearing_that_the_record_refuses_is_not_entered(house: House) -> None:
    page = await house.comes("gao", hearing="unknown", read=False)
    assert await page.closed() == ("not_admitted", 4004)


async def test_a_record_that_cannot_be_read_sends_the_page_away_to_come_again(
    house: House, record: MemoryProceedings
) -> None:
    record.fail["opening"] = OSError("gone")
    page = await house.comes("gao", read=False)
    assert await page.closed() == ("server_restarting", 4010)
    del record.fail["opening"]
    await house.comes("gao")


@pytest.mark.parametrize("cancels", [False, True])
async def test_a_silent_line_is_found_out(
    media: FakeMediaPlane, record: MemoryProceedings, ports: Ports, cancels: bool
) -> None:
    async with serving(media, ports, replace(SETTINGS, heartbeat_s=0.4), cancels=cancels) as house:
        # Pings are answered while reading, and nobody reads.
        await house.comes("gao", read=False)
        await record.until("left", "gao", "silent")


async def test_a_page_that_stops_reading_is_let_go(
    media: FakeMediaPlane, record: MemoryProceedings, ports: Ports
) -> None:
    async with serving(media, ports, replace(SETTINGS, send_timeout_s=0.2)) as house:
        gao = await house.comes("gao")
        gao.stop_reading()
        for number in range(400):
            await house.hub.tell("hearing-1", "still", {"number": number, "padding": "x" * 50_000}, to="gao")
        await record.until("left", "gao", "slow")
        gao.cut()


class NotedSocket:
    """A socket that keeps what was sent, and takes it only when let."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.gate = Gate()
        self.code = 0

    async def send_str(self, data: str) -> None:
        self.gate.reached.set()
        await self.gate.open.wait()
        self.sent.append(data)

    async def close(self, *, code: int, message: bytes) -> bool:
        self.code = code
        return True


def room(prompt: str) -> RoomShown:
    return RoomShown("waiting", "gao", (), None, None, None, prompt)


async def test_a_slow_reader_gets_the_newest_picture_and_every_word() -> None:
    connection, socket = Connection("c"), NotedSocket()
    async with asyncio.TaskGroup() as group:
        group.create_task(connection.write(socket, timeout_s=5))
        connection.send(room("零"))
        await socket.gate.reached.wait()
        for number in "一二三":
            connection.send(room(number))
            connection.send(Saved(1, 1))
            connection.send(Refused(number, {}))
        connection.close("left")  # type: ignore[arg-type]
        socket.gate.open.set()
    await connection.end(socket, timeout_s=5)
    kinds = [message.split('"')[3] for message in socket.sent]
    assert kinds == ["room", "room", "saved", "refused", "refused", "refused", "closing"]
    assert "三" in socket.sent[1]
    assert socket.code == 4000


async def test_too_many_unread_messages_end_the_connection() -> None:
    connection, socket = Connection("c"), NotedSocket()
    socket.gate.open.set()
    for _ in range(OUTGOING_MESSAGES + 1):
        connection.send(Refused("x", {}))
    await connection.write(socket, timeout_s=5)
    await connection.end(socket, timeout_s=5)
    assert connection.closing == "slow"
    assert [message.split('"')[3] for message in socket.sent] == ["closing"]
    assert socket.code == 4012
