"""One stream: what is asked for again, how often, and when a keyframe is owed."""

import struct

import pytest

from signaling.media import rtp
from signaling.media.shared_state import SLOT_BYTES
from signaling.media.stream import HISTORY_MAX, KEYFRAME_EVERY_S, TURN_EVERY_S, SentNumbers, Stream

KEYFRAME = b"\x10\x00frame"
DELTA = b"\x10\x01frame"


def take(stream: Stream, sequence: int, at: float = 0.0, payload: bytes = DELTA) -> bytes:
    data = struct.pack(">BBHII", 0x80, 96, sequence & 0xFFFF, 0, 42) + payload
    head = rtp.read_head(data)
    assert head is not None
    stream.take(head, data, at)
    return data


@pytest.fixture
def camera() -> Stream:
    return Stream("gao", "video", 42, 96, 0)


def test_a_missing_packet_is_asked_for_until_it_comes(camera: Stream) -> None:
    take(camera, 65534)
    take(camera, 1)
    assert camera.missing_now(0.0) == []
    assert camera.missing_now(0.02) == [65535, 0]
    assert camera.missing_now(0.05) == []
    take(camera, 0, 0.06)
    assert camera.missing_now(0.2) == [65535]
    take(camera, 65535, 0.21)
    assert camera.missing_now(1.0) == []


def test_a_stream_that_begins_anew_neither_asks_for_nor_sends_again_nor_takes_what_was_before(camera: Stream) -> None:
    for sequence in (65530, 65531, 65534):
        take(camera, sequence)
    assert camera.sent_again(65531) is not None
    camera.begin_anew()
    assert camera.missing_now(1.0) == []
    assert camera.sent_again(65531) is None
    assert not camera.misses(65532)
    assert camera.is_too_late(65532)
    assert camera.is_too_late(65534)
    take(camera, 2)
    assert not camera.is_too_late(1), "what was sent afterwards is taken, also when it comes late"
    assert camera.missing_now(2.0) == [65535, 0, 1]


H264_KEYFRAME = b"\x78\0\x04\x67\x42\xe0\x1f\0\x02\x68\xce"


def take_h264(stream: Stream, sequence: int, at: float, payload: bytes) -> None:
    data = struct.pack(">BBHII", 0x80, 98, sequence, 0, 42) + payload
    head = rtp.read_head(data)
    assert head is not None
    stream.take(head, data, at)


def test_a_keyframe_of_h264_ends_the_asking_and_another_frame_does_not() -> None:
    camera = Stream("gao", "video", 42, 98, 0)
    camera.want_keyframe()
    assert camera.keyframe_due(0.0)
    take_h264(camera, 1, 0.1, b"\x7c\x85idr without what must be known first")
    assert camera.keyframe_due(1.0)
    take_h264(camera, 2, 1.1, H264_KEYFRAME)
    assert not camera.keyframe_due(2.0)


def test_a_camera_may_change_its_codec_but_late_packets_and_haste_change_nothing(camera: Stream) -> None:
    take(camera, 10)
    assert camera.may_turn(11, 0.0)
    assert not camera.may_turn(10, 0.0)
    assert not camera.may_turn(9, 0.0)
    camera.turn(98, 5, 0.0)
    assert (camera.payload_type, camera.number) == (98, 5)
    assert not camera.may_turn(12, TURN_EVERY_S - 0.1)
    assert camera.may_turn(12, TURN_EVERY_S)
    assert camera.numbers == {96: 0, 98: 5}


def test_sound_changes_between_plain_and_redundant_as_often_as_it_likes() -> None:
    voice = Stream("gao", "audio", 42, 63, 0)
    voice.turn(111, 1, 0.0)
    assert voice.may_turn(3, 0.0)


def test_a_packet_that_never_comes_is_given_up_and_a_keyframe_wanted(camera: Stream) -> None:
    take(camera, 1)
    take(camera, 3)
    asked = sum(bool(camera.missing_now(turn * 0.04)) for turn in range(200))
    assert asked == 8
    assert camera.keyframe_due(8.0)


def test_an_outage_is_not_asked_for_packet_by_packet(camera: Stream) -> None:
    take(camera, 1)
    take(camera, 1000)
    assert camera.missing_now(1.0) == []
    assert camera.keyframe_due(1.0)


def test_keyframe_requests_are_throttled_and_end_when_one_comes(camera: Stream) -> None:
    for _ in range(50):
        camera.want_keyframe()
    asked = [turn for turn in range(25) if camera.keyframe_due(turn * 0.04)]
    assert len(asked) == 2
    take(camera, 1, 1.0, KEYFRAME)
    assert not camera.keyframe_due(2.0)


def test_a_stream_that_begins_anew_owes_a_keyframe_at_once_whatever_was_asked_or_came_before(camera: Stream) -> None:
    camera.want_keyframe()
    assert camera.keyframe_due(1.0)
    take(camera, 1, 1.1, KEYFRAME)
    camera.begin_anew()
    camera.want_keyframe()
    asked = [turn for turn in range(25) if camera.keyframe_due(1.2 + turn * 0.05)]
    assert asked == [0, 10, 20], "and again when none comes"


def test_a_camera_that_gives_no_keyframe_is_not_asked_for_ever(camera: Stream) -> None:
    camera.want_keyframe()
    assert sum(camera.keyframe_due(turn * 0.5) for turn in range(200)) == 20


def test_a_keyframe_is_wanted_regularly_so_that_recordings_can_be_sought_through(camera: Stream) -> None:
    take(camera, 1, 0.0, KEYFRAME)
    assert not camera.keyframe_due(KEYFRAME_EVERY_S - 1)
    assert camera.keyframe_due(KEYFRAME_EVERY_S + 1)


def test_the_history_is_bounded_and_holds_the_newest(camera: Stream) -> None:
    for sequence in range(70_000):
        newest = take(camera, sequence)
    assert camera.sent_again(69_999 & 0xFFFF) == newest
    assert camera.sent_again((69_999 - HISTORY_MAX) & 0xFFFF) is None


def test_what_came_before_is_known_whether_late_or_not(camera: Stream) -> None:
    take(camera, 65530)
    take(camera, 3)
    assert camera.came(65530) and camera.came(3)
    assert not camera.came(65535)
    take(camera, 65535)
    assert camera.came(65535)
    assert not camera.came(4)


def test_what_was_too_long_to_be_kept_or_is_older_than_what_is_kept_may_have_come(camera: Stream) -> None:
    take(camera, 1, payload=bytes(SLOT_BYTES))
    take(camera, 5)
    assert camera.sent_again(1) is None
    assert camera.came(1) and not camera.came(2)
    for sequence in range(6, 3 + HISTORY_MAX):
        take(camera, sequence)
    assert camera.came(2) and not camera.came(3)


def test_loss_is_counted_a_second_at_a_time(camera: Stream) -> None:
    take(camera, 1)
    take(camera, 5)
    second = camera.take_second()
    assert (second.expected, second.received) == (5, 2)
    assert camera.take_second().expected == 0
    take(camera, 9, 1.0)
    take(camera, 8, 1.0)
    assert camera.missing_now(2.0) == [2, 3, 4, 6, 7]
    take(camera, 7, 2.0)
    # What came only because it was asked for was lost; what came out of order was not.
    second = camera.take_second()
    assert (second.expected, second.received) == (4, 2)


def test_the_number_a_packet_went_under_is_known_while_it_can_be_sent_again() -> None:
    numbers = SentNumbers()
    for sequence in range(HISTORY_MAX + 1):
        numbers.note(sequence, sequence * 2)
    assert numbers.number_of(0) is None
    assert numbers.number_of(HISTORY_MAX) == HISTORY_MAX * 2
