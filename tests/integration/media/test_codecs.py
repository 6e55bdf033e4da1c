"""People whose browsers have not the same codecs: who sends what, who sees it, and what the recording makes of it."""

import io
from pathlib import Path

import av

from records.journal import Event, Source, read_journal
from signaling.media.codecs import H264, VP8
from signaling.media.events import OfferReady, PicturesUnseen
from signaling.media.playback import remux
from tests.integration.media.peers import HEARING, Peer, Plane


def codecs_of(directory: Path) -> dict[tuple[str, str], str]:
    """Return in which codec the journal has each seat's sound and picture."""
    return {
        (record.seat_id, record.kind): record.codec for record in read_journal(directory) if isinstance(record, Source)
    }


async def test_a_phone_that_sends_h264_and_a_computer_that_sends_vp8_see_each_other_and_are_recorded(
    plane: Plane, tmp_path: Path
) -> None:
    async with (
        Peer(plane, "host", shade=60) as host,
        Peer(plane, "applicant", shade=180, prefers="H264") as applicant,
    ):
        await host.join()
        await applicant.join()
        await plane.until(lambda: len(host.pictures.get("applicant", [])) > 40, "host sees applicant")
        await plane.until(lambda: len(applicant.pictures.get("host", [])) > 40, "applicant sees host")
        assert abs(sorted(host.pictures["applicant"])[20] - 180) < 12
        still = await plane.worker.take_still(HEARING, "applicant", timeout_s=5)
        ended_at = plane.worker.position(HEARING)
    await plane.worker.close_hearing(HEARING)
    assert ended_at is not None
    assert plane.of_kind(PicturesUnseen) == []
    assert (still.width, still.height) == (320, 240)
    with av.open(io.BytesIO(still.jpeg)) as container:
        picture = next(container.decode(video=0)).reformat(format="gray")
    assert abs(bytes(picture.planes[0])[picture.planes[0].line_size * 60] - 180) < 24
    codecs = codecs_of(plane.directory)
    assert (codecs["host", "video"], codecs["applicant", "video"]) == ("VP8", "H264")
    made = {file.seat_id: file for file in remux(plane.directory, tmp_path / "playback")}
    assert (made["host"].path.suffix, made["applicant"].path.suffix) == (".webm", ".mp4")
    for seat_id, shade in (("host", 60), ("applicant", 180)):
        assert made[seat_id].has_audio and made[seat_id].has_video
        with av.open(str(made[seat_id].path)) as container:
            assert container.duration is not None
            assert abs(container.duration / 1e6 - ended_at.elapsed_ms / 1000) < 1
            frames = list(container.decode(video=0))
        shades = [bytes(frame.planes[0])[frame.planes[0].line_size * 60] for frame in frames]
        assert len(shades) > 30
        assert abs(sorted(shades)[len(shades) // 2] - shade) < 12
        # An MP4 begins with black, so that browsers agree on when the first picture is due.
        first = frames[0] if seat_id == "host" else frames[1]
        assert first.time is not None
        assert abs(first.time * 1000 - made[seat_id].starts_ms) < 1500


async def test_who_can_send_what_the_other_can_show_is_asked_for_that(plane: Plane) -> None:
    async with (
        Peer(plane, "applicant", shade=180, prefers="H264", lacks=VP8) as applicant,
        Peer(plane, "host", shade=60) as host,
    ):
        await applicant.join()
        await host.join()
        await plane.until(lambda: len(applicant.pictures.get("host", [])) > 10, "applicant sees host")
        await plane.until(lambda: len(host.pictures.get("applicant", [])) > 10, "host sees applicant")
        offers = plane.of_kind(OfferReady, "host")
    assert isinstance(offers[0], OfferReady)
    asked = next(line for line in offers[0].sdp.splitlines() if line.startswith("m=video"))
    assert asked.split()[3:] == [str(H264), str(H264 + 1)]
    assert plane.of_kind(PicturesUnseen) == []


async def test_two_whose_browsers_share_no_codec_hear_each_other_and_it_is_told_who_does_not_see_whom(
    plane: Plane,
) -> None:
    async with (
        Peer(plane, "host", shade=60, lacks=H264) as host,
        Peer(plane, "applicant", shade=180, prefers="H264", lacks=VP8) as applicant,
    ):
        await host.join()
        await applicant.join()
        await plane.until(lambda: host.sounds.get("applicant", 0) > 20, "host hears applicant")
        await plane.until(lambda: applicant.sounds.get("host", 0) > 20, "applicant hears host")
        blind = {"host": ("applicant",), "applicant": ("host",)}
        await plane.until(lambda: PicturesUnseen(HEARING, blind) in plane.of_kind(PicturesUnseen)[-1:], "told")
        assert not host.pictures.get("applicant") and not applicant.pictures.get("host")
        await plane.worker.remove_participant(HEARING, "applicant")
        last = plane.of_kind(PicturesUnseen)[-1]
        assert isinstance(last, PicturesUnseen)
        assert last.unseen == {}
    await plane.worker.close_hearing(HEARING)
    noted = [record.data for record in read_journal(plane.directory) if isinstance(record, Event)]
    assert {"event": "PicturesUnseen", "unseen": {"host": ["applicant"], "applicant": ["host"]}} in noted
