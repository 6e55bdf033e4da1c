"""Simulated applicants that were called from the demonstration: whose tasks they are, and how many there may be."""

import asyncio
import logging
from collections.abc import AsyncIterator

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from records.actors import Actor
from records.clock import Clock
from records.refusals import Refusal
from sessions.admission import find_invitation
from sessions.booking import invite
from sessions.seats import SeatRole
from sessions.tables import Seat
from web.demo import invitation_url
from web.keys import SETTINGS
from web.settings import Settings
from web.simulator.applicant import Options, run
from web.simulator.person import DEMO_APPLICANT

log = logging.getLogger(__name__)

AT_ONCE = 3


class Simulations:
    """Runs simulated applicants, one a hearing and at most `AT_ONCE`."""

    def __init__(self, group: asyncio.TaskGroup, *, insecure: bool) -> None:
        """`insecure`: the demonstration's own certificate is signed by itself."""
        self._group = group
        self._insecure = insecure
        self._running: dict[str, asyncio.Task[None]] = {}

    def call(self, session_id: str, url: str) -> None:
        """Send one to the hearing; raise `Refusal("simulations_full")` when she is there or too many are about."""
        self._running = {key: task for key, task in self._running.items() if not task.done()}
        if session_id in self._running or len(self._running) >= AT_ONCE:
            raise Refusal("simulations_full")
        self._running[session_id] = self._group.create_task(self._visit(url), name=f"simulated {session_id}")

    def stop(self) -> None:
        """Make all of them leave."""
        for task in self._running.values():
            task.cancel()

    async def _visit(self, url: str) -> None:
        try:
            report = await run(url, DEMO_APPLICANT.id_tail, options=Options(insecure=self._insecure))
        except Exception:
            # She is a guest: her failing must not take the server down.
            log.exception("simulated applicant failed")
        else:
            log.info("simulated applicant: %s", report.sentence)


SIMULATIONS = web.AppKey("simulations", Simulations)


async def simulations_lifetime(app: web.Application) -> AsyncIterator[None]:
    """Own the simulated applicants' tasks; closed before the hub is."""
    async with asyncio.TaskGroup() as group:
        app[SIMULATIONS] = Simulations(group, insecure=app[SETTINGS].secure)
        yield
        app[SIMULATIONS].stop()


async def invitation_for_simulation(
    db: AsyncSession, actor: Actor, session_id: str, *, settings: Settings, clock: Clock
) -> str:
    """Return an invitation to the session: the demonstration's printed one where it fits, so that it stays good."""
    printed = invitation_url(settings)
    try:
        if (await find_invitation(db, printed.rpartition("/")[2], clock=clock)).session_id == session_id:
            return printed
    except Refusal:
        log.info("the printed invitation does not open; making another")
    query = select(Seat.id).where(Seat.session_id == session_id, Seat.role == SeatRole.APPLICANT)
    seat_id = await db.scalar(query)
    if seat_id is None:
        raise Refusal("seat_unknown")
    token = await invite(db, actor, seat_id, clock=clock)
    return f"{settings.public_origin}/i/{token}"
