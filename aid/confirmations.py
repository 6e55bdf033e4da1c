"""The applicant's word: the decision read out, amount and account confirmed or objected to, and signed.

What is confirmed is one amount to one account, by fingerprint: change either, and it is void
(`cases.void_confirmation`).
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from aid.cases import case_of_session, current_account, lock_case, standing_confirmation, void_confirmation
from aid.money import capital_numerals
from aid.notes import note
from aid.states import (
    CaseEvent,
    CaseState,
    ConfirmationEvent,
    ConfirmationState,
    advance_case,
    advance_confirmation,
)
from aid.tables import AidCase, Confirmation, PayeeAccount
from aid.texts import passage, same_name
from aid.verification import identity_stands, running_session
from records.actors import Actor, ActorKind, Permission
from records.clock import Clock
from records.personal import conceal, reveal
from records.refusals import Refusal
from sessions.recordings import add_mark
from sessions.seats import SeatRole
from sessions.tables import Seat

STROKES_MAX: Final = 200
POINTS_MAX: Final = 20_000
POINTS_MIN: Final = 8
"""Fewer points than this is a slip of the finger, not a name."""


class ObjectionKind(StrEnum):
    """What the applicant says is wrong."""

    ACCOUNT = "account"
    AMOUNT = "amount"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Confirm:
    """ "Amount and account are right": both as the applicant's own screen showed them."""

    session_id: str
    amount_fen: int
    account_fingerprint: str
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class Objection:
    """Something is wrong, or she has something to say first."""

    session_id: str
    kind: ObjectionKind
    text: str
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class Sign:
    """A signature by finger: strokes of points (x, y in CSS pixels, milliseconds since the first), and its picture.

    `picture_digest` names the picture's bytes in the vault. `typed_name` stands in for the strokes of somebody who
    cannot draw: the applicant's own name, typed; then there are no strokes.
    """

    session_id: str
    strokes: Sequence[Sequence[tuple[int, int, int]]]
    picture_digest: str
    elapsed_ms: int
    typed_name: str = ""


@dataclass(frozen=True, slots=True)
class ConfirmationView:
    """What the applicant is asked, and how far she has come. Amounts in fen, times of the recording in ms."""

    state: ConfirmationState
    session_id: str
    case_id: str
    case_number: str
    amount_fen: int
    capital: str
    payee: str
    holder_relation: str
    bank_name: str
    account_masked: str
    account_fingerprint: str
    decision_text: str
    asked_at: datetime | None = None
    asked_elapsed_ms: int | None = None
    confirmed_at: datetime | None = None
    confirmed_elapsed_ms: int | None = None
    signed_at: datetime | None = None
    signed_elapsed_ms: int | None = None
    picture_digest: str | None = None
    objection_kind: ObjectionKind | None = None
    objection_text: str = ""


ConfirmationRequest = ConfirmationView
"""What `read_out` returns: the question as it was put."""


async def read_out(
    db: AsyncSession, actor: Actor, session_id: str, *, elapsed_ms: int, clock: Clock
) -> ConfirmationRequest:
    """Read the decision out and ask the applicant to confirm. Asked again, nothing changes while the question stands.

    Refusals: session_not_running, not_your_hearing, identity_not_verified, identity_withdrawn, case_not_ready,
    no_case_for_session.
    """
    actor.require(Permission.HOST_HEARING)
    await running_session(db, session_id)
    case = await lock_case(db, (await case_of_session(db, session_id)).id)
    await _require_seat(db, actor, session_id, SeatRole.HOST)
    await identity_stands(db, case, session_id)
    standing = await standing_confirmation(db, case.id)
    account = await current_account(db, case)
    if standing is not None:
        if standing.session_id == session_id and standing.state is not ConfirmationState.OBJECTED:
            return await _view(db, case, standing)
        await void_confirmation(db, case, "asked_again", clock=clock)
    if case.state is not CaseState.AWAITING_HEARING:
        raise Refusal("case_not_ready", state=case.state.value, event="asked")
    confirmation = Confirmation(
        session_id=session_id,
        case_id=case.id,
        state=ConfirmationState.ASKED,
        amount_fen=case.amount_fen,
        account_id=account.id,
        account_fingerprint=account.fingerprint,
        asked_at=clock.now(),
        asked_by=actor.id,
        asked_elapsed_ms=elapsed_ms,
    )
    db.add(confirmation)
    await db.flush()
    await _note(db, actor, "DecisionReadOut", confirmation, clock=clock, elapsed_ms=elapsed_ms)
    return await _view(db, case, confirmation)


async def confirmation_view(db: AsyncSession, session_id: str) -> ConfirmationView:
    """Return what was asked in a session and how far it has come; `none` before the reading out.

    Refusals: no_case_for_session.
    """
    case = await case_of_session(db, session_id)
    query = (
        select(Confirmation)
        .where(Confirmation.session_id == session_id, Confirmation.voided_at.is_(None))
        .execution_options(populate_existing=True)
    )
    return await _view(db, case, (await db.scalars(query)).one_or_none())


async def confirm(db: AsyncSession, actor: Actor, command: Confirm, *, clock: Clock) -> ConfirmationView:
    """Confirm amount and account. A second touch of the button changes nothing.

    Refusals: not_permitted, not_your_hearing, session_not_running, nothing_asked, confirmation_outdated (what she saw
    is not what is asked now), confirmation_not_ready.
    """
    case, confirmation = await _asked(db, actor, command.session_id)
    seen = (command.amount_fen, command.account_fingerprint)
    if seen != (confirmation.amount_fen, confirmation.account_fingerprint):
        raise Refusal("confirmation_outdated")
    if confirmation.state in (ConfirmationState.CONFIRMED, ConfirmationState.SIGNED):
        return await _view(db, case, confirmation)
    confirmation.state = advance_confirmation(confirmation.state, ConfirmationEvent.CONFIRMED)
    confirmation.confirmed_at, confirmation.confirmed_elapsed_ms = clock.now(), command.elapsed_ms
    confirmation.seat_id = actor.id
    await db.flush()
    await _note(db, actor, "AidConfirmed", confirmation, clock=clock, elapsed_ms=command.elapsed_ms)
    return await _view(db, case, confirmation)


async def object(  # noqa: A001 (the word of the contract; nobody imports it bare)
    db: AsyncSession, actor: Actor, command: Objection, *, clock: Clock
) -> ConfirmationView:
    """Say that something is wrong; the host sees it at once and can change the account or explain, and ask again.

    Refusals: not_permitted, not_your_hearing, session_not_running, nothing_asked, confirmation_not_ready, text_*.
    """
    case, confirmation = await _asked(db, actor, command.session_id)
    words = passage("objection", command.text, 500, required=command.kind is ObjectionKind.OTHER)
    confirmation.state = advance_confirmation(confirmation.state, ConfirmationEvent.OBJECTED)
    confirmation.objected_at, confirmation.objected_elapsed_ms = clock.now(), command.elapsed_ms
    confirmation.objection_kind = command.kind.value
    confirmation.objection_concealed = conceal(db, words)
    confirmation.seat_id = actor.id
    await db.flush()
    await _note(
        db,
        actor,
        "AidObjected",
        confirmation,
        clock=clock,
        elapsed_ms=command.elapsed_ms,
        objection=command.kind.value,
    )
    return await _view(db, case, confirmation)


async def sign(db: AsyncSession, actor: Actor, command: Sign, *, clock: Clock) -> ConfirmationView:
    """Sign what was confirmed; the case then waits for its approver. A second sending changes nothing.

    Refusals: not_permitted, not_your_hearing, session_not_running, nothing_asked, confirmation_not_ready,
    signature_empty, signature_too_large, typed_name_differs.
    """
    strokes = None if command.typed_name else _checked_strokes(command.strokes)
    case, confirmation = await _asked(db, actor, command.session_id)
    if command.typed_name and not same_name(command.typed_name, case.applicant_name):
        raise Refusal("typed_name_differs")
    if confirmation.state is ConfirmationState.SIGNED:
        return await _view(db, case, confirmation)
    confirmation.state = advance_confirmation(confirmation.state, ConfirmationEvent.SIGNED)
    confirmation.signed_at, confirmation.signed_elapsed_ms = clock.now(), command.elapsed_ms
    confirmation.picture_digest = command.picture_digest
    if strokes is not None:
        confirmation.strokes_concealed = conceal(db, strokes)
        confirmation.strokes_digest = hashlib.sha256(strokes.encode()).hexdigest()
    case.state = advance_case(case.state, CaseEvent.SIGNED)
    await db.flush()
    await _note(
        db,
        actor,
        "AidSigned",
        confirmation,
        clock=clock,
        elapsed_ms=command.elapsed_ms,
        picture_digest=command.picture_digest,
        strokes_digest=confirmation.strokes_digest,
        typed=bool(command.typed_name),
    )
    return await _view(db, case, confirmation)


async def _asked(db: AsyncSession, actor: Actor, session_id: str) -> tuple[AidCase, Confirmation]:
    actor.require(Permission.CONFIRM_AID)
    if actor.kind is not ActorKind.APPLICANT:
        raise Refusal("not_permitted", permission=Permission.CONFIRM_AID.value)
    await running_session(db, session_id)
    case = await lock_case(db, (await case_of_session(db, session_id)).id)
    await _require_seat(db, actor, session_id, SeatRole.APPLICANT)
    confirmation = await standing_confirmation(db, case.id)
    if confirmation is None or confirmation.session_id != session_id:
        raise Refusal("nothing_asked")
    await identity_stands(db, case, session_id)
    return case, confirmation


async def _require_seat(db: AsyncSession, actor: Actor, session_id: str, role: SeatRole) -> None:
    mine = Seat.id == actor.id if role is SeatRole.APPLICANT else Seat.person_id == actor.id
    query = select(Seat.id).where(Seat.session_id == session_id, Seat.role == role, mine)
    if await db.scalar(query) is None:
        raise Refusal("not_your_hearing")


def _checked_strokes(strokes: Sequence[Sequence[tuple[int, int, int]]]) -> str:
    points = sum(len(stroke) for stroke in strokes)
    if points < POINTS_MIN:
        raise Refusal("signature_empty")
    if len(strokes) > STROKES_MAX or points > POINTS_MAX:
        raise Refusal("signature_too_large")
    return json.dumps([[[int(x), int(y), int(t)] for x, y, t in stroke] for stroke in strokes], separators=(",", ":"))


_MARKS: Final = {
    "DecisionReadOut": ("read_out", "宣读救助决定"),
    "AidConfirmed": ("confirmed", "本人确认数额和账号"),
    "AidObjected": ("objected", "本人提出异议"),
    "AidSigned": ("signed", "本人签名"),
}


async def _note(
    db: AsyncSession,
    actor: Actor,
    event: str,
    confirmation: Confirmation,
    /,
    *,
    clock: Clock,
    elapsed_ms: int,
    **details: str | int | None,
) -> None:
    """Write the event on the trail, and mark its moment in the recording."""
    await note(
        db,
        actor,
        event,
        "case",
        confirmation.case_id,
        clock=clock,
        session_id=confirmation.session_id,
        elapsed_ms=elapsed_ms,
        confirmation_id=confirmation.id,
        amount_fen=confirmation.amount_fen,
        account_fingerprint=confirmation.account_fingerprint,
        **details,
    )
    kind, title = _MARKS[event]
    where = {"confirmation_id": confirmation.id}
    await add_mark(db, actor, confirmation.session_id, kind, elapsed_ms, title, where, clock=clock)


async def _view(db: AsyncSession, case: AidCase, confirmation: Confirmation | None) -> ConfirmationView:
    account = await current_account(db, case)
    if confirmation is not None and confirmation.account_id != account.id:
        account = await db.get_one(PayeeAccount, confirmation.account_id)
    amount_fen = confirmation.amount_fen if confirmation else case.amount_fen
    asked = confirmation or Confirmation(state=ConfirmationState.NONE)
    return ConfirmationView(
        state=asked.state,
        session_id=asked.session_id or case.session_id or "",
        case_id=case.id,
        case_number=case.number,
        amount_fen=amount_fen,
        capital=capital_numerals(amount_fen),
        payee=account.holder_name,
        holder_relation=account.holder_relation,
        bank_name=account.bank_name,
        account_masked=account.number_masked,
        account_fingerprint=account.fingerprint,
        decision_text=case.decision_text,
        asked_at=asked.asked_at,
        confirmed_at=asked.confirmed_at,
        asked_elapsed_ms=asked.asked_elapsed_ms,
        confirmed_elapsed_ms=asked.confirmed_elapsed_ms,
        signed_at=asked.signed_at,
        signed_elapsed_ms=asked.signed_elapsed_ms,
        picture_digest=asked.picture_digest,
        objection_kind=ObjectionKind(asked.objection_kind) if asked.objection_kind else None,
        objection_text=reveal(db, asked.objection_concealed) if asked.objection_concealed else "",
    )
