"""What a browser shows of a VP8 picture in layers: told by PictureID and TL0PICIDX alone, as libwebrtc does it."""

from dataclasses import dataclass, field
from typing import NamedTuple

from signaling.media.congestion import signed16
from signaling.media.rtp import payload_of, read_head


class Frame(NamedTuple):
    """What a packet says of its frame."""

    picture: int
    base: int
    """TL0PICIDX."""
    layer: int
    sync: bool


def read_frame(packet: bytes) -> Frame | None:
    """Return the frame of a packet whose descriptor has everything, with 15 bits of PictureID; None of an empty one."""
    head = read_head(packet)
    assert head is not None
    payload = payload_of(packet, head)
    if not payload:
        return None
    assert payload[1] == 0xE0
    assert payload[2] & 0x80
    picture = int.from_bytes(payload[2:4], "big") & 0x7FFF
    return Frame(picture, payload[4], payload[5] >> 6, bool(payload[5] & 0x20))


@dataclass
class Screen:
    """Takes whole frames, each once, and tells which can be shown. The first is a keyframe."""

    pictures: list[int] = field(default_factory=list)
    """Shown, counted on over their wraps."""
    _missing: set[int] = field(default_factory=set)
    _last: dict[int, list[int | None]] = field(default_factory=dict)
    """By TL0PICIDX, the last picture of each layer."""
    _highest: int = -1

    def shows(self, frame: Frame) -> bool:
        """Take the next frame; tell whether it can be shown now."""
        picture = self._place(frame.picture)
        if frame.layer == 0:
            before = self._last.get(frame.base - 1 & 0xFF) if self._last else [None] * 4
            if before is None:
                return False
            self._last[frame.base] = [picture, *before[1:]]
        else:
            last = self._last.get(frame.base)
            if last is None or not (frame.sync or self._has_all(last[: frame.layer + 1], picture)):
                return False
            last[frame.layer] = picture
        self.pictures.append(picture)
        return True

    def _has_all(self, referred_to: list[int | None], picture: int) -> bool:
        return all(last is not None and not self._missing & set(range(last, picture)) for last in referred_to)

    def _place(self, low: int) -> int:
        if self._highest < 0:
            self._highest = low
        # Twice as fine, so that 15 bits wrap as 16 do.
        picture = self._highest + signed16(2 * (low - self._highest)) // 2
        self._missing |= set(range(self._highest + 1, picture))
        self._missing.discard(picture)
        self._highest = max(self._highest, picture)
        return picture
