"""The protocol: what is read, what is refused, and that its document says what the code does."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import signaling
import web
from sessions.seats import SeatRole, abilities_of
from signaling.closing import CLOSE_TEXT_BYTES, CLOSINGS, CloseReason
from signaling.endpoint import Allowance
from signaling.messages import (
    FIELD_LIMITS,
    FRAME_BYTES,
    Answer,
    FieldTooLong,
    FromClient,
    FromServer,
    MessageMalformed,
    MessageTooLarge,
    Mute,
    Notice,
    Person,
    Word,
    WordSaid,
    decode,
    encode,
)
from signaling.ports import ENTER_FREELY, PUBLISH
from signaling.requests import NEEDS

PROTOCOL = (Path(signaling.__file__).parent / "PROTOCOL.md").read_text("utf-8")


def table(heading: str) -> Iterator[list[str]]:
    """Yield the rows of the table below a heading of PROTOCOL.md."""
    section = PROTOCOL.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    for row in rows[2:]:
        yield [cell.strip() for cell in row.strip("|").split("|")]


def name_of(message: type[msgspec.Struct]) -> str:
    return str(message.__struct_config__.tag)


def test_the_document_names_every_message_of_clients_with_its_fields_limits_and_abilities() -> None:
    documented = {type_.strip("`"): rest for type_, *rest in table("From the client")}
    assert documented.keys() == {name_of(message) for message in get_args(FromClient)}
    for message in get_args(FromClient):
        fields, who, refusals = documented[name_of(message)]
        assert tuple(re.findall(r"`(\w+)`(?= text| int| bool|,|:)", fields)) == message.__struct_fields__
        for field in message.__struct_fields__:
            limit = FIELD_LIMITS.get((message, field))
            assert limit is None or f"`{field}` text ≤ {limit}" in fields
        needed = NEEDS.get(message)
        if needed is not None:
            assert who == f"ability `{needed}`"
            assert "`not_permitted`" in refusals
        else:
            assert who in ("everybody", "whoever was sent the offer")


def test_every_text_of_a_client_has_a_limit() -> None:
    for message in get_args(FromClient):
        for field, kind in zip(message.__struct_fields__, message.__annotations__.values(), strict=True):
            assert kind is not str or (message, field) in FIELD_LIMITS


def test_the_document_names_every_message_of_the_server_with_its_fields() -> None:
    documented = {type_.strip("`"): re.findall(r"`(\w+)`", fields) for type_, fields, _ in table("From the server")}
    expected = {name_of(message): list(message.__struct_encode_fields__) for message in get_args(FromServer)}
    assert documented == expected
    assert "{" + ", ".join(Person.__struct_fields__) + "}" in " ".join(PROTOCOL.split())


def test_the_document_names_every_close_reason_with_its_code() -> None:
    documented = {reason.strip("`"): (int(code), retry == "yes") for reason, code, retry, _ in table("Closing")}
    assert documented == {reason.value: (closing.code, closing.retry) for reason, closing in CLOSINGS.items()}


def test_the_document_names_what_each_role_may_do() -> None:
    documented = {role.strip("`"): set(re.findall(r"`(\w+)`", abilities)) for role, abilities in table("Roles")}
    meant = {*NEEDS.values(), PUBLISH, ENTER_FREELY}
    assert documented == {role.value: meant & {ability.value for ability in abilities_of(role)} for role in SeatRole}


CODE_ARGUMENT = {"refuse": 1, "Refused": 0, "TroubleArose": 0, "_attempt": 1}


def codes_of_refusals() -> set[str]:
    """Return the codes that signaling's own source refuses and alarms with."""
    codes = set()
    for path in Path(signaling.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                position = CODE_ARGUMENT.get(name)
                if position is not None and isinstance(argument := node.args[position], ast.Constant):
                    codes.add(str(argument.value))
    return codes


def test_the_document_names_every_code_that_the_room_refuses_with() -> None:
    codes = codes_of_refusals()
    assert {"not_permitted", "text_too_long", "recording_unavailable", "media_unavailable"} <= codes
    assert {code for code in codes if not re.search(rf"`{code}\b", PROTOCOL)} == set()


def test_the_document_names_every_topic_that_the_house_has_news_of() -> None:
    sources = [path.read_text("utf-8") for path in (Path(web.__file__).parent / "pages").glob("*.py")]
    topics = {topic for source in sources for topic in re.findall(r'announce\([^"]+"(\w+)"', source)}
    (line,) = re.findall(r"Topics: ([^.]+)\.", " ".join(PROTOCOL.split()))
    assert topics == set(re.findall(r"`(\w+)`", line))


def test_every_close_reason_has_a_code_of_its_own_and_a_text_that_fits() -> None:
    assert set(CLOSINGS) == set(CloseReason)
    codes = [closing.code for closing in CLOSINGS.values()]
    assert len(set(codes)) == len(codes)
    for closing in CLOSINGS.values():
        assert 4000 <= closing.code <= 4099
        assert 0 < len(closing.told.encode()) <= CLOSE_TEXT_BYTES


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"type":null}',
        '{"type":"dance"}',
        '{"type":"leave","x":1}',
        '{"type":"word"}',
        '{"type":"word","text":1}',
        '{"type":"hand","raised":1}',
        '{"type":"answer","offer_id":"1","sdp":""}',
        '{"type":"answer","offer_id":1.5,"sdp":""}',
        '{"type":"devices","microphone":"loud","camera":"on"}',
        '{"type":"word","text":"\\ud800"}',
        '{"type":"leave"} {"type":"leave"}',
        "[" * 60_000,
        '{"type":"word","text":"' + "\x00" + '"}',
    ],
)
def test_what_is_no_message_is_malformed(frame: str) -> None:
    with pytest.raises(MessageMalformed):
        decode(frame)


@settings(deadline=None)
@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), lambda kids: st.lists(kids)).map(json.dumps))
def test_nothing_read_raises_anything_unnamed(frame: str) -> None:
    with pytest.raises((MessageMalformed, MessageTooLarge, FieldTooLong)):
        decode(frame)


def test_a_frame_is_measured_in_bytes_and_a_text_in_characters() -> None:
    with pytest.raises(MessageTooLarge):
        decode(json.dumps({"type": "word", "text": "话" * 22_000}, ensure_ascii=False))
    with pytest.raises(FieldTooLong) as caught:
        decode(json.dumps({"type": "word", "text": "话" * 501}, ensure_ascii=False))
    assert (caught.value.field, caught.value.limit) == ("text", 500)
    assert decode(json.dumps({"type": "word", "text": "话" * 500})) == Word("话" * 500)
    sdp = "v" * 60_000
    frame = json.dumps({"type": "answer", "offer_id": 1, "sdp": sdp})
    assert len(frame) < FRAME_BYTES
    assert decode(frame) == Answer(1, sdp)


def test_a_mute_is_a_mute_unless_it_says_otherwise() -> None:
    assert decode('{"type":"mute","seat_id":"gao"}') == Mute("gao", muted=True)
    assert decode('{"type":"mute","seat_id":"gao","muted":false}') == Mute("gao", muted=False)


def test_what_is_written_reads_as_the_document_says() -> None:
    assert json.loads(encode(WordSaid(7, sender="li", name="李", text="好", at="2026-11-25T04:00:00+00:00"))) == {
        "type": "word",
        "number": 7,
        "from": "li",
        "name": "李",
        "text": "好",
        "at": "2026-11-25T04:00:00+00:00",
    }
    assert json.loads(encode(Notice("still", {"kind": "face"})))["type"] == "notice"


def test_an_allowance_lets_a_burst_through_and_then_a_trickle() -> None:
    allowance = Allowance(at_once=3, per_s=10, now_s=100.0)
    assert [allowance.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert not allowance.take(100.05)
    assert allowance.take(100.16)
    assert not allowance.take(100.16)
    assert [allowance.take(200.0) for _ in range(4)] == [True, True, True, False]
