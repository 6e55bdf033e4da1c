"""What pages show of hearings. Reads only."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from records.personal import reveal
from sessions.actors import seats_of, session_of
from sessions.days import day_bounds
from sessions.recesses import PAUSED, RESUMED, Recess, recesses_of
from sessions.seats import SeatRole
from sessions.states import SessionState
from sessions.tables import (
    HOST_ABSENT,
    Consent,
    ConsentKind,
    Invitation,
    LineQuality,
    Mark,
    Message,
    Office,
    PlaybackFile,
    PresenceSpan,
    Recording,
    Seat,
    Session,
)


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """A session in a list. `waiting` names who is there and not yet let in."""

    session_id: str
    number: str
    subject: str
    applicant_name: str
    office_name: str
    far_office_name: str | None
    host_name: str | None
    starts_at: datetime
    ends_at: datetime
    state: SessionState
    rests: bool
    """Whether it is in recess now."""
    host_absent: bool
    """Whether it ended because its host never came back."""
    waiting: tuple[str, ...]
    seats: Mapping[str, SeatRole]
    """Who with an account has a seat, and as what."""
    takes_part: bool
    """Whether the office that asked does, and may read the session's file."""


@dataclass(frozen=True, slots=True)
class Presence:
    """From when to when somebody was there."""

    entered_at: datetime
    left_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class InvitationState:
    """How an applicant's newest invitation stands; the token itself is kept nowhere."""

    made_at: datetime
    opens_at: datetime
    expires_at: datetime
    failed_tries: int
    locked: bool
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Line:
    """What somebody's line was like in a session."""

    loss_pct: float
    loss_pct_max: float
    rtt_ms: int | None
    rtt_ms_max: int | None
    jitter_ms_max: int
    freezes: int
    frozen_ms: int


@dataclass(frozen=True, slots=True)
class SeatFile:
    """A seat with everything known of it."""

    seat: Seat
    consents: dict[ConsentKind, Consent]
    presence: tuple[Presence, ...]
    invitation: InvitationState | None
    line: Line | None


@dataclass(frozen=True, slots=True)
class Word:
    """A word left for the host, revealed."""

    seat_id: str
    name: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class SessionFile:
    """Everything that a hearing's page shows."""

    session: Session
    office: Office
    far_office: Office | None
    seats: tuple[SeatFile, ...]
    recording: Recording | None
    playback: tuple[PlaybackFile, ...]
    marks: tuple[Mark, ...]
    recesses: tuple[Recess, ...]
    words: tuple[Word, ...]

    @property
    def rests(self) -> bool:
        """Whether it is in recess now."""
        now = (recess for recess in self.recesses if recess.to_ms is None)
        return self.session.state is SessionState.IN_SESSION and any(now)

    @property
    def host_absent(self) -> bool:
        """Whether it ended because its host never came back."""
        return any(mark.kind == HOST_ABSENT for mark in self.marks)

    def seat_in(self, role: SeatRole) -> SeatFile | None:
        """Return the first seat of a role."""
        return next((entry for entry in self.seats if entry.seat.role is role), None)


async def sessions_on(db: AsyncSession, office_id: str, on: date, *, person_id: str = "") -> list[SessionSummary]:
    """Return the sessions of one day, as the offices count days, by time: those in which an office takes part, and
    those in which a person has a seat."""
    begins_at, ends_at = day_bounds(on)
    return await _summaries(db, office_id, person_id, Session.starts_at >= begins_at, Session.starts_at < ends_at)


async def upcoming_sessions(
    db: AsyncSession, office_id: str, after: date, *, person_id: str = "", limit: int = 50
) -> list[SessionSummary]:
    """Return the sessions planned for the days after a date, soonest first."""
    return await _summaries(db, office_id, person_id, Session.starts_at >= day_bounds(after)[1], limit=limit)


async def past_sessions(
    db: AsyncSession, office_id: str, before: date, *, person_id: str = "", limit: int = 50
) -> list[SessionSummary]:
    """Return the sessions of the days before a date, latest first."""
    condition = Session.starts_at < day_bounds(before)[0]
    return await _summaries(db, office_id, person_id, condition, limit=limit, newest_first=True)


async def _summaries(
    db: AsyncSession,
    office_id: str,
    person_id: str,
    *conditions: ColumnElement[bool],
    limit: int = 200,
    newest_first: bool = False,
) -> list[SessionSummary]:
    by = Session.starts_at.desc() if newest_first else Session.starts_at
    seated = select(Seat.session_id).where(Seat.person_id == person_id)
    mine = or_(Session.office_id == office_id, Session.far_office_id == office_id, Session.id.in_(seated))
    sessions = (
        await db.scalars(select(Session).where(mine, *conditions).order_by(by, Session.number).limit(limit))
    ).all()
    ids = [session.id for session in sessions]
    offices = {office.id: office.name for office in await db.scalars(select(Office))}
    hosts: dict[str, str] = {
        seat.session_id: seat.display_name
        for seat in await db.scalars(select(Seat).where(Seat.session_id.in_(ids), Seat.role == SeatRole.HOST))
    }
    waiting = await _waiting(db, ids)
    kinds = (PAUSED, RESUMED, HOST_ABSENT)
    marks = select(Mark.session_id, Mark.kind).where(Mark.session_id.in_(ids), Mark.kind.in_(kinds))
    marked = Counter((session_id, kind) for session_id, kind in await db.execute(marks))
    roles: dict[str, dict[str, SeatRole]] = {}
    for seat in await db.scalars(select(Seat).where(Seat.session_id.in_(ids), Seat.person_id.is_not(None))):
        roles.setdefault(seat.session_id, {})[seat.person_id or ""] = seat.role
    return [
        SessionSummary(
            session_id=session.id,
            number=session.number,
            subject=session.subject,
            applicant_name=session.applicant_name,
            office_name=offices[session.office_id],
            far_office_name=offices.get(session.far_office_id or ""),
            host_name=hosts.get(session.id),
            starts_at=session.starts_at,
            ends_at=session.ends_at,
            state=session.state,
            rests=session.state is SessionState.IN_SESSION and marked[session.id, PAUSED] > marked[session.id, RESUMED],
            host_absent=marked[session.id, HOST_ABSENT] > 0,
            waiting=tuple(waiting.get(session.id, ())),
            seats=roles.get(session.id, {}),
            takes_part=office_id in (session.office_id, session.far_office_id),
        )
        for session in sessions
    ]


async def _waiting(db: AsyncSession, session_ids: Sequence[str]) -> dict[str, list[str]]:
    query = (
        select(Seat)
        .join(PresenceSpan, PresenceSpan.seat_id == Seat.id)
        .where(
            Seat.session_id.in_(session_ids),
            Seat.role == SeatRole.APPLICANT,
            Seat.admitted_at.is_(None),
            PresenceSpan.left_at.is_(None),
        )
    )
    waiting: dict[str, list[str]] = {}
    for seat in await db.scalars(query):
        waiting.setdefault(seat.session_id, []).append(seat.display_name)
    return waiting


async def marks_of(db: AsyncSession, session_id: str) -> list[Mark]:
    """Return the marked moments of a recording, in order."""
    query = select(Mark).where(Mark.session_id == session_id).order_by(Mark.elapsed_ms, Mark.at, Mark.id)
    return list(await db.scalars(query))


async def words_of(db: AsyncSession, session_id: str) -> list[Word]:
    """Return the words left in a session, oldest first."""
    query = (
        select(Message, Seat.display_name)
        .join(Seat, Seat.id == Message.seat_id)
        .where(Message.session_id == session_id)
        .order_by(Message.at, Message.id)
    )
    return [
        Word(message.seat_id, name, message.at, reveal(db, message.text_concealed))
        for message, name in await db.execute(query)
    ]


async def session_file(db: AsyncSession, session_id: str) -> SessionFile:
    """Return everything that a hearing's page shows. Raises Refusal("session_unknown")."""
    session = await session_of(db, session_id)
    seats = [await _seat_file(db, seat) for seat in await seats_of(db, session_id)]
    playback = await db.scalars(select(PlaybackFile).where(PlaybackFile.session_id == session_id))
    return SessionFile(
        session=session,
        office=await db.get_one(Office, session.office_id),
        far_office=await db.get(Office, session.far_office_id) if session.far_office_id else None,
        seats=tuple(seats),
        recording=await db.scalar(select(Recording).where(Recording.session_id == session_id)),
        playback=tuple(playback),
        marks=tuple(await marks_of(db, session_id)),
        recesses=await recesses_of(db, session_id),
        words=tuple(await words_of(db, session_id)),
    )


async def _seat_file(db: AsyncSession, seat: Seat) -> SeatFile:
    consents = await db.scalars(select(Consent).where(Consent.seat_id == seat.id))
    spans = await db.scalars(
        select(PresenceSpan).where(PresenceSpan.seat_id == seat.id).order_by(PresenceSpan.entered_at, PresenceSpan.id)
    )
    invitation = await db.scalar(
        select(Invitation).where(Invitation.seat_id == seat.id).order_by(Invitation.made_at.desc()).limit(1)
    )
    quality = await db.get(LineQuality, seat.id)
    return SeatFile(
        seat=seat,
        consents={consent.kind: consent for consent in consents},
        presence=tuple(Presence(span.entered_at, span.left_at, span.reason) for span in spans),
        invitation=_invitation_state(invitation) if invitation else None,
        line=_line(quality) if quality and quality.measured_s else None,
    )


def _line(quality: LineQuality) -> Line:
    known_s = quality.rtt_known_s
    return Line(
        loss_pct=quality.loss_pct_sum / quality.measured_s,
        loss_pct_max=quality.loss_pct_max,
        rtt_ms=round(quality.rtt_ms_sum / known_s) if known_s else None,
        rtt_ms_max=quality.rtt_ms_max if known_s else None,
        jitter_ms_max=quality.jitter_ms_max,
        freezes=quality.freezes,
        frozen_ms=quality.frozen_ms,
    )


def _invitation_state(invitation: Invitation) -> InvitationState:
    return InvitationState(
        made_at=invitation.made_at,
        opens_at=invitation.opens_at,
        expires_at=invitation.expires_at,
        failed_tries=invitation.failed_tries,
        locked=invitation.locked_at is not None,
        used_at=invitation.used_at,
    )
