"""Hearings outside the room: the day's list, one hearing's file, its invitation, its recording."""

import asyncio

import segno
from aiohttp import web

from aid.decisions import confirmation_view
from aid.verification import verification_view
from records.actors import Permission
from records.refusals import Refusal
from sessions.booking import invite
from sessions.days import office_date
from sessions.handing_out import note_played
from sessions.interruptions import INTERRUPTION
from sessions.queries import SessionFile, past_sessions, sessions_on, upcoming_sessions
from sessions.seats import SeatRole
from sessions.states import SessionState
from sessions.tables import PlaybackFile
from web import composites
from web.current import staff_actor
from web.jobs import sealing
from web.keys import CLOCK, COMPOSER, DATABASE, REMUXED_PERCENT, SETTINGS
from web.pages.case_heard import case_heard
from web.pages.recordings import own_session
from web.proofs import proof_of_recording
from web.rendering import render
from web.space import short_hours
from web.state_texts import SEAT_ROLES, session_standing
from web.viewings import viewings_of

RUNNING = (SessionState.BOOKED, SessionState.IN_SESSION)


async def show_today(request: web.Request) -> web.StreamResponse:
    """GET /today: what is heard today, soon, and lately in the reader's office, or with them in a seat."""
    actor = staff_actor(request)
    today = office_date(request.app[CLOCK].now())
    office_id = actor.office_id or "" if actor.may(Permission.SEE_HEARINGS) else ""
    async with request.app[DATABASE].read() as db:
        sessions = await sessions_on(db, office_id, today, person_id=actor.id)
        upcoming = await upcoming_sessions(db, office_id, today, person_id=actor.id)
        past = await past_sessions(db, office_id, today, person_id=actor.id, limit=20)
    return render(
        request,
        "staff/today.html",
        standing=session_standing,
        running=RUNNING,
        on=request.app[CLOCK].now(),
        reader_id=actor.id,
        hours_left=await asyncio.to_thread(short_hours, request.app[SETTINGS].journals) if office_id else None,
        today=sessions,
        upcoming=upcoming,
        past=past,
    )


async def show_session(request: web.Request) -> web.StreamResponse:
    """GET /sessions/{session_id}: everything about one hearing; before it the invitation, after it the recording."""
    return await _show_session(request, invitation_url=None)


async def make_invitation(request: web.Request) -> web.StreamResponse:
    """POST /sessions/{session_id}/invitation: make a new link and show it, this once."""
    session_id = request.match_info["session_id"]
    actor = staff_actor(request)
    async with request.app[DATABASE].begin() as db:
        file = await own_session(db, actor, session_id)
        applicant = file.seat_in(SeatRole.APPLICANT)
        if applicant is None:
            raise Refusal("seat_unknown")
        token = await invite(db, actor, applicant.seat.id, clock=request.app[CLOCK])
    return await _show_session(request, invitation_url=f"{request.app[SETTINGS].public_origin}/i/{token}")


async def _show_session(request: web.Request, *, invitation_url: str | None) -> web.StreamResponse:
    session_id = request.match_info["session_id"]
    actor = staff_actor(request)
    async with request.app[DATABASE].read() as db:
        file = await own_session(db, actor, session_id)
        case = await case_heard(db, session_id) if actor.may(Permission.SEE_CASES) else None
        verification = await verification_view(db, session_id) if case else None
        confirmation = await confirmation_view(db, session_id) if case else None
        composite = await composites.view(db, request.app[COMPOSER], session_id)
        unsealed = await sealing(db, session_id)
    sealed = file.session.state is SessionState.SEALED
    plays = sealed and actor.may(Permission.PLAY_RECORDING)
    if plays and file.playback:
        async with request.app[DATABASE].begin() as db:
            await note_played(db, actor, session_id, clock=request.app[CLOCK])
    async with request.app[DATABASE].read() as db:
        names = {entry.seat.id: entry.seat.display_name for entry in file.seats}
        viewings = await viewings_of(db, session_id, names) if plays else []
    return render(
        request,
        "staff/session.html",
        file=file,
        standing=session_standing,
        running=file.session.state in RUNNING,
        progress=_progress(file, composite, unsealed),
        percent=request.app[REMUXED_PERCENT].get(session_id),
        unsealed=unsealed,
        interruptions=[mark.title for mark in file.marks if mark.kind == INTERRUPTION],
        applicant=file.seat_in(SeatRole.APPLICANT),
        host_here=any(entry.seat.person_id == actor.id for entry in file.seats),
        case=case,
        verification=verification,
        confirmation=confirmation,
        plays=plays,
        composite=composite,
        films=_films(file),
        viewings=viewings,
        proof=await proof_of_recording(request.app, session_id) if sealed else None,
        invitation_url=invitation_url,
        invitation_code=segno.make(invitation_url).svg_data_uri(scale=6, border=2) if invitation_url else None,
        seats={entry.seat.id: entry.seat for entry in file.seats},
        roles=SEAT_ROLES,
    )


def _films(file: SessionFile) -> list[PlaybackFile]:
    """Return the playback files in the order in which people sit everywhere else."""
    order = [entry.seat.id for entry in file.seats]
    return sorted(file.playback, key=lambda film: order.index(film.seat_id))


async def send_progress(request: web.Request) -> web.StreamResponse:
    """GET /sessions/{session_id}/progress: how far sealing and playback are, for the page that waits for them.

    `percent`: of the playback files, null when they are not being made.
    """
    session_id = request.match_info["session_id"]
    async with request.app[DATABASE].read() as db:
        file = await own_session(db, staff_actor(request), session_id)
        composite = await composites.view(db, request.app[COMPOSER], session_id)
        unsealed = await sealing(db, session_id)
    percent = request.app[REMUXED_PERCENT].get(session_id)
    return web.json_response({"progress": _progress(file, composite, unsealed), "percent": percent})


def _progress(file: SessionFile, composite: composites.View, unsealed: str) -> str:
    if file.session.state is SessionState.ENDED and unsealed:
        return unsealed
    trouble = " failed" if composite.state is composites.State.FAILED else " full" if composite.disk_full else ""
    return f"{file.session.state.value}{trouble}/{len(file.playback)}"
