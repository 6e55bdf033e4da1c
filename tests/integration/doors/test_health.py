"""What whoever watches over the server is told."""

import asyncio
import os
import signal

import pytest

from signaling.media import crew
from tests.support.house import House
from web.keys import MEDIA


async def test_a_house_without_a_media_worker_is_not_well_until_the_next_runs(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "START_WAITS_S", (1.0,))
    visitor = house.visitor()
    well = await visitor.get("/healthz", as_json=True)
    assert (well.status, well.json["media_workers"]) == (200, 1)
    (worker,) = house.server.app[MEDIA].workers
    os.kill(worker.pid, signal.SIGKILL)
    seen = []
    async with asyncio.timeout(30):
        while not seen or seen[-1] != 200 or 503 not in seen:
            seen.append((await visitor.get("/healthz", as_json=True)).status)
    assert house.server.app[MEDIA].workers[0].pid != worker.pid
