"""A segment of a journal while it is being written."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path


class SegmentFile:
    """One segment being written, with its running digest.

    `append` writes, `confirm` makes sure: what was appended since the last `confirm` may have to be written once more,
    because a system that could not write a page forgets it all the same (fsync fails once, then says that all is well).
    """

    def __init__(self, directory: Path, name: str, start: bytes, *, again: bool = False) -> None:
        """Start a file with `start`; `again`: a try before, which failed, may have left one of this name."""
        self.path = directory / name
        self._start = start
        if again:
            self.path.unlink(missing_ok=True)
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        self._size = 0
        self._digest = hashlib.sha256()
        self.confirmed_bytes = 0
        self._confirmed_digest = self._digest.copy()
        self._behind = False
        try:
            self._write(start)
            directory_fd = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(directory_fd)
            finally:
                os.close(directory_fd)
        except OSError:
            # The same number is tried again by the next flush; nobody has seen this file yet.
            os.close(self._fd)
            with suppress(OSError):
                self.path.unlink()
            raise

    def append(self, data: bytes) -> None:
        """Write all of `data`, or nothing of it and raise OSError."""
        self._cut()
        self._write(data)

    def _cut(self) -> None:
        """Cut off what a write that failed, or that was not confirmed, has left behind."""
        if not self._behind:
            return
        os.ftruncate(self._fd, self._size)
        self._behind = False
        if not self._size:
            self._write(self._start)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        written = 0
        try:
            while written < len(view):
                written += os.write(self._fd, view[written:])
        except OSError:
            # Cut off before the next try: a disk that refuses to write may refuse this too.
            self._behind = True
            raise
        self._size += len(data)
        self._digest.update(data)

    def confirm(self) -> None:
        """Wait until everything appended is on the disk, at the place where it will be looked for.

        Raises OSError; FileNotFoundError when the file is not there any more: deleted, moved, or its volume gone.
        """
        self._cut()
        os.fdatasync(self._fd)
        if not os.path.samestat(self.path.stat(), os.fstat(self._fd)):
            raise FileNotFoundError(f"another file has taken the place of {self.path.name}")
        self.confirmed_bytes = self._size
        self._confirmed_digest = self._digest.copy()

    def go_back(self) -> None:
        """Forget what was appended since the last `confirm`: it will be appended again."""
        self._behind = True
        self._size = self.confirmed_bytes
        self._digest = self._confirmed_digest.copy()

    @property
    def confirmed_digest(self) -> str:
        """The SHA-256 of what was confirmed."""
        return self._confirmed_digest.hexdigest()

    def close(self) -> None:
        """Close as it is."""
        os.close(self._fd)
