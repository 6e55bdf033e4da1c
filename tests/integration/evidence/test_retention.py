"""What is due is listed; what is deleted was due, not held, and stands on the trail; the rest stays."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from records.clock import FixedClock
from records.refusals import Refusal
from records.trail import TrailEntry
from sessions.holds import lift_hold, place_hold
from tests.integration.evidence.conftest import Evidence, played
from tests.support.database import sqlite_url
from tests.support.house import House, open_house
from tests.support.sealed import write_journal
from web.__main__ import main
from web.exports import command_line_actor
from web.keys import VAULT
from web.retention import Due, Kind, delete_due, find_due
from web.settings import Settings

DAY_S = 86_400


def days(clock: FixedClock, count: float) -> FixedClock:
    """Return a clock that many days later."""
    later = FixedClock(clock.now())
    later.advance(count * DAY_S)
    return later


async def due_in(house: House, settings: Settings, clock: FixedClock) -> list[Due]:
    async with house.database.read() as db:
        return await find_due(db, settings, house.server.app[VAULT], clock=clock)


async def test_files_are_deleted_when_due_and_not_held_and_the_trail_says_so(
    sqlite_template: Path, tmp_path: Path
) -> None:
    (tmp_path / "jiefang.db").write_bytes(sqlite_template.read_bytes())  # noqa: ASYNC240
    async with open_house(sqlite_url(tmp_path / "jiefang.db"), tmp_path / "house") as house:
        journal = house.settings.journals / house.session_id
        write_journal(journal, house.session_id, await house.applicants_seat(), FixedClock(datetime.now(UTC)))
        settings = house.settings.model_copy(
            update={"retention_recording_days": 40, "retention_playback_days": 30, "retention_document_days": 40}
        )
        assert await due_in(house, settings, days(house.clock, 9999)) == [], "what is not sealed is never due"
        await house.paid()
        await played(house)

        assert await due_in(house, settings, days(house.clock, 29)) == []
        assert [one.kind for one in await due_in(house, settings, days(house.clock, 31))] == [Kind.PLAYBACK]
        later = days(house.clock, 41)
        due = await due_in(house, settings, later)
        assert [one.kind for one in due].count(Kind.DOCUMENT) == 4
        assert Kind.BANK not in [one.kind for one in due]

        async with house.database.begin() as db:
            await place_hold(db, command_line_actor(), house.session_id, "复查", clock=later)
        assert await due_in(house, settings, later) == []
        with pytest.raises(Refusal, match="not_due"):
            await delete(house, settings, due[0], later)
        assert (journal / "segment-000001.jfj").exists()
        async with house.database.begin() as db:
            await lift_hold(db, command_line_actor(), house.session_id, "复查完毕", clock=later)

        wang = await house.staff("wang")
        still = house.server.app[VAULT].path(next(one.digests[0] for one in due if one.digests))
        kept = still.read_bytes()
        still.unlink()
        answer = await wang.submit(f"/sessions/{house.session_id}/evidence")
        assert (answer.status, answer.refused) == (500, "evidence_damaged")
        still.write_bytes(kept)

        for one in due:
            await delete(house, settings, one, later)
        assert await due_in(house, settings, later) == []
        assert not list(journal.glob("segment-*"))
        assert (journal / "manifest.sig").exists()
        async with house.database.read() as db:
            entries = list(await db.scalars(select(TrailEntry).where(TrailEntry.event == "FilesDeleted")))
        assert len(entries) == len(due)
        assert all("保管期满" in entry.details for entry in entries)
        assert "证据链完整" in (await wang.get(f"/sessions/{house.session_id}")).text
        answer = await wang.submit(f"/sessions/{house.session_id}/evidence")
        assert answer.refused == "evidence_deleted"
        # A file that goes missing in disorder is still a fault.
        (journal / "manifest.sig").unlink()
        assert "证据链有问题" in (await wang.get(f"/sessions/{house.session_id}")).text


async def delete(house: House, settings: Settings, due: Due, clock: FixedClock) -> None:
    vault = house.server.app[VAULT]
    await delete_due(house.database, settings, vault, command_line_actor(), due, "保管期满", clock=clock)


def test_at_the_command_line_nothing_is_deleted_without_a_reason(evidence: Evidence) -> None:
    result = CliRunner().invoke(main, ["retention"], env=evidence.environment)
    assert (result.exit_code, result.output) == (0, "没有到期的材料。\n")
    result = CliRunner().invoke(main, ["retention", "--delete"], env=evidence.environment)
    assert result.exit_code == 2
    assert "--reason" in result.output


def test_a_hold_is_placed_once_and_lifted_once(evidence: Evidence) -> None:
    def hold(*options: str) -> str:
        arguments = ["hold", evidence.session_id, "--reason", "申诉", *options]
        return CliRunner().invoke(main, arguments, env=evidence.environment).output.strip()

    assert hold() == "已保全，到期也不会删除。"
    assert hold() == "这场接访的材料已经在保全，不能重复保全。"
    assert hold("--lift") == "已解除保全。"
    assert hold("--lift") == "这场接访的材料没有在保全。"
