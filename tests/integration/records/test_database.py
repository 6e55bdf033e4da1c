"""What both databases promise alike: whole transactions, instants to the microsecond, closed sets of values."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from records.database import Database
from records.outbox import LetterState, OutboxLetter
from records.personal import PersonalData
from records.refusals import Refusal
from sessions.tables import Office
from tests.support.database import PERSONAL_KEY

AT = datetime(2026, 11, 25, 2, 0, 0, 123456, tzinfo=UTC)


def letter(key: str, **changes: object) -> OutboxLetter:
    values: dict[str, object] = {"topic": "t", "key": key, "payload": "{}", "put_at": AT, "due_at": AT}
    return OutboxLetter(**(values | changes))


def office(name: str) -> Office:
    return Office(id=name, name=name, short_name=name, region="")


async def names(database: Database) -> list[str]:
    async with database.read() as db:
        return sorted(await db.scalars(select(Office.name)))


async def test_what_raises_is_undone_and_what_ends_is_kept(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.begin() as db:
            db.add(office("a"))
            await db.flush()
            raise RuntimeError
    async with database.begin() as db:
        db.add(office("b"))
    assert await names(database) == ["b"]


async def test_a_cancelled_use_case_leaves_nothing_and_blocks_nobody(database: Database) -> None:
    inside = asyncio.Event()

    async def hang() -> None:
        async with database.begin() as db:
            db.add(office("a"))
            await db.flush()
            inside.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as tasks:
        hanging = tasks.create_task(hang())
        await inside.wait()
        hanging.cancel()
    async with database.begin() as db:
        db.add(office("b"))
    assert await names(database) == ["b"]


async def test_a_savepoint_is_undone_alone(database: Database) -> None:
    async with database.begin() as db:
        db.add(office("a"))
        with pytest.raises(IntegrityError):
            async with db.begin_nested():
                db.add(office("a2"))
                await db.flush()
                await db.execute(insert(Office).values(id="x", name="a", short_name="", region=""))
        db.add(office("b"))
    assert await names(database) == ["a", "b"]


async def test_a_reader_sees_one_moment_and_is_not_held_up_by_a_writer(database: Database) -> None:
    async with database.begin() as db:
        db.add(office("a"))
    async with database.read() as reader:
        assert len((await reader.scalars(select(Office.name))).all()) == 1
        async with database.begin() as writer:
            writer.add(office("b"))
        assert len((await reader.scalars(select(Office.name))).all()) == 1
    assert await names(database) == ["a", "b"]


async def test_what_a_reader_writes_is_not_kept(database: Database) -> None:
    async with database.read() as db:
        db.add(office("a"))
        if database.dialect == "postgresql":
            with pytest.raises(DBAPIError, match="read-only"):
                await db.flush()
    assert await names(database) == []


async def test_writers_that_read_before_they_write_do_not_lose_each_others_work(database: Database) -> None:
    async with database.begin() as db:
        db.add(letter("counter"))

    async def count() -> None:
        async with database.begin() as db:
            found = await db.scalar(select(OutboxLetter).where(OutboxLetter.key == "counter").with_for_update())
            assert found is not None
            found.attempts += 1

    await asyncio.gather(*(count() for _ in range(25)))
    async with database.read() as db:
        assert await db.scalar(select(OutboxLetter.attempts)) == 25


async def test_two_processes_do_not_lose_each_others_work_either(database: Database, database_url: str) -> None:
    other = Database(database_url, personal=PersonalData(PERSONAL_KEY))
    async with database.begin() as db:
        db.add(letter("counter"))

    async def count(through: Database) -> None:
        async with through.begin() as db:
            found = await db.scalar(select(OutboxLetter).where(OutboxLetter.key == "counter").with_for_update())
            assert found is not None
            await asyncio.sleep(0)
            found.attempts += 1

    await asyncio.gather(*(count(through) for _ in range(8) for through in (database, other)))
    async with database.read() as db:
        assert await db.scalar(select(OutboxLetter.attempts)) == 16
    await other.dispose()


async def test_who_waits_too_long_for_another_writer_is_told_that_we_are_busy(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("records.database.WRITE_WAIT_S", 0.2)
    ours, theirs = (Database(database_url, personal=PersonalData(PERSONAL_KEY)) for _ in range(2))
    async with ours.begin() as db:
        db.add(letter("k"))
    locked = select(OutboxLetter).with_for_update()
    async with ours.begin() as holder:
        await holder.scalar(locked)
        for other in (ours, theirs):  # the same process, and another one
            with pytest.raises(Refusal, match="database_busy"):
                async with other.begin() as db:
                    await db.scalar(locked)
    async with theirs.begin() as db:
        assert await db.scalar(locked) is not None
    for database in (ours, theirs):
        await database.dispose()


@pytest.mark.postgresql
async def test_of_two_that_wait_for_each_other_one_is_told_that_we_are_busy(database: Database) -> None:
    if database.dialect == "sqlite":
        return  # one writer at a time: nobody waits for each other
    async with database.begin() as db:
        db.add_all([letter("a"), letter("b")])
    both_hold = asyncio.Barrier(2)

    async def lock(first: str, second: str) -> None:
        async with database.begin() as db:
            await db.scalar(select(OutboxLetter).where(OutboxLetter.key == first).with_for_update())
            await both_hold.wait()
            await db.scalar(select(OutboxLetter).where(OutboxLetter.key == second).with_for_update())

    answers = await asyncio.gather(lock("a", "b"), lock("b", "a"), return_exceptions=True)
    assert [answer.code for answer in answers if isinstance(answer, Refusal)] == ["database_busy"]
    assert answers.count(None) == 1


async def test_an_instant_comes_back_in_utc_to_the_microsecond(database: Database) -> None:
    in_china = AT.astimezone(timezone(timedelta(hours=8)))
    async with database.begin() as db:
        db.add(letter("k", due_at=in_china))
    async with database.read() as db:
        due_at = await db.scalar(select(OutboxLetter.due_at).where(OutboxLetter.due_at == AT))
    assert due_at == AT
    assert due_at is not None
    assert due_at.tzinfo is UTC or due_at.utcoffset() == timedelta(0)


async def test_instants_are_ordered_as_they_were(database: Database) -> None:
    instants = [AT + timedelta(microseconds=step) for step in (0, 1, 876_544, 86_400_000_000)]
    async with database.begin() as db:
        db.add_all(letter(str(number), due_at=at) for number, at in enumerate(reversed(instants)))
    async with database.read() as db:
        assert list(await db.scalars(select(OutboxLetter.due_at).order_by(OutboxLetter.due_at))) == instants
        later = select(OutboxLetter.due_at).where(OutboxLetter.due_at > instants[1]).order_by(OutboxLetter.due_at)
        assert list(await db.scalars(later)) == instants[2:]


async def test_a_naive_datetime_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="naive"):
        async with database.begin() as db:
            db.add(letter("k", due_at=datetime(2026, 11, 25)))  # noqa: DTZ001 (the point of the test)


async def test_the_database_itself_refuses_a_state_that_does_not_exist(database: Database) -> None:
    async with database.begin() as db:
        db.add(letter("k"))
    with pytest.raises(IntegrityError):
        async with database.begin() as db:
            await db.execute(text("UPDATE outbox_letters SET state = 'lost'"))
    async with database.read() as db:
        assert await db.scalar(select(OutboxLetter.state)) is LetterState.WAITING


async def test_the_database_itself_keeps_references_whole(database: Database) -> None:
    with pytest.raises(IntegrityError):
        async with database.begin() as db:
            await db.execute(
                text(
                    "INSERT INTO seats (id, session_id, role, display_name, title, office_name) "
                    "VALUES ('s', 'nowhere', 'host', '', '', '')"
                )
            )


async def test_more_users_than_connections_are_served_one_after_the_other(database: Database) -> None:
    async def add(number: int) -> None:
        async with database.begin() as db:
            db.add(office(f"{number:02}"))
        await names(database)

    await asyncio.gather(*(add(number) for number in range(40)))
    assert len(await names(database)) == 40
