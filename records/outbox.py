"""Work to be done after a commit: written in the same transaction as the change that asks for it, done outside of it.

Delivery is at least once, so handlers are idempotent by `Letter.key`. A letter that failed `ATTEMPTS_MAX` times is left
in the state `failed`, counted, for a person to look at; nothing is retried for ever.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

from sqlalchemy import Index, String, Text, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from records.chain import canonical
from records.clock import Clock, SystemClock
from records.database import Base, Database, Json, stored_enum
from records.endings import carry_out, seen_through
from records.ids import new_id
from records.refusals import Refusal

log = logging.getLogger(__name__)

ATTEMPTS_MAX = 6
BACKOFF_S = (1, 5, 30, 120, 600)
"""How long to wait after the first, second... failed attempt."""
AT_ONCE = 4
"""How many letters are delivered at the same time."""
LEASE_S = 300
"""After this long a letter taken by a process that died is taken again."""
NOT_YET_S = 3.0
"""How long a letter whose time has not come is left."""
WAKE_S = 1.0


class LetterState(StrEnum):
    """Where a letter stands."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


class OutboxLetter(Base):
    """One piece of work. `due_at` moves forward while somebody works on it (lease) and after a failure (backoff)."""

    __tablename__ = "outbox_letters"

    id: Mapped[str] = mapped_column(String(32), primary_key=True, default=new_id)
    topic: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(128), unique=True)
    payload: Mapped[str] = mapped_column(Text)
    state: Mapped[LetterState] = mapped_column(stored_enum(LetterState), default=LetterState.WAITING)
    attempts: Mapped[int] = mapped_column(default=0)
    put_at: Mapped[datetime]
    due_at: Mapped[datetime]
    last_error: Mapped[str | None] = mapped_column(String(200))

    __table_args__ = (Index(None, "state", "due_at"),)


class NotYet(Exception):
    """A handler's: what the work waits for is still under way elsewhere, where it ends by itself; look again later.

    No failure: it counts as no attempt.
    """


@dataclass(frozen=True, slots=True)
class Letter:
    """What a handler gets. `attempt` counts from 1."""

    key: str
    topic: str
    payload: Mapping[str, Json]
    attempt: int


Handler: TypeAlias = Callable[[Letter], Awaitable[None]]


async def put(
    db: AsyncSession, topic: str, payload: Mapping[str, Json], *, key: str, clock: Clock | None = None
) -> None:
    """Ask for work after this transaction commits. A key that was put before changes nothing."""
    now = (clock or SystemClock()).now()
    insert = postgresql_insert if db.get_bind().dialect.name == "postgresql" else sqlite_insert
    letter = {"topic": topic, "key": key, "payload": canonical(payload).decode(), "put_at": now, "due_at": now}
    await db.execute(insert(OutboxLetter).values(letter).on_conflict_do_nothing(index_elements=["key"]))


@dataclass(frozen=True, slots=True)
class OutboxCounts:
    """How many letters stand in each state."""

    waiting: int
    done: int
    failed: int


async def counts(db: AsyncSession) -> OutboxCounts:
    """Count the letters by state."""
    rows = await db.execute(select(OutboxLetter.state, func.count()).group_by(OutboxLetter.state))
    by_state: dict[LetterState, int] = dict(rows.all())
    return OutboxCounts(*(by_state.get(state, 0) for state in LetterState))


@dataclass(frozen=True, slots=True)
class Standing:
    """How a letter stands. `last_error` is the kind of what went wrong last, if anything did."""

    state: LetterState
    last_error: str | None


async def standing_of(db: AsyncSession, key: str) -> Standing | None:
    """Return how a letter stands; None when it was never put."""
    letter = await db.scalar(select(OutboxLetter).where(OutboxLetter.key == key))
    return None if letter is None else Standing(letter.state, letter.last_error)


async def put_again(
    db: AsyncSession, topic: str, payload: Mapping[str, Json], *, key: str, clock: Clock | None = None
) -> None:
    """Ask for work anew after this transaction commits, also when it was done or failed; if it waits, it goes on so."""
    await put(db, topic, payload, key=key, clock=clock)
    over = update(OutboxLetter).where(OutboxLetter.key == key, OutboxLetter.state != LetterState.WAITING)
    now = (clock or SystemClock()).now()
    await db.execute(over.values(state=LetterState.WAITING, attempts=0, put_at=now, due_at=now, last_error=None))


def _worn_out(letter: OutboxLetter) -> bool:
    # Its last attempt neither succeeded nor failed: it took its process with it, and must not do so for ever.
    if letter.attempts < ATTEMPTS_MAX:
        return False
    letter.state, letter.last_error = LetterState.FAILED, "LeaseLost"
    log.error("outbox letter failed for good", extra={"topic": letter.topic, "key": letter.key, "error": "LeaseLost"})
    return True


def _lend(letter: OutboxLetter, now: datetime, lease_s: float) -> Letter:
    letter.attempts += 1
    letter.due_at = now + timedelta(seconds=lease_s)
    return Letter(letter.key, letter.topic, json.loads(letter.payload), letter.attempts)


class Dispatcher:
    """Delivers letters to handlers by topic. Run one `run()` per process in a TaskGroup; cancel it to stop.

    Only topics with a handler are taken, so that a process may serve some of them, and long work has a dispatcher of
    its own: `at_once` letters side by side, each for half of `lease_s` at most.
    """

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Handler],
        *,
        clock: Clock | None = None,
        at_once: int = AT_ONCE,
        lease_s: float = LEASE_S,
    ) -> None:
        self._database = database
        self._handlers = dict(handlers)
        self._clock = clock or SystemClock()
        self._at_once = at_once
        self._lease_s = lease_s
        self._news = asyncio.Event()

    def notify(self) -> None:
        """Say that a transaction with letters was committed; otherwise they are found within a second."""
        self._news.set()

    async def run(self) -> None:
        """Deliver for ever."""
        while True:
            self._news.clear()
            try:
                if await self.deliver_due() > 0:
                    continue
            except* (OSError, SQLAlchemyError, Refusal) as failed:
                # A database that cannot be written to, a full disk say: letters wait, and so do we.
                log.error("outbox could not be emptied: %s", [type(error).__name__ for error in failed.exceptions])
            try:
                async with asyncio.timeout(WAKE_S):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def reclaim(self) -> None:
        """Make every waiting letter due now. For the start of the only process: whoever held a lease is dead."""
        async with self._database.begin() as db:
            waiting = update(OutboxLetter).where(OutboxLetter.state == LetterState.WAITING)
            await db.execute(waiting.values(due_at=self._clock.now()))

    async def deliver_due(self) -> int:
        """Deliver due letters side by side, as many as may be; return how many were tried."""
        taken = await self._take_or_hand_back()
        async with asyncio.TaskGroup() as tasks:
            for letter_id, letter in taken:
                tasks.create_task(self._deliver(letter_id, letter))
        return len(taken)

    async def _take_or_hand_back(self) -> list[tuple[str, Letter]]:
        taking = asyncio.get_running_loop().create_task(self._take())
        try:
            return await seen_through(taking)
        except asyncio.CancelledError:
            if not taking.cancelled() and taking.exception() is None:
                await carry_out(self._hand_back(taking.result()))
            raise

    async def _hand_back(self, taken: list[tuple[str, Letter]]) -> None:
        for letter_id, _ in taken:
            await self._write(letter_id, {"due_at": self._clock.now()})

    async def _take(self) -> list[tuple[str, Letter]]:
        now = self._clock.now()
        due = (
            select(OutboxLetter)
            .where(
                OutboxLetter.state == LetterState.WAITING,
                OutboxLetter.due_at <= now,
                OutboxLetter.topic.in_(self._handlers),
            )
            .order_by(OutboxLetter.due_at)
            .limit(self._at_once)
        )
        async with self._database.read() as db:
            if await db.scalar(due.with_only_columns(OutboxLetter.id)) is None:
                return []  # the usual case: do not take the write lock every second for nothing
        async with self._database.begin() as db:
            letters = (await db.scalars(due.with_for_update(skip_locked=True))).all()
            return [(letter.id, _lend(letter, now, self._lease_s)) for letter in letters if not _worn_out(letter)]

    async def _deliver(self, letter_id: str, letter: Letter) -> None:
        try:
            # A handler that hangs must not outlive its lease, or the letter would be delivered twice at once.
            async with asyncio.timeout(self._lease_s / 2):
                await self._handlers[letter.topic](letter)
        except asyncio.CancelledError:
            # We are being stopped: hand the letter back.
            await self._settle(letter_id, due_at=self._clock.now())
            raise
        except NotYet as not_yet:
            due_at = self._clock.now() + timedelta(seconds=NOT_YET_S)
            attempts = letter.attempt - 1
            await self._settle(letter_id, due_at=due_at, attempts=attempts, last_error=type(not_yet).__name__)
        except Exception as error:
            # Whatever a handler raises, the other letters go on; this one is tried again or shown as failed.
            await self._failed(letter_id, letter, error)
        else:
            await self._settle(letter_id, state=LetterState.DONE, last_error=None)

    async def _failed(self, letter_id: str, letter: Letter, error: Exception) -> None:
        # The kind alone: messages of exceptions may carry personal data.
        kind = type(error).__name__
        if letter.attempt >= ATTEMPTS_MAX:
            log.error("outbox letter failed for good", extra={"topic": letter.topic, "key": letter.key, "error": kind})
            await self._settle(letter_id, state=LetterState.FAILED, last_error=kind)
            return
        log.warning("outbox letter failed", extra={"topic": letter.topic, "key": letter.key, "error": kind})
        wait_s = BACKOFF_S[min(letter.attempt, len(BACKOFF_S)) - 1]
        due_at = self._clock.now() + timedelta(seconds=wait_s)
        await self._settle(letter_id, due_at=due_at, last_error=kind)

    async def _settle(self, letter_id: str, **values: object) -> None:
        # To its end, also when we are stopped meanwhile: else the letter would wait for its lease to run out.
        await carry_out(self._write(letter_id, values))

    async def _write(self, letter_id: str, values: Mapping[str, object]) -> None:
        async with self._database.begin() as db:
            await db.execute(update(OutboxLetter).where(OutboxLetter.id == letter_id).values(**values))
