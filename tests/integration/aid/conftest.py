"""The furnished world of the money tests."""

from pathlib import Path

import pytest_asyncio

from records.database import Database
from tests.integration.aid.world import World, build_world


@pytest_asyncio.fixture
async def world(database: Database, tmp_path: Path) -> World:
    """An office with its people and a fund of 1,200,000 yuan."""
    made = build_world(database, tmp_path / "vault")
    await made.furnish()
    return made
