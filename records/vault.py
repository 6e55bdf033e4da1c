"""A store of bytes named by their SHA-256: stills, signatures, bank files, manifests.

What is put is durable before `put` returns (temporary file, fsync, rename, fsync of the directory), never changes, and
is checked whenever it is read.
"""

import asyncio
import hashlib
import os
import re
import tempfile
from pathlib import Path

_DIGEST = re.compile(r"[0-9a-f]{64}")


class VaultDamaged(Exception):
    """What a digest names is missing, or is not what the digest says. `reason` is `missing` or `changed`."""

    def __init__(self, digest: str, reason: str) -> None:
        super().__init__(digest, reason)
        self.digest = digest
        self.reason = reason


class Vault:
    """A vault below one directory; two levels, so that no directory grows without end."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, digest: str) -> Path:
        """Return where the bytes of a digest lie. Raises ValueError for anything but 64 hexadecimal characters."""
        if not _DIGEST.fullmatch(digest):
            raise ValueError("not a SHA-256 digest")
        return self._root / digest[:2] / digest

    async def put(self, data: bytes) -> str:
        """Store bytes durably; return their SHA-256. Storing the same bytes again changes nothing."""
        return await asyncio.to_thread(self._put, data)

    async def get(self, digest: str) -> bytes:
        """Return the bytes of a digest. Raises VaultDamaged."""
        return await asyncio.to_thread(self.read, digest)

    def read(self, digest: str) -> bytes:
        """Return the bytes of a digest, blocking. Raises VaultDamaged."""
        try:
            data = self.path(digest).read_bytes()
        except FileNotFoundError as error:
            raise VaultDamaged(digest, "missing") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise VaultDamaged(digest, "changed")
        return data

    def _put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        path = self.path(digest)
        if path.exists() and path.stat().st_size == len(data):
            return digest
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, data)
        return digest


def write_durably(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, and have it on the disk before returning. Blocking."""
    descriptor, temporary = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o640)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable: a rename alone may be lost at a power cut. Blocking."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
