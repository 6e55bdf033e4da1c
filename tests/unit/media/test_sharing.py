"""How a picture is shared among lines that carry more and less: the rules alone, whatever carries them out."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.media.layers import ALL, WHOLE, Parts
from signaling.media.sharing import (
    ALONE_BPS_MIN,
    GAIN,
    GOOD_BPS,
    HOLDS_S,
    PICTURE_BPS_MIN,
    SOUND_BPS,
    STEADY_S,
    Held,
    asked_bps,
    carried_bps,
    is_waited_for,
    layers_for,
    lowest_bps,
    more_layers_for,
    told_bps,
)

shares_bps = st.one_of(st.just(math.inf), st.floats(10_000, 5_000_000), st.floats(60_000, 200_000))
layered = st.tuples(st.floats(0.2, 0.6), st.floats(0.05, 0.3)).map(lambda two: (two[0], sum(two), 1.0, 1.0))
all_parts = st.one_of(st.just(WHOLE), layered)
PARTS: Parts = (0.4, 0.6, 1.0, 1.0)
SOUND = -1


def sharing(shares: list[float], parts: Parts) -> tuple[float, list[int]]:
    """Share one busy picture afresh: return what its sender is told, and up to which layer each receiver gets it."""
    gets = []
    for index, share in enumerate(shares):
        best_other = max((other for place, other in enumerate(shares) if place != index), default=0.0)
        if share < lowest_bps(best_other, parts):
            gets.append(SOUND)
        else:
            gets.append(layers_for(share, best_other, math.inf, parts) if parts != WHOLE else ALL)
    asked = [
        asked_bps(share, parts, got, rising=False) if got < ALL else share
        for share, got in zip(shares, gets, strict=True)
        if got != SOUND
    ]
    return told_bps(asked, [share for share, got in zip(shares, gets, strict=True) if got != SOUND]), gets


@given(st.lists(shares_bps, min_size=1, max_size=23), all_parts)
def test_nobody_gets_more_than_the_line_carries(shares: list[float], parts: Parts) -> None:
    told, gets = sharing(shares, parts)
    for share, got in zip(shares, gets, strict=True):
        if got != SOUND:
            assert carried_bps(told, parts[got]) <= share * 1.0001


@given(st.lists(shares_bps, min_size=2, max_size=23), all_parts)
def test_nobody_is_told_less_than_a_picture_takes_while_a_line_carries_one(shares: list[float], parts: Parts) -> None:
    told, _ = sharing(shares, parts)
    assert told >= (PICTURE_BPS_MIN if max(shares) >= PICTURE_BPS_MIN else ALONE_BPS_MIN)


@given(st.lists(st.floats(GOOD_BPS / GAIN, 5_000_000), min_size=1, max_size=23), all_parts)
def test_lines_that_carry_a_good_picture_get_all_of_it_as_far_as_the_thinnest_carries(
    shares: list[float], parts: Parts
) -> None:
    assert sharing(shares, parts) == (min(shares), [ALL] * len(shares))


@given(shares_bps, st.lists(shares_bps, max_size=5), st.floats(1, 4), all_parts)
def test_a_wider_line_never_gets_less(share: float, others: list[float], wider: float, parts: Parts) -> None:
    _, before = sharing([share, *others], parts)
    _, after = sharing([share * wider, *others], parts)
    assert after[0] >= before[0]


@given(shares_bps, all_parts)
def test_one_receiver_alone_slows_the_sender_down_and_gets_sound_alone_only_where_no_picture_fits(
    share: float, parts: Parts
) -> None:
    told, gets = sharing([share], parts)
    assert gets == [SOUND if share < ALONE_BPS_MIN else ALL]
    assert told == (math.inf if share < ALONE_BPS_MIN else share)


@given(shares_bps, shares_bps, layered)
def test_a_thin_line_costs_another_no_more_than_its_layers_ask(thin: float, wide: float, parts: Parts) -> None:
    told, gets = sharing([thin, wide], parts)
    if SOUND < gets[0] < ALL:
        assert told == pytest.approx(min(wide, SOUND_BPS + (thin - SOUND_BPS) / parts[gets[0]]))
        assert told >= thin


@pytest.mark.parametrize(
    ("share", "gets", "told"),
    [
        (80_000, SOUND, math.inf),
        (200_000, 0, 432_500),
        (270_000, 1, 420_000),
        (399_000, 1, 635_000),
        (400_000, 3, 400_000),
    ],
)
def test_a_line_gets_as_many_pictures_as_leave_the_others_a_good_one(share: float, gets: int, told: float) -> None:
    assert sharing([share, math.inf], PARTS) == (pytest.approx(told), [gets, ALL])


def test_a_picture_in_two_layers_knows_two_steps() -> None:
    two: Parts = (0.6, 1.0, 1.0, 1.0)
    assert [sharing([share, math.inf], two)[1][0] for share in (300_000, 390_000, 410_000)] == [0, 0, ALL]
    assert more_layers_for(410_000, math.inf, 400_000, two, 0) == ALL


def test_layers_let_a_line_see_that_would_see_nothing_without() -> None:
    assert sharing([120_000, math.inf], WHOLE)[1] == [SOUND, ALL]
    told, gets = sharing([120_000, math.inf], PARTS)
    assert gets == [0, ALL]
    assert told == pytest.approx(232_500)


def test_people_who_all_have_thin_lines_see_each_other() -> None:
    assert sharing([90_000, 100_000, 80_000], PARTS) == (80_000, [ALL] * 3)


def test_nobody_is_put_on_fewer_pictures_of_a_camera_that_sends_little_anyway() -> None:
    assert is_waited_for(300_000, math.inf, 900_000)
    assert not is_waited_for(300_000, math.inf, 200_000)


@pytest.mark.parametrize("top", [0, 1])
def test_more_comes_back_when_the_line_carries_what_is_sent_and_not_before(top: int) -> None:
    more = ALL if top else 1
    enough = carried_bps(900_000, PARTS[more])
    assert more_layers_for(enough - 1, math.inf, 900_000, PARTS, top) == top
    assert more_layers_for(enough, math.inf, 900_000, PARTS, top) == more
    # A good picture is all that the others can ask for: the sender is slowed down to that, then more goes.
    good = carried_bps(GOOD_BPS, PARTS[more])
    assert asked_bps(good, PARTS, top, rising=True) < GOOD_BPS < asked_bps(good, PARTS, top, rising=False)
    assert asked_bps(good - 1, PARTS, top, rising=True) == asked_bps(good - 1, PARTS, top, rising=False)
    assert more_layers_for(good, math.inf, asked_bps(good, PARTS, top, rising=True), PARTS, top) == more


def test_all_comes_back_at_once_where_the_line_carries_it() -> None:
    assert more_layers_for(900_000, math.inf, 900_000, PARTS, 0) == ALL


# --- Held


def holds(held: Held, at: float) -> float:
    """Have a line be too thin at a moment and wide enough from then on; return how long was held back."""
    assert held.look(True, False, at)
    begun_at = at
    while not held.look(False, True, at):
        at += 0.5
    assert held.given
    return at - begun_at


def test_what_the_line_carries_is_given() -> None:
    held = Held()
    assert not any(held.look(False, True, at) for at in range(100))
    assert held.given


def test_it_stays_away_while_the_line_is_thin() -> None:
    held = Held()
    assert held.look(True, False, 5.0)
    assert not any(held.look(True, False, at) for at in range(6, 600))
    assert held.look(False, True, 601.0)


def test_each_try_that_fails_makes_the_next_wait_longer_and_a_good_minute_begins_anew() -> None:
    held = Held()
    at = 0.0
    for hold_s in (*HOLDS_S, HOLDS_S[-1]):
        held_s = holds(held, at)
        assert held_s == hold_s
        at += held_s + 3.0
    assert holds(held, at + STEADY_S) == HOLDS_S[0]


def test_what_is_given_back_in_part_is_held_back_no_longer_than_a_first_time() -> None:
    held = Held()
    held.hold(5.0)
    held.hold(6.0)
    held.give_back(100.0, whole=False)
    assert not held.given
    assert not held.may_return(100.0 + HOLDS_S[0] - 0.1)
    assert held.look(False, True, 100.0 + HOLDS_S[0])
    held.hold(115.0)
    assert not held.may_return(115.0 + HOLDS_S[2] - 0.1)


def test_a_moment_is_no_reason_where_there_is_patience() -> None:
    held = Held()
    for at in range(0, 100, 5):
        assert not held.look(True, False, float(at), patience_s=4.0)
        assert not held.look(True, False, at + 3.9, patience_s=4.0)
        assert not held.look(False, True, at + 4.0, patience_s=4.0)
    assert not held.look(True, False, 100.0, patience_s=4.0)
    assert held.look(True, False, 104.0, patience_s=4.0)
    assert held.look(False, True, 120.0)
    # Now it is known of this line.
    assert held.look(True, False, 121.0, patience_s=4.0)
