"""A real coturn, started with the configuration that docs/turn.md gives."""

import base64
import hashlib
import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.browser.server import ROOT, free_port
from web.certificates import ensure_certificate

SECRET = "the secret that coturn and the server share"
START_S = 60.0
TRANSPORTS = ("udp", "tcp", "tls")


@dataclass(frozen=True, slots=True)
class Coturn:
    """A running relay."""

    address: str
    port: int
    tls_port: int
    key_digest: str
    """Of its certificate's public key, in base64: what Chromium can be told to trust."""
    log: Path

    def url(self, transport: str) -> str:
        """Return where to reach it by one of the transports."""
        if transport == "tls":
            return f"turns:{self.address}:{self.tls_port}?transport=tcp"
        return f"turn:{self.address}:{self.port}?transport={transport}"

    def environment(self) -> dict[str, str]:
        """Return the settings of a server whose pages may use this relay and no other way."""
        return {
            "JIEFANG_TURN_URLS": json.dumps([self.url(transport) for transport in TRANSPORTS]),
            "JIEFANG_TURN_SECRET": SECRET,
            "JIEFANG_ICE_POLICY": "relay",
        }


def documented_configuration() -> str:
    """Return the configuration file of docs/turn.md, names in capitals and all."""
    found = re.search(r"```ini\n(.*?)```", (ROOT / "docs" / "turn.md").read_text("utf-8"), re.DOTALL)
    assert found is not None, "docs/turn.md has no configuration"
    return found[1]


@contextmanager
def running_coturn(directory: Path, address: str) -> Iterator[Coturn]:
    """Run a relay on free ports of an address that forwards to the same address and nowhere else."""
    program = shutil.which("turnserver")
    assert program is not None, "turnserver is missing: tools/setup test installs coturn"
    assert not address.startswith("127."), "this machine has no address but loopback, where a relay forwards nothing"
    certificate, key = directory / "turn.pem", directory / "turn.key"
    ensure_certificate(certificate, key, (address,))
    port, tls_port, log = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM), directory / "turn.log"
    text = documented_configuration()
    values = {
        "SECRET": SECRET,
        "REALM": "12309.example.cn",
        "RELAY_ADDRESS": address,
        "MEDIA_ADDRESS": address,
        "CERTIFICATE_FILE": str(certificate),
        "KEY_FILE": str(key),
        "LOG_FILE": str(log),
        "PID_FILE": str(directory / "turn.pid"),
    }
    for name, value in values.items():
        text, count = re.subn(rf"(?<==){name}$", value, text, flags=re.MULTILINE)
        assert count, f"the configuration names no {name}"
    for known, own in ((3478, port), (443, tls_port)):
        text, count = re.subn(rf"(?<=-port=){known}$", str(own), text, flags=re.MULTILINE)
        assert count == 1, f"the configuration does not listen on {known}"
    configuration = directory / "turnserver.conf"
    configuration.write_text(text, "utf-8")
    with (directory / "turn.out").open("w") as out:
        process = subprocess.Popen([program, "-c", str(configuration)], stdout=out, stderr=out)
    try:
        _wait_for_listener(process, address, port, directory / "turn.out")
        _wait_for_listener(process, address, tls_port, directory / "turn.out")
        yield Coturn(address, port, tls_port, _key_digest(certificate), log)
    finally:
        process.terminate()
        process.wait(20)


def _wait_for_listener(process: subprocess.Popen[bytes], address: str, port: int, out: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection((address, port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"coturn does not listen on {port}:\n{out.read_text('utf-8', 'replace')}")


def _key_digest(certificate: Path) -> str:
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    return base64.b64encode(
        hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    ).decode("ascii")
