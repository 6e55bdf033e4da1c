"""A media plane that relays nothing and remembers everything, and a record that lives in memory."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from records.clock import SteadyClock
from records.journal import JournalWriter
from records.refusals import Refusal
from signaling.lines import Lines
from signaling.media.events import (
    LinkConnected,
    MediaEvent,
    MediaRefused,
    Moment,
    OfferReady,
    Still,
    StillUnavailable,
)
from signaling.messages import Json
from signaling.ports import Opening, SeatCard
from signaling.recess import Recess
from signaling.trouble import Interruption
from signaling.words import Word

NOON = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)


@dataclass
class FakeHearing:
    """What the fake media plane knows of one hearing."""

    journal: JournalWriter
    seats: dict[str, int] = field(default_factory=dict)
    """Seat to its outstanding offer."""
    muted: set[str] = field(default_factory=set)
    paused: bool = False


class FakeMediaPlane:
    """Stands in for `signaling.media.pool.MediaPool`; `fail` names methods that are to raise."""

    def __init__(self) -> None:
        self.on_event: Callable[[MediaEvent], None] = lambda event: None
        self.hearings: dict[str, FakeHearing] = {}
        self.calls: list[tuple[str, ...]] = []
        self.journaled: list[Mapping[str, Json]] = []
        self.fail: dict[str, Exception] = {}
        self.watching: set[str] = set()
        """Seats that were added as ones that only watch."""
        self._offers = 0

    def heard(self, hearing_id: str) -> set[str]:
        """Return who can be seen, heard and recorded."""
        return set(self.hearings[hearing_id].seats) if hearing_id in self.hearings else set()

    def forget_links(self, hearing_id: str) -> None:
        """Be as another worker that has taken the hearing over."""
        self.hearings[hearing_id].seats.clear()
        self.hearings[hearing_id].muted.clear()

    async def open_hearing(self, hearing_id: str, directory: Path, *, paused: bool = False) -> None:
        self._called("open_hearing", hearing_id)
        if hearing_id in self.hearings:
            raise MediaRefused("hearing_open")
        journal = await asyncio.to_thread(JournalWriter.open, directory, hearing_id, clock=SteadyClock())
        self.hearings[hearing_id] = FakeHearing(journal, paused=paused)

    async def close_hearing(self, hearing_id: str) -> None:
        self._called("close_hearing", hearing_id)
        hearing = self._hearing(hearing_id)
        del self.hearings[hearing_id]
        await asyncio.to_thread(hearing.journal.close)
        if "closing" in self.fail:
            raise self.fail["closing"]

    async def record_again(self, hearing_id: str) -> None:
        self._called("record_again", hearing_id)

    async def add_participant(self, hearing_id: str, seat_id: str, *, publishes: bool = True) -> None:
        self._called("add_participant", hearing_id, seat_id)
        if not publishes:
            self.watching.add(seat_id)
        self._offers += 1
        self._hearing(hearing_id).seats[seat_id] = self._offers
        self.on_event(OfferReady(hearing_id, seat_id, self._offers, "v=0 offer", {"0": seat_id, "1": seat_id}))

    async def take_answer(self, hearing_id: str, seat_id: str, offer_id: int, sdp: str) -> None:
        self._called("take_answer", hearing_id, seat_id)
        if self._hearing(hearing_id).seats.get(seat_id) != offer_id:
            raise MediaRefused("answer_stale")
        if not sdp.startswith("v=0"):
            raise MediaRefused("answer_unreadable")
        self.on_event(LinkConnected(hearing_id, seat_id))

    async def remove_participant(self, hearing_id: str, seat_id: str) -> None:
        self._called("remove_participant", hearing_id, seat_id)
        if self._hearing(hearing_id).seats.pop(seat_id, None) is None:
            raise MediaRefused("seat_unknown")

    async def set_muted(self, hearing_id: str, seat_id: str, muted: bool) -> None:
        self._called("set_muted", hearing_id, seat_id, str(muted))
        muted_seats = self._hearing(hearing_id).muted
        (muted_seats.add if muted else muted_seats.discard)(seat_id)

    async def set_paused(self, hearing_id: str, paused: bool) -> None:
        self._called("set_paused", hearing_id, str(paused))
        self._hearing(hearing_id).paused = paused

    async def take_still(self, hearing_id: str, seat_id: str, *, timeout_s: float) -> Still:
        self._called("take_still", hearing_id, seat_id)
        if seat_id not in self.heard(hearing_id):
            raise StillUnavailable("no_camera")
        return Still(b"jpeg", 640, 480, 1000, NOON)

    async def record_event(self, hearing_id: str, event: Mapping[str, Json]) -> Moment:
        self._called("record_event", hearing_id)
        self.journaled.append(event)
        position = self._hearing(hearing_id).journal.write_event(event)
        return Moment(position.elapsed_ms, position.at)

    def position(self, hearing_id: str) -> Moment | None:
        hearing = self.hearings.get(hearing_id)
        if hearing is None:
            return None
        position = hearing.journal.position()
        return Moment(position.elapsed_ms, position.at)

    def _hearing(self, hearing_id: str) -> FakeHearing:
        if hearing_id not in self.hearings:
            raise MediaRefused("hearing_unknown")
        return self.hearings[hearing_id]

    def _called(self, name: str, *arguments: str) -> None:
        self.calls.append((name, *arguments))
        if name in self.fail:
            raise self.fail[name]


@dataclass
class HearingOnRecord:
    """One hearing, as the record in memory has it."""

    phase: str = "waiting"
    started_at: datetime | None = None
    admitted: set[str] = field(default_factory=set)
    present: set[str] = field(default_factory=set)
    recess: Recess | None = None
    words: list[Word] = field(default_factory=list)


@dataclass
class Gate:
    """Holds whoever comes until it is opened."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)


class MemoryProceedings:
    """The record, in memory; it outlives a hub as the database outlives a server. `fail` names methods to refuse."""

    def __init__(self) -> None:
        self.hearings: dict[str, HearingOnRecord] = {}
        self.happened: list[tuple[str, ...]] = []
        self.fail: dict[str, Exception] = {}
        self.lines: list[Lines] = []
        self.interruptions: list[Interruption] = []
        self._changed = asyncio.Condition()
        self.held: dict[str, Gate] = {}
        """Methods that are to wait at a gate."""

    async def opening(self, hearing_id: str) -> Opening:
        await self._note("opening", hearing_id)
        if hearing_id == "unknown":
            raise Refusal("hearing_unknown")
        hearing = self.hearings.setdefault(hearing_id, HearingOnRecord())
        cards = (SeatCard("gao", "applicant", "高某", "申请人"), SeatCard("li", "host", "李检察官", "主持人"))
        phase = "in_session" if hearing.phase == "in_session" else "ended" if hearing.phase == "ended" else "waiting"
        admitted = frozenset(hearing.admitted)
        words = tuple(hearing.words)
        return Opening(phase, hearing.started_at, admitted, cards, hearing.recess, words)  # type: ignore[arg-type]

    async def entered(self, hearing_id: str, seat_id: str) -> None:
        await self._note("entered", seat_id)
        self.hearings[hearing_id].present.add(seat_id)

    async def left(self, hearing_id: str, seat_id: str, reason: str) -> None:
        await self._note("left", seat_id, reason)
        self.hearings[hearing_id].present.discard(seat_id)

    async def started(self, hearing_id: str, by: str) -> None:
        await self._note("started", by)
        self.hearings[hearing_id].phase = "in_session"
        self.hearings[hearing_id].started_at = NOON

    async def admitted(self, hearing_id: str, by: str, seat_id: str) -> None:
        await self._note("admitted", by, seat_id)
        self.hearings[hearing_id].admitted.add(seat_id)

    async def sent_back(self, hearing_id: str, by: str, seat_id: str) -> None:
        await self._note("sent_back", by, seat_id)
        self.hearings[hearing_id].admitted.discard(seat_id)

    async def paused(self, hearing_id: str, by: str, reason: str, elapsed_ms: int) -> None:
        await self._note("paused", by, reason)
        self.hearings[hearing_id].recess = Recess(NOON, by, reason)

    async def resumed(self, hearing_id: str, by: str, elapsed_ms: int) -> None:
        await self._note("resumed", by)
        self.hearings[hearing_id].recess = None

    async def said(self, hearing_id: str, seat_id: str, text: str, at: datetime) -> int:
        await self._note("said", seat_id, text)
        words = self.hearings[hearing_id].words
        words.append(Word(len(words) + 1, seat_id, seat_id, text, at, to_all=seat_id == "li"))
        return len(words)

    async def troubled(self, hearing_id: str, error: str, saved_ms: int | None) -> None:
        await self._note("troubled", error, str(saved_ms))

    async def interrupted(self, hearing_id: str, interruption: Interruption) -> None:
        await self._note("interrupted", interruption.error, str(interruption.lost))
        self.interruptions.append(interruption)

    async def measured(self, hearing_id: str, lines: Lines) -> None:
        await self._note("measured", *sorted(lines))
        self.lines.append(lines)

    async def running(self) -> tuple[str, ...]:
        return tuple(name for name, hearing in self.hearings.items() if hearing.phase == "in_session")

    async def ended(self, hearing_id: str, by: str | None, elapsed_ms: int | None) -> None:
        await self._note("ended", by or "nobody", "with" if elapsed_ms is not None else "without")
        self.hearings[hearing_id].phase = "ended"

    async def refused(self, hearing_id: str, seat_id: str, code: str) -> None:
        await self._note("refused", seat_id, code)

    async def _note(self, name: str, *details: str) -> None:
        if name in self.held:
            self.held[name].reached.set()
            await self.held[name].open.wait()
        if name in self.fail:
            raise self.fail[name]
        self.happened.append((name, *details))
        async with self._changed:
            self._changed.notify_all()

    async def until(self, *entry: str) -> None:
        """Wait until this has happened."""
        async with asyncio.timeout(15), self._changed:
            await self._changed.wait_for(lambda: entry in self.happened)


class FolderJournals:
    """A folder for journals."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def directory(self, hearing_id: str) -> Path:
        return self.root / hearing_id

    def prepare(self, hearing_id: str) -> None:
        self.directory(hearing_id).mkdir(parents=True, exist_ok=True)
