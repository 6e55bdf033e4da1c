"""Everybody does everything at the same time: nothing is lost, nothing waits for ever, the trail says it all."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from records.actors import system_actor
from records.clock import FixedClock
from records.database import Database
from records.journal import JournalWriter
from records.refusals import Refusal
from records.signing import SigningKey
from records.trail import entries_of, export_trail, sign_head
from records.vault import Vault
from records.verifier import verify_trail
from sessions.admission import Identified, OtherDevice, WrongTail, give_consent, identify
from sessions.booking import cancel, invite
from sessions.proceedings import admit, close_open_presence, end, enter, leave, leave_word, send_back, start
from sessions.recordings import add_mark, begin
from sessions.sealing import seal
from sessions.states import SessionState
from sessions.tables import Consent, ConsentKind, Invitation, Message, PresenceSpan, Session
from tests.support.people import GAO_TAIL, WANG, Hearing

SYSTEM = system_actor("torture")
KEY = SigningKey.generate()
STEPS = 60


class Morning:
    """A hearing, and everything that anybody can do to it."""

    def __init__(self, database: Database, hearing: Hearing, clock: FixedClock, home: Path) -> None:
        self._database = database
        self._clock = clock
        self._hearing = hearing
        self._home = home
        self._vault = Vault(home / "vault")
        self.done: Counter[str] = Counter()

    def deeds(self) -> dict[str, Callable[[AsyncSession], Awaitable[object]]]:
        """Return the deeds by the event that stands on the trail when one changed something."""
        session_id, gao, clock = self._hearing.session_id, self._hearing.gao, self._clock
        seat, host_seat, journal = self._hearing.applicant_seat, self._hearing.host_seat, self._home / "journal"
        token = self._hearing.token
        return {
            "HearingStarted": lambda db: start(db, WANG, session_id, clock=clock),
            "HearingEnded": lambda db: end(db, WANG, session_id, clock=clock),
            "HearingCancelled": lambda db: cancel(db, WANG, session_id, "改期", clock=clock),
            "SeatAdmitted": lambda db: admit(db, WANG, session_id, seat, clock=clock),
            "SeatSentBack": lambda db: send_back(db, WANG, session_id, seat, clock=clock),
            "SeatEntered": lambda db: enter(db, gao, session_id, seat, clock=clock),
            "SeatEntered/host": lambda db: enter(db, WANG, session_id, host_seat, clock=clock),
            "SeatLeft": lambda db: leave(db, gao, session_id, seat, "lost", clock=clock),
            "SeatLeft/all": lambda db: close_open_presence(db, SYSTEM, clock=clock),
            "WordLeft": lambda db: leave_word(db, gao, session_id, seat, "听不见", clock=clock),
            "ConsentGiven/r": lambda db: give_consent(db, gao, seat, ConsentKind.RECORDING, clock=clock),
            "ConsentGiven/p": lambda db: give_consent(db, gao, seat, ConsentKind.PERSONAL_DATA, clock=clock),
            "InvitationMade": lambda db: invite(db, WANG, seat, clock=clock),
            "identify/right": lambda db: identify(db, token, GAO_TAIL, "phone", move_here=False, clock=clock),
            "identify/wrong": lambda db: identify(db, token, "0000", "phone", move_here=False, clock=clock),
            "MomentMarked": lambda db: add_mark(db, WANG, session_id, "still", 1, "照", {}, clock=clock),
            "RecordingBegun": lambda db: begin(db, SYSTEM, session_id, directory="journal", clock=clock),
            "RecordingSealed": lambda db: seal(
                db, SYSTEM, session_id, directory=journal, key=KEY, vault=self._vault, clock=clock
            ),
        }

    async def do(self, name: str) -> None:
        """Do one deed, counting what changed something; a refusal is an answer, anything else is a fault."""
        try:
            async with self._database.begin() as db:
                answer = await self.deeds()[name](db)
        except Refusal:
            return
        if isinstance(answer, WrongTail | Identified | OtherDevice):
            self.done[type(answer).__name__] += 1
        else:
            self.done[name.partition("/")[0]] += int(answer) if isinstance(answer, bool | int) else 1


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_whatever_is_done_at_once_the_record_stays_whole(
    database: Database, hearing: Hearing, clock: FixedClock, tmp_path: Path, seed: int
) -> None:
    journal = JournalWriter.open(tmp_path / "journal", hearing.session_id, clock=clock)
    journal.write_event({"kind": "tick"})
    journal.close()
    chance = random.Random(seed)
    morning = Morning(database, hearing, clock, tmp_path)
    names = [name for name in morning.deeds() if name != "HearingCancelled" or seed == 3]
    deeds = chance.choices(names, k=STEPS)
    async with asyncio.timeout(60):
        await asyncio.gather(*(morning.do(name) for name in deeds))
    await expect_a_whole_record(database, hearing, clock, morning.done)


async def expect_a_whole_record(database: Database, hearing: Hearing, clock: FixedClock, done: Counter[str]) -> None:
    async with database.read() as db:
        head = await sign_head(db, KEY, clock=clock)
        assert [finding.code for finding in verify_trail([e async for e in export_trail(db)], [head], KEY.public)] == [
            "trail_whole"
        ]
        events = Counter(entry.event for entry in await entries_of(db, session_id=hearing.session_id))
        state = await db.scalar(select(Session.state))
        rows = {
            table: await db.scalar(select(func.count()).select_from(table)) for table in (Consent, Message, Invitation)
        }
        open_spans = list(await db.scalars(select(PresenceSpan.seat_id).where(PresenceSpan.left_at.is_(None))))
        valid = await db.scalar(select(func.count()).select_from(Invitation).where(Invitation.voided_at.is_(None)))
    once = {"HearingStarted", "HearingEnded", "HearingCancelled", "RecordingBegun", "RecordingSealed"}
    assert all(events[event] <= 1 for event in once)
    seats = ("SeatEntered", "SeatLeft", "SeatAdmitted", "SeatSentBack")
    for event in ("HearingStarted", "HearingEnded", *seats, "WordLeft", "MomentMarked"):
        assert events[event] == done[event], event
    assert events["InvitationTriedWrong"] + events["InvitationLocked"] == done["WrongTail"]
    assert (rows[Consent], rows[Message]) == (events["ConsentGiven"], events["WordLeft"])
    assert rows[Invitation] == events["InvitationMade"]
    assert valid == (0 if state is SessionState.CANCELLED else 1)
    assert len(open_spans) == len(set(open_spans))
    assert not open_spans or state in {SessionState.BOOKED, SessionState.IN_SESSION, SessionState.CANCELLED}
