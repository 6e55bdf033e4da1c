"""How a picture is shared among lines that carry more and less: the rules alone, whatever carries them out."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    does_with_fewer,
    lowest_bps,
    takes_all,
    told_bps,
)

shares_bps = st.one_of(st.just(math.inf), st.floats(10_000, 5_000_000), st.floats(60_000, 200_000))
base_shares = st.one_of(st.none(), st.floats(0.2, 0.8))


def sharing(shares: list[float], base_share: float | None) -> tuple[float, list[str]]:
    """Share one busy picture afresh: return what its sender is told, and what each receiver gets."""
    gets = []
    for index, share in enumerate(shares):
        best_other = max((other for place, other in enumerate(shares) if place != index), default=0.0)
        if share < lowest_bps(best_other, base_share):
            gets.append("sound")
        elif base_share is not None and does_with_fewer(share, best_other, math.inf):
            gets.append("base")
        else:
            gets.append("all")
    asked = [
        asked_bps(share, base_share, rising=False) if got == "base" else share
        for share, got in zip(shares, gets, strict=True)
        if got != "sound"
    ]
    return told_bps(asked, [share for share, got in zip(shares, gets, strict=True) if got != "sound"]), gets


@given(st.lists(shares_bps, min_size=1, max_size=23), base_shares)
def test_nobody_gets_more_than_the_line_carries(shares: list[float], base_share: float | None) -> None:
    told, gets = sharing(shares, base_share)
    for share, got in zip(shares, gets, strict=True):
        if got != "sound":
            assert carried_bps(told, base_share if got == "base" else None) <= share * 1.0001


@given(st.lists(shares_bps, min_size=2, max_size=23), base_shares)
def test_nobody_is_told_less_than_a_picture_takes_while_a_line_carries_one(
    shares: list[float], base_share: float | None
) -> None:
    told, _ = sharing(shares, base_share)
    assert told >= (PICTURE_BPS_MIN if max(shares) >= PICTURE_BPS_MIN else ALONE_BPS_MIN)


@given(st.lists(st.floats(GOOD_BPS / GAIN, 5_000_000), min_size=1, max_size=23), base_shares)
def test_lines_that_carry_a_good_picture_get_all_of_it_as_far_as_the_thinnest_carries(
    shares: list[float], base_share: float | None
) -> None:
    assert sharing(shares, base_share) == (min(shares), ["all"] * len(shares))


@given(shares_bps, st.lists(shares_bps, max_size=5), st.floats(1, 4), base_shares)
def test_a_wider_line_never_gets_less(
    share: float, others: list[float], wider: float, base_share: float | None
) -> None:
    order = ["sound", "base", "all"]
    _, before = sharing([share, *others], base_share)
    _, after = sharing([share * wider, *others], base_share)
    assert order.index(after[0]) >= order.index(before[0])


@given(shares_bps, base_shares)
def test_one_receiver_alone_slows_the_sender_down_and_gets_sound_alone_only_where_no_picture_fits(
    share: float, base_share: float | None
) -> None:
    told, gets = sharing([share], base_share)
    assert gets == ["sound" if share < ALONE_BPS_MIN else "all"]
    assert told == (math.inf if share < ALONE_BPS_MIN else share)


@given(shares_bps, shares_bps, st.floats(0.2, 0.8))
def test_a_thin_line_costs_another_no_more_than_its_base_layer_asks(
    thin: float, wide: float, base_share: float
) -> None:
    told, gets = sharing([thin, wide], base_share)
    if gets[0] == "base":
        assert told == pytest.approx(min(wide, SOUND_BPS + (thin - SOUND_BPS) / base_share))
        assert told >= thin


def test_layers_let_a_line_see_that_would_see_nothing_without() -> None:
    assert sharing([120_000, math.inf], None)[1] == ["sound", "all"]
    told, gets = sharing([120_000, math.inf], 0.4)
    assert gets == ["base", "all"]
    assert told == pytest.approx(232_500)


def test_people_who_all_have_thin_lines_see_each_other() -> None:
    assert sharing([90_000, 100_000, 80_000], 0.4) == (80_000, ["all"] * 3)


def test_nobody_is_put_on_fewer_pictures_of_a_camera_that_sends_little_anyway() -> None:
    assert does_with_fewer(300_000, math.inf, 900_000)
    assert not does_with_fewer(300_000, math.inf, 200_000)


def test_all_comes_back_when_the_line_carries_what_is_sent_and_not_before() -> None:
    assert not takes_all(500_000, math.inf, 900_000)
    assert takes_all(900_000, math.inf, 900_000)
    # A good picture is all that the others can ask for: the sender is slowed down to that, then all goes.
    assert asked_bps(GOOD_BPS, 0.4, rising=True) < GOOD_BPS < asked_bps(GOOD_BPS, 0.4, rising=False)
    assert asked_bps(GOOD_BPS - 1, 0.4, rising=True) == asked_bps(GOOD_BPS - 1, 0.4, rising=False)


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
