"""Connections to PostgreSQL whose making can be given up at any moment: no socket and no complaint stays behind.

The driver, cancelled while it connects, leaves a future with an error that nobody asks for, which the loop reports
much later. So connecting is seen through, for `CONNECT_S` at most, and a connection that nobody wants is cut.
"""

import asyncio
from typing import Protocol, cast

import asyncpg  # type: ignore[import-untyped]  # has no types

from records.endings import seen_through

CONNECT_S = 10.0


class Connection(Protocol):
    """What is needed here of the driver's connection."""

    def terminate(self) -> None:
        """Cut it, without waiting."""
        ...


async def connect(*address: object, **settings: object) -> Connection:
    """Return a connection; the arguments are those of `asyncpg.connect`. Raises as that does."""
    connecting = asyncio.get_running_loop().create_task(_connect(*address, **settings))
    try:
        return await seen_through(connecting)
    except asyncio.CancelledError:
        if not connecting.cancelled() and connecting.exception() is None:
            connecting.result().terminate()
        raise


async def _connect(*address: object, **settings: object) -> Connection:
    return cast(Connection, await asyncpg.connect(*address, timeout=CONNECT_S, **settings))
