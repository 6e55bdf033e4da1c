"""What no order of events may bring about in a room, tried with orders nobody thought of."""

from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.events import (
    LinkBroke,
    LinkStood,
    Measured,
    MediaMoved,
    OfferMade,
    RecordingSaved,
    Told,
    TroubleArose,
)
from signaling.messages import (
    Admit,
    Answer,
    Devices,
    End,
    Hand,
    Leave,
    LinkStats,
    Mute,
    Pause,
    Prompt,
    Quality,
    RecordAgain,
    Resume,
    SendBack,
    Word,
)
from signaling.trouble import RecordingMended, RecordingTroubled
from tests.unit.signaling.room_model import NOON, SEATS, Model, in_session, restart

seat_ids = st.sampled_from(SEATS)
link_events = st.one_of(
    st.builds(LinkStood, seat_ids),
    st.builds(LinkBroke, seat_ids, st.sampled_from(("silent", "unanswered"))),
    st.builds(OfferMade, seat_ids, st.integers(0, 9), st.just("v=0"), st.just({"0": "gao"})),
    st.builds(Told, st.just("still"), st.just({}), seat_ids | st.none()),
    st.just(TroubleArose("recording_trouble")),
    st.just(RecordingSaved(2, 1, NOON)),
    st.builds(RecordingTroubled, st.just("disk_full"), st.just(1), st.none(), st.booleans(), st.just(NOON)),
    st.builds(RecordingMended, st.just(2), st.none() | st.just((1, 2)), st.just(NOON)),
    st.just(MediaMoved("died")),
    st.just(Measured({"gao": LinkStats(0.0, None, 1, 1)})),
)
device_states = st.sampled_from(("on", "off", "missing"))
messages = st.one_of(
    st.builds(Admit, seat_ids | st.just("nobody")),
    st.builds(SendBack, seat_ids),
    st.builds(Mute, seat_ids, st.booleans()),
    st.builds(Pause, st.sampled_from(("", "歇十分钟"))),
    st.just(Resume()),
    st.builds(Prompt, st.sampled_from(("", "请出示身份证"))),
    st.builds(Hand, st.booleans()),
    st.builds(Word, st.sampled_from(("", "听得到吗"))),
    st.builds(Devices, device_states, device_states),
    st.builds(Answer, st.integers(0, 9), st.just("v=0")),
    st.builds(Quality, st.integers(0, 9), st.integers(0, 5000)),
    st.just(RecordAgain()),
    st.just(Leave()),
    st.just(End()),
)
steps = st.one_of(
    st.tuples(st.just("enters"), seat_ids, st.sampled_from(("phone", "tablet")), st.booleans()),
    st.tuples(st.just("admits"), seat_ids),
    st.tuples(st.just("says"), seat_ids, messages),
    st.tuples(st.just("says"), seat_ids, st.just(Word("听得到吗"))),
    st.tuples(st.just("goes"), seat_ids),
    st.tuples(st.just("goes deaf"), seat_ids),
    st.tuples(st.just("news"), link_events),
    st.tuples(st.just("fails"), st.booleans(), st.booleans()),
    st.tuples(st.just("waits"), st.integers(0, 50)),
    st.tuples(st.just("restarts")),
)


def take(model: Model, step: tuple[object, ...]) -> None:
    """Let one step of a story happen."""
    match step:
        case ("enters", str(seat_id), str(device), bool(takeover)):
            model.enters(seat_id, device, takeover=takeover)
        case ("admits", str(seat_id)):
            model.says("li", Admit(seat_id))
        case ("says", str(seat_id), message):
            model.says(seat_id, message)  # type: ignore[arg-type]
        case ("goes", str(seat_id)):
            model.goes(seat_id)
        case ("goes deaf", str(seat_id)):
            model.deaf |= {key for key, seat in model.live.items() if seat == seat_id}
        case ("news", event):
            model.happens(event)  # type: ignore[arg-type]
        case ("fails", bool(record), bool(media)):
            model.record_refuses, model.media_fails = record, media
        case ("waits", int(minutes)):
            model.waits(minutes)
        case ("restarts",):
            restart(model)


@settings(max_examples=400, deadline=None)
@given(st.booleans(), st.lists(steps, max_size=60))
def test_whatever_happens_nobody_is_heard_unadmitted_or_unrecorded(
    begun: bool, story: list[tuple[object, ...]]
) -> None:
    model = in_session() if begun else Model()
    for step in story:
        take(model, step)
