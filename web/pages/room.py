"""The hearing room of staff, and what is done from it: stills, checks, the conclusion, the reading out."""

import msgspec
from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from aid.confirmations import confirmation_view, read_out
from aid.tables import Confirmation, Still
from aid.verification import (
    Conclude,
    KeepStill,
    SettleCheck,
    StillKind,
    conclude,
    keep_still,
    settle_check,
    verification_view,
)
from records.actors import Permission
from records.refusals import Refusal
from sessions.actors import require_host, session_of
from sessions.admission import staff_seat
from sessions.queries import session_file
from sessions.recesses import recess_now, require_no_recess
from sessions.recordings import add_mark
from sessions.seats import SeatAbility, SeatRole, may
from sessions.states import OVER, SessionState
from sessions.tables import Seat
from signaling.media.events import MediaRefused, StillUnavailable
from signaling.messages import Json
from web.access import Route, Staff
from web.current import staff_actor
from web.flashes import redirect
from web.forms import read_json
from web.keys import CLOCK, DATABASE, HUB, SETTINGS, VAULT
from web.pages import live_socket
from web.pages.case_heard import case_heard
from web.pages.live_moments import announce, elapsed_now
from web.pages.live_views import ice_json, reading_json, room_refusals, verification_json
from web.rendering import render
from web.simulations import SIMULATIONS, invitation_for_simulation

WORKING = frozenset({SeatRole.HOST, SeatRole.FAR_END, SeatRole.JOINT})
"""Whose room shows who the applicant is and what is paid: an interpreter or a spectator need not know."""


class StillBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which still to take."""

    kind: StillKind


class CheckBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a check ended."""

    item: str
    passed: bool
    note: str = ""


class IdentityBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The conclusion; a reason when it is no."""

    verified: bool
    reason: str = ""


class MarkBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to call this moment of the recording."""

    title: str


class NoBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing is needed but the wish."""


async def show_room(request: web.Request) -> web.StreamResponse:
    """GET /sessions/{session_id}/room: the room, for whoever has a seat; a hearing that is over has only its file."""
    session_id, actor = _session_id(request), staff_actor(request)
    async with request.app[DATABASE].read() as db:
        seat = await staff_seat(db, actor, session_id)
        file = await session_file(db, session_id)
        case = await case_heard(db, session_id) if actor.may(Permission.SEE_CASES) else None
    if file.session.state in OVER:
        return redirect(f"/sessions/{session_id}")
    works = seat.role in WORKING
    offices = (file.session.office_id, file.session.far_office_id)
    return render(
        request,
        "live/room.html",
        applicant_name=file.session.applicant_name,
        subject=file.session.subject,
        number=case.number if case else file.session.number,
        refusals=room_refusals(),
        page={
            "session_id": session_id,
            "is_host": seat.role is SeatRole.HOST,
            "works": works,
            "watches": not may(seat.role, SeatAbility.PUBLISH),
            "writes": may(seat.role, SeatAbility.WORD),
            "may_verify": may(seat.role, SeatAbility.TAKE_STILL) and actor.may(Permission.VERIFY_IDENTITY),
            # The simulated applicant cannot hear: she acts on what stands on her screen.
            "prompts_every_step": request.app[SETTINGS].demo and seat.role is SeatRole.HOST,
            "after": f"/sessions/{session_id}"
            if actor.may(Permission.SEE_HEARINGS) and actor.office_id in offices
            else "/today",
            "ice": ice_json(request.app[SETTINGS], seat.id, now=request.app[CLOCK].now()),
        },
    )


async def send_verification(request: web.Request) -> web.StreamResponse:
    """GET /sessions/{session_id}/verification, as JSON."""
    session_id = _session_id(request)
    async with request.app[DATABASE].read() as db:
        await _working_seat(request, db, session_id)
        view = await verification_view(db, session_id)
    return web.json_response(verification_json(view, _base(session_id)))


async def take_still(request: web.Request) -> web.StreamResponse:
    """POST /sessions/{session_id}/stills {kind}: a picture out of the applicant's live stream, kept with its second."""
    body = await read_json(request, StillBody)
    session_id, actor = _session_id(request), staff_actor(request)
    async with request.app[DATABASE].read() as db:
        if not may((await staff_seat(db, actor, session_id)).role, SeatAbility.TAKE_STILL):
            raise Refusal("not_your_hearing")
        await require_no_recess(db, session_id)
        query = select(Seat.id).where(Seat.session_id == session_id, Seat.role == SeatRole.APPLICANT)
        seat_id = await db.scalar(query)
    if seat_id is None:
        raise Refusal("seat_unknown")
    try:
        still = await request.app[HUB].take_still(session_id, seat_id)
    except StillUnavailable as error:
        raise Refusal("still_no_camera" if error.code == "no_camera" else "still_failed") from error
    except MediaRefused as error:
        raise Refusal("still_no_camera") from error
    digest = await request.app[VAULT].put(still.jpeg)
    command = KeepStill(
        session_id=session_id,
        kind=body.kind,
        digest=digest,
        width=still.width,
        height=still.height,
        elapsed_ms=still.elapsed_ms,
        taken_at=still.taken_at,
    )
    async with request.app[DATABASE].begin() as db:
        await keep_still(db, actor, command, clock=request.app[CLOCK])
    event: dict[str, Json] = {
        "event": "StillTaken",
        "kind": body.kind.value,
        "digest": digest,
        "elapsed_ms": still.elapsed_ms,
    }
    await announce(request, session_id, "still", event)
    return web.json_response({"ok": True, "digest": digest})


async def send_still(request: web.Request) -> web.StreamResponse:
    """GET /sessions/{session_id}/stills/{digest}: a still of this hearing, or the picture of its signature."""
    session_id, digest = _session_id(request), request.match_info["digest"]
    async with request.app[DATABASE].read() as db:
        await _require_part(request, db, session_id)
        stills = select(Still.digest).where(Still.session_id == session_id, Still.digest == digest)
        signatures = select(Confirmation.picture_digest).where(
            Confirmation.session_id == session_id, Confirmation.picture_digest == digest
        )
        if await db.scalar(stills.limit(1)) is None and await db.scalar(signatures.limit(1)) is None:
            raise Refusal("still_unknown")
    data = await request.app[VAULT].get(digest)
    kind = "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
    return web.Response(body=data, content_type=kind, headers={"Cache-Control": "private, no-store"})


async def take_check(request: web.Request) -> web.StreamResponse:
    """POST /sessions/{session_id}/checks {item, passed, note}."""
    body = await read_json(request, CheckBody)
    session_id = _session_id(request)
    command = SettleCheck(session_id, body.item, body.passed, body.note)
    async with request.app[DATABASE].begin() as db:
        await settle_check(db, staff_actor(request), command, clock=request.app[CLOCK])
    event: dict[str, Json] = {"event": "CheckSettled", "item": body.item, "passed": body.passed}
    await announce(request, session_id, "verification", event)
    return web.json_response({"ok": True})


async def take_conclusion(request: web.Request) -> web.StreamResponse:
    """POST /sessions/{session_id}/identity {verified, reason}."""
    body = await read_json(request, IdentityBody)
    session_id = _session_id(request)
    command = Conclude(session_id, body.verified, body.reason, elapsed_ms=elapsed_now(request, session_id))
    async with request.app[DATABASE].begin() as db:
        view = await conclude(db, staff_actor(request), command, clock=request.app[CLOCK])
    event = {"event": "IdentityVerified" if body.verified else "IdentityNotVerified"}
    await announce(request, session_id, "verification", event)
    return web.json_response({"ok": True, **verification_json(view, _base(session_id))})


async def send_reading(request: web.Request) -> web.StreamResponse:
    """GET /sessions/{session_id}/reading, as JSON: the text, and how far the confirmation has come."""
    session_id = _session_id(request)
    async with request.app[DATABASE].read() as db:
        await _working_seat(request, db, session_id)
        view = await confirmation_view(db, session_id)
        verified = (await verification_view(db, session_id)).verified is True
        running = (await session_of(db, session_id)).state is SessionState.IN_SESSION
        rests = await recess_now(db, session_id) is not None
    said = reading_json(view, verified=verified, running=running, rests=rests, base=_base(session_id))
    return web.json_response(said)


async def take_reading(request: web.Request) -> web.StreamResponse:
    """POST /sessions/{session_id}/reading: the decision has been read out; the applicant is asked to confirm."""
    await read_json(request, NoBody)
    session_id = _session_id(request)
    elapsed_ms = elapsed_now(request, session_id)
    async with request.app[DATABASE].begin() as db:
        await read_out(db, staff_actor(request), session_id, elapsed_ms=elapsed_ms, clock=request.app[CLOCK])
    await announce(request, session_id, "confirmation", {"event": "DecisionReadOut", "elapsed_ms": elapsed_ms})
    return web.json_response({"ok": True})


async def take_mark(request: web.Request) -> web.StreamResponse:
    """POST /sessions/{session_id}/marks {title}: the host marks this moment of the recording."""
    body = await read_json(request, MarkBody)
    session_id, actor = _session_id(request), staff_actor(request)
    elapsed_ms = elapsed_now(request, session_id)
    async with request.app[DATABASE].begin() as db:
        await require_host(db, actor, session_id)
        mark = await add_mark(db, actor, session_id, "note", elapsed_ms, body.title, {}, clock=request.app[CLOCK])
        title = mark.title
    await announce(request, session_id, "mark", {"event": "MomentMarked", "title": title, "elapsed_ms": elapsed_ms})
    return web.json_response({"ok": True})


async def call_simulated_applicant(request: web.Request) -> web.StreamResponse:
    """POST /sessions/{session_id}/simulated-applicant: only in the demo."""
    await read_json(request, NoBody)
    if not request.app[SETTINGS].demo or SIMULATIONS not in request.app:
        raise Refusal("demo_only")
    session_id, actor = _session_id(request), staff_actor(request)
    async with request.app[DATABASE].begin() as db:
        await require_host(db, actor, session_id)
        url = await invitation_for_simulation(
            db, actor, session_id, settings=request.app[SETTINGS], clock=request.app[CLOCK]
        )
    request.app[SIMULATIONS].call(session_id, url)
    return web.json_response({"ok": True})


async def _working_seat(request: web.Request, db: AsyncSession, session_id: str) -> None:
    """Raise `Refusal("not_your_hearing")` for whoever only takes part in the session, or watches it."""
    seat = await staff_seat(db, staff_actor(request), session_id)
    if seat.role not in WORKING:
        raise Refusal("not_your_hearing")


async def _require_part(request: web.Request, db: AsyncSession, session_id: str) -> None:
    """Raise `Refusal("still_unknown")` unless the reader's office takes part in the session."""
    session = await session_of(db, session_id)
    if staff_actor(request).office_id not in (session.office_id, session.far_office_id):
        raise Refusal("still_unknown")


def _session_id(request: web.Request) -> str:
    return request.match_info["session_id"]


def _base(session_id: str) -> str:
    return f"/sessions/{session_id}"


_JOIN = Staff(Permission.JOIN_HEARING)
_VERIFY = Staff(Permission.VERIFY_IDENTITY)
_HOST = Staff(Permission.HOST_HEARING)

ROUTES: tuple[Route, ...] = (
    Route("GET", "/sessions/{session_id}/room", show_room, _JOIN),
    Route("GET", "/sessions/{session_id}/verification", send_verification, _JOIN),
    Route("POST", "/sessions/{session_id}/stills", take_still, _VERIFY),
    Route("GET", "/sessions/{session_id}/stills/{digest}", send_still, Staff(Permission.SEE_HEARINGS)),
    Route("POST", "/sessions/{session_id}/checks", take_check, _VERIFY),
    Route("POST", "/sessions/{session_id}/identity", take_conclusion, _VERIFY),
    Route("GET", "/sessions/{session_id}/reading", send_reading, _JOIN),
    Route("POST", "/sessions/{session_id}/reading", take_reading, _HOST),
    Route("POST", "/sessions/{session_id}/marks", take_mark, _HOST),
    Route("POST", "/sessions/{session_id}/simulated-applicant", call_simulated_applicant, _HOST),
    *live_socket.ROUTES,
)
