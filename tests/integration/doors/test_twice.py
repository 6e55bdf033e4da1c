"""Pressed twice, pressed by two, pressed by the wrong one of two: it happens once, and everybody hears why."""

import asyncio
import re
from html import unescape

from sqlalchemy import func, select

from aid import ledger
from aid.tables import Approval, Batch, Fund, Order
from records.actors import Role
from tests.support.house import Answer, House
from web.accounts.tables import Staff

EVERYBODY = "yang"
"""Somebody who holds every office at once, as nobody should."""


async def _count(house: House, table: type[Approval | Batch | Order]) -> int:
    async with house.database.read() as db:
        return await db.scalar(select(func.count()).select_from(table)) or 0


async def _books_are_in_order(house: House, *, paid: int = 0, in_flight: int = 0) -> None:
    async with house.database.read() as db:
        assert await ledger.audit(db) == []
        balances = await ledger.balances(db, (await db.scalars(select(Fund.id))).one())
    assert (balances.paid, balances.in_flight) == (paid, in_flight)


def _outcomes(answers: list[Answer]) -> list[str]:
    return sorted(answer.refused or "done" for answer in answers)


async def test_approve_draft_and_release_pressed_twice_at_once_happen_once(house: House) -> None:
    await house.signed()
    chen, sun, zhou = await house.staff("chen"), await house.staff("sun"), await house.staff("zhou")

    approved = await asyncio.gather(house.approve(chen), house.approve(chen))
    (said,) = set(_outcomes(approved)) - {"done"}
    assert said in ("already_decided", "case_not_ready", "version_stale")
    assert await _count(house, Approval) == 1

    drafted = await asyncio.gather(house.draft(sun), house.draft(sun))
    assert _outcomes(drafted) == ["done", "order_exists"]
    assert (await _count(house, Batch), await _count(house, Order)) == (1, 1)
    batch = next(answer.location for answer in drafted if answer.location)

    version = re.search(r'name="version" value="(\d+)"', (await zhou.get(batch)).text)
    assert version is not None
    released = await asyncio.gather(*(zhou.submit(f"{batch}/release", version=version[1]) for _ in range(2)))
    assert _outcomes(released) == ["batch_already_released", "done"]
    await _books_are_in_order(house, in_flight=20_000_00)
    assert (await house.events()).count("PaymentReleased") == 1


async def test_drafting_one_case_twice_in_one_form_pays_it_once(house: House) -> None:
    await house.signed()
    chen, sun = await house.staff("chen"), await house.staff("sun")
    await house.approve(chen)
    data = [("case_id", house.case_id), ("case_id", house.case_id), ("csrf", await sun.token())]
    answer = await sun.ask("POST", "/batches", data=data, headers={"Accept": "application/json"})
    assert answer.status == 303 or answer.refused
    assert await _count(house, Order) <= 1


async def test_two_finance_officers_drafting_at_once_make_one_payment(house: House) -> None:
    await house.signed()
    chen, sun, zhou = await house.staff("chen"), await house.staff("sun"), await house.staff("zhou")
    await house.approve(chen)
    assert _outcomes(await asyncio.gather(house.draft(sun), house.draft(zhou))) == ["done", "order_exists"]
    assert await _count(house, Order) == 1


async def test_approval_on_an_old_page_is_refused(house: House) -> None:
    await house.signed()
    chen = await house.staff("chen")
    answer = await chen.submit(f"/cases/{house.case_id}/approve", as_json=False, opinion="好", version="0")
    assert answer.status == 409
    assert "您打开页面以后，别人改过这里" in answer.text
    assert await _count(house, Approval) == 0
    assert (await house.approve(chen)).status == 303


async def test_one_person_in_every_office_still_cannot_do_it_alone(house: House) -> None:
    await house.employ(EVERYBODY, Role.APPROVER, Role.FINANCE)
    yang, chen, sun, zhou = [await house.staff(name) for name in (EVERYBODY, "chen", "sun", "zhou")]
    await house.signed()
    assert (await house.approve(yang)).status == 303
    assert (await house.draft(yang)).refused == "approver_cannot_draft"
    batch = (await house.draft(sun)).location
    held = await house.release(yang, batch)
    assert held.refused in ("approver_cannot_release", "nothing_to_release")
    assert (await house.release(sun, batch)).refused == "drafter_cannot_release"
    page = await sun.get(batch)
    assert "您制的单，要另一位财务人员放行" in page.text
    assert "/release" not in page.text
    assert (await house.release(chen, batch)).refused == "not_permitted"
    await _books_are_in_order(house)
    assert (await house.release(zhou, batch)).status == 303
    data = (await zhou.get(f"{batch}/stub-answer")).body
    assert (await zhou.upload("/answers", "answer", data)).refused == "releaser_cannot_reconcile"
    assert (await sun.upload("/answers", "answer", data)).status == 303
    await _books_are_in_order(house, paid=20_000_00)


async def test_the_host_who_verified_cannot_approve_and_hears_why(house: House) -> None:
    async with house.database.begin() as db:
        wang = (await db.scalars(select(Staff).where(Staff.user_name == "wang"))).one()
        wang.roles = "host approver"
    await house.signed()
    answer = await house.approve(await house.staff("wang"))
    assert answer.refused in ("handler_cannot_approve", "verifier_cannot_approve")
    assert re.search("您是承办人|身份是您核验的", answer.json["text"])


async def test_nothing_is_released_before_the_recording_is_sealed(house: House) -> None:
    chen, sun, zhou = await house.staff("chen"), await house.staff("sun"), await house.staff("zhou")
    assert (await house.approve(chen)).refused, "not before it was signed"
    async with house.hearing() as hearing:
        await hearing.verify()
        await hearing.confirm()
        await hearing.sign()
        assert (await house.approve(chen)).status == 303
        batch = (await house.draft(sun)).location
        assert (await house.release(zhou, batch)).refused == "nothing_to_release"
        assert "接访还没有结束，录像还没有封存" in (await zhou.get(batch)).text
        await hearing.end()
    assert (await house.release(zhou, batch)).status == 303


async def test_confirming_and_signing_twice_is_confirmed_and_signed_once(house: House) -> None:
    async with house.hearing() as hearing:
        await hearing.verify()
        shown = await hearing.ask()
        said = {name: shown[name] for name in ("amount_fen", "account_fingerprint")}
        both = await asyncio.gather(*(hearing.gao.send("/hearing/confirmation/confirm", said) for _ in range(2)))
        assert _outcomes(list(both))[-1] == "done"
        await hearing.sign()
        events = await house.events()
        assert (events.count("AidConfirmed"), events.count("AidSigned")) == (1, 1)


async def test_confirming_what_was_not_shown_is_refused_and_the_new_one_shown(house: House) -> None:
    async with house.hearing() as hearing:
        await hearing.verify()
        shown = await hearing.ask()
        for said in (
            {"amount_fen": 1, "account_fingerprint": shown["account_fingerprint"]},
            {"amount_fen": shown["amount_fen"], "account_fingerprint": "0" * 64},
        ):
            answer = await hearing.gao.send("/hearing/confirmation/confirm", said)
            assert answer.refused == "confirmation_outdated"
            assert "请看新的数额和账号" in answer.json["text"]
        assert (await hearing.gao.get("/hearing/confirmation", as_json=True)).json["state"] == "asked"


async def test_admitting_twice_and_ending_twice_happen_once(house: House) -> None:
    async with house.hearing() as hearing:
        seat = await house.applicants_seat()
        for _ in range(3):
            await hearing.desk.say("admit", seat_id=seat)
        await hearing.desk.say("end")
        await hearing.desk.say("end")
        await hearing.phone.closed()
    events = await house.events()
    assert [events.count(event) for event in ("HearingStarted", "SeatAdmitted", "HearingEnded")] == [1, 1, 1]


async def test_a_changed_account_stops_the_payment_and_says_where_to_go(house: House) -> None:
    batch = await house.drafted()
    wang, zhou = await house.staff("wang"), await house.staff("zhou")
    changed = await wang.submit(
        f"/cases/{house.case_id}/account",
        account_name="高秀兰",
        account_number="6228480402564890018",
        bank_name="农业银行梁山支行",
        cnaps="103461300011",
        holder_relation="",
        reason="原卡已挂失",
    )
    if changed.refused:
        assert "现在的状态不能这样办" in changed.json["text"]
        return
    page = unescape((await zhou.get(batch)).text)
    assert "账号在接访后改过，要本人再确认" in page
    assert f"/cases/{house.case_id}" in page
    assert (await house.release(zhou, batch)).refused == "nothing_to_release"
    await _books_are_in_order(house)


async def test_a_receipt_before_the_money_is_there_says_so(house: House) -> None:
    answer = await (await house.gao()).get("/hearing/receipt.pdf")
    assert answer.status == 409
    assert "这笔钱还没有到账" in answer.text
