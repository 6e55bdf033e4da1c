"""The live hearing and the record together: what happens in the room is in the database, and a room comes out of it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from records import outbox
from records.actors import ActorKind
from records.clock import FixedClock
from records.database import Database
from records.master_keys import MasterKeys
from records.signing import SigningKey
from records.trail import TrailEntry
from sessions.seats import SeatRole, abilities_of
from sessions.states import SessionState
from sessions.tables import HOST_ABSENT, Mark, PresenceSpan, Recording, RecordingState, Seat, Session
from signaling.absence import PATIENCE
from tests.support.media_fake import FakeMediaPlane
from tests.support.people import (
    MORNING,
    Hearing,
    book_hearing,
    give_every_consent,
    open_offices,
)
from tests.support.room_page import SETTINGS, House, Page, People, serving
from web.bridges import RecordedJournals, ports_for
from web.jobs import SEAL


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(MORNING)


@pytest.fixture
async def hearing(database: Database, clock: FixedClock) -> Hearing:
    await open_offices(database)
    return await book_hearing(database, clock)


def seats_of(hearing: Hearing) -> People:
    def person(role: SeatRole, name: str) -> tuple[str, str, frozenset[str]]:
        return role.value, name, frozenset(ability.value for ability in abilities_of(role))

    return {
        hearing.host_seat: person(SeatRole.HOST, "王立"),
        hearing.far_end_seat: person(SeatRole.FAR_END, "刘芳"),
        hearing.applicant_seat: person(SeatRole.APPLICANT, "高秀兰"),
    }


async def reasons_of_leaving(database: Database, seat_id: str) -> Sequence[str | None]:
    async with database.read() as db:
        spans = select(PresenceSpan.reason).where(PresenceSpan.seat_id == seat_id).order_by(PresenceSpan.entered_at)
        return (await db.scalars(spans)).all()


async def comes(house: House, hearing: Hearing, seat_id: str) -> Page:
    return await house.comes(seat_id, hearing=hearing.session_id)


async def test_a_hearing_with_a_restart_in_its_middle_is_whole_on_record(
    database: Database, hearing: Hearing, clock: FixedClock, media: FakeMediaPlane, tmp_path: Path
) -> None:
    journals = RecordedJournals(tmp_path, MasterKeys(bytes(32)), SigningKey.generate())
    ports = ports_for(database, journals, clock)
    async with serving(media, ports, people=seats_of(hearing)) as house:
        media.on_event = house.hub.take_media_event
        wang = await comes(house, hearing, hearing.host_seat)
        gao = await comes(house, hearing, hearing.applicant_seat)
        await wang.sees(hearing.applicant_seat, present=True)
        await wang.say("admit", seat_id=hearing.applicant_seat)
        await wang.told("refused", code="consent_missing")
        assert media.hearings == {}
        await give_every_consent(database, hearing, clock)
        await wang.say("admit", seat_id=hearing.applicant_seat)
        await gao.told("offer")
        await gao.say("end")
        await gao.told("refused", code="not_permitted")
        await gao.say("word", text="听得到吗")
        await wang.told("word", text="听得到吗")
        clock.advance(60)

    async with serving(media, ports, people=seats_of(hearing)) as house:
        media.on_event = house.hub.take_media_event
        gao = await comes(house, hearing, hearing.applicant_seat)
        await gao.told("offer")
        wang = await comes(house, hearing, hearing.host_seat)
        (word,) = (await wang.told("words"))["said"]
        assert (word["number"], word["from"], word["text"]) == (1, hearing.applicant_seat, "听得到吗")
        await wang.told("offer")
        await comes(house, hearing, hearing.far_end_seat)
        clock.advance(60)
        await wang.say("end")
        assert await gao.closed() == ("ended", 4001)
        assert await wang.closed() == ("ended", 4001)

    assert await reasons_of_leaving(database, hearing.applicant_seat) == ["server_restarting", "ended"]
    async with database.read() as db:
        session = await db.get_one(Session, hearing.session_id)
        recording = (await db.scalars(select(Recording))).one()
        events = (await db.scalars(select(TrailEntry.event).order_by(TrailEntry.sequence))).all()
        assert (await db.get_one(Seat, hearing.applicant_seat)).admitted_at is not None
    assert session.state is SessionState.ENDED
    assert recording.state is RecordingState.ENDED
    assert recording.duration_ms is not None
    for event in ("HearingStarted", "HearingEnded", "SeatAdmitted", "WordLeft", "RequestRefused"):
        assert events.count(event) == 1, event


async def test_a_recess_outlives_the_server_and_a_hearing_can_end_in_it(
    database: Database, hearing: Hearing, clock: FixedClock, media: FakeMediaPlane, tmp_path: Path
) -> None:
    journals = RecordedJournals(tmp_path, MasterKeys(bytes(32)), SigningKey.generate())
    ports = ports_for(database, journals, clock)
    await give_every_consent(database, hearing, clock)
    async with serving(media, ports, people=seats_of(hearing)) as house:
        media.on_event = house.hub.take_media_event
        wang = await comes(house, hearing, hearing.host_seat)
        gao = await comes(house, hearing, hearing.applicant_seat)
        await wang.sees(hearing.applicant_seat, present=True)
        await wang.say("pause")
        await wang.told("refused", code="hearing_not_started")
        await wang.say("admit", seat_id=hearing.applicant_seat)
        await gao.told("offer")
        await gao.say("pause", reason="我累了")
        await gao.told("refused", code="not_permitted")
        await wang.say("pause", reason="歇十分钟")
        shown = await gao.until(lambda message: message["type"] == "room" and message["recess"])
        assert (shown["recess"]["by"], shown["recess"]["reason"]) == ("王立", "歇十分钟")
        assert media.hearings[hearing.session_id].paused
        clock.advance(60)

    async with serving(media, ports, people=seats_of(hearing)) as house:
        media.on_event = house.hub.take_media_event
        gao = await comes(house, hearing, hearing.applicant_seat)
        await gao.told("offer")
        assert media.hearings[hearing.session_id].paused
        assert gao.room["recess"]["reason"] == "歇十分钟"
        wang = await comes(house, hearing, hearing.host_seat)
        await wang.say("resume")
        await gao.until(lambda message: message["type"] == "room" and message["recess"] is None)
        assert not media.hearings[hearing.session_id].paused
        await wang.say("pause")
        await gao.until(lambda message: message["type"] == "room" and message["recess"])
        await wang.say("end")
        assert await gao.closed() == ("ended", 4001)

    async with database.read() as db:
        events = (await db.scalars(select(TrailEntry.event).order_by(TrailEntry.sequence))).all()
        assert (await db.get_one(Session, hearing.session_id)).state is SessionState.ENDED
    assert (events.count("HearingPaused"), events.count("HearingResumed")) == (2, 1)


async def test_a_hearing_whose_host_never_comes_back_is_ended_by_the_house_and_waits_to_be_sealed(
    database: Database, hearing: Hearing, clock: FixedClock, media: FakeMediaPlane, tmp_path: Path
) -> None:
    journals = RecordedJournals(tmp_path, MasterKeys(bytes(32)), SigningKey.generate())
    ports = ports_for(database, journals, clock)
    await give_every_consent(database, hearing, clock)
    settings = replace(SETTINGS, look_every_s=0.01)
    async with serving(media, ports, settings, people=seats_of(hearing), clock=clock) as house:
        media.on_event = house.hub.take_media_event
        wang = await comes(house, hearing, hearing.host_seat)
        gao = await comes(house, hearing, hearing.applicant_seat)
        await wang.sees(hearing.applicant_seat, present=True)
        await wang.say("admit", seat_id=hearing.applicant_seat)
        await gao.told("offer")
        wang.cut()
        await gao.until(lambda message: message["type"] == "room" and message["host_awaited"])
        clock.advance(PATIENCE.total_seconds())
        assert await gao.closed() == ("host_absent", 4005)

    assert await reasons_of_leaving(database, hearing.host_seat) == ["lost"]
    async with database.read() as db:
        session = await db.get_one(Session, hearing.session_id)
        mark = (await db.scalars(select(Mark).where(Mark.kind == HOST_ABSENT))).one()
        ended = (await db.scalars(select(TrailEntry).where(TrailEntry.event == "HearingEnded"))).one()
        told = (await db.scalars(select(TrailEntry).where(TrailEntry.event == "HostNeverReturned"))).one()
        sealing = await outbox.standing_of(db, f"{SEAL}/{hearing.session_id}")
    assert session.state is SessionState.ENDED
    assert mark.elapsed_ms == 0, "where the host was last there"
    assert {ended.actor_kind, told.actor_kind} == {ActorKind.SYSTEM}
    assert sealing is not None
