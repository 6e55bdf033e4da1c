"""How long the picture of everybody takes: `make bench-composite`.

People of the drawn clips, 1280x720 at 30 frames a second, VP8 and Opus as browsers send them, played over and over to
the length asked for; then made into one MP4 by the program that does it after a hearing, encryption included. Prints
one JSON line last.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av

from records.master_keys import MasterKeys
from records.sealed_files import seal_file
from records.shelf import Shelf
from records.signing import SigningKey
from tests.support.clips import FRAME_RATE, Clip, applicant_clip, prosecutor_clip
from web.composing import Made, Order, Tiled
from web.composites import COMMAND

NAMES = ("王志远 · 检察官 · 主持", "高秀兰 · 申请人")


def _forever(path: Path, kind: str) -> Iterator[av.VideoFrame | av.AudioFrame]:
    while True:
        options = {"framerate": str(FRAME_RATE)} if kind == "video" else {}
        with av.open(str(path), options=options) as container:
            for frame in container.decode(**{kind: 0}):
                assert isinstance(frame, av.VideoFrame | av.AudioFrame)
                yield frame


def _film(clip: Clip, path: Path, seconds: int) -> None:
    """Write a playback file out of a clip."""
    with av.open(str(path), "w", format="webm") as container:
        picture = container.add_stream("libvpx", rate=FRAME_RATE, options={"deadline": "realtime", "cpu-used": "8"})
        picture.width, picture.height, picture.pix_fmt = 1280, 720, "yuv420p"
        picture.bit_rate = 1_200_000
        sound = container.add_stream("libopus", rate=48_000, layout="stereo")
        resampler = av.AudioResampler("s16", "stereo", 48_000)
        sounds = _forever(clip.sound, "audio")
        heard = 0
        for number, frame in zip(range(seconds * FRAME_RATE), _forever(clip.picture, "video"), strict=False):
            assert isinstance(frame, av.VideoFrame)
            shown = frame.reformat(1280, 720, "yuv420p")
            shown.pts, shown.time_base = number, Fraction(1, FRAME_RATE)
            container.mux(picture.encode(shown))
            while heard * FRAME_RATE < number * 48_000:
                sampled = next(sounds)
                assert isinstance(sampled, av.AudioFrame)
                sampled.pts = None
                for piece in resampler.resample(sampled):
                    piece.pts, piece.time_base = heard, Fraction(1, 48_000)
                    heard += piece.samples
                    container.mux(sound.encode(piece))
        container.mux(picture.encode(None))
        container.mux(sound.encode(None))


def main() -> None:
    """Film, compose, say how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="how long the hearing is")
    parser.add_argument("--people", type=int, default=2, help="how many there are, up to 8")
    parser.add_argument("--keep", type=Path, help="write the MP4 to this file, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        shelf, key = Shelf(root, MasterKeys(MasterKeys.generate())), SigningKey.generate()
        public = shelf.prepare("hearing", key)
        for name, clip in (("0", prosecutor_clip()), ("1", applicant_clip())):
            film = root / f"{name}.webm"
            _film(clip, film, options.seconds)
            with film.open("rb") as file:
                seal_file(file, shelf.place(f"hearing/{name}.webm"), public, "hearing")
        order = Order(
            shelf=root,
            making=root,
            session_id="hearing",
            private=shelf.key("hearing").private,
            public=public,
            target=shelf.place("hearing/composite.mp4"),
            number="梁检接访〔2026〕1号",
            started_at=datetime(2026, 11, 25, 2, 0, tzinfo=UTC),
            duration_ms=options.seconds * 1000,
            gaps=(),
            people=tuple(
                Tiled(name=NAMES[index % 2], path=f"hearing/{index % 2}.webm") for index in range(options.people)
            ),
        )
        began = time.monotonic()
        told = subprocess.run(COMMAND, input=order.model_dump_json().encode(), stdout=subprocess.PIPE, check=True)
        took_s = time.monotonic() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        composed = Made.model_validate_json(told.stdout.splitlines()[-1])
        if options.keep is not None:
            with shelf.open("hearing/composite.mp4") as file:
                options.keep.write_bytes(file.read())
    figures = {
        "people": options.people,
        "hearing_s": options.seconds,
        "took_s": round(took_s, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "mib": round(composed.size / (1 << 20), 1),
        "rss_mib": used.ru_maxrss // 1024,
    }
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
