"""Frames out of packets: whatever the packets hold, the rest of the recording is not spoilt by it."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from records.journal_records import Packet, Source
from signaling.media.assembling import Assembler
from signaling.media.timeline import Timeline

SOURCES = {
    "opus": Source(0, "gao", "audio", 11, 111, "opus", 48000),
    "red": Source(1, "gao", "audio", 11, 63, "red", 48000),
    "VP8": Source(2, "gao", "video", 22, 96, "VP8", 90000),
    "H264": Source(3, "gao", "video", 22, 98, "H264", 90000),
    "av1": Source(4, "gao", "video", 22, 99, "av1", 90000),
}
PACKETS = st.lists(
    st.tuples(
        st.integers(0, 40), st.booleans(), st.integers(0, 9000), st.binary(max_size=40), st.integers(0, 3_000_000)
    ),
    max_size=40,
)


@given(st.sampled_from([("opus", "red"), ("VP8", "H264", "av1")]), PACKETS, st.data())
def test_no_packets_make_the_assembler_fail_and_every_frame_names_what_it_is(
    codecs: tuple[str, ...],
    packets: list[tuple[int, bool, int, bytes, int]],
    data: st.DataObject,
) -> None:
    kind = SOURCES[codecs[0]].kind
    timeline = Timeline(SOURCES[codecs[0]].clock_rate)
    assembler = Assembler(kind, timeline, 0)
    frames = []
    for sequence, marker, timestamp, payload, arrival_us in packets:
        source = SOURCES[data.draw(st.sampled_from(codecs))]
        head = struct.pack(">BBHII", 0x80, source.payload_type | 0x80 * marker, sequence, timestamp, source.ssrc)
        frames += assembler.take(Packet(source.number, arrival_us, head + payload), source)
    frames += assembler.rest()
    names = {"opus"} if kind == "audio" else {"VP8", "H264"}
    assert {frame.codec for frame in frames} <= names
    assert all(frame.data for frame in frames)
