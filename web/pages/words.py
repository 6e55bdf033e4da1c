"""What was written in a hearing so far, for a page that comes back: after a reload, a cut, a restart of the server."""

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from records.actors import Permission
from sessions.actors import seats_of
from sessions.admission import staff_seat
from sessions.queries import words_of
from sessions.seats import SeatRole
from signaling.messages import Json
from web.access import Applicant, Route, Staff
from web.accounts.current import applicant_actor, applicant_session_id, staff_actor
from web.keys import DATABASE


async def send_own_words(request: web.Request) -> web.StreamResponse:
    """GET /hearing/words, as JSON: what the applicant wrote, and what was written to her."""
    async with request.app[DATABASE].read() as db:
        words = await _words_for(db, applicant_session_id(request), applicant_actor(request).id)
    return web.json_response({"words": words})


async def send_words(request: web.Request) -> web.StreamResponse:
    """GET /sessions/{session_id}/words, as JSON: everything for the host; for others what they wrote and heard."""
    session_id = request.match_info["session_id"]
    async with request.app[DATABASE].read() as db:
        seat = await staff_seat(db, staff_actor(request), session_id)
        words = await _words_for(db, session_id, seat.id)
    return web.json_response({"words": words})


async def _words_for(db: AsyncSession, session_id: str, seat_id: str) -> list[Json]:
    """Return what the person in a seat was shown: the room sends a host's words to all, anybody else's to the hosts."""
    hosts = {seat.id for seat in await seats_of(db, session_id) if seat.role is SeatRole.HOST}
    return [
        {
            "type": "word",
            "from": word.seat_id,
            "name": word.name,
            "text": word.text,
            "at": word.at.isoformat(),
            "mine": word.seat_id == seat_id,
        }
        for word in await words_of(db, session_id)
        if seat_id in hosts or word.seat_id in hosts or word.seat_id == seat_id
    ]


ROUTES: tuple[Route, ...] = (
    Route("GET", "/hearing/words", send_own_words, Applicant()),
    Route("GET", "/sessions/{session_id}/words", send_words, Staff(Permission.JOIN_HEARING)),
)
