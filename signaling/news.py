"""Decides what news of the media plane and of the rest of the house bring about. Pure functions of the room."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from signaling import alarms
from signaling.absence import ends_at
from signaling.effects import AddToMedia
from signaling.ending import bring_to_end, everybody_out
from signaling.events import (
    Drained,
    LinkBroke,
    LinkStood,
    Looked,
    Measured,
    MediaMoved,
    MediaStopped,
    News,
    OfferMade,
    PicturesMissed,
    RecordingSaved,
    Told,
)
from signaling.lines import (
    is_full,
    with_second,
)
from signaling.messages import (
    LinkStats,
    Notice,
    Offer,
    Refused,
    Saved,
    Stats,
)
from signaling.state import (
    Place,
    Room,
)
from signaling.steps import (
    Decision,
    everybody_in,
    keep_lines,
    send,
    show,
    without_media,
)
from signaling.trouble import (
    RecordingMended,
    RecordingTroubled,
)

MEDIA_TRIES = 5
"""How often a link that does not stand is offered afresh before only the person's coming back starts it again."""


def news(room: Room, event: News) -> Decision:
    """Return the room after news that it did not ask for."""
    match event:
        case OfferMade() | LinkStood() | LinkBroke():
            return _link_news(room, event)
        case PicturesMissed():
            return _pictures_missed(room, event)
        case Measured(people):
            return _measured(room, people)
        case RecordingSaved() | RecordingTroubled() | RecordingMended():
            return _recording_news(room, event)
        case MediaMoved():
            return _media_moved(room)
        case MediaStopped(_, at):
            return _media_stopped(room, at)
        case Told(topic, data, to):
            readers = [place for place in room.present() if place.seat_id == to or (to is None and place.admitted)]
            return room, send(readers, Notice(topic, dict(data)))
        case Looked(at):
            return _looked(room, at)
        case Drained(reason):
            return everybody_out(room, reason)
    assert_never(event)


def _looked(room: Room, at: datetime) -> Decision:
    """Begin to wait for a host, or end what has waited long enough. Who only reloads the page leaves no mark."""
    if not room.lacks_host:
        return room, []
    if room.no_host_since is None:
        room = replace(room, no_host_since=at)
        return room, show(room)
    if at < ends_at(room.no_host_since, rests=room.recess is not None):
        return room, []
    return bring_to_end(room, None)


def _recording_news(room: Room, event: RecordingSaved | RecordingTroubled | RecordingMended) -> Decision:
    match event:
        case RecordingSaved(elapsed_ms, saved_ms, at):
            room, alarmed = alarms.saved(replace(room, elapsed_ms=elapsed_ms, saved_ms=saved_ms), at)
            # Also to those who wait: it is how a page knows that its line still lives.
            return room, [*send(room.present(), Saved(elapsed_ms, saved_ms)), *alarmed]
        case RecordingTroubled():
            return alarms.troubled(room, event)
        case RecordingMended():
            return alarms.mended(room, event)
    assert_never(event)


def _media_moved(room: Room) -> Decision:
    if not room.recording:
        return room, []  # closed, or ended, meanwhile
    room, added = everybody_in(replace(alarms.orphaned(without_media(room)), recording=True))
    return room, [*show(room), *added]


def _media_stopped(room: Room, at: datetime | None) -> Decision:
    if not room.recording:
        return room, []
    room, alarmed = alarms.not_recording(without_media(room), at)
    return room, [*send(room.hosts(), Refused("recording_unavailable", {})), *alarmed]


def _measured(room: Room, people: Mapping[str, LinkStats]) -> Decision:
    told = send((place for place in room.present() if place.admitted), Stats(dict(people)))
    if not room.recording:
        return room, told
    room = replace(room, lines=with_second(room.lines, people))
    if not is_full(room.lines):
        return room, told
    room, kept = keep_lines(room)
    return room, [*told, *kept, *alarms.keep_untold(room)]


def _link_news(room: Room, event: OfferMade | LinkStood | LinkBroke) -> Decision:
    place = room.places.get(event.seat_id)
    if place is None or not place.in_media:
        return room, []  # news of a link that was dropped meanwhile
    match event:
        case OfferMade():
            return room, send([place], Offer(event.offer_id, event.sdp, dict(event.streams)))
        case LinkStood():
            room = room.with_place(replace(place, link="connected", media_tries=0))
            return room, show(room)
        case LinkBroke():
            return _link_broke(room, place)
    assert_never(event)


def _link_broke(room: Room, place: Place) -> Decision:
    again = place.media_tries < MEDIA_TRIES
    room = room.with_place(replace(place, link="lost", media_tries=place.media_tries + 1))
    effects = show(room)
    if again:
        return room, [*effects, AddToMedia(place.seat_id, place.muted, place.publishes)]
    told = [place, *(host for host in room.hosts() if host.seat_id != place.seat_id)]
    return room, [*effects, *send(told, Refused("media_unreachable", {"seat_id": place.seat_id}))]


def _pictures_missed(room: Room, event: PicturesMissed) -> Decision:
    """Show it in place of the picture; the hosts are told besides, because only they can ask for another browser."""
    before = room.unseen
    room = replace(room, unseen=dict(event.unseen))
    effects = show(room)
    for seat_id, blind in room.unseen.items():
        for by in blind:
            sender, receiver = room.places.get(seat_id), room.places.get(by)
            if by not in before.get(seat_id, ()) and sender is not None and receiver is not None:
                told = Refused("picture_unseen", {"name": sender.name, "by": receiver.name})
                effects += send(room.hosts(), told)
    return room, effects
