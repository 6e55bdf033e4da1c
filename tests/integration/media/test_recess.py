"""A recess through the real relay: nobody is seen or heard, nothing is recorded, the links stay up."""

from pathlib import Path

import pytest

from records.clock import SteadyClock
from records.journal import Event, JournalWriter, Packet, Source, read_journal
from signaling.media import rtp
from signaling.media.codecs import VP8
from signaling.media.events import LinkConnected, LinkLost, OfferReady, StatsMeasured, StillUnavailable
from signaling.media.link import Link
from tests.integration.media.peers import HEARING, Peer, Plane, open_plane


@pytest.fixture
def plane(way: Plane) -> Plane:
    """Both ways, for every test here."""
    return way


async def see_and_hear(plane: Plane, one: Peer, other: str) -> None:
    await plane.until(lambda: len(one.pictures.get(other, [])) > 10, f"{one.seat_id} sees {other}")
    await plane.until(lambda: one.sounds.get(other, 0) > 10, f"{one.seat_id} hears {other}")


def is_vp8_keyframe(packet: bytes) -> bool:
    head = rtp.read_head(packet)
    if head is None or head.payload_type != VP8 or not rtp.begins_vp8_frame(packet, head.payload_at):
        return False
    piece = rtp.read_vp8(rtp.payload_of(packet, head))
    return piece is not None and piece.keyframe


def taken_in(*people: Peer) -> int:
    """Return how many pictures and loud pieces of sound came to these people."""
    return sum(sum(map(len, one.pictures.values())) + sum(one.sounds.values()) for one in people)


async def test_a_recess_stops_everything_for_everybody_and_its_end_brings_it_back(plane: Plane) -> None:
    async with Peer(plane, "host", shade=60) as host, Peer(plane, "applicant", shade=180) as applicant:
        await host.join()
        await applicant.join()
        await see_and_hear(plane, host, "applicant")
        await see_and_hear(plane, applicant, "host")
        before = len(plane.of_kind(OfferReady)), len(plane.of_kind(LinkConnected))
        plane.worker.set_paused(HEARING, True)
        plane.worker.set_paused(HEARING, True)
        with pytest.raises(StillUnavailable):
            await plane.worker.take_still(HEARING, "applicant", timeout_s=1)
        await plane.until_seconds_bring_nothing(lambda: taken_in(host, applicant), "nobody is seen or heard")
        rest = len(plane.of_kind(StatsMeasured))

        def both_send_and_nobody_is_heard() -> bool:
            measured = [event for event in plane.of_kind(StatsMeasured)[rest:] if isinstance(event, StatsMeasured)]
            return any(all(line.kbps and not line.level for line in event.people.values()) for event in measured)

        await plane.until(both_send_and_nobody_is_heard, "they go on sending")
        plane.worker.set_paused(HEARING, False)
        host.sounds.clear()
        applicant.sounds.clear()
        # These peers wait half a minute for what they miss of a picture; that browsers do not, a test with them shows.
        await plane.until(lambda: host.sounds.get("applicant", 0) > 10, "the host hears again")
        await plane.until(lambda: applicant.sounds.get("host", 0) > 10, "the applicant hears again")
        resumed = len(plane.of_kind(StatsMeasured))
        await plane.seconds_measured(4)  # in which every stream is reported twice
        seconds = [second for second in plane.of_kind(StatsMeasured)[resumed:] if isinstance(second, StatsMeasured)]
        assert max(line.loss_pct for second in seconds for line in second.people.values()) < 1, "nothing was lost"
        after = len(plane.of_kind(OfferReady)), len(plane.of_kind(LinkConnected))
        assert before == after, "nothing was negotiated anew"
        assert not plane.of_kind(LinkLost)
    await plane.worker.close_hearing(HEARING)
    records = list(read_journal(plane.directory))
    at_us = {record.data["event"]: record.at_us for record in records if isinstance(record, Event)}
    arrivals = [record.arrival_us for record in records if isinstance(record, Packet)]
    assert not [arrival_us for arrival_us in arrivals if at_us["Paused"] < arrival_us < at_us["Resumed"]]
    assert min(arrivals) < at_us["Paused"]
    sources = {record.number: record for record in records if isinstance(record, Source)}
    later = [record for record in records if isinstance(record, Packet) and record.arrival_us > at_us["Resumed"]]
    again = {(sources[record.source].seat_id, sources[record.source].kind) for record in later}
    assert again == {(seat, kind) for seat in ("host", "applicant") for kind in ("audio", "video")}
    keyframes = [record for record in later if not rtp.is_rtcp(record.data) and is_vp8_keyframe(record.data)]
    assert {sources[record.source].seat_id for record in keyframes} == {"host", "applicant"}, "pictures begin anew"


async def test_at_its_end_every_camera_is_asked_for_a_keyframe_before_anything_else_happens(
    plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Peer(plane, "host", shade=60) as host, Peer(plane, "applicant", shade=180) as applicant:
        await host.join()
        await applicant.join()
        await see_and_hear(plane, host, "applicant")
        await see_and_hear(plane, applicant, "host")
        plane.worker.set_paused(HEARING, True)
        sent: list[bytes] = []
        with monkeypatch.context() as patch:
            patch.setattr(Link, "send_rtcp", lambda link, data: sent.append(data))
            plane.worker.set_paused(HEARING, False)
        asked = [data for data in sent if data[1] == rtp.PAYLOAD_FEEDBACK and data[0] & 0x1F == rtp.PLI]
        assert len(asked) == 2
        await plane.until(lambda: host.sounds.get("applicant", 0) > 10, "it goes on")


async def test_whoever_joins_in_a_recess_is_seen_when_it_ends(plane: Plane) -> None:
    async with Peer(plane, "host", shade=60) as host, Peer(plane, "applicant", shade=180) as applicant:
        await host.join()
        plane.worker.set_paused(HEARING, True)
        await applicant.join()
        await plane.seconds_measured(2)
        assert taken_in(host, applicant) == 0
        plane.worker.set_paused(HEARING, False)
        await see_and_hear(plane, host, "applicant")
        await see_and_hear(plane, applicant, "host")


async def test_a_hearing_opened_in_its_recess_says_so_in_its_journal(tmp_path: Path) -> None:
    plane = await open_plane(tmp_path / "one")
    try:
        journal = JournalWriter.open(tmp_path / "two", "another", clock=SteadyClock())
        await plane.worker.open_hearing("another", journal, paused=True)
        await plane.worker.close_hearing("another")
    finally:
        await plane.worker.stop()
    events = [record.data["event"] for record in read_journal(tmp_path / "two") if isinstance(record, Event)]
    assert events == ["Paused"]
