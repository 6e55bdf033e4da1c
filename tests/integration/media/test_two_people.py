"""Two and three people through the real relay: what each sees and hears, and what the journal holds."""

import io
from pathlib import Path

import av
import pytest

from records.journal import Packet, Source, read_journal
from signaling.media.events import LinkLost, MediaRefused, StillUnavailable
from signaling.media.playback import remux
from tests.integration.media.peers import HEARING, Peer, Plane


async def test_two_people_see_and_hear_each_other_and_both_are_in_the_journal(way: Plane) -> None:
    plane = way
    async with Peer(plane, "host", shade=60) as host, Peer(plane, "applicant", shade=180) as applicant:
        await host.join()
        await applicant.join()
        await plane.until(lambda: len(host.pictures.get("applicant", [])) > 20, "host sees applicant")
        await plane.until(lambda: len(applicant.pictures.get("host", [])) > 20, "applicant sees host")
        await plane.until(lambda: host.sounds.get("applicant", 0) > 40, "host hears applicant")
        await plane.until(lambda: applicant.sounds.get("host", 0) > 40, "applicant hears host")
        assert abs(sorted(host.pictures["applicant"])[10] - 180) < 12
        assert abs(sorted(applicant.pictures["host"])[10] - 60) < 12
    await plane.worker.close_hearing(HEARING)
    sources: dict[int, Source] = {}
    counts: dict[tuple[str, str], int] = {}
    for record in read_journal(plane.directory):
        if isinstance(record, Source):
            sources[record.number] = record
        elif isinstance(record, Packet):
            source = sources[record.source]
            counts[source.seat_id, source.kind] = counts.get((source.seat_id, source.kind), 0) + 1
    assert set(counts) == {("host", "audio"), ("host", "video"), ("applicant", "audio"), ("applicant", "video")}
    assert min(counts.values()) > 20


async def test_the_recording_plays_back_with_both_peoples_picture_and_sound_at_its_true_length(
    plane: Plane, tmp_path: Path
) -> None:
    async with Peer(plane, "host", shade=60) as host, Peer(plane, "applicant", shade=180) as applicant:
        await host.join()
        await applicant.join()
        await plane.until(lambda: len(host.pictures.get("applicant", [])) > 40, "host sees applicant")
        await plane.until(lambda: len(applicant.pictures.get("host", [])) > 40, "applicant sees host")
        ended_at = plane.worker.position(HEARING)
    assert ended_at is not None
    await plane.worker.close_hearing(HEARING)
    files = {made.seat_id: made for made in remux(plane.directory, tmp_path / "playback")}
    assert set(files) == {"host", "applicant"}
    for seat_id, shade in (("host", 60), ("applicant", 180)):
        made = files[seat_id]
        assert made.has_audio and made.has_video
        with av.open(str(made.path)) as container:
            assert container.duration is not None
            assert abs(container.duration / 1e6 - ended_at.elapsed_ms / 1000) < 1
            shades = [bytes(frame.planes[0])[frame.planes[0].line_size * 60] for frame in container.decode(video=0)]
        assert len(shades) > 30
        assert abs(sorted(shades)[len(shades) // 2] - shade) < 12
        with av.open(str(made.path)) as container:
            loud = sum(abs(frame.to_ndarray()).max() > 0.05 for frame in container.decode(audio=0))
        assert loud > 40


async def test_a_still_shows_the_seat_and_says_where_it_stands_in_the_recording(plane: Plane) -> None:
    async with Peer(plane, "host", shade=60) as host, Peer(plane, "applicant", shade=180) as applicant:
        await host.join()
        await applicant.join()
        await plane.until(lambda: len(host.pictures.get("applicant", [])) > 2, "host sees applicant")
        before = plane.worker.position(HEARING)
        still = await plane.worker.take_still(HEARING, "applicant", timeout_s=5)
        after = plane.worker.position(HEARING)
    assert before is not None and after is not None
    assert before.elapsed_ms <= still.elapsed_ms <= after.elapsed_ms
    assert before.at <= still.taken_at <= after.at
    assert (still.width, still.height) == (320, 240)
    with av.open(io.BytesIO(still.jpeg)) as container:
        picture = next(container.decode(video=0)).reformat(format="gray")
    assert abs(bytes(picture.planes[0])[picture.planes[0].line_size * 60] - 180) < 24


async def test_a_still_of_somebody_without_a_camera_is_refused_by_name(plane: Plane) -> None:
    async with Peer(plane, "host", camera=False) as host:
        await host.join()
        with pytest.raises(StillUnavailable) as refused:
            await plane.worker.take_still(HEARING, "host", timeout_s=1)
    assert refused.value.code == "no_camera"


async def test_who_comes_back_is_seen_again_and_sees_again(plane: Plane) -> None:
    async with Peer(plane, "host", shade=60) as host, Peer(plane, "applicant", shade=180) as applicant:
        await host.join()
        await applicant.join()
        await plane.until(lambda: len(host.pictures.get("applicant", [])) > 5, "host sees applicant")
        await applicant.join()
        host.pictures.clear()
        applicant.pictures.clear()
        await plane.until(lambda: len(host.pictures.get("applicant", [])) > 10, "host sees applicant again")
        await plane.until(lambda: len(applicant.pictures.get("host", [])) > 10, "applicant sees host again")


async def test_a_third_person_is_seen_by_both_and_gone_again_without_harm(plane: Plane) -> None:
    async with (
        Peer(plane, "host", shade=60) as host,
        Peer(plane, "applicant", shade=180) as applicant,
        Peer(plane, "far-end", shade=120) as officer,
    ):
        await host.join()
        await applicant.join()
        await officer.join()
        await plane.until(lambda: len(host.pictures.get("far-end", [])) > 10, "host sees officer")
        await plane.until(lambda: len(applicant.pictures.get("far-end", [])) > 10, "applicant sees officer")
        await plane.until(lambda: len(officer.pictures.get("host", [])) > 10, "officer sees host")
        await plane.until(lambda: len(officer.pictures.get("applicant", [])) > 10, "officer sees applicant")
        assert abs(sorted(officer.pictures["applicant"])[5] - 180) < 12
        await plane.worker.remove_participant(HEARING, "far-end")
        await plane.until_seconds_bring_nothing(lambda: len(host.pictures["far-end"]), "the officer is not seen")
        host.pictures.clear()
        await plane.until(lambda: len(host.pictures.get("applicant", [])) > 10, "host still sees applicant")
        assert "far-end" not in host.pictures


async def test_a_muted_voice_reaches_nobody_and_not_the_journal(plane: Plane) -> None:
    async with Peer(plane, "host") as host, Peer(plane, "applicant") as applicant:
        await host.join()
        await applicant.join()
        await plane.until(lambda: host.sounds.get("applicant", 0) > 10, "host hears applicant")
        plane.worker.set_muted(HEARING, "applicant", True)
        muted_at = plane.worker.position(HEARING)
        await plane.until_seconds_bring_nothing(lambda: host.sounds["applicant"], "the applicant is not heard")
        pictures = len(host.pictures.get("applicant", []))
        await plane.until(lambda: len(host.pictures["applicant"]) > pictures + 10, "the picture goes on")
        plane.worker.set_muted(HEARING, "applicant", False)
        unmuted_at = plane.worker.position(HEARING)
        heard = host.sounds["applicant"]
        await plane.until(lambda: host.sounds["applicant"] > heard + 10, "host hears applicant again")
    await plane.worker.close_hearing(HEARING)
    assert muted_at is not None and unmuted_at is not None
    records = list(read_journal(plane.directory))
    sources = {record.number: record for record in records if isinstance(record, Source)}
    between = [
        record
        for record in records
        if isinstance(record, Packet)
        and (sources[record.source].seat_id, sources[record.source].kind) == ("applicant", "audio")
        and muted_at.at.timestamp() * 1e6 < record.arrival_us < unmuted_at.at.timestamp() * 1e6
    ]
    assert between == []


async def test_a_stale_answer_is_refused_by_name(plane: Plane) -> None:
    async with Peer(plane, "host") as host:
        await host.join()
        assert host.pc is not None
        with pytest.raises(MediaRefused) as refused:
            await plane.worker.take_answer(HEARING, "host", 1, host.pc.localDescription.sdp)
    assert refused.value.code == "answer_stale"


async def test_a_link_that_the_other_side_closes_is_told_as_lost(plane: Plane) -> None:
    async with Peer(plane, "host") as host:
        await host.join()
        pc = host.pc
        assert pc is not None
        # The server may know that the link stands a moment before the peer does; a peer closed in between complains.
        await plane.until(lambda: pc.connectionState == "connected", "the peer's own word")
        await pc.close()
        await plane.until(lambda: plane.of_kind(LinkLost, "host"), "link lost")
    (lost,) = plane.of_kind(LinkLost, "host")
    assert isinstance(lost, LinkLost)
    assert lost.reason == "closed"
