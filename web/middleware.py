"""What happens around every handler: headers, refusals, who is there, may they, and did our page send it."""

import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from records import trail
from records.actors import ActorKind
from records.refusals import Refusal
from web import csrf
from web.access import Access, Anyone, Applicant, Public, Staff
from web.accounts.logins import current_applicant, current_staff
from web.current import APPLICANT_COOKIE, STAFF_COOKIE
from web.flashes import redirect
from web.forwarding import client_address
from web.keys import ACTING, ADDRESS, APPLICANT, CLOCK, DATABASE, DEVICE, LIMITS, SETTINGS, STAFF
from web.limits import WRITE
from web.refusal_texts import sentence, status_of, way_on
from web.rendering import render

log = logging.getLogger(__name__)

DEVICE_COOKIE = "jiefang_device"
DEVICE_NAME = re.compile("[A-Za-z0-9_-]{20,64}")
DEVICE_DAYS = 400

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}


async def set_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Put the security headers on every response, pages and files alike (an `on_response_prepare` signal)."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "jiefang"  # which software, of which version, is nobody's business
    settings = request.app[SETTINGS]
    if settings.secure and not settings.demo:  # a browser must not remember the demo's self-signed certificate
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")


@web.middleware
async def know_device(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every browser a random name of its own (forms are bound to it, and so is a used invitation), and note from
    where it comes."""
    device = request.cookies.get(DEVICE_COOKIE, "")
    is_new = not DEVICE_NAME.fullmatch(device)
    if is_new:
        device = secrets.token_urlsafe(24)
    request[DEVICE] = device
    forwarded = request.headers.getall("X-Forwarded-For", ())
    request[ADDRESS] = client_address(request.remote, forwarded, request.app[SETTINGS].trusted_proxy)
    response = await handler(request)
    if is_new and not response.prepared:
        response.set_cookie(
            DEVICE_COOKIE,
            device,
            httponly=True,
            samesite="Lax",
            secure=request.app[SETTINGS].secure,
            path="/",
            max_age=DEVICE_DAYS * 86_400,
        )
    return response


@web.middleware
async def know_person(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Look up who is signed in, as staff, as an applicant, or (on one demo browser) as both."""
    staff_token = request.cookies.get(STAFF_COOKIE)
    applicant_token = request.cookies.get(APPLICANT_COOKIE)
    if (staff_token or applicant_token) and not request.path.startswith("/static/"):
        clock = request.app[CLOCK]
        async with request.app[DATABASE].read() as db:
            staff = await current_staff(db, staff_token, clock=clock) if staff_token else None
            applicant = await current_applicant(db, applicant_token, clock=clock) if applicant_token else None
        if staff:
            request[STAFF] = staff
        if applicant:
            request[APPLICANT] = applicant
    return await handler(request)


@web.middleware
async def answer_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn a refusal into its sentence, on a page or as JSON, and note it on the trail when we know who was refused."""
    try:
        return await handler(request)
    except Refusal as refusal:
        if refusal.code == "sign_in_needed":
            return _ask_to_sign_in(request)
        await _note(request, refusal)
        return refusal_response(request, refusal)
    except web.HTTPNotFound:
        return refusal_response(request, Refusal("page_unknown"))
    except web.HTTPMethodNotAllowed:
        return refusal_response(request, Refusal("method_unknown"))
    except web.HTTPRequestEntityTooLarge:
        return refusal_response(request, Refusal("too_large"))
    except web.HTTPException:
        raise
    except ConnectionResetError:
        # The browser is gone: there is nobody to answer, and nothing of ours has failed.
        log.info("browser gone: %s", request.path)
        raise
    except Exception:
        log.exception("request failed: %s %s", request.method, request.path)
        return refusal_response(request, Refusal("our_fault"))


def refusal_response(request: web.Request, refusal: Refusal) -> web.Response:
    """Return the refusal as the page's script or its reader needs it."""
    status = status_of(refusal.code)
    text = sentence(refusal)
    if request.content_type == "application/json" or "application/json" in request.headers.get(hdrs.ACCEPT, ""):
        return web.json_response({"refused": refusal.code, "text": text}, status=status)
    kind = "staff/refused.html" if _is_staffs(request) else "live/refused.html"
    return render(
        request, kind, status=status, code=refusal.code, text=text, way=way_on(refusal.code), back=_back(request)
    )


def _back(request: web.Request) -> str:
    """Return the path of the page a form was sent from: only ever one of ours."""
    try:
        came_from = urlsplit(request.headers.get(hdrs.REFERER, ""))
    except ValueError:
        return "/"
    ours = came_from.netloc == request.host and not came_from.path.startswith("//")
    return came_from.path if ours and came_from.path != request.path else "/"


def _is_staffs(request: web.Request) -> bool:
    acting = request.get(ACTING)
    return acting.kind is ActorKind.STAFF if acting else STAFF in request and APPLICANT not in request


def _ask_to_sign_in(request: web.Request) -> web.StreamResponse:
    if request.method == "GET" and "application/json" not in request.headers.get(hdrs.ACCEPT, ""):
        return redirect("/sign-in")
    return refusal_response(request, Refusal("sign_in_needed"))


async def _note(request: web.Request, refusal: Refusal) -> None:
    actor = request.get(ACTING)
    if actor is None:
        return
    resource = request.match_info.route.resource
    async with request.app[DATABASE].begin() as db:
        await trail.record(
            db,
            actor,
            "RequestRefused",
            subject_kind="route",
            subject_id=f"{request.method} {resource.canonical if resource else '?'}",
            details={"code": refusal.code, **refusal.params},
            clock=request.app[CLOCK],
        )


def guard(access: Access) -> Callable[[Handler], Handler]:
    """Wrap a route's handler so that only those whom `access` names get in, and only our own forms change things."""

    def wrap(handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            if any("\x00" in part for part in request.match_info.values()):
                # No address of ours holds one, and PostgreSQL cannot even look for it.
                raise Refusal("page_unknown")
            _let_in(request, access)
            if request.method not in ("GET", "HEAD"):
                await request.app[LIMITS].spend(WRITE, request[DEVICE])
                await csrf.check(request)
            return await handler(request)

        return guarded

    return wrap


def _let_in(request: web.Request, access: Access) -> None:
    match access:
        case Public():
            return
        case Applicant():
            if APPLICANT not in request:
                raise Refusal("invitation_needed")
            request[ACTING] = request[APPLICANT].actor
        case Anyone():
            if STAFF not in request and APPLICANT not in request:
                raise Refusal("sign_in_needed")
        case Staff(permission):
            if STAFF not in request:
                raise Refusal("sign_in_needed")
            request[ACTING] = request[STAFF].actor
            if permission is not None:
                request[STAFF].actor.require(permission)
