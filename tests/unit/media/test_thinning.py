"""What goes to a receiver who gets the base layer alone, and under which numbers."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.media.rtp import payload_of, read_head
from signaling.media.thinning import KEPT, Thinned

PATTERN = ((0, False), (2, True), (1, True), (2, False), (0, False), (2, False), (1, False), (2, False))
"""Layer and layer-sync bit of frame after frame, as libvpx makes three layers."""
FIRST = 0x10000 + 65_000
"""The wrap is near."""
HOLE = "hole"


def packet(number: int, *, pieces: int = 2) -> bytes:
    """Make a packet of an endless picture, each frame of which has `pieces` packets."""
    frame = (number - FIRST) // pieces
    layer, sync = PATTERN[frame % len(PATTERN)]
    head = struct.pack(">BBHII", 0x80, 96, number & 0xFFFF, 3000 * frame & 0xFFFFFFFF, 0xCAFE)
    picture_id = struct.pack(">H", 0x8000 | frame & 0x7FFF)
    return head + b"\x90\xe0" + picture_id + bytes((0, layer << 6 | sync << 5)) + struct.pack(">I", number)


@dataclass
class Receiver:
    """What came to a receiver: the number that it bore -> the sender's number, or that it was empty."""

    thinned: Thinned
    came: dict[int, int | str] = field(default_factory=dict)
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
            payload = payload_of(data, head)
            self.came[own] = struct.unpack(">I", payload[-4:])[0] if payload else HOLE
            if payload:
                through.append(number)
        return through


def thinned_from(highest: int, *missing: int) -> Receiver:
    """Return whoever gets the base alone from behind a number."""
    thinned = Thinned(highest, missing)
    thinned.base_only = True
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
    receiver.thinned.base_only = False
    # Frames 3 to 8 refer to what never went; frame 9 is the next that does not.
    through = receiver.gets(span(6, 64))
    assert through == [number for number in span(6, 64) if layer(number) == 0 or number >= FIRST + 18]
    assert sorted(receiver.came) == list(range(FIRST, FIRST + len(receiver.came)))


def test_the_second_layer_alone_opens_nothing_above_it(receiver: Receiver) -> None:
    receiver.gets(span(0, 4))
    receiver.thinned.base_only = False
    # Frame 2 refers to the base alone, frame 3 to frames 1 and 2.
    assert receiver.gets(span(4, 16)) == [*span(4, 6), *span(8, 10)]


def test_a_frame_goes_as_a_whole_or_not_at_all(receiver: Receiver) -> None:
    receiver.gets(span(0, 3))
    receiver.thinned.base_only = False
    assert receiver.gets(span(3, 4)) == []
    receiver.gets(span(4, 19))
    receiver.thinned.base_only = True
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
    receiver.thinned.base_only = False
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
    st.lists(st.tuples(st.integers(0, 800), st.booleans()), max_size=6),
)
def test_in_whatever_order_packets_come_no_number_is_used_twice_and_each_names_its_origin(
    order: list[int], turns: list[tuple[int, bool]]
) -> None:
    receiver = thinned_from(FIRST - 1)
    for index, number in enumerate(order):
        for at, base_only in turns:
            if at == index:
                receiver.thinned.base_only = base_only
        receiver.gets([FIRST + number])
    for own, came in receiver.came.items():
        origin = receiver.thinned.origin(own & 0xFFFF)
        assert origin is None or (isinstance(came, int) and origin == came & 0xFFFF)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40)), min_size=1, max_size=12))
def test_nothing_is_missing_before_a_frame_that_refers_to_it(turns: list[tuple[bool, int]]) -> None:
    receiver = thinned_from(FIRST - 1)
    through: list[int] = []
    ended = 0
    for base_only, frames in turns:
        receiver.thinned.base_only = base_only
        through += receiver.gets(span(2 * ended, 2 * (ended + frames)))
        ended += frames
    gone = {(number - FIRST) // 2 for number in through}
    last = [-1, -1, -1]
    for frame in range(ended):
        number, sync = PATTERN[frame % len(PATTERN)]
        if frame in gone and number:
            refers_to = [last[0]] if sync else last[: number + 1]
            assert set(range(min(refers_to), frame)) - gone == set() or sync
            assert set(refers_to) <= gone
        last[number] = frame


def test_the_first_packet_of_all_may_be_any() -> None:
    receiver = thinned_from(-1)
    assert receiver.gets(span(0, 4)) == [*span(0, 2)]
    assert receiver.thinned.pass_on(b"cut") is None


@given(st.lists(st.binary(max_size=40), max_size=40), st.booleans())
def test_hostile_packets_are_passed_on_or_not_and_nothing_grows(packets: list[bytes], base_only: bool) -> None:
    thinned = Thinned(FIRST - 1)
    thinned.base_only = base_only
    for index, data in enumerate(packets):
        hostile = struct.pack(">BBHI", 0x80 | len(data) % 64, 96, 7919 * index & 0xFFFF, index) + data
        passed = thinned.pass_on(hostile)
        assert passed is None or len(passed) <= len(hostile) + 1
    assert len(thinned._kept_free) + len(thinned._origins) + len(thinned._frames) <= 3 * KEPT
