"""The description of a link: we always offer, browsers answer.

Because we offer, payload types, header-extension numbers and mids are ours and the same for everybody, and packets pass
unchanged but for their transport-wide number. Streams are told apart by declared SSRCs (RFC 5576): the one way that
Chromium, Firefox and aiortc all follow; the mid extension is not offered, so that no packet needs a mid rewritten.
RFC 8866 (SDP), RFC 8829 (JSEP), RFC 9143 (BUNDLE), RFC 8445 section 2.5 (ICE-lite).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from signaling.media import rtp
from signaling.media.codecs import CODECS, OFFERED, REPAIRED, Codec, Kind
from signaling.media.events import MediaRefused

ANSWER_CHARS_MAX = 128 * 1024
_FINGERPRINT = re.compile(r"(sha-256|sha-384|sha-512) ([0-9a-f]{2}(?::[0-9a-f]{2})+)", re.IGNORECASE)
_TRANSPORT_WIDE = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
_AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"

_EXTENSIONS: Mapping[Kind, tuple[str, ...]] = {
    "audio": (
        f"a=extmap:{rtp.AUDIO_LEVEL_ID} {_AUDIO_LEVEL}",
        f"a=extmap:{rtp.TRANSPORT_WIDE_ID} {_TRANSPORT_WIDE}",
    ),
    "video": (f"a=extmap:{rtp.TRANSPORT_WIDE_ID} {_TRANSPORT_WIDE}",),
}


@dataclass(frozen=True, slots=True)
class Section:
    """One m-line of an offer. `direction` is the relay's: `recvonly` is what the other side sends. `formats`: payload
    types, the preferred one first; None for all that we know. `repair_ssrc`: under which SSRC the relay sends what was
    lost again (RFC 4588); None where it goes again as it was."""

    mid: str
    kind: Kind
    direction: Literal["recvonly", "sendonly", "inactive"]
    stream: str
    ssrc: int | None = None
    formats: tuple[int, ...] | None = None
    repair_ssrc: int | None = None


@dataclass(frozen=True, slots=True)
class Transport:
    """What every m-line of a link shares."""

    ufrag: str
    password: str
    fingerprint: str
    addresses: tuple[str, ...]
    port: int


def make_offer(transport: Transport, version: int, sections: Sequence[Section]) -> str:
    """Write the offer; `version` grows with every offer of the link."""
    first = transport.addresses[0]
    lines = [
        "v=0",
        f"o=jiefang {int(transport.ufrag, 16)} {version} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        "a=group:BUNDLE " + " ".join(section.mid for section in sections),
        "a=msid-semantic: WMS *",
    ]
    for section in sections:
        formats = _with_repairs(section)
        lines += [
            f"m={section.kind} {transport.port} UDP/TLS/RTP/SAVPF {' '.join(map(str, formats))}",
            f"c=IN {'IP6' if ':' in first else 'IP4'} {first}",
            f"a=mid:{section.mid}",
            f"a=ice-ufrag:{transport.ufrag}",
            f"a=ice-pwd:{transport.password}",
            f"a=fingerprint:sha-256 {transport.fingerprint}",
            "a=setup:actpass",
            "a=rtcp-mux",
            "a=rtcp-rsize",
            f"a={section.direction}",
            *(line for payload_type in formats for line in _format(payload_type)),
            *_EXTENSIONS[section.kind],
        ]
        if section.direction == "sendonly":
            lines.append(f"a=msid:{section.stream} {section.stream}-{section.mid}")
            lines += _sources(section)
        for index, address in enumerate(transport.addresses):
            priority = (126 << 24) + ((65535 - index) << 8) + 255
            lines.append(f"a=candidate:{index + 1} 1 udp {priority} {address} {transport.port} typ host")
        lines.append("a=end-of-candidates")
    return "\r\n".join(lines) + "\r\n"


def _sources(section: Section) -> list[str]:
    """Declare what is sent in an m-line; the stream comes before its repair (RFC 5576 section 4.2)."""
    ssrcs = [ssrc for ssrc in (section.ssrc, section.repair_ssrc) if ssrc is not None]
    group = [f"a=ssrc-group:FID {' '.join(map(str, ssrcs))}"] if len(ssrcs) == 2 else []
    return group + [f"a=ssrc:{ssrc} cname:{section.stream}" for ssrc in ssrcs]


def _with_repairs(section: Section) -> list[int]:
    """Return an m-line's payload types: of repair packets for each, too, where there may be such packets."""
    formats = list(OFFERED[section.kind] if section.formats is None else section.formats)
    if section.direction == "recvonly" or section.repair_ssrc is not None:
        formats += [repair for payload_type in formats for repair, of in REPAIRED.items() if of == payload_type]
    return formats


def _format(payload_type: int) -> list[str]:
    codec = CODECS.get(payload_type)
    if codec is None:
        repaired = REPAIRED[payload_type]
        return [f"a=rtpmap:{payload_type} rtx/{CODECS[repaired].clock_rate}", f"a=fmtp:{payload_type} apt={repaired}"]
    return [
        f"a=rtpmap:{payload_type} {_mapping(codec)}",
        f"a=fmtp:{payload_type} {codec.parameters}",
        *(f"a=rtcp-fb:{payload_type} {form}" for form in codec.feedback),
    ]


def _mapping(codec: Codec) -> str:
    return f"{codec.name}/{codec.clock_rate}" + (f"/{codec.channels}" if codec.kind == "audio" else "")


@dataclass(frozen=True, slots=True)
class AnsweredSection:
    """What the other side says to one m-line. `sends` is true when it will send there, under `ssrc` (None when it does
    not say), and lost packets again under `rtx_ssrc` (RFC 4588). `formats`: which of our payload types it takes, the
    one that it sends first. `repairs`: in which it takes lost packets again."""

    mid: str
    kind: str
    rejected: bool
    sends: bool
    receives: bool
    formats: tuple[int, ...]
    ssrc: int | None
    rtx_ssrc: int | None
    transport_wide: bool
    repairs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, as far as a relay cares. `fingerprints`: (algorithm, value) pairs, equal for all m-lines."""

    fingerprints: tuple[tuple[str, str], ...]
    active: bool
    sections: Mapping[str, AnsweredSection]


@dataclass(slots=True)
class _Block:
    """The attribute lines of the session (`media` empty) or of one m-line."""

    media: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str]] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]

    def has(self, name: str) -> bool:
        return any(key == name for key, _ in self.attributes)


def read_answer(text: str) -> Answer:
    """Read an answer. Raises MediaRefused: `answer_unreadable`, `answer_insecure`."""
    if len(text) > ANSWER_CHARS_MAX or not text.startswith("v=0"):
        raise MediaRefused("answer_unreadable")
    session, *blocks = _split(text)
    if not blocks:
        raise MediaRefused("answer_unreadable")
    sections: dict[str, AnsweredSection] = {}
    fingerprints: set[tuple[str, str]] = set()
    roles: set[str] = set()
    for block in blocks:
        section = _read_section(block)
        if section.mid in sections:
            raise MediaRefused("answer_unreadable")
        sections[section.mid] = section
        if not section.rejected:
            fingerprints.update(_fingerprints(block) or _fingerprints(session))
            roles.update(block.values("setup") or session.values("setup"))
    if not fingerprints or len({algorithm for algorithm, _ in fingerprints}) != len(fingerprints):
        raise MediaRefused("answer_insecure")
    if len(roles) != 1 or not roles <= {"active", "passive"}:
        raise MediaRefused("answer_unreadable")
    return Answer(tuple(sorted(fingerprints)), roles == {"active"}, sections)


def _split(text: str) -> list[_Block]:
    blocks = [_Block()]
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key == "m":
            blocks.append(_Block(media=value.split()))
        elif key == "a":
            name, _, rest = value.partition(":")
            blocks[-1].attributes.append((name, rest.strip()))
    return blocks


def _read_section(block: _Block) -> AnsweredSection:
    mids = block.values("mid")
    if len(block.media) < 4 or len(mids) != 1 or not 0 < len(mids[0]) <= 16:
        raise MediaRefused("answer_unreadable")
    rejected = block.media[1] == "0" and not block.has("bundle-only")
    # Bundled m-lines may carry port 0 only with bundle-only; without it the other side refuses the m-line.
    if not rejected and "SAVP" not in block.media[2]:
        raise MediaRefused("answer_insecure")
    ssrc, rtx_ssrc = _ssrcs(block)
    return AnsweredSection(
        mid=mids[0],
        kind=block.media[0],
        rejected=rejected,
        sends=not rejected and (block.has("sendonly") or block.has("sendrecv")),
        receives=not rejected and (block.has("recvonly") or block.has("sendrecv")),
        formats=() if rejected else _formats(block),
        ssrc=ssrc,
        rtx_ssrc=rtx_ssrc,
        transport_wide=any(_TRANSPORT_WIDE in value for value in block.values("extmap")),
        repairs=() if rejected or block.media[0] != "video" else _repairs(block),
    )


def _formats(block: _Block) -> tuple[int, ...]:
    """Return those of our payload types that an m-line lists and means as we do, in its order."""
    means = dict(value.lower().split(" ", 1) for value in block.values("rtpmap") if " " in value)
    ours = {str(number): _mapping(codec).lower() for number, codec in CODECS.items() if codec.kind == block.media[0]}
    return tuple(
        dict.fromkeys(
            int(text) for text in block.media[3:] if text in ours and means.get(text, ours[text]) == ours[text]
        )
    )


def _repairs(block: _Block) -> tuple[int, ...]:
    """Return those payload types of repair packets that an m-line lists and means as we do."""
    lines = {f"{name}:{value.lower()}" for name in ("rtpmap", "fmtp") for value in block.values(name)}
    means = {line.partition(" ")[0]: f"a={line}" for line in lines}
    return tuple(
        number
        for number in REPAIRED
        if str(number) in block.media[3:]
        and all(means.get(line[2:].partition(" ")[0], line) == line for line in _format(number))
    )


def _ssrcs(block: _Block) -> tuple[int | None, int | None]:
    """Return the SSRC of the stream and that of its repair (RFC 5576 section 4.2: FID, the stream's comes first)."""
    named = [_ssrc(value.split(" ", 1)[0]) for value in block.values("ssrc")]
    for value in block.values("ssrc-group"):
        words = value.split()
        if len(words) == 3 and words[0] == "FID":
            return _ssrc(words[1]), _ssrc(words[2])
    return (named[0] if named else None), None


def _ssrc(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:11]) < 1 << 32:
        raise MediaRefused("answer_unreadable")
    return int(text)


def _fingerprints(block: _Block) -> set[tuple[str, str]]:
    found = set()
    for value in block.values("fingerprint"):
        match = _FINGERPRINT.fullmatch(value)
        if match:
            found.add((match.group(1).lower(), match.group(2).upper()))
    return found
