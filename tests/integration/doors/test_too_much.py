"""Too much, cut off, or not what it claims to be: an answer in words, never a fault of ours, and nothing changed."""

import ast
import inspect
import io
import itertools
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest
from sqlalchemy import select
from yarl import URL

from records.database import Base
from tests.support.house import PICTURE, STROKES, Answer, Hearing, House, Visitor
from web.access import Applicant, Public, Route
from web.routes import ROUTES

LONG = "接" * (64 * 1024)
CHINESE = re.compile("[\u4e00-\u9fff]{4}")
POSTS = [route for route in ROUTES if route.method == "POST"]
GOOD: Mapping[str, str] = {"version": "1", "reason": "理由", "opinion": "意见", "user_name": "wang", "password": "x"}
"""What the other fields hold while one is too long."""


def form_fields(route: Route) -> list[str]:
    """Return the fields that a handler reads from a form, as its source says."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(route.handler)))
    names: list[str] = []
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Name) and call.func.id == "read_fields":
            names += [keyword.arg for keyword in call.keywords if keyword.arg]
        if isinstance(call.func, ast.Name) and call.func.id in ("read_choices", "read_upload"):
            names.append(next(str(a.value) for a in call.args if isinstance(a, ast.Constant)))
    return names


def json_body(route: Route) -> type[msgspec.Struct] | None:
    """Return the type of the JSON that a handler reads, as its source says."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(route.handler)))
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Name) and call.func.id == "read_json":
            assert isinstance(call.args[1], ast.Name)
            kind: type[msgspec.Struct] = inspect.getmodule(route.handler).__dict__[call.args[1].id]  # type: ignore[union-attr]
            return kind
    return None


_SAMPLES: Mapping[str, Any] = {
    "kind": "face",
    "item": "consent",
    "passed": True,
    "verified": False,
    "amount_fen": 2_000_000,
    "strokes": [[{"x": 1, "y": 1, "t_ms": 1}] * 9],
}


def bodies_with(kind: type[msgspec.Struct], long: object) -> Iterator[dict[str, Any]]:
    """Yield the JSON bodies in which one text after the other is `long`."""
    fields = msgspec.structs.fields(kind)
    for wanted in fields:
        if wanted.name in ("passed", "verified", "amount_fen"):
            continue
        body = {field.name: _SAMPLES.get(field.name, "字") for field in fields}
        body[wanted.name] = long if wanted.name != "strokes" else [[{"x": 1, "y": 1, "t_ms": 1}] * 4000] * 2
        yield body


def assert_refused_in_words(answer: Answer, what: object) -> None:
    """A refusal with a sentence in Chinese; never a fault of ours."""
    assert answer.status in range(400, 500), (what, answer.status, answer.text[:300])
    said = answer.json["text"] if answer.kind.startswith("application/json") else answer.text
    assert CHINESE.search(said), (what, said)


GROWING = ("trail", "logins", "line_qualities")
"""Tables that grow by what is refused, by wrong tries, and every ten seconds of a hearing."""


async def contents(house: House) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of what nobody but people changes."""
    kept: dict[str, list[tuple[Any, ...]]] = {}
    async with house.database.read() as db:
        for name, table in Base.metadata.tables.items():
            if not name.startswith(GROWING):
                kept[name] = sorted(map(tuple, (await db.execute(select(table))).all()), key=repr)
    return kept


async def _someone_for(route: Route, hearing: Hearing, people: Mapping[str, Visitor]) -> list[Visitor]:
    if isinstance(route.access, Applicant):
        return [hearing.gao]
    if isinstance(route.access, Public):
        return [hearing.house.visitor()]
    return list(people.values())


def test_the_fields_of_every_form_and_every_json_door_are_known() -> None:
    silent = {"/sign-out", *(f"/sessions/{{session_id}}/{what}" for what in ("invitation", "evidence", "composite"))}
    # One field a person with an account; tried out where booking is.
    silent |= {"/sessions/{session_id}/people"}
    for route in POSTS:
        assert bool(form_fields(route)) + (json_body(route) is not None) == (route.path not in silent), route.path


async def test_64_kib_in_any_field_of_any_door_are_refused_and_change_nothing(house: House) -> None:
    async with house.hearing() as hearing:
        await hearing.lay_in_stills()
        people = {name: await house.staff(name) for name in ("wang", "chen", "sun")}
        paths = {"session_id": house.session_id, "case_id": house.case_id, "batch_id": "0" * 32}
        paths["token"] = house.link.removeprefix("/i/")
        before = await contents(house)
        tried = 0
        for route in POSTS:
            path = route.path.format(**paths)
            kind = json_body(route)
            for visitor in await _someone_for(route, hearing, people):
                for name in form_fields(route):
                    answer = await visitor.submit(path, **{**GOOD, name: LONG})
                    assert_refused_in_words(answer, (path, name))
                    tried += 1
                for body in bodies_with(kind, LONG) if kind else ():
                    answer = await visitor.send(path, body)
                    assert_refused_in_words(answer, (path, body.keys()))
                    tried += 1
        assert tried > 30
        assert await contents(house) == before


ODD_TEXTS = ("\x00", "字\x00字", "\x1b[2J", "\u202e", "𝒳" * 10, "'; DROP TABLE cases;--", "<script>")


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::aiohttp.multipart.BadContentDispositionHeader")
async def test_odd_characters_are_kept_or_refused_in_words(house: House) -> None:
    async with house.hearing() as hearing:
        people = {name: await house.staff(name) for name in ("wang", "chen", "sun")}
        paths = {"session_id": house.session_id, "case_id": house.case_id, "batch_id": "0" * 32}
        paths["token"] = house.link.removeprefix("/i/")
        for route in POSTS:
            if route.path in ("/sign-out", "/sign-in", "/sessions/{session_id}/invitation"):
                continue
            path = route.path.format(**paths)
            kind = json_body(route)
            for visitor in await _someone_for(route, hearing, people):
                for name, odd in itertools.product(form_fields(route), ODD_TEXTS):
                    answer = await visitor.submit(path, **{**GOOD, name: odd})
                    assert answer.status < 500, (path, name, odd)
                for odd in ODD_TEXTS if kind else ():
                    for body in bodies_with(kind, odd) if kind else ():
                        answer = await visitor.send(path, body)
                        assert answer.status < 500, (path, body.keys(), odd)
        for odd in ODD_TEXTS:
            data = _multipart(await people["sun"].token(), filename=odd)
            answer = await people["sun"].ask("POST", "/answers", data=data, headers=MULTIPART)
            assert answer.status < 500, odd
        for page in ("/today", f"/sessions/{house.session_id}", f"/cases/{house.case_id}"):
            assert "<script>" not in (await hearing.wang.get(page)).text.partition("</head>")[2]


MULTIPART = {"Content-Type": "multipart/form-data; boundary=edge", "Accept": "application/json"}


def _multipart(token: str, *, filename: str) -> bytes:
    name = filename.replace('"', "")
    return (
        f'--edge\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{token}\r\n'
        f'--edge\r\nContent-Disposition: form-data; name="answer"; filename="{name}"\r\n\r\n<x/>\r\n--edge--\r\n'
    ).encode()


ODD_ADDRESSES = ("%00", "a%00b", "%FF", "%ED%A0%80", "%2F..%2F..%2Fetc%2Fpasswd", "..%2f", "x" * 2500)


async def test_odd_addresses_lead_nowhere_in_words(house: House) -> None:
    people = {name: await house.staff(name) for name in ("wang", "chen", "sun", "he")}
    for route, odd in itertools.product(ROUTES, ODD_ADDRESSES):
        if "{" not in route.path:
            continue
        path = re.sub(r"\{\w+\}", odd, route.path)
        for visitor in [house.visitor(), *people.values()]:
            token = await visitor.token()
            address = URL(visitor.origin + path, encoded=True)
            headers = {"Accept": "application/json", "X-CSRF-Token": token}
            async with visitor.http.request(route.method, address, headers=headers, allow_redirects=False) as response:
                answer = Answer(response.status, response.headers, await response.read())
            if answer.status != 303:
                assert_refused_in_words(answer, path)


async def test_an_odd_page_of_the_trail_is_no_fault(house: House) -> None:
    administrator = await house.staff("he")
    for before in ("-1", "x", "9" * 30, "1.5", "%00", "", "１"):
        assert (await administrator.ask("GET", f"/trail?before={before}")).status in (200, 404), before


async def test_a_body_larger_than_the_house_takes_is_refused_in_words(house: House) -> None:
    sun, gao = await house.staff("sun"), await house.gao()
    big = b"x" * (5 * 1024 * 1024)
    assert_refused_in_words(await sun.upload("/answers", "answer", big), "upload")
    assert (await sun.upload("/answers", "answer", b"x" * (3 * 1024 * 1024))).refused == "too_large"
    page = await sun.upload("/answers", "answer", big, as_json=False)
    assert page.status == 413
    assert "内容太大" in page.text
    assert (await gao.send("/hearing/confirmation/object", {"kind": "x" * 600_000})).refused == "too_large"
    headers = {"X-CSRF-Token": await gao.token(), "Content-Type": "application/json"}
    answer = await gao.ask("POST", "/hearing/confirmation/sign", data=io.BytesIO(big), headers=headers)
    assert answer.refused == "too_large"


NO_JSON = (
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b'{"kind": "recording"',
    b'{"kind": 1}',
    b'{"kind": "recording", "more": 1}',
    b'{"kind": "\\ud800"}',
    b'{"kind": "\\u0000"}',
    b'\xff\xfe{"kind"',
    b"[" * 100_000,
    b'{"amount_fen": ' + b"9" * 5000 + b', "account_fingerprint": ""}',
    b'{"amount_fen": 1e400, "account_fingerprint": ""}',
    b'{"strokes": [[{"x": 1e400, "y": 1, "t_ms": 1}]], "picture": ""}',
    b'{"strokes": [[{"x": 1e308, "y": -1e308, "t_ms": 99999999999999999999999}]], "picture": ""}',
)


async def test_json_that_is_none_is_refused_in_words(house: House) -> None:
    async with house.hearing() as hearing:
        people = {"wang": hearing.wang}
        for route in POSTS:
            if json_body(route) is None:
                continue
            for visitor in await _someone_for(route, hearing, people):
                headers = {"X-CSRF-Token": await visitor.token(), "Content-Type": "application/json"}
                path = route.path.format(session_id=house.session_id)
                for body in NO_JSON:
                    answer = await visitor.ask("POST", path, data=body, headers=headers)
                    assert answer.refused == "malformed", (path, body[:60])
                    assert_refused_in_words(answer, path)


STROKES_OF_NOBODY: tuple[list[list[dict[str, float]]], ...] = (
    [[{"x": 1e308, "y": -1e308, "t_ms": 1}] * 9],
    [[{"x": 1, "y": 1, "t_ms": 10**25}] * 9],
    [[{"x": 1, "y": 1, "t_ms": -(10**25)}] * 9],
    [[{"x": 1, "y": 1, "t_ms": 1}] * 9] * 3000,
    [],
    [[]],
)
PICTURES_OF_NOTHING = ("", "x", "AAAA", "data:image/png;base64,AAAA", "PHN2Zz4=" * 10)


async def test_a_signature_that_nobody_could_have_drawn_is_refused_and_the_next_one_counts(house: House) -> None:
    async with house.hearing() as hearing:
        await hearing.verify()
        await hearing.confirm()
        for strokes in STROKES_OF_NOBODY:
            answer = await hearing.gao.send("/hearing/confirmation/sign", {"strokes": strokes, "picture": PICTURE})
            assert_refused_in_words(answer, repr(strokes)[:60])
        for picture in PICTURES_OF_NOTHING:
            answer = await hearing.gao.send("/hearing/confirmation/sign", {"strokes": STROKES, "picture": picture})
            assert answer.refused == "picture_unreadable", picture
        await hearing.sign()


ODD_HEADERS: tuple[dict[str, str], ...] = (
    {"Referer": "http://[::1"},
    {"Referer": "x" * 3000},
    {"X-CSRF-Token": "é"},
    {"Cookie": "jiefang_device=" + "é" * 30},
    {"Cookie": "jiefang_device=" + "x" * 64 + "; jiefang_staff=\u00ff\u00fe; jiefang_applicant=é; jiefang_flash=é"},
    {"Content-Type": "multipart/form-data"},
    {"Content-Type": "multipart/form-data; boundary=" + "x" * 200},
    {"Content-Type": "application/x-www-form-urlencoded; charset=klingon"},
    {"Content-Type": "application/json; charset=klingon"},
    {"Content-Type": "x" * 500},
    {"Accept": "é"},
    {"Origin": "http://["},
)


async def test_odd_headers_are_no_fault_of_ours(house: House) -> None:
    visitor = house.visitor()
    doors = (("GET", "/sign-in"), ("GET", "/nowhere"), ("POST", "/sign-in"), ("POST", house.link))
    for (method, path), headers in itertools.product(doors, ODD_HEADERS):
        data = b"\xff=\xff&user_name=wang" if method == "POST" else None
        answer = await visitor.ask(method, path, data=data, headers=headers)
        assert answer.status < 500, (path, headers)
        if answer.status >= 400:
            assert_refused_in_words(answer, (path, headers))
