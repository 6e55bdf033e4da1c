"""The house on each of the two databases."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.support.house import House, open_house


@pytest_asyncio.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    """A running house with the demonstration's people, case and hearing."""
    async with open_house(database_url, tmp_path / "house") as made:
        yield made
