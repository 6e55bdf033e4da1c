"""The audit trail, for those who may read it."""

import json
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web
from sqlalchemy import ColumnElement, or_, select

from records.actors import Actor, ActorKind
from records.refusals import Refusal
from records.trail import TrailEntry
from sessions.tables import Session
from web.current import staff_actor
from web.keys import DATABASE
from web.refusal_texts import sentence
from web.rendering import render
from web.trail_texts import said

PAGE = 100

# Where one can look at a subject, by its kind.
_PAGES = {"session": "/sessions/", "case": "/cases/", "batch": "/batches/", "order": "/orders/"}
_SUBJECTS = {
    "session": "接访",
    "case": "案件",
    "batch": "发放批次",
    "order": "付款",
    "seat": "席位",
    "staff": "工作人员",
    "route": "页面",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One entry as the page shows it."""

    sequence: int
    at: datetime
    actor_name: str
    said: str
    why: str
    subject: str
    href: str


async def show_trail(request: web.Request) -> web.StreamResponse:
    """GET /trail?before=N: the newest entries, or those before number N."""
    before = request.query.get("before", "")
    if before and not (before.isascii() and before.isdecimal() and len(before) < 19):
        raise Refusal("page_unknown")
    query = select(TrailEntry).where(_of_office(staff_actor(request))).order_by(TrailEntry.sequence.desc()).limit(PAGE)
    if before:
        query = query.where(TrailEntry.sequence < int(before))
    async with request.app[DATABASE].read() as db:
        entries = list(await db.scalars(query))
    older = entries[-1].sequence if len(entries) == PAGE and entries[-1].sequence > 1 else None
    return render(request, "staff/trail.html", entries=[_line(entry) for entry in entries], older=older)


def _of_office(reader: Actor) -> ColumnElement[bool]:
    """Pick what the reader's office did, and what happened in its hearings; another office's trail is its own."""
    taking_part = or_(Session.office_id == reader.office_id, Session.far_office_id == reader.office_id)
    return or_(
        TrailEntry.office_id == reader.office_id,
        TrailEntry.session_id.in_(select(Session.id).where(taking_part)),
    )


def _line(entry: TrailEntry) -> Line:
    page = _PAGES.get(entry.subject_kind)
    return Line(
        sequence=entry.sequence,
        at=entry.at,
        # The names of the system's parts are for us; a reader tells them apart by what they did.
        actor_name="系统" if entry.actor_kind == ActorKind.SYSTEM else entry.actor_name,
        said=said(entry.event),
        why=_why(entry),
        subject=_SUBJECTS.get(entry.subject_kind, entry.subject_kind),
        href=page + entry.subject_id if page else "",
    )


def _why(entry: TrailEntry) -> str:
    if entry.event != "RequestRefused":
        return ""
    details = json.loads(entry.details)
    return sentence(Refusal(details.pop("code"), **details))
