"""A segment of a journal while it is being written."""

import hashlib
import os
from pathlib import Path


class SegmentFile:
    """One segment being written, with its running digest. A write that fails half-way is taken back."""

    def __init__(self, directory: Path, name: str, start: bytes) -> None:
        path = directory / name
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
        self._size = 0
        self._digest = hashlib.sha256()
        try:
            self.append(start)
            directory_fd = os.open(directory, os.O_RDONLY)
            try:
                os.fsync(directory_fd)
            finally:
                os.close(directory_fd)
        except OSError:
            # The same number is tried again by the next flush; nobody has seen this file yet.
            os.close(self._fd)
            path.unlink(missing_ok=True)
            raise

    def append(self, data: bytes) -> None:
        """Write all of `data`, or nothing of it and raise OSError."""
        view = memoryview(data)
        written = 0
        try:
            while written < len(view):
                written += os.write(self._fd, view[written:])
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise
        self._size += len(data)
        self._digest.update(data)

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        os.fdatasync(self._fd)

    def give_up(self) -> None:
        """Close as it is."""
        os.close(self._fd)

    def finish(self) -> str:
        """Sync, close and return the digest."""
        self.sync()
        os.close(self._fd)
        return self._digest.hexdigest()
