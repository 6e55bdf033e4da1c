"""A phone's networks, made of network namespaces: Wi-Fi and mobile data, either of which can go away in mid-call.

Inside the namespace the phone has two interfaces with an address each, both lead to this machine, and what leaves from
an address goes out by its own interface. The media plane's address belongs to neither, so that it outlives both.
"""

import os
import random
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Phone:
    """A namespace with two networks."""

    namespace: str
    server_address: str
    wifi_address: str
    mobile_address: str

    def loses_wifi(self) -> None:
        """Take the Wi-Fi and its address away, as walking out of the house does."""
        _run("ip", "-n", self.namespace, "link", "set", "wlan0", "down")
        _run("ip", "-n", self.namespace, "addr", "flush", "dev", "wlan0")

    def program(self, directory: Path, program: str) -> str:
        """Return a program that runs another one on this phone."""
        path = directory / f"{self.namespace}-{Path(program).name}"
        path.write_text(f'#!/bin/sh\nexec ip netns exec {self.namespace} {shlex.quote(program)} "$@"\n', "ascii")
        path.chmod(0o755)
        return str(path)


@contextmanager
def phone_with_two_networks() -> Iterator[Phone]:
    """Make the namespace and its networks; take them away at the end."""
    assert shutil.which("ip") is not None, "ip is missing: tools/setup test installs iproute2"
    assert os.geteuid() == 0, "network namespaces need root: run this test as root"
    tag, third = f"{os.getpid() % 100000:05d}", random.randrange(0, 250, 3)
    namespace, wifi, mobile = f"phone{tag}", f"jfw{tag}", f"jfm{tag}"
    phone = Phone(namespace, f"10.77.{third}.1", f"10.77.{third + 1}.2", f"10.77.{third + 2}.2")
    try:
        _run("ip", "netns", "add", namespace)
        _run("ip", "-n", namespace, "link", "set", "lo", "up")
        for table, outside, inside, address in (
            (101, wifi, "wlan0", phone.wifi_address),
            (102, mobile, "wwan0", phone.mobile_address),
        ):
            gateway = address[:-1] + "1"
            _run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", namespace)
            _run("ip", "addr", "add", f"{gateway}/24", "dev", outside)
            _run("ip", "link", "set", outside, "up")
            _run("ip", "-n", namespace, "addr", "add", f"{address}/24", "dev", inside)
            _run("ip", "-n", namespace, "link", "set", inside, "up")
            _run("ip", "-n", namespace, "route", "add", "default", "via", gateway, "metric", str(table))
            _run(
                "ip",
                "-n",
                namespace,
                "route",
                "add",
                "default",
                "via",
                gateway,
                "dev",
                inside,
                "metric",
                "1",
                "table",
                str(table),
            )
            # Without its interface, nothing leaves from its address by the other one.
            _run("ip", "-n", namespace, "route", "add", "unreachable", "default", "metric", "9", "table", str(table))
            _run("ip", "-n", namespace, "rule", "add", "from", address, "table", str(table))
        _run("ip", "addr", "add", f"{phone.server_address}/32", "dev", mobile)
        yield phone
    finally:
        for link in (wifi, mobile):
            subprocess.run(["ip", "link", "delete", link], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "delete", namespace], check=False, capture_output=True)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()} (namespaces may be forbidden here)"
