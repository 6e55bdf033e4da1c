"""Honest packets and messages to begin from: written by our own code and by the libraries that browsers' peers use."""

import struct
from datetime import UTC, datetime
from functools import cache

import msgspec
from aioice import stun

from signaling.media import rtp
from signaling.media.codecs import OFFERED
from signaling.media.events import JournalFlushed, LinkConnected, Moment, OfferReady, PersonStats, StatsMeasured, Still
from signaling.media.sdp import Section, Transport, make_offer
from signaling.media.wire import (
    AddParticipant,
    Alive,
    Answer,
    FromWorker,
    Listen,
    News,
    OpenHearing,
    RecordEvent,
    Refusal,
    Request,
    TakeAnswer,
)

AT = datetime(2026, 11, 25, 2, 0, tzinfo=UTC)
VOICE, CAMERA, REPAIR = 0x1111, 0x2222, 0x3333
"""The SSRCs under which whoever fuzzes sends."""


@cache
def rtp_packets(ssrcs: tuple[int, int, int] = (VOICE, CAMERA, REPAIR)) -> list[bytes]:
    """Return sound and pictures with and without extensions, sources, padding; repair; each payload type."""
    voice, camera, repair = ssrcs
    one_byte = b"\xbe\xde\0\2" + b"\x10\x9f" + b"\x31\0\7" + bytes(3)
    two_byte = b"\x10\0\0\2" + b"\x01\x01\x9f\x03\x02\0\7\0"
    keyframe = b"\x90\x80\x81\x23\x10\x02\x00\x9d\x01\x2a\x40\x01\xf0\x00" + bytes(80)
    h264 = b"\x78\0\6\x67\x42\xe0\x1f\x12\x34\0\4\x68\xce\x3c\x80" + b"\0\x20\x65" + bytes(31)
    fragment = b"\x7c\x85" + bytes(60)
    red = b"\xef\x00\x10\x14" + b"\x6f" + bytes(range(40))
    repaired = b"\0\5" + keyframe

    def packet(first: int, kind: int, ssrc: int, extension: bytes, payload: bytes, sequence: int = 7) -> bytes:
        sources = b"\0\0\0\x09" * (first & 0x0F)
        return struct.pack(">BBHII", 0x80 | first, kind, sequence, 90000, ssrc) + sources + extension + payload

    return [
        packet(0x10, 111, voice, one_byte, b"\xfc" + bytes(60)),
        packet(0x00, 111, voice, b"", b"\xfc" + bytes(20)),
        packet(0x10, 63, voice, one_byte, red),
        packet(0x10, 0x80 | 96, camera, one_byte, keyframe),
        packet(0x10, 96, camera, two_byte, b"\x80\x80\x01" + bytes(90)),
        packet(0x12, 96, camera, one_byte, b"\x10" + bytes(300)),
        packet(0x20, 96, camera, b"", b"\0" * 9 + b"\4"),
        packet(0x10, 0x80 | 98, camera, one_byte, h264),
        packet(0x10, 98, camera, one_byte, fragment),
        packet(0x10, 97, repair, one_byte, repaired),
        packet(0x10, 99, repair, one_byte, b"\0\6" + h264),
    ]


def _part(form: int, kind: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0x80 | form, kind, len(content) // 4) + content


@cache
def rtcp_compounds(ssrcs: tuple[int, int, int] = (VOICE, CAMERA, REPAIR), far: tuple[int, int] = (1, 2)) -> list[bytes]:
    """Return reports, NACK, PLI, FIR, REMB, transport-wide feedback, BYE, SDES, APP and what browsers put together."""
    voice, camera, _ = ssrcs
    block = struct.pack(">IIIIII", far[1], 12 << 24 | 5, 99, 30, 0x12345678, 4000)
    sender_report = _part(1, 200, struct.pack(">IQIII", camera, 0xE9_0000_0000_1234, 90000, 10, 1000) + block)
    receiver_report = _part(2, 201, struct.pack(">I", voice) + block + block)
    described = _part(1, 202, struct.pack(">I", voice) + b"\1\4name\0\0\0\0"[:8] + bytes(4))
    heard = _mixed_feedback()
    return [
        sender_report,
        receiver_report,
        sender_report + described,
        receiver_report + rtp.make_nack(far[1], [1, 2, 5, 200]),
        rtp.make_nack(far[0], range(1, 400, 3)),
        rtp.make_pli(far[1]),
        _part(4, 206, struct.pack(">IIIBBH", voice, 0, far[1], 3, 0, 0)),
        rtp.make_remb(1_500_000, far),
        heard,
        feedback(first=0, count=60),
        receiver_report + heard + rtp.make_pli(far[1]) + rtp.make_remb(70_000, far),
        _part(1, 203, struct.pack(">I", voice)),
        _part(0, 204, struct.pack(">I", voice) + b"name" + bytes(8)),
        rtp.make_receiver_report(voice, [block]),
    ]


def feedback(first: int, count: int) -> bytes:
    """Return transport-wide feedback in which all came, each a little after the one before."""
    content = struct.pack(">IIHHI", 1, 2, first & 0xFFFF, count, 0x001234 << 8 | 3)
    content += struct.pack(">H", 0x2000 | count) + b"\5" * count
    return _part(15, 205, content + bytes(-len(content) % 4))


def _mixed_feedback() -> bytes:
    """Return feedback with a run that came, a vector of mixed fates, a run that was lost, and two big steps."""
    chunks = struct.pack(">HHH", 0x2000 | 20, 0xC000 | 0x1111, 0x0000 | 9)
    steps = bytes(range(20)) + b"\x05\x06\x07" + struct.pack(">hh", -300, 4000)
    content = struct.pack(">IIHHI", 1, 2, 100, 36, 0x001234 << 8 | 3) + chunks + steps
    return _part(15, 205, content + bytes(-len(content) % 4))


def check(username: str, password: str, *, nominated: bool = True) -> bytes:
    """Return a STUN check with integrity and fingerprint."""
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = username
    message.attributes["PRIORITY"] = 1
    message.attributes["ICE-CONTROLLING"] = 5
    if nominated:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(password.encode())
    return bytes(message)


def descriptions() -> list[str]:
    """Return what a browser may answer."""
    transport = Transport("abcd1234", "x" * 22, ":".join(["AB"] * 32), ("127.0.0.1", "::1"), 5000)
    sections = [
        Section("0", "audio", "recvonly", "gao"),
        Section("1", "video", "recvonly", "gao"),
        Section("2", "audio", "sendonly", "wang", 5, OFFERED["audio"]),
        Section("3", "video", "sendonly", "wang", 6, OFFERED["video"]),
        Section("4", "video", "inactive", "left"),
    ]
    return [answer_to(make_offer(transport, 1, sections), ":".join(["CD"] * 32))]


def answer_to(offer: str, fingerprint: str, ssrcs: tuple[int, int, int] = (VOICE, CAMERA, REPAIR)) -> str:
    """Return the answer of somebody who sends sound and picture and takes everything that is offered."""
    lines: list[str] = []
    for line in offer.splitlines():
        kind = line[2:7] if line.startswith("m=") else ""
        if kind:
            lines.append(line)
            sending = (ssrcs[0],) if kind == "audio" else ssrcs[1:]
        elif line.startswith(("a=candidate", "a=ice", "a=ssrc", "a=msid", "a=end-of")):
            continue
        elif line.startswith("a=fingerprint"):
            lines.append(f"a=fingerprint:sha-256 {fingerprint}")
        elif line.startswith("a=setup"):
            lines.append("a=setup:active")
        elif line == "a=recvonly":
            lines += ["a=sendonly", *(f"a=ssrc:{ssrc} cname:x" for ssrc in sending)]
            if len(sending) == 2:
                lines.append(f"a=ssrc-group:FID {sending[0]} {sending[1]}")
        elif line == "a=sendonly":
            lines.append("a=recvonly")
        else:
            lines.append(line)
    return "\r\n".join(lines) + "\r\n"


def socket_messages() -> list[str]:
    """Return what pages say over their WebSocket."""
    return [
        '{"type":"answer","offer_id":3,"sdp":"v=0\\r\\n"}',
        '{"type":"admit","seat_id":"0123456789abcdef0123456789abcdef"}',
        '{"type":"word","text":"请把身份证拿近一点"}',
        '{"type":"mute","seat_id":"a","muted":true}',
        '{"type":"hand","raised":true}',
        '{"type":"devices","microphone":"on","camera":"missing"}',
        '{"type":"end"}',
        '{"type":"ping","n":1}',
    ]


def requests() -> list[bytes]:
    """Return frames from the hub to a worker, without their length."""
    encode = msgspec.msgpack.Encoder().encode
    return [
        encode(Request(1, Listen(("127.0.0.1",), 0, 1))),
        encode(Request(2, OpenHearing("h", "/nowhere"))),
        encode(Request(3, AddParticipant("h", "gao"))),
        encode(Request(4, TakeAnswer("h", "gao", 1, "v=0"))),
        encode(Request(5, RecordEvent("h", b'{"event":"Said"}'))),
    ]


def reports() -> list[bytes]:
    """Return frames from a worker to the hub, without their length."""
    encode = msgspec.msgpack.Encoder().encode
    messages: list[FromWorker] = [
        Alive(0.5),
        Answer(1, Moment(5, AT)),
        Answer(2, Still(b"\xff\xd8", 320, 240, 5, AT)),
        Answer(3, None),
        Refusal(4, "refused", "seat_unknown"),
        News(LinkConnected("h", "gao")),
        News(OfferReady("h", "gao", 1, "v=0", {"0": "gao"})),
        News(JournalFlushed("h", 5, 4)),
        News(StatsMeasured("h", {"gao": PersonStats(0.5, 20, 900, 40)})),
    ]
    return [encode(message) for message in messages]
