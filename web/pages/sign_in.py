"""Signing in and out, and the front door."""

from aiohttp import web

from records.actors import Permission
from records.refusals import Refusal
from web.accounts.logins import note_refused_sign_in, sign_in_staff, sign_out
from web.current import STAFF_COOKIE, set_login_cookie
from web.demo import PASSWORD, PEOPLE
from web.flashes import redirect
from web.forms import read_fields
from web.keys import ADDRESS, APPLICANT, CLOCK, DATABASE, LIMITS, SETTINGS, STAFF
from web.limits import SIGN_IN
from web.refusal_texts import sentence, status_of
from web.rendering import render

# Where each kind of work begins, first match first.
_DESKS = (
    (Permission.JOIN_HEARING, "/today"),
    (Permission.SEE_PAYMENTS, "/payments"),
    (Permission.READ_TRAIL, "/trail"),
)


async def front_door(request: web.Request) -> web.StreamResponse:
    """GET /: lead everybody to where their work is."""
    if STAFF in request:
        staff = request[STAFF].actor
        return redirect(next((path for permission, path in _DESKS if staff.may(permission)), "/sign-in"))
    return redirect("/hearing" if APPLICANT in request else "/sign-in")


async def show_sign_in(request: web.Request) -> web.StreamResponse:
    """GET /sign-in."""
    return _page(request, user_name="", refusal=None)


async def take_sign_in(request: web.Request) -> web.StreamResponse:
    """POST /sign-in."""
    fields = await read_fields(request, user_name=64, password=200)
    clock = request.app[CLOCK]
    try:
        await request.app[LIMITS].spend(SIGN_IN, request[ADDRESS], fields["user_name"])
        async with request.app[DATABASE].begin() as db:
            token = await sign_in_staff(db, fields["user_name"], fields["password"], clock=clock)
    except Refusal as refusal:
        if refusal.code == "sign_in_wrong":
            async with request.app[DATABASE].begin() as db:
                await note_refused_sign_in(db, fields["user_name"], clock=clock)
        return _page(request, user_name=fields["user_name"], refusal=refusal)
    response = redirect("/")
    set_login_cookie(request, response, STAFF_COOKIE, token)
    return response


def _page(request: web.Request, *, user_name: str, refusal: Refusal | None) -> web.Response:
    demo = request.app[SETTINGS].demo
    return render(
        request,
        "staff/sign_in.html",
        status=status_of(refusal.code) if refusal else 200,
        user_name=user_name,
        problem=sentence(refusal) if refusal else "",
        demo_people=PEOPLE if demo else (),
        demo_password=PASSWORD if demo else "",
    )


async def take_sign_out(request: web.Request) -> web.StreamResponse:
    """POST /sign-out."""
    async with request.app[DATABASE].begin() as db:
        await sign_out(db, request[STAFF].login_id, clock=request.app[CLOCK])
    response = redirect("/sign-in")
    response.del_cookie(STAFF_COOKIE, path="/")
    return response
