"""The office's keys, which sign the heads of the trail and the manifests of recordings.

Ed25519 (RFC 8032), or SM2 with SM3 (GB/T 32918) where commercial cryptography of that kind is prescribed. Which one it
is, the key file tells; nobody else need know.
"""

import hashlib
import os
from enum import StrEnum
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from records.sm2 import Sm2Private, Sm2Public, generate_sm2, read_sm2_private, read_sm2_public


class KeyUnreadable(Exception):
    """A file does not hold a key of the wanted kind."""


class Algorithm(StrEnum):
    """How the office signs."""

    ED25519 = "ed25519"
    SM2 = "sm2"


class VerifyKey:
    """The public half: enough to check every proof of the project."""

    def __init__(self, key: Ed25519PublicKey | Sm2Public) -> None:
        self._key = key
        raw = key.point if isinstance(key, Sm2Public) else key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = hashlib.sha256(raw).hexdigest()[:16]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a PEM file (SubjectPublicKeyInfo). Raises KeyUnreadable."""
        pem = path.read_bytes()
        sm2 = read_sm2_public(pem)
        if sm2 is not None:
            return cls(sm2)
        try:
            key = load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise KeyUnreadable(path.name) from error
        if not isinstance(key, Ed25519PublicKey):
            raise KeyUnreadable(path.name)
        return cls(key)

    def save(self, path: Path) -> None:
        """Write the key as PEM."""
        key = self._key
        if isinstance(key, Sm2Public):
            path.write_bytes(key.pem())
        else:
            path.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Tell whether this key's owner signed exactly `data`."""
        if isinstance(self._key, Sm2Public):
            return self._key.verify(signature, data)
        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


class SigningKey:
    """The private half; its file is readable by its owner alone."""

    def __init__(self, key: Ed25519PrivateKey | Sm2Private) -> None:
        self._key = key
        self.public = VerifyKey(key.public if isinstance(key, Sm2Private) else key.public_key())
        self.key_id = self.public.key_id

    @classmethod
    def generate(cls, algorithm: Algorithm = Algorithm.ED25519) -> Self:
        """Return a fresh key."""
        return cls(generate_sm2() if algorithm is Algorithm.SM2 else Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a PEM file (PKCS #8, unencrypted). Raises KeyUnreadable."""
        pem = path.read_bytes()
        sm2 = read_sm2_private(pem)
        if sm2 is not None:
            return cls(sm2)
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyUnreadable(path.name) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyUnreadable(path.name)
        return cls(key)

    def save(self, path: Path) -> None:
        """Write the key as PEM, mode 0600. Raises FileExistsError: a key that signed something is not overwritten."""
        key = self._key
        if isinstance(key, Sm2Private):
            pem = key.pem()
        else:
            pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())

    def sign(self, data: bytes) -> bytes:
        """Return the signature: 64 bytes of Ed25519, or SM2's in DER."""
        return self._key.sign(data)
