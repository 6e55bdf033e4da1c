"""Every door for every person: who gets in is what the route table says, and nobody reaches into another office."""

import re
from collections.abc import Iterator
from html import unescape

import pytest
from yarl import URL

from records.actors import PERMISSIONS, Role
from tests.support.house import Answer, House, Visitor
from web.access import Access, Anyone, Applicant, Route, Staff
from web.routes import ROUTES

STAFF = {"wang": Role.HOST, "liu": Role.FAR_END, "chen": Role.APPROVER, "sun": Role.FINANCE, "he": Role.ADMINISTRATOR}
SHUT = {"sign_in_needed", "invitation_needed"}
CHINESE = re.compile("[\u4e00-\u9fff]{4}")


def refusal_expected(access: Access, who: str) -> str:
    """Return with which refusal the door is shut to somebody, or "" when it opens."""
    match access:
        case Applicant():
            return "" if who == "gao" else "invitation_needed"
        case Anyone():
            return "sign_in_needed" if who == "nobody" else ""
        case Staff(permission):
            if who not in STAFF:
                return "sign_in_needed"
            allowed = permission is None or permission in PERMISSIONS[STAFF[who]]
            return "" if allowed else "not_permitted"
    return ""


async def _paths(house: House, batch: str) -> dict[str, str]:
    return {
        "session_id": house.session_id,
        "case_id": house.case_id,
        "batch_id": batch.removeprefix("/batches/"),
        "order_id": await house.order_id(),
        "seat_id": await house.applicants_seat(),
        "form": "webm",
        "token": house.link.removeprefix("/i/"),
        "digest": "0" * 64,
    }


async def _knock(visitor: Visitor, route: Route, path: str) -> Answer:
    """Try a door. A change is asked for without the form's token: whoever is let in is stopped at that, harmlessly."""
    return await visitor.ask(route.method, path, headers={"Accept": "application/json"})


async def test_every_door_opens_to_exactly_those_whom_the_table_names(house: House) -> None:
    paths = await _paths(house, await house.paid())
    people = {"nobody": house.visitor(), "gao": await house.gao_again()}
    people |= {name: await house.staff(name) for name in STAFF}
    for route in ROUTES:
        path = route.path.format(**paths)
        if path in ("/sign-out",):
            continue
        for who, visitor in people.items():
            answer = await _knock(visitor, route, path)
            wanted = refusal_expected(route.access, who)
            if wanted:
                assert answer.refused == wanted, (who, route.method, path)
                assert CHINESE.search(answer.json["text"])
            elif route.method == "POST":
                assert answer.refused == "form_expired", (who, route.method, path)
            else:
                assert answer.refused not in SHUT, (who, route.method, path)
                assert answer.refused != "not_permitted" or isinstance(route.access, Anyone), (who, path)


async def test_whoever_may_not_change_anything_leaves_an_entry_on_the_trail(house: House) -> None:
    liu = await house.staff("liu")
    refused = await liu.submit(f"/cases/{house.case_id}/approve", as_json=False, opinion="好", version="1")
    assert refused.status == 403
    assert "这一步不在您的岗位权限之内" in refused.text
    assert await house.events(code="not_permitted") == ["RequestRefused"]


async def test_the_application_has_no_door_that_the_table_does_not_name(house: House) -> None:
    doors = {
        (route.method, route.resource.canonical)
        for route in house.server.app.router.routes()
        if route.resource is not None and not route.resource.canonical.startswith("/static")
    }
    assert doors == {(route.method, route.path) for route in ROUTES}


def _forms() -> Iterator[Route]:
    return (route for route in ROUTES if route.method == "POST")


async def test_nothing_changes_without_the_token_of_ones_own_browser(house: House) -> None:
    paths = await _paths(house, await house.drafted())
    other = await house.visitor().token()
    before = len(await house.deeds())
    everybody = {name: await house.staff(name) for name in (*STAFF, "zhou")} | {"gao": await house.gao_again()}
    signed_in = len(await house.deeds())
    tried = 0
    for route in _forms():
        path = route.path.format(**paths)
        for who, visitor in everybody.items():
            if refusal_expected(route.access, "sun" if who == "zhou" else who):
                continue
            for token in ("", other, "f" * 64, "é"):
                form = await visitor.ask(
                    "POST", path, data={"csrf": token, "version": "1"}, headers={"Accept": "application/json"}
                )
                script = await visitor.ask("POST", path, json={}, headers={"X-CSRF-Token": token})
                assert (form.refused, script.refused) == ("form_expired", "form_expired"), (who, path, token)
                tried += 1
    assert tried > 50
    assert set((await house.deeds())[signed_in:]) <= {"RequestRefused"}
    assert signed_in > before


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", "http://127.0.0.1:1", "http://127.0.0.1"])
async def test_a_page_of_another_origin_changes_nothing_even_with_the_token(house: House, origin: str) -> None:
    wang = await house.staff("wang")
    path = f"/sessions/{house.session_id}/invitation"
    data = {"csrf": await wang.token()}
    strange = await wang.ask("POST", path, data=data, headers={"Accept": "application/json", "Origin": origin})
    assert strange.refused == "form_expired"
    assert (await house.visitor().get(house.link)).status == 200, "the link is still the old one"
    own = await wang.ask("POST", path, data=data, headers={"Origin": wang.origin})
    assert own.status == 200


async def test_a_form_left_open_too_long_says_so_and_leads_back(house: House) -> None:
    wang = await house.staff("wang")
    page = f"/sessions/{house.session_id}"
    answer = await wang.ask("POST", f"{page}/invitation", data={}, headers={"Referer": wang.origin + page})
    assert answer.status == 403
    assert "这个页面放得太久了，刚才的内容没有提交" in answer.text
    assert f'href="{page}"' in answer.text


async def test_another_office_reaches_nothing_of_ours(house: House) -> None:
    batch = await house.drafted()
    order = await house.order_id()
    await house.employ("yang", *STAFF.values(), elsewhere=True)
    yang = await house.staff("yang")
    session, case = f"/sessions/{house.session_id}", f"/cases/{house.case_id}"
    before = len(await house.deeds())
    for path in ("/today", "/cases", "/payments"):
        page = unescape((await yang.get(path)).text)
        assert "高秀兰" not in page
        assert house.case_id not in page
    seat = await house.applicants_seat()
    for path in (
        *(session, f"{session}/progress", f"{session}/room", f"{session}/verification", f"{session}/reading"),
        *(f"{session}/playback/{seat}.webm", f"{session}/stills/{'0' * 64}", f"/ws/hearings/{house.session_id}"),
        *(
            case,
            batch,
            f"{batch}/bank-file",
            f"{batch}/stub-answer",
            f"/orders/{order}",
            f"/orders/{order}/receipt.pdf",
        ),
    ):
        answer = await yang.get(path, as_json=True)
        assert 400 <= answer.status < 500, path
        assert answer.refused, path
        assert "高" not in answer.text, path
    version = {"version": "1"}
    for path, fields in (
        (f"{session}/invitation", {}),
        (f"{case}/approve", {"opinion": "好", **version}),
        (f"{case}/decline", {"opinion": "不", **version}),
        (f"{case}/shared-account", {"reason": "同村"}),
        (f"{case}/account", {"account_number": "6228480402564890018", "account_name": "高秀兰", "reason": "换卡"}),
        ("/batches", {"case_id": house.case_id}),
        (f"{batch}/release", version),
        (f"{batch}/return", {"reason": "不对"}),
    ):
        answer = await yang.submit(path, **fields)
        assert 400 <= answer.status < 500, (path, answer.status)
        assert answer.refused, path
    for path, body in (
        (f"{session}/checks", {"item": "consent", "passed": True}),
        (f"{session}/identity", {"verified": False, "reason": "不像"}),
        (f"{session}/stills", {"kind": "face"}),
        (f"{session}/reading", {}),
        (f"{session}/marks", {"title": "记号"}),
        (f"{session}/simulated-applicant", {}),
    ):
        answer = await yang.send(path, body)
        assert 400 <= answer.status < 500, (path, answer.status)
        assert answer.refused, path
    assert set((await house.deeds())[before:]) == {"RequestRefused"}, "nothing changed"
    assert (await house.release(await house.staff("zhou"), batch)).status == 303, "and the batch is as it was"


async def test_a_second_host_hears_who_hosts(house: House) -> None:
    await house.employ("zhao", Role.HOST)
    zhao = await house.staff("zhao")
    for path in (f"/sessions/{house.session_id}/room", f"/ws/hearings/{house.session_id}"):
        answer = await zhao.get(path, as_json=True)
        assert answer.refused == "host_present"
        assert "这次接访由王志远主持" in answer.json["text"]
    page = await zhao.get(f"/sessions/{house.session_id}/room")
    assert page.status == 409
    assert "需要换人，请联系王志远" in page.text


async def test_every_answer_carries_the_security_headers(house: House) -> None:
    wang, gao = await house.staff("wang"), await house.gao()
    session = f"/sessions/{house.session_id}"
    for visitor, path in (
        *((house.visitor(), path) for path in ("/", "/sign-in", "/healthz", house.link, "/nowhere", "/today")),
        *((wang, path) for path in ("/today", session, f"{session}/room", "/verify", "/verify/office-public.pem")),
        *((wang, path) for path in ("/trail", f"{session}/progress", "/static/css/base.css", "/static/nothing")),
        *((gao, path) for path in ("/hearing", "/hearing/after", "/hearing/confirmation", "/hearing/receipt.pdf")),
    ):
        answer = await visitor.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy, path
        assert "frame-ancestors 'none'" in policy, path
        assert "unsafe" not in policy, path
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        assert answer.headers["Referrer-Policy"] == "same-origin", path
        assert "camera=(self)" in answer.headers["Permissions-Policy"], path
        if answer.kind.startswith("text/html"):
            assert answer.headers["Cache-Control"] == "no-store", path
            assert not re.search(r"<script(?![^>]* src=)(?![^>]*application/json)|\son\w+=|\sstyle=", answer.text), path
        assert answer.headers["Server"] == "jiefang", path


async def test_a_seat_has_so_many_sockets_a_minute_whatever_its_browsers_call_themselves(house: House) -> None:
    gao = await house.gao()
    statuses = []
    for number in range(61):
        gao.http.cookie_jar.update_cookies({"jiefang_device": f"{number:032d}"}, URL(gao.origin))
        statuses.append((await gao.get(f"/ws/hearings/{house.session_id}?as=applicant", as_json=True)).status)
    assert statuses == [400] * 60 + [429]
