"""Ed25519 keys (RFC 8032) that sign the heads of the trail and the manifests of recordings."""

import hashlib
import os
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)


class KeyUnreadable(Exception):
    """A file does not hold an Ed25519 key of the wanted kind."""


class VerifyKey:
    """The public half: enough to check every proof of the project."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = hashlib.sha256(raw).hexdigest()[:16]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a PEM file (SubjectPublicKeyInfo). Raises KeyUnreadable."""
        try:
            key = load_pem_public_key(path.read_bytes())
        except ValueError as error:
            raise KeyUnreadable(path.name) from error
        if not isinstance(key, Ed25519PublicKey):
            raise KeyUnreadable(path.name)
        return cls(key)

    def save(self, path: Path) -> None:
        """Write the key as PEM."""
        path.write_bytes(self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Tell whether this key's owner signed exactly `data`."""
        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """The private half; its file is readable by its owner alone."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = VerifyKey(key.public_key())
        self.key_id = self.public.key_id

    @classmethod
    def generate(cls) -> Self:
        """Return a fresh key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a PEM file (PKCS #8, unencrypted). Raises KeyUnreadable."""
        try:
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (ValueError, TypeError) as error:
            raise KeyUnreadable(path.name) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyUnreadable(path.name)
        return cls(key)

    def save(self, path: Path) -> None:
        """Write the key as PEM, mode 0600. Raises FileExistsError: a key that signed something is not overwritten."""
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())

    def sign(self, data: bytes) -> bytes:
        """Return the 64 bytes of signature."""
        return self._key.sign(data)
