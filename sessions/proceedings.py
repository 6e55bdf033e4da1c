"""What happens in a hearing: beginning and end, who is there, who is let in, words left for the host."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from records.actors import Actor, ActorKind, Permission
from records.clock import Clock
from records.ids import new_id
from records.personal import conceal
from records.refusals import Refusal
from records.texts import clean_text
from records.trail import record
from sessions.actors import require_host, seat_of, seats_of, session_of
from sessions.admission import consents_of
from sessions.entries import record_about_seat, record_about_session
from sessions.recesses import Recess, recess_now
from sessions.seats import SeatAbility, SeatRole, may
from sessions.states import OVER, SessionEvent, SessionState, advance
from sessions.tables import ConsentKind, LineQuality, Message, PresenceSpan, Recording, RecordingState, Seat, Session

WORD_LENGTH_MAX = 500
WORDS_MAX = 200
"""How many words one seat may leave in one session: nobody fills the disk by typing."""


@dataclass(frozen=True, slots=True)
class SeatView:
    """A seat as the room shows it. `may_enter`: without being admitted, or admitted already."""

    seat_id: str
    role: SeatRole
    name: str
    title: str
    office_name: str
    admitted: bool


@dataclass(frozen=True, slots=True)
class RoomOpening:
    """Everything that a room is rebuilt from after a restart."""

    session_id: str
    number: str
    subject: str
    state: SessionState
    started_at: datetime | None
    seats: tuple[SeatView, ...]
    admitted: frozenset[str]
    recess: Recess | None


async def room_opening(db: AsyncSession, session_id: str) -> RoomOpening:
    """Return how far a hearing is. Raises Refusal("session_unknown")."""
    session = await session_of(db, session_id)
    seats = tuple(_view(seat) for seat in await seats_of(db, session_id))
    return RoomOpening(
        session_id=session.id,
        number=session.number,
        subject=session.subject,
        state=session.state,
        started_at=session.started_at,
        seats=seats,
        admitted=frozenset(seat.seat_id for seat in seats if seat.admitted),
        recess=await recess_now(db, session_id),
    )


async def start(db: AsyncSession, actor: Actor, session_id: str, *, clock: Clock) -> Session:
    """Begin a hearing; its host alone can. Raises Refusal: not_permitted, not_your_hearing, and as `advance`."""
    actor.require(Permission.HOST_HEARING)
    session = await session_of(db, session_id, lock=True)
    await require_host(db, actor, session_id)
    session.state = advance(session.state, SessionEvent.STARTED)
    session.started_at = clock.now()
    await _record_state(db, actor, "HearingStarted", session, clock)
    return session


async def sessions_running(db: AsyncSession) -> tuple[str, ...]:
    """Return which hearings are in session."""
    return tuple(await db.scalars(select(Session.id).where(Session.state == SessionState.IN_SESSION)))


async def end(
    db: AsyncSession, actor: Actor, session_id: str, *, clock: Clock, elapsed_ms: int | None = None
) -> Session:
    """End a hearing: everybody has left, and the recording, `elapsed_ms` long, waits to be sealed.

    Its host can, and the system by itself. Raises Refusal: not_permitted, not_your_hearing, and as `advance`.
    """
    session = await session_of(db, session_id, lock=True)
    if actor.kind is not ActorKind.SYSTEM:
        actor.require(Permission.HOST_HEARING)
        await require_host(db, actor, session_id)
    session.state = advance(session.state, SessionEvent.ENDED)
    session.ended_at = max(clock.now(), session.started_at or clock.now())
    for span in await _open_spans(db, session_id):
        _close(span, session.ended_at, "ended")
    recording = await db.scalar(select(Recording).where(Recording.session_id == session_id))
    if recording is not None and recording.state is RecordingState.RECORDING:
        recording.state = RecordingState.ENDED
        recording.duration_ms = elapsed_ms
    await _record_state(db, actor, "HearingEnded", session, clock, elapsed_ms=elapsed_ms)
    return session


async def admit(db: AsyncSession, actor: Actor, session_id: str, seat_id: str, *, clock: Clock) -> bool:
    """Let somebody in from the waiting room; return whether that changed anything.

    Raises Refusal: not_permitted, not_your_hearing, seat_unknown, session_over, and consent_missing(kind) when an
    applicant has not yet agreed to being recorded or to the use of personal data.
    """
    seat = await _seat_for_host(db, actor, session_id, seat_id)
    if seat.admitted_at is not None:
        return False
    if seat.role is SeatRole.APPLICANT:
        given = await consents_of(db, seat_id)
        for kind in ConsentKind:
            if kind not in given:
                raise Refusal("consent_missing", kind=kind.value)
    seat.admitted_at = clock.now()
    await record_about_seat(db, actor, "SeatAdmitted", seat, {}, clock=clock)
    return True


async def send_back(db: AsyncSession, actor: Actor, session_id: str, seat_id: str, *, clock: Clock) -> bool:
    """Send somebody back to the waiting room; return whether that changed anything. Raises Refusal as `admit`."""
    seat = await _seat_for_host(db, actor, session_id, seat_id)
    if seat.admitted_at is None:
        return False
    seat.admitted_at = None
    await record_about_seat(db, actor, "SeatSentBack", seat, {}, clock=clock)
    return True


async def enter(db: AsyncSession, actor: Actor, session_id: str, seat_id: str, *, clock: Clock) -> bool:
    """Take down that somebody is there; return False when that was known.

    Raises Refusal: seat_unknown, session_over.
    """
    session = await session_of(db, session_id, lock=True)
    seat = await seat_of(db, seat_id, session_id=session_id)
    if session.state in OVER:
        raise Refusal("session_over")
    if await _open_spans(db, session_id, seat_id=seat_id):
        return False
    db.add(PresenceSpan(id=new_id(), session_id=session_id, seat_id=seat_id, entered_at=clock.now()))
    await db.flush()
    await record_about_seat(db, actor, "SeatEntered", seat, {}, clock=clock)
    return True


async def leave(db: AsyncSession, actor: Actor, session_id: str, seat_id: str, reason: str, *, clock: Clock) -> bool:
    """Take down that somebody is gone, and why; return False when nobody was there. Raises Refusal: seat_unknown."""
    await session_of(db, session_id, lock=True)
    seat = await seat_of(db, seat_id, session_id=session_id)
    spans = await _open_spans(db, session_id, seat_id=seat_id)
    for span in spans:
        _close(span, clock.now(), clean_text(reason, "reason", limit=40))
    if spans:
        await record_about_seat(db, actor, "SeatLeft", seat, {"reason": spans[0].reason}, clock=clock)
    return bool(spans)


async def close_open_presence(db: AsyncSession, actor: Actor, *, clock: Clock, reason: str = "server_stopped") -> int:
    """After a crash: end every span that is still open, since nobody can be there; return how many."""
    spans = (await db.scalars(select(PresenceSpan).where(PresenceSpan.left_at.is_(None)).with_for_update())).all()
    for span in spans:
        _close(span, clock.now(), reason)
    for span in spans:
        seat = await seat_of(db, span.seat_id)
        await record_about_seat(db, actor, "SeatLeft", seat, {"reason": reason}, clock=clock)
    return len(spans)


async def leave_word(
    db: AsyncSession, actor: Actor, session_id: str, seat_id: str, text: str, *, clock: Clock
) -> Message:
    """Keep a word for the host. What it says is concealed, and not on the trail.

    Raises Refusal: session_over, seat_unknown, not_permitted, too_many_words(limit), and those of `clean_text`.
    """
    session = await session_of(db, session_id, lock=True)
    seat = await seat_of(db, seat_id, session_id=session_id)
    if session.state in OVER:
        raise Refusal("session_over")
    if not may(seat.role, SeatAbility.WORD):
        raise Refusal("not_permitted", permission=SeatAbility.WORD.value)
    word = clean_text(text, "text", limit=WORD_LENGTH_MAX)
    before = await db.scalars(select(Message.id).where(Message.session_id == session_id, Message.seat_id == seat_id))
    if len(before.all()) >= WORDS_MAX:
        raise Refusal("too_many_words", limit=WORDS_MAX)
    message = Message(
        id=new_id(), session_id=session_id, seat_id=seat_id, at=clock.now(), text_concealed=conceal(db, word)
    )
    db.add(message)
    await db.flush()
    await record_about_seat(db, actor, "WordLeft", seat, {"message": message.id}, clock=clock)
    return message


async def words_left(db: AsyncSession, session_id: str) -> int:
    """Return how many words were left in a session so far."""
    return await db.scalar(select(func.count()).where(Message.session_id == session_id)) or 0


@dataclass(frozen=True, slots=True)
class LineSummed:
    """What somebody's line was like over `measured_s` seconds; see `sessions.tables.LineQuality`."""

    measured_s: int
    loss_pct_sum: float
    loss_pct_max: float
    rtt_known_s: int
    rtt_ms_sum: int
    rtt_ms_max: int
    jitter_ms_max: int
    freezes: int
    frozen_ms: int


async def note_lines(db: AsyncSession, session_id: str, lines: Mapping[str, LineSummed]) -> None:
    """Add to what is known of the lines of a session's seats.

    Not on the trail: nobody decides here, and the recording holds the same, chained. Raises Refusal: session_unknown,
    seat_unknown.
    """
    await session_of(db, session_id, lock=True)
    for seat_id, line in lines.items():
        await seat_of(db, seat_id, session_id=session_id)
        known = await db.get(LineQuality, seat_id, populate_existing=True)
        if known is None:
            db.add(LineQuality(seat_id=seat_id, session_id=session_id, **dataclasses.asdict(line)))
            continue
        known.measured_s += line.measured_s
        known.loss_pct_sum += line.loss_pct_sum
        known.loss_pct_max = max(known.loss_pct_max, line.loss_pct_max)
        known.rtt_known_s += line.rtt_known_s
        known.rtt_ms_sum += line.rtt_ms_sum
        known.rtt_ms_max = max(known.rtt_ms_max, line.rtt_ms_max)
        known.jitter_ms_max = max(known.jitter_ms_max, line.jitter_ms_max)
        known.freezes += line.freezes
        known.frozen_ms += line.frozen_ms


async def note_refusal(
    db: AsyncSession, actor: Actor, session_id: str, code: str, *, clock: Clock, seat_id: str | None = None
) -> None:
    """Put on the trail that something was refused in a hearing.

    In a transaction of its own: what was refused has rolled back.
    """
    await record(
        db,
        actor,
        "RequestRefused",
        subject_kind="seat" if seat_id else "session",
        subject_id=seat_id or session_id,
        session_id=session_id,
        details={"code": clean_text(code, "code", limit=64)},
        clock=clock,
    )


def _view(seat: Seat) -> SeatView:
    return SeatView(
        seat_id=seat.id,
        role=seat.role,
        name=seat.display_name,
        title=seat.title,
        office_name=seat.office_name,
        admitted=seat.admitted_at is not None or may(seat.role, SeatAbility.ENTER_FREELY),
    )


async def _seat_for_host(db: AsyncSession, actor: Actor, session_id: str, seat_id: str) -> Seat:
    actor.require(Permission.HOST_HEARING)
    session = await session_of(db, session_id, lock=True)
    await require_host(db, actor, session_id)
    if session.state in OVER:
        raise Refusal("session_over")
    # The session's lock is held: read the seat as it is now.
    seat = await db.get(Seat, seat_id, populate_existing=True)
    if seat is None or seat.session_id != session_id:
        raise Refusal("seat_unknown")
    return seat


async def _open_spans(db: AsyncSession, session_id: str, *, seat_id: str | None = None) -> list[PresenceSpan]:
    query = select(PresenceSpan).where(PresenceSpan.session_id == session_id, PresenceSpan.left_at.is_(None))
    if seat_id is not None:
        query = query.where(PresenceSpan.seat_id == seat_id)
    return list(await db.scalars(query))


def _close(span: PresenceSpan, at: datetime, reason: str) -> None:
    # A wall clock that was set back must not make a span end before it began.
    span.left_at = max(at, span.entered_at)
    span.reason = reason


async def _record_state(
    db: AsyncSession, actor: Actor, event: str, session: Session, clock: Clock, **details: int | None
) -> None:
    told = {"number": session.number, "state": session.state.value, **details}
    await record_about_session(db, actor, event, session.id, told, clock=clock)
