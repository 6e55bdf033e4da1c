"""A signature in a file of its own: it names the SHA-256 of another file and vouches for it.

Whichever of the two is changed, the other tells. The purpose is part of what is signed: a seal of one kind can never
pass for another.
"""

import base64
import hashlib
import json
from collections.abc import Mapping

from rfc8785 import CanonicalizationError

from records.chain import canonical, read_base64
from records.signing import SigningKey, VerifyKey


def make_seal(purpose: str, what: str, data: bytes, key: SigningKey) -> bytes:
    """Return the file that vouches for `data` as the `what` it is."""
    digest = hashlib.sha256(data).hexdigest()
    signature = base64.b64encode(key.sign(_statement(purpose, what, digest, key.key_id))).decode()
    return canonical({what: digest, "key_id": key.key_id, "signature": signature}) + b"\n"


def sealed_digest(seal: bytes, purpose: str, what: str, key: VerifyKey) -> str | None:
    """Return the digest that a seal vouches for with this key; None when it vouches for nothing."""
    try:
        fields = json.loads(seal)
        digest, key_id = fields[what], fields["key_id"]
        signature = read_base64(fields["signature"])
        # A byte changed in the spelling alone (a space, an escape) is a change all the same.
        if seal != canonical(fields) + b"\n" or len(fields) != 3 or not isinstance(digest, str) or signature is None:
            return None
        return digest if key.verify(signature, _statement(purpose, what, digest, key_id)) else None
    except (ValueError, KeyError, TypeError, RecursionError, CanonicalizationError):
        return None


def _statement(purpose: str, what: str, digest: str, key_id: str) -> bytes:
    return canonical({"purpose": purpose, what: digest, "key_id": key_id})


def sign_fields(purpose: str, fields: Mapping[str, str], key: SigningKey) -> bytes:
    """Return a file of named texts that vouches for itself: canonical JSON with key id and signature."""
    signed = {**fields, "key_id": key.key_id}
    signature = base64.b64encode(key.sign(canonical({"purpose": purpose, **signed}))).decode()
    return canonical({**signed, "signature": signature}) + b"\n"


def read_fields(data: bytes) -> dict[str, str] | None:
    """Return the texts of a file that `sign_fields` made, whoever signed it; None when it is no such file."""
    try:
        fields = json.loads(data)
        if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
            return None
        # A byte changed in the spelling alone is a change all the same.
        return fields if canonical(fields) + b"\n" == data else None
    except (ValueError, RecursionError, CanonicalizationError):
        return None


def fields_hold(purpose: str, fields: Mapping[str, str], key: VerifyKey) -> bool:
    """Tell whether the texts are as this key signed them."""
    signed = {name: value for name, value in fields.items() if name != "signature"}
    signature = read_base64(fields.get("signature", ""))
    return signature is not None and key.verify(signature, canonical({"purpose": purpose, **signed}))
