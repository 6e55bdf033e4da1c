"""From a template and its context to a page. All text goes through gettext; Chinese is the source language."""

import gettext
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import jinja2
from aiohttp import web

from aid.money import capital_numerals, format_fen
from records.actors import Permission
from web import csrf
from web.flashes import COOKIE as FLASH_COOKIE
from web.flashes import take_flash
from web.keys import SETTINGS, STAFF, TEMPLATES

HERE = Path(__file__).parent
OFFICE_ZONE = timezone(timedelta(hours=8), "Asia/Shanghai")  # one zone for the whole country, without summer time

_LINKS: tuple[tuple[str, str, Permission], ...] = (
    ("/today", "今日", Permission.JOIN_HEARING),
    ("/cases", "案件", Permission.SEE_CASES),
    ("/payments", "救助金", Permission.SEE_PAYMENTS),
    ("/trail", "记录", Permission.READ_TRAIL),
)

# Under which link a page stands whose path does not say it.
_LINK_ABOVE = {
    "batches": "/payments",
    "orders": "/payments",
    "answers": "/payments",
    "sessions": "/today",
    "book": "/today",
}


def make_templates() -> jinja2.Environment:
    """Return the environment in which all pages are made; an undefined name is an error, never an empty space."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    catalogue = gettext.translation("jiefang", HERE / "locale", languages=["zh_CN"], fallback=True)
    environment.install_gettext_translations(catalogue, newstyle=True)  # type: ignore[attr-defined]  # by the extension
    filters: dict[str, Callable[..., str]] = {
        "yuan": format_fen,
        "capital": capital_numerals,
        "day": lambda at: _local(at).strftime("%Y年%-m月%-d日"),
        "time": lambda at: _local(at).strftime("%H:%M"),
        "moment_short": lambda at: _local(at).strftime("%-m月%-d日 %H:%M"),
        "moment": lambda at: _local(at).strftime("%Y年%-m月%-d日 %H:%M"),
        "second": lambda at: _local(at).strftime("%Y-%m-%d %H:%M:%S"),
        "clock": format_elapsed,
    }
    environment.filters.update(filters)
    return environment


def _local(at: datetime) -> datetime:
    return at.astimezone(OFFICE_ZONE)


def format_elapsed(elapsed_ms: int) -> str:
    """Return a time of a recording as people say it: 12:41, or 1:02:03 from an hour on."""
    minutes, seconds = divmod(elapsed_ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"


def render(request: web.Request, template: str, *, status: int = 200, **context: object) -> web.Response:
    """Return the page made of `template`; pages of staff also get their bar of links."""
    staff = request.get(STAFF)
    page = request.app[TEMPLATES].get_template(template)
    text = page.render(
        staff=staff,
        links=[{"href": h, "text": t} for h, t, p in _LINKS if staff and staff.actor.may(p)],
        here=_LINK_ABOVE.get(request.path.split("/")[1], "/" + request.path.split("/")[1]),
        may=lambda name: bool(staff and staff.actor.may(Permission(name))),
        csrf_token=csrf.token_for(request),
        flash=take_flash(request),
        demo=request.app[SETTINGS].demo,
        **context,
    )
    response = web.Response(text=text, status=status, content_type="text/html", charset="utf-8")
    response.headers["Cache-Control"] = "no-store"
    if FLASH_COOKIE in request.cookies:
        response.del_cookie(FLASH_COOKIE, path="/")
    return response
