"""Large files encrypted as they lie on the disk, of which any part can be read alone: what is derived from a recording.

A file is a head and then its content in chunks of `CHUNK_BYTES`, the last of them shorter. Each chunk is sealed with
AES-256-GCM under a key that only this file has, with its number as the nonce; each vouches for the head and so for the
file's length. The head encloses the file's key for a session's public key (`records.session_keys`): whoever writes
needs no secret, and another master key leaves the file as it is.
"""

import io
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from records.session_keys import SessionKey, new_data_key
from records.vault import sync_directory

CHUNK_BYTES = 1 << 16
_FORM = b"jfsealed"
_HEAD = struct.Struct(">8s80sQ")
_TAG_BYTES = 16
_USE = "sealed-file/1"


class SealedFileDamaged(Exception):
    """A file is no sealed file, was changed or cut, or was sealed for another session; its name is the argument."""


def seal_file(source: BinaryIO, target: Path, public: bytes, owner: str) -> None:
    """Write what `source` holds, from its beginning, into `target`: whole and durable, or not at all. Blocking.

    `public` and `owner`: the public half and the name of the session whose key opens it. Raises OSError.
    """
    size = source.seek(0, os.SEEK_END)
    source.seek(0)
    key = new_data_key(public, owner, use=_USE)
    head = _HEAD.pack(_FORM, bytes.fromhex(key.enclosed), size)
    part = target.with_name(f"{target.name}.part")
    try:
        with part.open("wb") as file:
            file.write(head)
            for number in range(_chunks(size)):
                content = source.read(CHUNK_BYTES)
                file.write(key.cipher.encrypt(_nonce(number), content, head))
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o640)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    sync_directory(target.parent)


def open_sealed(path: Path, key: SessionKey, owner: str) -> BinaryIO:
    """Open a sealed file for reading, at any place. Raises OSError, SealedFileDamaged, also while reading."""
    return io.BufferedReader(_SealedReader(path, lambda enclosed: key.opener(owner, enclosed, use=_USE)), CHUNK_BYTES)


class _SealedReader(io.RawIOBase):
    """What a sealed file holds, as a file; keeps one opened chunk."""

    def __init__(self, path: Path, opener: Callable[[str], AESGCM | None]) -> None:
        super().__init__()
        self._file = path.open("rb")
        self._name = path.name
        self._head = self._file.read(_HEAD.size)
        if len(self._head) != _HEAD.size:
            raise self._damaged()
        form, enclosed, self._size = _HEAD.unpack(self._head)
        cipher = opener(enclosed.hex()) if form == _FORM else None
        lies = self._file.seek(0, os.SEEK_END)
        if cipher is None or lies != _HEAD.size + self._size + _chunks(self._size) * _TAG_BYTES:
            raise self._damaged()
        self._cipher = cipher
        self._position = 0
        self._opened: tuple[int, bytes] = (-1, b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("before the beginning")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # any writable buffer
        if self._position >= self._size or not len(buffer):
            return 0
        number, offset = divmod(self._position, CHUNK_BYTES)
        piece = self._chunk(number)[offset : offset + len(buffer)]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

    def _chunk(self, number: int) -> bytes:
        if self._opened[0] != number:
            self._file.seek(_HEAD.size + number * (CHUNK_BYTES + _TAG_BYTES))
            sealed = self._file.read(min(CHUNK_BYTES, self._size - number * CHUNK_BYTES) + _TAG_BYTES)
            try:
                self._opened = number, self._cipher.decrypt(_nonce(number), sealed, self._head)
            except (InvalidTag, ValueError) as error:
                raise SealedFileDamaged(self._name) from error
        return self._opened[1]

    def _damaged(self) -> SealedFileDamaged:
        self._file.close()
        return SealedFileDamaged(self._name)


def _chunks(size: int) -> int:
    return -(-size // CHUNK_BYTES)


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")
