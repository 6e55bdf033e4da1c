"""What a real Chromium sends: H.264 when it prefers it, or when nobody could show VP8; sound with redundancy."""

import asyncio
from pathlib import Path

import av
import pytest
from playwright.async_api import Browser

from records.journal import Packet, Source, read_journal
from signaling.media.codecs import RED, VP8
from signaling.media.events import PicturesUnseen, StatsMeasured
from signaling.media.playback import remux
from signaling.media.red import read_red
from signaling.media.rtp import is_rtcp, payload_of, read_head
from tests.integration.media.peers import HEARING, Peer, Plane
from tests.integration.media.test_chromium import BrowserPerson, chromium, play, until_all_see

pytestmark = pytest.mark.browser
__all__ = ["chromium"]


async def until_sends(person: BrowserPerson, codec: str) -> None:
    """Answer offers until somebody's picture is of this codec."""
    for _ in range(150):
        await person.answer_offers()
        sent = (await person.page.evaluate("codecsSent()")).get("video")
        if sent == codec:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{person.seat_id} still sends {sent}")


async def test_a_chromium_that_prefers_h264_sends_it_and_its_recording_plays_and_can_be_sought_through(
    plane: Plane, chromium: Browser, tmp_path: Path
) -> None:
    host = await BrowserPerson.come(plane, chromium, "host")
    applicant = await BrowserPerson.come(plane, chromium, "applicant")
    await applicant.page.evaluate("window.prefersH264 = true")
    await until_all_see([host, applicant], 60)
    assert (await applicant.page.evaluate("codecsSent()"))["video"] == "video/H264"
    assert (await host.page.evaluate("codecsSent()"))["video"] == "video/VP8"
    still = await plane.worker.take_still(HEARING, "applicant", timeout_s=5)
    assert still.width >= 320
    ended_at = plane.worker.position(HEARING)
    await plane.worker.close_hearing(HEARING)
    assert ended_at is not None
    made = {file.seat_id: file for file in remux(plane.directory, tmp_path / "playback")}
    assert (made["host"].path.suffix, made["applicant"].path.suffix) == (".webm", ".mp4")
    with av.open(str(made["applicant"].path)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 60
    played = await play(host.page, made["applicant"].path)
    assert abs(played["duration_s"] - ended_at.elapsed_ms / 1000) < 1
    assert abs(played["shown_s"] - played["duration_s"] / 2) < 1
    assert played["moved_s"] > 0.5
    assert played["sound_bytes"] > 0


async def test_a_chromium_changes_to_h264_in_mid_call_when_somebody_comes_who_cannot_show_vp8(
    plane: Plane, chromium: Browser
) -> None:
    host = await BrowserPerson.come(plane, chromium, "host")
    officer = await BrowserPerson.come(plane, chromium, "far-end")
    await until_all_see([host, officer], 10)
    assert (await host.page.evaluate("codecsSent()"))["video"] == "video/VP8"
    applicant = await BrowserPerson.come(plane, chromium, "applicant")
    await applicant.page.evaluate(f"window.lacks = {VP8}, window.prefersH264 = true")
    await until_all_see([host, officer, applicant], 15)
    await until_sends(host, "video/H264")
    assert plane.of_kind(PicturesUnseen) == []
    await plane.worker.remove_participant(HEARING, "applicant")
    await until_sends(host, "video/VP8")
    await until_all_see([host, officer], 10)


async def test_chromium_sends_redundant_sound_and_who_cannot_take_it_hears_all_the_same(
    plane: Plane, chromium: Browser
) -> None:
    host = await BrowserPerson.come(plane, chromium, "host")
    officer = await BrowserPerson.come(plane, chromium, "far-end")
    async with Peer(plane, "applicant", camera=False) as applicant:
        await plane.worker.add_participant(HEARING, "applicant")
        await until_all_see([host, officer], 60)
        await plane.until(lambda: applicant.sounds.get("host", 0) > 5, "the applicant hears the host")
        levels = [
            event.people["host"].level
            for event in plane.of_kind(StatsMeasured)
            if isinstance(event, StatsMeasured) and "host" in event.people
        ]
        assert max(levels) > 10
        energy = (await officer.figures())["energy"]
        assert sum(energy.values()) > 0  # type: ignore[arg-type]
    await plane.worker.close_hearing(HEARING)
    sources: dict[int, Source] = {}
    counts: dict[str, int] = {}
    doubled = 0
    for record in read_journal(plane.directory):
        if isinstance(record, Source):
            sources[record.number] = record
        elif isinstance(record, Packet) and not is_rtcp(record.data):
            source = sources[record.source]
            head = read_head(record.data)
            if source.seat_id == "host" and source.kind == "audio" and head is not None:
                counts[source.codec] = counts.get(source.codec, 0) + 1
                assert (head.payload_type == RED) == (source.codec == "red")
                doubled += source.codec == "red" and len(read_red(payload_of(record.data, head))) > 1
    # Its own statistics say "audio/opus" all the same: they name what is inside.
    assert counts["red"] > 50
    assert {source.codec for source in sources.values() if source.kind == "audio"} == {"red", "opus"}
    assert doubled > 0.9 * counts["red"]
