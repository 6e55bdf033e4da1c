"""The receipt of a paid order as a PDF: who got how much, confirmed when, by whose hands, and how to check it.

It says nothing but what the rows say, and carries the time of the payment as its own: the same order always gives the
same bytes, so that its digest can be kept and compared.
"""

import asyncio
import base64
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from aid.money import capital_numerals, format_fen
from aid.rules import check_category, rules_of
from aid.states import OrderState
from aid.tables import BankAnswer, BankAnswerLine, Fund
from aid.timeline import Dossier, dossier, far_end_present, four_people
from records.actors import Actor, ActorKind, Permission
from records.refusals import Refusal
from records.vault import Vault
from sessions.days import OFFICE_ZONE
from sessions.seats import SeatRole
from sessions.tables import Office, Seat

_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "documents"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ONE_AT_A_TIME: Final = threading.Lock()
"""A page takes half a second of a core, and the libraries below share fonts: receipts queue, hearings do not wait."""
_TEMPLATE: Final = _TEMPLATES.get_template("receipt.html")


async def receipt_pdf(db: AsyncSession, actor: Actor, order_id: str, *, vault: Vault) -> bytes:
    """Return the receipt of a paid order, for the staff of its office and for the payee herself.

    Refusals: not_permitted, order_unknown, not_your_office, not_your_receipt, receipt_not_ready.
    """
    rows = await dossier(db, order_id)
    await _require_reader(db, actor, rows)
    if rows.order.state is not OrderState.PAID or rows.confirmation is None or rows.verification is None:
        raise Refusal("receipt_not_ready")
    picture = await vault.get(rows.confirmation.picture_digest or "")
    facts = await _facts(db, rows, base64.b64encode(picture).decode())
    return await asyncio.to_thread(_render, facts, rows.order.reference)


def _render(facts: Mapping[str, object], reference: str) -> bytes:
    # Loaded when the first receipt is asked for: it takes longer than everything else at the server's start.
    from weasyprint import HTML
    from weasyprint.urls import URLFetcher

    # The signature is in the page itself; nothing is fetched from anywhere, and trying to would stop the rendering.
    fetcher = URLFetcher(allowed_protocols={"data"}, allow_redirects=False, fail_on_errors=True)
    html = HTML(string=_TEMPLATE.render(facts), url_fetcher=fetcher)
    # Without an identifier of our own a fresh one would be drawn each time.
    with _ONE_AT_A_TIME:
        pdf = html.write_pdf(pdf_identifier=reference.encode(), pdf_tags=True)
    if not isinstance(pdf, bytes):
        raise TypeError("a PDF is bytes")
    return pdf


async def _require_reader(db: AsyncSession, actor: Actor, rows: Dossier) -> None:
    if actor.kind is ActorKind.APPLICANT:
        actor.require(Permission.SEE_OWN_RECEIPT)
        seat = await db.get(Seat, actor.id)
        if seat is None or seat.role is not SeatRole.APPLICANT or seat.session_id != rows.order.session_id:
            raise Refusal("not_your_receipt")
        return
    actor.require(Permission.SEE_PAYMENTS)
    if actor.office_id != rows.case.office_id:
        raise Refusal("not_your_office")


async def _facts(db: AsyncSession, rows: Dossier, signature: str) -> dict[str, object]:
    order, case, said, verification, session = rows.order, rows.case, rows.confirmation, rows.verification, rows.session
    if said is None or verification is None or session is None or order.settled_at is None:
        raise ValueError("a paid order has a hearing, a confirmation and a settlement: the schema sees to it")
    rules = rules_of(case.rules_version)
    category = check_category(rules, case.category)
    fund = await db.get_one(Fund, rows.batch.fund_id)
    office = await db.get_one(Office, case.office_id)
    people = await four_people(db, order.id)
    return {
        "office_name": office.name,
        "payer_name": fund.payer_name,
        "order": order,
        "case": case,
        "account": rows.account,
        "amount": format_fen(order.amount_fen),
        "capital": capital_numerals(order.amount_fen),
        "category_title": category.title,
        "rules_title": rules.title,
        "settled": _moment(order.settled_at),
        "settled_day": _day(order.settled_at),
        "settled_iso": order.settled_at.astimezone(OFFICE_ZONE).isoformat(timespec="seconds"),
        "hearing_number": session.number,
        "hearing_day": _day(session.started_at or session.starts_at),
        "far_end": await _far_end(db, session.id),
        "verification": verification,
        "verified_at": _moment(verification.concluded_at),
        "confirmed_at": _moment(said.confirmed_at),
        "confirmed_second": clock_of(said.confirmed_elapsed_ms or 0),
        "signed_at": _moment(said.signed_at),
        "how_signed": said.how_signed,
        "signed_second": clock_of(said.signed_elapsed_ms or 0),
        "signature": signature,
        "people": [{"part": person.part, "name": person.name or "", "at": _short(person.at)} for person in people],
        "digests": await _digests(db, rows),
    }


async def _digests(db: AsyncSession, rows: Dossier) -> list[tuple[str, str]]:
    query = (
        select(BankAnswer.digest)
        .join(BankAnswerLine, BankAnswerLine.answer_id == BankAnswer.id)
        .where(BankAnswerLine.order_id == rows.order.id, BankAnswerLine.outcome == "paid")
    )
    said = rows.confirmation
    found = [
        ("录音录像清单", rows.order.recording_digest),
        ("签名图片", said.picture_digest if said else None),
        ("银行付款文件", rows.batch.file_digest),
        ("银行回单文件", await db.scalar(query)),
    ]
    return [(name, digest) for name, digest in found if digest]


async def _far_end(db: AsyncSession, session_id: str) -> str:
    return "、".join(f"{seat.office_name} {seat.display_name}" for seat in await far_end_present(db, session_id))


def clock_of(elapsed_ms: int) -> str:
    """Write a moment of the recording as people say it: 12:41, or 1:02:41 beyond an hour."""
    minutes, seconds = divmod(elapsed_ms // 1000, 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}" if minutes >= 60 else f"{minutes:02d}:{seconds:02d}"


def _moment(at: datetime | None) -> str:
    if at is None:
        return ""
    here = at.astimezone(OFFICE_ZONE)
    return f"{here.year}年{here.month}月{here.day}日 {here:%H:%M:%S}"


def _short(at: datetime | None) -> str:
    if at is None:
        return ""
    here = at.astimezone(OFFICE_ZONE)
    return f"{here.month}月{here.day}日 {here:%H:%M}"


def _day(at: datetime) -> str:
    here = at.astimezone(OFFICE_ZONE)
    return f"{here.year}年{here.month}月{here.day}日"
