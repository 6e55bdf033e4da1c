"""What is derived from a recording: encrypted at rest, served in any ranges, each download on the trail, made again."""

import asyncio
import contextlib
import errno
import json
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from records import outbox
from records.actors import Role
from records.clock import FixedClock
from records.shelf import SEALED, Shelf
from signaling.media.playback import PlaybackFile
from signaling.media.remuxing import remux
from tests.integration.evidence.conftest import played
from tests.support.database import sqlite_url
from tests.support.house import House, Visitor, open_house
from tests.support.sealed import write_journal
from web import composites, jobs
from web.app import make_app
from web.composing import Order

SLOW = """
import pathlib, sys, time
pathlib.Path({!r}).write_text(sys.stdin.read())
print(7, flush=True)
time.sleep(600)
"""
FULL = f"import sys; sys.stdin.read(); sys.exit({composites.DISK_FULL})"
READY = "下载合成录像"


@asynccontextmanager
async def held(sqlite_template: Path, home: Path, *, ago_s: float = 0) -> AsyncIterator[House]:
    """Hold and end a hearing with sound and picture; it can be played, and its picture of everybody is asked for.

    The sounds and pictures are from some time ago: between them and the hearing nothing was recorded.
    """
    (home / "jiefang.db").write_bytes(sqlite_template.read_bytes())  # noqa: ASYNC240
    async with open_house(sqlite_url(home / "jiefang.db"), home / "house") as house:
        journal = house.settings.journals / house.session_id
        begun = FixedClock(datetime.now(UTC) - timedelta(seconds=ago_s))
        write_journal(journal, house.session_id, await house.applicants_seat(), begun)
        async with house.hearing() as hearing:
            await hearing.end()
        await played(house)
        yield house


async def card(visitor: Visitor, session_id: str, words: str) -> str:
    """Wait until the part of the page about the picture of everybody says something."""
    async with asyncio.timeout(60):
        while words not in (text := (await visitor.get(f"/sessions/{session_id}/composite")).text):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return text


def carried_out_by(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(composites, "COMMAND", (sys.executable, "-c", program))


async def count(house: House, event: str) -> int:
    return (await house.events()).count(event)


async def test_derived_files_lie_encrypted_and_are_served_in_any_ranges(sqlite_template: Path, tmp_path: Path) -> None:
    async with held(sqlite_template, tmp_path) as house:
        wang = await house.staff("wang")
        await card(wang, house.session_id, READY)
        seat = await house.applicants_seat()
        base = f"/sessions/{house.session_id}"
        paths = {f"{base}/playback/{seat}.webm": "video/webm", f"{base}/composite.mp4": "video/mp4"}
        films = {path: await wang.get(path) for path in paths}
        at_rest = [path.read_bytes() for path in house.settings.playback.rglob("*") if path.is_file()]
        assert len(at_rest) == 3, "two films and the key"
        for path, whole in films.items():
            assert (whole.status, whole.kind, whole.headers["Accept-Ranges"]) == (200, paths[path], "bytes")
            probes = [whole.body[at : at + 16] for at in range(0, len(whole.body) - 16, 211)]
            assert not any(probe in data for data in at_rest for probe in probes)
        assert not any(magic in data[:64] for data in at_rest for magic in (b"\x1a\x45\xdf\xa3", b"ftyp", b"moov"))

        async def same(path: str, asked: str, body: bytes, **headers: str) -> None:
            answer = await wang.ask("GET", path, headers={"Range": asked, **headers})
            assert (answer.status, answer.body) == (206, body), asked
            assert answer.headers["Content-Range"].endswith(f"/{len(films[path].body)}")

        for path, film in films.items():
            body, tag = film.body, film.headers["ETag"]
            await same(path, "bytes=0-0", body[:1])
            await same(path, "bytes=1-", body[1:])
            await same(path, "bytes=777-1776", body[777:1777], **{"If-Range": tag})
            await same(path, "bytes=-5", body[-5:])
            await same(path, f"bytes={len(body) - 1}-99999999", body[-1:])
            for asked in ("bytes=5-2", "bytes=0-1,4-5", "lines=1-2"):
                assert (await wang.ask("GET", path, headers={"Range": asked})).body == body
            stale = await wang.ask("GET", path, headers={"Range": "bytes=3-", "If-Range": '"older"'})
            assert (stale.status, stale.body) == (200, body)
            beyond = await wang.ask("GET", path, headers={"Range": f"bytes={len(body)}-"})
            assert (beyond.status, beyond.headers["Content-Range"]) == (416, f"bytes */{len(body)}")
        await _any_range(same, f"{base}/composite.mp4", films[f"{base}/composite.mp4"].body)


async def _any_range(same: Callable[..., object], path: str, body: bytes) -> None:
    asked: list[tuple[int, int]] = []

    @settings(max_examples=40, database=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(first=st.integers(0, len(body) - 1), length=st.integers(1, len(body)))
    def collect(first: int, length: int) -> None:
        asked.append((first, min(len(body), first + length) - 1))

    collect()
    for first, last in asked:
        await same(path, f"bytes={first}-{last}", body[first : last + 1])  # type: ignore[misc]


async def test_every_view_and_every_download_leaves_one_entry(sqlite_template: Path, tmp_path: Path) -> None:
    async with held(sqlite_template, tmp_path) as house:
        wang, chen = await house.staff("wang"), await house.staff("chen")
        await card(wang, house.session_id, READY)
        base = f"/sessions/{house.session_id}"
        film = f"{base}/playback/{await house.applicants_seat()}.webm"

        assert await count(house, "RecordingPlayed") == 0
        for asked in ("bytes=0-", "bytes=5-9", "bytes=100-"):
            await wang.ask("GET", film, headers={"Range": asked})
        assert await count(house, "RecordingPlayed") == 1, "also when nobody opened the page"
        await chen.get(base)
        await chen.ask("GET", film, headers={"Range": "bytes=0-"})
        assert await count(house, "RecordingPlayed") == 2

        for path in (f"{base}/composite.mp4", f"{film}?download=1"):
            before = await count(house, "RecordingDownloaded")
            await wang.ask("GET", path, headers={"Range": "bytes=1-"})
            assert await count(house, "RecordingDownloaded") == before + 1, "who leaves out the beginning is noted, too"
            answer = await wang.get(path)
            assert "attachment" in answer.headers["Content-Disposition"]
            for asked in ("bytes=10-", "bytes=100-200"):
                await wang.ask("GET", path, headers={"Range": asked})
            assert await count(house, "RecordingDownloaded") == before + 2
            await chen.ask("GET", path, headers={"Range": "bytes=10-"})
            assert await count(house, "RecordingDownloaded") == before + 3
        shown = (await wang.get(base)).text
        viewings = shown[shown.index("viewings-title") :]
        for words in ("王志远 下载合成录像", "陈立 下载高秀兰的录像", "陈立 播放录音录像"):
            assert words in viewings
        house.clock.advance(13 * 3600)
        await (again := house.visitor()).signs_in("wang")
        await again.ask("GET", f"{base}/composite.mp4", headers={"Range": "bytes=10-"})
        assert (await house.deeds())[-1] == "RecordingDownloaded", "another day is another download"


async def test_whoever_has_no_part_in_the_hearing_gets_nothing(sqlite_template: Path, tmp_path: Path) -> None:
    async with held(sqlite_template, tmp_path) as house:
        wang = await house.staff("wang")
        await card(wang, house.session_id, READY)
        await house.employ("lin", Role.HOST, elsewhere=True)
        base = f"/sessions/{house.session_id}"
        film = f"{base}/playback/{await house.applicants_seat()}.webm"
        lin, sun = await house.staff("lin"), await house.staff("sun")
        for path in (film, f"{film}?download=1", f"{base}/composite.mp4", f"{base}/composite"):
            assert (await lin.get(path, as_json=True)).refused == "session_unknown"
            assert (await sun.get(path, as_json=True)).refused == "not_permitted"
        assert (await lin.submit(f"{base}/composite")).refused == "not_permitted"
        assert not {"RecordingDownloaded", "RecordingPlayed", "DerivedAsked"} & set(await house.events())


def check_order(file: Path, house: House) -> None:
    """What is to be made is what the sealed recording says, down to the gaps in it."""
    order = Order.model_validate_json(file.read_bytes())
    manifest = json.loads((house.settings.journals / house.session_id / "manifest.json").read_bytes())
    assert [one.name for one in order.people] == ["王志远 · 检察官 · 主持", "高秀兰 · 申请人"]
    assert [one.path is None for one in order.people] == [True, False]
    assert len([from_ms for from_ms, to_ms in order.gaps if to_ms - from_ms > 3000]) == 1
    assert manifest["gaps"] == [{"from_ms": from_ms, "to_ms": to_ms} for from_ms, to_ms in order.gaps]
    assert (order.number, order.duration_ms) == (manifest["session"]["number"], manifest["duration_ms"])


async def test_progress_is_shown_and_what_a_stop_cut_off_is_begun_anew(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as slow:
        carried_out_by(slow, SLOW.format(str(tmp_path / "order.json")))
        async with held(sqlite_template, tmp_path, ago_s=10) as house:
            wang = await house.staff("wang")
            shown = await card(wang, house.session_id, "已完成 7%")
            check_order(tmp_path / "order.json", house)
            assert 'value="7"' in shown and "data-busy" in shown
            assert (await wang.get(f"/sessions/{house.session_id}/composite.mp4", as_json=True)).refused == (
                "composite_missing"
            )
            session_id, config, clock = house.session_id, house.settings, house.clock
            children = set(_children())
            assert children
    assert not children & set(_children()), "a server that stopped leaves no process behind"
    film = lay_in_clear(config.shelf, session_id)
    data = film.read_bytes()
    async with (
        TestServer(make_app(config, clock=clock)) as server,
        Visitor(str(server.make_url("")).rstrip("/")) as wang,
    ):
        await wang.signs_in("wang")
        address = f"/sessions/{session_id}/playback/{film.name}"
        assert (await wang.get(address)).body == data
        await card(wang, session_id, READY)
        async with asyncio.timeout(10):
            while film.exists():  # noqa: ASYNC110  # encrypted in the background
                await asyncio.sleep(0.05)
        assert (await wang.get(address)).body == data


def lay_in_clear(shelf: Shelf, session_id: str) -> Path:
    """Leave a playback file as older versions did."""
    (place,) = shelf.root.glob(f"{session_id}/*.webm{SEALED}")
    clear = place.with_name(place.name.removesuffix(SEALED))
    with shelf.open(f"{session_id}/{clear.name}") as file:
        clear.write_bytes(file.read())
    place.unlink()
    return clear


async def test_a_full_disk_is_told_and_it_is_made_when_there_is_room(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:
        carried_out_by(full, FULL)
        async with held(sqlite_template, tmp_path) as house:
            wang = await house.staff("wang")
            assert READY not in await card(wang, house.session_id, "磁盘空间不够，没能生成。腾出空间以后会自己再试。")
            full.undo()
            house.clock.advance(60)
            await card(wang, house.session_id, "重新生成")
            before = (await wang.get(f"/sessions/{house.session_id}/composite.mp4")).body
            assert (await wang.submit(f"/sessions/{house.session_id}/composite")).status == 303
            await card(wang, house.session_id, "重新生成")
            assert (await wang.get(f"/sessions/{house.session_id}/composite.mp4")).body == before
            assert await count(house, "CompositeMade") == await count(house, "PlaybackMade") == 2
            assert await count(house, "DerivedAsked") == 1


async def test_how_far_the_playback_files_are_is_shown(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end = threading.Event()

    def halfway(journal: Path, output: Path, report: Callable[[int], object]) -> list[PlaybackFile]:
        report(40)
        assert may_end.wait(60)
        return remux(journal, output, report)

    (tmp_path / "jiefang.db").write_bytes(sqlite_template.read_bytes())  # noqa: ASYNC240
    monkeypatch.setattr(jobs, "remux", halfway)
    async with open_house(sqlite_url(tmp_path / "jiefang.db"), tmp_path / "house") as house:
        journal = house.settings.journals / house.session_id
        write_journal(journal, house.session_id, await house.applicants_seat(), FixedClock(datetime.now(UTC)))
        page, wang = f"/sessions/{house.session_id}", await house.staff("wang")
        async with house.hearing() as hearing:
            await hearing.end()
        async with asyncio.timeout(60):
            while (await wang.get(f"{page}/progress")).json["percent"] != 40:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert 'max="100" value="40" aria-label="可播放的文件的进度">' in (await wang.get(page)).text
        may_end.set()
        await played(house)
        assert (await wang.get(f"{page}/progress")).json["percent"] is None


async def test_playback_files_that_cannot_be_made_are_told_and_made_when_asked_again(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "jiefang.db").write_bytes(sqlite_template.read_bytes())  # noqa: ASYNC240
    async with open_house(sqlite_url(tmp_path / "jiefang.db"), tmp_path / "house") as house:
        journal = house.settings.journals / house.session_id
        write_journal(journal, house.session_id, await house.applicants_seat(), FixedClock(datetime.now(UTC)))
        page, wang = f"/sessions/{house.session_id}", await house.staff("wang")
        with monkeypatch.context() as patched:
            patched.setattr(jobs, "remux", full)
            async with house.hearing() as hearing:
                await hearing.end()
            await _progress(wang, house, "sealed full/0")
            assert "磁盘空间不够，可播放的文件没能生成" in (await wang.get(page)).text
            patched.setattr(outbox, "ATTEMPTS_MAX", 1)
            house.clock.advance(600)
            await _progress(wang, house, "sealed failed/0")
        shown = (await wang.get(page)).text
        assert (await wang.get("/healthz")).status == 503
        assert "可以再试一次" in shown and "data-player" not in shown
        assert (await wang.submit(f"{page}/composite")).status == 303
        await _progress(wang, house, "sealed/1")
        assert (await wang.get("/healthz")).status == 200, "what was made at last has not failed"
        assert "data-player" in (await wang.get(page)).text


async def _progress(visitor: Visitor, house: House, wanted: str) -> None:
    async with asyncio.timeout(60):
        while (await visitor.get(f"/sessions/{house.session_id}/progress")).json["progress"] != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def _children() -> list[int]:
    """Return the processes that this one started to make pictures slowly."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            if b"order.json" in path.read_bytes():
                found.append(int(path.parent.name))
    return found
