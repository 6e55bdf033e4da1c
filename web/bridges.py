"""Between the live hearing and the hearing on record: what the room reports becomes use cases, each in a commit.

Signaling knows no database and sessions knows no sockets; only here do both meet.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from records import outbox
from records.actors import Actor, system_actor
from records.clock import Clock
from records.database import Database
from records.master_keys import MasterKeys
from records.refusals import Refusal
from records.session_keys import ensure_session_key
from records.signing import SigningKey
from sessions import absences, interruptions, proceedings, recesses, recordings
from sessions.actors import actor_in_seat
from sessions.queries import words_of
from sessions.seats import SeatAbility, may
from sessions.states import SessionState
from signaling.lines import Lines
from signaling.messages import Phase
from signaling.ports import Opening, Ports, SeatCard
from signaling.recess import Recess
from signaling.trouble import Interruption
from signaling.words import WORDS_KEPT, Word
from web.jobs import SEAL

log = logging.getLogger(__name__)

_HUB = system_actor("hub")
_RECORDER = system_actor("recorder")
_PHASES: dict[SessionState, Phase] = {
    SessionState.BOOKED: "waiting",
    SessionState.IN_SESSION: "in_session",
    SessionState.ENDED: "ended",
    SessionState.SEALED: "ended",
    SessionState.CANCELLED: "ended",
}


class RecordedProceedings:
    """Writes down what happens in the room (`signaling.ports.Proceedings`)."""

    def __init__(self, database: Database, journals: "RecordedJournals", clock: Clock) -> None:
        self._database = database
        self._journals = journals
        self._clock = clock

    async def opening(self, hearing_id: str) -> Opening:
        """Return how far the hearing is, to build its room from."""
        async with self._database.read() as db:
            opening = await proceedings.room_opening(db, hearing_id)
            said = await words_of(db, hearing_id)
        hosts = {seat.seat_id for seat in opening.seats if may(seat.role, SeatAbility.ADMIT)}
        words = [
            Word(number, word.seat_id, word.name, word.text, word.at, to_all=word.seat_id in hosts)
            for number, word in enumerate(said, 1)
        ]
        return Opening(
            phase=_PHASES[opening.state],
            started_at=opening.started_at,
            admitted=opening.admitted,
            seats=tuple(SeatCard(seat.seat_id, seat.role.value, seat.name, seat.title) for seat in opening.seats),
            recess=None if (rests := opening.recess) is None else Recess(rests.began_at, rests.by, rests.reason),
            words=tuple(words[-WORDS_KEPT:]),
        )

    async def entered(self, hearing_id: str, seat_id: str) -> None:
        """Somebody is there."""
        async with self._by(seat_id) as (db, actor):
            await proceedings.enter(db, actor, hearing_id, seat_id, clock=self._clock)

    async def left(self, hearing_id: str, seat_id: str, reason: str) -> None:
        """Somebody is gone."""
        async with self._by(seat_id) as (db, actor):
            await proceedings.leave(db, actor, hearing_id, seat_id, reason, clock=self._clock)

    async def started(self, hearing_id: str, by: str) -> None:
        """The host begins; from here on everything is recorded, encrypted for this hearing's key alone."""
        try:
            await asyncio.to_thread(self._journals.prepare, hearing_id)
        except OSError as error:
            log.error("no recording can be begun: %s", error)
            raise Refusal("recording_unavailable") from error
        async with self._by(by) as (db, actor):
            await proceedings.start(db, actor, hearing_id, clock=self._clock)
            await recordings.begin(db, actor, hearing_id, directory=hearing_id, clock=self._clock)

    async def admitted(self, hearing_id: str, by: str, seat_id: str) -> None:
        """The host lets somebody in."""
        async with self._by(by) as (db, actor):
            await proceedings.admit(db, actor, hearing_id, seat_id, clock=self._clock)

    async def sent_back(self, hearing_id: str, by: str, seat_id: str) -> None:
        """The host sends somebody back to the waiting room."""
        async with self._by(by) as (db, actor):
            await proceedings.send_back(db, actor, hearing_id, seat_id, clock=self._clock)

    async def paused(self, hearing_id: str, by: str, reason: str, elapsed_ms: int) -> None:
        """The host begins a recess."""
        async with self._by(by) as (db, actor):
            await recesses.pause(db, actor, hearing_id, by, reason, elapsed_ms=elapsed_ms, clock=self._clock)

    async def resumed(self, hearing_id: str, by: str, elapsed_ms: int) -> None:
        """The host ends the recess."""
        async with self._by(by) as (db, actor):
            await recesses.resume(db, actor, hearing_id, elapsed_ms=elapsed_ms, clock=self._clock)

    async def said(self, hearing_id: str, seat_id: str, text: str, at: datetime) -> int:
        """A word was left; return its number."""
        async with self._by(seat_id) as (db, actor):
            await proceedings.leave_word(db, actor, hearing_id, seat_id, text, clock=self._clock)
            return await proceedings.words_left(db, hearing_id)

    async def troubled(self, hearing_id: str, error: str, saved_ms: int | None) -> None:
        """The recording does not reach the disk."""
        async with self._database.begin() as db:
            await interruptions.note_trouble(db, _RECORDER, hearing_id, error, saved_ms, clock=self._clock)

    async def interrupted(self, hearing_id: str, interruption: Interruption) -> None:
        """The recording had not reached the disk for a while."""
        lost_from_ms, lost_to_ms = interruption.lost or (None, None)
        interrupted = interruptions.Interrupted(
            interruption.error, interruption.from_ms, interruption.to_ms, lost_from_ms, lost_to_ms
        )
        async with self._database.begin() as db:
            await interruptions.note_interruption(db, _RECORDER, hearing_id, interrupted, clock=self._clock)

    async def measured(self, hearing_id: str, lines: Lines) -> None:
        """What the lines were like."""
        summed = {
            seat_id: proceedings.LineSummed(
                measured_s=line.measured_s,
                loss_pct_sum=line.loss_pct_sum,
                loss_pct_max=line.loss_pct_max,
                rtt_known_s=line.rtt_known_s,
                rtt_ms_sum=line.rtt_ms_sum,
                rtt_ms_max=line.rtt_ms_max,
                jitter_ms_max=line.jitter_ms_max,
                freezes=line.freezes,
                frozen_ms=line.frozen_ms,
            )
            for seat_id, line in lines.items()
        }
        async with self._database.begin() as db:
            await proceedings.note_lines(db, hearing_id, summed)

    async def running(self) -> tuple[str, ...]:
        """Return which hearings are in session."""
        async with self._database.read() as db:
            return await proceedings.sessions_running(db)

    async def ended(self, hearing_id: str, by: str | None, elapsed_ms: int | None) -> None:
        """The host ends, or never came back; the recording is complete on the disk and waits to be sealed."""
        async with self._database.begin() as db:
            if by is None:
                await absences.end_without_host(db, _HUB, hearing_id, elapsed_ms=elapsed_ms, clock=self._clock)
            else:
                actor = await actor_in_seat(db, by)
                await proceedings.end(db, actor, hearing_id, clock=self._clock, elapsed_ms=elapsed_ms)
            await outbox.put(db, SEAL, {"session_id": hearing_id}, key=f"{SEAL}/{hearing_id}", clock=self._clock)

    async def refused(self, hearing_id: str, seat_id: str, code: str) -> None:
        """The room refused something."""
        async with self._by(seat_id) as (db, actor):
            await proceedings.note_refusal(db, actor, hearing_id, code, clock=self._clock, seat_id=seat_id)

    @asynccontextmanager
    async def _by(self, seat_id: str) -> AsyncIterator[tuple[AsyncSession, Actor]]:
        async with self._database.begin() as db:
            yield db, await actor_in_seat(db, seat_id)


class RecordedJournals:
    """Keeps the journals of recordings below one directory (`signaling.ports.Journals`)."""

    def __init__(self, root: Path, master: MasterKeys, key: SigningKey) -> None:
        self._root = root
        self._master = master
        self._key = key

    def prepare(self, hearing_id: str) -> None:
        """Make the key of a hearing's journal. Blocking. Raises OSError."""
        ensure_session_key(self.directory(hearing_id), hearing_id, self._master, self._key)

    def directory(self, hearing_id: str) -> Path:
        """Return the directory of a hearing's journal."""
        return self._root / hearing_id


def ports_for(database: Database, journals: RecordedJournals, clock: Clock) -> Ports:
    """Return what signaling asks of the rest, as this house gives it."""
    return Ports(proceedings=RecordedProceedings(database, journals, clock), journals=journals)
