"""The simulated applicant: comes by an invitation, walks the pages, joins the hearing, plays her part, leaves."""

from __future__ import annotations

import asyncio
import enum
import logging
from dataclasses import dataclass, field
from functools import partial

import aiohttp

from web.simulator.acting import Gesture, act_on
from web.simulator.connection import Closed, RoomConnection, Shown
from web.simulator.media import Link, prepare
from web.simulator.performance import Performance
from web.simulator.signature import write_signature
from web.simulator.visit import CONSENTS, Confirmation, Visit, VisitRefused, patiently
from web.simulator.voice import Utterance

log = logging.getLogger(__name__)

_HESITATE_S = 1.2
"""A person's pause before answering."""
_READ_S = 4.0
"""How long she reads what is asked of her."""


@dataclass(frozen=True, slots=True)
class Options:
    """How she behaves. Times are seconds.

    ``pauses``: wait as a person does, or answer at once (tests). ``refuse``: object to the account instead of
    confirming. ``drop_after_s``: cut the socket once, so long after she was admitted. ``lifetime_s``: go after this
    time whatever happens. ``insecure``: accept a self-signed certificate. ``move_here``: take the seat over from
    another device.
    """

    pauses: bool = True
    refuse: bool = False
    drop_after_s: float | None = None
    lifetime_s: float = 3 * 3600
    insecure: bool = False
    move_here: bool = True


class Outcome(enum.Enum):
    """How the visit ended."""

    ENDED = "ended"
    LEFT = "left"
    MOVED = "moved"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    LIFETIME_OVER = "lifetime_over"


_WORDS = {
    Outcome.ENDED: "接访已经结束",
    Outcome.LEFT: "已离开接访",
    Outcome.MOVED: "席位已转到别处，这里已停止",
    Outcome.REFUSED: "没有进去",
    Outcome.UNREACHABLE: "连不上服务",
    Outcome.LIFETIME_OVER: "到了预定的时间，已自行离开",
}
_BY_REASON = {"ended": Outcome.ENDED, "host_absent": Outcome.ENDED, "left": Outcome.LEFT, "moved": Outcome.MOVED}


@dataclass(slots=True)
class Report:
    """What happened. ``told`` is what the server said when it refused."""

    outcome: Outcome = Outcome.LEFT
    told: str = ""
    session_id: str = ""
    admitted: bool = False
    confirmed: bool = False
    signed: bool = False
    objected: bool = False
    reconnects: int = 0
    said: list[Utterance] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        """Whether the hearing took its course, from the applicant's side."""
        return self.outcome in (Outcome.ENDED, Outcome.LEFT)

    @property
    def sentence(self) -> str:
        """What happened in one Chinese line, for the command line and the log."""
        done = [
            word
            for word, true in (
                ("已被请入", self.admitted),
                ("已确认数额和账号", self.confirmed),
                ("已签名", self.signed),
                ("已提出异议", self.objected),
                (f"中途重新接上 {self.reconnects} 次", self.reconnects > 0),
            )
            if true
        ]
        head = f"模拟申请人：{_WORDS[self.outcome]}"
        return "；".join([f"{head}（{self.told.rstrip('。')}）" if self.told else head, *done]) + "。"


async def run(url: str, id_tail: str, *, options: Options | None = None) -> Report:
    """Visit the hearing that the invitation ``url`` is for, until it ends; return what happened.

    Cancelling makes her leave and go. Nothing is raised for what a server or a network may do.
    """
    options = options or Options()
    report = Report()
    await asyncio.to_thread(prepare)
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"User-Agent": "jiefang-simulated-applicant"}) as http:
        visit = Visit(http, url, insecure=options.insecure)
        try:
            async with asyncio.timeout(options.lifetime_s) as lifetime:
                await _Applicant(visit, id_tail, options, report).attend()
        except VisitRefused as refused:
            report.outcome, report.told = Outcome.REFUSED, refused.sentence
        except (aiohttp.ClientError, TimeoutError) as error:
            log.info("the visit ended: %r", error)
            report.outcome = Outcome.LIFETIME_OVER if lifetime.expired() else Outcome.UNREACHABLE
    return report


class _Applicant:
    """One visit. What the room shows arrives by ``_room_changed``; what takes time happens in ``_act``, one by one.

    Between the two there is no queue: the newest prompt and the wish to look at the confirmation are remembered, and
    whatever was overtaken is left out.
    """

    def __init__(self, visit: Visit, id_tail: str, options: Options, report: Report) -> None:
        self._visit = visit
        self._id_tail = id_tail
        self._options = options
        self._report = report
        self._performance = Performance()
        self._wake = asyncio.Event()
        self._prompt = ""
        self._prompt_acted = ""
        self._greet = False
        self._look_at_confirmation = False

    async def attend(self) -> None:
        """Enter, consent, stay until the connection is closed for good."""
        hearing = await self._visit.enter(self._id_tail, move_here=self._options.move_here)
        self._report.session_id = hearing.session_id
        for kind in CONSENTS:
            if kind not in hearing.consents:
                await self._pause(_READ_S)
                await patiently(partial(self._visit.consent, kind))
        link = Link(self._performance, on_broken=lambda: connection.cut())
        connection = RoomConnection(
            self._visit,
            f"/ws/hearings/{hearing.session_id}",
            link,
            on_room=self._room_changed,
            on_confirmation=self._confirmation_changed,
            takeover=self._options.move_here,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                acting = tasks.create_task(self._act())
                dropping = tasks.create_task(self._drop(connection))
                closed = await connection.stay()
                acting.cancel()
                dropping.cancel()
        finally:
            self._report.reconnects = connection.reconnects
            await link.close()
        self._conclude(closed)

    def _conclude(self, closed: Closed) -> None:
        self._report.outcome = _BY_REASON.get(closed.reason, Outcome.REFUSED)
        if self._report.outcome is Outcome.REFUSED:
            self._report.told = closed.told

    def _room_changed(self, shown: Shown) -> None:
        if shown.in_call and not self._report.admitted:
            self._report.admitted = True
            self._greet = self._look_at_confirmation = True
        if shown.in_call and shown.prompt != self._prompt:
            self._prompt = shown.prompt
        if shown.came_back and self._report.admitted:
            # A notice may have been missed while the line was broken.
            self._look_at_confirmation = True
        self._wake.set()

    def _confirmation_changed(self) -> None:
        self._look_at_confirmation = True
        self._wake.set()

    async def _act(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._greet:
                self._greet = False
                await self._pause(_HESITATE_S)
                await self._say(Utterance.GREETING)
            if self._prompt != self._prompt_acted:
                self._prompt_acted = self._prompt
                await self._follow(self._prompt)
            if self._look_at_confirmation:
                self._look_at_confirmation = False
                await self._answer_confirmation()

    async def _follow(self, prompt: str) -> None:
        """Do what the host's prompt asks."""
        act = act_on(prompt)
        await self._pause(_HESITATE_S)
        now_s = asyncio.get_running_loop().time()
        if act.gesture is not Gesture.NONE and act.gesture is not Gesture.TURN:
            self._performance.show_card(act.gesture.card, now_s)
        if act.gesture in (Gesture.TURN, Gesture.SHOW_FRONT_AND_TURN):
            self._performance.turn_head(now_s)
        if act.gesture is Gesture.SHOW_FRONT_AND_COVER:
            self._performance.cover_photograph(now_s)
        if act.utterance is not None:
            await self._say(act.utterance)

    async def _answer_confirmation(self) -> None:
        """Look at what is to be confirmed, and confirm and sign, or object."""
        try:
            shown = await patiently(self._visit.confirmation)
            if shown.state == "asked":
                self._performance.show_card(None, asyncio.get_running_loop().time())
                await self._pause(_READ_S)
                await (self._object() if self._options.refuse else self._confirm(shown))
            elif shown.state == "confirmed":
                # The answer to her confirming was lost on the way, or she came back between confirming and signing.
                self._report.confirmed = True
                await self._sign()
        except VisitRefused as refused:
            # The host may have taken the request back meanwhile; the next notice brings her here again.
            log.info("the confirmation was refused: %s %s", refused.code, refused.sentence)
        except (aiohttp.ClientError, TimeoutError) as error:
            log.info("the confirmation was not reached: %r", error)
            # Coming back to the room, or the next notice, brings her here again.

    async def _confirm(self, shown: Confirmation) -> None:
        await self._say(Utterance.AGREE)
        await patiently(partial(self._visit.confirm, shown))
        self._report.confirmed = True
        await self._sign()

    async def _sign(self) -> None:
        signature = write_signature()
        await self._pause(signature.duration_s)
        await patiently(partial(self._visit.sign, signature))
        self._report.signed = True
        await self._say(Utterance.SIGNED)

    async def _object(self) -> None:
        await self._say(Utterance.OBJECT)
        await patiently(partial(self._visit.raise_objection, "wrong_account", "账号不是我现在用的这一个。"))
        self._report.objected = True

    async def _say(self, utterance: Utterance) -> None:
        seconds = self._performance.say(utterance)
        if seconds:
            self._report.said.append(utterance)
        await self._pause(seconds)

    async def _pause(self, seconds: float) -> None:
        if self._options.pauses:
            await asyncio.sleep(seconds)

    async def _drop(self, connection: RoomConnection) -> None:
        if self._options.drop_after_s is None:
            return
        await connection.admitted.wait()
        await asyncio.sleep(self._options.drop_after_s)
        connection.cut()
