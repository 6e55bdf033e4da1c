"""Opening a case, its account, its withdrawal, the decision upon it."""

import pytest
from sqlalchemy import text

from aid import cases, decisions, ledger, queries
from aid.id_numbers import AccountDoubt
from aid.ledger import EnterWage
from aid.states import CaseState
from records.actors import Role
from records.refusals import Refusal
from tests.integration.aid.world import AMOUNT, World, an_id_number

LONG = "长" * 65_536


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"id_number": "37083219600315001X"}, "id_number_invalid"),
        ({"id_number": ""}, "text_missing"),
        ({"id_number": LONG}, "text_too_long"),
        ({"amount_fen": 0}, "amount_invalid"),
        ({"amount_fen": -1}, "amount_invalid"),
        ({"amount_fen": 20000.0}, "amount_invalid"),
        ({"amount_fen": True}, "amount_invalid"),
        ({"amount_fen": 10**18}, "amount_invalid"),
        ({"category": "unknown"}, "unknown_category"),
        ({"account_number": "6217"}, "account_number_invalid"),
        ({"account_number": "6217O01234567890"}, "account_number_invalid"),
        ({"cnaps": "40246130001"}, "cnaps_invalid"),
        ({"account_name": "王小雨"}, "holder_differs"),
        ({"applicant_name": LONG}, "text_too_long"),
        ({"reason": LONG}, "text_too_long"),
        ({"decision_text": LONG}, "text_too_long"),
        ({"address": LONG}, "text_too_long"),
        ({"phone": LONG}, "text_too_long"),
        ({"bank_name": LONG}, "text_too_long"),
        ({"account_name": LONG}, "text_too_long"),
        ({"number": LONG}, "text_too_long"),
        ({"number": "  "}, "text_missing"),
        ({"applicant_name": "高\x00秀兰", "account_name": "高\x00秀兰"}, "text_unreadable"),
        ({"reason": "\ud800"}, "text_unreadable"),
    ],
)
async def test_a_faulty_case_is_refused_for_its_fault(world: World, changed: dict[str, object], code: str) -> None:
    with pytest.raises(Refusal) as caught:
        await world.open(**changed)
    assert caught.value.code == code
    async with world.database.read() as db:
        assert await queries.cases_for(db, world.handler) == []


async def test_one_number_and_one_person_have_one_open_case(world: World) -> None:
    first = await world.open()
    with pytest.raises(Refusal, match="case_number_taken"):
        await world.open(number=first.number)
    with pytest.raises(Refusal, match="applicant_has_open_case"):
        await world.open(id_number=an_id_number(1))
    async with world.begin() as db:
        await cases.withdraw_case(db, world.handler, first.id, "重复申请", clock=world.clock)
    second = await world.open(id_number=an_id_number(1))
    async with world.database.read() as db:
        earlier = (await queries.case_file(db, second.id)).earlier_aid
    assert [aid.number for aid in earlier] == [first.number]


async def test_names_that_differ_only_in_width_or_dot_are_the_same_person(world: World) -> None:
    case = await world.open(applicant_name="阿依古丽·买买提", account_name="阿依古丽•买买提")
    assert case.state is CaseState.AWAITING_HEARING


async def test_a_guardian_holds_the_account_when_the_relation_is_said(world: World) -> None:
    case = await world.open(applicant_name="赵小明", account_name="赵国强", holder_relation="监护人")
    async with world.database.read() as db:
        account = (await queries.case_file(db, case.id)).account
    assert (account.holder_name, account.holder_relation) == ("赵国强", "监护人")


async def test_a_card_number_that_looks_wrong_warns_and_does_not_block(world: World) -> None:
    case = await world.open(account_number="6228480402564890017", cnaps="402461300011")
    async with world.database.read() as db:
        doubts = (await queries.case_file(db, case.id)).account.doubts
    assert AccountDoubt.LUHN in doubts


async def test_the_cap_is_that_of_the_province_and_stays_with_the_case(world: World) -> None:
    async with world.begin() as db:
        wage = EnterWage("山东", 2025, 50_000, "山东省统计公报")
        await ledger.enter_wage(db, world.administrator, wage, clock=world.clock)
        with pytest.raises(Refusal, match="wage_exists"):
            await ledger.enter_wage(db, world.administrator, wage, clock=world.clock)
    with pytest.raises(Refusal, match="amount_over_cap"):
        await world.open(amount_fen=36 * 50_000 + 1)
    case = await world.open(amount_fen=36 * 50_000)
    assert (case.cap_fen, case.rules_version) == (1_800_000, "2021")


async def test_personal_data_is_not_in_clear_at_rest(world: World) -> None:
    case = await world.open()
    async with world.database.read() as db:
        row = (await db.execute(text("SELECT * FROM aid_cases"))).mappings().one()
        account = (await db.execute(text("SELECT * FROM aid_payee_accounts"))).mappings().one()
    stored = repr(dict(row)) + repr(dict(account))
    assert an_id_number(1) not in stored
    assert "13800005678" not in stored
    assert "某村" not in stored
    assert "621700123450001" not in stored
    assert case.id_number_masked == "370832********" + an_id_number(1)[-4:]


async def test_a_session_has_one_case_and_linking_it_again_changes_nothing(world: World) -> None:
    case, other = await world.open(), await world.open()
    session_id = await world.hearing(case, running=False)
    async with world.begin() as db:
        await cases.link_session(db, world.handler, case.id, session_id, clock=world.clock)
        with pytest.raises(Refusal, match="session_has_other_case"):
            await cases.link_session(db, world.handler, other.id, session_id, clock=world.clock)
        with pytest.raises(Refusal, match="session_unknown"):
            await cases.link_session(db, world.handler, other.id, "nothing", clock=world.clock)
        with pytest.raises(Refusal, match="case_unknown"):
            await cases.link_session(db, world.handler, "nothing", session_id, clock=world.clock)
        with pytest.raises(Refusal, match="no_case_for_session"):
            await cases.case_of_session(db, "nothing")


async def test_a_case_that_was_signed_takes_no_other_hearing_until_it_needs_one(world: World) -> None:
    case = await world.approved_case()
    with pytest.raises(Refusal, match="case_not_ready"):
        await world.hearing(case, running=False)
    await world.change_account(case)
    assert await world.hearing(case, running=False)


async def test_without_a_fund_of_the_year_nothing_is_approved(world: World) -> None:
    case = await world.signed_case()
    world.clock.advance(86_400 * 60)
    with pytest.raises(Refusal, match="no_fund"):
        await world.approve(case.id)
    assert (await world.fresh(case.id)).state is CaseState.AWAITING_APPROVAL


async def test_the_same_account_again_is_no_change(world: World) -> None:
    case = await world.open()
    await world.change_account(case)
    with pytest.raises(Refusal, match="account_unchanged"):
        await world.change_account(case)


async def test_an_account_cannot_change_while_its_money_is_in_flight(world: World) -> None:
    case = await world.approved_case()
    await world.released(case)
    with pytest.raises(Refusal, match="case_not_ready"):
        await world.change_account(case)
    async with world.begin() as db:
        with pytest.raises(Refusal, match="case_not_ready"):
            await cases.withdraw_case(db, world.handler, case.id, "撤回", clock=world.clock)


async def test_declining_closes_the_case_and_frees_what_was_reserved(world: World) -> None:
    case = await world.approved_case()
    await world.change_account(case)
    session_id = await world.hearing(case)
    await world.verify(session_id)
    await world.ask(session_id)
    await world.confirm(session_id)
    await world.sign(session_id)
    assert (await world.balances()).reserved == AMOUNT
    async with world.begin() as db:
        version = (await world.fresh(case.id)).version
        command = decisions.Decline(case.id, "新账户不属本人。", version)
        await decisions.decline(db, world.approver, command, clock=world.clock)
    assert (await world.fresh(case.id)).state is CaseState.DECLINED
    assert (await world.balances()).reserved == 0
    async with world.database.read() as db:
        assert await ledger.audit(db) == []


async def test_an_approval_needs_words_a_fresh_page_and_money(world: World) -> None:
    case = await world.signed_case()
    async with world.begin() as db:
        with pytest.raises(Refusal, match="text_missing"):
            command = decisions.Approve(case.id, " ", case.version)
            await decisions.approve(db, world.approver, command, clock=world.clock)
    with pytest.raises(Refusal, match="version_stale"):
        await world.approve(case.id, version=case.version - 1)
    rich = await world.signed_case(amount_fen=120_000_001)
    with pytest.raises(Refusal) as caught:
        await world.approve(rich.id)
    assert (caught.value.code, caught.value.params["available_fen"]) == ("budget_short", 120_000_000)
    assert (await world.fresh(rich.id)).state is CaseState.AWAITING_APPROVAL


async def test_a_correction_takes_back_an_appropriation_and_names_it(world: World) -> None:
    async with world.begin() as db:
        wrong = await ledger.appropriate(
            db, world.administrator, world.fund_id, 500_000, document="多打的", clock=world.clock
        )
    async with world.begin() as db:
        entry = await ledger.correct(db, world.administrator, wrong.id, "文号重复录入", clock=world.clock)
        assert entry.corrects_id == wrong.id
        with pytest.raises(Refusal, match="entry_already_corrected"):
            await ledger.correct(db, world.administrator, wrong.id, "再来一次", clock=world.clock)
        with pytest.raises(Refusal, match="entry_not_correctable"):
            await ledger.correct(db, world.administrator, entry.id, "更正的更正", clock=world.clock)
    assert (await world.balances()).appropriated == 120_000_000
    async with world.database.read() as db:
        assert await ledger.audit(db) == []


async def test_reserved_money_cannot_be_taken_back(world: World) -> None:
    await world.approved_case()
    async with world.database.read() as db:
        fund = await queries.fund_view(db, world.office_id)
    assert fund is not None
    first = next(entry for entry in fund.entries if entry.kind == "appropriated")
    async with world.begin() as db:
        with pytest.raises(Refusal, match="budget_short"):
            await ledger.correct(db, world.administrator, first.id, "全部收回", clock=world.clock)


async def test_only_the_administrator_appropriates(world: World) -> None:
    async with world.begin() as db:
        with pytest.raises(Refusal, match="not_permitted"):
            await ledger.appropriate(db, world.drafter, world.fund_id, 1, document="1", clock=world.clock)
        with pytest.raises(Refusal, match="not_permitted"):
            await cases.open_case(db, world.staff("财务", Role.FINANCE), world.opening(), clock=world.clock)
