"""The applicant's link, when it does not open as hoped: a sentence, a way on, an entry on the trail."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from sessions.booking import cancel
from sessions.tables import Invitation
from tests.support.house import TEN, House
from web.simulator.person import DEMO_APPLICANT

HOTLINE = 'href="tel:12309"'


async def _invitation(house: House) -> Invitation:
    async with house.database.read() as db:
        return (await db.scalars(select(Invitation).where(Invitation.voided_at.is_(None)))).one()


async def test_a_link_that_was_not_copied_whole_says_so(house: House) -> None:
    for answer in (await house.visitor().get(house.link[:-3]), await house.visitor().comes_in("/i/" + "a" * 22)):
        assert answer.status == 404
        assert "链接可能没有复制完整" in answer.text
        assert HOTLINE in answer.text


async def test_the_day_before_the_link_says_when_it_opens_and_opens_then(house: House) -> None:
    phone = house.visitor()
    house.clock.at = TEN - timedelta(days=1)
    answer = await phone.get(house.link)
    assert answer.status == 403
    assert "这个链接 2026年11月25日 00:00 才开放" in answer.text
    assert "2026年11月25日 00:00" in (await phone.comes_in(house.link)).text
    house.clock.at = TEN
    assert (await phone.comes_in(house.link)).location == "/hearing"


async def test_the_day_after_the_link_says_that_the_time_has_passed(house: House) -> None:
    house.clock.at = TEN + timedelta(days=2)
    for answer in (await house.visitor().get(house.link), await house.visitor().comes_in(house.link)):
        assert answer.status == 403
        assert "这个链接已经过了时间" in answer.text
        assert HOTLINE in answer.text
    assert (await _invitation(house)).used_at is None


async def test_a_new_link_makes_the_old_one_say_that_there_is_a_new_one(house: House) -> None:
    old = house.link
    wang = await house.staff("wang")
    page = await wang.submit(f"/sessions/{house.session_id}/invitation")
    assert page.status == 200
    new = page.text.partition("/i/")[2][:22]
    assert "请打开最近收到的那一条" in (await house.visitor().get(old)).text
    assert (await house.visitor().comes_in(f"/i/{new}")).location == "/hearing"


async def test_wrong_characters_count_down_and_five_lock_the_link_for_everybody(house: House) -> None:
    phone = house.visitor()
    for left in (4, 3, 2, 1):
        answer = await phone.comes_in(house.link, "0000")
        assert answer.status == 403
        assert f"证件号码后四位不对，还可以试 {left} 次" in answer.text
    locked = await phone.comes_in(house.link, "0000")
    assert "这个链接已经锁住" in locked.text
    assert HOTLINE in locked.text
    for another in (phone, house.visitor()):
        assert "这个链接已经锁住" in (await another.comes_in(house.link)).text
        assert (await another.get("/hearing", as_json=True)).refused == "invitation_needed"
    events = await house.events()
    assert events.count("InvitationTriedWrong") == 4
    assert events.count("InvitationLocked") == 1


async def test_the_right_characters_forgive_the_wrong_ones(house: House) -> None:
    for _ in range(2):
        phone = house.visitor()
        for _ in range(4):
            assert (await phone.comes_in(house.link, "0000")).status == 403
        await phone.comes_in(house.link, move_here="1")
        assert (await phone.get("/hearing")).status == 200


@pytest.mark.parametrize("typed", ["", "99", "99630", "abcd", "9963\x00", "９９６", "一二三四"])
async def test_what_could_never_be_right_is_no_try(house: House, typed: str) -> None:
    answer = await house.visitor().comes_in(house.link, typed)
    assert answer.status == 400
    assert (await _invitation(house)).failed_tries == 0


@pytest.mark.parametrize("typed", ["９９６３", " 9963 ", "99 63"])
async def test_right_is_right_however_it_is_typed(house: House, typed: str) -> None:
    assert (await house.visitor().comes_in(house.link, typed)).location == "/hearing"


async def test_a_second_device_is_offered_to_move_there_and_the_first_is_out(house: House) -> None:
    phone, tablet = await house.gao(), house.visitor()
    offer = await tablet.comes_in(house.link)
    assert offer.status == 409
    assert "您已经在另一台设备上进入过" in offer.text
    assert "在这台设备上继续" in offer.text
    assert (await phone.get("/hearing")).status == 200, "an offer moves nobody"
    assert (await tablet.get("/hearing", as_json=True)).refused == "invitation_needed"
    moved = await tablet.comes_in(house.link, move_here="1")
    assert moved.location == "/hearing?here=1"
    assert (await tablet.get("/hearing")).status == 200
    assert (await phone.get("/hearing", as_json=True)).refused == "invitation_needed"
    assert (await house.events()).count("InvitationMoved") == 1


async def test_a_second_device_does_not_learn_without_the_characters_that_there_is_a_first(house: House) -> None:
    await house.gao()
    tablet = house.visitor()
    wrong = await tablet.comes_in(house.link, "0000", move_here="1")
    assert wrong.status == 403
    assert "还可以试 4 次" in wrong.text
    assert "InvitationMoved" not in await house.events()


async def test_the_same_phone_goes_straight_on(house: House) -> None:
    phone = await house.gao()
    assert (await phone.get(house.link)).location == "/hearing"


async def test_after_the_hearing_her_phone_is_led_on_and_a_strange_one_is_not(house: House) -> None:
    async with house.hearing() as hearing:
        await hearing.end()
    for path in ("/hearing", house.link):
        answer = await hearing.gao.get(path)
        assert answer.location == "/hearing/after" or "/hearing/after" in answer.text
    after = await hearing.gao.get("/hearing/after")
    assert after.status == 200
    assert DEMO_APPLICANT.name in after.text
    assert (await house.visitor().get("/hearing/after", as_json=True)).refused == "invitation_needed"


async def test_a_cancelled_hearing_says_so(house: House) -> None:
    phone, host = await house.gao(), await house.actor("wang")
    async with house.database.begin() as db:
        await cancel(db, host, house.session_id, "改期", clock=house.clock)
    assert "这场接访取消了" in (await house.visitor().get(house.link)).text
    assert (await phone.get("/hearing")).location == "/hearing/after"
    assert (await phone.get("/hearing/after")).status == 200


async def test_guessing_at_links_is_slowed_down(house: House) -> None:
    phone = house.visitor()
    answers = [await phone.comes_in(f"/i/guess{number}", "0000") for number in range(31)]
    assert [answer.status for answer in answers] == [404] * 30 + [429]
    assert "请过几分钟再试" in answers[-1].text
