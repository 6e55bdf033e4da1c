"""Time stamps by an authority that is not the office (RFC 3161): the signature over a manifest existed at that time.

What is stamped is `manifest.sig`, which names the manifest's digest. The answer lies beside it, as it came, in
`manifest.tsr`; it is checked offline, against the authority's certificate.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from records.manifests import SIGNATURE
from records.verifier import Finding

STAMP = "manifest.tsr"


class StampRefused(Exception):
    """The authority gave no stamp, or one that does not hold; the argument says which."""


class AuthorityUnreadable(Exception):
    """A file holds no certificate of a time stamping authority."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked of an authority, and what its answer must be about."""

    data: bytes
    der: bytes
    nonce: int


class Authority:
    """Whom we believe about the time: the authority's root certificate and those between, or its own alone."""

    def __init__(self, certificates: list[x509.Certificate]) -> None:
        self._certificates = certificates

    @classmethod
    def load(cls, path: Path) -> "Authority":
        """Read one or more certificates from a PEM file. Raises AuthorityUnreadable."""
        try:
            return cls(x509.load_pem_x509_certificates(path.read_bytes()))
        except ValueError as error:
            raise AuthorityUnreadable(path.name) from error

    def stamped_at(self, answer: bytes, data: bytes, *, nonce: int | None = None) -> datetime:
        """Return when `data` was stamped, in UTC. Raises StampRefused."""
        try:
            response = decode_timestamp_response(answer)
        except ValueError as error:
            raise StampRefused("unreadable") from error
        if response.status != PKIStatus.GRANTED:
            raise StampRefused("not_granted")
        builder = VerifierBuilder(nonce=nonce)
        roots = [one for one in self._certificates if one.issuer == one.subject] or self._certificates
        for certificate in self._certificates:
            if certificate in roots:
                builder = builder.add_root_certificate(certificate)
            else:
                builder = builder.add_intermediate_certificate(certificate)
        try:
            builder.build().verify_message(response, data)
        except (VerificationError, ValueError) as error:
            raise StampRefused("does_not_hold") from error
        return response.tst_info.gen_time.astimezone(UTC)


def ask_for(data: bytes) -> Query:
    """Return the query for a stamp on `data` (SHA-256, with a nonce, certificate wanted)."""
    request = TimestampRequestBuilder(data=data, hash_algorithm=HashAlgorithm.SHA256, nonce=True, cert_req=True).build()
    if request.nonce is None:
        raise TypeError("a query without a nonce")
    return Query(data, request.as_bytes(), request.nonce)


def check_stamp(directory: Path, expected: str | None, authority: Authority | None) -> Iterator[Finding]:
    """Check the stamp beside a journal; `expected` is its SHA-256 as the trail has it, None when it names no stamp.

    Not ok: `stamp_missing`, `stamp_changed`, `stamp_wrong`. Ok: `stamp_holds(at)`, `stamp_unchecked` (there is one, and
    nobody gave the authority's certificate).
    """
    try:
        answer = (directory / STAMP).read_bytes()
    except FileNotFoundError:
        if expected is not None:
            yield Finding(False, "stamp_missing")
        return
    if expected is not None and hashlib.sha256(answer).hexdigest() != expected:
        yield Finding(False, "stamp_changed")
        return
    if authority is None:
        yield Finding(True, "stamp_unchecked")
        return
    try:
        at = authority.stamped_at(answer, (directory / SIGNATURE).read_bytes())
    except (StampRefused, FileNotFoundError):
        yield Finding(False, "stamp_wrong")
    else:
        yield Finding(True, "stamp_holds", {"at": at.isoformat()})
