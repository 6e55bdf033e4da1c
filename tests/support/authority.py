"""A time stamping authority that speaks the real protocol (RFC 3161): OpenSSL answers, over HTTP."""

import asyncio
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CONFIG = """
[tsa]
default_tsa = stub
[stub]
serial = {home}/serial
signer_cert = {home}/signer.pem
signer_key = {home}/signer.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
"""


class TimeAuthority:
    """A root, a signer, and what answers queries. `certificate` is what those who believe it have."""

    def __init__(self, home: Path, *, name: str = "测试时间戳服务") -> None:
        home.mkdir(parents=True, exist_ok=True)
        self._home = home
        self.certificate = home / "root.pem"
        self.answers = 0
        root_key = rsa.generate_private_key(65537, 2048)
        signer_key = rsa.generate_private_key(65537, 2048)
        root = _certificate(name, root_key.public_key(), name, root_key, signer=False)
        signer = _certificate(f"{name}签名", signer_key.public_key(), name, root_key, signer=True)
        self.certificate.write_bytes(root.public_bytes(Encoding.PEM))
        (home / "signer.pem").write_bytes(signer.public_bytes(Encoding.PEM))
        pem = signer_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (home / "signer.key").write_bytes(pem)
        (home / "serial").write_text("01")
        (home / "tsa.cnf").write_text(_CONFIG.format(home=home))

    def answer(self, query: bytes) -> bytes:
        """Return the answer to a query, granted or not."""
        (self._home / "query.tsq").write_bytes(query)
        command = ["openssl", "ts", "-reply", "-config", str(self._home / "tsa.cnf"), "-section", "stub"]
        command += ["-queryfile", str(self._home / "query.tsq"), "-out", str(self._home / "answer.tsr")]
        subprocess.run(command, check=True, capture_output=True)
        self.answers += 1
        return (self._home / "answer.tsr").read_bytes()

    def app(self) -> web.Application:
        """Return it as a web application."""

        async def reply(request: web.Request) -> web.Response:
            assert request.content_type == "application/timestamp-query"
            answer = await asyncio.to_thread(self.answer, await request.read())
            return web.Response(body=answer, content_type="application/timestamp-reply")

        app = web.Application()
        app.router.add_post("/", reply)
        return app


def _certificate(
    name: str, key: rsa.RSAPublicKey, issuer: str, issuer_key: rsa.RSAPrivateKey, *, signer: bool
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=not signer, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if signer:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    else:
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(issuer_key, SHA256())
