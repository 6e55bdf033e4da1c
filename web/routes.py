"""Every door of the house, and who may open it. There is no other way in."""

from records.actors import Permission
from web.access import Access, Public, Route, Staff
from web.pages import (
    applicant,
    booking,
    cases,
    evidence,
    health,
    hearings,
    payments,
    recordings,
    room,
    sign_in,
    trail,
    verify,
)

ANYBODY = Public()
ANY_STAFF = Staff(None)


def _staff(permission: Permission) -> Access:
    return Staff(permission)


ROUTES: tuple[Route, ...] = (
    # the front door
    Route("GET", "/", sign_in.front_door, ANYBODY),
    Route("GET", "/sign-in", sign_in.show_sign_in, ANYBODY),
    Route("POST", "/sign-in", sign_in.take_sign_in, ANYBODY),
    Route("POST", "/sign-out", sign_in.take_sign_out, ANY_STAFF),
    Route("GET", "/healthz", health.show_health, ANYBODY),
    # hearings
    Route("GET", "/today", hearings.show_today, _staff(Permission.JOIN_HEARING)),
    Route("GET", "/sessions/{session_id}", hearings.show_session, _staff(Permission.SEE_HEARINGS)),
    Route("POST", "/sessions/{session_id}/invitation", hearings.make_invitation, _staff(Permission.BOOK_HEARING)),
    Route("GET", "/sessions/{session_id}/progress", hearings.send_progress, _staff(Permission.SEE_HEARINGS)),
    *recordings.ROUTES,
    Route("POST", "/sessions/{session_id}/evidence", evidence.send_bundle, _staff(Permission.PLAY_RECORDING)),
    *booking.ROUTES,
    # cases
    Route("GET", "/cases", cases.show_cases, _staff(Permission.SEE_CASES)),
    Route("GET", "/cases/{case_id}", cases.show_case, _staff(Permission.SEE_CASES)),
    Route("POST", "/cases/{case_id}/approve", cases.approve_case, _staff(Permission.APPROVE_AID)),
    Route("POST", "/cases/{case_id}/decline", cases.decline_case, _staff(Permission.APPROVE_AID)),
    Route("POST", "/cases/{case_id}/shared-account", cases.allow_account, _staff(Permission.APPROVE_AID)),
    Route("POST", "/cases/{case_id}/account", cases.change_case_account, _staff(Permission.HANDLE_CASE)),
    # money
    Route("GET", "/payments", payments.show_fund, _staff(Permission.SEE_PAYMENTS)),
    Route("POST", "/batches", payments.make_batch, _staff(Permission.DRAFT_BATCH)),
    Route("GET", "/batches/{batch_id}", payments.show_batch, _staff(Permission.SEE_PAYMENTS)),
    Route("POST", "/batches/{batch_id}/release", payments.release_batch, _staff(Permission.RELEASE_BATCH)),
    Route("POST", "/batches/{batch_id}/return", payments.send_batch_back, _staff(Permission.RELEASE_BATCH)),
    Route("GET", "/batches/{batch_id}/bank-file", payments.send_bank_file, _staff(Permission.RELEASE_BATCH)),
    Route("GET", "/batches/{batch_id}/stub-answer", payments.send_stub_answer, _staff(Permission.TAKE_BANK_ANSWER)),
    Route("POST", "/answers", payments.take_bank_answer, _staff(Permission.TAKE_BANK_ANSWER)),
    Route("GET", "/orders/{order_id}", payments.show_order, _staff(Permission.SEE_PAYMENTS)),
    Route("GET", "/orders/{order_id}/receipt.pdf", payments.send_receipt, _staff(Permission.SEE_PAYMENTS)),
    # proof
    Route("GET", "/trail", trail.show_trail, _staff(Permission.READ_TRAIL)),
    Route("GET", "/verify", verify.show_how_to_verify, ANY_STAFF),
    Route("GET", "/verify/office-public.pem", verify.send_public_key, ANY_STAFF),
    # the live hearing
    *applicant.ROUTES,
    *room.ROUTES,
)
