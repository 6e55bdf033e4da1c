"""Write the next migration: `python -m tools.make_migration "message"`, through `make migration MESSAGE=...`.

Compares an empty database that got every migration so far with the tables of all packages.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

# Each of these adds its tables to the metadata.
import aid.tables  # noqa: F401
import records.outbox
import records.trail  # noqa: F401
import sessions.tables  # noqa: F401
import web.accounts.tables  # noqa: F401
from records.database import Base
from records.migrations import generate


def main() -> None:
    """Write one script and say where."""
    with tempfile.TemporaryDirectory() as scratch:
        url = f"sqlite+aiosqlite:///{Path(scratch) / 'scratch.db'}"
        print(asyncio.run(generate(url, Base.metadata, " ".join(sys.argv[1:]) or "change")))


if __name__ == "__main__":
    main()
