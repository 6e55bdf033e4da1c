"""The media plane that people meet in: with the express lane, or by both ways one after the other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.media.peers import Plane, open_plane


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    """The media plane as it is."""
    plane = await open_plane(tmp_path / "journal")
    yield plane
    await plane.worker.stop()


@pytest.fixture
async def plain_plane(tmp_path: Path) -> AsyncIterator[Plane]:
    """The media plane without the express lane."""
    plane = await open_plane(tmp_path / "journal", plainly=True)
    yield plane
    await plane.worker.stop()


@pytest.fixture(params=["express", "plain"])
async def way(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Plane]:
    """The media plane with the express lane, then without."""
    plane = await open_plane(tmp_path / "journal", plainly=request.param == "plain")
    yield plane
    await plane.worker.stop()
