"""The simulated applicant in a house with real rooms and a real media plane."""

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.integration.simulator.house import HEARING, House, Prosecutor, open_house
from web.simulator.applicant import Options, Outcome, Report, run
from web.simulator.voice import Utterance

QUICK = Options(pauses=False, lifetime_s=60)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as house:
        yield house


@pytest.fixture
async def li(house: House) -> AsyncIterator[Prosecutor]:
    async with Prosecutor.at_work(house) as prosecutor:
        yield prosecutor


def card_is_up(li: Prosecutor) -> bool:
    """Whether the white of the card fills the lower middle of the picture."""
    if li.picture is None:
        return False
    return float(np.median(li.picture[230:440, 140:400])) > 200


async def test_she_is_received_shows_her_card_confirms_signs_and_goes_when_it_ends(
    house: House, li: Prosecutor
) -> None:
    async with asyncio.TaskGroup() as tasks:
        visit = tasks.create_task(run(house.invitation, "9963", options=QUICK))
        await li.admit_her()
        await li.until(lambda: li.sees(link="connected", microphone="on", camera="on"))
        await li.until(lambda: li.pictures > 10 and li.loudest > 2000)
        assert not card_is_up(li)
        await li.say("prompt", text="请把身份证有照片的一面举到镜头前，拿稳。")
        await li.until(lambda: card_is_up(li))
        await li.say("prompt", text="")
        await li.until(lambda: not card_is_up(li))
        await house.ask_to_confirm()
        await li.until(lambda: house.desk.confirmation == "signed")
        await li.say("end")
    report = visit.result()
    assert report.outcome is Outcome.ENDED
    assert report.finished
    assert house.desk.consents == ["recording", "personal_data"]
    assert [kind for kind, _ in house.desk.posts] == ["confirm", "sign"]
    assert house.desk.posts[0][1] == {"amount_fen": 2_000_000, "account_fingerprint": "f00d"}
    assert report.said[:2] == [Utterance.GREETING, Utterance.CARD_FRONT]
    assert report.sentence == "模拟申请人：接访已经结束；已被请入；已确认数额和账号；已签名。"


async def test_her_signature_is_strokes_with_time_and_the_picture_of_them(house: House, li: Prosecutor) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run(house.invitation, "9963", options=QUICK))
        await li.admit_her()
        await house.ask_to_confirm()
        await li.until(lambda: house.desk.confirmation == "signed")
        await li.say("end")
    signed = house.desk.posts[1][1]
    strokes: list[list[dict[str, float]]] = signed["strokes"]  # type: ignore[assignment]
    times = [point["t_ms"] for stroke in strokes for point in stroke]
    assert times == sorted(times)
    assert times[0] == 0
    picture = Image.open(io.BytesIO(base64.b64decode(str(signed["picture"]))))
    assert picture.format == "PNG"
    first = strokes[0][0]
    assert np.asarray(picture)[round(first["y"] * 2), round(first["x"] * 2)] < 100


async def test_she_objects_when_told_to(house: House, li: Prosecutor) -> None:
    async with asyncio.TaskGroup() as tasks:
        visit = tasks.create_task(run(house.invitation, "9963", options=Options(pauses=False, refuse=True)))
        await li.admit_her()
        await house.ask_to_confirm()
        await li.until(lambda: house.desk.confirmation == "objected")
        await li.say("end")
    assert visit.result().objected
    assert not visit.result().confirmed
    assert [kind for kind, _ in house.desk.posts] == ["object"]


async def test_a_cut_socket_brings_her_back_to_her_seat_and_her_picture_goes_on(house: House, li: Prosecutor) -> None:
    options = Options(pauses=False, drop_after_s=0.5, lifetime_s=60)
    async with asyncio.TaskGroup() as tasks:
        visit = tasks.create_task(run(house.invitation, "9963", options=options))
        await li.admit_her()
        await house.record.until("left", "gao", "lost")
        await li.until(lambda: li.sees(link="connected"))
        pictures = li.pictures
        await li.until(lambda: li.pictures > pictures + 10)
        await li.say("end")
    assert visit.result().reconnects == 1
    assert visit.result().outcome is Outcome.ENDED


async def test_what_was_asked_while_she_was_away_is_answered_when_she_is_back(house: House, li: Prosecutor) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run(house.invitation, "9963", options=QUICK))
        await li.admit_her()
        await li.until(lambda: house.desk.looked and li.sees(link="connected"))
        house.desk.confirmation = "asked"  # and no notice reaches her
        house.cut_her_line()
        await li.until(lambda: house.desk.confirmation == "signed")
        await li.say("end")


async def test_a_server_that_is_started_again_finds_her_back_in_her_seat(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        async with open_house(tmp_path) as house, Prosecutor.at_work(house) as li:
            visit = tasks.create_task(run(house.invitation, "9963", options=QUICK))
            await li.admit_her()
            await li.until(lambda: li.pictures > 5)
        async with open_house(tmp_path, after=house) as house, Prosecutor.at_work(house) as li:
            await li.until(lambda: li.pictures > 5)
            await house.ask_to_confirm()
            await li.until(lambda: house.desk.confirmation == "signed")
            await li.say("end")
    assert visit.result().reconnects == 1
    assert visit.result().outcome is Outcome.ENDED
    assert visit.result().said.count(Utterance.GREETING) == 1


async def test_a_page_that_is_cut_off_is_asked_for_again(house: House, li: Prosecutor) -> None:
    house.desk.failing = 1
    async with asyncio.TaskGroup() as tasks:
        visit = tasks.create_task(run(house.invitation, "9963", options=QUICK))
        await li.admit_her()
        await house.ask_to_confirm()
        await li.until(lambda: house.desk.confirmation == "signed")
        await li.say("end")
    assert visit.result().confirmed


async def test_cancelling_makes_her_leave(house: House, li: Prosecutor) -> None:
    async with asyncio.TaskGroup() as tasks:
        visit = tasks.create_task(run(house.invitation, "9963", options=QUICK))
        await li.admit_her()
        await li.until(lambda: li.sees(link="connected"))
        visit.cancel()
        await house.record.until("left", "gao", "left")
    assert visit.cancelled()


async def test_when_her_time_is_over_she_leaves(house: House, li: Prosecutor) -> None:
    report = await run(house.invitation, "9963", options=Options(pauses=False, lifetime_s=0.5))
    assert report.outcome is Outcome.LIFETIME_OVER
    await house.record.until("left", "gao", "left")


async def test_wrong_characters_are_reported_in_the_pages_words(house: House) -> None:
    report = await run(house.invitation, "0000", options=QUICK)
    assert (report.outcome, report.told) == (Outcome.REFUSED, "证件号码后四位不对，还可以试 4 次")
    assert not report.finished


async def test_a_wrong_link_is_reported_in_the_pages_words(house: House) -> None:
    report = await run(house.invitation + "x", "9963", options=QUICK)
    assert (report.outcome, report.told) == (Outcome.REFUSED, "这个链接不对。")


@pytest.mark.parametrize("moves", [True, False])
async def test_a_seat_in_use_on_another_device_is_taken_over_only_when_she_may(house: House, moves: bool) -> None:
    house.desk.elsewhere = True
    report = await run(house.invitation, "9963", options=Options(pauses=False, move_here=moves, lifetime_s=1))
    assert report.outcome is (Outcome.LIFETIME_OVER if moves else Outcome.REFUSED)
    assert report.session_id == (HEARING if moves else "")


async def test_a_server_that_is_not_there_is_reported(unused_tcp_port: int) -> None:
    report = await run(f"http://127.0.0.1:{unused_tcp_port}/i/letter", "9963", options=QUICK)
    assert report.outcome is Outcome.UNREACHABLE
    assert report.sentence == "模拟申请人：连不上服务。"


def test_a_report_names_what_was_done() -> None:
    report = Report(outcome=Outcome.ENDED, admitted=True, objected=True, reconnects=2)
    assert report.sentence == "模拟申请人：接访已经结束；已被请入；已提出异议；中途重新接上 2 次。"
