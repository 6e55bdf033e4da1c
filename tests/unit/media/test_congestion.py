"""A receiver's line: a queue or loss lowers the cap, ease raises it, and a good line has none."""

import pytest

from signaling.media import rtp
from signaling.media.congestion import CAP_MIN_BPS, Downlink, UplinkFeedback
from signaling.media.line_loss import LineLoss
from signaling.media.shared_state import UplinkState


class Line:
    """A receiver behind a line of some bit/s, with a queue, or with every n-th packet lost.

    `queue_s`: how long its queue is; whatever finds it full is dropped.
    """

    def __init__(self, bps: float, *, lose_every: int = 0, delay_s: float = 0.02, queue_s: float = 1e9) -> None:
        self.bps = bps
        self.downlink = Downlink()
        self._feedback = UplinkFeedback(UplinkState())
        self._free_at = 0.0
        self._count = 0
        self._lose_every = lose_every
        self._delay_s = delay_s
        self._queue_s = queue_s
        self._under_way: list[tuple[float, int]] = []

    def run(self, bps: float, begin: float, end: float, *, follow: bool = True) -> None:
        """Send at `bps` (or at the cap, when lower and followed), feeding back every 80 ms."""
        at, told_at = begin, begin
        while at < end:
            rate = min(bps, self.downlink.cap_bps or bps) if follow else bps
            number = self.downlink.next_number(1000, at)
            self._count += 1
            if self._free_at - at < self._queue_s:
                self._free_at = max(self._free_at, at) + 8000 / self.bps
                if not self._lose_every or self._count % self._lose_every:
                    self._under_way.append((self._free_at + self._delay_s, number))
            at += 8000 / rate
            if at - told_at >= 0.08:
                told_at = at
                self._tell(at)

    def _tell(self, at: float) -> None:
        for arrival, number in [entry for entry in self._under_way if entry[0] <= at]:
            self._feedback.arrived(number, arrival + 1000)  # Another clock than ours.
        self._under_way = [entry for entry in self._under_way if entry[0] > at]
        report = self._feedback.report(42)
        if report is not None:
            (part,) = rtp.read_rtcp(report)
            self.downlink.told(part, at)


def test_a_line_that_carries_everything_has_no_cap() -> None:
    line = Line(10_000_000)
    line.run(1_500_000, 0, 10)
    assert line.downlink.cap_bps is None
    assert line.downlink.loss_pct == 0


def test_a_thin_line_is_found_within_three_seconds_and_not_drowned_again() -> None:
    line = Line(400_000)
    line.run(1_500_000, 0, 3)
    assert line.downlink.cap_bps is not None
    assert 150_000 <= line.downlink.cap_bps <= 400_000
    line.run(1_500_000, 3, 30)
    assert line.downlink.cap_bps is not None
    assert 200_000 <= line.downlink.cap_bps <= 600_000


def test_a_line_that_recovers_is_used_again() -> None:
    line = Line(400_000)
    line.run(1_500_000, 0, 5)
    line.bps = 10_000_000
    line.run(1_500_000, 5, 45)
    assert line.downlink.cap_bps is None


def test_a_line_that_drops_what_it_cannot_carry_is_not_sent_more_than_that() -> None:
    line = Line(600_000, queue_s=0.02)
    line.run(1_500_000, 0, 4)
    assert line.downlink.cap_bps is not None
    assert 400_000 <= line.downlink.cap_bps <= 720_000
    line.run(1_500_000, 4, 30)
    assert line.downlink.cap_bps is not None
    assert 400_000 <= line.downlink.cap_bps <= 720_000


@pytest.mark.parametrize("lose_every", [3, 5, 7])
def test_a_line_that_loses_as_much_whatever_is_sent_keeps_its_picture(lose_every: int) -> None:
    line = Line(10_000_000, lose_every=lose_every)
    lowest = 1_500_000.0
    for second in range(40):
        line.run(1_500_000, second, second + 1)
        lowest = min(lowest, line.downlink.cap_bps or lowest)
    assert 500_000 < lowest < 1_400_000
    assert line.downlink.cap_bps is None or line.downlink.cap_bps > 1_500_000
    assert line.downlink.loss_pct > 12


def test_a_line_with_a_loss_of_its_own_that_is_too_thin_as_well_is_found_to_be_so() -> None:
    line = Line(10_000_000, lose_every=7)
    line.run(1_500_000, 0, 20)
    line.bps = 300_000
    line.run(1_500_000, 20, 24)
    assert line.downlink.cap_bps is not None
    assert line.downlink.cap_bps <= 320_000


def test_a_line_on_which_little_goes_after_a_loss_is_used_again() -> None:
    line = Line(600_000, queue_s=0.02)
    line.run(1_500_000, 0, 2)
    cap_bps = line.downlink.cap_bps
    assert cap_bps is not None
    line.run(100_000, 2, 10)
    assert line.downlink.cap_bps is not None
    assert line.downlink.cap_bps > 1.3 * cap_bps


def test_what_a_line_lost_by_itself_is_forgotten_when_it_loses_less() -> None:
    loss = LineLoss()
    assert loss.is_too_much(20, 0)
    assert not any(loss.is_too_much(20, 2 + turn / 10) for turn in range(100))
    assert loss.is_too_much(20, 2 + 0.1) is False
    for turn in range(600):
        assert not loss.is_too_much(1, 20 + turn / 10)
    assert loss.is_too_much(20, 90)


def test_light_loss_is_the_business_of_asking_again() -> None:
    line = Line(10_000_000, lose_every=20)
    line.run(1_500_000, 0, 10)
    assert line.downlink.cap_bps is None


def test_the_cap_never_falls_below_what_sound_needs() -> None:
    line = Line(10_000)
    line.run(1_500_000, 0, 20, follow=False)
    assert line.downlink.cap_bps == CAP_MIN_BPS
