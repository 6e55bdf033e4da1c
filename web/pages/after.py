"""After the hearing: what happens next, how far the money is, and the receipt. It outlives the closed tab."""

from dataclasses import dataclass

from aiohttp import web
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from aid.cases import case_of_session
from aid.confirmations import ConfirmationView, confirmation_view
from aid.receipts import receipt_pdf
from aid.states import CaseState, ConfirmationState, OrderState
from aid.tables import Order
from records.refusals import Refusal
from sessions.queries import session_file
from sessions.states import OVER, SessionState
from web.access import Applicant, Route
from web.current import applicant_actor, applicant_session_id
from web.keys import DATABASE, VAULT
from web.pages.case_heard import case_heard
from web.rendering import render


@dataclass(frozen=True, slots=True)
class Step:
    """One step on the way to the money. `kind`: done, now or later."""

    kind: str
    title: str
    more: str = ""


_REACHED = {
    CaseState.AWAITING_HEARING: 0,
    CaseState.AWAITING_APPROVAL: 1,
    CaseState.APPROVED: 2,
    CaseState.RETURNED: 2,
    CaseState.IN_FLIGHT: 3,
    CaseState.PAID: 4,
}
_STEPS = (
    ("您确认数额、账号并签名", "要在接访里确认。没有来得及的，检察院会和您另约时间。"),
    ("检察院审批", "由没有参加接访的负责人审批，您不用做什么。"),
    ("财务制单、放行", "由两位财务人员分别办理，您不用做什么。"),
    ("银行转账", "已经交给银行，一般一两个工作日到账。"),
)


def steps_to_money(state: CaseState) -> list[Step]:
    """Return the way from the signature to the money, as far as it has been gone."""
    reached = _REACHED.get(state, 0)
    kinds = ["done" if i < reached else "now" if i == reached else "later" for i in range(len(_STEPS))]
    last = Step("done", "到账", "") if state is CaseState.PAID else Step("later", "到账", "")
    return [
        *(Step(kind, title, more if kind == "now" else "") for kind, (title, more) in zip(kinds, _STEPS, strict=True)),
        last,
    ]


async def show_after(request: web.Request) -> web.StreamResponse:
    """GET /hearing/after."""
    session_id = applicant_session_id(request)
    async with request.app[DATABASE].read() as db:
        file = await session_file(db, session_id)
        case = await case_heard(db, session_id)
        confirmation = await confirmation_view(db, session_id) if case else None
        order = await _order(db, case.id) if case else None
    return render(
        request,
        "live/after.html",
        office_name=file.office.name,
        applicant_name=applicant_actor(request).name,
        running=file.session.state not in OVER,
        host_absent=file.host_absent,
        cancelled=file.session.state is SessionState.CANCELLED,
        case=case,
        confirmation=confirmation,
        signed=_signed(confirmation),
        order=order,
        stopped=case is not None and case.state in (CaseState.DECLINED, CaseState.WITHDRAWN),
        returned=case is not None and case.state is CaseState.RETURNED,
        paid=order is not None and order.state is OrderState.PAID,
        steps=steps_to_money(case.state) if case else [],
    )


async def send_own_receipt(request: web.Request) -> web.StreamResponse:
    """GET /hearing/receipt.pdf: the receipt of one's own payment."""
    actor, session_id = applicant_actor(request), applicant_session_id(request)
    async with request.app[DATABASE].begin() as db:
        case = await case_of_session(db, session_id)
        order = await _order(db, case.id)
        if order is None or order.state is not OrderState.PAID:
            raise Refusal("not_paid_yet")
        pdf = await receipt_pdf(db, actor, order.id, vault=request.app[VAULT])
    headers = {"Content-Disposition": 'inline; filename="receipt.pdf"', "Cache-Control": "private, no-store"}
    return web.Response(body=pdf, content_type="application/pdf", headers=headers)


async def _order(db: AsyncSession, case_id: str) -> Order | None:
    """Return the newest payment order of a case."""
    query = select(Order).where(Order.case_id == case_id).order_by(Order.drafted_at.desc(), Order.attempt.desc())
    return (await db.scalars(query.limit(1))).first()


def _signed(view: ConfirmationView | None) -> bool:
    return view is not None and view.state is ConfirmationState.SIGNED


ROUTES: tuple[Route, ...] = (
    Route("GET", "/hearing/after", show_after, Applicant()),
    Route("GET", "/hearing/receipt.pdf", send_own_receipt, Applicant()),
)
