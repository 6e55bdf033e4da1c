"""The master key wraps the keys that encrypt recordings and files; it encrypts nothing itself, so that it can change.

AES-256-GCM (NIST SP 800-38D) under a key derived from the master key (HKDF, RFC 5869). What is wrapped is bound to its
purpose: the key of one file cannot be put in another's place.
"""

import base64
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from records.chain import read_base64

KEY_BYTES = 32
_NONCE_BYTES = 12


class MasterKeyMissing(Exception):
    """A key was wrapped by a master key that is not at hand, or is damaged; the argument is the wanted one's id."""


class MasterKeys:
    """The current master key, by which everything new is wrapped, and those before it, which still open."""

    def __init__(self, current: bytes, before: Sequence[bytes] = ()) -> None:
        self._ciphers: dict[str, AESGCM] = {}
        for key in (current, *before):
            if len(key) != KEY_BYTES:
                raise ValueError(f"a master key has {KEY_BYTES} bytes, not {len(key)}")
            self._ciphers.setdefault(_derive(key, b"id")[:8].hex(), AESGCM(_derive(key, b"wrap")))
        self.current_id = next(iter(self._ciphers))

    @staticmethod
    def generate() -> bytes:
        """Return a fresh key."""
        return secrets.token_bytes(KEY_BYTES)

    def wrap(self, key: bytes, purpose: str) -> str:
        """Return a key wrapped by the current master key."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self.current_id].encrypt(nonce, key, purpose.encode())
        return base64.b64encode(nonce + sealed).decode()

    def unwrap(self, wrapped: str, master_id: str, purpose: str) -> bytes:
        """Return the key that `wrap` wrapped under `master_id`. Raises MasterKeyMissing."""
        cipher = self._ciphers.get(master_id)
        data = read_base64(wrapped)
        if cipher is None or data is None or len(data) <= _NONCE_BYTES:
            raise MasterKeyMissing(master_id)
        try:
            return cipher.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], purpose.encode())
        except InvalidTag as error:
            raise MasterKeyMissing(master_id) from error


def _derive(key: bytes, use: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"jiefang/master/1/" + use).derive(key)
