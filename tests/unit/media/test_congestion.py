"""A receiver's line: a queue or loss lowers the cap, ease raises it, and a good line has none."""

from signaling.media import rtp
from signaling.media.congestion import CAP_MIN_BPS, Downlink, UplinkFeedback
from signaling.media.shared_state import UplinkState


class Line:
    """A receiver behind a line of some bit/s, with a queue, or with every n-th packet lost."""

    def __init__(self, bps: float, *, lose_every: int = 0, delay_s: float = 0.02) -> None:
        self.bps = bps
        self.downlink = Downlink()
        self._feedback = UplinkFeedback(UplinkState())
        self._free_at = 0.0
        self._count = 0
        self._lose_every = lose_every
        self._delay_s = delay_s
        self._under_way: list[tuple[float, int]] = []

    def run(self, bps: float, begin: float, end: float, *, follow: bool = True) -> None:
        """Send at `bps` (or at the cap, when lower and followed), feeding back every 80 ms."""
        at, told_at = begin, begin
        while at < end:
            rate = min(bps, self.downlink.cap_bps or bps) if follow else bps
            number = self.downlink.next_number(1000, at)
            self._count += 1
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


def test_heavy_loss_without_a_queue_lowers_the_cap() -> None:
    line = Line(10_000_000, lose_every=5)
    line.run(1_500_000, 0, 5)
    assert line.downlink.cap_bps is not None
    assert line.downlink.cap_bps < 1_000_000
    assert line.downlink.loss_pct > 12


def test_light_loss_is_the_business_of_asking_again() -> None:
    line = Line(10_000_000, lose_every=20)
    line.run(1_500_000, 0, 10)
    assert line.downlink.cap_bps is None


def test_the_cap_never_falls_below_what_sound_needs() -> None:
    line = Line(10_000)
    line.run(1_500_000, 0, 20, follow=False)
    assert line.downlink.cap_bps == CAP_MIN_BPS
