"""A media process, spoken to over its socket: it never outlives its hub."""

import asyncio
import socket
import sys

import pytest

from signaling.media.wire import Listen, Request, hub_line

PATIENCE_S = 60


@pytest.mark.parametrize("asked", [True, False], ids=["asked to listen", "asked nothing"])
async def test_a_process_whose_hub_is_gone_before_it_has_begun_ends(asked: bool) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "signaling.media.process", str(theirs.fileno()), pass_fds=[theirs.fileno()]
        )
    line = await hub_line(ours)
    if asked:
        line.send(Request(0, Listen(("127.0.0.1",), 0, 1 << 20)))
    await line.close()
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
