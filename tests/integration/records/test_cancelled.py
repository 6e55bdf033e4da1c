"""Whoever is stopped in the middle of a transaction, even twice, leaves no lock, no connection and no task behind."""

import asyncio
import gc
import itertools
import random
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Generator

import pytest
import pytest_asyncio
from sqlalchemy import select, text

from records.clock import SystemClock
from records.database import Database
from records.outbox import Dispatcher, Letter, counts, put
from records.personal import PersonalData
from sessions.tables import Office
from tests.support.database import PERSONAL_KEY

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
        db.add(office(f"{name}-too"))


async def read(database: Database, _name: str) -> None:
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


class Watched(Coroutine[object, object, None]):
    """A coroutine that says so whenever it waits for something."""

    def __init__(self, work: Coroutine[object, object, None], waits: Callable[[], None]) -> None:
        self._work = work
        self._waits = waits

    def send(self, value: object) -> object:
        """Go on; come back when it waits."""
        waited_for = self._work.send(value)
        self._waits()
        return waited_for

    def throw(self, *error: object) -> object:
        """Raise in it; come back when it waits all the same."""
        waited_for = self._work.throw(*error)  # type: ignore[call-overload]
        self._waits()
        return waited_for

    def close(self) -> None:
        """Give it up."""
        self._work.close()

    def __await__(self) -> Generator[object, object, None]:
        raise TypeError("it runs as a task")


class Stopper:
    """Runs something and cancels it where it waits for the `place`th time, there and at the waits after it.

    `everybody`: as a server that stops does, every task that the work has begun, too.
    """

    def __init__(self, place: int, times: int, *, everybody: bool) -> None:
        self._at = range(place, place + times)
        self._everybody = everybody
        self._waits = 0
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def reached(self) -> bool:
        """Whether it came as far as that."""
        return self._waits in self._at or self._waits >= self._at.stop

    async def run(self, work: Coroutine[object, object, None]) -> BaseException | None:
        """Run it; return what it raised."""
        loop = asyncio.get_running_loop()
        loop.set_task_factory(self._task)
        try:
            self._tasks.append(asyncio.Task(Watched(work, self._waited), loop=loop))
            return (await asyncio.gather(self._tasks[0], return_exceptions=True))[0]
        finally:
            loop.set_task_factory(None)

    def _task(self, loop: asyncio.AbstractEventLoop, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        self._tasks.append(asyncio.Task(Watched(work, self._waited), loop=loop))
        return self._tasks[-1]

    def _waited(self) -> None:
        self._waits += 1
        if self._waits in self._at:
            for task in self._tasks if self._everybody else self._tasks[:1]:
                task.cancel()


async def stopped_at_every_place(
    database: Database, work: Callable[[Database, str], Coroutine[object, object, None]], *, times: int, everybody: bool
) -> int:
    """Stop it where it waits first, then where it waits next, to its end; return in how many places that was."""
    for place in itertools.count(1):
        name = f"{work.__name__}-{times}-{everybody}-{place}"
        stopper = Stopper(place, times, everybody=everybody)
        raised = await stopper.run(work(database, name))
        assert raised is None or isinstance(raised, asyncio.CancelledError), (name, raised)
        await others_end()
        assert database.engine.pool.checkedout() == 0, name  # type: ignore[attr-defined]
        async with database.begin() as db:  # the lock is free
            kept = set(await db.scalars(select(Office.name).where(Office.name.startswith(name))))
        assert kept in (set(), {name, f"{name}-too"}), name
        if not stopper.reached:
            return place - 1
    raise AssertionError("it never ends")


@pytest.mark.parametrize("everybody", [False, True], ids=["alone", "with-everybody"])
@pytest.mark.parametrize("times", [1, 2])
async def test_one_who_is_stopped_wherever_it_waits_keeps_all_or_nothing_and_no_lock(
    database: Database, times: int, everybody: bool
) -> None:
    assert await stopped_at_every_place(database, write, times=times, everybody=everybody) >= 6
    if times == 1:
        assert await stopped_at_every_place(database, read, times=times, everybody=everybody) >= 3


@pytest.mark.parametrize("times", [1, 2])
async def test_one_who_is_stopped_wherever_it_waits_for_its_connection_leaves_none(
    database: Database, times: int
) -> None:
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    for place in itertools.count(1):
        await database.engine.dispose()
        stopper = Stopper(place, times, everybody=False)
        await stopper.run(read(database, ""))
        await others_end()
        if not stopper.reached:
            break
    gc.collect()  # what was left behind complains when it goes
    assert complaints == []
    await write(database, "after")


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
