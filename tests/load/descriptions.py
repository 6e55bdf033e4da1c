"""Descriptions (SDP) of the load's people: an answer to anybody's offer, an offer of their own, what the other says."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

AUDIO_TYPE = 111
VIDEO_TYPE = 96
AUDIO_LEVEL_ID = 1
TRANSPORT_WIDE_ID = 3
_FORMATS: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "audio": (AUDIO_TYPE, (f"a=rtpmap:{AUDIO_TYPE} opus/48000/2", f"a=fmtp:{AUDIO_TYPE} useinbandfec=1")),
    "video": (VIDEO_TYPE, (f"a=rtpmap:{VIDEO_TYPE} VP8/90000",)),
}
_FEEDBACK = ("nack", "nack pli", "ccm fir", "goog-remb", "transport-cc")
_EXTENSIONS = {
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level": AUDIO_LEVEL_ID,
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01": TRANSPORT_WIDE_ID,
}
_TURNED = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}


@dataclass(frozen=True, slots=True)
class OwnEnd:
    """What a line's own description says of itself."""

    ufrag: str
    password: str
    fingerprint: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class FarSection:
    """One m-line of the other side. `direction` is the other side's."""

    mid: str
    kind: str
    direction: str
    payload_type: int
    ssrcs: tuple[int, ...]
    transport_wide: bool


@dataclass(frozen=True, slots=True)
class FarEnd:
    """What the other side's description says: where it is, who it is, what it has."""

    ufrag: str
    password: str
    fingerprint: tuple[str, str]
    setup: str
    lite: bool
    address: tuple[str, int]
    sections: tuple[FarSection, ...]


def read_description(text: str) -> FarEnd:
    """Read an offer or an answer. Raises ValueError when something needed is missing."""
    head, *blocks = re.split(r"^m=", text.replace("\r\n", "\n"), flags=re.MULTILINE)
    live = next((block for block in blocks if _value(block, "ice-ufrag") or _value(head, "ice-ufrag")), None)
    if live is None:
        raise ValueError("a description without an m-line in use")

    def need(name: str) -> str:
        found = _value(live, name) or _value(head, name)
        if not found:
            raise ValueError(f"a description without a={name}")
        return found

    algorithm, value = need("fingerprint").split()
    return FarEnd(
        ufrag=need("ice-ufrag"),
        password=need("ice-pwd"),
        fingerprint=(algorithm, value),
        setup=need("setup"),
        lite="a=ice-lite" in head,
        address=_candidate(text),
        sections=tuple(_section(block) for block in blocks),
    )


def _value(block: str, name: str) -> str:
    found = re.search(rf"^a={name}:(.*)$", block, flags=re.MULTILINE)
    return found.group(1).strip() if found else ""


def _candidate(text: str) -> tuple[str, int]:
    for line in re.findall(r"^a=candidate:(.*)$", text, flags=re.MULTILINE):
        parts = line.split()
        if parts[1] == "1" and parts[2].lower() == "udp" and "." in parts[4]:
            return parts[4], int(parts[5])
    raise ValueError("a description without a UDP candidate for IPv4")


def _section(block: str) -> FarSection:
    first, *_ = block.split("\n", 1)
    kind, _, _, *types = first.split()
    wanted = "opus" if kind == "audio" else "VP8"
    mapped = re.search(rf"^a=rtpmap:(\d+) {wanted}/", block, flags=re.MULTILINE | re.IGNORECASE)
    direction = re.search(r"^a=(sendrecv|sendonly|recvonly|inactive)\s*$", block, flags=re.MULTILINE)
    ssrcs = dict.fromkeys(int(number) for number in re.findall(r"^a=ssrc:(\d+)", block, flags=re.MULTILINE))
    return FarSection(
        mid=_value(block, "mid"),
        kind=kind,
        direction=direction.group(1) if direction else "sendrecv",
        payload_type=int(mapped.group(1)) if mapped else int(types[0]),
        ssrcs=tuple(ssrcs),
        transport_wide="transport-wide-cc" in block,
    )


def make_answer(own: OwnEnd, offer_text: str, ssrcs: Mapping[str, int]) -> str:
    """Answer an offer: take everything that is sent, send under `ssrcs` (by kind) where the offer wants it."""
    offer = read_description(offer_text)
    blocks = re.split(r"^m=", offer_text.replace("\r\n", "\n"), flags=re.MULTILINE)[1:]
    lines = _session([section.mid for section in offer.sections])
    for section, block in zip(offer.sections, blocks, strict=True):
        direction = _TURNED[section.direction]
        lines += _media(own, section.kind, section.mid, section.payload_type, direction, "active")
        lines += [
            f"a=extmap:{number} {name}"
            for number, name in re.findall(r"^a=extmap:(\d+)\S* (\S+)", block, flags=re.MULTILINE)
            if name in _EXTENSIONS and int(number) == _EXTENSIONS[name]
        ]
        lines += [
            f"a=rtcp-fb:{section.payload_type} {form}"
            for form in _FEEDBACK
            if re.search(rf"^a=rtcp-fb:{section.payload_type} {form}\s*$", block, flags=re.MULTILINE)
        ]
        if direction.startswith("send"):
            lines.append(f"a=ssrc:{ssrcs[section.kind]} cname:load")
    return "\r\n".join(lines) + "\r\n"


def make_offer(own: OwnEnd, direction: str, ssrcs: Mapping[str, int]) -> str:
    """Offer sound and picture (`direction` sendonly or sendrecv)."""
    lines = _session(["0", "1"])
    for mid, kind in enumerate(("audio", "video")):
        payload_type = _FORMATS[kind][0]
        lines += _media(own, kind, str(mid), payload_type, direction, "actpass")
        lines += [
            f"a=extmap:{number} {name}"
            for name, number in _EXTENSIONS.items()
            if kind == "audio" or "level" not in name
        ]
        lines += [f"a=rtcp-fb:{payload_type} {form}" for form in (_FEEDBACK if kind == "video" else _FEEDBACK[-1:])]
        lines += [f"a=msid:load load-{kind}", f"a=ssrc:{ssrcs[kind]} cname:load"]
    return "\r\n".join(lines) + "\r\n"


def _session(mids: Sequence[str]) -> list[str]:
    return [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE " + " ".join(mids),
        "a=msid-semantic: WMS *",
    ]


def _media(own: OwnEnd, kind: str, mid: str, payload_type: int, direction: str, setup: str) -> list[str]:
    formats = [line.replace(f":{_FORMATS[kind][0]} ", f":{payload_type} ") for line in _FORMATS[kind][1]]
    return [
        f"m={kind} {own.port} UDP/TLS/RTP/SAVPF {payload_type}",
        f"c=IN IP4 {own.address}",
        f"a=mid:{mid}",
        f"a=ice-ufrag:{own.ufrag}",
        f"a=ice-pwd:{own.password}",
        f"a=fingerprint:sha-256 {own.fingerprint}",
        f"a=setup:{setup}",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        f"a={direction}",
        *formats,
        f"a=candidate:1 1 udp 2130706431 {own.address} {own.port} typ host",
        "a=end-of-candidates",
    ]
