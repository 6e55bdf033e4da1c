"""What crosses the wall between the room and the media plane: typed, frozen values and nothing else.

The plane runs in processes of its own, so that these are also what goes over the socket (`signaling.media.wire`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import msgspec


class MediaRefused(Exception):
    """The media plane will not do what it was asked.

    Codes: `hearing_unknown`, `hearing_open` (opened twice), `seat_unknown`, `seats_full`, `answer_stale` (not the
    outstanding offer's), `answer_unreadable`, `answer_insecure` (no fingerprint, another one, or not DTLS-SRTP),
    `answer_ssrc_taken`; the journal's (`journal_in_use`, `journal_full`, ...), `journal_unwritten` (closed, but
    not on the disk yet) and those of `JournalTrouble`; and of the processes `no_worker` (none runs), `worker_died`,
    `worker_busy`, `port_taken`, `not_listening`, `internal`.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class StillUnavailable(Exception):
    """No picture could be taken. Codes: `no_camera`, `no_keyframe` (none came in time), `not_decodable`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """Where the media plane listens: one UDP port (0: a free one) on each of `addresses`, which are also what browsers
    are told. At least one address; the first is the preferred one.

    `waiting_bytes`: how much of one hearing's recording may wait in memory for a disk that takes nothing; all of one
    process's together may fill `process.HELD_IN_FULL` times as much.
    """

    addresses: tuple[str, ...]
    port: int
    waiting_bytes: int = 32 << 20


class Moment(msgspec.Struct, frozen=True, tag=True):
    """A point of a recording: milliseconds since its start (gaps included), and the instant."""

    elapsed_ms: int
    at: datetime


class Still(msgspec.Struct, frozen=True, tag=True):
    """One picture out of a live stream. `elapsed_ms` is where it stands in the recording."""

    jpeg: bytes
    width: int
    height: int
    elapsed_ms: int
    taken_at: datetime


class OfferReady(msgspec.Struct, frozen=True, tag=True):
    """An offer for a seat's browser to answer.

    `streams`: mid -> the seat whose picture or sound it carries; the receiver's own seat for what it is to send. An
    offer whose `a=ice-ufrag` differs from the one before is a fresh link and wants a new RTCPeerConnection.
    """

    hearing_id: str
    seat_id: str
    offer_id: int
    sdp: str
    streams: Mapping[str, str]


class LinkConnected(msgspec.Struct, frozen=True, tag=True):
    """Packets can flow to and from a seat."""

    hearing_id: str
    seat_id: str


class LinkLost(msgspec.Struct, frozen=True, tag=True):
    """A seat's link is gone; `add_participant` makes a fresh one.

    Reasons: `silent` (no consent for some 15 s), `closed` (the other side closed), `unanswered` (no answer or no check
    came in 30 s), `handshake_failed`, `internal`.
    """

    hearing_id: str
    seat_id: str
    reason: str


class PersonStats(msgspec.Struct, frozen=True, tag=True):
    """One person's line in the last second.

    `loss_pct`: the worse of what was lost from and to the person, 0-100; `rtt_ms`: to the relay and back, None when not
    known; `kbps`: what the person sends; `level`: how loud, 0 (silent) to 100; `jitter_ms`: the worse of how unevenly
    sound arrives from and at the person, None when nobody has reported it; `sound_alone`: the person's line
    is too thin for pictures, which are held back; `fewer_pictures`: it is thinner than the others', so that the person
    gets fewer pictures a second of somebody.
    """

    loss_pct: float
    rtt_ms: int | None
    kbps: int
    level: int
    jitter_ms: int | None = None
    sound_alone: bool = False
    fewer_pictures: bool = False


class PicturesUnseen(msgspec.Struct, frozen=True, tag=True):
    """Whose picture (a seat) cannot be seen by whom (seats), because their browsers share no codec: the whole truth,
    told when it changes. Sound goes on."""

    hearing_id: str
    unseen: Mapping[str, tuple[str, ...]]


class StatsMeasured(msgspec.Struct, frozen=True, tag=True):
    """Once a second."""

    hearing_id: str
    people: Mapping[str, PersonStats]


class JournalFlushed(msgspec.Struct, frozen=True, tag=True):
    """Once a second: where the recording stands, and up to where it is on the disk; also while that does not move."""

    hearing_id: str
    elapsed_ms: int
    saved_ms: int


class JournalTrouble(msgspec.Struct, frozen=True, tag=True):
    """What arrives was not on the disk within 2 s. Told when that begins and when it changes; JournalMended ends it.

    `error`: `disk_full`, `disk_gone` (deleted, unmounted, unplugged), `disk_read_only`, `disk_failed`, `disk_slow`.
    `saved_ms`: everything before is on the disk. What came since waits in memory, which holds it for about `room_s`
    seconds more (None: not known yet); when `losing`, no more of it: from here on packets are lost.
    """

    hearing_id: str
    error: str
    saved_ms: int = 0
    room_s: int | None = None
    losing: bool = False


class JournalMended(msgspec.Struct, frozen=True, tag=True):
    """What waited is on the disk.

    `lost`: from when to when nothing was recorded, in milliseconds of the recording; from 0 when it goes on in another
    place, and what was recorded before is not there.
    """

    hearing_id: str
    elapsed_ms: int
    lost: tuple[int, int] | None = None


class HearingMoved(msgspec.Struct, frozen=True, tag=True):
    """The hearing's worker is gone; another relays and records it now. Every link is gone with it: add everybody again.

    Reasons: `died`, `hung`.
    """

    hearing_id: str
    reason: str


class HearingLost(msgspec.Struct, frozen=True, tag=True):
    """The hearing's worker is gone and no other could go on: nobody is heard or recorded; it may be opened again."""

    hearing_id: str
    reason: str


MediaEvent: TypeAlias = (
    OfferReady
    | LinkConnected
    | LinkLost
    | PicturesUnseen
    | StatsMeasured
    | JournalFlushed
    | JournalTrouble
    | JournalMended
    | HearingMoved
    | HearingLost
)
