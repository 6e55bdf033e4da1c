"""What people read is complete: no refusal without a sentence, no trail entry without words."""

import ast
import re
import string
from fnmatch import fnmatch

from tests.architecture.source import calls_of, texts_in, texts_of_code
from web.findings import FAULTS
from web.findings import TEXTS as FINDINGS
from web.refusal_texts import TEXTS as REFUSALS
from web.trail_texts import TEXTS as TRAIL

EVENT = re.compile(r"([A-Z][a-z]+){2,}")
RECORDERS = ("record", "_record", "_record_seat", "_record_session", "note", "_note")


def _refusal_codes() -> set[str]:
    return {text for call in calls_of("Refusal") if call.args for text in texts_in(call.args[0])}


def _trail_events() -> set[str]:
    calls = calls_of(*RECORDERS)
    return {text for call in calls for argument in call.args for text in texts_in(argument) if EVENT.fullmatch(text)}


def test_every_refusal_has_a_sentence() -> None:
    missing = {code for code in _refusal_codes() if not any(fnmatch(known, code) for known in REFUSALS)}
    assert not missing


def test_every_sentence_belongs_to_a_refusal() -> None:
    # A code may travel through a variable before it is raised: it then stands in the code as a text.
    codes, said = _refusal_codes(), texts_of_code(except_in="refusal_texts.py")
    unused = {known for known in REFUSALS if known not in said and not any(fnmatch(known, code) for code in codes)}
    assert not unused


def test_a_sentence_uses_only_params_that_its_refusal_carries() -> None:
    for call in calls_of("Refusal"):
        carried = {keyword.arg for keyword in call.keywords}
        if None in carried:
            continue
        for code in texts_in(call.args[0]) if call.args else ():
            if code in REFUSALS:
                used = {name for _, name, _, _ in string.Formatter().parse(REFUSALS[code].sentence) if name}
                assert used <= carried, (code, used, carried)


def test_sentences_end_as_sentences_do_and_do_not_shout() -> None:
    for known, text in REFUSALS.items():
        assert text.sentence[-1] in "。？", known
        assert "！" not in text.sentence, known
        assert "系统错误" not in text.sentence, known


def test_every_event_on_the_trail_has_words() -> None:
    assert not _trail_events() - TRAIL.keys()


def test_words_are_kept_only_for_events_that_happen() -> None:
    assert not TRAIL.keys() - texts_of_code(except_in="trail_texts.py")


def test_every_finding_of_the_verifier_has_a_sentence() -> None:
    found = {
        text for call in calls_of("_good", "_bad", "Finding") for argument in call.args for text in texts_in(argument)
    }
    assert found
    assert not {code for code in found if not any(fnmatch(known, code) for known in FINDINGS)}


def test_every_fault_that_a_seal_may_tell_of_has_words() -> None:
    faults = {text for call in calls_of("JournalFault", "Fault") for text in texts_in(call.args[0])}
    said_otherwise = {"segment_torn", "chain_broken", "shorter_than_held"}
    assert said_otherwise < faults
    assert faults - said_otherwise == set(FAULTS)


def test_the_source_reader_sees_conditions_and_patterns() -> None:
    either = ast.parse("'a' if x else 'b'", mode="eval").body
    pattern = ast.parse("f'{x}_not_ready'", mode="eval").body
    assert list(texts_in(either)) == ["a", "b"]
    assert list(texts_in(pattern)) == ["*_not_ready"]
