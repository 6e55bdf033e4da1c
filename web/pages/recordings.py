"""What is derived from a recording: watched, downloaded, made again; each leaves its entry on the trail."""

import asyncio
import logging

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from records.actors import Actor, Permission
from records.master_keys import MasterKeyMissing
from records.refusals import Refusal
from records.sealed_files import SealedFileDamaged
from records.session_keys import SessionKeyUnreadable
from sessions.handing_out import note_derived_asked, note_downloaded, note_watched, was_watched
from sessions.queries import SessionFile, session_file
from web import composites
from web.access import Route, Staff
from web.composites import FILE
from web.current import staff_actor
from web.flashes import redirect
from web.keys import CLOCK, COMPOSER, DATABASE, SHELF
from web.rendering import render
from web.serving import send_file

log = logging.getLogger(__name__)


async def send_playback(request: web.Request) -> web.StreamResponse:
    """GET /sessions/{session_id}/playback/{seat_id}.webm (or .mp4): one person, in ranges as players ask.

    With `?download=1` it is kept by the browser, and taken down as a download.
    """
    actor = staff_actor(request)
    session_id, seat_id = request.match_info["session_id"], request.match_info["seat_id"]
    async with request.app[DATABASE].read() as db:
        file = await own_session(db, actor, session_id)
    name = f"{seat_id}.{request.match_info['form']}"
    wanted = next((made for made in file.playback if made.path.endswith(f"/{name}")), None)
    if wanted is None:
        raise Refusal("playback_missing")
    save_as = None
    if request.query.get("download"):
        who = next(entry.seat.display_name for entry in file.seats if entry.seat.id == seat_id)
        save_as = f"{file.session.number}-{who}.{request.match_info['form']}"
    return await _send(request, actor, session_id, wanted.path, save_as)


async def send_composite(request: web.Request) -> web.StreamResponse:
    """GET /sessions/{session_id}/composite.mp4: the picture of everybody, to keep."""
    actor = staff_actor(request)
    session_id = request.match_info["session_id"]
    async with request.app[DATABASE].read() as db:
        file = await own_session(db, actor, session_id)
    path = f"{session_id}/{FILE}"
    if not file.playback or not request.app[SHELF].holds(path):
        raise Refusal("composite_missing")
    return await _send(request, actor, session_id, path, f"{file.session.number}-合成录像.mp4")


async def show_composite(request: web.Request) -> web.StreamResponse:
    """GET /sessions/{session_id}/composite: how the picture of everybody stands, as a part of the hearing's page."""
    session_id = request.match_info["session_id"]
    async with request.app[DATABASE].read() as db:
        await own_session(db, staff_actor(request), session_id)
        composite = await composites.view(db, request.app[COMPOSER], session_id)
    return render(request, "staff/composite.html", session_id=session_id, composite=composite)


async def make_again(request: web.Request) -> web.StreamResponse:
    """POST /sessions/{session_id}/composite: have everything derived made again, the picture of everybody at last."""
    session_id = request.match_info["session_id"]
    actor, clock = staff_actor(request), request.app[CLOCK]
    async with request.app[DATABASE].begin() as db:
        await note_derived_asked(db, actor, session_id, clock=clock)
        await composites.ask_everything(db, session_id, clock=clock)
    return redirect(f"/sessions/{session_id}#composite")


async def own_session(db: AsyncSession, actor: Actor, session_id: str) -> SessionFile:
    """Return a session of the actor's office; anybody else's is refused as if it did not exist."""
    file = await session_file(db, session_id)
    if actor.office_id not in (file.session.office_id, file.session.far_office_id):
        raise Refusal("session_unknown")
    return file


async def _send(
    request: web.Request, actor: Actor, session_id: str, path: str, save_as: str | None
) -> web.StreamResponse:
    app = request.app
    if save_as is None:
        await _note_watched(app, actor, session_id)
    else:
        goes_on = not request.headers.get("Range", "bytes=0-").startswith("bytes=0-")
        async with app[DATABASE].begin() as db:
            await note_downloaded(db, actor, session_id, path.partition("/")[2], goes_on=goes_on, clock=app[CLOCK])
    try:
        file = await asyncio.to_thread(app[SHELF].open, path)
    except (OSError, SealedFileDamaged, SessionKeyUnreadable, MasterKeyMissing) as error:
        log.error("a derived file cannot be opened: %s", type(error).__name__)
        raise Refusal("playback_damaged") from error
    tag = f'"{app[SHELF].version(path)}"'
    content_type = "video/mp4" if path.endswith(".mp4") else "video/webm"
    return await send_file(request, file, tag=tag, content_type=content_type, save_as=save_as)


async def _note_watched(app: web.Application, actor: Actor, session_id: str) -> None:
    async with app[DATABASE].read() as db:
        if await was_watched(db, actor, session_id, clock=app[CLOCK]):
            return  # the usual case: do not take the write lock for every piece that a player asks for
    async with app[DATABASE].begin() as db:
        await note_watched(db, actor, session_id, clock=app[CLOCK])


_PLAYS = Staff(Permission.PLAY_RECORDING)
ROUTES: tuple[Route, ...] = (
    Route("GET", "/sessions/{session_id}/playback/{seat_id}.{form}", send_playback, _PLAYS),
    Route("GET", "/sessions/{session_id}/composite.mp4", send_composite, _PLAYS),
    Route("GET", "/sessions/{session_id}/composite", show_composite, _PLAYS),
    Route("POST", "/sessions/{session_id}/composite", make_again, _PLAYS),
)
