"""What the live pages' scripts are told, and how far an applicant's money is."""

import base64
import struct
import zlib
from collections.abc import Mapping

import pytest

from aid.checklist import CHECKLIST, CheckItem
from aid.id_numbers import check_id_number
from aid.states import CaseState
from aid.verification import CheckView, StillKind, StillView, VerificationView
from records.refusals import Refusal
from tests.support.people import MORNING
from web.pages.after import steps_to_money
from web.pages.applicant import PICTURE_BYTES, read_picture
from web.pages.live_views import hindrances, verification_json

VALID = "370832196803129963"


def _view(
    passed: Mapping[str, bool], *, stills: tuple[StillKind, ...] = tuple(StillKind), id_number: str = VALID
) -> VerificationView:
    def check(item: CheckItem) -> CheckView:
        settled = MORNING if item.key in passed else None
        return CheckView(item, passed.get(item.key), "", settled, "王志远")

    return VerificationView(
        session_id="hearing",
        case_id="case",
        applicant_name="高秀兰",
        id_number_masked="3708**********9963",
        id_number_check=check_id_number(id_number),
        checks=tuple(check(item) for item in CHECKLIST),
        stills={kind: StillView(kind, kind, "d" * 64, 640, 480, 12_000, MORNING) for kind in stills},
        missing=(),
        verified=None,
        reason="",
        verifier_name="",
        concluded_at=None,
        elapsed_ms=None,
        withdrawn_at=None,
    )


ALL = {item.key: True for item in CHECKLIST if item.mandatory}


def test_nothing_hinders_when_all_that_must_pass_has_passed() -> None:
    assert hindrances(_view(ALL)) == []


def test_the_host_is_told_how_many_checks_and_which_stills_are_missing() -> None:
    said = hindrances(_view(ALL | {"face": False}, stills=(StillKind.FACE,)))
    assert said == ["还有 1 个必做项没有通过", "还缺截图：证件正面、证件背面"]


def test_a_number_whose_check_digit_is_wrong_hinders() -> None:
    assert hindrances(_view(ALL, id_number="370832196803129964")) == ["案卷里的身份证号码校验不对，请先核对案卷"]


def test_a_still_is_shown_by_its_address_below_the_hearing() -> None:
    told = verification_json(_view({}, stills=(StillKind.FACE,)), "/sessions/hearing")
    assert told["stills"] == [
        {"kind": "face", "title": "人脸", "url": f"/sessions/hearing/stills/{'d' * 64}", "elapsed_ms": 12_000},
        {"kind": "document_front", "title": "证件正面", "url": None, "elapsed_ms": None},
        {"kind": "document_back", "title": "证件背面", "url": None, "elapsed_ms": None},
    ]


def test_times_of_checks_are_the_offices() -> None:
    told = verification_json(_view({"face": True}), "/sessions/hearing")
    checks = told["checks"]
    assert isinstance(checks, list)
    face = next(check for check in checks if isinstance(check, dict) and check["key"] == "face")
    assert face["at"] == "09:00:00"


@pytest.mark.parametrize(
    ("state", "kinds"),
    [
        (CaseState.AWAITING_HEARING, "now later later later later"),
        (CaseState.AWAITING_APPROVAL, "done now later later later"),
        (CaseState.APPROVED, "done done now later later"),
        (CaseState.IN_FLIGHT, "done done done now later"),
        (CaseState.PAID, "done done done done done"),
    ],
)
def test_the_way_to_the_money_shows_one_step_at_hand(state: CaseState, kinds: str) -> None:
    assert " ".join(step.kind for step in steps_to_money(state)) == kinds


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\x00" * ((width + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_picture_of_a_signature_is_read() -> None:
    picture = _png(300, 100)
    assert read_picture(base64.b64encode(picture).decode()) == picture


@pytest.mark.parametrize(
    "text",
    [
        "",
        "不是图片",
        "====",
        base64.b64encode(b"GIF89a" + b"\x00" * 60).decode(),
        base64.b64encode(_png(300, 100)[:20]).decode(),
        base64.b64encode(_png(2001, 1)).decode(),
        base64.b64encode(_png(1, 1) + b"\x00" * PICTURE_BYTES).decode(),
    ],
    ids=["empty", "words", "padding", "another format", "cut", "too wide", "too large"],
)
def test_what_is_no_picture_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match="picture_unreadable"):
        read_picture(text)
