"""Playback files derived from a journal: one a seat, remuxed and never transcoded; made again any time.

Who sent VP8 gets a WebM, who sent H.264 an MP4: what browsers play of each. Whose camera changed its codec in
mid-hearing gets what it sent longest; only the rest is coded again (`recoding`).

All files of a recording share one clock: their time 0 is the recording's start. A seat's sound and picture are put
together by its sender reports (the sender's own clock ties both streams), and tied to the recording by the quickest
packets of every minute (what arrives later was only held up). Sound gaps are filled with coded silence, because
browsers play sound without regard to gaps; a gap in the picture leaves the last one standing. After a hole in the
picture nothing is shown until the next keyframe.

RFC 7587 (Opus in RTP), RFC 7741 (VP8 in RTP).
"""

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
from av.container import OutputContainer
from av.stream import Stream as AvStream

from records.journal_reading import KeyedJournal, read_journal, segment_paths
from records.journal_records import Event, Packet, Record, SegmentStart, Source
from signaling.media import rtp
from signaling.media.assembling import Assembler, Frame
from signaling.media.h264 import holds_parameters, parameters_of
from signaling.media.pictures import claimed_size, read_piece, size_of
from signaling.media.recoding import Recoder
from signaling.media.timeline import Timeline

SILENCE_US = 20_000
SILENCE = b"\xfc\xff\xfe"
"""An Opus packet of 20 ms of stereo silence (RFC 6716: CELT, fullband, one frame)."""
GAP_US = 40_000
"""A longer hole in the sound is filled; shorter ones are the sender's timing."""
_MILLISECONDS = Fraction(1, 1000)


@dataclass(frozen=True, slots=True)
class _Form:
    """A kind of file. `always_sounds`: its times are only sure with sound from the beginning to the end."""

    suffix: str
    options: tuple[tuple[str, str], ...]
    always_sounds: bool


_FORMS = {
    "VP8": _Form("webm", (("cluster_time_limit", "2000"),), False),
    # The index stands first, so that a browser can seek before it has everything.
    "H264": _Form("mp4", (("movflags", "+faststart"),), True),
}
SUFFIXES = tuple(f".{form.suffix}" for form in _FORMS.values())
"""How the names of playback files end."""


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


def remux(
    journal: Path | KeyedJournal, output: Path, report: Callable[[int], object] = lambda percent: None
) -> list[PlaybackFile]:
    """Write one file a seat that sent anything into `output` (made when missing), named after the seat.

    Reads the journal twice, a segment at a time; `report` is told the percentage. Takes some ten seconds an hour of
    hearing: `remuxing` does it in a process of its own. Raises FileNotFoundError when there is no journal, OSError when
    the disk refuses.
    """
    output.mkdir(parents=True, exist_ok=True)
    reading = _Reading(journal, report)
    survey = _survey(reading.records())
    seats = sorted({source.seat_id for source in survey.sources.values()})
    with ExitStack() as stack:
        writers = {seat_id: _open_writer(stack, output, seat_id, survey) for seat_id in seats}
        for seat_id, kind, frame in _frames(reading.records(), survey):
            writers[seat_id].write(kind, frame)
        for writer in writers.values():
            writer.finish(survey.duration_us)
    return [made for seat_id in seats if (made := _keep(seat_id, writers[seat_id], survey)) is not None]


class _Reading:
    """Reads the journal twice, and tells how far it is."""

    def __init__(self, journal: Path | KeyedJournal, report: Callable[[int], object]) -> None:
        self._journal = journal
        self._report = report
        directory = journal.directory if isinstance(journal, KeyedJournal) else journal
        self._segments = 2 * len(segment_paths(directory))
        self._begun = 0

    def records(self) -> Iterator[Record]:
        """Yield every record."""
        for record in read_journal(self._journal):
            if isinstance(record, SegmentStart):
                self._report(100 * self._begun // self._segments)
                self._begun += 1
            yield record


_Stream: TypeAlias = tuple[str, str, int, int]
"""Seat, kind, SSRC, and how many recesses came before: a stream whose payload type changes stands in the journal as
several sources; and what its sender's clock did in a recess, when nothing was taken from it, nobody knows."""


@dataclass(slots=True)
class _Survey:
    """What the first reading finds out."""

    started_at_us: int = 0
    ended_at_us: int = 0
    sources: dict[int, Source] = field(default_factory=dict)
    timelines: dict[_Stream, Timeline] = field(default_factory=dict)
    cameras: dict[str, dict[str, "_Camera"]] = field(default_factory=dict)
    """Seat -> codec -> what came of its picture in that codec."""

    @property
    def duration_us(self) -> int:
        return max(0, self.ended_at_us - self.started_at_us)


@dataclass(slots=True)
class _Camera:
    """What came of a picture in one codec: its largest size, how many frames, and the first parameter sets."""

    size: tuple[int, int] = (0, 0)
    frames: int = 0
    parameters: bytes = b""


def _stream_of(source: Source, recesses: int) -> _Stream:
    return source.seat_id, source.kind, source.ssrc, recesses


def _ends_recess(record: Record) -> bool:
    return isinstance(record, Event) and record.data.get("event") == "Resumed"


def _survey(records: Iterable[Record]) -> _Survey:
    survey = _Survey()
    recesses = 0
    for record in records:
        recesses += _ends_recess(record)
        if isinstance(record, SegmentStart):
            survey.started_at_us = survey.started_at_us or record.started_at_us
        elif isinstance(record, Source):
            survey.sources[record.number] = record
        elif isinstance(record, Packet) and record.source in survey.sources:
            survey.ended_at_us = max(survey.ended_at_us, record.arrival_us)
            _survey_packet(survey, record, recesses)
    for stream, timeline in survey.timelines.items():
        family = [other for key, other in survey.timelines.items() if (key[0], key[3]) == (stream[0], stream[3])]
        timeline.settle(family)
    return survey


def _survey_packet(survey: _Survey, packet: Packet, recesses: int) -> None:
    source = survey.sources[packet.source]
    timeline = survey.timelines.setdefault(_stream_of(source, recesses), Timeline(source.clock_rate))
    if len(packet.data) > 1 and rtp.is_rtcp(packet.data):
        timeline.report(packet.data)
        return
    head = rtp.read_head(packet.data)
    if head is None:
        return
    timeline.packet(head.timestamp, packet.arrival_us)
    if source.kind != "video":
        return
    camera = survey.cameras.setdefault(source.seat_id, {}).setdefault(source.codec, _Camera())
    camera.frames += head.marker
    piece = read_piece(source.codec, rtp.payload_of(packet.data, head))
    if piece is None:
        return
    if piece.parameters:
        camera.size = max(camera.size, size_of(source.codec, piece.data) or (0, 0))
    if source.codec == "H264" and not holds_parameters(camera.parameters):
        camera.parameters += parameters_of(piece.data)


def _open_writer(stack: ExitStack, output: Path, seat_id: str, survey: _Survey) -> "_Writer":
    cameras = survey.cameras.get(seat_id, {})
    shown = {codec: camera for codec, camera in cameras.items() if _can_stand_in_a_file(codec, camera)}
    codec = max(shown, key=lambda one: shown[one].frames, default="VP8")
    form = _FORMS[codec]
    part = output / f"{seat_id}.{form.suffix}.part"
    container = stack.enter_context(av.open(str(part), "w", format=form.suffix, options=dict(form.options)))
    hears = form.always_sounds or any(
        (source.seat_id, source.kind) == (seat_id, "audio") for source in survey.sources.values()
    )
    camera = shown.get(codec)
    if camera is not None:
        camera.size = max(other.size for other in shown.values())
    return _Writer(part, container, codec, camera, hears)


def _can_stand_in_a_file(codec: str, camera: _Camera) -> bool:
    """Tell whether a file can begin with what a camera sent: parameter sets without sense are found out by trying."""
    if codec not in _FORMS or camera.size == (0, 0):
        return False
    try:
        with av.open(io.BytesIO(), "w", format=_FORMS[codec].suffix) as trial:
            _picture_stream(trial, codec, camera)
            trial.start_encoding()
    except (av.FFmpegError, ValueError, IndexError):
        return False
    return True


def _keep(seat_id: str, writer: "_Writer", survey: _Survey) -> PlaybackFile | None:
    """Give a finished file its name; a file in which nothing stands is taken away."""
    path = writer.part.with_suffix("")
    if writer.starts_us is None:
        writer.part.unlink(missing_ok=True)
        return None
    writer.part.replace(path)
    return PlaybackFile(
        seat_id=seat_id,
        path=path,
        starts_ms=writer.starts_us // 1000,
        duration_ms=survey.duration_us // 1000,
        has_video=writer.has_video,
        has_audio=writer.has_audio,
    )


def _frames(records: Iterable[Record], survey: _Survey) -> Iterator[tuple[str, str, Frame]]:
    """Yield every frame with its seat and its kind."""
    assemblers: dict[_Stream, Assembler] = {}
    recesses = 0
    for record in records:
        if _ends_recess(record):
            recesses += 1
            yield from _rest(assemblers)
        if not isinstance(record, Packet) or len(record.data) < 12 or rtp.is_rtcp(record.data):
            continue
        source = survey.sources.get(record.source)
        if source is None:
            continue
        stream = _stream_of(source, recesses)
        assembler = assemblers.get(stream)
        if assembler is None:
            assembler = Assembler(source.kind, survey.timelines[stream], survey.started_at_us)
            assemblers[stream] = assembler
        for frame in assembler.take(record, source):
            yield source.seat_id, source.kind, frame
    yield from _rest(assemblers)


def _rest(assemblers: dict[_Stream, Assembler]) -> Iterator[tuple[str, str, Frame]]:
    """Yield what still waits to be made whole, and begin anew."""
    for (seat_id, kind, _, _), assembler in assemblers.items():
        for frame in assembler.rest():
            yield seat_id, kind, frame
    assemblers.clear()


class _Writer:
    """Writes frames into a container: times that only grow, silence where there is no sound."""

    def __init__(self, part: Path, container: OutputContainer, codec: str, camera: _Camera | None, hears: bool) -> None:
        self.part = part
        self.starts_us: int | None = None
        self.has_video = False
        self.has_audio = False
        self._container = container
        self._codec = codec
        self._recoder = Recoder(codec)
        self._sane = False
        self._streams: dict[str, AvStream] = {}
        if camera is not None:
            self._streams["video"] = _picture_stream(container, codec, camera)
        if hears:
            sound = container.add_stream("libopus", rate=48000)
            sound.layout = "stereo"
            self._streams["audio"] = sound
        self._last_ms: dict[str, int] = {}
        if camera is not None and codec == "H264":
            # An MP4 says by an edit list that a picture begins late, which Firefox reads otherwise than Chromium.
            self._mux("video", self._recoder.black(camera.size))
        self._sounded_us = 0
        """How much sound has been written: browsers play it without regard to gaps, so that this is where they are."""

    def write(self, kind: str, frame: Frame) -> None:
        """Write a frame; one that seems older than the recording was only held up, and stands at its start."""
        if kind not in self._streams or (kind == "video" and not self._makes_sense(frame)):
            return
        if kind == "video" and frame.codec != self._codec:
            for again in self._recoder.recode(frame):
                self.write(kind, again)
            return
        if frame.at_us < 0:
            frame = replace(frame, at_us=0)
        self.starts_us = frame.at_us if self.starts_us is None else min(self.starts_us, frame.at_us)
        if kind == "audio":
            self.has_audio = True
            self._fill(frame.at_us)
            self._mux(kind, frame)
            self._sounded_us += opus_us(frame.data)
        else:
            self.has_video = True
            if "audio" in self._streams:
                # Silence keeps up with the picture, so that the muxer need not hold back what it cannot interleave.
                self._fill(frame.at_us - 5_000_000)
            self._mux(kind, frame)

    def _makes_sense(self, frame: Frame) -> bool:
        """Leave out pictures of a size that no camera has, and what builds on them: players would run out of memory."""
        if frame.keyframe or claimed_size(frame.codec, frame.data) is not None:
            self._sane = size_of(frame.codec, frame.data) is not None
        return self._sane

    def _fill(self, until_us: int) -> None:
        """Write silence up to a moment; when it falls short by enough to hear, by as much as whole pieces give."""
        if until_us - self._sounded_us <= GAP_US:
            return
        count = (until_us - self._sounded_us) // SILENCE_US
        for index in range(count):
            self._mux("audio", Frame("opus", until_us - (count - index) * SILENCE_US, SILENCE, True))
        self._sounded_us += count * SILENCE_US

    def finish(self, duration_us: int) -> None:
        """Fill the sound up to the recording's end."""
        if self.starts_us is not None and "audio" in self._streams:
            self._fill(duration_us)

    def _mux(self, kind: str, frame: Frame) -> None:
        at_ms = max(frame.at_us // 1000, self._last_ms.get(kind, -1) + 1)
        self._last_ms[kind] = at_ms
        packet = av.Packet(frame.data)
        packet.pts = packet.dts = at_ms
        packet.time_base = _MILLISECONDS
        packet.stream = self._streams[kind]
        packet.is_keyframe = frame.keyframe
        # Only the last one's counts: an MP4 ends where its last picture ends.
        packet.duration = SILENCE_US // 1000
        self._container.mux(packet)


def _picture_stream(container: OutputContainer, codec: str, camera: _Camera) -> AvStream:
    width, height = camera.size
    if codec == "H264":
        # The muxer takes the parameter sets (avcC) from a stream that has them: one that a demuxer read.
        with av.open(io.BytesIO(camera.parameters), format="h264") as template:
            picture = container.add_stream_from_template(template.streams.video[0])
        picture.width, picture.height = width, height
        stream: AvStream = picture
    else:
        stream = container.add_mux_stream("vp8", width=width, height=height)
    stream.time_base = _MILLISECONDS
    return stream


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
