"""Who comes in by an invitation, on which day, on which device, after how many tries."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from records.clock import FixedClock
from records.database import Database
from records.refusals import Refusal
from records.trail import entries_of
from sessions.admission import (
    Identified,
    OtherDevice,
    WrongTail,
    consents_of,
    find_invitation,
    give_consent,
    identify,
    staff_seat,
)
from sessions.booking import invite
from sessions.proceedings import end, start
from sessions.tables import Consent, ConsentKind
from tests.support.people import GAO_TAIL, LIANGSHAN, LIU, WANG, ZHAO, Hearing, give_every_consent, staff

PHONE, OTHER_PHONE = "phone-of-gao", "phone-of-her-son"


async def refused(doing: Awaitable[object]) -> Refusal:
    with pytest.raises(Refusal) as raised:
        await doing
    return raised.value


async def try_tail(
    database: Database,
    hearing: Hearing,
    clock: FixedClock,
    tail: str = GAO_TAIL,
    *,
    device: str = PHONE,
    move_here: bool = False,
) -> Identified | WrongTail | OtherDevice:
    async with database.begin() as db:
        return await identify(db, hearing.token, tail, device, move_here=move_here, clock=clock)


async def events(database: Database, hearing: Hearing) -> list[str]:
    async with database.read() as db:
        return [entry.event for entry in await entries_of(db, session_id=hearing.session_id)][2:]


async def test_the_page_of_an_invitation_shows_what_it_leads_to_and_no_full_name(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    async with database.read() as db:
        view = await find_invitation(db, hearing.token, clock=clock)
    assert (view.office_name, view.name_masked, view.tries_left) == ("东营区人民检察院", "高**", 5)
    assert not view.device_bound


async def test_the_right_characters_let_her_in(database: Database, hearing: Hearing, clock: FixedClock) -> None:
    assert await try_tail(database, hearing, clock) == Identified(hearing.applicant_seat, hearing.session_id)
    assert await events(database, hearing) == ["InvitationUsed"]


async def test_a_wrong_link_leads_nowhere(database: Database, hearing: Hearing, clock: FixedClock) -> None:
    async with database.begin() as db:
        for token in ("", "nonsense", hearing.token[:-1], hearing.token + "x", "\ud800", "长" * 65536):
            assert (await refused(find_invitation(db, token, clock=clock))).code == "invitation_unknown"


async def test_five_wrong_tries_lock_the_invitation_and_a_new_one_opens_it(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    left = [await try_tail(database, hearing, clock, "0000") for _ in range(5)]
    assert left == [WrongTail(4), WrongTail(3), WrongTail(2), WrongTail(1), WrongTail(0)]
    assert (await refused(try_tail(database, hearing, clock))).code == "invitation_locked"
    async with database.begin() as db:
        assert (await refused(find_invitation(db, hearing.token, clock=clock))).code == "invitation_locked"
        token = await invite(db, WANG, hearing.applicant_seat, clock=clock)
    async with database.begin() as db:
        assert isinstance(await identify(db, token, GAO_TAIL, PHONE, move_here=False, clock=clock), Identified)
    assert await events(database, hearing) == [
        *["InvitationTriedWrong"] * 4,
        "InvitationLocked",
        "InvitationMade",
        "InvitationUsed",
    ]


async def test_tries_made_at_once_are_all_counted(database: Database, hearing: Hearing, clock: FixedClock) -> None:
    answers = await asyncio.gather(
        *(try_tail(database, hearing, clock, f"000{number}") for number in range(8)), return_exceptions=True
    )
    wrong = [answer.tries_left for answer in answers if isinstance(answer, WrongTail)]
    locked = [answer for answer in answers if isinstance(answer, Refusal) and answer.code == "invitation_locked"]
    assert sorted(wrong) == [0, 1, 2, 3, 4]
    assert len(locked) == 3


async def test_a_slip_of_the_finger_does_not_count(database: Database, hearing: Hearing, clock: FixedClock) -> None:
    assert (await refused(try_tail(database, hearing, clock, "996"))).code == "id_tail_malformed"
    assert await try_tail(database, hearing, clock, "0000") == WrongTail(4)
    await try_tail(database, hearing, clock)
    assert await try_tail(database, hearing, clock, "0000") == WrongTail(4)


async def test_another_device_is_let_in_only_when_she_moves(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    await try_tail(database, hearing, clock)
    assert await try_tail(database, hearing, clock) == Identified(hearing.applicant_seat, hearing.session_id)
    assert await try_tail(database, hearing, clock, device=OTHER_PHONE) == OtherDevice()
    moved = await try_tail(database, hearing, clock, device=OTHER_PHONE, move_here=True)
    assert moved == Identified(hearing.applicant_seat, hearing.session_id, moved=True)
    assert await try_tail(database, hearing, clock) == OtherDevice()
    assert (await events(database, hearing))[-1] == "InvitationMoved"


async def test_a_stranger_learns_nothing_of_the_other_device(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    await try_tail(database, hearing, clock)
    answer = await try_tail(database, hearing, clock, "0000", device=OTHER_PHONE, move_here=True)
    assert answer == WrongTail(4)


async def test_the_door_opens_at_midnight_in_china_and_closes_at_the_next(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    # It is 09:00 there.
    async with database.read() as db:
        clock.advance(-9 * 3600 - 1)
        early = await refused(find_invitation(db, hearing.token, clock=clock))
        assert (early.code, early.params) == ("invitation_too_early", {"opens_at": "2026-11-24T16:00:00+00:00"})
        clock.advance(1)
        await find_invitation(db, hearing.token, clock=clock)
        clock.advance(24 * 3600 - 1)
        await find_invitation(db, hearing.token, clock=clock)
        clock.advance(1)
        assert (await refused(find_invitation(db, hearing.token, clock=clock))).code == "invitation_expired"


async def test_a_hearing_that_runs_past_midnight_keeps_its_door_open(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    async with database.begin() as db:
        await start(db, WANG, hearing.session_id, clock=clock)
    clock.advance(timedelta(days=1).total_seconds())
    assert isinstance(await try_tail(database, hearing, clock), Identified)


async def test_after_the_hearing_the_link_says_that_it_is_over(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    async with database.begin() as db:
        await start(db, WANG, hearing.session_id, clock=clock)
        await end(db, WANG, hearing.session_id, clock=clock)
    assert (await refused(try_tail(database, hearing, clock))).code == "session_over"


async def test_afterwards_the_same_link_leads_to_what_became_of_it_for_half_a_year(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    async def look() -> Identified | WrongTail | OtherDevice:
        async with database.begin() as db:
            await find_invitation(db, hearing.token, clock=clock, afterwards=True)
            return await identify(
                db, hearing.token, GAO_TAIL, OTHER_PHONE, move_here=True, clock=clock, afterwards=True
            )

    await try_tail(database, hearing, clock)
    async with database.begin() as db:
        await start(db, WANG, hearing.session_id, clock=clock)
        await end(db, WANG, hearing.session_id, clock=clock)
    clock.advance(timedelta(days=179).total_seconds())
    assert await look() == Identified(hearing.applicant_seat, hearing.session_id, moved=True)
    clock.advance(timedelta(days=2).total_seconds())
    assert (await refused(look())).code == "session_over"


async def test_consents_are_given_one_by_one_and_once(database: Database, hearing: Hearing, clock: FixedClock) -> None:
    seat = hearing.applicant_seat
    for _ in range(2):
        async with database.begin() as db:
            await give_consent(db, hearing.gao, seat, ConsentKind.RECORDING, clock=clock)
    async with database.read() as db:
        assert await consents_of(db, seat) == {ConsentKind.RECORDING}
    await give_every_consent(database, hearing, clock)
    async with database.read() as db:
        assert await consents_of(db, seat) == set(ConsentKind)
        assert await db.scalar(select(func.count()).select_from(Consent)) == 2
    assert await events(database, hearing) == ["ConsentGiven", "ConsentGiven"]


async def test_a_double_click_on_a_consent_is_one_consent(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    async def agree() -> None:
        async with database.begin() as db:
            await give_consent(db, hearing.gao, hearing.applicant_seat, ConsentKind.RECORDING, clock=clock)

    await asyncio.gather(*(agree() for _ in range(3)))
    assert await events(database, hearing) == ["ConsentGiven"]


async def test_nobody_consents_for_another(database: Database, hearing: Hearing, clock: FixedClock) -> None:
    async with database.begin() as db:
        for actor in (WANG, LIU):
            doing = give_consent(db, actor, hearing.applicant_seat, ConsentKind.RECORDING, clock=clock)
            assert (await refused(doing)).code == "not_permitted"


async def test_staff_find_their_own_seats_and_a_second_host_finds_the_host_there(
    database: Database, hearing: Hearing
) -> None:
    async with database.read() as db:
        assert (await staff_seat(db, WANG, hearing.session_id)).id == hearing.host_seat
        assert (await staff_seat(db, LIU, hearing.session_id)).id == hearing.far_end_seat
        second = await refused(staff_seat(db, ZHAO, hearing.session_id))
        assert (second.code, second.params) == ("host_present", {"name": "王立"})
        stranger = staff("qian", "钱", *LIU.roles, office_id=LIANGSHAN)
        assert (await refused(staff_seat(db, stranger, hearing.session_id))).code == "not_your_hearing"
        assert (await refused(staff_seat(db, hearing.gao, hearing.session_id))).code == "not_your_hearing"
        assert (await refused(staff_seat(db, WANG, "nowhere"))).code == "session_unknown"
