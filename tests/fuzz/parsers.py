"""Every reader of foreign bytes by itself: whatever it is given, it answers, or refuses by one of its own names."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from signaling import messages
from signaling.media import h264, red, rtp
from signaling.media.congestion import Downlink, read_feedback
from signaling.media.events import MediaRefused, StillUnavailable
from signaling.media.pictures import read_piece, size_of
from signaling.media.sdp import read_answer
from signaling.media.still import Keyframe, to_picture
from signaling.media.wire import FromWorker, Line, LineBroken, Request
from tests.fuzz import seeds


@dataclass(frozen=True, slots=True)
class Parser:
    """A reader, honest bytes for it, and how many of all inputs it gets."""

    name: str
    read: Callable[[bytes], None]
    seeds: Sequence[bytes]
    share: float


def read_packet(data: bytes) -> None:
    """Read and rewrite an RTP packet as relay, recorder, stills and playback do."""
    head = rtp.read_head(data)
    if head is None:
        return
    assert head.payload_at <= len(data)
    payload = rtp.payload_of(data, head)
    numbered = rtp.extension_at(data, rtp.TRANSPORT_WIDE_ID)
    rtp.extension_at(data, rtp.AUDIO_LEVEL_ID)
    rewritten = rtp.with_transport_number(data, 0xABCD, numbered)
    again = rtp.read_head(rewritten)
    assert again is not None
    assert (again.ssrc, again.sequence) == (head.ssrc, head.sequence)
    assert rewritten[again.payload_at :] == data[head.payload_at :]
    rtp.unwrap_rtx(data, head, 5, 96)
    plain = red.unwrap_red(data, head.payload_at)
    assert plain is None or rtp.read_head(plain) is not None
    red.read_red(payload)
    for codec in ("VP8", "H264", "opus"):
        piece = read_piece(codec, payload)
        if piece is not None and codec != "opus":
            size_of(codec, piece.data)
    rtp.begins_vp8_frame(data, head.payload_at)
    h264.h264_size(payload)


def read_control(data: bytes) -> None:
    """Read an RTCP compound as `Control` does."""
    total = 0
    for part in rtp.read_rtcp(data):
        total += len(part.data)
        rtp.sender_of(part)
        rtp.target_of(part)
        rtp.bare_sender_report(part)
        assert len(rtp.read_reports(part)) <= 31
        assert len(list(rtp.read_nack(part))) <= 17 * len(part.data) // 4
        assert len(list(read_feedback(part))) <= 0x2000
        bitrate = rtp.read_remb(part)
        assert bitrate is None or bitrate >= 0
    assert total <= len(data)


def read_rates(data: bytes) -> None:
    """Let a receiver's feedback move the cap of its line, which stays a sensible number."""
    downlink = Downlink()
    for index in range(200):
        downlink.next_number(1000, index / 300)
    for index, part in enumerate(rtp.read_rtcp(data)):
        downlink.told(part, 1.0 + index / 10)
    assert downlink.cap_bps is None or 0 < downlink.cap_bps < 1e9
    assert 0 <= downlink.loss_pct <= 100


def read_description(data: bytes) -> None:
    """Read an answer."""
    try:
        read_answer(data.decode("utf-8", errors="replace"))
    except MediaRefused as refused:
        assert refused.code in ("answer_unreadable", "answer_insecure")


def read_frame(data: bytes) -> None:
    """Read a page's WebSocket frame."""
    try:
        messages.decode(data.decode("utf-8", errors="surrogateescape"))
    except (messages.MessageMalformed, messages.MessageTooLarge, messages.FieldTooLong):
        return


def _read_line(decoder: msgspec.msgpack.Decoder[object], data: bytes) -> None:
    reader = asyncio.StreamReader(loop=asyncio.get_running_loop())
    reader.feed_data(data)
    reader.feed_eof()
    line = Line(reader, None, decoder)  # type: ignore[arg-type]
    reading = line.receive()
    try:
        reading.send(None)
    except (StopIteration, LineBroken):
        return
    reading.close()
    raise AssertionError("waits for more although nothing more can come")


def _framed(frames: Sequence[bytes]) -> list[bytes]:
    return [len(frame).to_bytes(4, "big") + frame for frame in frames]


_REQUESTS: msgspec.msgpack.Decoder[object] = msgspec.msgpack.Decoder(Request)  # type: ignore[assignment]
_REPORTS: msgspec.msgpack.Decoder[object] = msgspec.msgpack.Decoder(FromWorker)  # type: ignore[assignment]


def read_request(data: bytes) -> None:
    """Read what a hub says to its worker."""
    _read_line(_REQUESTS, data)


def read_report(data: bytes) -> None:
    """Read what a worker says to its hub."""
    _read_line(_REPORTS, data)


def read_picture(data: bytes) -> None:
    """Decode a keyframe."""
    for codec in ("VP8", "H264"):
        try:
            to_picture(Keyframe(codec, data, 0.0))
        except StillUnavailable:
            continue


def all_parsers() -> list[Parser]:
    """Return every reader of bytes from outside."""
    packets = seeds.rtp_packets()
    compounds = seeds.rtcp_compounds()
    return [
        Parser("rtp", read_packet, packets, 0.3),
        Parser("rtcp", read_control, compounds, 0.2),
        Parser("rates", read_rates, compounds, 0.05),
        Parser("description", read_description, [text.encode() for text in seeds.descriptions()], 0.1),
        Parser("websocket", read_frame, [text.encode() for text in seeds.socket_messages()], 0.15),
        Parser("to worker", read_request, _framed(seeds.requests()), 0.1),
        Parser("from worker", read_report, _framed(seeds.reports()), 0.1),
    ]
