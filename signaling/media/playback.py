"""Playback files derived from a journal: one WebM a seat, remuxed and never transcoded; made again any time.

All files of a recording share one clock: their time 0 is the recording's start. A seat's sound and picture are put
together by its sender reports (the sender's own clock ties both streams), and tied to the recording by the quickest
packets of every minute (what arrives later was only held up). Sound gaps are filled with coded silence, because
browsers play sound without regard to gaps; a gap in the picture leaves the last one standing. After a hole in the
picture nothing is shown until the next keyframe.

RFC 7587 (Opus in RTP), RFC 7741 (VP8 in RTP).
"""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
from av.container import OutputContainer
from av.stream import Stream as AvStream

from records.journal_reading import KeyedJournal, Packet, SegmentStart, Source, read_journal
from signaling.media import rtp
from signaling.media.congestion import signed16
from signaling.media.timeline import Timeline

REORDER_PACKETS_MAX = 256
REORDER_US_MAX = 1_500_000
"""How long a missing packet is waited for: longer than the relay keeps asking for it."""
SILENCE_US = 20_000
SILENCE = b"\xfc\xff\xfe"
"""An Opus packet of 20 ms of stereo silence (RFC 6716: CELT, fullband, one frame)."""
GAP_US = 40_000
"""A longer hole in the sound is filled; shorter ones are the sender's timing."""
_MILLISECONDS = Fraction(1, 1000)


@dataclass(frozen=True, slots=True)
class PlaybackFile:
    """One seat's file. `starts_ms`: where its first sound or picture stands; `duration_ms`: the file's length, both
    counted from the recording's start."""

    seat_id: str
    path: Path
    starts_ms: int
    duration_ms: int
    has_video: bool
    has_audio: bool


@dataclass(frozen=True, slots=True)
class _Piece:
    """A whole frame of sound or picture at its place, in µs since the recording's start."""

    at_us: int
    data: bytes
    keyframe: bool


def remux(directory: Path | KeyedJournal, output: Path) -> list[PlaybackFile]:
    """Write one WebM a seat that sent anything into `output` (made when missing), named after the seat.

    Blocks, for some ten seconds an hour of hearing, so call it in a thread. The work itself is done in a process of its
    own, with low priority: in this one it would hold up the packets of hearings that go on. Reads the journal twice, a
    segment at a time. Raises FileNotFoundError when there is no journal, OSError when the disk refuses.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=_be_humble) as process:
        return process.submit(remux_here, directory, output).result()


def _be_humble() -> None:
    os.nice(10)


def remux_here(directory: Path | KeyedJournal, output: Path) -> list[PlaybackFile]:
    """Do what `remux` does in this very process."""
    output.mkdir(parents=True, exist_ok=True)
    survey = _survey(directory)
    seats = sorted({source.seat_id for source in survey.sources.values()})
    with ExitStack() as stack:
        writers = {seat_id: _open_writer(stack, output, seat_id, survey) for seat_id in seats}
        for source, piece in _pieces(directory, survey):
            writers[source.seat_id].write(source.kind, piece)
        for writer in writers.values():
            writer.finish(survey.ended_at_us - survey.started_at_us)
    return [made for seat_id in seats if (made := _keep(output, seat_id, writers[seat_id], survey)) is not None]


@dataclass(slots=True)
class _Survey:
    """What the first reading finds out."""

    started_at_us: int = 0
    ended_at_us: int = 0
    sources: dict[int, Source] = field(default_factory=dict)
    timelines: dict[int, Timeline] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)


def _survey(directory: Path | KeyedJournal) -> _Survey:
    survey = _Survey()
    for record in read_journal(directory):
        if isinstance(record, SegmentStart):
            survey.started_at_us = survey.started_at_us or record.started_at_us
        elif isinstance(record, Source):
            survey.sources[record.number] = record
            survey.timelines.setdefault(record.number, Timeline(record.clock_rate))
        elif isinstance(record, Packet) and record.source in survey.sources:
            survey.ended_at_us = max(survey.ended_at_us, record.arrival_us)
            _survey_packet(survey, record)
    for source in survey.sources.values():
        survey.timelines[source.number].settle(
            [other for number, other in survey.timelines.items() if survey.sources[number].seat_id == source.seat_id]
        )
    return survey


def _survey_packet(survey: _Survey, packet: Packet) -> None:
    timeline = survey.timelines[packet.source]
    if len(packet.data) > 1 and rtp.is_rtcp(packet.data):
        timeline.report(packet.data)
        return
    head = rtp.read_head(packet.data)
    if head is None:
        return
    timeline.packet(head.timestamp, packet.arrival_us)
    source = survey.sources[packet.source]
    if source.kind == "video":
        piece = rtp.read_vp8(rtp.payload_of(packet.data, head))
        size = rtp.vp8_size(piece.data) if piece is not None and piece.keyframe else None
        if size is not None:
            before = survey.sizes.get(source.seat_id, (0, 0))
            survey.sizes[source.seat_id] = max(before, size)


def _open_writer(stack: ExitStack, output: Path, seat_id: str, survey: _Survey) -> "_Writer":
    kinds = {source.kind for source in survey.sources.values() if source.seat_id == seat_id}
    part = str(output / f"{seat_id}.webm.part")
    container = stack.enter_context(av.open(part, "w", format="webm", options={"cluster_time_limit": "2000"}))
    return _Writer(container, kinds, survey.sizes.get(seat_id))


def _keep(output: Path, seat_id: str, writer: "_Writer", survey: _Survey) -> PlaybackFile | None:
    """Give a finished file its name; a file in which nothing stands is taken away."""
    path = output / f"{seat_id}.webm"
    part = output / f"{seat_id}.webm.part"
    if writer.starts_us is None:
        part.unlink(missing_ok=True)
        return None
    part.replace(path)
    return PlaybackFile(
        seat_id=seat_id,
        path=path,
        starts_ms=writer.starts_us // 1000,
        duration_ms=max(0, survey.ended_at_us - survey.started_at_us) // 1000,
        has_video=writer.has_video,
        has_audio=writer.has_audio,
    )


def _pieces(directory: Path | KeyedJournal, survey: _Survey) -> Iterator[tuple[Source, _Piece]]:
    assemblers: dict[int, _Assembler] = {}
    for record in read_journal(directory):
        if not isinstance(record, Packet) or len(record.data) < 12 or rtp.is_rtcp(record.data):
            continue
        source = survey.sources.get(record.source)
        if source is None:
            continue
        assembler = assemblers.get(record.source)
        if assembler is None:
            assembler = _Assembler(source, survey.timelines[record.source], survey.started_at_us)
            assemblers[record.source] = assembler
        for piece in assembler.take(record):
            yield source, piece
    for number, assembler in assemblers.items():
        for piece in assembler.rest():
            yield survey.sources[number], piece


class _Assembler:
    """Puts one stream's packets in order and makes whole frames of them."""

    def __init__(self, source: Source, timeline: Timeline, started_at_us: int) -> None:
        self._source = source
        self._timeline = timeline
        self._started_at_us = started_at_us
        self._waiting: dict[int, tuple[int, bytes]] = {}
        self._next: int | None = None
        self._highest = 0
        self._frame: list[bytes] = []
        self._frame_key = False
        self._frame_at_us = 0
        self._frame_whole = False
        self._needs_keyframe = True

    def take(self, packet: Packet) -> Iterator[_Piece]:
        """Take the next packet as it arrived; yield what it makes whole."""
        sequence = int.from_bytes(packet.data[2:4], "big")
        if self._next is None:
            self._next = self._highest = sequence
        number = self._highest + signed16(sequence - self._highest)
        if number < self._next:
            return
        self._highest = max(self._highest, number)
        self._waiting[number] = (packet.arrival_us, packet.data)
        while self._waiting:
            entry = self._waiting.pop(self._next, None)
            if entry is not None:
                self._next += 1
                yield from self._in_order(*entry)
                continue
            first = min(self._waiting)
            late = packet.arrival_us - self._waiting[first][0] > REORDER_US_MAX
            if not late and len(self._waiting) <= REORDER_PACKETS_MAX:
                return
            self._hole()
            self._next = first

    def rest(self) -> Iterator[_Piece]:
        """Yield what still waited at the end."""
        for number in sorted(self._waiting):
            if number != self._next:
                self._hole()
            self._next = number + 1
            yield from self._in_order(*self._waiting[number])
        self._waiting.clear()

    def _hole(self) -> None:
        self._frame_whole = False
        self._frame = []
        self._needs_keyframe = True

    def _in_order(self, arrival_us: int, data: bytes) -> Iterator[_Piece]:
        head = rtp.read_head(data)
        payload = rtp.payload_of(data, head) if head is not None else b""
        if head is None or not payload:
            return
        at_us = self._timeline.place_us(head.timestamp, arrival_us) - self._started_at_us
        if self._source.kind == "audio":
            yield _Piece(at_us, payload, True)
            return
        piece = rtp.read_vp8(payload)
        if piece is None:
            self._hole()
            return
        if piece.begins:
            self._frame = []
            self._frame_whole = True
            self._frame_key = piece.keyframe
            self._frame_at_us = at_us
        self._frame.append(piece.data)
        if head.marker:
            if self._frame_whole and (self._frame_key or not self._needs_keyframe):
                self._needs_keyframe = False
                yield _Piece(self._frame_at_us, b"".join(self._frame), self._frame_key)
            self._frame = []
            self._frame_whole = False


class _Writer:
    """Writes pieces into a container: times that only grow, silence where there is no sound."""

    def __init__(self, container: OutputContainer, kinds: set[str], size: tuple[int, int] | None) -> None:
        self.starts_us: int | None = None
        self.has_video = False
        self.has_audio = False
        self._container = container
        self._streams: dict[str, AvStream] = {}
        if "video" in kinds and size is not None:
            stream = container.add_mux_stream("vp8", width=size[0], height=size[1])
            stream.time_base = _MILLISECONDS
            self._streams["video"] = stream
        if "audio" in kinds:
            sound = container.add_stream("libopus", rate=48000)
            sound.layout = "stereo"
            self._streams["audio"] = sound
        self._last_ms: dict[str, int] = {}
        self._sound_until_us = 0

    def write(self, kind: str, piece: _Piece) -> None:
        """Write a piece; one that seems older than the recording was only held up, and stands at its start."""
        if kind not in self._streams:
            return
        if piece.at_us < 0:
            piece = replace(piece, at_us=0)
        self.starts_us = piece.at_us if self.starts_us is None else min(self.starts_us, piece.at_us)
        if kind == "audio":
            self.has_audio = True
            self._fill(piece.at_us)
            self._mux(kind, piece)
            self._sound_until_us = max(self._sound_until_us, piece.at_us + opus_us(piece.data))
        else:
            self.has_video = True
            if "audio" in self._streams:
                # Silence keeps up with the picture, so that the muxer need not hold back what it cannot interleave.
                self._fill(piece.at_us - 5_000_000)
            self._mux(kind, piece)

    def _fill(self, until_us: int) -> None:
        while until_us - self._sound_until_us > GAP_US:
            self._mux("audio", _Piece(self._sound_until_us, SILENCE, True))
            self._sound_until_us += SILENCE_US

    def finish(self, duration_us: int) -> None:
        """Fill the sound up to the recording's end."""
        if self.has_audio:
            self._fill(duration_us)

    def _mux(self, kind: str, piece: _Piece) -> None:
        at_ms = max(piece.at_us // 1000, self._last_ms.get(kind, -1) + 1)
        self._last_ms[kind] = at_ms
        packet = av.Packet(piece.data)
        packet.pts = packet.dts = at_ms
        packet.time_base = _MILLISECONDS
        packet.stream = self._streams[kind]
        packet.is_keyframe = piece.keyframe
        self._container.mux(packet)


def opus_us(packet: bytes) -> int:
    """Return how long an Opus packet sounds, in µs (RFC 6716 section 3.1)."""
    config = packet[0] >> 3
    if config < 12:
        frame_us = (10_000, 20_000, 40_000, 60_000)[config & 3]
    elif config < 16:
        frame_us = (10_000, 20_000)[config & 1]
    else:
        frame_us = (2_500, 5_000, 10_000, 20_000)[config & 3]
    code = packet[0] & 3
    count = 1 if code == 0 else 2 if code < 3 else (packet[1] & 0x3F if len(packet) > 1 else 1)
    return frame_us * count
