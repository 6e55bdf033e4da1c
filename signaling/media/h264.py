"""H.264 in RTP on bytes (RFC 6184): pieces of frames, where one can be begun with, and how large the picture is.

Pictures leave here as Annex B byte streams (ITU-T H.264): every NAL unit behind a start code. Every reader takes
hostile bytes: it returns None for what it cannot read, and never raises.
"""

from typing import NamedTuple

START_CODE = b"\0\0\0\1"

_IDR = 5
_PARAMETERS = 7
_PICTURE_PARAMETERS = 8
_STAP_A = 24
_FU_A = 28
_SINGLE = range(1, 24)
_UNITS_MAX = 64


class H264Payload(NamedTuple):
    """One packet's piece of a frame, as Annex B. `parameters`: a sequence parameter set stands in it; `idr`: a slice
    that needs no other picture begins in it. Browsers send both together: only then can one begin to look."""

    parameters: bool
    idr: bool
    data: bytes


def read_h264(payload: bytes) -> H264Payload | None:
    """Take a packet apart (RFC 6184 sections 5.6, 5.7.1, 5.8), or return None when it is cut or of another form."""
    if not payload:
        return None
    form = payload[0] & 0x1F
    if form in _SINGLE:
        return H264Payload(form == _PARAMETERS, form == _IDR, START_CODE + payload)
    if form == _FU_A:
        if len(payload) < 3:
            return None
        if not payload[1] & 0x80:
            return H264Payload(False, False, payload[2:])
        unit = payload[1] & 0x1F
        head = bytes((payload[0] & 0xE0 | unit,))
        return H264Payload(unit == _PARAMETERS, unit == _IDR, b"".join((START_CODE, head, payload[2:])))
    if form == _STAP_A:
        return _read_together(payload)
    return None


def _read_together(payload: bytes) -> H264Payload | None:
    at, parameters, idr = 1, False, False
    parts: list[bytes] = []
    while at + 2 < len(payload):
        size = int.from_bytes(payload[at : at + 2], "big")
        unit = payload[at + 2 : at + 2 + size]
        if not size or len(unit) < size or len(parts) >= 2 * _UNITS_MAX:
            return None
        parameters |= unit[0] & 0x1F == _PARAMETERS
        idr |= unit[0] & 0x1F == _IDR
        parts += (START_CODE, unit)
        at += 2 + size
    return H264Payload(parameters, idr, b"".join(parts)) if parts and at == len(payload) else None


def begins_h264_keyframe(data: bytes, payload_at: int) -> bool:
    """Tell whether an RTP packet holds what a decoder must know before a frame that one can begin with."""
    if payload_at >= len(data):
        return False
    form = data[payload_at] & 0x1F
    at = payload_at + 1
    for _ in range(_UNITS_MAX if form == _STAP_A else 0):
        if at + 2 >= len(data):
            return False
        if data[at + 2] & 0x1F == _PARAMETERS:
            return True
        at += 2 + int.from_bytes(data[at : at + 2], "big")
    return form == _PARAMETERS


def units(frame: bytes) -> list[bytes]:
    """Return the NAL units of an Annex B byte stream, without start codes."""
    found = []
    at = frame.find(b"\0\0\1")
    while at >= 0:
        following = frame.find(b"\0\0\1", at + 3)
        unit = frame[at + 3 : following if following >= 0 else len(frame)]
        found.append(unit.rstrip(b"\0") if following >= 0 else unit)
        at = following
    return [unit for unit in found if unit]


def parameters_of(frame: bytes) -> bytes:
    """Return the sequence and picture parameter sets of a frame, as Annex B."""
    return b"".join(START_CODE + unit for unit in units(frame) if unit[0] & 0x1F in (_PARAMETERS, _PICTURE_PARAMETERS))


def holds_parameters(stream: bytes) -> bool:
    """Tell whether a sequence and a picture parameter set stand in an Annex B byte stream."""
    return {_PARAMETERS, _PICTURE_PARAMETERS} <= {unit[0] & 0x1F for unit in units(stream)}


def h264_size(frame: bytes) -> tuple[int, int] | None:
    """Return width and height out of a frame's sequence parameter sets (ITU-T H.264 section 7.3.2.1.1), or None; of
    several, the largest."""
    sets = [unit[1:].replace(b"\0\0\3", b"\0\0") for unit in units(frame) if unit[0] & 0x1F == _PARAMETERS]
    return max(filter(None, map(_read_size, sets)), default=None)


_WITH_CHROMA = (100, 110, 122, 244, 44, 83, 86, 118, 128)


def _read_size(parameters: bytes) -> tuple[int, int] | None:
    if len(parameters) < 4:
        return None
    bits = _Bits(parameters, 24)
    bits.golomb()
    chroma = 1
    if parameters[0] in _WITH_CHROMA:
        chroma = bits.golomb()
        if chroma == 3:
            bits.take(1)
        bits.golomb()
        bits.golomb()
        bits.take(1)
        if bits.take(1):
            return None  # scaling matrices: no browser's
    bits.golomb()
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        return None  # no browser's either
    bits.golomb()
    bits.take(1)
    width, height = 16 * (bits.golomb() + 1), 16 * (bits.golomb() + 1)
    frames_only = bits.take(1)
    if not frames_only:
        height *= 2
        bits.take(1)
    bits.take(1)
    if bits.take(1):
        across, down = (2, 2) if chroma == 1 else (1, 1)
        left, right, top, bottom = (bits.golomb() for _ in range(4))
        width -= across * (left + right)
        height -= down * (2 - frames_only) * (top + bottom)
    return (width, height) if not bits.spent and 0 < width <= 16384 and 0 < height <= 16384 else None


class _Bits:
    """Reads bits from the highest on; past the end they are 0 and `spent` is true."""

    def __init__(self, data: bytes, at: int) -> None:
        self.spent = False
        self._data = data
        self._at = at

    def take(self, count: int) -> int:
        value = 0
        for _ in range(count):
            byte = self._at >> 3
            if byte >= len(self._data):
                self.spent = True
                return 0
            value = value << 1 | (self._data[byte] >> (7 - (self._at & 7)) & 1)
            self._at += 1
        return value

    def golomb(self) -> int:
        """Read an unsigned Exp-Golomb number (section 9.1)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if self.spent or zeros > 31:
                self.spent = True
                return 0
        return (1 << zeros) - 1 + self.take(zeros)
