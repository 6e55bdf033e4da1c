"""Decides on recesses: who is shown what, and what stops and goes on. Pure functions of the room."""

from dataclasses import replace
from datetime import datetime

from signaling.effects import Effect, OpenMedia
from signaling.recess import BeginRecess, EndRecess, Recess, RecessBegan, RecessEnded, RecessFailed, SetPaused
from signaling.state import Place, Room
from signaling.steps import Decision, journal, refuse, show


def pause(room: Room, host: Place, reason: str, at: datetime) -> list[Effect]:
    """The host wants a recess. Nothing changes for anybody before it has begun."""
    if room.phase == "waiting":
        return refuse(host, "hearing_not_started")
    if room.recess is not None:
        return []
    if not room.recording:
        return refuse(host, "recording_unavailable")
    return [BeginRecess(Recess(at, host.seat_id, reason.strip()))]


def resume(room: Room, host: Place) -> list[Effect]:
    """The host wants the recess to end. Nobody is heard unrecorded: first the recording must run again."""
    if room.recess is None:
        return []
    if not room.recording:
        return [*refuse(host, "recording_unavailable"), OpenMedia()]
    return [EndRecess(host.seat_id)]


def outcome(room: Room, event: RecessBegan | RecessEnded | RecessFailed) -> Decision:
    """Show everybody that the hearing rests or goes on, once it is so."""
    match event:
        case RecessBegan(recess):
            room = replace(room, recess=recess)
            return room, [*show(room), *journal(room, "HearingPaused", by=recess.by, reason=recess.reason)]
        case RecessEnded(by):
            room = replace(room, recess=None)
            return room, [SetPaused(False), *journal(room, "HearingResumed", by=by), *show(room)]
        case RecessFailed():
            return room, [SetPaused(False)] if room.recording else []
