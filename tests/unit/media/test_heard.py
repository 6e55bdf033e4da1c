"""What the express lane hears of a receiver's feedback moves the cap exactly as the whole feedback would."""

import ctypes
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.media import rtp
from signaling.media.congestion import Downlink, UplinkFeedback
from signaling.media.express import LIBRARY
from signaling.media.shared_state import DownlinkState, UplinkState

pytestmark = pytest.mark.skipif(not LIBRARY.exists(), reason="there is no C compiler here, so no express lane")


def heard(downlink: Downlink, feedback: bytes, at: float) -> bool:
    """Let the express lane hear feedback; return whether it took it."""
    hear = ctypes.PyDLL(str(LIBRARY)).express_hear
    hear.argtypes = (ctypes.POINTER(DownlinkState), ctypes.c_char_p, ctypes.c_int, ctypes.c_double)
    return bool(hear(ctypes.byref(downlink.state), feedback, len(feedback), at))


def feedback_of(arrivals: dict[int, float]) -> bytes:
    """Write what a receiver says of packets, by their number and its clock, after it said something before."""
    feedback = UplinkFeedback(UplinkState())
    first = min(arrivals)
    feedback.arrived((first - 1) & 0xFFFF, arrivals[first] - 0.01)
    feedback.report(42)
    for number, at in arrivals.items():
        feedback.arrived(number, at)
    report = feedback.report(42)
    assert report is not None
    return report


def claiming_more(feedback: bytes) -> bytes:
    """Say that it tells of 256 packets."""
    return feedback[:14] + b"\x01\x00" + feedback[16:20] + b"\x21\x00" + feedback[22:]


def counted_downlink() -> Downlink:
    downlink = Downlink()
    downlink.state.counted = 1
    return downlink


@given(
    delays=st.lists(st.lists(st.floats(0.02, 0.2), min_size=1, max_size=40).map(sorted), min_size=1, max_size=25),
    lost=st.sets(st.integers(0, 400), max_size=6),
    at_a_time=st.integers(1, 3),
)
def test_hearing_it_in_the_express_lane_and_reading_it_whole_come_to_the_same(
    delays: list[list[float]], lost: set[int], at_a_time: int
) -> None:
    quick, plain = counted_downlink(), counted_downlink()
    at, number = 10.0, 0
    for index, group in enumerate(delays):
        arrivals = {}
        for delay in group:
            for downlink in (quick, plain):
                assert downlink.next_number(1000 + number % 7, at) == number
            if number not in lost:
                arrivals[number] = at + delay + 1000  # another clock than ours
            number += 1
        at += 0.08
        if not arrivals:
            continue
        feedback = feedback_of(arrivals)
        (part,) = rtp.read_rtcp(feedback)
        plain.told(part, at)
        if not heard(quick, feedback, at):
            quick.weigh()
            quick.told(part, at)
        if index % at_a_time == 0:
            quick.weigh()
    quick.weigh()
    assert (quick.loss_pct > 0) == (plain.loss_pct > 0)
    # What is weighed together counts as if it had come with the last: at the edges of a second that shows in the loss.
    if at_a_time == 1:
        assert quick.loss_pct == plain.loss_pct
        assert quick.cap_bps == pytest.approx(plain.cap_bps)
        assert quick.state.quickest == pytest.approx(plain.state.quickest)
    if at_a_time == 1 or not lost:
        assert (quick.cap_bps is None) == (plain.cap_bps is None)


def test_good_feedback_is_heard_and_nothing_is_left_to_python() -> None:
    downlink = counted_downlink()
    for _ in range(5):
        downlink.next_number(1200, 10.0)
    assert heard(downlink, feedback_of({number: 1000 + 0.001 * number for number in range(5)}), 10.1)
    assert downlink.state.heard.packets == 5
    assert downlink.state.heard.bytes == 6000
    assert heard(downlink, feedback_of({number: 1000 + 0.001 * number for number in range(5)}), 10.2) is False
    assert downlink.state.heard.packets == 5, "what was told before is not counted again"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("cut short", lambda feedback: feedback[:-4]),
        ("with a second packet behind it", lambda feedback: feedback * 2),
        ("of another form", lambda feedback: bytes((feedback[0] & 0xE0 | 1,)) + feedback[1:]),
        ("claiming more than it holds", claiming_more),
    ],
)
def test_feedback_that_is_not_simple_is_left_to_python(name: str, change: Callable[[bytes], bytes]) -> None:
    downlink = counted_downlink()
    for _ in range(5):
        downlink.next_number(1200, 10.0)
    feedback = feedback_of({number: 1000 + 0.001 * number for number in range(5)})
    assert heard(downlink, change(feedback), 10.1) is False, name
    assert downlink.state.heard.packets == 0


def test_a_packet_that_stood_in_a_queue_is_left_to_python() -> None:
    downlink = counted_downlink()
    for at in (10.0, 10.1):
        downlink.next_number(1200, at)
    assert heard(downlink, feedback_of({0: 1010.02}), 10.05)
    downlink.weigh()
    assert heard(downlink, feedback_of({1: 1010.25}), 10.3) is False


def test_what_is_heard_twice_before_anybody_looks_is_added_up() -> None:
    downlink = counted_downlink()
    for number in range(4):
        downlink.next_number(100 * (number + 1), 10.0)
    assert heard(downlink, feedback_of({0: 1010.02, 1: 1010.03}), 10.1)
    assert heard(downlink, feedback_of({2: 1010.04, 3: 1010.05}), 10.2)
    told = downlink.state.heard
    assert (told.packets, told.bytes, told.size, told.at) == (4, 1000, 400, 10.2)
    # The receiver's clock as feedback tells it counts from a multiple of 64 ms of another beginning.
    assert told.delays - 4 * told.lowest == pytest.approx(0.06, abs=0.002)
    assert told.delay - told.lowest == pytest.approx(0.03, abs=0.001)
