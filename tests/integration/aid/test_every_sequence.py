"""Random sequences of everything that can be done to cases and money; every invariant after every step.

A model of a few lines keeps its own books. When the ledger and the model part, or the audit finds anything, or a
refused step has changed a balance, the sequence is reported. (Shrinking takes minutes: add `Phase.shrink` then.)
"""

import asyncio
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from aid import cases, confirmations, decisions, ledger, payments, verification
from aid.bank import stub
from aid.checklist import MANDATORY, StillKind
from aid.ledger import Balances
from aid.states import BatchState, CaseState, OrderState
from aid.tables import AidCase, Batch, Order
from records.database import Database
from records.personal import PersonalData
from records.refusals import Refusal
from sessions.admission import give_consent
from sessions.proceedings import start
from sessions.recordings import begin
from sessions.tables import ConsentKind
from tests.integration.aid.world import STROKES, World, applicant_of, build_world
from tests.support.database import PERSONAL_KEY, sqlite_url

STEPS = (
    "appropriate",
    "open",
    "approve",
    "approve",
    "approve",
    "approve_stale",
    "decline",
    "withdraw",
    "change_account",
    "hear_again",
    "hear_again",
    "withdraw_identity",
    "draft",
    "draft",
    "release",
    "release",
    "release_by_drafter",
    "send_back",
    "answer",
    "answer",
    "answer_again",
)
BUDGET = 300
AMOUNTS = (100, 120, 7)

ANY = 7
"""With this, a step is tried on anything, meant for it or not."""

step = st.tuples(st.sampled_from(STEPS), st.integers(0, 5), st.integers(0, 7))


@dataclass
class Books:
    """The model: what was appropriated, and where each case's money stands."""

    appropriated: int
    amounts: dict[str, int] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def balances(self) -> Balances:
        """Return what the fund should show."""
        stands: Counter[str] = Counter()
        for case_id, place in self.places.items():
            stands[place] += self.amounts[case_id]
        bound = stands["reserved"] + stands["in_flight"] + stands["paid"]
        return Balances(
            self.appropriated,
            self.appropriated - bound,
            stands["reserved"],
            stands["in_flight"],
            stands["paid"],
        )


class Office:
    """Takes steps in the world and keeps the model beside it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.books = Books(BUDGET)
        self.files: list[bytes] = []
        self.released = 0

    async def take(self, name: str, which: int, how: int) -> None:
        """Take one step; a refusal must leave every balance as it was."""
        before = await self.world.balances()
        try:
            await getattr(self, name)(which, how)
        except Refusal:
            assert await self.world.balances() == before
        assert await self.world.balances() == self.books.balances(), name
        async with self.world.database.read() as db:
            assert await ledger.audit(db) == [], name

    async def appropriate(self, which: int, how: int) -> None:
        """More money comes, or the same document a second time."""
        document = f"文{which}"
        async with self.world.begin() as db:
            await ledger.appropriate(
                db, self.world.administrator, self.world.fund_id, how + 1, document=document, clock=self.world.clock
            )
        self.books.appropriated += how + 1

    async def open(self, which: int, how: int) -> None:
        """Another person is heard and signs."""
        if len(self.books.amounts) >= 6:
            return
        amount = AMOUNTS[how % len(AMOUNTS)]
        case = await self.world.open(amount_fen=amount)
        self.books.amounts[case.id] = amount
        await self.hear(case.id)

    async def hear(self, case_id: str) -> None:
        """Hold a whole hearing."""
        world = self.world
        session_id = await world.hearing(await world.fresh(case_id), running=False)
        async with world.begin() as db:
            applicant = await applicant_of(db, session_id)
            for kind in ConsentKind:
                await give_consent(db, applicant, applicant.id, kind, clock=world.clock)
            await start(db, world.handler, session_id, clock=world.clock)
            await begin(db, world.handler, session_id, directory=session_id, clock=world.clock)
            for still_kind in StillKind:
                still = verification.KeepStill(session_id, still_kind, "0" * 64, 1, 1, 1, world.clock.now())
                await verification.keep_still(db, world.handler, still, clock=world.clock)
            for item in MANDATORY:
                settled = verification.SettleCheck(session_id, item, True)
                await verification.settle_check(db, world.handler, settled, clock=world.clock)
            await verification.conclude(db, world.handler, verification.Conclude(session_id, True), clock=world.clock)
            asked = await confirmations.read_out(db, world.handler, session_id, elapsed_ms=1, clock=world.clock)
            said = decisions.Confirm(session_id, asked.amount_fen, asked.account_fingerprint, 2)
            await decisions.confirm(db, applicant, said, clock=world.clock)
            await decisions.sign(db, applicant, decisions.Sign(session_id, STROKES, "0" * 64, 3), clock=world.clock)
        await world.seal(session_id)

    async def case(self, which: int, how: int, *states: CaseState) -> AidCase:
        """Return one of the cases: as a rule one for which the step is meant, now and then any other."""
        async with self.world.database.read() as db:
            every = (await db.scalars(select(AidCase).order_by(AidCase.number))).all()
        meant = [case for case in every if case.state in states]
        found = meant if meant and how != ANY else every
        return found[which % len(found)]

    async def batch(self, which: int, how: int, *states: BatchState) -> Batch:
        """Return one of the batches, chosen likewise."""
        async with self.world.database.read() as db:
            every = (await db.scalars(select(Batch).order_by(Batch.serial))).all()
        meant = [batch for batch in every if batch.state in states]
        found = meant if meant and how != ANY else every
        if not found:
            raise Refusal("nothing_there")
        return found[which % len(found)]

    async def approve(self, which: int, how: int) -> None:
        """The approver approves."""
        case = await self.case(which, how, CaseState.AWAITING_APPROVAL)
        await self.world.approve(case.id)
        self.books.places[case.id] = "reserved"

    async def approve_stale(self, which: int, how: int) -> None:
        """The approver approves an old page."""
        case = await self.case(which, how, CaseState.AWAITING_APPROVAL)
        with pytest.raises(Refusal):
            await self.world.approve(case.id, version=case.version - 1)

    async def decline(self, which: int, how: int) -> None:
        """The approver declines."""
        case = await self.case(which, how, CaseState.AWAITING_APPROVAL)
        async with self.world.begin() as db:
            command = decisions.Decline(case.id, "不符合条件", case.version)
            await decisions.decline(db, self.world.approver, command, clock=self.world.clock)
        self.books.places.pop(case.id, None)

    async def withdraw(self, which: int, how: int) -> None:
        """The handler takes the case back."""
        case = await self.case(which, how, CaseState.APPROVED)
        async with self.world.begin() as db:
            await cases.withdraw_case(db, self.world.handler, case.id, "撤回", clock=self.world.clock)
        self.books.places.pop(case.id, None)

    async def change_account(self, which: int, how: int) -> None:
        """The handler enters another account."""
        case = await self.case(which, how, CaseState.RETURNED, CaseState.APPROVED)
        await self.world.change_account(case, f"622848040256489{which}{how}18")

    async def hear_again(self, which: int, how: int) -> None:
        """The person is heard again."""
        await self.hear((await self.case(which, how, CaseState.AWAITING_HEARING)).id)

    async def withdraw_identity(self, which: int, how: int) -> None:
        """The identity turns out not to hold."""
        case = await self.case(which, how, CaseState.APPROVED)
        async with self.world.begin() as db:
            command = verification.WithdrawVerification(case.session_id or "", "冒名")
            await verification.withdraw_verification(db, self.world.handler, command, clock=self.world.clock)

    async def draft(self, which: int, how: int) -> None:
        """Draft a batch of some cases."""
        chosen = {(await self.case(which + offset, how, CaseState.APPROVED)).id for offset in range(how % 3 + 1)}
        async with self.world.begin() as db:
            command = payments.DraftBatch(sorted(chosen))
            await payments.draft_batch(db, self.world.drafter, command, clock=self.world.clock)

    async def release(self, which: int, how: int) -> None:
        """Release a batch (perhaps one that is released already)."""
        batch = await self.batch(which, how, BatchState.DRAFTED)
        await self.world.release(batch)
        self.released += 1
        for order in await self.world.orders(batch):
            if order.state is OrderState.RELEASED:
                self.books.places[order.case_id] = "in_flight"

    async def release_by_drafter(self, which: int, how: int) -> None:
        """The drafter tries to release."""
        batch = await self.batch(which, how, BatchState.DRAFTED)
        with pytest.raises(Refusal):
            await self.world.release(batch, actor=self.world.drafter)

    async def send_back(self, which: int, how: int) -> None:
        """The releaser sends a batch back."""
        batch = await self.batch(which, how, BatchState.DRAFTED)
        async with self.world.begin() as db:
            await payments.return_batch(db, self.world.releaser, batch.id, "重做", clock=self.world.clock)

    async def answer(self, which: int, how: int) -> None:
        """The bank answers: each bit of `how` says what becomes of an order."""
        batch = await self.batch(which, how, BatchState.RELEASED)
        sent = [order for order in await self.world.orders(batch) if order.released_at is not None]
        fates = {
            order.reference: ("paid", "returned", "pending", "paid")[(how >> place) & 3]
            for place, order in enumerate(sent)
        }
        data = stub.answer(
            await self.world.file_of(batch),
            returned={reference: "AC01" for reference, fate in fates.items() if fate == "returned"},
            pending=[reference for reference, fate in fates.items() if fate == "pending"],
        )
        await self.world.take(data)
        self.files.append(data)
        for order in sent:
            if order.state is OrderState.RELEASED and fates[order.reference] == "paid":
                self.books.places[order.case_id] = "paid"
            elif order.state is OrderState.RELEASED and fates[order.reference] == "returned":
                self.books.places.pop(order.case_id)

    async def answer_again(self, which: int, how: int) -> None:
        """An answer is uploaded a second time."""
        if self.files:
            with pytest.raises(Refusal):
                await self.world.take(self.files[which % len(self.files)])


JOURNEY = (("approve", 0, 0), ("draft", 0, 0), ("release", 0, 0))
"""What happens to a case as a rule; a walk begins with cases that have come some part of it."""


async def walk(path: Path, steps: list[tuple[str, int, int]], *, begun: tuple[int, ...] = (0, 0, 0)) -> None:
    """Take the steps in a fresh office whose cases have begun their journey: so many steps each, the answer last."""
    database = Database(sqlite_url(path / "jiefang.db"), personal=PersonalData(PERSONAL_KEY))
    try:
        world = build_world(database, path / "vault")
        await world.furnish(BUDGET)
        office = Office(world)
        for how, length in enumerate(begun):
            await office.take("open", 0, how)
            for name, which, way in JOURNEY[:length]:
                await office.take(name, which, way)
            if length > len(JOURNEY):
                # 1: returned. 0: paid. Batches come in the order of their cases here.
                await office.take("answer", office.released - 1, 1 if length == len(JOURNEY) + 1 else 0)
        for name, which, how in steps:
            world.clock.advance(60)
            await office.take(name, which, how)
    finally:
        await database.dispose()


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(begun=st.tuples(*[st.integers(0, 5)] * 3), steps=st.lists(step, min_size=5, max_size=15))
def test_every_sequence_of_steps_keeps_the_books_right(
    sqlite_template: Path,
    tmp_path_factory: pytest.TempPathFactory,
    begun: tuple[int, ...],
    steps: list[tuple[str, int, int]],
) -> None:
    path = tmp_path_factory.mktemp("office")
    shutil.copyfile(sqlite_template, path / "jiefang.db")
    asyncio.run(walk(path, steps, begun=begun))


HAPPY = [
    ("approve", 0, 0),
    ("draft", 0, 0),
    ("release", 0, 0),
    ("answer", 0, 1),
    ("change_account", 0, 0),
    ("hear_again", 0, 0),
    ("approve", 0, 0),
    ("draft", 0, 0),
    ("release", 0, 0),
    ("answer", 1, 0),
    ("answer_again", 0, 0),
    ("withdraw", 0, 0),
    ("approve", 0, 0),
    ("draft", 0, 0),
    ("withdraw_identity", 0, 0),
    ("release", 0, 0),
    ("hear_again", 0, 0),
    ("approve", 0, 0),
    ("release", 0, 0),
]


def test_the_steps_reach_payment_return_and_payment_again(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Guard the test above: a generator whose steps are always refused would prove nothing."""
    path = tmp_path_factory.mktemp("office")
    shutil.copyfile(sqlite_template, path / "jiefang.db")
    asyncio.run(walk(path, HAPPY))

    async def looked() -> Counter[OrderState]:
        database = Database(sqlite_url(path / "jiefang.db"), personal=PersonalData(PERSONAL_KEY))
        async with database.read() as db:
            states = Counter(await db.scalars(select(Order.state)))
        await database.dispose()
        return states

    assert asyncio.run(looked()) == {OrderState.RETURNED: 1, OrderState.PAID: 1, OrderState.RELEASED: 1}
