"""Does what a room wants done, of the record and the media plane: in bounded time, and reports how it went."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

from records.clock import Clock
from records.refusals import Refusal
from signaling.alarms import at_the_end
from signaling.effects import (
    AddToMedia,
    CloseMedia,
    EndSession,
    Errand,
    OpenMedia,
    RecordAdmission,
    RecordAgain,
    RecordDeparture,
    RecordEntry,
    RecordInterruption,
    RecordLines,
    RecordRefusal,
    RecordSendingBack,
    RecordTrouble,
    RecordWord,
    RemoveFromMedia,
    SetMuted,
    StartSession,
    TakeAnswer,
    WriteJournal,
)
from signaling.events import (
    ActionFailed,
    AddingFailed,
    AdmissionFailed,
    EndingFailed,
    InterruptionRecorded,
    MediaOpened,
    Outcome,
    SeatAdmitted,
    SeatSentBack,
    SessionEnded,
    SessionStarted,
    TroubleArose,
    WordRecorded,
)
from signaling.hearing_log import HearingLog
from signaling.media.events import MediaRefused
from signaling.ports import MediaPlane, Ports
from signaling.recess import BeginRecess, EndRecess, Recess, RecessBegan, RecessEnded, RecessFailed, SetPaused
from signaling.settings import HubSettings
from signaling.state import Room

MEDIA_CODES = frozenset({"answer_stale", "seats_full"})
"""What the media plane refuses that means something here or to people; the rest is for the log."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Something could not be done, for a reason with a stable code."""

    code: str
    params: Mapping[str, str | int] = field(default_factory=dict)


class Performer:
    """One room's hands. What it does it does in the order asked, one thing at a time."""

    def __init__(
        self,
        hearing_id: str,
        media: MediaPlane,
        ports: Ports,
        settings: HubSettings,
        clock: Clock,
        log: HearingLog,
    ) -> None:
        self.hearing_id = hearing_id
        self._media = media
        self._ports = ports
        self._settings = settings
        self._clock = clock
        self._log = log

    async def perform(self, effect: Errand, room: Room) -> list[Outcome]:
        """Do what a room wants done, and report how that went if the room must know."""
        match effect:
            case RecordEntry() | RecordDeparture() | RecordLines() | RecordRefusal():
                return await self._note(effect)
            case RecordWord():
                return await self._record_word(effect)
            case RecordTrouble() | RecordInterruption() | RecordAgain():
                return await self._attend_to_trouble(effect)
            case StartSession() | RecordAdmission() | RecordSendingBack() | EndSession() | BeginRecess() | EndRecess():
                return await self._have_on_record(effect, room)
            case OpenMedia() | CloseMedia() | AddToMedia() | RemoveFromMedia() | TakeAnswer():
                return await self._use_media(effect, room)
            case SetMuted() | SetPaused() | WriteJournal():
                return await self._adjust_media(effect)
        assert_never(effect)

    async def _note(self, effect: RecordEntry | RecordDeparture | RecordLines | RecordRefusal) -> list[Outcome]:
        record = self._ports.proceedings
        match effect:
            case RecordEntry(seat_id):
                work = record.entered(self.hearing_id, seat_id)
            case RecordDeparture(seat_id, reason):
                work = record.left(self.hearing_id, seat_id, str(reason))
            case RecordLines(lines):
                work = record.measured(self.hearing_id, lines)
            case RecordRefusal(seat_id, code):
                work = record.refused(self.hearing_id, seat_id, str(code))
        failure = await self._attempt(work, "record_unavailable", effect)
        # Lines: the recording has the same; nothing that the host could do would bring it back.
        return [] if failure is None or isinstance(effect, RecordLines) else [TroubleArose("record_unavailable")]

    async def _record_word(self, effect: RecordWord) -> list[Outcome]:
        said: list[Outcome] = []

        async def work() -> None:
            number = await self._ports.proceedings.said(self.hearing_id, effect.seat_id, effect.text, effect.at)
            said.append(WordRecorded(number, effect.seat_id, effect.text, effect.at))

        failure = await self._attempt(work(), "record_unavailable", effect)
        return said if failure is None else [ActionFailed(effect.seat_id, failure.code, failure.params)]

    async def _attend_to_trouble(self, effect: RecordTrouble | RecordInterruption | RecordAgain) -> list[Outcome]:
        record = self._ports.proceedings
        match effect:
            case RecordTrouble(error, saved_ms):
                # The disk that the record lies on may be the same: what is not kept now is, with the interruption.
                await self._attempt(record.troubled(self.hearing_id, error, saved_ms), "record_unavailable", effect)
                return []
            case RecordInterruption(interruption):
                work = record.interrupted(self.hearing_id, interruption)
                failure = await self._attempt(work, "record_unavailable", effect)
                return [InterruptionRecorded(interruption)] if failure is None else []
            case RecordAgain(by):
                failure = await self._attempt(self._record_again(), "recording_still_down", effect)
                return [] if failure is None else [ActionFailed(by, failure.code, failure.params)]
        assert_never(effect)

    async def _record_again(self) -> None:
        async with asyncio.timeout(self._settings.again_timeout_s):
            await asyncio.to_thread(self._ports.journals.prepare, self.hearing_id)
            await self._media.record_again(self.hearing_id)

    async def _have_on_record(
        self,
        effect: StartSession | RecordAdmission | RecordSendingBack | EndSession | BeginRecess | EndRecess,
        room: Room,
    ) -> list[Outcome]:
        record = self._ports.proceedings
        by: str | None
        done: Outcome
        undone: list[Outcome] = []
        match effect:
            case StartSession(admission):
                by = admission.by
                work = record.started(self.hearing_id, by)
                done = SessionStarted(admission, self._clock.now())
                undone = [AdmissionFailed(admission)]
            case RecordAdmission(by, seat_id):
                work = record.admitted(self.hearing_id, by, seat_id)
                done = SeatAdmitted(by, seat_id)
            case RecordSendingBack(by, seat_id):
                work = record.sent_back(self.hearing_id, by, seat_id)
                done = SeatSentBack(by, seat_id)
            case EndSession(by):
                work = self._end(by, room)
                done = SessionEnded(by)
                undone = [EndingFailed()]
            case BeginRecess(recess):
                by = recess.by
                work = self._begin_recess(recess, room)
                done = RecessBegan(recess)
                undone = [RecessFailed()]
            case EndRecess(by):
                work = record.resumed(self.hearing_id, by, self._elapsed_ms(room))
                done = RecessEnded(by)
        failure = await self._attempt(work, "record_unavailable", effect)
        if failure is None:
            return [done]
        return undone if by is None else [*undone, ActionFailed(by, failure.code, failure.params)]

    async def _begin_recess(self, recess: Recess, room: Room) -> None:
        await self._media.set_paused(self.hearing_id, True)
        await self._ports.proceedings.paused(self.hearing_id, recess.by, recess.reason, self._elapsed_ms(room))

    def _elapsed_ms(self, room: Room) -> int:
        position = self._media.position(self.hearing_id)
        return (room.elapsed_ms or 0) if position is None else position.elapsed_ms

    async def _end(self, by: str | None, room: Room) -> None:
        position = self._media.position(self.hearing_id)
        unwritten = False
        if position is not None:
            try:
                await self._media.close_hearing(self.hearing_id)
            except MediaRefused as refused:
                if refused.code != "journal_unwritten":
                    raise
                # It is written as soon as the disk takes it, and sealed then.
                unwritten = True
            interruption = at_the_end(room, position.elapsed_ms, unwritten=unwritten)
            if interruption is not None:
                await self._ports.proceedings.interrupted(self.hearing_id, interruption)
        await self._ports.proceedings.ended(self.hearing_id, by, None if position is None else position.elapsed_ms)

    async def _use_media(
        self, effect: OpenMedia | CloseMedia | AddToMedia | RemoveFromMedia | TakeAnswer, room: Room
    ) -> list[Outcome]:
        media = self._media
        match effect:
            case OpenMedia(admission):
                directory = self._ports.journals.directory(self.hearing_id)
                work = media.open_hearing(self.hearing_id, directory, paused=room.recess is not None)
                failure = await self._attempt(work, "recording_unavailable", effect)
                if failure is not None:
                    undone = [] if admission is None else [AdmissionFailed(admission)]
                    return [*undone, TroubleArose("recording_unavailable", at=self._clock.now())]
                position = media.position(self.hearing_id)
                return [MediaOpened(None if position is None else position.elapsed_ms, self._clock.now())]
            case CloseMedia():
                failure = await self._attempt(media.close_hearing(self.hearing_id), "recording_trouble", effect)
                return [] if failure is None else [TroubleArose("recording_trouble")]
            case AddToMedia(seat_id):
                failure = await self._attempt(self._add(effect), "media_unavailable", effect)
                return [] if failure is None else [AddingFailed(seat_id, failure.code)]
            case RemoveFromMedia(seat_id):
                work = media.remove_participant(self.hearing_id, seat_id)
                failure = await self._attempt(work, "media_unavailable", effect)
                return [] if failure is None else [TroubleArose("media_unavailable", {"seat_id": seat_id})]
            case TakeAnswer(seat_id, offer_id, sdp):
                work = media.take_answer(self.hearing_id, seat_id, offer_id, sdp)
                failure = await self._attempt(work, "media_unavailable", effect)
                # A newer offer overtook this answer on its way. The browser answers that one next.
                if failure is None or failure.code == "answer_stale":
                    return []
                return [ActionFailed(seat_id, failure.code, {"seat_id": seat_id})]
        assert_never(effect)

    async def _add(self, effect: AddToMedia) -> None:
        await self._media.add_participant(self.hearing_id, effect.seat_id, publishes=effect.publishes)
        await self._media.set_muted(self.hearing_id, effect.seat_id, effect.muted)

    async def _adjust_media(self, effect: SetMuted | SetPaused | WriteJournal) -> list[Outcome]:
        match effect:
            case SetMuted(seat_id, muted):
                work = self._media.set_muted(self.hearing_id, seat_id, muted)
                failure = await self._attempt(work, "media_unavailable", effect)
                return [] if failure is None else [TroubleArose("media_unavailable", {"seat_id": seat_id})]
            case SetPaused(paused):
                work = self._media.set_paused(self.hearing_id, paused)
                failure = await self._attempt(work, "recording_unavailable", effect)
                return [] if failure is None else [TroubleArose("recording_unavailable", at=self._clock.now())]
            case WriteJournal(mapping):
                failure = await self._attempt(
                    self._media.record_event(self.hearing_id, mapping), "recording_trouble", effect
                )
                return [] if failure is None else [TroubleArose("recording_trouble")]
        assert_never(effect)

    async def _attempt(self, work: Awaitable[object], otherwise: str, effect: Errand) -> Failure | None:
        """Wait, bounded, for `work`; a Refusal fails with its own code, all else with `otherwise`."""
        closes = isinstance(effect, EndSession | CloseMedia)
        try:
            async with asyncio.timeout(self._settings.close_timeout_s if closes else self._settings.port_timeout_s):
                await work
        except Refusal as refusal:
            self._log.info("refused", wanted=type(effect).__name__, code=refusal.code)
            return Failure(refusal.code, refusal.params)
        except MediaRefused as refusal:
            self._log.info("refused", wanted=type(effect).__name__, code=refusal.code)
            return Failure(refusal.code if refusal.code in MEDIA_CODES else otherwise)
        except Exception as error:
            self._log.failed(type(effect).__name__, error)
            return Failure(otherwise)
        return None
