"""SM2 signatures with SM3 (GB/T 32918.2-2016, GB/T 32905-2016), and their keys as OpenSSL writes them (GM/T 0006 OIDs).

The library that reads PEM for us knows no SM2; both structures (RFC 5280 SubjectPublicKeyInfo, RFC 5208 with RFC 5915)
have one length and one spelling for this curve, so they are held against a template.
"""

import base64
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from gmssl_pyx import GmsslInnerError, sm2_key_generate, sm2_sign, sm2_verify

_ALGORITHM = bytes.fromhex("301306072a8648ce3d020106082a811ccf5501822d")
_PUBLIC_HEAD = bytes.fromhex("3059") + _ALGORITHM + bytes.fromhex("03420004")
_PRIVATE_HEAD = bytes.fromhex("308187020100") + _ALGORITHM + bytes.fromhex("046d306b0201010420")
_PRIVATE_MIDDLE = bytes.fromhex("a14403420004")
_POINT_BYTES, _SCALAR_BYTES = 64, 32


@dataclass(frozen=True, slots=True)
class Sm2Public:
    """A point of the curve, 64 bytes."""

    point: bytes

    def verify(self, signature: bytes, data: bytes) -> bool:
        """Tell whether this is the signature of `data`, in its one spelling (DER), by the default signer id."""
        try:
            if encode_dss_signature(*decode_dss_signature(signature)) != signature:
                return False
            return bool(sm2_verify(self.point, data, signature))
        except (GmsslInnerError, ValueError):
            return False

    def pem(self) -> bytes:
        """Return the key as SubjectPublicKeyInfo."""
        return _pem("PUBLIC KEY", _PUBLIC_HEAD + self.point)


@dataclass(frozen=True, slots=True)
class Sm2Private:
    """A scalar, 32 bytes, with its point."""

    scalar: bytes = field(repr=False)
    public: Sm2Public

    def sign(self, data: bytes) -> bytes:
        """Return the signature (DER)."""
        signature = sm2_sign(self.scalar, self.public.point, data)
        return bytes(signature)

    def pem(self) -> bytes:
        """Return the key as PKCS #8, unencrypted."""
        return _pem("PRIVATE KEY", _PRIVATE_HEAD + self.scalar + _PRIVATE_MIDDLE + self.public.point)


def generate_sm2() -> Sm2Private:
    """Return a fresh key."""
    point, scalar = sm2_key_generate()
    return Sm2Private(scalar, Sm2Public(point))


def read_sm2_public(pem: bytes) -> Sm2Public | None:
    """Return the key in a PEM text; None when it is no SM2 public key."""
    der = _der("PUBLIC KEY", pem)
    if der is None or not der.startswith(_PUBLIC_HEAD) or len(der) != len(_PUBLIC_HEAD) + _POINT_BYTES:
        return None
    return Sm2Public(der[len(_PUBLIC_HEAD) :])


def read_sm2_private(pem: bytes) -> Sm2Private | None:
    """Return the key in a PEM text; None when it is no SM2 private key."""
    der = _der("PRIVATE KEY", pem)
    begins = len(_PRIVATE_HEAD) + _SCALAR_BYTES
    length = begins + len(_PRIVATE_MIDDLE) + _POINT_BYTES
    if der is None or len(der) != length or not der.startswith(_PRIVATE_HEAD):
        return None
    if der[begins : begins + len(_PRIVATE_MIDDLE)] != _PRIVATE_MIDDLE:
        return None
    return Sm2Private(der[len(_PRIVATE_HEAD) : begins], Sm2Public(der[-_POINT_BYTES:]))


def _pem(label: str, der: bytes) -> bytes:
    text = base64.b64encode(der).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def _der(label: str, pem: bytes) -> bytes | None:
    lines = pem.strip().splitlines()
    ends = [f"-----{word} {label}-----".encode() for word in ("BEGIN", "END")]
    if len(lines) < 3 or [lines[0], lines[-1]] != ends:
        return None
    try:
        return base64.b64decode(b"".join(lines[1:-1]), validate=True)
    except ValueError:
        return None
