"""Work asked for in a transaction is done once after it, tried again when it fails, and given up in plain sight."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from records.clock import FixedClock
from records.database import Database
from records.outbox import (
    ATTEMPTS_MAX,
    LEASE_S,
    Dispatcher,
    Letter,
    LetterState,
    NotYet,
    OutboxCounts,
    OutboxLetter,
    Standing,
    counts,
    put,
    put_again,
    standing_of,
)


@pytest.fixture
def clock() -> FixedClock:
    """A morning."""
    return FixedClock(datetime(2026, 11, 25, 1, 0, tzinfo=UTC))


class Bank:
    """A handler that remembers what it was handed, and fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.letters: list[Letter] = []
        self.failures = failures

    async def __call__(self, letter: Letter) -> None:
        self.letters.append(letter)
        if len(self.letters) <= self.failures:
            raise ConnectionError("the bank does not answer")


async def ask(database: Database, clock: FixedClock, key: str = "batch-1", topic: str = "bank") -> None:
    async with database.begin() as db:
        await put(db, topic, {"batch": 1}, key=key, clock=clock)


async def count(database: Database) -> OutboxCounts:
    async with database.read() as db:
        return await counts(db)


async def test_work_is_done_once_with_what_was_asked(database: Database, clock: FixedClock) -> None:
    bank = Bank()
    dispatcher = Dispatcher(database, {"bank": bank}, clock=clock)
    await ask(database, clock)
    assert await dispatcher.deliver_due() == 1
    assert await dispatcher.deliver_due() == 0
    assert bank.letters == [Letter("batch-1", "bank", {"batch": 1}, 1)]
    assert await count(database) == OutboxCounts(waiting=0, done=1, failed=0)


async def test_work_of_a_rolled_back_change_is_never_done(database: Database, clock: FixedClock) -> None:
    bank = Bank()
    with pytest.raises(RuntimeError):
        async with database.begin() as db:
            await put(db, "bank", {}, key="k", clock=clock)
            raise RuntimeError
    assert await Dispatcher(database, {"bank": bank}, clock=clock).deliver_due() == 0


async def test_asking_twice_at_once_with_one_key_is_asking_once(database: Database, clock: FixedClock) -> None:
    await asyncio.gather(*(ask(database, clock) for _ in range(4)))
    assert await count(database) == OutboxCounts(waiting=1, done=0, failed=0)


async def test_failed_work_is_tried_again_later_and_not_before(database: Database, clock: FixedClock) -> None:
    bank = Bank(failures=2)
    dispatcher = Dispatcher(database, {"bank": bank}, clock=clock)
    await ask(database, clock)
    assert await dispatcher.deliver_due() == 1
    assert await dispatcher.deliver_due() == 0
    clock.advance(1)
    assert await dispatcher.deliver_due() == 1
    clock.advance(4)
    assert await dispatcher.deliver_due() == 0
    clock.advance(1)
    assert await dispatcher.deliver_due() == 1
    assert [letter.attempt for letter in bank.letters] == [1, 2, 3]
    assert (await count(database)).done == 1


async def test_hopeless_work_is_given_up_in_plain_sight(database: Database, clock: FixedClock) -> None:
    bank = Bank(failures=100)
    dispatcher = Dispatcher(database, {"bank": bank}, clock=clock)
    await ask(database, clock)
    for _ in range(ATTEMPTS_MAX + 3):
        await dispatcher.deliver_due()
        clock.advance(3600)
    assert len(bank.letters) == ATTEMPTS_MAX
    assert await count(database) == OutboxCounts(waiting=0, done=0, failed=1)
    async with database.read() as db:
        assert await db.scalar(select(OutboxLetter.last_error)) == "ConnectionError"


async def test_one_that_fails_does_not_hold_up_the_others(database: Database, clock: FixedClock) -> None:
    broken, bank = Bank(failures=100), Bank()
    dispatcher = Dispatcher(database, {"broken": broken, "bank": bank}, clock=clock)
    await ask(database, clock, key="a", topic="broken")
    await ask(database, clock, key="b")
    await dispatcher.deliver_due()
    assert await count(database) == OutboxCounts(waiting=1, done=1, failed=0)


async def test_a_topic_without_a_handler_here_waits_for_another_process(database: Database, clock: FixedClock) -> None:
    await ask(database, clock, topic="elsewhere")
    assert await Dispatcher(database, {"bank": Bank()}, clock=clock).deliver_due() == 0
    assert (await count(database)).waiting == 1


async def test_two_dispatchers_do_not_do_the_same_work(database: Database, clock: FixedClock) -> None:
    bank = Bank()
    for number in range(24):
        await ask(database, clock, key=f"{number:02}")
    dispatchers = [Dispatcher(database, {"bank": bank}, clock=clock) for _ in range(4)]
    while sum(await asyncio.gather(*(dispatcher.deliver_due() for dispatcher in dispatchers))):
        pass
    assert sorted(letter.key for letter in bank.letters) == [f"{number:02}" for number in range(24)]


class PowerCut(BaseException):
    """Ends a process at once."""


async def die(letter: Letter) -> None:
    raise PowerCut


async def test_work_of_a_process_that_died_can_be_reclaimed_at_the_next_start(
    database: Database, clock: FixedClock
) -> None:
    await ask(database, clock)
    with pytest.raises(BaseExceptionGroup):
        await Dispatcher(database, {"bank": die}, clock=clock).deliver_due()
    bank = Bank()
    dispatcher = Dispatcher(database, {"bank": bank}, clock=clock)
    assert await dispatcher.deliver_due() == 0
    await dispatcher.reclaim()
    assert await dispatcher.deliver_due() == 1
    assert [letter.attempt for letter in bank.letters] == [2]


async def test_work_of_a_process_that_was_stopped_is_handed_back_at_once(database: Database, clock: FixedClock) -> None:
    begun = asyncio.Event()

    async def hang(letter: Letter) -> None:
        begun.set()
        await asyncio.Event().wait()

    await ask(database, clock)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(Dispatcher(database, {"bank": hang}, clock=clock).run())
        await begun.wait()
        running.cancel()
    bank = Bank()
    assert await Dispatcher(database, {"bank": bank}, clock=clock).deliver_due() == 1
    assert [letter.attempt for letter in bank.letters] == [2]


async def test_work_of_a_process_that_died_is_taken_up_again_but_not_for_ever(
    database: Database, clock: FixedClock
) -> None:
    await ask(database, clock)
    for _ in range(ATTEMPTS_MAX):
        with pytest.raises(BaseExceptionGroup):
            await Dispatcher(database, {"bank": die}, clock=clock).deliver_due()
        assert await Dispatcher(database, {"bank": die}, clock=clock).deliver_due() == 0
        clock.advance(LEASE_S)
    assert await Dispatcher(database, {"bank": die}, clock=clock).deliver_due() == 0
    async with database.read() as db:
        (letter,) = await db.scalars(select(OutboxLetter))
    assert (letter.state, letter.last_error) == (LetterState.FAILED, "LeaseLost")


async def test_a_running_dispatcher_wakes_when_it_is_told(database: Database, clock: FixedClock) -> None:
    done = asyncio.Event()

    async def finish(letter: Letter) -> None:
        done.set()

    dispatcher = Dispatcher(database, {"bank": finish}, clock=clock)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(dispatcher.run())
        await ask(database, clock)
        dispatcher.notify()
        await done.wait()
        running.cancel()


async def test_no_more_than_a_few_letters_are_delivered_at_a_time(database: Database, clock: FixedClock) -> None:
    at_once, most = 0, 0

    async def watch(letter: Letter) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1

    for number in range(10):
        await ask(database, clock, key=str(number))
    dispatcher = Dispatcher(database, {"bank": watch}, clock=clock)
    tried = [await dispatcher.deliver_due() for _ in range(3)]
    assert tried == [4, 4, 2]
    assert most <= 4


async def test_work_that_was_done_or_given_up_can_be_asked_for_anew(database: Database, clock: FixedClock) -> None:
    bank = Bank(failures=ATTEMPTS_MAX)
    dispatcher = Dispatcher(database, {"bank": bank}, clock=clock)

    async def again() -> Standing | None:
        async with database.begin() as db:
            await put_again(db, "bank", {"batch": 1}, key="batch-1", clock=clock)
            return await standing_of(db, "batch-1")

    async def standing() -> Standing | None:
        async with database.read() as db:
            return await standing_of(db, "batch-1")

    assert await standing() is None
    assert await again() == Standing(LetterState.WAITING, None)
    await dispatcher.deliver_due()
    assert await again() == Standing(LetterState.WAITING, "ConnectionError"), "what waits to be tried again waits on"
    assert await dispatcher.deliver_due() == 0
    for _ in range(ATTEMPTS_MAX - 1):
        clock.advance(3600)
        await dispatcher.deliver_due()
    assert await standing() == Standing(LetterState.FAILED, "ConnectionError")
    assert await again() == Standing(LetterState.WAITING, None)
    assert await dispatcher.deliver_due() == 1
    assert bank.letters[-1].attempt == 1
    assert await standing() == Standing(LetterState.DONE, None)
    await again()
    assert await dispatcher.deliver_due() == 1
    assert await count(database) == OutboxCounts(waiting=0, done=1, failed=0)


async def test_long_work_has_a_dispatcher_that_takes_one_letter_at_a_time(
    database: Database, clock: FixedClock
) -> None:
    bank = Bank()
    for key in ("one", "two"):
        await ask(database, clock, key=key)
    slow = Dispatcher(database, {"bank": bank}, clock=clock, at_once=1, lease_s=10 * LEASE_S)
    assert await slow.deliver_due() == 1
    assert len(bank.letters) == 1


async def test_work_whose_time_has_not_come_is_looked_at_again_as_often_as_it_takes(
    database: Database, clock: FixedClock
) -> None:
    looks: list[int] = []

    async def seal(letter: Letter) -> None:
        looks.append(letter.attempt)
        if len(looks) <= 2 * ATTEMPTS_MAX:
            raise NotYet

    dispatcher = Dispatcher(database, {"bank": seal}, clock=clock)
    await ask(database, clock)
    for _ in range(2 * ATTEMPTS_MAX):
        assert await dispatcher.deliver_due() == 1
        assert await count(database) == OutboxCounts(waiting=1, done=0, failed=0)
        clock.advance(3)
    assert await dispatcher.deliver_due() == 1
    assert set(looks) == {1}
    assert await count(database) == OutboxCounts(waiting=0, done=1, failed=0)


async def test_a_database_that_cannot_be_written_to_does_not_end_the_deliveries(
    database: Database, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank, refused = Bank(), asyncio.Event()
    begin = database.begin

    def refuse() -> object:
        monkeypatch.setattr(database, "begin", begin)
        refused.set()
        raise OperationalError("UPDATE", {}, Exception("database or disk is full"))

    await ask(database, clock)
    monkeypatch.setattr(database, "begin", refuse)
    dispatcher = Dispatcher(database, {"bank": bank}, clock=clock)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(dispatcher.run())
        await refused.wait()
        async with asyncio.timeout(15):
            while not bank.letters:
                dispatcher.notify()
                await asyncio.sleep(0.01)
        running.cancel()
    assert [letter.key for letter in bank.letters] == ["batch-1"]
