"""Two and three people through the real relay: what each sees and hears, and what the journal holds."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from records.journal import Packet, Source, read_journal
from tests.integration.media.peers import HEARING, Peer, Plane, open_plane


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    plane = await open_plane(tmp_path / "journal")
    yield plane
    await plane.worker.stop()


async def test_two_people_see_and_hear_each_other_and_both_are_in_the_journal(plane: Plane) -> None:
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
