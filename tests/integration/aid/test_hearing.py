"""In the hearing: who the person is, and what she says."""

import hashlib
from collections.abc import Coroutine

import pytest
from sqlalchemy import select

from aid import cases, confirmations, decisions, verification
from aid.checklist import CHECKLIST, MANDATORY, StillKind
from aid.states import CaseState, ConfirmationState
from records.actors import Actor, Role
from records.refusals import Refusal
from records.trail import entries_of
from sessions.queries import marks_of
from sessions.recesses import pause, resume
from sessions.tables import Seat
from tests.integration.aid.world import AMOUNT, STROKES, World, applicant_of


async def in_hearing(world: World) -> str:
    """Open a case and start its hearing."""
    return await world.hearing(await world.open())


async def keep(world: World, session_id: str, kind: StillKind, *, actor: Actor | None = None) -> None:
    """Keep one still."""
    digest = hashlib.sha256(kind.value.encode()).hexdigest()
    still = verification.KeepStill(session_id, kind, digest, 1280, 720, 5000, world.clock.now())
    async with world.begin() as db:
        await verification.keep_still(db, actor or world.handler, still, clock=world.clock)


async def settle(world: World, session_id: str, item: str, *, passed: bool = True, actor: Actor | None = None) -> None:
    """Settle one item."""
    async with world.begin() as db:
        command = verification.SettleCheck(session_id, item, passed)
        await verification.settle_check(db, actor or world.handler, command, clock=world.clock)


async def conclude(world: World, session_id: str, *, verified: bool = True, reason: str = "") -> None:
    """Conclude."""
    async with world.begin() as db:
        command = verification.Conclude(session_id, verified, reason, 9000)
        await verification.conclude(db, world.handler, command, clock=world.clock)


async def test_verified_needs_every_mandatory_item_and_three_stills(world: World) -> None:
    session_id = await in_hearing(world)
    with pytest.raises(Refusal) as caught:
        await conclude(world, session_id)
    assert caught.value.code == "checks_missing"
    async with world.database.read() as db:
        missing = (await verification.verification_view(db, session_id)).missing
    assert set(missing) == {*MANDATORY, *(f"still:{kind.value}" for kind in StillKind)}
    for kind in StillKind:
        await keep(world, session_id, kind)
    for item in MANDATORY[:-1]:
        await settle(world, session_id, item)
    await settle(world, session_id, MANDATORY[-1], passed=False)
    with pytest.raises(Refusal, match="checks_missing"):
        await conclude(world, session_id)
    await settle(world, session_id, MANDATORY[-1])
    await conclude(world, session_id)
    await conclude(world, session_id)
    async with world.database.read() as db:
        view = await verification.verification_view(db, session_id)
        events = [entry.event for entry in await entries_of(db, session_id=session_id)]
        marks = [mark.kind for mark in await marks_of(db, session_id)]
    assert (view.verified, view.missing, view.verifier_name) == (True, (), world.handler.name)
    assert events.count("IdentityVerified") == 1
    assert marks.count("still") == 3
    assert marks.count("identity") == 1


async def test_an_item_with_a_picture_cannot_pass_without_it(world: World) -> None:
    session_id = await in_hearing(world)
    with pytest.raises(Refusal, match="still_missing"):
        await settle(world, session_id, "face")
    await settle(world, session_id, "face", passed=False)
    await keep(world, session_id, StillKind.FACE)
    await settle(world, session_id, "face")


async def test_the_newest_still_of_a_kind_counts_and_the_older_stay(world: World) -> None:
    session_id = await in_hearing(world)
    await keep(world, session_id, StillKind.FACE)
    world.clock.advance(5)
    await keep(world, session_id, StillKind.FACE)
    async with world.database.read() as db:
        view = await verification.verification_view(db, session_id)
    assert view.stills[StillKind.FACE].taken_at == world.clock.now()


async def test_not_verified_needs_a_reason_and_can_be_mended_in_the_same_hearing(world: World) -> None:
    session_id = await in_hearing(world)
    with pytest.raises(Refusal, match="text_missing"):
        await conclude(world, session_id, verified=False)
    await conclude(world, session_id, verified=False, reason="证件看不清")
    with pytest.raises(Refusal, match="identity_not_verified"):
        await world.ask(session_id)
    await world.verify(session_id)
    assert (await world.ask(session_id)).state is ConfirmationState.ASKED


async def test_after_verified_nothing_can_be_changed_but_by_withdrawing(world: World) -> None:
    session_id = await in_hearing(world)
    await world.verify(session_id)
    for attempt in (
        keep(world, session_id, StillKind.FACE),
        settle(world, session_id, "face", passed=False),
        conclude(world, session_id, verified=False, reason="反悔"),
    ):
        with pytest.raises(Refusal, match="verification_concluded"):
            await attempt


async def test_a_hearing_that_is_not_running_verifies_nobody(world: World) -> None:
    session_id = await world.hearing(await world.open(), running=False)
    with pytest.raises(Refusal, match="session_not_running"):
        await keep(world, session_id, StillKind.FACE)
    case = await world.signed_case()
    with pytest.raises(Refusal, match="session_not_running"):
        await world.ask(case.session_id or "")


async def test_only_the_host_and_the_far_end_of_this_hearing_verify(world: World) -> None:
    session_id = await in_hearing(world)
    with pytest.raises(Refusal, match="not_your_hearing"):
        await keep(world, session_id, StillKind.FACE, actor=world.staff("别的检察官", Role.HOST))
    with pytest.raises(Refusal, match="not_permitted"):
        await keep(world, session_id, StillKind.FACE, actor=world.approver)
    await keep(world, session_id, StillKind.FACE, actor=world.far_end)


@pytest.mark.parametrize("item", ["nothing", "", "x" * 70_000])
async def test_an_unknown_item_is_refused(world: World, item: str) -> None:
    session_id = await in_hearing(world)
    with pytest.raises(Refusal, match="check_unknown"):
        await settle(world, session_id, item)


async def test_the_list_says_what_to_say_and_what_to_look_for() -> None:
    assert len({item.key for item in CHECKLIST}) == len(CHECKLIST)
    assert {item.still for item in CHECKLIST if item.still} == set(StillKind)
    assert all(item.say and item.look_for for item in CHECKLIST)


async def test_in_a_recess_nothing_that_counts_is_done_and_afterwards_it_is(world: World) -> None:
    session_id = await in_hearing(world)

    async def rest(*, ends: bool) -> None:
        async with world.begin() as db:
            host = (await db.scalars(select(Seat.id).where(Seat.session_id == session_id, Seat.role == "host"))).one()
            if ends:
                await resume(db, world.handler, session_id, elapsed_ms=9000, clock=world.clock)
            else:
                await pause(db, world.handler, session_id, host, "", elapsed_ms=8000, clock=world.clock)

    async def refused(act: Coroutine[object, object, object]) -> None:
        await rest(ends=False)
        with pytest.raises(Refusal, match="hearing_in_recess"):
            await act
        await rest(ends=True)

    await refused(keep(world, session_id, StillKind.FACE))
    await refused(settle(world, session_id, MANDATORY[0]))
    await refused(conclude(world, session_id, verified=False, reason="证件看不清"))
    await world.verify(session_id)
    await refused(world.ask(session_id))
    await world.ask(session_id)
    await refused(world.confirm(session_id))
    await world.confirm(session_id)
    await refused(world.sign(session_id))
    assert (await world.sign(session_id)).state is ConfirmationState.SIGNED


async def test_she_confirms_what_she_saw_and_signs(world: World) -> None:
    session_id = await in_hearing(world)
    async with world.database.read() as db:
        assert (await decisions.confirmation_view(db, session_id)).state is ConfirmationState.NONE
    await world.verify(session_id)
    asked = await world.ask(session_id)
    assert (asked.amount_fen, asked.capital, asked.account_masked, asked.payee) == (
        AMOUNT,
        "人民币贰万元整",
        "6217 **** **** 3456",
        "高秀兰",
    )
    await world.confirm(session_id)
    signed = await world.sign(session_id)
    assert (signed.state, signed.confirmed_elapsed_ms, signed.signed_elapsed_ms) == (
        ConfirmationState.SIGNED,
        761_000,
        835_000,
    )
    async with world.database.read() as db:
        case = await cases.case_of_session(db, session_id)
        marks = [mark.kind for mark in await marks_of(db, session_id)]
    assert case.state is CaseState.AWAITING_APPROVAL
    assert marks[-3:] == ["read_out", "confirmed", "signed"]


async def test_a_second_touch_of_any_button_changes_nothing(world: World) -> None:
    session_id = await in_hearing(world)
    await world.verify(session_id)
    assert await world.ask(session_id) == await world.ask(session_id)
    assert await world.confirm(session_id) == await world.confirm(session_id)
    assert await world.sign(session_id) == await world.sign(session_id)
    async with world.database.read() as db:
        events = [entry.event for entry in await entries_of(db, session_id=session_id)]
    for event in ("DecisionReadOut", "AidConfirmed", "AidSigned"):
        assert events.count(event) == 1


@pytest.mark.parametrize("changed", [{"amount_fen": AMOUNT + 1}, {"account_fingerprint": "0" * 64}])
async def test_she_cannot_confirm_what_is_no_longer_asked(world: World, changed: dict[str, object]) -> None:
    session_id = await in_hearing(world)
    await world.verify(session_id)
    await world.ask(session_id)
    with pytest.raises(Refusal, match="confirmation_outdated"):
        await world.confirm(session_id, **changed)


async def test_an_account_changed_while_she_looks_voids_the_question(world: World) -> None:
    session_id = await in_hearing(world)
    await world.verify(session_id)
    await world.ask(session_id)
    await world.confirm(session_id)
    async with world.database.read() as db:
        case = await cases.case_of_session(db, session_id)
    await world.change_account(case)
    with pytest.raises(Refusal, match="nothing_asked"):
        await world.sign(session_id)
    again = await world.ask(session_id)
    assert again.account_masked == "6228 **** **** 0018"
    await world.confirm(session_id)
    assert (await world.sign(session_id)).state is ConfirmationState.SIGNED


async def test_an_objection_reaches_the_host_and_the_question_is_put_again(world: World) -> None:
    session_id = await in_hearing(world)
    await world.verify(session_id)
    await world.ask(session_id)
    async with world.begin() as db:
        said = decisions.Objection(session_id, decisions.ObjectionKind.ACCOUNT, "这张卡去年丢了", 720_000)
        await decisions.object(db, await applicant_of(db, session_id), said, clock=world.clock)
    async with world.database.read() as db:
        view = await decisions.confirmation_view(db, session_id)
    assert (view.state, view.objection_kind, view.objection_text) == (
        ConfirmationState.OBJECTED,
        decisions.ObjectionKind.ACCOUNT,
        "这张卡去年丢了",
    )
    with pytest.raises(Refusal, match="confirmation_not_ready"):
        await world.confirm(session_id)
    assert (await world.ask(session_id)).state is ConfirmationState.ASKED
    await world.confirm(session_id)


async def test_she_signs_only_what_she_confirmed_and_nobody_signs_for_her(world: World) -> None:
    session_id = await in_hearing(world)
    await world.verify(session_id)
    with pytest.raises(Refusal, match="nothing_asked"):
        await world.sign(session_id)
    await world.ask(session_id)
    with pytest.raises(Refusal, match="confirmation_not_ready"):
        await world.sign(session_id)
    other = await in_hearing(world)
    async with world.begin() as db:
        signed = decisions.Sign(session_id, STROKES, "0" * 64, 1)
        with pytest.raises(Refusal, match="not_permitted"):
            await decisions.sign(db, world.handler, signed, clock=world.clock)
        with pytest.raises(Refusal, match="not_your_hearing"):
            await decisions.sign(db, await applicant_of(db, other), signed, clock=world.clock)


@pytest.mark.parametrize(
    ("strokes", "code"),
    [
        ([], "signature_empty"),
        ([[(1, 1, 1)]], "signature_empty"),
        ([[(1, 1, 1)] * 8] * (confirmations.STROKES_MAX + 1), "signature_too_large"),
        ([[(1, 1, 1)] * (confirmations.POINTS_MAX + 1)], "signature_too_large"),
    ],
)
async def test_a_slip_of_the_finger_is_no_signature_and_a_novel_neither(
    world: World, strokes: list[list[tuple[int, int, int]]], code: str
) -> None:
    session_id = await in_hearing(world)
    await world.verify(session_id)
    await world.ask(session_id)
    await world.confirm(session_id)
    async with world.begin() as db:
        signed = decisions.Sign(session_id, strokes, "0" * 64, 1)
        with pytest.raises(Refusal, match=code):
            await decisions.sign(db, await applicant_of(db, session_id), signed, clock=world.clock)


async def test_nothing_of_her_words_or_her_strokes_is_in_clear_on_the_trail(world: World) -> None:
    case = await world.signed_case()
    async with world.database.read() as db:
        entries = await entries_of(db, session_id=case.session_id)
        whole = "".join(entry.details + entry.actor_name for entry in entries)
    assert "高秀兰" not in whole
    assert "62170012345" not in whole
    assert "37083219" not in whole
