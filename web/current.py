"""Whoever sent this request, as the use cases know them; the routes' access table has already let them in."""

from aiohttp import web

from records.actors import Actor
from web.keys import APPLICANT, SETTINGS, STAFF

STAFF_COOKIE = "jiefang_staff"
APPLICANT_COOKIE = "jiefang_applicant"


def staff_actor(request: web.Request) -> Actor:
    """Return the signed-in member of staff."""
    return request[STAFF].actor


def applicant_actor(request: web.Request) -> Actor:
    """Return the applicant; their id is the seat's."""
    return request[APPLICANT].actor


def applicant_session_id(request: web.Request) -> str:
    """Return the session in which the applicant has a seat."""
    return request[APPLICANT].session_id


def set_login_cookie(request: web.Request, response: web.StreamResponse, name: str, token: str) -> None:
    """Hand a login's token to the browser, out of reach of scripts and of other sites."""
    response.set_cookie(
        name,
        token,
        httponly=True,
        samesite="Lax",
        secure=request.app[SETTINGS].secure,
        path="/",
        max_age=30 * 86_400 if name == APPLICANT_COOKIE else None,
    )
