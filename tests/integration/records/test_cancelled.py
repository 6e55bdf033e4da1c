"""Whoever is stopped in the middle of a transaction, even twice, leaves no lock, no connection and no task behind."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Coroutine

import pytest
import pytest_asyncio
from sqlalchemy import select, text

from records.clock import SystemClock
from records.database import Database
from records.outbox import Dispatcher, Letter, counts, put
from records.personal import PersonalData
from sessions.tables import Office
from tests.support.database import PERSONAL_KEY

ROUNDS = 60
LETTERS = 30
SEED = 20261125


@pytest_asyncio.fixture
async def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """A database with some rows to read, whose users do not wait long for each other."""
    monkeypatch.setattr("records.database.WRITE_WAIT_S", 2.0)
    made = Database(database_url, personal=PersonalData(PERSONAL_KEY))
    async with made.begin() as db:
        db.add_all(office(f"there-{number:03}") for number in range(50))
    yield made
    await made.dispose()


def office(name: str) -> Office:
    return Office(id=name, name=name, short_name=name, region="")


async def write(database: Database, name: str) -> None:
    async with database.begin() as db:
        db.add(office(name))
        await db.flush()
        await db.scalars(select(Office.name))


async def read(database: Database) -> None:
    async with database.read() as db:
        await db.scalars(select(Office.name))
        await db.scalars(select(Office.id))


async def names(database: Database) -> set[str]:
    async with database.read() as db:
        return set(await db.scalars(select(Office.name)))


async def others_end() -> None:
    """Wait until no task is left but this one."""
    async with asyncio.timeout(10):
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)


async def stop_twice(task: asyncio.Task[None], dice: random.Random) -> None:
    """Cancel a task, and once more, each time a few steps of the loop or milliseconds later."""
    for _ in range(2):
        for _ in range(dice.randrange(6)):
            await asyncio.sleep(dice.choice((0, 0, 0.0005, 0.002)) * dice.random())
        task.cancel()


async def test_those_who_are_stopped_twice_at_any_moment_leave_nothing_behind(database: Database) -> None:
    dice = random.Random(SEED)
    for turn in range(ROUNDS):
        work: list[Coroutine[object, object, None]] = [
            write(database, f"{turn}-a"),
            read(database),
            write(database, f"{turn}-b"),
        ]
        async with asyncio.TaskGroup() as group:
            for each in work:
                await stop_twice(group.create_task(each), dice)
        await write(database, f"{turn}-after")
        await others_end()
    assert {f"{turn}-after" for turn in range(ROUNDS)} <= await names(database)
    assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


class Gate:
    """Holds a SQLite statement in the middle of its rows until it is let go."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._open = threading.Event()

    def pass_through(self, value: str) -> str:
        """What the statement calls for every row, in the driver's thread."""
        self._loop.call_soon_threadsafe(self.reached.set)
        self._open.wait(5)
        return value

    def open(self) -> None:
        """Let it go."""
        self._open.set()


async def read_through(database: Database, gate: Gate, kept: list[BaseException]) -> None:
    """Write, then be in the middle of a statement when the end comes; keep what was raised, as a log would."""
    try:
        async with database.begin() as db:
            db.add(office("never"))
            await db.flush()
            raw = await (await db.connection()).get_raw_connection()
            connection = raw.driver_connection
            assert connection is not None
            await connection.create_function("pass_through", 1, gate.pass_through)
            await db.execute(text("SELECT pass_through(name) FROM offices"))
    except BaseException as error:
        kept.append(error)
        raise


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_one_who_is_stopped_in_the_middle_of_a_statement_lets_the_lock_go(database: Database, times: int) -> None:
    if database.dialect != "sqlite":
        return  # PostgreSQL ends the statement of a connection that is closed
    gate = Gate()
    kept: list[BaseException] = []
    async with asyncio.TaskGroup() as group:
        task = group.create_task(read_through(database, gate, kept))
        await gate.reached.wait()
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0.01)
        gate.open()
    await write(database, "after")
    await others_end()
    assert [type(error) for error in kept] == [asyncio.CancelledError]
    assert {"after", "never"} & await names(database) == {"after"}


async def test_one_who_is_stopped_while_it_connects_leaves_no_connection(database: Database) -> None:
    await database.engine.dispose()
    for steps in range(12):
        async with asyncio.TaskGroup() as group:
            task = group.create_task(read(database))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
        await others_end()
        await database.engine.dispose()
    await write(database, "after")


async def test_a_letter_is_done_or_due_again_whenever_its_carrier_is_stopped_twice(database: Database) -> None:
    """Stopped while it looks, takes, works, puts away: the letter never waits for a lease to run out."""
    taken: list[Letter] = []

    async def work(letter: Letter) -> None:
        taken.append(letter)
        await write(database, f"{letter.key}-{letter.attempt}")

    dispatcher = Dispatcher(database, {"playback": work}, clock=SystemClock())
    dice = random.Random(SEED)
    for turn in range(LETTERS):
        async with database.begin() as db:
            await put(db, "playback", {}, key=str(turn))
        async with asyncio.TaskGroup() as group:
            running = group.create_task(dispatcher.run())
            await asyncio.sleep(0.02 * turn / LETTERS)
            await stop_twice(running, dice)
        await dispatcher.deliver_due()
        async with database.read() as db:
            assert (await counts(db)).done == turn + 1, f"after {len(taken)} deliveries"
    await others_end()
