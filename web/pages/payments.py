"""The fund, the batches that go to the bank, the bank's answers, and the story of one payment."""

from aiohttp import web

from aid.bank.stub import answer
from aid.payments import DraftBatch, Release, bank_file, draft_batch, release, return_batch
from aid.queries import batch_view, batches, four_people, fund_view, order_timeline, order_view, ready_to_draft
from aid.receipts import receipt_pdf
from aid.reconciliation import note_refused_answer, take_answer
from aid.tables import AidCase
from records.actors import Permission
from records.refusals import Refusal
from web.current import staff_actor
from web.flashes import redirect
from web.forms import read_choices, read_fields, read_upload, whole_number
from web.keys import CLOCK, DATABASE, SETTINGS, VAULT
from web.pages.offices import require_office
from web.proofs import proof_of_recording
from web.refusal_texts import sentence
from web.rendering import render
from web.state_texts import ORDER_STATES

ID_LENGTH = 32
ANSWER_LIMIT = 2 * 1024 * 1024
"""How large an answer of the bank may be; ten thousand lines take less."""


async def show_fund(request: web.Request) -> web.StreamResponse:
    """GET /payments: what the fund holds, what can be put into a batch, the batches."""
    actor = staff_actor(request)
    async with request.app[DATABASE].read() as db:
        fund = await fund_view(db, actor.office_id or "")
        ready = await ready_to_draft(db, actor) if actor.may(Permission.DRAFT_BATCH) else []
        made = await batches(db, actor.office_id or "")
    return render(request, "staff/fund.html", fund=fund, ready=ready, batches=made)


async def make_batch(request: web.Request) -> web.StreamResponse:
    """POST /batches: draft a batch of the chosen cases."""
    chosen = await read_choices(request, "case_id", limit=ID_LENGTH)
    async with request.app[DATABASE].begin() as db:
        batch = await draft_batch(db, staff_actor(request), DraftBatch(chosen), clock=request.app[CLOCK])
    return redirect(f"/batches/{batch.id}", said="batch_drafted")


async def show_batch(request: web.Request) -> web.StreamResponse:
    """GET /batches/{batch_id}."""
    actor = staff_actor(request)
    async with request.app[DATABASE].read() as db:
        view = await batch_view(db, request.match_info["batch_id"])
        mine = view.drafter_id == actor.id
        if actor.may(Permission.RELEASE_BATCH) and not mine:
            # Whoever may release also sees what *they* may not: a case they once approved, say.
            view = await batch_view(db, view.id, actor=actor)
    require_office(actor, view.fund.office_id)
    return render(
        request,
        "staff/batch.html",
        view=view,
        mine=mine,
        order_states=ORDER_STATES,
        say=sentence,
    )


async def release_batch(request: web.Request) -> web.StreamResponse:
    """POST /batches/{batch_id}/release."""
    batch_id = request.match_info["batch_id"]
    fields = await read_fields(request, version=20)
    command = Release(batch_id, whole_number(fields["version"]))
    async with request.app[DATABASE].begin() as db:
        await release(db, staff_actor(request), command, vault=request.app[VAULT], clock=request.app[CLOCK])
    return redirect(f"/batches/{batch_id}", said="batch_released")


async def send_batch_back(request: web.Request) -> web.StreamResponse:
    """POST /batches/{batch_id}/return."""
    batch_id = request.match_info["batch_id"]
    fields = await read_fields(request, reason=500)
    async with request.app[DATABASE].begin() as db:
        await return_batch(db, staff_actor(request), batch_id, fields["reason"], clock=request.app[CLOCK])
    return redirect(f"/batches/{batch_id}", said="batch_returned")


async def send_bank_file(request: web.Request) -> web.StreamResponse:
    """GET /batches/{batch_id}/bank-file: the file for the bank, the same bytes each time; each download is noted."""
    return _download(*await _bank_file(request), "application/xml")


async def _bank_file(request: web.Request) -> tuple[str, bytes]:
    async with request.app[DATABASE].begin() as db:
        return await bank_file(
            db, staff_actor(request), request.match_info["batch_id"], vault=request.app[VAULT], clock=request.app[CLOCK]
        )


async def send_stub_answer(request: web.Request) -> web.StreamResponse:
    """GET /batches/{batch_id}/stub-answer: what the stub bank answers to this batch (demonstration only)."""
    if not request.app[SETTINGS].demo:
        raise Refusal("page_unknown")
    name, data = await _bank_file(request)
    return _download(f"answer-{name}", answer(data), "application/xml")


async def take_bank_answer(request: web.Request) -> web.StreamResponse:
    """POST /answers: the bank's answer file; all of it is taken, or none."""
    name, data = await read_upload(request, "answer", limit=ANSWER_LIMIT)
    actor, clock = staff_actor(request), request.app[CLOCK]
    try:
        async with request.app[DATABASE].begin() as db:
            outcome = await take_answer(db, actor, name, data, vault=request.app[VAULT], clock=clock)
    except Refusal as refusal:
        async with request.app[DATABASE].begin() as db:
            await note_refused_answer(db, actor, name, data, refusal, clock=clock)
        raise
    said = "answer_taken_returned" if outcome.returned else "answer_taken"
    return redirect(f"/batches/{outcome.batch_id}", said=said)


async def show_order(request: web.Request) -> web.StreamResponse:
    """GET /orders/{order_id}: one payment from the hearing to the bank's word."""
    order_id = request.match_info["order_id"]
    async with request.app[DATABASE].read() as db:
        view = await order_view(db, order_id)
        require_office(staff_actor(request), (await db.get_one(AidCase, view.case_id)).office_id)
        steps = await order_timeline(db, order_id)
        people = await four_people(db, order_id)
    sealed = view.session_id is not None and view.recording_digest is not None
    return render(
        request,
        "staff/order.html",
        view=view,
        steps=steps,
        people=people,
        proof=await proof_of_recording(request.app, view.session_id or "") if sealed else None,
        order_states=ORDER_STATES,
    )


async def send_receipt(request: web.Request) -> web.StreamResponse:
    """GET /orders/{order_id}/receipt.pdf."""
    order_id, actor = request.match_info["order_id"], staff_actor(request)
    async with request.app[DATABASE].read() as db:
        pdf = await receipt_pdf(db, actor, order_id, vault=request.app[VAULT])
    return web.Response(body=pdf, content_type="application/pdf", headers={"Cache-Control": "no-store"})


def _download(name: str, data: bytes, content_type: str) -> web.Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return web.Response(body=data, content_type=content_type, headers=headers)
