"""The audit trail: who did what to what, and when, each entry chained to the one before.

Written in the same transaction as the change itself, so that neither exists without the other. The chain has a single
writer at a time (advisory lock on PostgreSQL; SQLite's write transaction is one already). Take this lock last.
"""

import secrets
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import Index, String, Table, Text, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from records.actors import Actor, ActorKind
from records.chain import (
    GENESIS,
    ExportedEntry,
    SignedHead,
    append_head,
    canonical,
    digest_of,
    read_heads,
    sign_head_of,
)
from records.clock import Clock
from records.database import Base, Json, forbid_changes
from records.personal import mask_name
from records.signing import SigningKey

__all__ = [
    "ExportedEntry",
    "SignedHead",
    "TrailEntry",
    "append_head",
    "entries_of",
    "export_trail",
    "read_heads",
    "record",
    "sign_head",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOCK = 0x6A696566  # "jief": the advisory lock that only this module takes


class TrailEntry(Base):
    """One entry. `details` is canonical JSON, kept as text because the digest covers exactly these characters."""

    __tablename__ = "trail_entries"

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at_us: Mapped[int]
    actor_kind: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[str] = mapped_column(String(64))
    actor_name: Mapped[str] = mapped_column(String(200))
    office_id: Mapped[str | None] = mapped_column(String(32))
    event: Mapped[str] = mapped_column(String(64))
    subject_kind: Mapped[str] = mapped_column(String(32))
    subject_id: Mapped[str] = mapped_column(String(64))
    session_id: Mapped[str | None] = mapped_column(String(32))
    details: Mapped[str] = mapped_column(Text)
    previous: Mapped[str] = mapped_column(String(64), unique=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    salt: Mapped[str] = mapped_column(String(32))

    __table_args__ = (
        Index(None, "subject_kind", "subject_id"),
        Index(None, "session_id"),
    )

    @property
    def at(self) -> datetime:
        """Return when this happened, in UTC."""
        return _EPOCH + timedelta(microseconds=self.at_us)

    def exported(self) -> ExportedEntry:
        """Return the entry as the offline verifier reads it."""
        return ExportedEntry(
            sequence=self.sequence,
            at_us=self.at_us,
            actor_kind=self.actor_kind,
            actor_id=self.actor_id,
            actor_name=self.actor_name,
            office_id=self.office_id,
            event=self.event,
            subject_kind=self.subject_kind,
            subject_id=self.subject_id,
            session_id=self.session_id,
            details=self.details,
            previous=self.previous,
            digest=self.digest,
            salt=self.salt,
        )


_TABLE = TrailEntry.__table__
assert isinstance(_TABLE, Table)  # noqa: S101 (narrows a type that SQLAlchemy declares too widely)
forbid_changes(_TABLE)


def microseconds(instant: datetime) -> int:
    """Return an instant as whole microseconds since 1970-01-01T00:00Z, exactly."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


async def record(
    db: AsyncSession,
    actor: Actor,
    event: str,
    *,
    subject_kind: str,
    subject_id: str,
    session_id: str | None = None,
    details: Mapping[str, Json],
    clock: Clock,
) -> TrailEntry:
    """Append one entry: `actor` did `event` (past tense, `IdentityVerified`) to the subject.

    `details` hold no personal data in clear, since nothing here can ever be erased (an applicant's name is masked
    for the same reason), and no floats. Call it last in a use case: from here to the commit, other writers wait.
    """
    last = await _lock_last(db)
    number, previous = (1, GENESIS) if last is None else (last.sequence + 1, last.digest)
    draft = ExportedEntry(
        sequence=number,
        at_us=microseconds(clock.now()),
        actor_kind=actor.kind.value,
        actor_id=actor.id,
        actor_name=mask_name(actor.name) if actor.kind is ActorKind.APPLICANT else actor.name,
        office_id=actor.office_id,
        event=event,
        subject_kind=subject_kind,
        subject_id=subject_id,
        session_id=session_id,
        details=canonical(details).decode(),
        previous=previous,
        digest="",
        salt=secrets.token_hex(16),
    )
    fields = {name: getattr(draft, name) for name in ExportedEntry.__dataclass_fields__}
    entry = TrailEntry(**fields | {"digest": digest_of(draft)})
    db.add(entry)
    await db.flush()
    return entry


async def _lock_last(db: AsyncSession) -> TrailEntry | None:
    if db.get_bind().dialect.name == "postgresql":
        await db.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    return await _last(db)


async def _last(db: AsyncSession) -> TrailEntry | None:
    entries = await db.scalars(select(TrailEntry).order_by(TrailEntry.sequence.desc()).limit(1))
    return entries.first()


async def sign_head(db: AsyncSession, key: SigningKey, *, clock: Clock) -> SignedHead:
    """Vouch for the trail as it stands; an empty trail has the sequence 0. Reads only."""
    last = await _last(db)
    number, digest = (0, GENESIS) if last is None else (last.sequence, last.digest)
    return sign_head_of(number, digest, microseconds(clock.now()), key)


async def export_trail(db: AsyncSession, *, batch: int = 1000) -> AsyncIterator[ExportedEntry]:
    """Yield every entry in order, `batch` at a time, for the offline verifier."""
    after = -1
    while True:
        query = select(TrailEntry).where(TrailEntry.sequence > after).order_by(TrailEntry.sequence).limit(batch)
        entries = (await db.scalars(query)).all()
        for entry in entries:
            yield entry.exported()
        if not entries:
            return
        after = entries[-1].sequence
        db.expunge_all()


async def entries_of(
    db: AsyncSession, *, subject_kind: str | None = None, subject_id: str | None = None, session_id: str | None = None
) -> list[TrailEntry]:
    """Return the entries about one subject, or about one session, in order."""
    query = select(TrailEntry).order_by(TrailEntry.sequence)
    if subject_kind is not None:
        query = query.where(TrailEntry.subject_kind == subject_kind)
    if subject_id is not None:
        query = query.where(TrailEntry.subject_id == subject_id)
    if session_id is not None:
        query = query.where(TrailEntry.session_id == session_id)
    return list(await db.scalars(query))
