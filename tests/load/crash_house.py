"""The server of a crash run: the demonstration in processes of its own, with more hearings, and blows to it."""

import asyncio
import os
import re
import signal
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import select

from records.actors import Actor, ActorKind, Role
from records.clock import SystemClock
from records.database import Database
from records.outbox import LetterState, OutboxLetter
from records.personal import PersonalData
from sessions.booking import Attendee, BookSession, book, invite
from sessions.seats import SeatRole
from sessions.states import SessionState
from sessions.tables import Seat, Session
from tests.browser.server import ROOT, DemoProcess
from web.accounts.tables import Staff
from web.settings import demo_settings
from web.simulator.person import DEMO_APPLICANT

_LISTENS = re.compile(r"media worker (\d+) listens on UDP port (\d+)")


@dataclass(frozen=True, slots=True)
class Booked:
    """A hearing to be held, and the applicant's way in."""

    session_id: str
    link: str


class House:
    """The server and what can be done to it from outside."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.demo = DemoProcess(var)
        settings = demo_settings(var, port=0, media_port=0, addresses=("127.0.0.1",), tls=False)
        self.journals = settings.journals
        self.master_keys = settings.master_keys
        self.public_key = settings.data_dir / "office-public.pem"
        self._settings = settings

    async def start(self) -> None:
        """Start it; when this returns it is ready for visitors."""
        await asyncio.to_thread(self.demo.start)

    async def kill(self) -> None:
        """Kill the server's own process, and only that: its workers find out by themselves."""
        await asyncio.to_thread(self.demo.stop, signal.SIGKILL)

    async def stop(self) -> None:
        """Stop it in good order."""
        await asyncio.to_thread(self.demo.stop)

    def workers(self) -> dict[int, int]:
        """Return the media workers that run now: UDP port -> process."""
        listening = {int(port): int(pid) for pid, port in _LISTENS.findall(self.demo.log())}
        return {port: pid for port, pid in listening.items() if Path(f"/proc/{pid}").exists()}

    def strike(self, port: int, blow: signal.Signals) -> None:
        """Kill (or stop) the worker that listens on a port."""
        os.kill(self.workers()[port], blow)

    async def book(self, count: int) -> list[Booked]:
        """Book hearings that can be held now."""
        database = self._database()
        clock = SystemClock()
        booked: list[Booked] = []
        try:
            async with database.begin() as db:
                staff = (await db.scalars(select(Staff).where(Staff.user_name == "wang"))).one()
                host = Actor(ActorKind.STAFF, staff.id, staff.name, staff.office_id, frozenset({Role.HOST}))
                for _ in range(count):
                    command = BookSession(
                        office_id=staff.office_id,
                        subject="国家司法救助",
                        applicant_name=DEMO_APPLICANT.name,
                        applicant_id_tail=DEMO_APPLICANT.id_tail,
                        starts_at=clock.now() - timedelta(minutes=1),
                        ends_at=clock.now() + timedelta(hours=6),
                        host=Attendee(staff.id, staff.name, "检察官"),
                    )
                    session = await book(db, host, command, clock=clock)
                    of_applicant = select(Seat.id).where(Seat.session_id == session.id, Seat.role == SeatRole.APPLICANT)
                    seat_id = (await db.scalars(of_applicant)).one()
                    booked.append(Booked(session.id, f"/i/{await invite(db, host, seat_id, clock=clock)}"))
        finally:
            await database.dispose()
        return booked

    async def until_sealed(self, session_ids: list[str], timeout_s: float) -> None:
        """Wait until every hearing's recording is sealed, and nothing is left to be done about any."""
        database = self._database()
        sealed = select(Session.id).where(Session.id.in_(session_ids), Session.state == SessionState.SEALED)
        waiting = select(OutboxLetter.id).where(OutboxLetter.state == LetterState.WAITING).limit(1)
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    async with database.read() as db:
                        done = len(list(await db.scalars(sealed))) == len(session_ids)
                        if done and await db.scalar(waiting) is None:
                            return
                    await asyncio.sleep(0.2)
        finally:
            await database.dispose()

    async def verify(self) -> tuple[bool, str]:
        """Run `jiefang verify` as anybody would; return whether everything holds, and what it said."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "web", "verify", "--var", os.fspath(self.var)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode == 0, said.decode()

    def _database(self) -> Database:
        key = bytes.fromhex(self._settings.personal_key.get_secret_value())
        return Database(self._settings.database_url, personal=PersonalData(key))
