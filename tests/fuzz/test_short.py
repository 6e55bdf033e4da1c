"""The fuzzing in short, the same inputs every time (`make fuzz` has a million others)."""

import pytest

from tests.fuzz.run import run


async def test_no_hostile_input_raises_gets_an_answer_or_passes_for_what_it_is_not() -> None:
    outcome = await run(9000, seed=20261125, a_hearing=1400)
    assert outcome.failures == {}
    assert outcome.inputs.total() == 9000
    assert len(outcome.inputs) == 15


async def test_the_fuzzing_would_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault behind SRTP is reached and told."""

    def trip(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("signaling.media.control.Control.arrived", trip)
    outcome = await run(2000, seed=1, a_hearing=300)
    assert outcome.failures["datagrams"] == 1
