"""What receivers lost and get again: under which SSRC of the relay's own, with which numbers, and how much of it.

A packet that went is never sent again otherwise than it was, under the number that it had: one SRTP index with two
contents would weaken AES-GCM. Whoever takes repair packets (RFC 4588) gets a fresh one each time.
"""

import secrets
from collections.abc import Iterable

from signaling.media.congestion import CAP_MAX_BPS
from signaling.media.rtp import RELAY_SSRC, RtpHead, wrap_rtx

_SSRCS = 1 << 32
SHARE_OF_LINE = 0.5
"""How much of what a line carries may be packets sent again. At the loss at which the rule of `congestion` slows the
senders down (12 %), a quarter of it is in use."""
ASKED_BYTES = 32
"""What asking costs, whether or not the packet is still there: looking is not free either."""


class RepairSsrcs:
    """The SSRCs of repair packets in one hearing: one for each picture, the same towards everybody.

    Each is the stream's own SSRC turned by the hearing's number. So none needs remembering, all differ, and whoever
    comes back under an SSRC finds the repairs where they were.
    """

    def __init__(self) -> None:
        self._turn = 1 + secrets.randbelow(_SSRCS - 1)

    def of(self, ssrc: int) -> int:
        """Return under which SSRC a stream's packets go again."""
        return ssrc ^ self._turn

    def clash(self, ssrcs: Iterable[int]) -> bool:
        """Tell whether the SSRCs of a hearing's people leave no room for the relay's own ones."""
        taken = {*ssrcs, 0, RELAY_SSRC}
        return any(self.of(ssrc) in taken for ssrc in taken)


class Resender:
    """What one receiver gets again: bounded by what its line carries, so that no NACKs make a flood."""

    def __init__(self) -> None:
        self._next: dict[int, int] = {}
        self._left_bytes = 0.0
        self._looked_at = -1e9

    def may(self, cap_bps: float | None, at: float) -> bool:
        """Tell whether something may be sent again at monotonic second `at`; `cap_bps` is what the line carries."""
        a_second = SHARE_OF_LINE * min(cap_bps or CAP_MAX_BPS, CAP_MAX_BPS) / 8
        self._left_bytes = min(a_second, self._left_bytes + a_second * max(0.0, at - self._looked_at))
        self._looked_at = at
        return self._left_bytes > 0

    def spend(self, size: int) -> None:
        """Note that a packet of `size` bytes was asked for, 0 when it is no longer there."""
        self._left_bytes -= max(size, ASKED_BYTES)

    def wrap(self, data: bytes, head: RtpHead, repair_ssrc: int, payload_type: int) -> bytes:
        """Return the next repair packet of a stream, with this packet in it."""
        # Begun in the lower half: who loses the first ones could not tell how often higher numbers have wrapped.
        sequence = self._next.get(repair_ssrc) or 1 + secrets.randbelow(0x7FFF)
        self._next[repair_ssrc] = sequence + 1
        return wrap_rtx(data, head, repair_ssrc, payload_type, sequence & 0xFFFF)
