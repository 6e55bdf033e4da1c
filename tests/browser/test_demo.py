"""`make demo` does what the README promises: starts, says who signs in where, stops on Ctrl-C, keeps what was done."""

import os
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests.browser.server import ROOT, DemoProcess, free_media_ports, free_port

pytestmark = pytest.mark.browser


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  # a server of ours
        assert answer.status == 200
        return str(answer.read().decode())


def test_make_demo_starts_shows_its_first_pages_and_stops(tmp_path: Path) -> None:
    port, media_port = free_port(socket.SOCK_STREAM), free_media_ports()
    command = ["make", "-s", "demo", f"VAR={tmp_path / 'var'}", f"PORT={port}", f"MEDIA_PORT={media_port}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as demo:
        assert demo.stdout is not None
        said: list[str] = []
        link = ""
        for line in demo.stdout:
            said.append(line)
            if line.startswith("邀请链接："):
                link = line.removeprefix("邀请链接：").strip()
            if "已就绪" in line:
                break
        table = "".join(said)
        for words in ("王志远", "wang", "jiefang-demo", "9963"):
            assert words in table
        assert "工作人员登录" in _get(f"http://127.0.0.1:{port}/sign-in")
        assert "请您来视频接访" in _get(link)
        assert '"database": "ok"' in _get(f"http://127.0.0.1:{port}/healthz")
        os.killpg(demo.pid, signal.SIGINT)
        assert "已停止，数据都在" in demo.stdout.read()


def test_started_again_the_demo_keeps_its_data_and_its_link(tmp_path: Path) -> None:
    demo = DemoProcess(tmp_path / "var")
    demo.start()
    link = demo.server.invitation
    assert demo.stop() == 0
    demo.start()
    assert demo.server.invitation == link
    assert "请您来视频接访" in _get(link)
    assert demo.stop() == 0
