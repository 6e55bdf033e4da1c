"""Stills: the next keyframe out of packets in any order, of either codec; what cannot be decoded is refused by name."""

import io
import struct

import av
import pytest

from signaling.media import rtp
from signaling.media.events import StillUnavailable
from signaling.media.h264 import START_CODE, units
from signaling.media.still import GATHERERS_MAX, PACKETS_MAX, Gatherers, Keyframe, KeyframeGatherer, to_picture
from tests.support.book import encoded


def packets_of(frame: bytes, first: int, timestamp: int = 9000) -> list[bytes]:
    """Return the packets of an H.264 frame: one for every unit, the large ones in pieces."""
    payloads: list[bytes] = []
    for unit in units(frame):
        chunks = [unit[at : at + 30] for at in range(1, len(unit), 30)]
        if len(chunks) < 2:
            payloads.append(unit)
            continue
        for index, chunk in enumerate(chunks):
            ends = 0x80 * (index == 0) | 0x40 * (index == len(chunks) - 1)
            payloads.append(bytes((unit[0] & 0xE0 | 28, unit[0] & 0x1F | ends)) + chunk)
    last = len(payloads) - 1
    return [
        struct.pack(">BBHII", 0x80, 98 | 0x80 * (at == last), first + at & 0xFFFF, timestamp, 22) + payload
        for at, payload in enumerate(payloads)
    ]


def take(gatherer: KeyframeGatherer, data: bytes) -> None:
    head = rtp.read_head(data)
    assert head is not None
    gatherer.take(head, data, 7.0)


async def test_a_keyframe_of_h264_is_found_in_whatever_order_its_packets_come() -> None:
    key, delta = encoded("libx264", (320, 240), range(20, 22))
    packets = packets_of(key, 65_530)
    assert len(packets) > 3
    gatherer = KeyframeGatherer()
    for packet in [*packets_of(delta, 100, 6000), *packets[2:], packets[1]]:
        take(gatherer, packet)
    assert not gatherer.found.done()
    take(gatherer, packets[0])
    keyframe = gatherer.found.result()
    assert (keyframe.codec, keyframe.at) == ("H264", 7.0)
    picture = to_picture(keyframe)
    assert (picture.width, picture.height) == (320, 240)
    with av.open(io.BytesIO(picture.jpeg)) as container:
        shown = next(container.decode(video=0)).reformat(format="gray")
    assert abs(bytes(shown.planes[0])[0] - (20 * 4 + 40 - 16) * 255 / 219) < 8


async def test_a_frame_without_end_is_not_kept_for_ever() -> None:
    gatherer = KeyframeGatherer()
    for index in range(3 * PACKETS_MAX):
        take(gatherer, struct.pack(">BBHII", 0x80, 98, index, 9000, 22) + b"\x41slice")
    for packet in packets_of(encoded("libx264", (320, 240), range(1))[0], 0, 12_000):
        take(gatherer, packet)
    assert gatherer.found.done()


async def test_so_many_may_wait_for_one_streams_keyframe_and_each_may_give_up() -> None:
    gatherers = Gatherers()
    waiting = [gatherers.begin(22) for _ in range(GATHERERS_MAX)]
    assert gatherers.begin(22) is None
    other = gatherers.begin(33)
    first = waiting[0]
    assert first is not None and other is not None
    gatherers.end(first)
    for packet in packets_of(encoded("libx264", (320, 240), range(1))[0], 0):
        head = rtp.read_head(packet)
        assert head is not None
        gatherers.take(22, head, packet, 1.0)
    assert [one is not None and one.found.done() for one in (*waiting, other)] == [False, True, True, True, False]
    for one in waiting:
        assert one is not None
        gatherers.end(one)
    assert (22 in gatherers, 33 in gatherers) == (False, True)


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_what_cannot_be_decoded_is_refused_by_name(codec: str) -> None:
    with pytest.raises(StillUnavailable) as refused:
        to_picture(Keyframe(codec, START_CODE + bytes(40), 0.0))
    assert refused.value.code == "not_decodable"


def test_a_picture_of_a_size_that_no_camera_has_is_not_decoded() -> None:
    (frame,) = encoded("libvpx", (64, 48), range(1))
    huge = frame[:6] + struct.pack("<HH", 16_383, 16_383) + frame[10:]
    with pytest.raises(StillUnavailable) as refused:
        to_picture(Keyframe("VP8", huge, 0.0))
    assert refused.value.code == "not_decodable"
