"""Offers that others can read, and answers that are refused by name when they make no sense."""

import pytest
from aiortc import sdp as reference
from hypothesis import given
from hypothesis import strategies as st

from signaling.media.events import MediaRefused
from signaling.media.sdp import Section, Transport, make_offer, read_answer

TRANSPORT = Transport("0a1b2c3d", "p" * 32, ":".join(["AB"] * 32), ("127.0.0.1", "192.0.2.7"), 40000)
SECTIONS = [
    Section("0", "audio", "recvonly", "host"),
    Section("1", "video", "recvonly", "host"),
    Section("2", "audio", "sendonly", "gao", 4242),
    Section("3", "video", "inactive", "gone"),
]
FINGERPRINT = "a=fingerprint:sha-256 " + ":".join(["CD"] * 32)
ANSWER = "\r\n".join(
    [
        "v=0",
        "o=- 1 1 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "a=mid:0",
        "a=sendonly",
        "a=setup:active",
        FINGERPRINT,
        "a=ssrc:77 cname:x",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111",
        "a=mid:2",
        "a=recvonly",
        "a=setup:active",
        FINGERPRINT,
        "",
    ]
)


def test_an_offer_is_understood_as_it_was_meant() -> None:
    parsed = reference.SessionDescription.parse(make_offer(TRANSPORT, 3, SECTIONS))
    assert [group.items for group in parsed.group] == [["0", "1", "2", "3"]]
    assert [(media.kind, media.direction, media.rtp.muxId) for media in parsed.media] == [
        ("audio", "recvonly", "0"),
        ("video", "recvonly", "1"),
        ("audio", "sendonly", "2"),
        ("video", "inactive", "3"),
    ]
    assert [ssrc.ssrc for ssrc in parsed.media[2].ssrc] == [4242]
    assert all(media.ice.iceLite for media in parsed.media)
    assert [(candidate.ip, candidate.port) for candidate in parsed.media[0].ice_candidates] == [
        ("127.0.0.1", 40000),
        ("192.0.2.7", 40000),
    ]
    assert [codec.payloadType for codec in parsed.media[1].rtp.codecs] == [96, 98, 97, 99]
    assert [codec.payloadType for codec in parsed.media[3].rtp.codecs] == [96, 98]


def test_an_answer_says_what_is_sent_and_what_is_received() -> None:
    answer = read_answer(ANSWER)
    assert answer.active
    assert answer.fingerprints == (("sha-256", ":".join(["CD"] * 32)),)
    assert (answer.sections["0"].sends, answer.sections["0"].ssrc) == (True, 77)
    assert (answer.sections["2"].receives, answer.sections["2"].sends) == (True, False)


def test_an_offer_names_both_codecs_with_their_repairs_and_redundant_sound_first() -> None:
    offer = make_offer(TRANSPORT, 1, SECTIONS)
    sound, camera, far_sound, _ = offer.split("\r\nm=")[1:]
    assert sound.startswith("audio 40000 UDP/TLS/RTP/SAVPF 63 111\r\n")
    assert "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n" in sound
    assert "a=fmtp:111 minptime=10;useinbandfec=1;usedtx=1\r\n" in sound
    assert far_sound.startswith("audio 40000 UDP/TLS/RTP/SAVPF 63 111\r\n")
    assert camera.startswith("video 40000 UDP/TLS/RTP/SAVPF 96 98 97 99\r\n")
    assert "a=rtpmap:98 H264/90000\r\n" in camera
    assert "a=fmtp:98 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f" in camera
    assert "a=fmtp:97 apt=96\r\n" in camera and "a=fmtp:99 apt=98\r\n" in camera


def test_a_far_picture_is_declared_with_its_repair_under_an_ssrc_of_the_relays_own() -> None:
    far = Section("3", "video", "sendonly", "gao", 4242, repair_ssrc=2424)
    offer = make_offer(TRANSPORT, 1, [*SECTIONS[:3], far])
    *_, picture = offer.split("\r\nm=")
    assert picture.startswith("video 40000 UDP/TLS/RTP/SAVPF 96 98 97 99\r\n")
    assert "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n" in picture
    assert "a=ssrc-group:FID 4242 2424\r\na=ssrc:4242 cname:gao\r\na=ssrc:2424 cname:gao\r\n" in picture
    assert offer.count("ssrc-group") == 1
    (group,) = reference.SessionDescription.parse(offer).media[3].ssrc_group
    assert (group.semantic, group.items) == ("FID", [4242, 2424])


@pytest.mark.parametrize(
    ("line", "repairs"),
    [
        ("m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99", (97, 99)),
        ("m=video 9 UDP/TLS/RTP/SAVPF 98 99 96\r\na=rtpmap:99 RTX/90000\r\na=fmtp:99 apt=98", (99,)),
        ("m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=fmtp:97 apt=98", ()),
        ("m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=rtpmap:97 red/90000", ()),
        ("m=video 9 UDP/TLS/RTP/SAVPF 96", ()),
        ("m=video 0 UDP/TLS/RTP/SAVPF 96 97", ()),
        ("m=audio 9 UDP/TLS/RTP/SAVPF 97 111", ()),
    ],
)
def test_an_answer_says_in_what_it_takes_lost_pictures_again(line: str, repairs: tuple[int, ...]) -> None:
    answer = read_answer(ANSWER.replace("m=audio 9 UDP/TLS/RTP/SAVPF 111", line, 1))
    assert answer.sections["0"].repairs == repairs


def test_a_camera_may_be_asked_for_one_codec_only() -> None:
    offer = make_offer(TRANSPORT, 1, [Section("1", "video", "recvonly", "host", formats=(98,))])
    assert "m=video 40000 UDP/TLS/RTP/SAVPF 98 99\r\n" in offer
    assert "VP8" not in offer


@pytest.mark.parametrize(
    ("line", "formats"),
    [
        ("m=video 9 UDP/TLS/RTP/SAVPF 98 99 96 97", (98, 96)),
        ("m=video 9 UDP/TLS/RTP/SAVPF 96 97", (96,)),
        ("m=video 9 UDP/TLS/RTP/SAVPF 111 63 120", ()),
        ("m=video 9 UDP/TLS/RTP/SAVPF 96 96 98\r\na=rtpmap:98 h264/90000", (96, 98)),
        ("m=video 9 UDP/TLS/RTP/SAVPF 96 98\r\na=rtpmap:98 AV1/90000", (96,)),
        ("m=video 0 UDP/TLS/RTP/SAVPF 96", ()),
        ("m=audio 9 UDP/TLS/RTP/SAVPF 63 111\r\na=rtpmap:111 opus/48000/2", (63, 111)),
    ],
)
def test_an_answer_says_which_codecs_it_takes_in_its_own_order(line: str, formats: tuple[int, ...]) -> None:
    answer = read_answer(ANSWER.replace("m=audio 9 UDP/TLS/RTP/SAVPF 111", line, 1))
    assert answer.sections["0"].formats == formats


def test_an_answer_says_under_which_ssrc_lost_packets_come_again() -> None:
    section = read_answer(ANSWER.replace("a=ssrc:77", "a=ssrc-group:FID 78 79\r\na=ssrc:77")).sections["0"]
    assert (section.ssrc, section.rtx_ssrc) == (78, 79)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "answer_unreadable"),
        ("v=0\r\n", "answer_unreadable"),
        ("v=0\r\n" + "a=x\r\n" * 40_000, "answer_unreadable"),
        (ANSWER.replace(FINGERPRINT, "a=fingerprint:sha-1 00:11"), "answer_insecure"),
        (ANSWER.replace(FINGERPRINT, ""), "answer_insecure"),
        (ANSWER.replace(":CD", ":EF", 1), "answer_insecure"),
        (ANSWER.replace("SAVPF", "AVP"), "answer_insecure"),
        (ANSWER.replace("a=setup:active", "a=setup:actpass"), "answer_unreadable"),
        (ANSWER.replace("a=mid:2", "a=mid:0"), "answer_unreadable"),
        (ANSWER.replace("a=mid:2", ""), "answer_unreadable"),
        (ANSWER.replace("ssrc:77", "ssrc:many"), "answer_unreadable"),
        (ANSWER.replace("ssrc:77", "ssrc:4294967296"), "answer_unreadable"),
        (ANSWER.replace("ssrc:77", "ssrc:²"), "answer_unreadable"),
        (ANSWER.replace("m=audio 9", "m=audio"), "answer_unreadable"),
    ],
)
def test_an_answer_without_sense_is_refused_by_name(text: str, code: str) -> None:
    with pytest.raises(MediaRefused) as refused:
        read_answer(text)
    assert refused.value.code == code


@given(st.lists(st.sampled_from([*ANSWER.splitlines(), "m=", "a=", "a=ssrc:", "a=mid:", "\0", "a=fingerprint:x"])))
def test_no_answer_makes_the_reader_fail_otherwise(lines: list[str]) -> None:
    try:
        read_answer("v=0\r\n" + "\r\n".join(lines))
    except MediaRefused as refused:
        assert refused.code in ("answer_unreadable", "answer_insecure")
