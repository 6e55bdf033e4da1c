"""A morning at two offices, and a hearing booked for it."""

import pytest
import pytest_asyncio

from records.clock import FixedClock
from records.database import Database
from tests.support.people import MORNING, Hearing, book_hearing, open_offices


@pytest.fixture
def clock() -> FixedClock:
    """Nine in the morning of the hearing's day."""
    return FixedClock(MORNING)


@pytest_asyncio.fixture
async def offices(database: Database) -> None:
    """Both offices exist."""
    await open_offices(database)


@pytest_asyncio.fixture
async def hearing(database: Database, offices: None, clock: FixedClock) -> Hearing:
    """高秀兰's hearing at ten, hosted by 王立, with 刘芳 at the far end."""
    return await book_hearing(database, clock)
