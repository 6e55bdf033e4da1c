"""A hearing on record: begun once, ended once, who was there, who was let in, and its room rebuilt after a restart."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from records.actors import system_actor
from records.clock import FixedClock
from records.database import Database
from records.refusals import Refusal
from records.trail import entries_of
from sessions.actors import actor_in_seat
from sessions.admission import give_consent
from sessions.proceedings import (
    LineSummed,
    admit,
    close_open_presence,
    end,
    enter,
    leave,
    leave_word,
    note_lines,
    note_refusal,
    room_opening,
    send_back,
    start,
)
from sessions.queries import session_file, sessions_on, words_of
from sessions.seats import SeatRole
from sessions.states import SessionState
from sessions.tables import ConsentKind
from tests.support.people import DONGYING, LIU, MORNING, WANG, ZHAO, Hearing, give_every_consent

SYSTEM = system_actor("hub")


async def refused(doing: Awaitable[object]) -> Refusal:
    with pytest.raises(Refusal) as raised:
        await doing
    return raised.value


async def do(database: Database, what: Callable[[AsyncSession], Coroutine[None, None, object]]) -> object:
    async with database.begin() as db:
        return await what(db)


async def events(database: Database, hearing: Hearing) -> list[str]:
    async with database.read() as db:
        return [entry.event for entry in await entries_of(db, session_id=hearing.session_id)][2:]


async def test_a_hearing_is_begun_and_ended_by_its_host(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    await do(database, lambda db: start(db, WANG, hearing.session_id, clock=clock))
    clock.advance(600)
    await do(database, lambda db: end(db, WANG, hearing.session_id, clock=clock))
    async with database.read() as db:
        session = (await session_file(db, hearing.session_id)).session
    assert session.state is SessionState.ENDED
    assert (session.started_at, session.ended_at) == (MORNING, MORNING + timedelta(minutes=10))
    assert await events(database, hearing) == ["HearingStarted", "HearingEnded"]


async def test_nobody_but_its_host_begins_admits_or_ends(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    session_id, seat_id = hearing.session_id, hearing.applicant_seat
    for stranger in (ZHAO, LIU, hearing.gao):
        async with database.begin() as db:
            for doing in (
                start(db, stranger, session_id, clock=clock),
                end(db, stranger, session_id, clock=clock),
                admit(db, stranger, session_id, seat_id, clock=clock),
                send_back(db, stranger, session_id, seat_id, clock=clock),
            ):
                assert (await refused(doing)).code in {"not_permitted", "not_your_hearing"}
    assert await events(database, hearing) == []


async def test_starting_twice_at_once_starts_once(database: Database, hearing: Hearing, clock: FixedClock) -> None:
    answers = await asyncio.gather(
        *(do(database, lambda db: start(db, WANG, hearing.session_id, clock=clock)) for _ in range(3)),
        return_exceptions=True,
    )
    refusals = [answer.code for answer in answers if isinstance(answer, Refusal)]
    assert refusals == ["session_already_started"] * 2
    assert await events(database, hearing) == ["HearingStarted"]


async def test_ending_twice_at_once_ends_once(database: Database, hearing: Hearing, clock: FixedClock) -> None:
    await do(database, lambda db: start(db, WANG, hearing.session_id, clock=clock))
    answers = await asyncio.gather(
        do(database, lambda db: end(db, WANG, hearing.session_id, clock=clock)),
        do(database, lambda db: end(db, SYSTEM, hearing.session_id, clock=clock)),
        return_exceptions=True,
    )
    assert [answer.code for answer in answers if isinstance(answer, Refusal)] == ["session_over"]
    assert (await events(database, hearing)).count("HearingEnded") == 1


async def test_a_double_click_on_admit_admits_once(database: Database, hearing: Hearing, clock: FixedClock) -> None:
    await give_every_consent(database, hearing, clock)
    answers = await asyncio.gather(
        *(
            do(database, lambda db: admit(db, WANG, hearing.session_id, hearing.applicant_seat, clock=clock))
            for _ in range(3)
        )
    )
    assert sorted(map(bool, answers)) == [False, False, True]
    assert (await events(database, hearing)).count("SeatAdmitted") == 1


async def test_nobody_is_let_in_before_agreeing_to_be_recorded(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    seat = hearing.applicant_seat
    async with database.begin() as db:
        refusal = await refused(admit(db, WANG, hearing.session_id, seat, clock=clock))
        assert (refusal.code, refusal.params) == ("consent_missing", {"kind": "recording"})
        await give_consent(db, hearing.gao, seat, ConsentKind.RECORDING, clock=clock)
        refusal = await refused(admit(db, WANG, hearing.session_id, seat, clock=clock))
        assert (refusal.code, refusal.params) == ("consent_missing", {"kind": "personal_data"})
        await give_consent(db, hearing.gao, seat, ConsentKind.PERSONAL_DATA, clock=clock)
        assert await admit(db, WANG, hearing.session_id, seat, clock=clock)


async def test_who_is_sent_back_waits_to_be_admitted_again(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    session_id, seat = hearing.session_id, hearing.applicant_seat
    await give_every_consent(database, hearing, clock)
    async with database.begin() as db:
        assert not await send_back(db, WANG, session_id, seat, clock=clock)
        assert await admit(db, WANG, session_id, seat, clock=clock)
        assert await send_back(db, WANG, session_id, seat, clock=clock)
    async with database.read() as db:
        assert seat not in (await room_opening(db, session_id)).admitted


async def test_a_seat_of_another_hearing_is_not_admitted_here(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    async with database.begin() as db:
        assert (await refused(admit(db, WANG, hearing.session_id, "nobody", clock=clock))).code == "seat_unknown"
        assert (await refused(enter(db, WANG, hearing.session_id, "nobody", clock=clock))).code == "seat_unknown"
        assert (await refused(enter(db, WANG, "nowhere", hearing.host_seat, clock=clock))).code == "session_unknown"


async def test_coming_and_going_is_kept_in_spans(database: Database, hearing: Hearing, clock: FixedClock) -> None:
    session_id, seat, gao = hearing.session_id, hearing.applicant_seat, hearing.gao
    async with database.begin() as db:
        assert await enter(db, gao, session_id, seat, clock=clock)
        assert not await enter(db, gao, session_id, seat, clock=clock)
        clock.advance(30)
        assert await leave(db, gao, session_id, seat, "lost", clock=clock)
        assert not await leave(db, gao, session_id, seat, "lost", clock=clock)
        clock.advance(5)
        assert await enter(db, gao, session_id, seat, clock=clock)
    async with database.read() as db:
        file = await session_file(db, session_id)
    applicant = file.seat_in(SeatRole.APPLICANT)
    assert applicant is not None
    first, second = applicant.presence
    assert (first.entered_at, first.left_at, first.reason) == (MORNING, MORNING + timedelta(seconds=30), "lost")
    assert (second.entered_at, second.left_at) == (MORNING + timedelta(seconds=35), None)
    assert await events(database, hearing) == ["SeatEntered", "SeatLeft", "SeatEntered"]


async def test_two_sockets_that_open_at_once_are_one_presence(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    doing = [
        do(database, lambda db: enter(db, hearing.gao, hearing.session_id, hearing.applicant_seat, clock=clock))
        for _ in range(3)
    ]
    assert sorted(map(bool, await asyncio.gather(*doing))) == [False, False, True]


async def test_the_list_of_today_says_who_waits(database: Database, hearing: Hearing, clock: FixedClock) -> None:
    async def waiting() -> tuple[str, ...]:
        async with database.read() as db:
            (summary,) = await sessions_on(db, DONGYING, MORNING.date())
            return summary.waiting

    session_id, seat = hearing.session_id, hearing.applicant_seat
    await give_every_consent(database, hearing, clock)
    assert await waiting() == ()
    await do(database, lambda db: enter(db, hearing.gao, session_id, seat, clock=clock))
    assert await waiting() == ("高秀兰",)
    await do(database, lambda db: admit(db, WANG, session_id, seat, clock=clock))
    assert await waiting() == ()


async def test_ending_takes_everybody_out(database: Database, hearing: Hearing, clock: FixedClock) -> None:
    session_id = hearing.session_id
    async with database.begin() as db:
        await start(db, WANG, session_id, clock=clock)
        await enter(db, WANG, session_id, hearing.host_seat, clock=clock)
        await enter(db, hearing.gao, session_id, hearing.applicant_seat, clock=clock)
        await end(db, WANG, session_id, clock=clock)
        assert (await refused(enter(db, WANG, session_id, hearing.host_seat, clock=clock))).code == "session_over"
    async with database.read() as db:
        spans = [span for entry in (await session_file(db, session_id)).seats for span in entry.presence]
    assert [span.reason for span in spans] == ["ended", "ended"]


async def test_after_a_crash_the_room_is_rebuilt_and_nobody_is_thought_present(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    session_id = hearing.session_id
    await give_every_consent(database, hearing, clock)
    async with database.begin() as db:
        await enter(db, hearing.gao, session_id, hearing.applicant_seat, clock=clock)
        await admit(db, WANG, session_id, hearing.applicant_seat, clock=clock)
        await start(db, WANG, session_id, clock=clock)
    async with database.begin() as db:
        assert await close_open_presence(db, SYSTEM, clock=clock) == 1
        assert await close_open_presence(db, SYSTEM, clock=clock) == 0
    async with database.read() as db:
        opening = await room_opening(db, session_id)
    assert (opening.state, opening.started_at) == (SessionState.IN_SESSION, MORNING)
    assert opening.admitted == {hearing.host_seat, hearing.far_end_seat, hearing.applicant_seat}
    assert [(seat.role, seat.name) for seat in opening.seats] == [
        (SeatRole.HOST, "王立"),
        (SeatRole.APPLICANT, "高秀兰"),
        (SeatRole.FAR_END, "刘芳"),
    ]


async def test_a_word_is_kept_concealed_and_revealed_to_the_host(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    word = "我听不见，电话 13812345678"
    session_id, seat = hearing.session_id, hearing.applicant_seat
    await do(database, lambda db: leave_word(db, hearing.gao, session_id, seat, f"  {word}\r\n", clock=clock))
    async with database.read() as db:
        (revealed,) = await words_of(db, session_id)
        assert (revealed.name, revealed.text) == ("高秀兰", word)
        for table in ("messages", "trail_entries"):
            rows = (await db.execute(text(f"SELECT * FROM {table}"))).all()  # noqa: S608 (names of our own)
            assert all("13812345678" not in str(row) and b"13812345678" not in row for row in rows)


@pytest.mark.parametrize(("word", "code"), [("", "text_missing"), ("长" * 65536, "text_too_long")])
async def test_words_are_bounded(database: Database, hearing: Hearing, clock: FixedClock, word: str, code: str) -> None:
    async with database.begin() as db:
        doing = leave_word(db, hearing.gao, hearing.session_id, hearing.applicant_seat, word, clock=clock)
        assert (await refused(doing)).code == code


async def test_who_sits_in_a_seat_acts_with_no_more_than_the_seat_gives(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    async with database.begin() as db:
        host = await actor_in_seat(db, hearing.host_seat)
        assert (host.id, host.office_id) == (WANG.id, DONGYING)
        assert await actor_in_seat(db, hearing.applicant_seat) == hearing.gao
        far_end = await actor_in_seat(db, hearing.far_end_seat)
        assert (far_end.id, far_end.office_id) == (LIU.id, LIU.office_id)
        await start(db, host, hearing.session_id, clock=clock)


async def test_a_refusal_is_put_on_the_trail(database: Database, hearing: Hearing, clock: FixedClock) -> None:
    await do(
        database,
        lambda db: note_refusal(
            db, hearing.gao, hearing.session_id, "text_too_long", seat_id=hearing.applicant_seat, clock=clock
        ),
    )
    async with database.read() as db:
        entry = (await entries_of(db, session_id=hearing.session_id))[-1]
    assert (entry.event, entry.actor_name, entry.details) == ("RequestRefused", "高**", '{"code":"text_too_long"}')


def ten_seconds(**changes: float) -> LineSummed:
    values: dict[str, float] = {
        "measured_s": 10,
        "loss_pct_sum": 5.0,
        "loss_pct_max": 2.0,
        "rtt_known_s": 10,
        "rtt_ms_sum": 400,
        "rtt_ms_max": 60,
        "jitter_ms_max": 4,
        "freezes": 1,
        "frozen_ms": 700,
    }
    return LineSummed(**(values | changes))  # type: ignore[arg-type]


async def test_what_lines_were_like_adds_up_for_each_seat(database: Database, hearing: Hearing) -> None:
    rough = ten_seconds(loss_pct_sum=95.0, loss_pct_max=30.0, rtt_known_s=0, rtt_ms_sum=0, rtt_ms_max=0, freezes=4)
    for lines in ({hearing.applicant_seat: ten_seconds()}, {hearing.applicant_seat: rough}):
        async with database.begin() as db:
            await note_lines(db, hearing.session_id, lines)
    async with database.read() as db:
        seats = {entry.seat.id: entry.line for entry in (await session_file(db, hearing.session_id)).seats}
    line = seats[hearing.applicant_seat]
    assert line is not None
    assert (line.loss_pct, line.loss_pct_max) == (5.0, 30.0)
    assert (line.rtt_ms, line.rtt_ms_max) == (40, 60)
    assert (line.jitter_ms_max, line.freezes, line.frozen_ms) == (4, 5, 1400)
    assert seats[hearing.host_seat] is None


async def test_lines_of_strangers_are_not_kept(database: Database, hearing: Hearing) -> None:
    async with database.begin() as db:
        assert (await refused(note_lines(db, hearing.session_id, {"nobody": ten_seconds()}))).code == "seat_unknown"
        assert (await refused(note_lines(db, "nowhere", {}))).code == "session_unknown"
