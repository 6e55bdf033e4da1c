"""Seeing something through: what must not be left half-way when whoever waits for it is stopped."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

_T = TypeVar("_T")


async def seen_through(under_way: "asyncio.Future[_T]") -> _T:
    """Wait until it is done, however often we are cancelled meanwhile; only then let the cancellation go on."""
    cancelled: asyncio.CancelledError | None = None
    while not under_way.done():
        try:
            await asyncio.wait({under_way})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not under_way.cancelled():
            under_way.exception()  # nobody is left to be told
        raise cancelled
    return under_way.result()


async def carry_out(work: Coroutine[object, object, _T]) -> _T:
    """Do something to its end in a task of its own, however often we are cancelled meanwhile."""
    return await seen_through(asyncio.get_running_loop().create_task(work))
