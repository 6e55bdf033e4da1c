"""All tables of the house in one metadata, for the migrations and for the tests."""

from sqlalchemy import MetaData

import aid.tables
import records.outbox
import records.trail
import sessions.tables
import web.accounts.tables
from records.database import Base

__all__ = ["METADATA", "TABLE_MODULES"]

# Importing a module of tables enters them into the metadata.
TABLE_MODULES = (records.trail, records.outbox, sessions.tables, aid.tables, web.accounts.tables)
METADATA: MetaData = Base.metadata
