"""Where files derived from recordings lie: one directory a session, every file sealed under the session's own key.

`session.key` in that directory is not the journal's: either may be deleted without the other. What is in the making
lies below `MAKING` in clear; after a crash, nobody needs it, and `sweep` takes it away.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from records.master_keys import MasterKeys
from records.sealed_files import open_sealed, seal_file
from records.session_keys import (
    SESSION_KEY,
    SessionKey,
    SessionKeyUnreadable,
    ensure_session_key,
    load_session_key,
    public_half,
    rewrap_session_key,
)
from records.signing import SigningKey

SEALED = ".sealed"
"""What a file's name ends with on the disk."""
MAKING = ".making"


def open_with_key(root: Path, path: str, key: SessionKey) -> BinaryIO:
    """Open a session's file with its key alone, or as it lies. Blocking.

    Raises OSError, SealedFileDamaged (also while reading).
    """
    try:
        return open_sealed(root / f"{path}{SEALED}", key, path.partition("/")[0])
    except FileNotFoundError:
        return (root / path).open("rb")


@dataclass(frozen=True, slots=True)
class Shelf:
    """The derived files below `root`, named `<session>/<name>`."""

    root: Path
    master: MasterKeys

    def place(self, path: str) -> Path:
        """Return where a file lies."""
        return self.root / f"{path}{SEALED}"

    def holds(self, path: str) -> bool:
        """Tell whether there is such a file."""
        return self.place(path).exists() or (self.root / path).exists()

    def version(self, path: str) -> str:
        """Return what changes whenever a file is made again; "" when there is none."""
        place = self.place(path) if self.place(path).exists() else self.root / path
        return f"{place.stat().st_mtime_ns:x}" if place.exists() else ""

    def open(self, path: str) -> BinaryIO:
        """Open a file for reading, at any place. Blocking.

        A file from before derived files were sealed is read as it lies, until `seal_leftovers` comes by. Raises
        OSError, SealedFileDamaged (also while reading), SessionKeyUnreadable, MasterKeyMissing.
        """
        if not self.place(path).exists():
            return (self.root / path).open("rb")
        session_id = path.partition("/")[0]
        return open_with_key(self.root, path, self.key(session_id))

    def key(self, session_id: str) -> SessionKey:
        """Return the key that opens a session's files. Raises SessionKeyUnreadable, MasterKeyMissing."""
        key = load_session_key(self.root / session_id, self.master)
        if key is None:
            raise SessionKeyUnreadable(session_id)
        return key

    def prepare(self, session_id: str, key: SigningKey) -> bytes:
        """Make a session's key when it has none; return the public half, for `seal_file`. Blocking. Raises OSError."""
        ensure_session_key(self.root / session_id, session_id, self.master, key)
        public = public_half(self.root / session_id)
        if public is None:
            raise SessionKeyUnreadable(session_id)
        return public

    @contextmanager
    def making(self) -> Iterator[Path]:
        """Give a directory for what is in the making; it is gone afterwards. Raises OSError."""
        (self.root / MAKING).mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=self.root / MAKING) as directory:
            yield Path(directory)

    def sweep(self) -> None:
        """Take away what a crash left unfinished. For the start of the only process. Blocking."""
        shutil.rmtree(self.root / MAKING, ignore_errors=True)
        for part in self.root.glob("*/*.part"):
            part.unlink()

    def seal_leftovers(self, key: SigningKey) -> Iterator[str]:
        """Seal what lies in clear from before, one file at a time; yield each one's name. Blocking. Raises OSError."""
        for path in sorted(self.root.glob("*/*")):
            if path.suffix not in (".webm", ".mp4"):
                continue
            session_id = path.parent.name
            with path.open("rb") as file:
                seal_file(file, self.place(f"{session_id}/{path.name}"), self.prepare(session_id, key), session_id)
            path.unlink()
            yield f"{session_id}/{path.name}"

    def rewrap(self, key: SigningKey) -> int:
        """Wrap every session's key by the current master key; return how many were not yet. Blocking.

        Raises SessionKeyUnreadable, MasterKeyMissing, OSError.
        """
        sessions = sorted(self.root.glob(f"*/{SESSION_KEY}"))
        return sum(rewrap_session_key(path.parent, self.master, key) for path in sessions)
