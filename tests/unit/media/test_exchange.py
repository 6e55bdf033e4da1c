"""Who gets what in which codec: decided from what the browsers' answers say."""

from typing import cast

import pytest

from signaling.media.codecs import H264, OPUS, RED, VP8
from signaling.media.exchange import Exchange
from signaling.media.link import Link
from signaling.media.participant import OWN_MIDS, RED_AGAIN_S, Participant
from signaling.media.sdp import Answer, AnsweredSection
from signaling.media.shared_state import UplinkState
from signaling.media.stream import Stream

BOTH = (VP8, H264)


def section(mid: str, formats: tuple[int, ...], *, receives: bool = True) -> AnsweredSection:
    kind = "audio" if OPUS in formats else "video"
    return AnsweredSection(mid, kind, False, not receives, receives, formats, None, None, True)


class StandingLink:
    """As much of a link as deciding takes."""

    def __init__(self) -> None:
        self.lost = False
        self.connected = True
        self.state = UplinkState()


class Meeting:
    """People whose links stand, and the negotiation between them without its text."""

    def __init__(self) -> None:
        self.changes = 0
        self.exchange = Exchange(self._changed)
        self._ssrc = 100

    def _changed(self) -> None:
        self.changes += 1

    def come(self, seat_id: str, sends: tuple[int, ...] = BOTH) -> Participant:
        """Seat somebody whose browser can send these; both kinds of stream are there at once."""
        person = Participant(seat_id, cast(Link, StandingLink()), 0)
        self.exchange.put(person)
        person.begin_offer(person.plan((), self.exchange.formats_for(person)), 0.0)
        person.take_choice("video", section(OWN_MIDS["video"], sends, receives=False))
        self._ssrc += 2
        person.streams = {
            self._ssrc: Stream(seat_id, "audio", self._ssrc, RED, 1),
            self._ssrc + 1: Stream(seat_id, "video", self._ssrc + 1, person.formats["video"][0], 2),
        }
        return person

    def answer(self, person: Participant, shows: tuple[int, ...], hears: tuple[int, ...] = (RED, OPUS)) -> None:
        """Let somebody answer to everybody else's streams."""
        others = list(self.exchange.streams_for(person))
        person.begin_offer(person.plan(others, self.exchange.formats_for(person)), 0.0)
        said = {
            one.mid: section(one.mid, hears if one.kind == "audio" else shows)
            for one in person.sections
            if one.direction == "sendonly"
        }
        person.take_acceptance(Answer((), True, said))
        self.exchange.settle()


@pytest.fixture
def meeting() -> Meeting:
    return Meeting()


def test_a_camera_is_asked_for_both_codecs_while_nothing_speaks_against_one(meeting: Meeting) -> None:
    gao = meeting.come("gao")
    assert meeting.exchange.formats_for(gao) == BOTH
    wang = meeting.come("wang")
    meeting.answer(wang, BOTH)
    assert meeting.exchange.formats_for(gao) == BOTH


def test_somebody_who_cannot_show_a_codec_takes_it_from_everybodys_offers_until_going(meeting: Meeting) -> None:
    gao, wang = meeting.come("gao"), meeting.come("wang")
    meeting.answer(wang, (H264,))
    assert meeting.exchange.formats_for(gao) == (H264,)
    del meeting.exchange.people["wang"]
    assert meeting.exchange.formats_for(gao) == BOTH


def test_before_anybody_is_shown_what_a_browser_cannot_send_it_is_taken_not_to_show(meeting: Meeting) -> None:
    wang = meeting.come("wang", sends=(VP8,))
    gao = meeting.come("gao")
    assert meeting.exchange.formats_for(gao) == (VP8,)
    # Its own answer knows better: many can show what they cannot send.
    meeting.answer(wang, BOTH)
    assert meeting.exchange.formats_for(gao) == BOTH


def test_what_most_can_show_is_asked_for_when_none_is_shown_by_all(meeting: Meeting) -> None:
    gao, *others = (meeting.come(seat) for seat in ("gao", "wang", "liu", "chen"))
    for person, shows in zip(others, ((H264,), (H264,), (VP8,)), strict=True):
        meeting.answer(person, shows)
    assert meeting.exchange.formats_for(gao) == (H264,)


def test_a_camera_is_never_asked_for_what_it_cannot_send(meeting: Meeting) -> None:
    gao, wang = meeting.come("gao", sends=(VP8,)), meeting.come("wang")
    meeting.answer(wang, (H264,))
    assert meeting.exchange.formats_for(gao) == (VP8,)
    assert meeting.exchange.unseen() == {"gao": ("wang",)}
    assert {stream.kind for stream in gao.streams.values() if stream.ssrc in wang.receiving} == {"audio"}


def test_a_picture_is_not_called_unseen_while_another_codec_is_being_asked_for(meeting: Meeting) -> None:
    gao, wang = meeting.come("gao"), meeting.come("wang")
    meeting.answer(wang, (H264,))
    camera = gao.stream("video")
    assert camera is not None and camera.payload_type == VP8
    assert camera.ssrc not in wang.receiving
    assert meeting.exchange.unseen() == {}
    camera.turn(H264, 3, 0.0)
    meeting.exchange.settle()
    assert camera.ssrc in wang.receiving


def test_a_browser_that_can_send_no_picture_that_we_know_is_seen_by_nobody(meeting: Meeting) -> None:
    gao, wang = meeting.come("gao"), meeting.come("wang")
    gao.take_choice("video", section(OWN_MIDS["video"], (), receives=False))
    meeting.answer(wang, BOTH)
    assert meeting.exchange.unseen() == {"gao": ("wang",)}
    # Whoever only watches is not waited for.
    gao.publishes = False
    assert meeting.exchange.unseen() == {}


def test_whose_line_is_lost_is_neither_unseen_nor_blind(meeting: Meeting) -> None:
    meeting.come("gao", sends=(VP8,))
    wang = meeting.come("wang")
    meeting.answer(wang, (H264,))
    assert meeting.exchange.unseen()
    cast(StandingLink, wang.link).lost = True
    assert meeting.exchange.unseen() == {}


def test_nobody_sends_under_an_ssrc_that_is_or_was_anothers_or_the_relays_own(meeting: Meeting) -> None:
    gao, wang = meeting.come("gao"), meeting.come("wang")
    gao.repairs = {999: 102}
    exchange = meeting.exchange
    repair = exchange.take_ssrc(102)
    assert repair == exchange.take_ssrc(102) != 102
    for ssrc in (102, 103, 999, repair):
        assert exchange.has_no_room_for(wang, (5000, ssrc))
    # Whoever goes on sending may; whoever comes back does so under another.
    assert not exchange.has_no_room_for(gao, (102, 999, 5000))
    assert exchange.has_no_room_for(meeting.come("gao"), (102,))
    assert not exchange.has_no_room_for(wang, (5000,))


def test_who_does_not_know_redundant_sound_gets_it_plain(meeting: Meeting) -> None:
    gao, wang, liu = meeting.come("gao"), meeting.come("wang"), meeting.come("liu")
    meeting.answer(wang, BOTH)
    meeting.answer(liu, BOTH, hears=(OPUS,))
    voice = gao.stream("audio")
    assert voice is not None
    assert not wang.takes_plain(voice)
    assert voice.ssrc in liu.receiving and liu.takes_plain(voice)


def test_a_thin_line_gets_sound_plain_until_it_is_wide_again_and_does_not_waver(meeting: Meeting) -> None:
    gao, wang = meeting.come("gao"), meeting.come("wang")
    meeting.answer(wang, BOTH)
    voice = gao.stream("audio")
    assert voice is not None
    numbers = wang.receiving[voice.ssrc]
    assert not wang.has_thinned(0.0)
    wang.downlink.cap_bps = 90_000.0
    assert wang.has_thinned(1.0)
    meeting.exchange.settle()
    assert wang.takes_plain(voice)
    # What went in the other form must not go again: one SRTP index would have two contents.
    assert wang.receiving[voice.ssrc] is not numbers
    wang.downlink.cap_bps = 120_000.0
    assert not wang.has_thinned(1.0 + RED_AGAIN_S)
    wang.downlink.cap_bps = None
    assert not wang.has_thinned(2.0)
    assert wang.has_thinned(1.0 + RED_AGAIN_S)
    meeting.exchange.settle()
    assert not wang.takes_plain(voice)
