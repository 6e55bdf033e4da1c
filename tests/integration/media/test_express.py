"""The express lane and the plain way are one: of the same datagrams they make the same."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from signaling.media import express
from signaling.media.codecs import OPUS, RED
from signaling.media.media_loop import MediaLoop
from tests.integration.media.steps import (
    Ask,
    Change,
    Double,
    Feedback,
    Form,
    Late,
    Move,
    Mute,
    Report,
    Seat,
    Send,
    Step,
    Strange,
)
from tests.integration.media.two_ways import BEGINS_AT, Outcome, differences, hold

EXAMPLES = 25
STEPS_MAX = 24

GAO, WANG, LI = Seat.GAO, Seat.WANG, Seat.LI
seats = st.sampled_from(Seat)
sends = st.builds(
    Send,
    seat=seats,
    form=st.sampled_from(Form),
    count=st.integers(1, 12),
    longer=st.sampled_from((0, 0, 1, 7, 600, 1500)),
    gap=st.sampled_from((0, 0, 0, 0, 1, 2, 5, 200)),
)
steps = st.one_of(
    sends,
    sends,
    sends,
    st.builds(Late, seat=seats, camera=st.booleans(), repaired=st.booleans()),
    st.builds(Double, seat=seats),
    st.builds(Strange, seat=seats, control=st.booleans(), authentic=st.booleans()),
    st.builds(Mute, seat=seats, muted=st.booleans()),
    st.builds(
        Ask, seat=seats, of=seats, camera=st.booleans(), back=st.sampled_from(((0,), (1, 2, 5), (0, 63, 64, 255, 256)))
    ),
    st.builds(Report, seat=seats),
    st.builds(Feedback, seat=seats, lost=st.sampled_from((None, None, 11))),
    st.builds(Move, seat=seats),
    st.sampled_from(Change),
    st.just(Change.TURN),
)

A_WHOLE_HEARING: list[Step] = [
    Send(GAO, Form.REDUNDANT_SOUND, count=5),
    Send(GAO, Form.KEYFRAME, count=2),
    Send(WANG, Form.SOUND, count=3),
    Change.TURN,
    Send(GAO, Form.REDUNDANT_SOUND, count=20),
    Send(GAO, Form.PICTURE, count=20),
    Send(GAO, Form.KEYFRAME, count=3, longer=600),
    Send(GAO, Form.PICTURE, count=4, gap=3),
    Change.TURN,
    Late(GAO, camera=True),
    Late(GAO, camera=True, repaired=True),
    Ask(WANG, GAO, camera=True, back=(0, 1, 5, 8)),
    Feedback(WANG),
    Change.LI,
    Send(GAO, Form.REDUNDANT_SOUND, count=4),
    Send(GAO, Form.PICTURE, count=9),
    Change.TURN,
    Send(LI, Form.SOUND, count=4),
    Send(GAO, Form.REDUNDANT_SOUND, count=3),
    Change.TURN,
    Send(GAO, Form.REDUNDANT_SOUND, count=3),
    Send(LI, Form.SOUND, count=9),
    Double(LI),
    Send(GAO, Form.SOUND, count=3),
    Strange(GAO, control=False, authentic=True),
    Strange(GAO, control=True, authentic=False),
    Mute(LI, muted=True),
    Send(LI, Form.SOUND, count=3),
    Change.TURN,
    Send(LI, Form.SOUND, count=3),
    Send(GAO, Form.SOUND, count=3),
    Send(GAO, Form.SOUND_WITHOUT_EXTENSIONS, count=3),
    Change.PAUSE,
    Send(GAO, Form.REDUNDANT_SOUND, count=3),
    Change.PAUSE,
    Send(GAO, Form.REDUNDANT_SOUND, count=3),
    Mute(LI, muted=False),
    Change.TURN,
    Send(LI, Form.SOUND, count=3),
    Report(GAO),
    Change.STILL,
    Send(GAO, Form.KEYFRAME, count=3),
    Change.STILL,
    Change.TURN,
    Send(GAO, Form.H264_PARAMETERS, count=3),
    Change.TURN,
    Send(GAO, Form.H264_PICTURE, count=30),
    *[Send(GAO, Form.H264_PICTURE, count=20, longer=1300), Change.PAUSE] * 11,
    Move(WANG),
    Send(GAO, Form.H264_PICTURE, count=3),
    Change.TURN,
    Move(GAO),
    Send(GAO, Form.H264_PICTURE, count=3),
    Change.TURN,
    Send(GAO, Form.H264_PICTURE, count=3, longer=1500),
    Ask(WANG, GAO, camera=True, back=(0, 1, 2, 3)),
    Send(WANG, Form.SOUND, count=3, longer=600),
    Ask(GAO, WANG, camera=False, back=(0, 1, 2, 3)),
    Change.LI,
    Change.TURN,
    Feedback(WANG),
    Send(GAO, Form.REDUNDANT_SOUND, count=70),
    Feedback(WANG, lost=11),
    Send(WANG, Form.SOUND, count=30),
    Feedback(GAO),
    Ask(WANG, GAO, camera=False, back=(0, 63, 64)),
    Send(GAO, Form.H264_PICTURE, count=2, gap=200),
    Change.TURN,
    Send(GAO, Form.H264_PICTURE_GOES_ON, count=2),
    Send(GAO, Form.H264_PARAMETERS),
    Send(GAO, Form.H264_KEYFRAME),
    Change.TURN,
]


def both_ways(taken: list[Step]) -> tuple[Outcome, Outcome]:
    """Return what comes of the same steps by the express lane and by the plain way."""
    with tempfile.TemporaryDirectory() as room, asyncio.Runner(loop_factory=MediaLoop) as runner:
        return (
            runner.run(hold(taken, Path(room) / "express", plainly=False)),
            runner.run(hold(taken, Path(room) / "plain", plainly=True)),
        )


@settings(max_examples=EXAMPLES, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
@example(A_WHOLE_HEARING)
@given(st.lists(steps, min_size=5, max_size=STEPS_MAX))
def test_the_two_ways_do_the_same(taken: list[Step]) -> None:
    by_express, plainly = both_ways(taken)
    assert differences(by_express, plainly) == []
    for way in (by_express, plainly):
        for heard in way.heard.values():
            assert all(number in (index, None) for index, number in enumerate(heard.numbers))


def test_ordinary_packets_are_carried_without_python() -> None:
    assert express.LIBRARY.exists()
    opening: list[Step] = [
        Send(GAO, Form.REDUNDANT_SOUND),
        Send(GAO, Form.KEYFRAME),
        Change.TURN,
    ]
    ordinary: list[Step] = [
        Send(GAO, Form.REDUNDANT_SOUND, count=50),
        Send(GAO, Form.PICTURE, count=50),
        Send(GAO, Form.KEYFRAME, count=50),
        Send(GAO, Form.PICTURE_GOES_ON, count=50),
    ]
    by_express, plainly = both_ways(opening + ordinary)
    assert (by_express.handled, plainly.handled) == (2, 202)
    assert differences(by_express, plainly) == []


def test_sound_that_one_gets_without_what_is_redundant_is_carried_without_python() -> None:
    opening: list[Step] = [
        Change.LI,
        Send(GAO, Form.REDUNDANT_SOUND),
        Send(GAO, Form.KEYFRAME),
        Change.TURN,
    ]
    ordinary: list[Step] = [
        Send(GAO, Form.REDUNDANT_SOUND, count=20),
        Send(GAO, Form.TWICE_REDUNDANT_SOUND, count=20),
        Send(GAO, Form.SOUND_IN_ONE_PIECE, count=20),
        Send(GAO, Form.SOUND_OF_NO_LENGTH, count=3),
    ]
    odd: list[Step] = [
        Send(GAO, Form.REDUNDANT_SOUND_CUT, count=2),
        Send(GAO, Form.REDUNDANT_SOUND_OF_HEADS, count=2),
        Ask(LI, GAO, camera=False, back=(0, 3, 5, 9, 30)),
        Ask(WANG, GAO, camera=False, back=(0, 3, 5, 9, 30)),
        Feedback(LI),
    ]
    by_express, plainly = both_ways(opening + ordinary + odd)
    # What nobody can take apart is Python's.
    assert (by_express.handled, plainly.handled) == (2 + 4, 2 + 63 + 4)
    assert differences(by_express, plainly) == []
    heard = {name.partition(",")[0]: [*one.streams.values()] for name, one in by_express.heard.items()}
    (wang, _), (li, _) = (sorted(heard[seat], key=len, reverse=True) for seat in ("wang", "li"))
    assert {packet[1] & 0x7F for packet in wang} == {RED}
    assert {packet[1] & 0x7F for packet in li} == {OPUS}
    assert (len(wang), len(li)) == (1 + 63 + 4, 1 + 63)


def test_whoever_was_silenced_for_long_is_heard_and_seen_at_once_afterwards() -> None:
    """SRTP would take numbers that have gone on for more than half a turn meanwhile for old ones."""
    # From where the numbers begin to their wrap, and on by more than half a turn, in steps of the empty packets.
    to_the_wrap, half_a_turn = Send(GAO, Form.SOUND, gap=0x10000 - BEGINS_AT - 21), 18
    pictures_to_the_wrap = Send(GAO, Form.PICTURE, gap=0x10000 - BEGINS_AT - 21)
    before: list[Step] = [
        Send(GAO, Form.SOUND, count=20),
        Send(GAO, Form.KEYFRAME, count=20),
        Change.TURN,
    ]
    recess: list[Step] = [
        Change.RECESS,
        to_the_wrap,
        pictures_to_the_wrap,
        *[Send(GAO, form, gap=2047) for _ in range(half_a_turn) for form in (Form.SOUND, Form.PICTURE)],
        Change.RECESS,
    ]
    muted: list[Step] = [
        Mute(GAO, muted=True),
        to_the_wrap,
        *[Send(GAO, Form.SOUND, gap=2047)] * half_a_turn,
        Mute(GAO, muted=False),
    ]
    after: list[Step] = [Send(GAO, Form.SOUND, count=5), Send(GAO, Form.KEYFRAME, count=5), Change.TURN]
    for silence in (recess, muted):
        by_express, plainly = both_ways([*before, *silence, *after, *after])
        assert differences(by_express, plainly) == []
        assert by_express.drops == {}
        (heard,) = (heard for name, heard in by_express.heard.items() if name.startswith("wang"))
        sound, pictures = (
            [packet for packet in packets if packet[0] & 0x20 == 0] for packets in heard.streams.values()
        )
        assert (len(sound), len(pictures)) == (30, 30)
