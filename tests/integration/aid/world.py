"""A county procuratorate with its people and its fund, and the way of a case through it, one call a step."""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from aid import cases, decisions, ledger, payments, reconciliation, verification
from aid.bank import stub
from aid.checklist import CHECKLIST, StillKind
from aid.id_numbers import id_check_character
from aid.ledger import Balances
from aid.reconciliation import AnswerOutcome
from aid.tables import AidCase, Approval, Batch, Order
from records.actors import Actor, ActorKind, Role
from records.clock import FixedClock
from records.database import Database
from records.ids import new_id
from records.vault import Vault
from sessions.actors import applicant_actor
from sessions.admission import give_consent
from sessions.booking import Attendee, BookSession, book
from sessions.proceedings import end, start
from sessions.recordings import begin
from sessions.seats import SeatRole
from sessions.states import SessionState
from sessions.tables import ConsentKind, Office, Recording, RecordingState, Seat, Session

NINE = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
"""Nine o'clock in the morning in China."""
AMOUNT = 2_000_000
STROKES = [[(x, x * 2, x * 10) for x in range(12)]]
BANK = "105455000018"


@dataclass
class World:
    """Everything a test of the money needs. Steps run in a transaction of their own."""

    database: Database
    vault: Vault
    clock: FixedClock
    office_id: str = ""
    fund_id: str = ""
    handler: Actor = field(init=False)
    far_end: Actor = field(init=False)
    approver: Actor = field(init=False)
    drafter: Actor = field(init=False)
    releaser: Actor = field(init=False)
    administrator: Actor = field(init=False)
    counter: int = 0

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncSession]:
        """One write transaction."""
        async with self.database.begin() as db:
            yield db

    async def furnish(self, appropriated_fen: int = 120_000_000) -> None:
        """Make the office, its people and its fund."""
        async with self.begin() as db:
            office = Office(name="东营区人民检察院", short_name="东营区院", region="山东省")
            db.add(office)
            await db.flush()
            self.office_id = office.id
            self.handler = self.staff("王志远", Role.HOST)
            self.far_end = self.staff("刘敏", Role.FAR_END)
            self.approver = self.staff("陈立", Role.APPROVER)
            self.drafter = self.staff("孙悦", Role.FINANCE)
            self.releaser = self.staff("周海", Role.FINANCE)
            self.administrator = self.staff("何静", Role.ADMINISTRATOR)
            fund = await ledger.open_fund(
                db,
                self.administrator,
                ledger.OpenFund(
                    office.id, 2026, "2026 年救助资金", "东营区人民检察院", "37050165680100000123", "建行东营分行", BANK
                ),
                clock=self.clock,
            )
            self.fund_id = fund.id
            if appropriated_fen:
                await ledger.appropriate(
                    db, self.administrator, fund.id, appropriated_fen, document="东财预〔2026〕8号", clock=self.clock
                )

    def staff(self, name: str, *roles: Role) -> Actor:
        """Make a member of staff of the office."""
        return Actor(ActorKind.STAFF, new_id(), name, self.office_id, frozenset(roles))

    def opening(self, **changed: object) -> cases.OpenCase:
        """Return the command that opens a case; every call is another person."""
        self.counter += 1
        command = cases.OpenCase(
            number=f"东营区检救助〔2026〕{self.counter}号",
            office_id=self.office_id,
            applicant_name="高秀兰",
            id_number=an_id_number(self.counter),
            phone="13800005678",
            address="山东省济宁市梁山县某村",
            category="injured_victim",
            reason="被害人重伤，无法得到赔偿。",
            amount_fen=AMOUNT,
            bank_name="梁山县农村商业银行",
            cnaps="402461300018",
            account_name="高秀兰",
            account_number=f"62170012345{self.counter:04d}3456",
            decision_text="经审查，决定给予国家司法救助金。",
        )
        return replace(command, **changed)  # type: ignore[arg-type]

    async def open(self, **changed: object) -> AidCase:
        """Open a case."""
        async with self.begin() as db:
            return await cases.open_case(db, self.handler, self.opening(**changed), clock=self.clock)

    async def hearing(self, case: AidCase, *, running: bool = True) -> str:
        """Book a hearing for a case and, unless told otherwise, start it; return the session's id."""
        now = self.clock.now()
        async with self.begin() as db:
            session = await book(
                db,
                self.handler,
                BookSession(
                    office_id=self.office_id,
                    subject="国家司法救助",
                    applicant_name=case.applicant_name,
                    applicant_id_tail="0014",
                    starts_at=now,
                    ends_at=now + timedelta(hours=1),
                    host=Attendee(self.handler.id, self.handler.name, "检察官"),
                    far_office_id=self.office_id,
                    far_end=[Attendee(self.far_end.id, self.far_end.name, "检察官")],
                ),
                clock=self.clock,
            )
            await cases.link_session(db, self.handler, case.id, session.id, clock=self.clock)
            if running:
                applicant = await applicant_of(db, session.id)
                for kind in ConsentKind:
                    await give_consent(db, applicant, applicant.id, kind, clock=self.clock)
                await start(db, self.handler, session.id, clock=self.clock)
                await begin(db, self.handler, session.id, directory=session.id, clock=self.clock)
            return session.id

    async def verify(self, session_id: str, *, leave_out: Sequence[str] = ()) -> None:
        """Take the stills, pass every item of the check list but `leave_out`, conclude."""
        async with self.begin() as db:
            for kind in StillKind:
                digest = hashlib.sha256(f"{session_id}{kind}".encode()).hexdigest()
                still = verification.KeepStill(session_id, kind, digest, 1280, 720, 570_000, self.clock.now())
                await verification.keep_still(db, self.handler, still, clock=self.clock)
            for item in CHECKLIST:
                if item.key not in leave_out:
                    settled = verification.SettleCheck(session_id, item.key, True)
                    await verification.settle_check(db, self.handler, settled, clock=self.clock)
            concluded = verification.Conclude(session_id, True, elapsed_ms=580_000)
            await verification.conclude(db, self.handler, concluded, clock=self.clock)

    async def ask(self, session_id: str) -> decisions.ConfirmationView:
        """Read the decision out."""
        async with self.begin() as db:
            return await decisions.read_out(db, self.handler, session_id, elapsed_ms=700_000, clock=self.clock)

    async def confirm(self, session_id: str, **changed: object) -> decisions.ConfirmationView:
        """Let the applicant confirm what she is shown."""
        async with self.begin() as db:
            shown = await decisions.confirmation_view(db, session_id)
            said = decisions.Confirm(session_id, shown.amount_fen, shown.account_fingerprint, 761_000)
            applicant = await applicant_of(db, session_id)
            return await decisions.confirm(
                db,
                applicant,
                replace(said, **changed),  # type: ignore[arg-type]
                clock=self.clock,
            )

    async def sign(self, session_id: str) -> decisions.ConfirmationView:
        """Let the applicant sign."""
        picture = await self.vault.put(PICTURE)
        async with self.begin() as db:
            applicant = await applicant_of(db, session_id)
            signed = decisions.Sign(session_id, STROKES, picture, 835_000)
            return await decisions.sign(db, applicant, signed, clock=self.clock)

    async def seal(self, session_id: str) -> None:
        """End the hearing and seal its recording. (What sealing does is tested where it is done.)"""
        async with self.begin() as db:
            await end(db, self.handler, session_id, clock=self.clock, elapsed_ms=1_927_000)
            session = await db.get_one(Session, session_id)
            recording = (await db.scalars(select(Recording).where(Recording.session_id == session_id))).one()
            session.state, recording.state = SessionState.SEALED, RecordingState.SEALED
            recording.manifest_digest = hashlib.sha256(session_id.encode()).hexdigest()
            recording.sealed_at, recording.duration_ms = self.clock.now(), 1_927_000

    async def signed_case(self, *, seal: bool = True, **changed: object) -> AidCase:
        """Return a case whose applicant was heard, verified, and signed."""
        case = await self.open(**changed)
        session_id = await self.hearing(case)
        await self.verify(session_id)
        await self.ask(session_id)
        await self.confirm(session_id)
        await self.sign(session_id)
        if seal:
            await self.seal(session_id)
        return await self.fresh(case.id)

    async def approve(self, case_id: str, *, actor: Actor | None = None, version: int | None = None) -> Approval:
        """Approve a case as it is now."""
        async with self.begin() as db:
            seen = version if version is not None else (await db.get_one(AidCase, case_id)).version
            command = decisions.Approve(case_id, "材料齐全，数额合规。", seen)
            return await decisions.approve(db, actor or self.approver, command, clock=self.clock)

    async def approved_case(self, *, seal: bool = True, **changed: object) -> AidCase:
        """Return a case that was approved."""
        case = await self.signed_case(seal=seal, **changed)
        await self.approve(case.id)
        return await self.fresh(case.id)

    async def draft(self, *case_list: AidCase, actor: Actor | None = None) -> Batch:
        """Draft a batch."""
        async with self.begin() as db:
            command = payments.DraftBatch([case.id for case in case_list])
            return await payments.draft_batch(db, actor or self.drafter, command, clock=self.clock)

    async def release(self, batch: Batch, *, actor: Actor | None = None, version: int | None = None) -> Batch:
        """Release a batch."""
        async with self.begin() as db:
            command = payments.Release(batch.id, batch.version if version is None else version)
            return await payments.release(db, actor or self.releaser, command, vault=self.vault, clock=self.clock)

    async def released(self, *case_list: AidCase) -> Batch:
        """Draft and release a batch."""
        return await self.release(await self.draft(*case_list))

    async def file_of(self, batch: Batch) -> bytes:
        """Return the bank file of a batch."""
        async with self.begin() as db:
            _, data = await payments.bank_file(db, self.releaser, batch.id, vault=self.vault, clock=self.clock)
            return data

    async def answer(self, batch: Batch, *, returned: Mapping[str, str] | None = None) -> AnswerOutcome:
        """Let the bank answer and take its answer."""
        return await self.take(stub.answer(await self.file_of(batch), returned=returned))

    async def take(self, data: bytes, *, actor: Actor | None = None) -> AnswerOutcome:
        """Take an answer."""
        async with self.begin() as db:
            return await reconciliation.take_answer(
                db, actor or self.drafter, "answer.xml", data, vault=self.vault, clock=self.clock
            )

    async def paid_order(self) -> Order:
        """Return an order that went the whole way."""
        batch = await self.released(await self.approved_case())
        await self.answer(batch)
        return (await self.orders(batch))[0]

    async def change_account(self, case: AidCase, number: str = "6228480402564890018") -> None:
        """Give a case another account."""
        async with self.begin() as db:
            command = cases.ChangeAccount(
                case.id, "农业银行梁山支行", "103461300011", case.applicant_name, number, "原卡已挂失"
            )
            await cases.change_account(db, self.handler, command, clock=self.clock)

    async def orders(self, batch: Batch) -> list[Order]:
        """Return the orders of a batch."""
        async with self.database.read() as db:
            return list(await db.scalars(select(Order).where(Order.batch_id == batch.id).order_by(Order.line)))

    async def released_batch(self, batch_id: str) -> Batch:
        """Return a batch as it is now."""
        async with self.database.read() as db:
            return await db.get_one(Batch, batch_id)

    async def fresh(self, case_id: str) -> AidCase:
        """Return a case as it is now."""
        async with self.database.read() as db:
            return await db.get_one(AidCase, case_id)

    async def balances(self) -> Balances:
        """Return the fund's balances."""
        async with self.database.read() as db:
            return await ledger.balances(db, self.fund_id)


async def applicant_of(db: AsyncSession, session_id: str) -> Actor:
    """Return the applicant of a session as an actor."""
    query = select(Seat).where(Seat.session_id == session_id, Seat.role == SeatRole.APPLICANT)
    return applicant_actor((await db.scalars(query)).one())


def an_id_number(serial: int) -> str:
    """Return the valid identity number of a made-up woman."""
    first = f"37083219{60 + serial % 40}0315{serial // 40 % 50:02d}{serial % 5 * 2}"
    return first + id_check_character(first)


def build_world(database: Database, root: Path) -> World:
    """Return a world without furniture."""
    return World(database, Vault(root), FixedClock(NINE))


PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c020000000b4944415478da6364f80f00010501012718e366"
    "0000000049454e44ae426082"
)
"""The smallest PNG."""
