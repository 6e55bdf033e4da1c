"""Whoever only watches on a thin line gets sound alone, and pictures again when the line carries them."""

import pytest

from signaling.media.spectators import HOLDS_S, PICTURE_BPS_MIN, STEADY_S, SoundFirst

THIN, ENOUGH = PICTURE_BPS_MIN - 1.0, float(PICTURE_BPS_MIN)


def holds(spectator: SoundFirst, at: float) -> float:
    """Have the line be thin at a moment and good from then on; return how long pictures were held back."""
    assert spectator.look(THIN, at)
    begun_at = at
    while not spectator.look(ENOUGH, at):
        at += 0.5
    assert spectator.pictures
    return at - begun_at


@pytest.mark.parametrize("share_bps", [None, ENOUGH])
def test_a_line_that_carries_the_pictures_gets_them(share_bps: float | None) -> None:
    spectator = SoundFirst()
    assert not any(spectator.look(share_bps, at) for at in range(100))
    assert spectator.pictures


def test_pictures_stay_away_while_the_line_is_thin() -> None:
    spectator = SoundFirst()
    assert spectator.look(THIN, 5.0)
    assert not any(spectator.look(THIN, at) for at in range(6, 600))
    assert not spectator.pictures
    assert spectator.look(None, 601.0)


def test_each_try_that_fails_makes_the_next_wait_longer_and_a_good_minute_begins_anew() -> None:
    spectator = SoundFirst()
    at = 0.0
    for hold_s in (*HOLDS_S, HOLDS_S[-1]):
        held_s = holds(spectator, at)
        assert held_s == hold_s
        at += held_s + 3.0
    assert holds(spectator, at + STEADY_S) == HOLDS_S[0]
