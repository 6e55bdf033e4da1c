"""Proof that a request which changes something came from a page of ours.

The token is a keyed digest of the visitor's device cookie: nothing to store, and the same before and after signing in,
so that the sign-in form itself is covered.
"""

import hashlib
import hmac

from aiohttp import hdrs, web

from records.refusals import Refusal
from web.forms import read_form
from web.keys import DEVICE, SETTINGS

FIELD = "csrf"
HEADER = "X-CSRF-Token"


def token_for(request: web.Request) -> str:
    """Return the token that this visitor's forms must carry."""
    secret = request.app[SETTINGS].login_secret.get_secret_value().encode()
    return hmac.new(secret, b"csrf:" + request[DEVICE].encode(), hashlib.sha256).hexdigest()


async def check(request: web.Request) -> None:
    """Raise `Refusal("form_expired")` unless the request carries its token and comes from our own origin."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and origin.partition("://")[2] != request.host:
        raise Refusal("form_expired")
    given = request.headers.get(HEADER)
    if given is None and request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        field = (await read_form(request)).get(FIELD)
        given = field if isinstance(field, str) else None
    if given is None or not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token_for(request).encode()):
        raise Refusal("form_expired")
