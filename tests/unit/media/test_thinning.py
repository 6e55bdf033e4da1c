"""What goes to a receiver who gets a picture's lower layers alone, and under which numbers."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.media.layers import ALL
from signaling.media.rtp import payload_of, read_head
from signaling.media.thinning import KEPT, Thinned
from tests.unit.media.screen import Frame, Screen, read_frame

PATTERN = ((0, False), (2, True), (1, True), (2, False), (0, False), (2, False), (1, False), (2, False))
"""Layer and layer-sync bit of frame after frame, as libvpx makes three layers."""
FIRST = 0x10000 + 65_000
"""The wrap is near."""
FIRST_PICTURE = 0x7FF0
HOLE = "hole"
tops = st.integers(0, ALL)


def packet(number: int, *, pieces: int = 2) -> bytes:
    """Make a packet of an endless picture, each frame of which has `pieces` packets."""
    frame = (number - FIRST) // pieces
    layer, sync = PATTERN[frame % len(PATTERN)]
    head = struct.pack(">BBHII", 0x80, 96, number & 0xFFFF, 3000 * frame & 0xFFFFFFFF, 0xCAFE)
    picture_id = struct.pack(">H", 0x8000 | FIRST_PICTURE + frame & 0x7FFF)
    base = frame // 4 & 0xFF
    return head + b"\x90\xe0" + picture_id + bytes((base, layer << 6 | sync << 5)) + struct.pack(">I", number)


@dataclass
class Receiver:
    """What came to a receiver: the number that it bore -> the sender's number, or that it was empty."""

    thinned: Thinned
    came: dict[int, int | str] = field(default_factory=dict)
    packets: list[bytes] = field(default_factory=list)
    highest: int = FIRST

    def gets(self, numbers: Iterable[int]) -> list[int]:
        """Feed the sender's packets; return which of them came through."""
        through = []
        for number in numbers:
            data = self.thinned.pass_on(packet(number))
            if data is None:
                continue
            head = read_head(data)
            assert head is not None
            own = self.highest + ((head.sequence - self.highest + 0x8000 & 0xFFFF) - 0x8000)
            assert own not in self.came, "one number, two contents"
            self.highest = max(self.highest, own)
            self.packets.append(data)
            payload = payload_of(data, head)
            self.came[own] = struct.unpack(">I", payload[-4:])[0] if payload else HOLE
            if payload:
                through.append(number)
        return through


def thinned_from(highest: int, *missing: int, top: int = 0) -> Receiver:
    """Return whoever gets the base alone from behind a number, or the layers up to another one."""
    thinned = Thinned(highest, missing)
    thinned.top = top
    return Receiver(thinned, highest=max(FIRST, highest))


def layer(number: int) -> int:
    return PATTERN[(number - FIRST) // 2 % len(PATTERN)][0]


def span(first: int, last: int) -> range:
    return range(FIRST + first, FIRST + last)


@pytest.fixture
def receiver() -> Receiver:
    """Got everything up to the number before FIRST."""
    return thinned_from(FIRST - 1)


def test_the_base_goes_without_a_gap_in_its_numbers_also_over_the_wrap(receiver: Receiver) -> None:
    sent = span(0, 4000)
    assert receiver.gets(sent) == [number for number in sent if layer(number) == 0]
    assert sorted(receiver.came) == list(range(FIRST, FIRST + len(receiver.came)))


def test_all_goes_again_from_where_frames_refer_to_the_base_alone(receiver: Receiver) -> None:
    receiver.gets(span(0, 6))
    receiver.thinned.top = ALL
    # Frames 3 to 8 refer to what never went; frame 9 is the next that does not.
    through = receiver.gets(span(6, 64))
    assert through == [number for number in span(6, 64) if layer(number) == 0 or number >= FIRST + 18]
    assert sorted(receiver.came) == list(range(FIRST, FIRST + len(receiver.came)))


def test_the_second_layer_alone_opens_nothing_above_it(receiver: Receiver) -> None:
    receiver.gets(span(0, 4))
    receiver.thinned.top = ALL
    # Frame 2 refers to the base alone, frame 3 to frames 1 and 2, frame 6 to frames 4 and 2.
    assert receiver.gets(span(4, 16)) == [*span(4, 6), *span(8, 10), *span(12, 14)]


def test_a_frame_goes_as_a_whole_or_not_at_all(receiver: Receiver) -> None:
    receiver.gets(span(0, 3))
    receiver.thinned.top = ALL
    assert receiver.gets(span(3, 4)) == []
    receiver.gets(span(4, 19))
    receiver.thinned.top = 0
    assert receiver.gets(span(19, 20)) == [FIRST + 19]


def test_a_base_packet_that_is_late_goes_under_the_number_kept_for_it(receiver: Receiver) -> None:
    assert receiver.gets([*span(0, 8), *span(9, 12), FIRST + 8]) == [*span(0, 2), FIRST + 9, FIRST + 8]
    assert sorted(receiver.came) == list(range(FIRST, FIRST + 4))
    assert receiver.came[FIRST + 2] == FIRST + 8


def test_what_is_late_and_not_for_the_receiver_leaves_no_hole(receiver: Receiver) -> None:
    assert receiver.gets([*span(0, 3), *span(4, 10), FIRST + 3]) == [*span(0, 2), *span(8, 10)]
    assert receiver.came[FIRST + 2] == HOLE
    assert sorted(receiver.came) == list(range(FIRST, FIRST + 5))


def test_whole_frames_that_are_late_go_to_whoever_gets_all(receiver: Receiver) -> None:
    receiver.thinned.top = ALL
    late = span(6, 8)
    assert receiver.gets([*span(0, 6), *span(8, 40), *late]) == [*span(0, 6), *span(8, 40), *late]


def test_what_was_missing_before_the_thinning_goes_as_it_would_have(receiver: Receiver) -> None:
    receiver = thinned_from(FIRST + 9, FIRST + 1, FIRST + 3)
    assert receiver.gets([FIRST, FIRST + 1, FIRST + 3, FIRST + 1]) == [FIRST + 1]
    assert receiver.came == {FIRST + 1: FIRST + 1, FIRST + 3: HOLE}


def test_asked_again_is_what_went_under_the_number(receiver: Receiver) -> None:
    before = receiver.thinned.origin(FIRST - 1 & 0xFFFF)
    assert before == FIRST - 1 & 0xFFFF
    receiver.gets(span(0, 4 * KEPT))
    for own in range(receiver.highest - 100, receiver.highest + 1):
        came = receiver.came[own]
        assert isinstance(came, int)
        assert receiver.thinned.origin(own & 0xFFFF) == came & 0xFFFF
    assert receiver.thinned.origin(receiver.highest + 1 & 0xFFFF) is None
    assert receiver.thinned.origin(FIRST - 1 & 0xFFFF) is None


def test_after_sound_alone_the_numbers_go_on_where_they_were(receiver: Receiver) -> None:
    receiver.gets(span(0, 16))
    receiver.thinned.skip_to(FIRST + 1599)
    receiver.gets(span(1600, 1632))
    assert sorted(receiver.came) == list(range(FIRST, FIRST + len(receiver.came)))


def test_after_an_outage_or_a_recess_the_numbers_go_on_where_they_were(receiver: Receiver) -> None:
    receiver.gets(span(0, 16))
    receiver.gets(span(1600, 1632))
    assert sorted(receiver.came) == list(range(FIRST, FIRST + len(receiver.came)))
    assert receiver.gets(span(1500, 1504)) == []


def test_reports_count_what_went(receiver: Receiver) -> None:
    receiver.gets(span(0, 16))
    withheld = 12
    report = bytes(20) + struct.pack(">II", 1016, 50_160)
    assert struct.unpack(">II", receiver.thinned.sender_report(report)[20:]) == (
        1016 - withheld,
        50_160 - 10 * withheld,
    )
    block = struct.pack(">IIIIII", 0xCAFE, 7, receiver.highest, 3, 4, 5)
    assert struct.unpack(">IIIIII", receiver.thinned.receiver_report(block)) == (0xCAFE, 7, FIRST + 15, 3, 4, 5)


@given(
    st.lists(st.integers(0, 400), max_size=800),
    st.lists(st.tuples(st.integers(0, 800), tops), max_size=6),
)
def test_in_whatever_order_packets_come_no_number_is_used_twice_and_each_names_its_origin(
    order: list[int], turns: list[tuple[int, int]]
) -> None:
    receiver = thinned_from(FIRST - 1)
    for index, number in enumerate(order):
        for at, top in turns:
            if at == index:
                receiver.thinned.top = top
        receiver.gets([FIRST + number])
    for own, came in receiver.came.items():
        origin = receiver.thinned.origin(own & 0xFFFF)
        assert origin is None or (isinstance(came, int) and origin == came & 0xFFFF)
    for went in receiver.packets:
        own = int.from_bytes(went[2:4], "big")
        if (origin := receiver.thinned.origin(own)) is not None:
            number = FIRST + ((origin - FIRST + 0x8000 & 0xFFFF) - 0x8000)
            assert receiver.thinned.as_it_went(packet(number), own) == went


def frames(packets: Iterable[bytes]) -> list[Frame]:
    """Return the frames of packets, each once."""
    return list(dict.fromkeys(frame for data in packets if (frame := read_frame(data)) is not None))


def pictures(packets: Iterable[bytes]) -> list[int]:
    """Return the PictureIDs of frames, from the first one's on."""
    return [frame.picture - FIRST_PICTURE & 0x7FFF for frame in frames(packets)]


@pytest.mark.parametrize("top", [0, 1, 2, ALL])
def test_up_to_each_layer_the_picture_has_its_rate_and_a_browser_shows_all_of_it(top: int) -> None:
    receiver = thinned_from(FIRST - 1, top=top)
    sent = span(0, 2000)
    assert receiver.gets(sent) == [number for number in sent if layer(number) <= top]
    assert sorted(receiver.came) == list(range(FIRST, FIRST + len(receiver.came)))
    assert pictures(receiver.packets) == list(range(len(receiver.packets) // 2))
    screen = Screen()
    assert all(screen.shows(frame) for frame in frames(receiver.packets))


@given(st.lists(st.tuples(tops, st.integers(1, 40)), min_size=1, max_size=12))
def test_whatever_layers_go_a_browser_shows_all_that_goes(turns: list[tuple[int, int]]) -> None:
    receiver = thinned_from(FIRST - 1)
    ended = 0
    for top, count in turns:
        receiver.thinned.top = top
        through = receiver.gets(span(2 * ended, 2 * (ended + count)))
        assert max(map(layer, through), default=0) <= top
        ended += count
    screen = Screen()
    assert all(screen.shows(frame) for frame in frames(receiver.packets))
    assert screen.pictures == list(range(FIRST_PICTURE, FIRST_PICTURE + len(screen.pictures)))


def test_the_middle_layer_stays_when_the_upper_one_goes_and_when_it_comes() -> None:
    receiver = thinned_from(FIRST - 1, top=ALL)
    receiver.gets(span(0, 32))
    receiver.thinned.top = 1
    assert [layer(number) for number in receiver.gets(span(32, 48))] == [0, 0, 1, 1, 0, 0, 1, 1]
    receiver.thinned.top = ALL
    assert receiver.gets(span(48, 64)) == list(span(48, 64))
    screen = Screen()
    assert all(screen.shows(frame) for frame in frames(receiver.packets))


def test_a_late_frame_has_the_picture_number_kept_for_it() -> None:
    receiver = thinned_from(FIRST - 1, top=1)
    # Frame 6, of the middle layer, comes after the base of frame 8.
    receiver.gets([*span(0, 12), *span(14, 18), *span(12, 14)])
    assert pictures(receiver.packets) == [0, 1, 2, 4, 3]


def test_a_late_packet_of_a_frame_that_goes_has_its_frames_number() -> None:
    receiver = thinned_from(FIRST - 1, top=1)
    receiver.gets([*span(0, 5), *span(6, 10), FIRST + 5])
    assert [frame.picture for data in receiver.packets if (frame := read_frame(data)) and frame.layer == 1] == [
        FIRST_PICTURE + 1
    ] * 2
    assert pictures(receiver.packets) == [0, 1, 2]


def test_the_first_packet_of_all_may_be_any() -> None:
    receiver = thinned_from(-1)
    assert receiver.gets(span(0, 4)) == [*span(0, 2)]
    assert receiver.thinned.pass_on(b"cut") is None


@given(st.lists(st.binary(max_size=40), max_size=40), tops)
def test_hostile_packets_are_passed_on_or_not_and_nothing_grows(packets: list[bytes], top: int) -> None:
    thinned = Thinned(FIRST - 1)
    thinned.top = top
    for index, data in enumerate(packets):
        hostile = struct.pack(">BBHI", 0x80 | len(data) % 64, 96, 7919 * index & 0xFFFF, index) + data
        passed = thinned.pass_on(hostile)
        assert passed is None or len(passed) <= len(hostile) + 1
    assert len(thinned._kept_free) + len(thinned._origins) + len(thinned._frames) <= 3 * KEPT
