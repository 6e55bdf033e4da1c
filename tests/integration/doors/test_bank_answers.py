"""The bank's answer, as it should not be: refused in words, noted, and not half booked."""

import re

from sqlalchemy import select

from aid import ledger
from aid.bank.stub import answer as stub_answer
from aid.tables import BankAnswer, Fund
from tests.support.house import Answer, House, Visitor

LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE Document [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 9}">' for i in range(9))
    + "]><Document>&j;</Document>"
).encode()
OUTSIDE = b'<?xml version="1.0"?><!DOCTYPE Document [<!ENTITY x SYSTEM "file:///etc/passwd">]><Document>&x;</Document>'


async def _nothing_was_booked(house: House) -> None:
    async with house.database.read() as db:
        assert list(await db.scalars(select(BankAnswer))) == []
        assert await ledger.audit(db) == []
        balances = await ledger.balances(db, (await db.scalars(select(Fund.id))).one())
    assert (balances.in_flight, balances.paid) == (20_000_00, 0)


async def _refused(sun: Visitor, data: bytes, code: str, words: str) -> Answer:
    answer = await sun.upload("/answers", "answer", data)
    assert answer.refused == code, answer.text
    assert words in answer.json["text"]
    return answer


async def test_answers_that_cannot_be_believed_are_refused_whole_and_the_true_one_counts_once(house: House) -> None:
    batch = await house.drafted()
    sun, zhou = await house.staff("sun"), await house.staff("zhou")
    assert (await house.release(zhou, batch)).status == 303
    file = (await zhou.get(f"{batch}/bank-file")).body
    good = stub_answer(file)
    cut = ("answer_cut", "answer_unreadable")

    half = await sun.upload("/answers", "answer", good[: len(good) // 2])
    assert half.refused in cut
    assert "没有记账" in half.json["text"]
    missing_end = await sun.upload("/answers", "answer", good.rstrip()[:-1])
    assert missing_end.refused in cut
    for data in (b"", b"hello", "回单".encode(), b"<x/>", b"%PDF-1.7", file, LAUGHS, OUTSIDE, b"\x00" * 1000):
        await _refused(sun, data, "answer_unreadable", "没有记账")
    await _refused(sun, stub_answer(file, bank_cnaps="105455000018"), "answer_other_bank", "没有记账")
    wrong = re.sub(rb">20000(\.00)?<", b">20000.01<", good)
    assert wrong != good
    assert (await sun.upload("/answers", "answer", wrong)).refused in ("answer_amount_differs", "answer_total_differs")
    page = await sun.upload("/answers", "answer", b"hello", as_json=False)
    assert page.status == 400
    assert "请向银行重新取" in page.text
    no_file = await sun.submit("/answers", answer="text in place of a file")
    assert no_file.refused == "file_missing"
    await _nothing_was_booked(house)
    refused = (await house.events()).count("BankAnswerRefused")
    assert refused >= 13

    assert (await sun.upload("/answers", "answer", good)).location == batch
    again = await _refused(sun, good, "answer_already_taken", "没有重复记账")
    assert "2026年11月25日 10:10" in again.json["text"]
    async with house.database.read() as db:
        assert await ledger.audit(db) == []
        balances = await ledger.balances(db, (await db.scalars(select(Fund.id))).one())
    assert (balances.in_flight, balances.paid) == (0, 20_000_00)


async def test_a_returned_payment_is_told_to_finance_and_to_the_applicant(house: House) -> None:
    batch = await house.drafted()
    sun, zhou = await house.staff("sun"), await house.staff("zhou")
    await house.release(zhou, batch)
    file = (await zhou.get(f"{batch}/bank-file")).body
    reference = re.search(rb"<EndToEndId>([^<]+)<", file)
    assert reference is not None
    taken = await sun.upload("/answers", "answer", stub_answer(file, returned={reference[1].decode(): "AC01"}))
    assert taken.location == batch
    page = (await sun.get(batch)).text
    assert "有款项被退回，资金已回到预算" in page
    assert "银行退回" in page
    after = await (await house.gao_again()).get("/hearing/after")
    assert after.status == 200
    assert "AC01" not in after.text
    assert (await (await house.gao_again()).get("/hearing/receipt.pdf", as_json=True)).refused == "not_paid_yet"
