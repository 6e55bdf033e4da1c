"""Write the next migration script: what the tables in the code have, and the migrations do not yet make.

Usage: python tools/migration.py "what changes". Read what it wrote before committing it.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from records.migrations import generate
from web.tables import METADATA


def main() -> None:
    """Compare against a database that has every migration, and write the difference."""
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite+aiosqlite:///{Path(directory) / 'empty.sqlite'}"
        print(asyncio.run(generate(url, METADATA, " ".join(sys.argv[1:]) or "changes")))


if __name__ == "__main__":
    main()
