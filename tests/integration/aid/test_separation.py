"""Handler, approver, releaser and reconciler are four people: in code, and in the database itself."""

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError

from aid import payments, queries
from aid.bank import stub
from aid.tables import AidCase, Approval, Batch, Order
from records.actors import Actor, ActorKind, Role
from records.refusals import Refusal
from tests.integration.aid.world import World

EVERY_ROLE = frozenset({Role.HOST, Role.APPROVER, Role.FINANCE, Role.ADMINISTRATOR})


def everything(actor: Actor) -> Actor:
    """Return the same person holding every office there is."""
    return Actor(ActorKind.STAFF, actor.id, actor.name, actor.office_id, EVERY_ROLE)


async def test_whoever_handled_or_verified_cannot_approve_whatever_else_he_is(world: World) -> None:
    case = await world.signed_case()
    with pytest.raises(Refusal, match="handler_cannot_approve"):
        await world.approve(case.id, actor=everything(world.handler))


async def test_the_officer_who_verified_at_the_far_end_cannot_approve(world: World) -> None:
    world.handler, host = world.staff("代承办", Role.HOST), world.handler
    case = await world.open()
    world.handler = host
    session_id = await world.hearing(case)
    await world.verify(session_id)
    await world.ask(session_id)
    await world.confirm(session_id)
    await world.sign(session_id)
    with pytest.raises(Refusal, match="verifier_cannot_approve"):
        await world.approve(case.id, actor=everything(host))


@pytest.mark.parametrize("who", ["handler", "approver"])
async def test_whoever_took_an_earlier_step_cannot_draft(world: World, who: str) -> None:
    case = await world.approved_case()
    with pytest.raises(Refusal, match=f"{who}_cannot_draft"):
        await world.draft(case, actor=everything(getattr(world, who)))


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("drafter", "drafter_cannot_release"),
        ("handler", "nothing_to_release"),
        ("approver", "nothing_to_release"),
    ],
)
async def test_whoever_took_an_earlier_step_cannot_release(world: World, who: str, code: str) -> None:
    batch = await world.draft(await world.approved_case())
    actor = everything(getattr(world, who))
    with pytest.raises(Refusal, match=code):
        await world.release(batch, actor=actor)
    async with world.database.read() as db:
        rows = await payments.readiness(db, batch.id, actor=actor)
    assert [row.blocked.code for row in rows if row.blocked] == [f"{who}_cannot_release"]


@pytest.mark.parametrize("who", ["handler", "approver", "releaser"])
async def test_whoever_took_an_earlier_step_cannot_reconcile(world: World, who: str) -> None:
    batch = await world.released(await world.approved_case())
    data = stub.answer(await world.file_of(batch))
    with pytest.raises(Refusal, match=f"{who}_cannot_reconcile"):
        await world.take(data, actor=everything(getattr(world, who)))
    assert (await world.take(data)).paid == 1


async def test_the_database_itself_refuses_the_same_hands(world: World) -> None:
    batch = await world.draft(await world.approved_case())
    order = (await world.orders(batch))[0]
    for column, person in (
        ("drafter_id", order.handler_id),
        ("releaser_id", order.drafter_id),
        ("reconciler_id", order.handler_id),
        ("verifier_id", order.drafter_id),
    ):
        with pytest.raises(DBAPIError):
            async with world.begin() as db:
                await db.execute(update(Order).where(Order.id == order.id).values({column: person}))
    with pytest.raises(DBAPIError, match="two_people"):
        async with world.begin() as db:
            await db.execute(
                update(Batch)
                .where(Batch.id == batch.id)
                .values(state="released", releaser_id=batch.drafter_id, file_digest="0" * 64)
            )


async def test_the_database_refuses_a_forged_approver_and_a_changed_handler(world: World) -> None:
    case = await world.approved_case()
    batch = await world.draft(case)
    order = (await world.orders(batch))[0]
    async with world.begin() as db:
        approval = (await db.scalars(select(Approval))).one()
        approval_id = approval.id
    with pytest.raises(DBAPIError):
        async with world.begin() as db:
            await db.execute(
                update(Order).where(Order.id == order.id).values(approval_id=approval_id, approver_id="somebody else")
            )
    with pytest.raises(DBAPIError):
        async with world.begin() as db:
            await db.execute(update(AidCase).where(AidCase.id == case.id).values(handler_id="somebody else"))
    with pytest.raises(DBAPIError, match="two_people"):
        async with world.begin() as db:
            await db.execute(update(Approval).values(approver_id=case.handler_id))


async def test_nothing_that_was_settled_can_be_rewritten(world: World) -> None:
    order = await world.paid_order()
    for statement in (
        "UPDATE aid_entries SET amount_fen = amount_fen + 1",
        "DELETE FROM aid_entries",
        "UPDATE aid_holds SET outcome = 'voided' WHERE outcome = 'posted'",
        "UPDATE aid_holds SET outcome = NULL, resolved_at = NULL",
        "UPDATE aid_orders SET state = 'released'",
        "UPDATE aid_orders SET amount_fen = 1",
        "UPDATE aid_orders SET account_id = NULL",
        "DELETE FROM aid_orders",
        "UPDATE aid_payee_accounts SET number_masked = 'x'",
        "UPDATE aid_confirmations SET state = 'confirmed'",
        "UPDATE aid_batches SET file_digest = 'x'",
        "UPDATE aid_stills SET digest = 'x'",
        "DELETE FROM aid_bank_answers",
        "UPDATE aid_balances SET balance_fen = -1 WHERE account = 'available'",
    ):
        with pytest.raises(DBAPIError):
            async with world.begin() as db:
                await db.execute(text(statement))
    async with world.database.read() as db:
        assert (await queries.order_view(db, order.id)).settled_at == order.settled_at


@pytest.mark.parametrize(
    ("role", "step"),
    [(Role.FINANCE, "approve"), (Role.HOST, "draft"), (Role.APPROVER, "release"), (Role.HOST, "answer")],
)
async def test_a_step_needs_the_office_that_takes_it(world: World, role: Role, step: str) -> None:
    somebody = world.staff("旁人", role)
    if step == "approve":
        attempt = world.approve((await world.signed_case()).id, actor=somebody)
    elif step == "draft":
        attempt = world.draft(await world.approved_case(), actor=somebody)
    elif step == "release":
        attempt = world.release(await world.draft(await world.approved_case()), actor=somebody)
    else:
        await world.released(await world.approved_case())
        attempt = world.take(b"<Document/>", actor=somebody)
    with pytest.raises(Refusal, match="not_permitted"):
        await attempt


async def test_another_office_sees_no_door(world: World) -> None:
    case = await world.signed_case()
    stranger = Actor(ActorKind.STAFF, "stranger", "外院", "another office", EVERY_ROLE)
    with pytest.raises(Refusal, match="not_your_office"):
        await world.approve(case.id, actor=stranger)
    await world.approve(case.id)
    with pytest.raises(Refusal, match="not_your_office"):
        await world.draft(await world.fresh(case.id), actor=stranger)
    batch = await world.draft(await world.fresh(case.id))
    with pytest.raises(Refusal, match="not_your_office"):
        await world.release(batch, actor=stranger)
