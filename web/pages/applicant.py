"""The applicant's way: the invitation, the four characters, the hearing's one page, the word and the signature."""

import base64
import binascii
import struct
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec
from aiohttp import web

from aid.confirmations import (
    Confirm,
    ConfirmationView,
    Objection,
    ObjectionKind,
    Sign,
    confirm,
    confirmation_view,
    sign,
)
from aid.confirmations import object as raise_objection
from records.refusals import Refusal
from sessions.admission import (
    Identified,
    InvitationView,
    OtherDevice,
    WrongTail,
    consents_of,
    find_invitation,
    give_consent,
    identify,
)
from sessions.queries import session_file
from sessions.seats import SeatRole
from sessions.states import OVER
from sessions.tables import ConsentKind
from web.access import Applicant, Public, Route
from web.accounts.logins import sign_in_seat
from web.current import APPLICANT_COOKIE, applicant_actor, applicant_session_id, set_login_cookie
from web.flashes import redirect
from web.forms import read_fields, read_json
from web.keys import ADDRESS, APPLICANT, CLOCK, DATABASE, DEVICE, LIMITS, SETTINGS, VAULT
from web.limits import INVITATION
from web.pages import after
from web.pages.live_moments import announce, elapsed_now
from web.pages.live_views import confirmation_json, ice_json, room_refusals
from web.rendering import render

PICTURE_BYTES = 300 * 1024
PICTURE_SIDE = 2000
FARTHEST = 10_000
"""In CSS pixels from the corner of the pad."""
LONGEST_MS = 3_600_000
PNG_HEAD = b"\x89PNG\r\n\x1a\n"
CLOSED_DOORS = frozenset(
    {
        "invitation_unknown",
        "invitation_replaced",
        "invitation_expired",
        "invitation_too_early",
        "invitation_locked",
        "session_over",
        "session_cancelled",
    }
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the invitation's page says besides the invitation."""

    problem: str = ""
    other_device: bool = False


class ConsentBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A consent given."""

    kind: ConsentKind


class ConfirmBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the applicant saw when she said that it is right."""

    amount_fen: int
    account_fingerprint: str


class ObjectBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why it is not right: `wrong_account`, `wrong_amount` or `wants_to_speak`."""

    kind: str
    text: str = ""


class StrokePoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A point in CSS pixels of the pad, milliseconds since the first touch, pressure 0 to 1."""

    x: Annotated[float, msgspec.Meta(ge=-FARTHEST, le=FARTHEST)]
    y: Annotated[float, msgspec.Meta(ge=-FARTHEST, le=FARTHEST)]
    t_ms: Annotated[int, msgspec.Meta(ge=0, le=LONGEST_MS)]
    pressure: float = 0.0


class SignBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signature: strokes, or a typed name; `picture` is a PNG as base64."""

    strokes: list[list[StrokePoint]]
    picture: str
    typed_name: str | None = None


_OBJECTIONS = {
    "wrong_account": ObjectionKind.ACCOUNT,
    "wrong_amount": ObjectionKind.AMOUNT,
    "wants_to_speak": ObjectionKind.OTHER,
}


# The door ---------------------------------------------------------------------------------------------------------


async def show_invitation(request: web.Request) -> web.StreamResponse:
    """GET /i/{token}: who receives whom, when; whoever is in already goes straight on."""
    async with request.app[DATABASE].read() as db:
        try:
            invitation = await find_invitation(db, request.match_info["token"], clock=request.app[CLOCK])
        except Refusal as refusal:
            return _closed_door(request, refusal)
    if APPLICANT in request and request[APPLICANT].actor.id == invitation.seat_id:
        return redirect("/hearing")
    return _invitation_page(request, invitation, _Asked())


async def take_id_tail(request: web.Request) -> web.StreamResponse:
    """POST /i/{token}: the last four characters of the ID number."""
    token, clock = request.match_info["token"], request.app[CLOCK]
    await request.app[LIMITS].spend(INVITATION, request[ADDRESS])
    fields = await read_fields(request, id_tail=64, move_here=1)
    async with request.app[DATABASE].begin() as db:
        # What is answered is decided inside the transaction and returned: raising would forget a wrong try.
        try:
            invitation = await find_invitation(db, token, clock=clock)
            outcome = await identify(
                db, token, fields["id_tail"], request[DEVICE], move_here=fields["move_here"] == "1", clock=clock
            )
        except Refusal as refusal:
            if refusal.code != "id_tail_malformed":
                return _closed_door(request, refusal)
            problem = "请输身份证号码的最后四位：前三位是数字，最后一位是数字或 X。"
            return _invitation_page(request, invitation, _Asked(problem, fields["move_here"] == "1"), status=400)
        login = await sign_in_seat(db, outcome.seat_id, clock=clock) if isinstance(outcome, Identified) else ""
    match outcome:
        case WrongTail(tries_left=0):
            return _closed_door(request, Refusal("invitation_locked"))
        case WrongTail(tries_left=left):
            said = f"证件号码后四位不对，还可以试 {left} 次。"
            return _invitation_page(request, invitation, _Asked(said, fields["move_here"] == "1"), status=403)
        case OtherDevice():
            return _invitation_page(request, invitation, _Asked(other_device=True), status=409)
    # Whoever has just said "here" is not asked again at the socket, where the other device may still be.
    response = redirect("/hearing?here=1" if outcome.moved else "/hearing")
    set_login_cookie(request, response, APPLICANT_COOKIE, login)
    return response


def _invitation_page(
    request: web.Request, invitation: InvitationView, asked: _Asked, *, status: int = 200
) -> web.Response:
    return render(
        request,
        "live/invite.html",
        status=status,
        invitation=invitation,
        problem=asked.problem,
        other_device=asked.other_device,
    )


def _closed_door(request: web.Request, refusal: Refusal) -> web.Response:
    if refusal.code not in CLOSED_DOORS:
        raise refusal
    opens_at = refusal.params.get("opens_at")
    return render(
        request,
        "live/closed_door.html",
        status=404 if refusal.code == "invitation_unknown" else 403,
        code=refusal.code,
        opens_at=datetime.fromisoformat(opens_at) if isinstance(opens_at, str) else None,
        was_here=APPLICANT in request,
    )


# The hearing's page -----------------------------------------------------------------------------------------------


async def show_hearing(request: web.Request) -> web.StreamResponse:
    """GET /hearing: consents, devices, waiting room and hearing, one page; over, it leads on to what comes next."""
    actor, session_id = applicant_actor(request), applicant_session_id(request)
    async with request.app[DATABASE].read() as db:
        file = await session_file(db, session_id)
        given = await consents_of(db, actor.id)
    if file.session.state in OVER:
        return redirect("/hearing/after")
    return render(
        request,
        "live/hearing.html",
        office_name=file.office.name,
        applicant_name=actor.name,
        watching=[entry.seat for entry in file.seats if entry.seat.role is SeatRole.OBSERVER],
        refusals=room_refusals(),
        page={
            "session_id": session_id,
            "starts_at": file.session.starts_at.isoformat(),
            "takeover": request.query.get("here") == "1",
            "consents": sorted(kind.value for kind in given),
            "after": "/hearing/after",
            "ice": ice_json(request.app[SETTINGS], actor.id, now=request.app[CLOCK].now()),
        },
    )


async def take_consent(request: web.Request) -> web.StreamResponse:
    """POST /hearing/consents {kind}."""
    body = await read_json(request, ConsentBody)
    actor = applicant_actor(request)
    async with request.app[DATABASE].begin() as db:
        await give_consent(db, actor, actor.id, body.kind, clock=request.app[CLOCK])
    return web.json_response({"ok": True})


# The word and the signature ---------------------------------------------------------------------------------------


async def send_confirmation(request: web.Request) -> web.StreamResponse:
    """GET /hearing/confirmation: what is asked, as JSON; `none` also where the hearing is about no payment."""
    async with request.app[DATABASE].read() as db:
        try:
            view = await confirmation_view(db, applicant_session_id(request))
        except Refusal as refusal:
            if refusal.code != "no_case_for_session":
                raise
            return web.json_response({"state": "none"})
    return web.json_response(confirmation_json(view))


async def take_confirm(request: web.Request) -> web.StreamResponse:
    """POST /hearing/confirmation/confirm."""
    body = await read_json(request, ConfirmBody)
    session_id = applicant_session_id(request)
    elapsed_ms = elapsed_now(request, session_id)
    command = Confirm(session_id, body.amount_fen, body.account_fingerprint, elapsed_ms)
    async with request.app[DATABASE].begin() as db:
        view = await confirm(db, applicant_actor(request), command, clock=request.app[CLOCK])
    return await _answer(request, view, "AidConfirmed")


async def take_objection(request: web.Request) -> web.StreamResponse:
    """POST /hearing/confirmation/object."""
    body = await read_json(request, ObjectBody)
    kind = _OBJECTIONS.get(body.kind)
    if kind is None:
        raise Refusal("malformed")
    session_id = applicant_session_id(request)
    words = body.text.strip() or ("我有话要说" if kind is ObjectionKind.OTHER else "")
    command = Objection(session_id, kind, words, elapsed_now(request, session_id))
    async with request.app[DATABASE].begin() as db:
        view = await raise_objection(db, applicant_actor(request), command, clock=request.app[CLOCK])
    return await _answer(request, view, "AidObjected")


async def take_signature(request: web.Request) -> web.StreamResponse:
    """POST /hearing/confirmation/sign: the picture into the vault first, then the signature that names it."""
    body = await read_json(request, SignBody)
    session_id = applicant_session_id(request)
    elapsed_ms = elapsed_now(request, session_id)
    digest = await request.app[VAULT].put(read_picture(body.picture))
    command = Sign(
        session_id=session_id,
        strokes=[[(round(p.x), round(p.y), p.t_ms) for p in stroke] for stroke in body.strokes],
        picture_digest=digest,
        elapsed_ms=elapsed_ms,
        typed_name=(body.typed_name or "").strip()[:60],
    )
    async with request.app[DATABASE].begin() as db:
        view = await sign(db, applicant_actor(request), command, clock=request.app[CLOCK])
    return await _answer(request, view, "AidSigned")


async def _answer(request: web.Request, view: ConfirmationView, event: str) -> web.Response:
    seat_id = applicant_actor(request).id
    await announce(request, view.session_id, "confirmation", {"event": event, "seat_id": seat_id})
    return web.json_response({"ok": True, **confirmation_json(view)})


def read_picture(text: str) -> bytes:
    """Return the PNG that base64 `text` holds; raise `Refusal("picture_unreadable")` for all else, or too large."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal("picture_unreadable") from None
    if len(data) > PICTURE_BYTES or len(data) < 33 or not data.startswith(PNG_HEAD) or data[12:16] != b"IHDR":
        raise Refusal("picture_unreadable")
    width, height = struct.unpack(">II", data[16:24])
    if not (0 < width <= PICTURE_SIDE and 0 < height <= PICTURE_SIDE):
        raise Refusal("picture_unreadable")
    return data


ROUTES: tuple[Route, ...] = (
    Route("GET", "/i/{token}", show_invitation, Public()),
    Route("POST", "/i/{token}", take_id_tail, Public()),
    Route("GET", "/hearing", show_hearing, Applicant()),
    Route("POST", "/hearing/consents", take_consent, Applicant()),
    Route("GET", "/hearing/confirmation", send_confirmation, Applicant()),
    Route("POST", "/hearing/confirmation/confirm", take_confirm, Applicant()),
    Route("POST", "/hearing/confirmation/object", take_objection, Applicant()),
    Route("POST", "/hearing/confirmation/sign", take_signature, Applicant()),
    *after.ROUTES,
)
