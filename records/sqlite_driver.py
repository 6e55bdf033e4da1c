"""Connections to SQLite that can be given up at any moment: nothing is torn half-way, no lock stays behind.

The driver runs each call in a thread. A cancelled waiter would leave the call running there, and SQLite keeps a closed
connection, with its transaction and its write lock, for as long as somebody holds a cursor of it: a cancelled statement
whose exception is still being logged has locked everybody out for that long.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import aiosqlite

from records.endings import seen_through

_T = TypeVar("_T")

CHUNK_ROWS = 64


class Connection(aiosqlite.Connection):
    """A connection whose calls are seen through, and whose end undoes what it had begun."""

    _ended: "asyncio.Future[object] | None" = None

    async def _execute(self, fn: Callable[..., _T], *args: object, **kwargs: object) -> _T:
        if not self._running or not self._connection:
            raise ValueError("Connection closed")  # the driver's own word for it; SQLAlchemy knows it
        done: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((done, partial(fn, *args, **kwargs)))
        return await seen_through(done)

    async def _connect(self) -> "Connection":
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((opened, self._open))
        try:
            await seen_through(opened)
        except BaseException:
            self.stop()
            raise
        return self

    def _open(self) -> None:
        self._connection = self._connector()

    def stop(self) -> "asyncio.Future[object] | None":
        """Have the thread undo what is open, close and end; a second time only tells of the first."""
        if self._running:
            self._tx.put_nowait((None, self._undo))
            self._ended = super().stop()
        return self._ended

    def _undo(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            self._connection.rollback()

    async def close(self) -> None:
        """Close, and wait until it is done."""
        ended = self.stop()
        if ended is not None:
            await seen_through(ended)


def connect(database: str, **settings: object) -> Connection:
    """Return what becomes a connection when awaited; the arguments are those of `sqlite3.connect`."""
    made = Connection(partial(sqlite3.connect, database, **settings), CHUNK_ROWS)
    made._thread.daemon = True  # a server that has to end does not wait for a disk that hangs
    return made
