"""Written words: who gets them, and once."""

from signaling.messages import (
    Word,
)
from signaling.words import WORDS_KEPT
from tests.unit.signaling.room_model import in_session, restart


def test_what_was_written_towards_a_dead_line_is_there_for_whoever_comes_back_once() -> None:
    model = in_session()
    model.says("li", Word("听得到吗"))
    model.deaf |= {key for key, seat in model.live.items() if seat == "gao"}
    model.says("zhao", Word("我到了"))
    model.says("li", Word("还在吗"))
    assert model.read["gao"] == [1]
    model.enters("gao", "phone", takeover=False)
    assert model.read["gao"] == [1, 3], "not what another visitor wrote to the host"
    restart(model)
    for seat_id in ("gao", "zhao", "li"):
        model.enters(seat_id, "phone", takeover=False)
    model.read["gao"].clear()
    model.enters("gao", "tablet", takeover=True)
    assert model.read == {"li": [1, 2, 3], "gao": [1, 3], "zhao": [1, 2, 3]}, "a page begun anew gets all"


def test_a_word_that_the_record_refuses_reaches_nobody() -> None:
    model = in_session()
    model.record_refuses = True
    model.says("gao", Word("听得到吗"))
    assert model.room.words == ()


def test_a_long_talk_is_sent_again_by_its_end_alone() -> None:
    model = in_session()
    for number in range(WORDS_KEPT + 3):
        model.says("zhao", Word(str(number)))
    model.read["li"].clear()
    model.enters("li", "desk", takeover=True)
    assert model.read["li"] == list(range(4, WORDS_KEPT + 4))
