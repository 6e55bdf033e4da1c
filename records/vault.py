"""A store of bytes named by their SHA-256: stills, signatures, bank files, manifests.

What is put is durable before `put` returns (temporary file, fsync, rename, fsync of the directory), never changes, and
is checked whenever it is read.

A vault with a `Strongbox` encrypts: each file under a key of its own (AES-256-GCM), which lies beside it, wrapped by
the master key, in `<SHA-256>.key`. A file keeps the name of what it holds, because that is what the trail, receipts and
other people's copies name. So that a stranger without any secret can still check it, `<SHA-256>.key` also names the
digest of the encrypted bytes, and the office signs the two together.
"""

import asyncio
import fcntl
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from records.master_keys import MasterKeyMissing, MasterKeys
from records.seals import fields_hold, read_fields, sign_fields
from records.signing import SigningKey, VerifyKey

_DIGEST = re.compile(r"[0-9a-f]{64}")
_KEY_SUFFIX = ".key"
_FORM = "jiefang-vault-key-1"
_PURPOSE = "jiefang/vault-key/1"
_NAMES = frozenset({"form", "digest", "sealed", "wrapped", "master", "key_id", "signature"})
_NONCE_BYTES = 12


class VaultDamaged(Exception):
    """What a digest names is missing, or is not what the digest says.

    `reason` is `missing`, `changed`, or `key_missing` (it cannot be opened with the master key at hand).
    """

    def __init__(self, digest: str, reason: str) -> None:
        super().__init__(digest, reason)
        self.digest = digest
        self.reason = reason


class Strongbox:
    """What a vault encrypts with: the master key, and the office's key that vouches for what was encrypted."""

    def __init__(self, master: MasterKeys, key: SigningKey) -> None:
        self._master = master
        self._key = key

    def seal(self, digest: str, data: bytes) -> tuple[bytes, bytes]:
        """Return the encrypted bytes and the key file of a file."""
        key = secrets.token_bytes(32)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        body = nonce + AESGCM(key).encrypt(nonce, data, digest.encode())
        return body, self._key_file(digest, hashlib.sha256(body).hexdigest(), key)

    def open(self, digest: str, body: bytes, key_file: bytes) -> bytes:
        """Return what was sealed. Raises VaultDamaged: `changed`, or `key_missing` (the master key is another)."""
        fields = _key_fields(digest, key_file)
        if fields is None:
            raise VaultDamaged(digest, "changed")
        try:
            key = self._master.unwrap(fields["wrapped"], fields["master"], _wrap_purpose(digest))
            return AESGCM(key).decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], digest.encode())
        except MasterKeyMissing as error:
            raise VaultDamaged(digest, "key_missing") from error
        except (InvalidTag, ValueError) as error:
            raise VaultDamaged(digest, "changed") from error

    def rewrapped(self, digest: str, key_file: bytes) -> bytes | None:
        """Return the key file under the current master key; None when it is already. Raises VaultDamaged."""
        fields = _key_fields(digest, key_file)
        if fields is None:
            raise VaultDamaged(digest, "changed")
        if fields["master"] == self._master.current_id:
            return None
        try:
            key = self._master.unwrap(fields["wrapped"], fields["master"], _wrap_purpose(digest))
        except MasterKeyMissing as error:
            raise VaultDamaged(digest, "key_missing") from error
        return self._key_file(digest, fields["sealed"], key)

    def _key_file(self, digest: str, sealed: str, key: bytes) -> bytes:
        wrapped = self._master.wrap(key, _wrap_purpose(digest))
        fields = {
            "form": _FORM,
            "digest": digest,
            "sealed": sealed,
            "wrapped": wrapped,
            "master": self._master.current_id,
        }
        return sign_fields(_PURPOSE, fields, self._key)


class Vault:
    """A vault below one directory; two levels, so that no directory grows without end."""

    def __init__(self, root: Path, strongbox: Strongbox | None = None) -> None:
        self._root = root
        self._strongbox = strongbox

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
        data, key_file = self._files(digest)
        if key_file is not None:
            if self._strongbox is None:
                raise VaultDamaged(digest, "key_missing")
            data = self._strongbox.open(digest, data, key_file)
        if hashlib.sha256(data).hexdigest() != digest:
            raise VaultDamaged(digest, "changed")
        return data

    def check(self, digest: str, key: VerifyKey) -> None:
        """Check what lies there with the office's public key alone, blocking. Raises VaultDamaged."""
        data, key_file = self._files(digest)
        found = hashlib.sha256(data).hexdigest()
        if key_file is None:
            if found != digest:
                raise VaultDamaged(digest, "changed")
            return
        fields = _key_fields(digest, key_file)
        if fields is None or fields["sealed"] != found or not fields_hold(_PURPOSE, fields, key):
            raise VaultDamaged(digest, "changed")

    def rewrap(self) -> int:
        """Wrap every key by the current master key; return how many were not yet. Blocking. Raises VaultDamaged."""
        if self._strongbox is None:
            return 0
        count = 0
        for path in sorted(self._root.glob(f"??/*{_KEY_SUFFIX}")):
            rewrapped = self._strongbox.rewrapped(path.name.removesuffix(_KEY_SUFFIX), path.read_bytes())
            if rewrapped is not None:
                write_durably(path, rewrapped)
                count += 1
        return count

    def delete(self, digest: str) -> None:
        """Delete a file, its key first: without it, the rest tells nothing. Blocking; again changes nothing."""
        path = self.path(digest)
        if not path.parent.exists():
            return
        with _alone(path.parent):
            _key_path(path).unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            sync_directory(path.parent)

    def _files(self, digest: str) -> tuple[bytes, bytes | None]:
        path = self.path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise VaultDamaged(digest, "missing") from error
        try:
            return data, _key_path(path).read_bytes()
        except FileNotFoundError:
            return data, None

    def _put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        path = self.path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path.parent):
            try:
                if self.read(digest) == data:
                    return digest
            except VaultDamaged:
                pass  # not there, or not whole: laid in anew
            if self._strongbox is None:
                _key_path(path).unlink(missing_ok=True)
                write_durably(path, data)
            else:
                body, key_file = self._strongbox.seal(digest, data)
                write_durably(_key_path(path), key_file)
                write_durably(path, body)
        return digest


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Let one writer at a time, of whatever process, lay in a file and its key."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _key_path(path: Path) -> Path:
    return path.with_name(path.name + _KEY_SUFFIX)


def _wrap_purpose(digest: str) -> str:
    return f"{_PURPOSE}/{digest}"


def _key_fields(digest: str, key_file: bytes) -> dict[str, str] | None:
    fields = read_fields(key_file)
    if fields is None or fields.keys() != _NAMES or fields["form"] != _FORM or fields["digest"] != digest:
        return None
    return fields


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
