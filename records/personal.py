"""Personal data: concealed at rest, compared by keyed fingerprint, masked on screens (PIPL Art 28, 51).

`conceal` uses AES-256-GCM with a random nonce (NIST SP 800-38D), `fingerprint` HMAC-SHA-256; both keys are derived from
the one personal key (HKDF, RFC 5869), so that a fingerprint tells nothing about the other.
"""

import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy.ext.asyncio import AsyncSession

KEY_BYTES = 32
_NONCE_BYTES = 12
_FORM = b"\x01"
_PURPOSE = b"jiefang/personal/1"


class PersonalDataDamaged(Exception):
    """A concealed value was changed, or was concealed under another key."""


class PersonalData:
    """Conceals, reveals and fingerprints personal data under one key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a personal key has {KEY_BYTES} bytes, not {len(key)}")
        self._cipher = AESGCM(_derive(key, b"conceal"))
        self._mac_key = _derive(key, b"fingerprint")

    @staticmethod
    def generate_key() -> bytes:
        """Return a fresh key."""
        return secrets.token_bytes(KEY_BYTES)

    def conceal(self, text: str) -> bytes:
        """Encrypt a text: one byte of form, the nonce, the sealed text. Equal texts conceal differently."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _FORM + nonce + self._cipher.encrypt(nonce, text.encode(), _PURPOSE)

    def reveal(self, blob: bytes) -> str:
        """Decrypt what `conceal` made. Raises PersonalDataDamaged."""
        form, nonce, sealed = blob[:1], blob[1 : 1 + _NONCE_BYTES], blob[1 + _NONCE_BYTES :]
        if form != _FORM or len(nonce) != _NONCE_BYTES:
            raise PersonalDataDamaged("not a concealed value")
        try:
            return self._cipher.decrypt(nonce, sealed, _PURPOSE).decode()
        except InvalidTag as error:
            raise PersonalDataDamaged("changed, or concealed under another key") from error

    def fingerprint(self, text: str) -> str:
        """Return 64 hexadecimal characters that are equal for equal texts, and useless without the key."""
        return hmac.new(self._mac_key, text.encode(), hashlib.sha256).hexdigest()


def _derive(key: bytes, use: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=_PURPOSE + b"/" + use).derive(key)


def personal_of(db: AsyncSession) -> PersonalData:
    """Return the personal data keys that this transaction was opened with."""
    personal = db.info["personal"]
    if not isinstance(personal, PersonalData):
        raise TypeError("the transaction carries no PersonalData")
    return personal


def conceal(db: AsyncSession, text: str) -> bytes:
    """Encrypt a text for storage."""
    return personal_of(db).conceal(text)


def reveal(db: AsyncSession, blob: bytes) -> str:
    """Decrypt a stored text. Raises PersonalDataDamaged."""
    return personal_of(db).reveal(blob)


def fingerprint(db: AsyncSession, text: str) -> str:
    """Return the keyed hash by which two stored texts can be compared."""
    return personal_of(db).fingerprint(text)


def mask_id_number(text: str) -> str:
    """Show the first six characters (region) and the last four: `370522********8024`."""
    return _keep(text.strip(), first=6, last=4)


def mask_account(text: str) -> str:
    """Show the first and last four digits of a bank account: `6217 **** **** 3456`."""
    digits = "".join(text.split())
    if len(digits) <= 8:
        return _keep(digits, first=0, last=4)
    return f"{digits[:4]} **** **** {digits[-4:]}"


def mask_phone(text: str) -> str:
    """Show the first three and last four digits: `138****5678`."""
    return _keep("".join(text.split()), first=3, last=4)


def mask_name(text: str) -> str:
    """Show the family name only: `高某某` becomes `高**`; a one-character name is hidden whole."""
    name = text.strip()
    return "*" * len(name) if len(name) < 2 else name[0] + "*" * (len(name) - 1)


def _keep(text: str, *, first: int, last: int) -> str:
    if len(text) <= first + last:
        # Too short to hide anything between: hide all but the tail, or everything.
        kept = text[-last:] if len(text) > last else ""
        return "*" * (len(text) - len(kept)) + kept
    return text[:first] + "*" * (len(text) - first - last) + text[-last:]
