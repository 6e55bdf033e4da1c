"""The crash run in short: one worker and one server killed in a live hearing, in the real server's processes."""

from pathlib import Path

import pytest

from tests.load.crash_house import House
from tests.load.crash_media import run


@pytest.mark.timeout(180)
async def test_a_killed_worker_and_a_killed_server_cost_little_and_nobody_does_anything(
    tmp_path: Path,
) -> None:
    house = House(tmp_path / "var")
    outcome = await run(house, rounds=2, count=1)
    assert outcome["rounds"] == 2, house.demo.log()
    assert (outcome["journals_broken"], outcome["whole"]) == (0, True), house.demo.log()
    # `make crash-media` holds it to one, on a machine that has nothing else to do.
    assert outcome["seconds_lost_max"] <= 3
