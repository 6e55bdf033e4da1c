"""Where packets belong: drift is followed, lips match by the sender's reports, numbers may wrap."""

import random
import struct

import pytest

from signaling.media.timeline import Timeline

BEGIN_US = 1_795_570_000_000_000
NTP_OFFSET_S = 2_208_988_800


def report(sender_us: int, timestamp: int) -> bytes:
    seconds, rest = divmod(sender_us, 1_000_000)
    fraction = (rest << 32) // 1_000_000
    return struct.pack(">BBHIIIIII", 0x80, 200, 6, 42, seconds + NTP_OFFSET_S, fraction, timestamp & 0xFFFFFFFF, 0, 0)


class Sender:
    """A stream made at even times, held up on its way by chance, its clock a little fast."""

    def __init__(
        self, rate: int, *, first: int, delay_ms: int, ppm: int = 0, reports: bool = True, seed: int = 1
    ) -> None:
        self.timeline = Timeline(rate)
        self._rate = rate
        self._first = first
        self._speed = 1 + ppm / 1e6
        self._delay_us = delay_ms * 1000
        self._chance = random.Random(seed)
        self._reports = reports
        self.made: list[tuple[int, int, int]] = []
        """(True time, timestamp, arrival)."""

    def run(self, seconds: int) -> None:
        for step in range(seconds * 20):
            at_us = step * 50_000
            timestamp = int(self._first + at_us * self._speed * self._rate / 1e6) & 0xFFFFFFFF
            if self._reports and step % 100 == 0:
                # The sender's wall clock is a day off and just as fast.
                self.timeline.packet(timestamp, BEGIN_US + at_us + self._delay_us)
                self.timeline.report(report(BEGIN_US - 86_400_000_000 + int(at_us * self._speed), timestamp))
            arrival_us = BEGIN_US + at_us + self._delay_us + self._chance.randrange(0, 80_000)
            self.timeline.packet(timestamp, arrival_us)
            self.made.append((at_us, timestamp, arrival_us))

    def errors_ms(self, expected_delay_us: int) -> list[float]:
        return [
            (self.timeline.place_us(timestamp, arrival_us) - BEGIN_US - at_us - expected_delay_us) / 1000
            for at_us, timestamp, arrival_us in self.made
        ]


@pytest.mark.parametrize("ppm", [0, 200, -200])
@pytest.mark.parametrize("reports", [True, False])
@pytest.mark.parametrize("first", [0, 0xFFFFFFFF - 48000])
def test_packets_are_placed_by_their_own_time_however_long_they_were_held_up(
    ppm: int, reports: bool, first: int
) -> None:
    sender = Sender(48000, first=first, delay_ms=30, ppm=ppm, reports=reports)
    sender.run(1200)
    sender.timeline.settle([sender.timeline])
    errors = sender.errors_ms(30_000)
    assert max(abs(error) for error in errors) < 12


def test_lips_match_voices_by_the_senders_reports_though_the_picture_comes_later() -> None:
    sound = Sender(48000, first=5, delay_ms=30, seed=2)
    picture = Sender(90000, first=0xFFFF0000, delay_ms=330, seed=3)
    sound.run(60)
    picture.run(60)
    for one in (sound, picture):
        one.timeline.settle([sound.timeline, picture.timeline])
    assert max(abs(error) for error in sound.errors_ms(30_000)) < 12
    assert max(abs(error) for error in picture.errors_ms(30_000)) < 12


def test_a_report_that_is_cut_or_goes_back_is_not_used() -> None:
    timeline = Timeline(48000)
    timeline.packet(1000, BEGIN_US)
    timeline.report(report(BEGIN_US, 1000))
    timeline.report(report(BEGIN_US - 5_000_000, 2000))
    timeline.report(report(BEGIN_US, 1000)[:15])
    timeline.settle([timeline])
    assert timeline.place_us(1000 + 48000, BEGIN_US + 1_000_000) == BEGIN_US + 1_000_000
