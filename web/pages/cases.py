"""Aid cases: the list, one case's file, the approver's word, a changed account."""

from aiohttp import web

from aid.cases import ChangeAccount, change_account
from aid.decisions import AllowSharedAccount, Approve, Decline, allow_shared_account, approve, decline
from aid.queries import case_file, cases_for
from web.current import staff_actor
from web.flashes import redirect
from web.forms import read_fields, whole_number
from web.keys import CLOCK, DATABASE
from web.pages.offices import require_office
from web.refusal_texts import sentence
from web.rendering import render
from web.state_texts import CASE_STATES, ORDER_STATES


async def show_cases(request: web.Request) -> web.StreamResponse:
    """GET /cases: the cases of the reader's office, those that wait for them first."""
    async with request.app[DATABASE].read() as db:
        cases = await cases_for(db, staff_actor(request))
    return render(request, "staff/cases.html", cases=cases, states=CASE_STATES)


async def show_case(request: web.Request) -> web.StreamResponse:
    """GET /cases/{case_id}."""
    async with request.app[DATABASE].read() as db:
        file = await case_file(db, request.match_info["case_id"])
    require_office(staff_actor(request), file.case.office_id)
    return render(request, "staff/case.html", file=file, states=CASE_STATES, order_states=ORDER_STATES, say=sentence)


async def approve_case(request: web.Request) -> web.StreamResponse:
    """POST /cases/{case_id}/approve."""
    case_id = request.match_info["case_id"]
    fields = await read_fields(request, opinion=2000, version=20)
    command = Approve(case_id, fields["opinion"], whole_number(fields["version"]))
    async with request.app[DATABASE].begin() as db:
        await approve(db, staff_actor(request), command, clock=request.app[CLOCK])
    return redirect(f"/cases/{case_id}", said="case_approved")


async def decline_case(request: web.Request) -> web.StreamResponse:
    """POST /cases/{case_id}/decline."""
    case_id = request.match_info["case_id"]
    fields = await read_fields(request, opinion=2000, version=20)
    command = Decline(case_id, fields["opinion"], whole_number(fields["version"]))
    async with request.app[DATABASE].begin() as db:
        await decline(db, staff_actor(request), command, clock=request.app[CLOCK])
    return redirect(f"/cases/{case_id}", said="case_declined")


async def allow_account(request: web.Request) -> web.StreamResponse:
    """POST /cases/{case_id}/shared-account: the approver says why an account that others use too is in order."""
    case_id = request.match_info["case_id"]
    fields = await read_fields(request, reason=2000)
    async with request.app[DATABASE].begin() as db:
        command = AllowSharedAccount(case_id, fields["reason"])
        await allow_shared_account(db, staff_actor(request), command, clock=request.app[CLOCK])
    return redirect(f"/cases/{case_id}", said="account_allowed")


async def change_case_account(request: web.Request) -> web.StreamResponse:
    """POST /cases/{case_id}/account: another account; what was confirmed and approved is void."""
    case_id = request.match_info["case_id"]
    fields = await read_fields(
        request, bank_name=60, cnaps=30, account_name=60, account_number=60, reason=500, holder_relation=100
    )
    async with request.app[DATABASE].begin() as db:
        await change_account(db, staff_actor(request), ChangeAccount(case_id, **fields), clock=request.app[CLOCK])
    return redirect(f"/cases/{case_id}", said="account_changed")
