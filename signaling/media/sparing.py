"""Carries out how pictures are shared in one hearing (`sharing`): sees what lines carry, holds back, tells senders."""

import math
from collections.abc import Iterator
from weakref import WeakKeyDictionary

from signaling.media import rtp
from signaling.media.codecs import VP8
from signaling.media.exchange import Exchange
from signaling.media.layers import ALL, WHOLE, Parts, read_parts
from signaling.media.participant import Participant
from signaling.media.recorder import Recorder
from signaling.media.shared_state import HISTORY_MAX
from signaling.media.sharing import (
    PATIENCE_S,
    PICTURE_BPS_MIN,
    asked_bps,
    layers_for,
    lowest_bps,
    more_layers_for,
    told_bps,
)
from signaling.media.stream import Stream

LIFTED_BPS = 20_000_000
SEEN_AGAIN_S = 1.0
"""How often a picture's layers are looked at, while that matters."""
SMOOTH = 0.3


class Sparing:
    """Spares thin lines, and the others the thin lines. To be asked some ten times a second."""

    def __init__(self, exchange: Exchange, recorder: Recorder) -> None:
        self._exchange = exchange
        self._recorder = recorder
        self._parts: WeakKeyDictionary[Stream, tuple[float, Parts]] = WeakKeyDictionary()
        """When a picture's layers were last looked at, and what parts they were."""
        self._shares: dict[Participant, float] = {}

    def look(self, at: float) -> None:
        """Hold back what lines do not carry, and give back what they carry again."""
        people = [person for person in self._exchange.people.values() if person.link.connected]
        if not any(person.downlink.cap_bps is not None or person.spared for person in people):
            self._shares = {}
            return
        self._shares = {person: self._share_bps(person) for person in people}
        for person in people:
            fewer_before = person.fewer_pictures
            self._look_at_sound(person, at)
            for sender, stream in self._pictures_for(person):
                self._look_at_layers(sender, stream, person, at)
            if person.fewer_pictures != fewer_before and not person.sound_alone:
                self._tell_journal("PicturesWhole" if fewer_before else "PicturesThinned", person)

    def _tell_journal(self, event: str, person: Participant) -> None:
        self._recorder.note({"event": event, "seat_id": person.seat_id})

    def _pictures_for(self, receiver: Participant) -> Iterator[tuple[Participant, Stream]]:
        for sender in self._exchange.people.values():
            for stream in sender.streams.values():
                if sender is not receiver and stream.kind == "video" and stream.ssrc in receiver.receiving:
                    yield sender, stream

    def _share_bps(self, receiver: Participant) -> float:
        """Return what a line carries for each camera that is on: evenly, whoever is large on the screen now."""
        cap_bps = receiver.downlink.cap_bps
        if cap_bps is None:
            return math.inf
        return cap_bps / max(1, sum(sender.camera_on for sender, _ in self._pictures_for(receiver)))

    def _best_other_bps(self, stream: Stream, receiver: Participant) -> float:
        others = (other for other in self._exchange.receivers_of(stream.ssrc) if other is not receiver)
        return max((self._shares.get(other, math.inf) for other in others), default=0.0)

    def _parts_of(self, stream: Stream, at: float) -> Parts:
        if stream.payload_type != VP8:
            return WHOLE
        seen_at, parts = self._parts.get(stream, (-math.inf, WHOLE))
        if at - seen_at < SEEN_AGAIN_S:
            return parts
        seen = read_parts(_recent(stream))
        if WHOLE not in (seen, parts):
            seen = tuple(before + SMOOTH * (now - before) for before, now in zip(parts, seen, strict=True))
        self._parts[stream] = (at, seen)
        return seen

    def _look_at_sound(self, person: Participant, at: float) -> None:
        """Give a person pictures, or sound alone."""
        pictures = list(self._pictures_for(person))
        share_bps = self._shares[person]
        lowest = max(
            (lowest_bps(self._best_other_bps(each, person), self._parts_of(each, at)) for _, each in pictures),
            default=0.0,
        )
        patience_s = PATIENCE_S if lowest < PICTURE_BPS_MIN else 0.0
        if not person.pictures.look(share_bps < lowest, share_bps >= lowest, at, patience_s=patience_s):
            return
        for _, stream in pictures:
            if person.pictures.given:
                self._begin_again(person, stream, at)
            else:
                person.number_anew(stream)
        self._exchange.place_receivers()
        self._tell_journal("PicturesResumed" if person.pictures.given else "PicturesHeldBack", person)

    def _begin_again(self, person: Participant, stream: Stream, at: float) -> None:
        """Bring a picture back, carefully: of one with layers the base first."""
        if self._parts_of(stream, at) != WHOLE:
            person.give_fewer(stream, 0, at)
        if stream.ssrc in person.thinned:
            person.thinned[stream.ssrc].skip_to(stream.flow.highest)
        stream.want_keyframe()

    def _look_at_layers(self, sender: Participant, stream: Stream, person: Participant, at: float) -> None:
        """Give a person all pictures of a camera, or fewer a second."""
        if person.sound_alone:
            return
        parts, top, held = self._parts_of(stream, at), person.top_of(stream), person.fewer.get(stream.ssrc)
        lines = self._shares[person], self._best_other_bps(stream, person), sender.sends_bps
        fitting = layers_for(*lines, parts)
        if fitting < top:
            if parts != WHOLE:
                person.give_fewer(stream, fitting, at)
                self._exchange.place_receivers()
        elif held is not None and not held.given and held.may_return(at):
            more = more_layers_for(*lines, parts, top)
            if more > top:
                held.give_back(at, whole=more == ALL)
                person.thinned[stream.ssrc].top = more

    # --- What senders are told

    def tell(self, sender: Participant, at: float) -> None:
        """Tell a sender how much it may send, when that has changed."""
        cap_bps = self._told_bps(sender, at)
        if cap_bps == math.inf:
            if sender.capped_bps is not None:
                sender.capped_bps = None
                sender.link.send_rtcp(rtp.make_remb(LIFTED_BPS, sender.streams))
        elif sender.capped_bps is None or cap_bps < 0.97 * sender.capped_bps or at - sender.capped_at >= 1.0:
            sender.capped_bps = cap_bps
            sender.capped_at = at
            sender.link.send_rtcp(rtp.make_remb(min(int(cap_bps), LIFTED_BPS), sender.streams))

    def _told_bps(self, sender: Participant, at: float) -> float:
        asked, shares = [], []
        for stream in sender.streams.values():
            receivers = self._exchange.receivers_of(stream.ssrc) if stream.kind == "video" and self._shares else ()
            for receiver in receivers:
                share_bps = self._shares.get(receiver, math.inf)
                shares.append(share_bps)
                held = receiver.fewer.get(stream.ssrc)
                if held is None or held.given or share_bps == math.inf:
                    asked.append(share_bps)
                else:
                    parts, top = self._parts_of(stream, at), receiver.top_of(stream)
                    asked.append(asked_bps(share_bps, parts, top, rising=held.may_return(at)))
        return told_bps(asked, shares)


def _recent(stream: Stream) -> Iterator[bytes]:
    """Yield the last packets of a stream that are still there."""
    highest = int(stream.flow.highest)
    for number in range(max(0, highest - HISTORY_MAX + 1), highest + 1):
        data = stream.sent_again(number & 0xFFFF)
        if data is not None:
            yield data
