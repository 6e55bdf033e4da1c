"""The signature: a hand's strokes."""

import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from web.simulator.signature import PAD_SIZE, Signature, write_signature


@pytest.fixture(params=range(5))
def signature(request: pytest.FixtureRequest) -> Signature:
    return write_signature(request.param)


def test_it_stays_on_the_pad(signature: Signature) -> None:
    for stroke in signature.strokes:
        for point in stroke:
            assert 0 < point["x"] < PAD_SIZE[0]
            assert 0 < point["y"] < PAD_SIZE[1]
            assert 0 < point["pressure"] <= 1


def test_time_never_goes_back_and_a_lifted_finger_takes_time(signature: Signature) -> None:
    for stroke in signature.strokes:
        assert all(before["t_ms"] <= after["t_ms"] for before, after in pairwise(stroke))
    for stroke, following in pairwise(signature.strokes):
        assert following[0]["t_ms"] - stroke[-1]["t_ms"] >= 90
    assert signature.strokes[0][0]["t_ms"] == 0
    assert 3 < signature.duration_s < 10


def test_the_picture_shows_ink_where_the_strokes_are_and_paper_elsewhere(signature: Signature) -> None:
    picture = np.asarray(Image.open(io.BytesIO(signature.picture())))
    assert picture.shape == (PAD_SIZE[1] * 2, PAD_SIZE[0] * 2)
    for stroke in signature.strokes:
        middle = stroke[len(stroke) // 2]
        assert picture[round(middle["y"] * 2), round(middle["x"] * 2)] < 100
    assert 0.01 < (picture < 128).mean() < 0.15


def test_no_two_are_alike_but_a_seed_writes_the_same() -> None:
    assert write_signature().strokes != write_signature().strokes
    assert write_signature(3).strokes == write_signature(3).strokes
