"""The picture of everybody (an MP4 for handing out): asked for, in the making, there.

It is made after every hearing and again whenever asked, one at a time, in a process of its own (`web.composing`). What
is asked for stands in the outbox: after a stop or a crash it is begun anew.
"""

import asyncio
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from records import outbox
from records.actors import system_actor
from records.clock import Clock
from records.database import Database
from records.manifests import MANIFEST
from records.outbox import Letter, LetterState, Standing
from records.refusals import Refusal
from records.shelf import MAKING, Shelf
from records.signing import SigningKey
from sessions.queries import SeatFile, SessionFile, session_file
from sessions.recordings import note_composite_made
from sessions.seats import SeatRole
from web.composing import DISK_FULL, Made, Order, Tiled
from web.settings import Settings
from web.state_texts import SEAT_ROLES

log = logging.getLogger(__name__)

MAKE_PLAYBACK = "make_playback"
MAKE_COMPOSITE = "make_composite"
LEASE_S = 24 * 3600.0
"""A whole day of hearing takes some hours."""
FILE = "composite.mp4"
COMPOSER = system_actor("composer")
COMMAND = (sys.executable, "-m", "web.composing")
_HOME = Path(__file__).parents[1]


class DiskFull(Exception):
    """There was no room for the file."""


class NotMade(Exception):
    """The process that makes it came to another end; its log says which."""


class State(StrEnum):
    """How the picture of everybody stands."""

    NONE = "none"
    """Never asked for: of a hearing from before there was one."""
    WAITING = "waiting"
    MAKING = "making"
    MADE = "made"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class View:
    """What a page says of it. `there`: it can be downloaded, also while it is made anew."""

    state: State
    percent: int
    disk_full: bool
    there: bool

    @property
    def busy(self) -> bool:
        """Tell whether it will change by itself."""
        return self.state in (State.WAITING, State.MAKING)


class _Span(BaseModel):
    from_ms: int
    to_ms: int


class _Segment(BaseModel):
    started_at_us: int


class _Manifest(BaseModel):
    """What is needed of a sealed recording's manifest; it is there also when the recording was deleted in order."""

    duration_ms: int
    gaps: tuple[_Span, ...]
    recesses: tuple[_Span, ...] = ()
    segments: tuple[_Segment, ...]


@dataclass(slots=True)
class Composer:
    """Makes pictures of everybody, and knows how far they are."""

    database: Database
    settings: Settings
    shelf: Shelf
    key: SigningKey
    clock: Clock
    percents: dict[str, int] = field(default_factory=dict)

    async def make(self, letter: Letter) -> None:
        """Do what a letter asks for. Raises DiskFull, NotMade, and whatever keeps the recording from being read."""
        session_id = str(letter.payload["session_id"])
        self.percents[session_id] = 0
        try:
            order = await self._order(session_id)
            if order is None:
                return  # what it would be made of was deleted meanwhile
            made = await self._run(order)
            try:
                async with self.database.begin() as db:
                    await note_composite_made(
                        db, COMPOSER, session_id, sha256=made.sha256, size=made.size, clock=self.clock
                    )
            except Refusal:
                order.target.unlink(missing_ok=True)
        finally:
            self.percents.pop(session_id, None)

    async def _order(self, session_id: str) -> Order | None:
        async with self.database.read() as db:
            file = await session_file(db, session_id)
        if not file.playback:
            return None
        return await asyncio.to_thread(self._written_order, file)

    def _written_order(self, file: SessionFile) -> Order:
        session_id = file.session.id
        journal = self.settings.journals / (file.recording.directory if file.recording else session_id)
        paths = {made.seat_id: made.path for made in file.playback}
        (self.shelf.root / MAKING).mkdir(exist_ok=True, mode=0o700)
        public = self.shelf.prepare(session_id, self.key)
        manifest = _Manifest.model_validate_json((journal / MANIFEST).read_bytes())
        return Order(
            shelf=self.shelf.root,
            making=self.shelf.root / MAKING,
            session_id=session_id,
            private=self.shelf.key(session_id).private,
            public=public,
            target=self.shelf.place(f"{session_id}/{FILE}"),
            number=file.session.number,
            started_at=_instant(min(one.started_at_us for one in manifest.segments if one.started_at_us)),
            duration_ms=manifest.duration_ms,
            gaps=tuple((gap.from_ms, gap.to_ms) for gap in manifest.gaps),
            recesses=tuple((recess.from_ms, recess.to_ms) for recess in manifest.recesses),
            people=tuple(Tiled(name=_label(entry), path=paths.get(entry.seat.id)) for entry in _shown(file, paths)),
        )

    async def _run(self, order: Order) -> Made:
        # In a session of its own: Ctrl-C in the terminal is ours to answer.
        process = await asyncio.create_subprocess_exec(
            *COMMAND, stdin=PIPE, stdout=PIPE, cwd=_HOME, start_new_session=True
        )
        try:
            last = await self._follow(process, order)
            status = await process.wait()
        finally:
            if process.returncode is None:
                # We are being stopped; what it had made so far goes with it.
                process.kill()
                await process.wait()
        if status == DISK_FULL:
            raise DiskFull
        try:
            return Made.model_validate_json(last)
        except ValidationError as error:
            raise NotMade(status) from error

    async def _follow(self, process: Process, order: Order) -> bytes:
        """Hand the order over and listen to the end; return the last line."""
        if process.stdin is None or process.stdout is None:
            raise NotMade
        process.stdin.write(order.model_dump_json().encode())
        process.stdin.close()
        last = b""
        async for line in process.stdout:
            last = line.strip()
            if last.isdigit():
                self.percents[order.session_id] = int(last)
        return last


async def ask(db: AsyncSession, session_id: str, *, clock: Clock) -> None:
    """Have the picture of everybody made (again) after this transaction commits; who waits for it already, goes on."""
    await _put(db, MAKE_COMPOSITE, session_id, clock)


async def ask_everything(db: AsyncSession, session_id: str, *, clock: Clock) -> None:
    """Have everything derived from a recording made again: playback files, and after them the picture of everybody."""
    await _put(db, MAKE_PLAYBACK, session_id, clock)


async def _put(db: AsyncSession, topic: str, session_id: str, clock: Clock) -> None:
    await outbox.put_again(db, topic, {"session_id": session_id}, key=f"{topic}/{session_id}", clock=clock)


async def view(db: AsyncSession, composer: Composer, session_id: str) -> View:
    """Return how the picture of everybody stands."""
    there = composer.shelf.holds(f"{session_id}/{FILE}")
    before = await outbox.standing_of(db, f"{MAKE_PLAYBACK}/{session_id}")
    standing = await outbox.standing_of(db, f"{MAKE_COMPOSITE}/{session_id}")
    if before is not None and before.state is not LetterState.DONE:
        # Its turn comes after the playback files.
        standing = before
    percent = composer.percents.get(session_id)
    return View(
        state=_state(standing, there=there, making=percent is not None),
        percent=percent or 0,
        disk_full=standing is not None and standing.last_error == DiskFull.__name__,
        there=there,
    )


def _state(standing: Standing | None, *, there: bool, making: bool) -> State:
    if making:
        return State.MAKING
    if standing is not None and standing.state is LetterState.WAITING:
        return State.WAITING
    if standing is not None and standing.state is LetterState.FAILED:
        return State.FAILED
    return State.MADE if there else State.NONE


def _shown(file: SessionFile, paths: Collection[str]) -> list[SeatFile]:
    """Return who has a tile: who was there to be seen and heard."""
    return [
        entry
        for entry in file.seats
        if entry.seat.id in paths or (entry.presence and entry.seat.role is not SeatRole.OBSERVER)
    ]


def _label(entry: SeatFile) -> str:
    words = [entry.seat.display_name, entry.seat.title]
    role = SEAT_ROLES[entry.seat.role]
    if role not in words:
        words.append(role)
    return " · ".join(word for word in words if word)


def _instant(us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
