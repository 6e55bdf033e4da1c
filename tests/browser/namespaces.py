"""An office and a phone in network namespaces of their own, joined by Wi-Fi and by mobile data.

On the phone, what leaves from an address goes out by its own interface. The office's address belongs to neither
network, so that it outlives both. This machine's own interfaces are left alone: a browser breaks off all it does when
an address comes or goes.
"""

import ctypes
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

OFFICE_ADDRESS = "10.77.0.1"
WIFI_ADDRESS = "10.77.1.2"
MOBILE_ADDRESS = "10.77.2.2"
_CLONE_NEWNET = 0x40000000


@dataclass(frozen=True, slots=True)
class Networks:
    """The two namespaces."""

    office: str
    phone: str

    def phone_loses_wifi(self) -> None:
        """Take the Wi-Fi and its address away, as walking out of the house does."""
        _run("ip", "-n", self.phone, "link", "set", "wlan0", "down")
        _run("ip", "-n", self.phone, "addr", "flush", "dev", "wlan0")

    def phone_gets(self, kbit: int | None) -> None:
        """Let no more than so many kbit/s come to the phone by Wi-Fi, what is more waiting up to 0.4 s; None: all."""
        qdisc = ("tc", "-n", self.office, "qdisc", "replace" if kbit else "delete", "dev", "wlan0", "root")
        _run(*qdisc, *(("tbf", "rate", f"{kbit}kbit", "burst", "4kb", "latency", "400ms") if kbit else ()))

    @contextmanager
    def from_the_office(self) -> Iterator[None]:
        """Let sockets that this thread opens meanwhile be the office's."""
        libc = ctypes.CDLL(None, use_errno=True)
        with Path("/proc/self/ns/net").open() as here, Path(f"/run/netns/{self.office}").open() as there:
            if libc.setns(there.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                if libc.setns(here.fileno(), _CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns back")


def program_in(namespace: str, directory: Path, program: str) -> str:
    """Write a program that runs another one in a namespace, and return it."""
    path = directory / f"{namespace}-{Path(program).name}"
    path.write_text(f'#!/bin/sh\nexec ip netns exec {namespace} {shlex.quote(program)} "$@"\n', "ascii")
    path.chmod(0o755)
    return str(path)


@contextmanager
def office_and_phone() -> Iterator[Networks]:
    """Make the namespaces and what joins them; take them away at the end."""
    assert shutil.which("ip") is not None, "ip is missing: tools/setup test installs iproute2"
    assert os.geteuid() == 0, "network namespaces need root: run this test as root"
    networks = Networks(f"jf-office-{os.getpid()}", f"jf-phone-{os.getpid()}")
    try:
        for namespace in (networks.office, networks.phone):
            _run("ip", "netns", "add", namespace)
            _run("ip", "-n", namespace, "link", "set", "lo", "up")
        _run("ip", "-n", networks.office, "addr", "add", f"{OFFICE_ADDRESS}/32", "dev", "lo")
        _join(networks, "wlan0", WIFI_ADDRESS, 101)
        _join(networks, "wwan0", MOBILE_ADDRESS, 102)
        _run("ip", "-n", networks.office, "route", "add", "default", "via", MOBILE_ADDRESS, "src", OFFICE_ADDRESS)
        yield networks
    finally:
        for namespace in (networks.office, networks.phone):
            subprocess.run(["ip", "netns", "delete", namespace], check=False, capture_output=True)


def _join(networks: Networks, interface: str, address: str, table: int) -> None:
    """Join the two by an interface of the same name on either side; `table` is the phone's routes from its address."""
    gateway = address[:-1] + "1"
    _run(
        *("ip", "-n", networks.office, "link", "add", interface, "type", "veth"),
        *("peer", "name", interface, "netns", networks.phone),
    )
    for namespace, own in ((networks.office, gateway), (networks.phone, address)):
        # No IPv6: its addresses come a second later, which browsers take for another change of networks.
        _run("ip", "-n", namespace, "link", "set", interface, "addrgenmode", "none")
        _run("ip", "-n", namespace, "addr", "add", f"{own}/24", "dev", interface)
        _run("ip", "-n", namespace, "link", "set", interface, "up")
    route = ("ip", "-n", networks.phone, "route", "add")
    _run(*route, "default", "via", gateway, "metric", str(table))
    _run(*route, "default", "via", gateway, "dev", interface, "metric", "1", "table", str(table))
    # Without its interface, nothing leaves from its address by the other one.
    _run(*route, "unreachable", "default", "metric", "9", "table", str(table))
    _run("ip", "-n", networks.phone, "rule", "add", "from", address, "table", str(table))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()} (namespaces may be forbidden here)"
