"""What the live pages' scripts are told, as plain JSON. Pure: no request, no database."""

from collections.abc import Mapping
from datetime import datetime

from aid.confirmations import ConfirmationView, ObjectionKind
from aid.money import format_fen
from aid.verification import CheckView, StillKind, VerificationView
from signaling.messages import Json
from web.refusal_texts import TEXTS
from web.rendering import OFFICE_ZONE
from web.settings import Settings
from web.turn import rtc_configuration

STILL_TITLES: Mapping[StillKind, str] = {
    StillKind.FACE: "人脸",
    StillKind.DOCUMENT_FRONT: "证件正面",
    StillKind.DOCUMENT_BACK: "证件背面",
}
OBJECTIONS: Mapping[ObjectionKind, str] = {
    ObjectionKind.ACCOUNT: "账号不对",
    ObjectionKind.AMOUNT: "数额不对",
    ObjectionKind.OTHER: "我有话要说",
}
_ROOM_CODES = (
    "not_permitted",
    "message_malformed",
    "text_too_long",
    "text_empty",
    "seat_unknown",
    "seat_absent",
    "no_call_now",
    "hearing_not_started",
    "recording_unavailable",
    "recording_trouble",
    "recording_still_down",
    "media_unavailable",
    "media_unreachable",
    "picture_unseen",
    "seats_full",
    "record_unavailable",
    "consent_missing",
    "session_over",
    "too_many_words",
)


def room_refusals() -> dict[str, str]:
    """Return the sentences for what the room itself refuses over the WebSocket, by code."""
    return {code: TEXTS[code].sentence for code in _ROOM_CODES if code in TEXTS}


def ice_json(settings: Settings, seat_id: str, *, now: datetime) -> dict[str, Json]:
    """Return how this page's browser may reach the media plane; credentials in it are this seat's and expire."""
    secret = settings.turn_secret.get_secret_value() if settings.turn_secret else ""
    return rtc_configuration(settings.turn_urls, secret, settings.ice_policy, seat_id, now=now)


def verification_json(view: VerificationView, base: str) -> dict[str, Json]:
    """Return the identity panel's content; `base` is the session's address."""
    state = "open" if view.verified is None else "verified" if view.verified else "not_verified"
    return {
        "state": state,
        "checks": [_check_json(check) for check in view.checks],
        "stills": [
            {
                "kind": kind.value,
                "title": title,
                "url": f"{base}/stills/{still.digest}" if (still := view.stills.get(kind)) else None,
                "elapsed_ms": still.elapsed_ms if still else None,
            }
            for kind, title in STILL_TITLES.items()
        ],
        "hindrances": list(hindrances(view)),
        "reason": view.reason,
    }


def hindrances(view: VerificationView) -> list[str]:
    """Return in sentences what still stands between the checks and "verified"."""
    open_checks = sum(check.item.mandatory and check.passed is not True for check in view.checks)
    stills = [title for kind, title in STILL_TITLES.items() if kind not in view.stills]
    said = []
    if open_checks:
        said.append(f"还有 {open_checks} 个必做项没有通过")
    if stills:
        said.append(f"还缺截图：{'、'.join(stills)}")
    if not view.id_number_check.valid:
        said.append("案卷里的身份证号码校验不对，请先核对案卷")
    return said


def _check_json(check: CheckView) -> dict[str, Json]:
    outcome = "open" if check.passed is None else "passed" if check.passed else "failed"
    return {
        "key": check.item.key,
        "title": check.item.title,
        "say": check.item.say,
        "look_for": check.item.look_for,
        "still": check.item.still.value if check.item.still else None,
        "mandatory": check.item.mandatory,
        "outcome": outcome,
        "at": _time(check.settled_at),
        "note": check.note,
    }


def confirmation_json(view: ConfirmationView) -> dict[str, Json]:
    """Return what the applicant's sheet shows: the account masked, never whole."""
    return {
        "state": view.state.value,
        "amount_fen": view.amount_fen,
        "amount_text": format_fen(view.amount_fen),
        "capital": view.capital,
        "payee": view.payee,
        "holder_relation": view.holder_relation,
        "bank_name": view.bank_name,
        "account_masked": view.account_masked,
        "account_fingerprint": view.account_fingerprint,
        "case_number": view.case_number,
    }


def reading_json(view: ConfirmationView, *, verified: bool, running: bool, rests: bool, base: str) -> dict[str, Json]:
    """Return the reading panel's content for staff."""
    words = view.objection_text or (OBJECTIONS[view.objection_kind] if view.objection_kind else "")
    if view.objection_kind is ObjectionKind.ACCOUNT and view.objection_text:
        words = f"{OBJECTIONS[ObjectionKind.ACCOUNT]}：{view.objection_text}"
    return {
        "state": view.state.value,
        "text": view.decision_text,
        "amount_text": format_fen(view.amount_fen),
        "capital": view.capital,
        "payee": view.payee,
        "bank_name": view.bank_name,
        "account_masked": view.account_masked,
        "case_number": view.case_number,
        "elapsed_ms": {
            "asked": view.asked_elapsed_ms,
            "confirmed": view.confirmed_elapsed_ms,
            "signed": view.signed_elapsed_ms,
        },
        "objection": words,
        "signature_url": f"{base}/stills/{view.picture_digest}" if view.picture_digest else None,
        "hindrance": _reading_hindrance(verified=verified, running=running, rests=rests),
    }


def _reading_hindrance(*, verified: bool, running: bool, rests: bool) -> str | None:
    if rests:
        return "正在休会，复会以后才能宣读。"
    if not running:
        return "请申请人进来、开始录音录像以后，才能宣读。"
    if not verified:
        return "身份核验通过以后，才能请申请人确认。"
    return None


def _time(at: datetime | None) -> str | None:
    return at.astimezone(OFFICE_ZONE).strftime("%H:%M:%S") if at else None
