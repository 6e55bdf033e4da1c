"""The key pair under which one hearing's journal is encrypted, and another like it for what is derived from it.

Whoever records needs the public half only (RFC 9180: HPKE with X25519, HKDF-SHA256, AES-256-GCM): a media process can
add to a recording and cannot read one. The private half lies beside the journal in `session.key`, wrapped by the master
key and vouched for by the office; a new master key changes that small file and not the recording.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from records.master_keys import MasterKeys
from records.seals import fields_hold, read_fields, sign_fields
from records.signing import SigningKey, VerifyKey
from records.vault import write_durably

SESSION_KEY = "session.key"
FORM = "jiefang-session-key-1"
JOURNAL = "journal/2"
"""The use of keys that encrypt journals."""

_PURPOSE = "jiefang/session-key/1"
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class SessionKeyUnreadable(Exception):
    """A journal's key file is missing or is none; the journal's name is the argument."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """What one writer of a journal encrypts with, and how that key stands in the headers of its segments.

    A writer that goes on after a crash has a new one: so no nonce is ever used twice.
    """

    cipher: AESGCM
    enclosed: str
    """The key, enclosed for the session's public key; hexadecimal."""


def new_data_key(public: bytes, hearing_id: str, *, use: str = JOURNAL) -> DataKey:
    """Return a fresh key, enclosed for a session and for one use."""
    key = secrets.token_bytes(32)
    enclosed = _SUITE.encrypt(key, X25519PublicKey.from_public_bytes(public), info=_info(use, hearing_id))
    return DataKey(AESGCM(key), enclosed.hex())


@dataclass(slots=True)
class SessionKey:
    """The private half; opens what was enclosed for the session."""

    private: bytes = field(repr=False)

    def opener(self, hearing_id: str, enclosed: str, *, use: str = JOURNAL) -> AESGCM | None:
        """Return the cipher of a writer of this hearing's; None when it was not enclosed for this session and use."""
        try:
            sealed = bytes.fromhex(enclosed)
            key = _SUITE.decrypt(sealed, X25519PrivateKey.from_private_bytes(self.private), info=_info(use, hearing_id))
            return AESGCM(key)
        except (ValueError, InvalidTag):
            return None


def _info(use: str, hearing_id: str) -> bytes:
    return f"jiefang/{use}/{hearing_id}".encode()


def ensure_session_key(directory: Path, hearing_id: str, master: MasterKeys, key: SigningKey) -> None:
    """Make the key of a journal that has none yet. Blocking. Raises OSError."""
    path = directory / SESSION_KEY
    if path.exists():
        return
    directory.mkdir(parents=True, exist_ok=True)
    pair = X25519PrivateKey.generate()
    fields = {"form": FORM, "hearing_id": hearing_id, "public": pair.public_key().public_bytes_raw().hex()}
    write_durably(path, _file(fields, pair.private_bytes_raw(), master, key))


def load_session_key(directory: Path, master: MasterKeys) -> SessionKey | None:
    """Return the key of a journal; None for one that was never encrypted.

    Raises SessionKeyUnreadable, MasterKeyMissing.
    """
    fields = _read(directory)
    if fields is None:
        return None
    return SessionKey(master.unwrap(fields["wrapped"], fields["master"], _wrap_purpose(fields["hearing_id"])))


def rewrap_session_key(directory: Path, master: MasterKeys, key: SigningKey) -> bool:
    """Wrap a journal's key by the current master key; tell whether that changed anything. Blocking.

    Raises SessionKeyUnreadable, MasterKeyMissing, OSError.
    """
    fields = _read(directory)
    if fields is None or fields["master"] == master.current_id:
        return False
    private = master.unwrap(fields["wrapped"], fields["master"], _wrap_purpose(fields["hearing_id"]))
    kept = {name: fields[name] for name in ("form", "hearing_id", "public")}
    write_durably(directory / SESSION_KEY, _file(kept, private, master, key))
    return True


def public_half(directory: Path) -> bytes | None:
    """Return the public half for whoever records; None when the journal is not to be encrypted.

    Raises SessionKeyUnreadable.
    """
    fields = _read(directory)
    return None if fields is None else bytes.fromhex(fields["public"])


def session_key_holds(directory: Path, key: VerifyKey) -> bool:
    """Tell whether the key file is as the office wrote it; also when there is none."""
    try:
        fields = _read(directory)
    except SessionKeyUnreadable:
        return False
    return fields is None or fields_hold(_PURPOSE, fields, key)


def _file(fields: dict[str, str], private: bytes, master: MasterKeys, key: SigningKey) -> bytes:
    wrapped = master.wrap(private, _wrap_purpose(fields["hearing_id"]))
    return sign_fields(_PURPOSE, {**fields, "wrapped": wrapped, "master": master.current_id}, key)


def _wrap_purpose(hearing_id: str) -> str:
    return f"{_PURPOSE}/{hearing_id}"


_NAMES = frozenset({"form", "hearing_id", "public", "wrapped", "master", "key_id", "signature"})


def _read(directory: Path) -> dict[str, str] | None:
    try:
        data = (directory / SESSION_KEY).read_bytes()
    except FileNotFoundError:
        return None
    fields = read_fields(data)
    if fields is None or fields.keys() != _NAMES or fields["form"] != FORM or len(fields["public"]) != 64:
        raise SessionKeyUnreadable(directory.name)
    return fields


Opener = Callable[[str, str], AESGCM | None]
"""Turns a hearing's id and an enclosed key into the cipher that opens chunks; `SessionKey.opener` is one."""
