"""What the scripts of the live pages say stands in the pages' text blocks."""

import re
from pathlib import Path

import pytest

from signaling.closing import CLOSINGS, CloseReason
from web.rendering import make_templates

STATIC = Path(__file__).parents[3] / "web" / "static" / "js"
SAID = re.compile(r"""say\(\s*(?:[^"`()]*\?\s*)?(["`])([^"`]+)\1(?:\s*:\s*(["`])([^"`]+)\3)?""")
BEGUN = re.compile(r"`([a-z_]+\.[a-z_]*)\$\{")
NAMED = re.compile(r'"([a-z_]+\.[a-z_]+)"')


def _texts(page: str) -> dict[str, str]:
    module = make_templates().get_template("live/texts.html").module
    return {**module.shared, **getattr(module, page)}  # type: ignore[attr-defined]  # set in the template


def _scripts(page: str) -> list[Path]:
    return [*sorted((STATIC / "live").glob("*.js")), *sorted((STATIC / page).glob("*.js"))]


def _keys_said(page: str) -> tuple[set[str], set[str]]:
    """Return the keys that scripts of a page say in full, and the beginnings of those that are put together."""
    whole, begun = set(), set()
    for path in _scripts(page):
        for _, first, _, second in SAID.findall(path.read_text("utf-8")):
            for key in filter(None, (first, second)):
                if "${" in key:
                    begun.add(key.partition("${")[0])
                elif "." in key:
                    whole.add(key)
    return whole, begun


@pytest.mark.parametrize("page", ["applicant", "room"])
def test_every_sentence_a_script_says_is_on_its_page(page: str) -> None:
    whole, begun = _keys_said(page)
    texts = _texts(page)
    assert len(whole) > 20, "the pattern finds what is said"
    assert not {key for key in whole if key not in texts}
    assert not {start for start in begun if not any(key.startswith(start) for key in texts)}


@pytest.mark.parametrize("page", ["applicant", "room"])
def test_no_sentence_is_kept_that_nobody_says(page: str) -> None:
    everywhere = [path.read_text("utf-8") for path in STATIC.rglob("*.js")]
    named = {key for text in everywhere for key in NAMED.findall(text)}
    begun = {start for text in everywhere for start in BEGUN.findall(text)}
    unused = {key for key in _texts(page) if key not in named and not any(key.startswith(start) for start in begun)}
    assert not unused


@pytest.mark.parametrize("page", ["applicant", "room"])
def test_every_reason_to_be_shut_out_for_good_is_explained(page: str) -> None:
    for_good = {reason for reason, closing in CLOSINGS.items() if not closing.retry}
    for_good -= {CloseReason.ENDED, CloseReason.HOST_ABSENT}  # a page of their own says what comes next
    assert not {reason for reason in for_good if f"closed.{reason}" not in _texts(page)}


@pytest.mark.parametrize("page", ["applicant", "room"])
@pytest.mark.parametrize("device", ["camera", "microphone"])
def test_every_trouble_with_a_device_has_a_sentence(page: str, device: str) -> None:
    for trouble in ("refused", "missing", "busy", "insecure", "failed"):
        assert f"trouble.{device}_{trouble}" in _texts(page)


@pytest.mark.parametrize("page", ["applicant", "room"])
def test_sentences_are_chinese_and_do_not_shout(page: str) -> None:
    for key, sentence in _texts(page).items():
        words = re.sub(r"\{\w+\}", "", sentence)
        assert "！" not in words, key
        assert not re.search(r"[a-z]{2,}", words), key
