"""One stream that somebody sends: what is missing of it, what can be sent again, when its sender owes a keyframe."""

from array import array
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from signaling.media import h264, rtp
from signaling.media.codecs import H264, VP8, Kind
from signaling.media.congestion import signed16
from signaling.media.shared_state import (
    HISTORY_MAX,
    HISTORY_SOUND_MAX,
    SLOT_BYTES,
    SLOT_SOUND_BYTES,
    FlowState,
    History,
    address_of,
)

GAP_MAX = 150
"""A longer gap is an outage; asking for all of it again would only drown what comes after."""
NACK_FIRST_S = 0.01
NACK_AGAIN_S = 0.1
NACK_TRIES_MAX = 8
KEYFRAME_AGAIN_S = 0.5
KEYFRAME_TRIES_MAX = 20
TURN_EVERY_S = 1.0
"""A picture's codec changes when people come or go; more often than this is no browser's doing."""
_SOUND = 0
_FLOW_CODECS = {VP8: 1, H264: 2}
"""`enum codec` of the express lane, which must know a keyframe when it sees one."""
KEYFRAME_EVERY_S = 15.0
"""So that a recording can be sought through, and a receiver that lost its way finds it again."""


@dataclass(slots=True)
class _Missing:
    due_at: float
    tries: int = 0


@dataclass(slots=True)
class Second:
    """What came of a stream in a second. `level`: the loudest, 0 to 127 above silence."""

    bytes: int = 0
    expected: int = 0
    received: int = 0
    level: int = 0


class Stream:
    """An uplink stream: one seat's sound or picture under one SSRC."""

    def __init__(
        self, seat_id: str, kind: Kind, ssrc: int, payload_type: int, number: int, *, repair_ssrc: int | None = None
    ) -> None:
        self.seat_id = seat_id
        self.kind: Kind = kind
        self.ssrc = ssrc
        self.repair_ssrc = repair_ssrc if kind == "video" else None
        """Under which SSRC the relay sends its packets again to whoever lost them (`resending.RepairSsrcs`); sound goes
        again as it was."""
        self.payload_type = payload_type
        """What it sends now."""
        self.number = number
        """What that has for a number in the journal."""
        self.numbers = {payload_type: number}
        self._turned_at = -1e9
        self.flow = FlowState(ssrc=ssrc, highest=-1, keyframe_at=-1.0)
        self._missing: dict[int, _Missing] = {}
        self.silences = 0
        """How often it began anew."""
        self._too_late = -1
        """Up to which number (see `FlowState.highest`) nothing is taken any more."""
        sizes = (HISTORY_MAX, SLOT_BYTES) if kind == "video" else (HISTORY_SOUND_MAX, SLOT_SOUND_BYTES)
        self._history = History(*sizes)
        self._history.lend(self.flow)
        self._unkept: deque[int] = deque(maxlen=sizes[0])
        """The last ones that were too long to be kept."""
        self._name_flow()
        self._keyframe_wanted = False
        self._keyframe_tries = 0
        self._keyframe_asked_at = -1e9
        self._keyframe_came_at: float | None = None

    def take(self, head: rtp.RtpHead, data: bytes, at: float) -> None:
        """Note a packet: gaps before it, its place in the history, a keyframe that begins with it."""
        flow = self.flow
        flow.received += 1
        flow.octets += len(data)
        self._place(head.sequence, at)
        if not self._history.keep(head.sequence, data):
            self._unkept.append(head.sequence)
        if self.kind == "audio":
            self._hear(data)
        elif head.payload_type == H264:
            if h264.begins_h264_keyframe(data, head.payload_at):
                flow.keyframe_at = at
        elif rtp.begins_vp8_frame(data, head.payload_at):
            piece = rtp.read_vp8(rtp.payload_of(data, head))
            if piece is not None and piece.keyframe:
                flow.keyframe_at = at

    def may_turn(self, sequence: int, at: float) -> bool:
        """Tell whether a packet of another payload type begins a change of codec: not when it is late, nor too often.

        Sound changes between Opus and RED as the sender likes.
        """
        if self.kind == "audio":
            return True
        late = self.flow.highest >= 0 and signed16(sequence - self.flow.highest) <= 0
        return not late and at - self._turned_at >= TURN_EVERY_S

    def turn(self, payload_type: int, number: int, at: float) -> None:
        """Take packets of another payload type from now on, which has `number` in the journal."""
        self.payload_type = payload_type
        self.number = self.numbers[payload_type] = number
        self._turned_at = at
        self._name_flow()

    def _name_flow(self) -> None:
        """Tell the express lane what it may take for an ordinary packet of this stream."""
        self.flow.payload_type = self.payload_type
        self.flow.source = self.number
        self.flow.codec = _FLOW_CODECS.get(self.payload_type, _SOUND)

    def begin_anew(self) -> None:
        """Forget what came so far: it is not asked for, not sent again, and what of it still comes is too late.

        Nor does a keyframe count that came, or was asked for, before.
        """
        self._missing.clear()
        self._history.forget()
        self.silences += 1
        self._too_late = self.flow.highest
        self.flow.keyframe_at = -1.0
        self._keyframe_asked_at = -1e9

    def is_too_late(self, sequence: int) -> bool:
        """Tell whether a packet is from before the stream began anew."""
        return self._too_late >= 0 and self.flow.highest + signed16(sequence - self.flow.highest) <= self._too_late

    def came(self, sequence: int) -> bool:
        """Tell whether a packet came before, itself or sent again, or so long ago that nobody knows.

        It must not go to anybody in two forms.
        """
        behind = -signed16(sequence - self.flow.highest)
        if self.flow.highest < 0 or behind < 0:
            return False
        return behind >= self.flow.kept or sequence in self._unkept or self._history.find(sequence) is not None

    def misses(self, sequence: int) -> bool:
        """Tell whether a packet is being asked for."""
        highest = self.flow.highest
        return highest >= 0 and highest + signed16(sequence - highest) in self._missing

    def _place(self, sequence: int, at: float) -> None:
        flow = self.flow
        if flow.highest < 0:
            # One turn of the numbers up: a packet that comes late may lie before the first.
            flow.highest = 0x10000 + sequence
            flow.expected += 1
            return
        ahead = signed16(sequence - flow.highest)
        if ahead <= 0:
            missing = self._missing.pop(flow.highest + ahead, None)
            if missing is not None and missing.tries:
                flow.received -= 1  # it was lost: it came only because it was asked for
            return
        flow.expected += ahead
        if ahead - 1 > GAP_MAX:
            self._missing.clear()
            self._gave_up(at)
        else:
            for lost in range(flow.highest + 1, flow.highest + ahead):
                self._missing[lost] = _Missing(at + NACK_FIRST_S)
        flow.highest += ahead

    def _hear(self, data: bytes) -> None:
        place = rtp.extension_at(data, rtp.AUDIO_LEVEL_ID)
        if place >= 0:
            # RFC 6464: the level in -dBov, so that 127 is silence.
            self.flow.level = max(self.flow.level, 127 - (data[place] & 0x7F))

    def take_second(self) -> "Second":
        """Return what was counted since the last call."""
        flow = self.flow
        second = Second(flow.octets, flow.expected, flow.received, flow.level)
        flow.octets = flow.expected = flow.received = flow.level = 0
        return second

    def sent_again(self, sequence: int) -> bytes | None:
        """Return a packet of the history."""
        return self._history.find(sequence)

    def missing_now(self, at: float) -> list[int]:
        """Return the sequence numbers to ask the sender for at monotonic second `at`; gives up on old ones."""
        due = []
        for number, missing in list(self._missing.items()):
            if missing.due_at > at:
                continue
            if missing.tries >= NACK_TRIES_MAX:
                del self._missing[number]
                self._gave_up(at)
                continue
            missing.tries += 1
            missing.due_at = at + NACK_AGAIN_S
            due.append(number & 0xFFFF)
        return due

    def _gave_up(self, at: float) -> None:
        if self.kind == "video":
            self.want_keyframe()

    # --- Keyframes

    def want_keyframe(self) -> None:
        """Ask the sender for a keyframe at the next turn; asked again, not too often, until one comes."""
        if self.kind == "video":
            self._keyframe_wanted = True
            self._keyframe_tries = 0

    def keyframe_due(self, at: float) -> bool:
        """Tell whether to ask now, and note that it was asked."""
        if self.flow.keyframe_at >= 0:
            self._keyframe_came_at, self.flow.keyframe_at = self.flow.keyframe_at, -1.0
            self._keyframe_wanted = False
        came_at = self._keyframe_came_at
        if not self._keyframe_wanted and came_at is not None and at - came_at > KEYFRAME_EVERY_S:
            self.want_keyframe()
        if not self._keyframe_wanted or at - self._keyframe_asked_at < KEYFRAME_AGAIN_S:
            return False
        self._keyframe_tries += 1
        if self._keyframe_tries > KEYFRAME_TRIES_MAX:
            # The camera is off, or the line is dead; the next packet lost or person joining asks again.
            self._keyframe_wanted = False
            self._keyframe_came_at = None
            return False
        self._keyframe_asked_at = at
        return True


class SentNumbers:
    """Under which transport-wide number each of a stream's last packets went to one receiver.

    What went can be sent again, and what did not cannot. Who takes no repair packets gets it under the number of the
    first time, the same to the last bit: the same SRTP index with other content would weaken AES-GCM.
    """

    def __init__(self) -> None:
        self._numbers = array("q", [-1]) * HISTORY_MAX
        self.address = address_of(self._numbers)

    def note(self, sequence: int, number: int) -> None:
        """Remember; the oldest is forgotten."""
        self._numbers[sequence % HISTORY_MAX] = sequence << 16 | number

    def number_of(self, sequence: int) -> int | None:
        """Return the number under which the packet went, or None when it did not or is forgotten."""
        noted = self._numbers[sequence % HISTORY_MAX]
        return noted & 0xFFFF if noted >> 16 == sequence else None


def in_order(numbers: list[int], per_message: int) -> Iterator[list[int]]:
    """Cut a list of sequence numbers into pieces that fit one feedback message."""
    for start in range(0, len(numbers), per_message):
        yield numbers[start : start + per_message]
