"""Booking a hearing, inviting to it, cancelling it."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text

from records.actors import Role
from records.clock import FixedClock
from records.database import Database
from records.refusals import Refusal
from records.trail import entries_of
from sessions.actors import seats_of, session_of
from sessions.admission import find_invitation
from sessions.booking import Attendee, book, cancel, invite, normal_id_tail
from sessions.queries import session_file, sessions_on, upcoming_sessions
from sessions.seats import SeatAbility, SeatRole, may
from sessions.states import SessionState
from sessions.tables import Session
from tests.support.people import DONGYING, LIANGSHAN, LIU, MORNING, WANG, Hearing, book_hearing, booking, staff


def many(kind: str, count: int) -> list[Attendee]:
    return [Attendee(f"{kind}-{number}", f"第{number}位", "") for number in range(count)]


async def refused(doing: Awaitable[object]) -> str:
    with pytest.raises(Refusal) as raised:
        await doing
    return raised.value.code


async def test_a_booked_hearing_has_a_number_and_four_kinds_of_seats(
    database: Database, offices: None, clock: FixedClock
) -> None:
    async with database.begin() as db:
        session = await book(db, WANG, booking(observers=[Attendee("sun", "孙权", "人民监督员")]), clock=clock)
    async with database.read() as db:
        seats = await seats_of(db, session.id)
        assert [seat.role for seat in seats] == [
            SeatRole.HOST,
            SeatRole.APPLICANT,
            SeatRole.FAR_END,
            SeatRole.OBSERVER,
        ]
        assert [seat.office_name for seat in seats] == ["东营区院", "", "梁山县院", "东营区院"]
        assert (await session_of(db, session.id)).number == "东营区院远接〔2026〕1号"
        assert (await session_of(db, session.id)).state is SessionState.BOOKED


async def test_eight_who_are_seen_and_sixteen_who_watch_have_seats_with_their_offices(
    database: Database, offices: None, clock: FixedClock
) -> None:
    command = booking(
        joint=[Attendee("zhou", "周", "检察官", office_id=LIANGSHAN), *many("joint", 2)],
        helpers=many("helper", 2),
        observers=many("observer", 16),
    )
    async with database.begin() as db:
        session = await book(db, WANG, command, clock=clock)
    async with database.read() as db:
        seats = await seats_of(db, session.id)
        assert sum(may(seat.role, SeatAbility.PUBLISH) for seat in seats) == 8
        assert sum(seat.role is SeatRole.OBSERVER for seat in seats) == 16
        zhou = next(seat for seat in seats if seat.person_id == "zhou")
        assert (zhou.role, zhou.office_name) == (SeatRole.JOINT, "梁山县院")
        (entry,) = await entries_of(db, session_id=session.id)
        assert "observer observer-15" in entry.details


async def test_whoever_has_a_seat_finds_the_hearing_in_the_days_list(
    database: Database, offices: None, clock: FixedClock
) -> None:
    async with database.begin() as db:
        await book(db, WANG, booking(observers=many("observer", 1)), clock=clock)
    async with database.read() as db:
        (found,) = await sessions_on(db, "", MORNING.date(), person_id="observer-0")
        assert found.seats["observer-0"] is SeatRole.OBSERVER
        assert not found.takes_part
        (own,) = await sessions_on(db, DONGYING, MORNING.date())
        assert own.takes_part
        assert await sessions_on(db, "", MORNING.date(), person_id="somebody") == []


async def test_numbers_go_on_and_never_collide_when_two_book_at_once(
    database: Database, offices: None, clock: FixedClock
) -> None:
    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(book_hearing(database, clock))
    async with database.read() as db:
        numbers = sorted(await db.scalars(select(Session.number)))
    assert numbers == [f"东营区院远接〔2026〕{number}号" for number in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ends_at": MORNING}, "session_times_wrong"),
        ({"ends_at": MORNING + timedelta(days=2)}, "session_too_long"),
        ({"applicant_id_tail": "12"}, "id_tail_malformed"),
        ({"subject": " \n "}, "text_missing"),
        ({"subject": "长" * 65536}, "text_too_long"),
        ({"applicant_name": "高\x00秀兰"}, "text_unreadable"),
        ({"applicant_name": "高\ud800"}, "text_unreadable"),
        ({"far_office_id": "nowhere"}, "office_unknown"),
        ({"office_id": "nowhere"}, "not_permitted"),
        ({"office_id": LIANGSHAN}, "not_permitted"),
        ({"observers": [Attendee("wang", "王立", "检察官")]}, "person_seated_twice"),
        ({"helpers": [Attendee("wang", "王立", "翻译")]}, "person_seated_twice"),
        ({"joint": [Attendee("zhou", "周", "检察官", office_id="nowhere")]}, "office_unknown"),
        ({"helpers": many("helper", 6)}, "too_many_seen"),
        ({"observers": many("observer", 17)}, "too_many_watching"),
    ],
)
async def test_a_wrong_booking_is_refused_and_leaves_nothing(
    database: Database, offices: None, clock: FixedClock, changes: dict[str, object], code: str
) -> None:
    async def try_it() -> None:
        async with database.begin() as db:
            await book(db, WANG, booking(**changes), clock=clock)

    assert await refused(try_it()) == code
    async with database.read() as db:
        for table in ("sessions", "seats", "trail_entries"):
            assert await db.scalar(text(f"SELECT count(*) FROM {table}")) == 0  # noqa: S608 (names of our own)


async def test_a_number_is_given_once(database: Database, offices: None, clock: FixedClock) -> None:
    async with database.begin() as db:
        await book(db, WANG, booking(number="东检〔2026〕7号"), clock=clock)
    async with database.begin() as db:
        assert await refused(book(db, WANG, booking(number="东检〔2026〕7号"), clock=clock)) == "session_number_taken"


async def test_a_number_given_by_hand_is_stepped_over(database: Database, offices: None, clock: FixedClock) -> None:
    async with database.begin() as db:
        await book(db, WANG, booking(number="东营区院远接〔2026〕2号"), clock=clock)
        assert (await book(db, WANG, booking(), clock=clock)).number == "东营区院远接〔2026〕3号"


async def test_finance_books_no_hearings(database: Database, offices: None, clock: FixedClock) -> None:
    async with database.begin() as db:
        assert await refused(book(db, staff("chen", "陈", Role.FINANCE), booking(), clock=clock)) == "not_permitted"


async def test_neither_the_token_nor_the_id_tail_is_kept(database: Database, hearing: Hearing) -> None:
    async with database.read() as db:
        for table in ("sessions", "seats", "invitations", "trail_entries"):
            rows = (await db.execute(text(f"SELECT * FROM {table}"))).all()  # noqa: S608 (names of our own)
            assert rows
            assert all(hearing.token not in str(row) and "'9963'" not in str(row) for row in rows)


async def test_a_new_invitation_ends_the_one_before(database: Database, hearing: Hearing, clock: FixedClock) -> None:
    async with database.begin() as db:
        token = await invite(db, WANG, hearing.applicant_seat, clock=clock)
    async with database.read() as db:
        assert (await find_invitation(db, token, clock=clock)).seat_id == hearing.applicant_seat
        assert await refused(find_invitation(db, hearing.token, clock=clock)) == "invitation_replaced"


async def test_two_that_invite_at_once_leave_one_valid_invitation(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    async def invite_once() -> str:
        async with database.begin() as db:
            return await invite(db, WANG, hearing.applicant_seat, clock=clock)

    tokens = await asyncio.gather(*(invite_once() for _ in range(4)))
    answers = []
    async with database.read() as db:
        for token in tokens:
            try:
                answers.append((await find_invitation(db, token, clock=clock)).seat_id)
            except Refusal as refusal:
                answers.append(refusal.code)
    assert sorted(answers) == sorted([hearing.applicant_seat, *["invitation_replaced"] * 3])


async def test_staff_are_not_invited_by_link(database: Database, hearing: Hearing, clock: FixedClock) -> None:
    async with database.begin() as db:
        assert await refused(invite(db, WANG, hearing.host_seat, clock=clock)) == "seat_needs_no_invitation"
        assert await refused(invite(db, WANG, "nobody", clock=clock)) == "seat_unknown"
        assert await refused(invite(db, LIU, hearing.applicant_seat, clock=clock)) == "not_permitted"


async def test_a_cancelled_hearing_lets_nobody_in(database: Database, hearing: Hearing, clock: FixedClock) -> None:
    async with database.begin() as db:
        await cancel(db, WANG, hearing.session_id, "申请人生病", clock=clock)
    async with database.read() as db:
        assert (await session_of(db, hearing.session_id)).state is SessionState.CANCELLED
        assert await refused(find_invitation(db, hearing.token, clock=clock)) == "session_cancelled"
    async with database.begin() as db:
        assert await refused(invite(db, WANG, hearing.applicant_seat, clock=clock)) == "session_over"
        assert await refused(cancel(db, WANG, hearing.session_id, "再来", clock=clock)) == "session_cancelled"


async def test_both_offices_see_the_hearing_on_its_own_day(database: Database, hearing: Hearing) -> None:
    today = MORNING.date()
    async with database.read() as db:
        for office in (DONGYING, LIANGSHAN):
            (summary,) = await sessions_on(db, office, today)
            assert (summary.session_id, summary.host_name) == (hearing.session_id, "王立")
            assert summary.far_office_name == "梁山县人民检察院"
        assert await sessions_on(db, "elsewhere", today) == []
        assert await sessions_on(db, DONGYING, today + timedelta(days=1)) == []
        assert len(await upcoming_sessions(db, DONGYING, today - timedelta(days=1))) == 1


async def test_a_day_is_counted_as_the_offices_count_it(database: Database, offices: None, clock: FixedClock) -> None:
    # Half past midnight in China is still the day before in UTC.
    starts_at = datetime(2026, 11, 25, 16, 30, tzinfo=UTC)
    await book_hearing(database, clock, starts_at=starts_at, ends_at=starts_at + timedelta(hours=1))
    async with database.read() as db:
        assert len(await sessions_on(db, DONGYING, datetime(2026, 11, 26, tzinfo=UTC).date())) == 1
        assert await sessions_on(db, DONGYING, datetime(2026, 11, 25, tzinfo=UTC).date()) == []


async def test_booking_and_inviting_are_on_the_trail(database: Database, hearing: Hearing) -> None:
    async with database.read() as db:
        entries = await entries_of(db, session_id=hearing.session_id)
        assert [(entry.event, entry.actor_id) for entry in entries] == [
            ("HearingBooked", "wang"),
            ("InvitationMade", "wang"),
        ]
        file = await session_file(db, hearing.session_id)
    applicant = file.seat_in(SeatRole.APPLICANT)
    assert applicant is not None
    assert applicant.invitation is not None
    assert not applicant.invitation.locked


@pytest.mark.parametrize(
    ("typed", "tail"), [("9963", "9963"), (" 12 3x ", "123X"), ("１２３Ｘ", "123X"), ("００１４", "0014")]
)
def test_an_id_tail_is_read_as_people_type_it(typed: str, tail: str) -> None:
    assert normal_id_tail(typed) == tail


@pytest.mark.parametrize("typed", ["", "123", "12345", "X123", "12X4", "abcd", "一二三四", "12²3X", "1" * 65536, "x"])
def test_what_can_be_no_id_tail_is_refused(typed: str) -> None:
    with pytest.raises(Refusal, match="id_tail_malformed"):
        normal_id_tail(typed)
