"""A recording that did not reach the disk is on the trail when it begins, and marked, once, where it began."""

import json

import pytest

from records.actors import system_actor
from records.clock import FixedClock
from records.database import Database
from records.refusals import Refusal
from records.trail import entries_of
from sessions.interruptions import INTERRUPTION, Interrupted, note_interruption, note_trouble, title_of
from sessions.queries import marks_of
from tests.support.people import Hearing

RECORDER = system_actor("recorder")
LOST = Interrupted("disk_full", 5000, 140_000, 8000, 140_000)


async def test_trouble_is_on_the_trail_as_it_begins(database: Database, hearing: Hearing, clock: FixedClock) -> None:
    async with database.begin() as db:
        await note_trouble(db, RECORDER, hearing.session_id, "disk_gone", None, clock=clock)
    async with database.read() as db:
        entries = await entries_of(db, session_id=hearing.session_id)
    (told,) = [json.loads(entry.details) for entry in entries if entry.event == "RecordingTroubled"]
    assert told == {"cause": "disk_gone", "saved_ms": None}


async def test_an_interruption_is_marked_once_however_often_it_is_told(
    database: Database, hearing: Hearing, clock: FixedClock
) -> None:
    for _ in range(2):
        async with database.begin() as db:
            await note_interruption(db, RECORDER, hearing.session_id, LOST, clock=clock)
    async with database.begin() as db:
        later = Interrupted("disk_slow", 200_000, 203_000)
        await note_interruption(db, RECORDER, hearing.session_id, later, clock=clock)
    async with database.read() as db:
        marks = await marks_of(db, hearing.session_id)
        entries = await entries_of(db, session_id=hearing.session_id)
    assert [(mark.kind, mark.elapsed_ms) for mark in marks] == [(INTERRUPTION, 5000), (INTERRUPTION, 200_000)]
    assert marks[0].title == "录像中断：磁盘满了，有 2 分 12 秒没有录上"
    assert [entry.event for entry in entries].count("RecordingInterrupted") == 2


async def test_a_session_that_is_not_there_has_no_interruption(database: Database, clock: FixedClock) -> None:
    with pytest.raises(Refusal, match="session_unknown"):
        async with database.begin() as db:
            await note_interruption(db, RECORDER, "nobody's", LOST, clock=clock)


@pytest.mark.parametrize(
    ("interrupted", "said"),
    [
        (Interrupted("disk_slow", 0, 400), "录像存盘受阻：磁盘太慢，0.4 秒后全部补存，没有缺失"),
        (Interrupted("not_recording", 0, 9000), "录像中断：录音录像停了，9 秒后恢复，没有缺失"),
        (Interrupted("disk_failed", 0, 60_000), "录像存盘受阻：磁盘写不进去，1 分 0 秒后全部补存，没有缺失"),
        (Interrupted("disk_full", 0, None), "录像存盘受阻：磁盘满了，接访结束时还没有存完，之后接着存"),
        (Interrupted("a newer worker's word", 0, 9000, 1000, 9000), "录像中断：磁盘写不进去，有 8 秒没有录上"),
    ],
)
def test_an_interruption_is_told_in_a_sentence(interrupted: Interrupted, said: str) -> None:
    assert title_of(interrupted) == said
