"""What the crash run counts as lost."""

from tests.load.crash_check import Loss, losses_of
from tests.load.crash_people import Sent

BLOW_US = 10_000_000
EVERY_US = 20_000


def sent(count: int) -> list[Sent]:
    """Return packets that left every 20 ms, the last one 20 ms before the blow."""
    return [Sent(BLOW_US - (count - number) * EVERY_US, 1, number) for number in range(count)]


def names(*numbers: int) -> set[tuple[int, int]]:
    return {(1, number) for number in numbers}


def test_nothing_is_lost_when_the_last_packet_is_there() -> None:
    assert list(losses_of(sent(100), BLOW_US, names(*range(100)))) == [Loss(0.0, 0)]


def test_the_seconds_before_the_blow_of_which_nothing_is_there_are_lost() -> None:
    assert list(losses_of(sent(100), BLOW_US, names(*range(50)))) == [Loss(1.0, 0)]


def test_a_packet_missing_in_between_is_counted() -> None:
    assert list(losses_of(sent(100), BLOW_US, names(*range(40), *range(42, 100)))) == [Loss(0.0, 2)]


def test_what_came_before_the_relay_knew_the_stream_or_after_the_blow_is_not_its_loss() -> None:
    late = [Sent(BLOW_US + EVERY_US, 1, 100)]
    assert list(losses_of([*sent(100), *late], BLOW_US, names(*range(30, 100)))) == [Loss(0.0, 0)]


def test_a_stream_of_which_nothing_is_there_is_lost_whole() -> None:
    assert list(losses_of(sent(100), BLOW_US, set())) == [Loss(2.0, 0)]
