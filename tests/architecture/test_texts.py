"""What people read is complete: no refusal without a sentence, no trail entry without words."""

import ast
import string
from fnmatch import fnmatch

from tests.architecture.source import calls_of, texts_in
from web.refusal_texts import TEXTS as REFUSALS
from web.trail_texts import TEXTS as TRAIL


def _refusal_codes() -> set[str]:
    return {text for call in calls_of("Refusal") if call.args for text in texts_in(call.args[0])}


def _trail_events() -> set[str]:
    return {
        text
        for call in calls_of("record", "_record")
        for argument in call.args[2:3]
        for text in texts_in(argument)
        if text[:1].isupper()
    }


def test_every_refusal_has_a_sentence() -> None:
    missing = {code for code in _refusal_codes() if not any(fnmatch(known, code) for known in REFUSALS)}
    assert not missing


def test_every_sentence_belongs_to_a_refusal() -> None:
    codes = _refusal_codes()
    assert not {known for known in REFUSALS if not any(fnmatch(known, code) for code in codes)}


def test_a_sentence_uses_only_params_that_its_refusal_carries() -> None:
    carried: dict[str, list[set[str]]] = {}
    for call in calls_of("Refusal"):
        names = {keyword.arg for keyword in call.keywords if keyword.arg}
        opened = any(keyword.arg is None for keyword in call.keywords)
        for code in texts_in(call.args[0]) if call.args else ():
            carried.setdefault(code, []).append(names | ({"*"} if opened else set()))
    for known, text in REFUSALS.items():
        used = {name for _, name, _, _ in string.Formatter().parse(text.sentence) if name}
        for code, calls in carried.items():
            if fnmatch(known, code):
                assert all(used <= names or "*" in names for names in calls), (known, used, calls)


def test_sentences_end_as_sentences_do_and_do_not_shout() -> None:
    for known, text in REFUSALS.items():
        assert text.sentence[-1] in "。？", known
        assert "！" not in text.sentence, known
        assert "系统错误" not in text.sentence, known


def test_every_event_on_the_trail_has_words() -> None:
    assert not _trail_events() - TRAIL.keys()


def test_words_are_kept_only_for_events_that_happen() -> None:
    assert not TRAIL.keys() - _trail_events()


def test_the_source_reader_sees_conditions_and_patterns() -> None:
    either = ast.parse("'a' if x else 'b'", mode="eval").body
    pattern = ast.parse("f'{x}_not_ready'", mode="eval").body
    assert list(texts_in(either)) == ["a", "b"]
    assert list(texts_in(pattern)) == ["*_not_ready"]
