"""The hearing on record: offices, sessions, seats, invitations, consents, presence, marks, recordings."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from records.database import Base, Json, stored_enum
from records.ids import new_id
from sessions.seats import SeatRole
from sessions.states import SessionState

ID = 32
DIGEST = 64


class ConsentKind(StrEnum):
    """What an applicant agrees to, each by itself (PIPL Art 29)."""

    RECORDING = "recording"
    PERSONAL_DATA = "personal_data"


class RecordingState(StrEnum):
    """Where a recording stands."""

    RECORDING = "recording"
    ENDED = "ended"
    SEALED = "sealed"


class Office(Base):
    """A procuratorate."""

    __tablename__ = "offices"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    short_name: Mapped[str] = mapped_column(String(40))
    region: Mapped[str] = mapped_column(String(100))


class Session(Base):
    """A hearing session: planned from `starts_at` to `ends_at`, held from `started_at` to `ended_at`."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True, default=new_id)
    number: Mapped[str] = mapped_column(String(60), unique=True)
    office_id: Mapped[str] = mapped_column(ForeignKey("offices.id"))
    far_office_id: Mapped[str | None] = mapped_column(ForeignKey("offices.id"))
    subject: Mapped[str] = mapped_column(String(200))
    applicant_name: Mapped[str] = mapped_column(String(100))
    starts_at: Mapped[datetime] = mapped_column(index=True)
    ends_at: Mapped[datetime]
    state: Mapped[SessionState] = mapped_column(stored_enum(SessionState), default=SessionState.BOOKED)
    booked_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (declared so by SQLAlchemy)
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
        CheckConstraint("ended_at IS NULL OR started_at IS NOT NULL", name="started_before_end"),
    )


class Seat(Base):
    """A place in a session; it lasts, connections come and go. `person_id` is a staff id, none for an applicant.

    `id_tail_fingerprint` is the keyed hash of the last four characters of an applicant's ID number: what every
    invitation to this seat asks for.
    """

    __tablename__ = "seats"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True, default=new_id)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), index=True)
    role: Mapped[SeatRole] = mapped_column(stored_enum(SeatRole))
    person_id: Mapped[str | None] = mapped_column(String(ID), index=True)
    display_name: Mapped[str] = mapped_column(String(100))
    title: Mapped[str] = mapped_column(String(100))
    office_name: Mapped[str] = mapped_column(String(100))
    id_tail_fingerprint: Mapped[str | None] = mapped_column(String(DIGEST))
    admitted_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("session_id", "person_id"),
        Index(
            "uq_seats_one_host",
            "session_id",
            unique=True,
            sqlite_where=text("role = 'host'"),
            postgresql_where=text("role = 'host'"),
        ),
    )


class Invitation(Base):
    """A link sent to an applicant. Only the hash of its token is kept; `voided_at` when a newer one replaced it."""

    __tablename__ = "invitations"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True, default=new_id)
    seat_id: Mapped[str] = mapped_column(ForeignKey("seats.id"), index=True)
    token_hash: Mapped[str] = mapped_column(String(DIGEST), unique=True)
    id_tail_fingerprint: Mapped[str] = mapped_column(String(DIGEST))
    made_at: Mapped[datetime]
    opens_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    failed_tries: Mapped[int] = mapped_column(default=0)
    locked_at: Mapped[datetime | None]
    voided_at: Mapped[datetime | None]
    device_hash: Mapped[str | None] = mapped_column(String(DIGEST))
    used_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "uq_invitations_one_valid",
            "seat_id",
            unique=True,
            sqlite_where=text("voided_at IS NULL"),
            postgresql_where=text("voided_at IS NULL"),
        ),
        CheckConstraint("expires_at > opens_at", name="expires_after_opening"),
    )


class Consent(Base):
    """Somebody in a seat agreed to something, having read this version of the text."""

    __tablename__ = "consents"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True, default=new_id)
    seat_id: Mapped[str] = mapped_column(ForeignKey("seats.id"))
    kind: Mapped[ConsentKind] = mapped_column(stored_enum(ConsentKind))
    given_at: Mapped[datetime]
    text_version: Mapped[str] = mapped_column(String(20))

    __table_args__ = (UniqueConstraint("seat_id", "kind"),)


class PresenceSpan(Base):
    """From when to when somebody was there, and why it ended."""

    __tablename__ = "presence_spans"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True, default=new_id)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), index=True)
    seat_id: Mapped[str] = mapped_column(ForeignKey("seats.id"))
    entered_at: Mapped[datetime]
    left_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(String(40))

    __table_args__ = (
        Index(
            "uq_presence_spans_one_open",
            "seat_id",
            unique=True,
            sqlite_where=text("left_at IS NULL"),
            postgresql_where=text("left_at IS NULL"),
        ),
    )


class LineQuality(Base):
    """What somebody's line was like in a session, summed up; the recording has every ten seconds of it.

    `loss_pct_sum` and `rtt_ms_sum` are sums of one value a second over `measured_s` and `rtt_known_s` seconds. A
    freeze is a far picture, the worst of them, that stood still on this person's screen.
    """

    __tablename__ = "line_qualities"

    seat_id: Mapped[str] = mapped_column(ForeignKey("seats.id"), primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), index=True)
    measured_s: Mapped[int]
    loss_pct_sum: Mapped[float]
    loss_pct_max: Mapped[float]
    rtt_known_s: Mapped[int]
    rtt_ms_sum: Mapped[int]
    rtt_ms_max: Mapped[int]
    jitter_ms_max: Mapped[int]
    freezes: Mapped[int]
    frozen_ms: Mapped[int]


class Mark(Base):
    """Something that happened at a moment of the recording (`elapsed_ms` from the first segment's start)."""

    __tablename__ = "marks"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True, default=new_id)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), index=True)
    kind: Mapped[str] = mapped_column(String(40))
    elapsed_ms: Mapped[int]
    at: Mapped[datetime]
    title: Mapped[str] = mapped_column(String(200))
    details: Mapped[dict[str, Json]]

    __table_args__ = (CheckConstraint("elapsed_ms >= 0", name="elapsed_not_negative"),)


HOST_ABSENT = "host_absent"
"""The kind of mark that says that a hearing ended because its host never came back."""


class Recording(Base):
    """The recording of a session. `directory` is a name below the recordings' root, never a path."""

    __tablename__ = "recordings"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True, default=new_id)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), unique=True)
    state: Mapped[RecordingState] = mapped_column(stored_enum(RecordingState), default=RecordingState.RECORDING)
    directory: Mapped[str] = mapped_column(String(100))
    begun_at: Mapped[datetime]
    sealed_at: Mapped[datetime | None]
    manifest_digest: Mapped[str | None] = mapped_column(String(DIGEST))
    duration_ms: Mapped[int | None]

    __table_args__ = (
        CheckConstraint("(state = 'sealed') = (manifest_digest IS NOT NULL)", name="sealed_has_manifest"),
    )


class PlaybackFile(Base):
    """A file derived from the journal for playing one seat's picture and sound; it can be made again."""

    __tablename__ = "playback_files"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True, default=new_id)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), index=True)
    seat_id: Mapped[str] = mapped_column(ForeignKey("seats.id"))
    path: Mapped[str] = mapped_column(String(200))
    starts_ms: Mapped[int]
    duration_ms: Mapped[int]
    has_video: Mapped[bool]
    has_audio: Mapped[bool]

    __table_args__ = (UniqueConstraint("session_id", "seat_id"),)


class Message(Base):
    """A word left for the host, concealed because people write anything into it."""

    __tablename__ = "messages"

    id: Mapped[str] = mapped_column(String(ID), primary_key=True, default=new_id)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"), index=True)
    seat_id: Mapped[str] = mapped_column(ForeignKey("seats.id"))
    at: Mapped[datetime]
    text_concealed: Mapped[bytes] = mapped_column(LargeBinary)
