"""What ships beside the code: voice, prompts and fonts are whole, and say what they are to say."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

from aid.id_numbers import check_id_number
from web.simulator.person import DEMO_APPLICANT
from web.simulator.voice import SAMPLE_RATE, Utterance, decode, samples_of

HOUSE = Path(__file__).parents[3]
FONTS = HOUSE / "web/static/fonts/noto-sans-sc"
SCRIPTS = json.loads((HOUSE / "tools/render_voice/sentences.json").read_text("utf-8"))
DIGITS = str.maketrans("0123456789X", "零一二三四五六七八九Ｘ")


@pytest.mark.parametrize("directory", ["web/simulator/voice", "web/static/sound", "tests/support/voice", FONTS])
def test_every_file_is_as_its_digest_says(directory: str) -> None:
    folder = HOUSE / directory
    sums = dict(line.split("  ")[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    kept = {path.name for path in folder.iterdir() if path.suffix in (".webm", ".woff2")}
    assert kept <= sums.keys()
    for name, digest in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name


@pytest.mark.parametrize("speaker", SCRIPTS)
def test_every_sentence_of_the_script_has_its_sound_and_no_other(speaker: str) -> None:
    folder = HOUSE / SCRIPTS[speaker]["directory"]
    assert {path.stem for path in folder.glob("*.webm")} == SCRIPTS[speaker]["sentences"].keys()


def test_the_applicant_can_say_every_sentence_of_her_script() -> None:
    assert {utterance.value for utterance in Utterance} == SCRIPTS["applicant"]["sentences"].keys()


@pytest.mark.parametrize("speaker", SCRIPTS)
def test_all_sounds_are_equally_loud_and_of_a_sentences_length(speaker: str) -> None:
    for key, sentence in SCRIPTS[speaker]["sentences"].items():
        samples = decode(HOUSE / SCRIPTS[speaker]["directory"] / f"{key}.webm").astype(np.float32)
        syllables = len(re.sub(r"[，。？、]", "", sentence))
        assert 0.1 < len(samples) / SAMPLE_RATE / syllables < 0.4, key
        frames = samples[: len(samples) // 480 * 480].reshape(-1, 480)
        loud = np.sqrt((frames**2).mean(axis=1))
        voiced = float(np.sqrt((frames[loud > loud.max() * 0.1] ** 2).mean()))
        assert -24 < 20 * np.log10(voiced / 32768) < -17, key
        assert np.abs(samples).max() < 32000, key


def test_the_applicants_number_is_valid_in_form_nobodys_and_read_aloud_as_it_is_printed() -> None:
    number = DEMO_APPLICANT.id_number
    check = check_id_number(number)
    assert check.valid
    assert check.birth_on == DEMO_APPLICANT.birth_on
    assert 996 <= int(number[14:17]) <= 999
    assert int(number[16]) % 2 == 0, "an even sequence is a woman's"
    said = SCRIPTS["applicant"]["sentences"]["number"]
    assert re.sub("[，。]", "", said).endswith(number[-6:].translate(DIGITS))


def test_the_fonts_are_whole_small_and_named_by_the_style_sheet() -> None:
    css = (HOUSE / "web/static/css/fonts.css").read_text("utf-8")
    named = re.findall(r"url\('\.\./fonts/noto-sans-sc/([\w.-]+)'\)", css)
    files = {path.name: path.stat().st_size for path in FONTS.glob("*.woff2")}
    assert sorted(named) == sorted(files)
    assert css.count("font-display: swap") == len(files)
    assert max(files.values()) < 2**20
    assert sum(files.values()) < 8 * 2**20
    assert "SIL OPEN FONT LICENSE" in (FONTS / "OFL.txt").read_text()


def test_samples_are_decoded_once() -> None:
    assert samples_of(Utterance.GREETING) is samples_of(Utterance.GREETING)
