"""What is kept of people's lines."""

from signaling.effects import (
    Effect,
    EndSession,
    RecordLines,
    SendTo,
    WriteJournal,
)
from signaling.events import (
    Measured,
    Received,
)
from signaling.messages import (
    End,
    LinkStats,
    Quality,
)
from signaling.room import decide
from tests.unit.signaling.room_model import NOON, Model, in_session


def measured(model: Model, seconds: int, loss_pct: float = 0.0) -> list[Effect]:
    """Let so many seconds be measured of Gao; return what the room wanted done."""
    wanted: list[Effect] = []
    for _ in range(seconds):
        model.room, effects = decide(model.room, Measured({"gao": LinkStats(loss_pct, 40, 800, 30, 3)}))
        wanted += effects
    return wanted


def test_ten_seconds_of_peoples_lines_are_kept_as_one() -> None:
    model = in_session()
    assert not [effect for effect in measured(model, 9) if not isinstance(effect, SendTo)]
    model.says("gao", Quality(2, 1500))
    model.says("zhao", Quality(9, 9000))
    written, recorded = (effect for effect in measured(model, 1, 5.0) if not isinstance(effect, SendTo))
    assert isinstance(written, WriteJournal)
    line = {
        "measured_s": 10,
        "loss_pct": 0.5,
        "loss_pct_max": 5.0,
        "rtt_ms": 40,
        "jitter_ms_max": 3,
        "kbps": 800,
        "freezes": 2,
        "frozen_ms": 1500,
    }
    assert written.mapping == {"event": "LinesMeasured", "people": {"gao": line}}, "whoever waits has no line"
    assert isinstance(recorded, RecordLines)
    assert recorded.lines["gao"].freezes == 2
    assert model.room.lines == {}


def test_what_was_measured_last_is_kept_when_the_hearing_ends() -> None:
    model = in_session()
    measured(model, 3)
    connection = next(key for key, seat in model.live.items() if seat == "li")
    _, effects = decide(model.room, Received("li", connection, End(), NOON))
    assert [type(effect) for effect in effects] == [WriteJournal, RecordLines, WriteJournal, EndSession]
