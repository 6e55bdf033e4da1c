"""The order file and the answer file, and what is wrong with an answer."""

import hashlib
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from lxml import etree

import aid.bank
from aid.bank import pain001, pain002, stub
from aid.bank.gateway import ANSWER_BYTES_MAX, LineStatus, Party, PaymentFile, Transfer
from aid.payments import order_reference
from records.refusals import Refusal

PAYER = Party("东营区人民检察院", "37050165680100000123", "建行东营分行", "105455000018")
GAO = Party("高秀兰", "6217001234567893456", "梁山县农村商业银行", "402461300018")
LONG_NAME = Party("阿卜杜热合曼·麦麦提吐尔逊𠮷", "6217001234567893457", "喀什农村商业银行", "402461300018")


def a_file() -> PaymentFile:
    """Return a file with two orders."""
    return PaymentFile(
        message_id="JF202611003-0A1B2C3D",
        made_at=datetime(2026, 11, 24, 8, 31, tzinfo=UTC),
        execute_on=date(2026, 11, 24),
        payer=PAYER,
        transfers=(
            Transfer("JZ2026-17-AAAAAAAAAA-1-1", GAO, 2_000_000, "国家司法救助金 东营区检救助〔2026〕17号"),
            Transfer("JZ2026-18-BBBBBBBBBB-1-1", LONG_NAME, 1_234_567, "国家司法救助金 & <附言>"),
        ),
    )


def test_the_vendored_schema_is_the_one_we_say_it_is() -> None:
    folder = Path(aid.bank.__file__).parent / "xsd"
    for path in folder.glob("*.xsd"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() in (folder / "README.md").read_text("utf-8")


def test_the_file_is_valid_and_carries_names_as_they_are_written() -> None:
    data = pain001.build(a_file())
    pain001.validate(data)
    root = etree.fromstring(data)
    space = {"p": pain001.NAMESPACE}
    assert root.xpath("//p:Cdtr/p:Nm/text()", namespaces=space) == ["高秀兰", LONG_NAME.name]
    assert root.xpath("//p:InstdAmt/text()", namespaces=space) == ["20000.00", "12345.67"]
    assert root.xpath("//p:InstdAmt/@Ccy", namespaces=space) == ["CNY", "CNY"]
    assert root.xpath("//p:CtrlSum/text()", namespaces=space) == ["32345.67", "32345.67"]
    assert root.xpath("//p:Ustrd/text()", namespaces=space)[1] == "国家司法救助金 & <附言>"


def test_equal_files_make_equal_bytes() -> None:
    assert pain001.build(a_file()) == pain001.build(a_file())


@pytest.mark.parametrize("cnaps", ["10545500001", "1054550000189", "BKCHCNBJXXXX", ""])
def test_a_bank_number_without_twelve_digits_never_leaves(cnaps: str) -> None:
    file = a_file()
    wrong = replace(file.transfers[0], payee=replace(GAO, bank_cnaps=cnaps))
    with pytest.raises(ValueError, match="twelve digits"):
        pain001.build(replace(file, transfers=(wrong,)))


def test_a_reference_used_twice_or_no_orders_never_leave() -> None:
    file = a_file()
    with pytest.raises(ValueError, match="own reference"):
        pain001.build(replace(file, transfers=(file.transfers[0], file.transfers[0])))
    with pytest.raises(ValueError, match="own reference"):
        pain001.build(replace(file, transfers=()))


def test_what_the_schema_refuses_never_leaves_and_is_not_repeated_in_the_error() -> None:
    with pytest.raises(ValueError, match=r"^not a pain\.001\.001\.09$"):
        pain001.build(replace(a_file(), payer=replace(PAYER, name="长" * 141)))


def test_the_stub_answers_what_it_was_asked() -> None:
    answer = pain002.read(stub.answer(pain001.build(a_file()), returned={"JZ2026-18-BBBBBBBBBB-1-1": "AC01"}))
    assert (answer.original_message_id, answer.bank_cnaps) == ("JF202611003-0A1B2C3D", "105455000018")
    assert (answer.original_count, answer.original_total_fen) == (2, 3_234_567)
    paid, returned = answer.lines
    assert (paid.status, paid.amount_fen, paid.account) == (LineStatus.PAID, 2_000_000, GAO.account)
    assert (returned.status, returned.reason_code, returned.reason) == (LineStatus.RETURNED, "AC01", "收款账号不正确")


def test_the_same_question_gets_the_same_answer() -> None:
    question = pain001.build(a_file())
    assert stub.answer(question) == stub.answer(question)
    assert stub.answer(question) != stub.answer(question, pending=["JZ2026-17-AAAAAAAAAA-1-1"])


def refused(data: bytes) -> str:
    """Return the code with which an answer is refused."""
    with pytest.raises(Refusal) as caught:
        pain002.read(data)
    return caught.value.code


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9, 0.99])
def test_an_answer_cut_anywhere_is_called_cut(share: float) -> None:
    data = stub.answer(pain001.build(a_file()))
    assert refused(data[: int(len(data) * share)]) == "answer_cut"


def test_an_answer_that_lost_a_whole_line_is_called_cut() -> None:
    data = stub.answer(pain001.build(a_file())).decode()
    start = data.index("<TxInfAndSts>")
    end = data.index("</TxInfAndSts>") + len("</TxInfAndSts>")
    assert refused((data[:start] + data[end:]).encode()) == "answer_cut"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 100,
        "编号,金额\n1,20000".encode(),
        b"PK\x03\x04 a spreadsheet",
        b"<html><body>Document</body></html>",
        b"<Document/>",
        pain001.build(a_file()),
    ],
)
def test_what_is_not_an_answer_is_called_unreadable(data: bytes) -> None:
    assert refused(data) == "answer_unreadable"


def test_an_answer_in_gbk_is_read() -> None:
    data = stub.answer(pain001.build(a_file()), returned={"JZ2026-18-BBBBBBBBBB-1-1": "AC01"}).decode()
    gbk = data.replace('encoding="UTF-8"', 'encoding="GBK"').replace("</Rsn>", "</Rsn><AddtlInf>户名不符</AddtlInf>")
    assert pain002.read(gbk.encode("gbk")).lines[1].reason == "收款账号不正确；户名不符"


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE Document [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        '<!DOCTYPE Document [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE Document SYSTEM "http://127.0.0.1:9/x.dtd">',
    ],
)
def test_entities_and_foreign_documents_are_never_followed(doctype: str) -> None:
    data = stub.answer(pain001.build(a_file())).decode()
    head, rest = data.split("\n", 1)
    entity = "&b;" if "ENTITY b" in doctype else "&x;" if "ENTITY x" in doctype else ""
    assert refused(f"{head}\n{doctype}\n{rest}".replace("<MsgId>", f"<MsgId>{entity}", 1).encode()) == (
        "answer_unreadable"
    )


def test_a_huge_file_is_not_even_parsed() -> None:
    assert refused(b"<" * (ANSWER_BYTES_MAX + 1)) == "answer_too_large"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("<TxSts>ACSC", "<TxSts>WHAT", "answer_unknown_status"),
        ('Ccy="CNY"', 'Ccy="USD"', "answer_amount_differs"),
        ("20000.00", "20000.005", "answer_unreadable"),
        ("20000.00", "-20000.00", "answer_unreadable"),
        ("<TxSts>", "<Unknown>1</Unknown><TxSts>", "answer_unreadable"),
        ("<OrgnlNbOfTxs>2<", "<OrgnlNbOfTxs>two<", "answer_unreadable"),
    ],
)
def test_an_answer_with_something_impossible_in_it_is_refused(old: str, new: str, code: str) -> None:
    data = stub.answer(pain001.build(a_file())).decode()
    assert refused(data.replace(old, new, 1).encode()) == code


def test_a_reference_is_short_plain_and_only_ever_the_same() -> None:
    references = {
        order_reference(number, 1, attempt)
        for number in ("东营区检救助〔2026〕17号", "东营区检救助〔2026〕18号", "梁山检救助〔2026〕17号", "口头")
        for attempt in (1, 2, 99)
    }
    assert len(references) == 12
    assert all(len(reference) <= 35 and reference.isascii() for reference in references)
    assert order_reference("东营区检救助〔2026〕17号", 1, 1) == order_reference("东营区检救助〔2026〕17号", 1, 1)
