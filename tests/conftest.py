"""Fixtures for every test. Each comes from a module of `tests.support`."""

from hypothesis import settings

from tests.support.database import (  # noqa: F401
    database,
    database_url,
    postgresql,
    postgresql_url,
    sqlite_template,
)
from tests.support.media_loop import pytest_asyncio_loop_factories  # noqa: F401

# On a busy machine an example may take long without being wrong.
settings.register_profile("house", deadline=None)
settings.load_profile("house")
