"""What she says and shows as time goes by."""

import numpy as np
import pytest

from web.simulator.drawing import Side
from web.simulator.performance import COVER_S, FLIP_S, LONGEST_QUEUE, RISE_S, TURN_S, Performance
from web.simulator.voice import SAMPLE_RATE, Utterance, samples_of

PACKET = SAMPLE_RATE // 50


@pytest.fixture
def her() -> Performance:
    return Performance()


def test_silence_is_a_quiet_room(her: Performance) -> None:
    sound = her.next_samples(PACKET)
    assert len(sound) == PACKET
    assert 0 < np.abs(sound).max() < 100
    assert her.pose(0).mouth == 0


def test_a_sentence_is_said_whole_and_then_she_is_silent(her: Performance) -> None:
    seconds = her.say(Utterance.GREETING)
    words = samples_of(Utterance.GREETING)
    assert seconds == pytest.approx(len(words) / SAMPLE_RATE)
    heard = np.concatenate([her.next_samples(PACKET) for _ in range(len(words) // PACKET + 1)])[: len(words)]
    assert np.abs(heard.astype(int) - words.astype(int)).max() < 100
    assert her.silent


def test_sentences_follow_one_another_and_the_last_ones_end_is_told(her: Performance) -> None:
    first = her.say(Utterance.GREETING)
    assert her.say(Utterance.THANKS) == pytest.approx(first + len(samples_of(Utterance.THANKS)) / SAMPLE_RATE)


def test_when_too_much_is_asked_at_once_the_rest_is_left_out(her: Performance) -> None:
    assert all(her.say(Utterance.MOMENT) for _ in range(LONGEST_QUEUE))
    assert her.say(Utterance.MOMENT) == 0.0


def test_the_mouth_moves_with_the_voice_and_closes_after_it(her: Performance) -> None:
    packets = round(her.say(Utterance.CARD_FRONT) * 50) + 25
    mouths = []
    for _ in range(packets):
        her.next_samples(PACKET)
        mouths.append(her.pose(0).mouth)
    assert max(mouths) >= 3
    assert len(set(mouths)) >= 4
    assert mouths[-1] == 0


def test_the_card_is_raised_turned_over_and_lowered(her: Performance) -> None:
    assert her.pose(0).card is None
    assert her.show_card(Side.FRONT, 10) == RISE_S
    rising = her.pose(10 + RISE_S / 2)
    assert (rising.card, 0 < rising.card_rise < 1) == (Side.FRONT, True)
    assert her.pose(10 + RISE_S).card_rise == 1
    assert her.show_card(Side.BACK, 20) == FLIP_S
    assert her.pose(20.1).card is Side.FRONT
    assert her.pose(20 + FLIP_S / 2).card_width < 0.1
    assert (her.pose(20 + FLIP_S).card, her.pose(20 + FLIP_S).card_width) == (Side.BACK, 1)
    assert her.show_card(Side.BACK, 25) == 0.0
    her.show_card(None, 30)
    assert 0 < her.pose(30 + RISE_S / 2).card_rise < 1
    assert her.pose(30 + RISE_S).card is None


def test_the_head_turns_to_both_sides_and_back(her: Performance) -> None:
    her.turn_head(5)
    assert her.pose(5 + TURN_S / 4).turn_x > 20
    assert her.pose(5 + TURN_S * 3 / 4).turn_x < -20
    assert her.pose(5 + TURN_S).turn_x == 0


def test_the_finger_comes_and_goes(her: Performance) -> None:
    her.cover_photograph(5)
    assert her.pose(5).finger == 0
    assert her.pose(5 + RISE_S + COVER_S / 2).finger == 1
    assert her.pose(5 + RISE_S + COVER_S + 0.01).finger == 0


def test_she_blinks_now_and_then(her: Performance) -> None:
    shut = [her.pose(n / 15).eyes_shut for n in range(15 * 60)]
    assert 0.005 < sum(shut) / len(shut) < 0.1
