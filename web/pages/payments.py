"""The fund, the batches that go to the bank, the bank's answers, and the story of one payment."""

from aiohttp import web

from aid.bank.stub import answer
from aid.payments import DraftBatch, Release, bank_file, draft_batch, release, return_batch
from aid.queries import batch_view, fund_view, order_view
from aid.receipts import receipt_pdf
from aid.reconciliation import take_answer
from records.refusals import Refusal
from web.accounts.current import staff_actor
from web.flashes import redirect
from web.forms import read_fields, read_upload, whole_number
from web.keys import CLOCK, DATABASE, SETTINGS, VAULT
from web.rendering import render

ANSWER_LIMIT = 2 * 1024 * 1024
"""How large an answer of the bank may be; ten thousand lines take less."""


async def show_fund(request: web.Request) -> web.StreamResponse:
    """GET /payments: what the fund holds, what can be put into a batch, the batches."""
    async with request.app[DATABASE].read() as db:
        view = await fund_view(db, staff_actor(request))
    return render(request, "staff/fund.html", view=view)


async def make_batch(request: web.Request) -> web.StreamResponse:
    """POST /batches: draft a batch of the chosen cases."""
    form = await request.post()
    chosen = tuple(case_id for case_id in form.getall("case_id", ()) if isinstance(case_id, str))
    async with request.app[DATABASE].begin() as db:
        batch = await draft_batch(db, staff_actor(request), DraftBatch(chosen), clock=request.app[CLOCK])
    return redirect(f"/batches/{batch.id}", said="batch_drafted")


async def show_batch(request: web.Request) -> web.StreamResponse:
    """GET /batches/{batch_id}."""
    async with request.app[DATABASE].read() as db:
        view = await batch_view(db, staff_actor(request), request.match_info["batch_id"])
    return render(request, "staff/batch.html", view=view)


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
    async with request.app[DATABASE].begin() as db:
        outcome = await take_answer(
            db, staff_actor(request), name, data, vault=request.app[VAULT], clock=request.app[CLOCK]
        )
    said = "answer_taken_returned" if outcome.returned else "answer_taken"
    return redirect(f"/batches/{outcome.batch_id}", said=said)


async def show_order(request: web.Request) -> web.StreamResponse:
    """GET /orders/{order_id}: one payment from the hearing to the bank's word."""
    async with request.app[DATABASE].read() as db:
        view = await order_view(db, staff_actor(request), request.match_info["order_id"])
    return render(request, "staff/order.html", view=view)


async def send_receipt(request: web.Request) -> web.StreamResponse:
    """GET /orders/{order_id}/receipt.pdf."""
    raise Refusal("page_unknown")


def _download(name: str, data: bytes, content_type: str) -> web.Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return web.Response(body=data, content_type=content_type, headers=headers)
