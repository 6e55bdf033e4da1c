"""The live hearing's WebSocket: who is this, which seat is theirs; the rest is signaling's."""

import re

from aiohttp import hdrs, web

from records.ids import new_id
from records.refusals import Refusal
from sessions.actors import seat_of
from sessions.admission import staff_seat
from sessions.seats import abilities_of
from sessions.tables import Seat
from signaling import endpoint
from signaling.ports import Seated
from web.access import Anyone, Route
from web.keys import APPLICANT, DATABASE, DEVICE, HUB, LIMITS, STAFF
from web.limits import SOCKET

WORD_NUMBER = re.compile("[0-9]{1,9}")


async def join_hearing(request: web.Request) -> web.StreamResponse:
    """GET /ws/hearings/{session_id}?takeover=0|1&words_after=N&as=applicant|staff: the socket of one's own seat."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and origin.partition("://")[2] != request.host:
        raise Refusal("form_expired")
    await request.app[LIMITS].spend(SOCKET, request[DEVICE])
    seat = await _own_seat(request, request.match_info["session_id"])
    # A browser names itself: whoever changes the name each time still has one seat.
    await request.app[LIMITS].spend(SOCKET, seat.id)
    seated = Seated(
        hearing_id=seat.session_id,
        seat_id=seat.id,
        role=seat.role.value,
        name=seat.display_name,
        title=seat.title,
        abilities=frozenset(ability.value for ability in abilities_of(seat.role)),
        connection_id=new_id(),
        device=request[DEVICE],
        takeover=request.query.get("takeover") == "1",
        words_after=int(after) if WORD_NUMBER.fullmatch(after := request.query.get("words_after", "")) else 0,
    )
    return await endpoint.serve(request.app[HUB], request, seated)


async def _own_seat(request: web.Request, session_id: str) -> Seat:
    """Return the seat of whoever asks. One browser may be signed in as both in the demo: then `as` decides."""
    wanted = request.query.get("as")
    applicant = request.get(APPLICANT) if wanted != "staff" else None
    async with request.app[DATABASE].read() as db:
        if applicant is not None and applicant.session_id == session_id:
            return await seat_of(db, applicant.actor.id, session_id=session_id)
        staff = request.get(STAFF) if wanted != "applicant" else None
        if staff is None:
            raise Refusal("not_your_hearing")
        return await staff_seat(db, staff.actor, session_id)


ROUTES: tuple[Route, ...] = (Route("GET", "/ws/hearings/{session_id}", join_hearing, Anyone()),)
