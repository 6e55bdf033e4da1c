"""Fixtures for every test. Each comes from a module of `tests.support`."""

from tests.support.database import (  # noqa: F401
    database,
    database_url,
    postgresql,
    postgresql_template,
    sqlite_template,
)
