"""What a link has seen so far, so that nothing that was let in once can be turned against it. Both are bounded.

RFC 8489 section 6 (transactions), RFC 3711 section 3.2 (a cryptographic context for each SSRC).
"""

from collections import OrderedDict

from signaling.media.shared_state import SSRCS_MAX, UplinkState

RECENT_MAX = 256
"""Transactions of which it is known where they came from: a browser's of some minutes."""
FILTER_BITS = 1 << 19
"""64 KiB a link, and as much again for the recent ones. After 20,000 transactions (a browser's of three hours, at its
busiest) one new one in 800 is taken for an old one, after 60,000 one in 40."""
_PLACES = 3
_PLACE_BITS = FILTER_BITS.bit_length() - 1


class SeenChecks:
    """The transactions of every check that passed: the last ones by name, all of them in a Bloom filter.

    What was noted is never forgotten. A new one may be taken for an old one, the more of them there are; browsers check
    again within half a second, under a new transaction.
    """

    def __init__(self) -> None:
        self._recent: OrderedDict[bytes, object] = OrderedDict()
        self._filter = bytearray(FILTER_BITS // 8)

    def __contains__(self, transaction: bytes) -> bool:
        return all(self._filter[place >> 3] >> (place & 7) & 1 for place in _places(transaction))

    def origin(self, transaction: bytes) -> object | None:
        """Return where a transaction came from, or None when that was too long ago."""
        return self._recent.get(transaction)

    def note(self, transaction: bytes, origin: object) -> None:
        """Remember a transaction that came from `origin`."""
        self._recent[transaction] = origin
        if len(self._recent) > RECENT_MAX:
            self._recent.popitem(last=False)
        for place in _places(transaction):
            self._filter[place >> 3] |= 1 << (place & 7)


def _places(transaction: bytes) -> list[int]:
    # Hashed, not cut out of the transaction: Chromium writes it in letters, which leaves a quarter of the bits unused.
    mixed = hash(transaction)
    return [mixed >> shift & FILTER_BITS - 1 for shift in range(0, _PLACES * _PLACE_BITS, _PLACE_BITS)]


class SeenSsrcs:
    """The SSRCs under which something authentic came: no more than SSRCS_MAX, for SRTP keeps some 0.4 KiB for each as
    long as the link lives, and looks through all of them for every packet."""

    def __init__(self, state: UplinkState) -> None:
        self._state = state
        """Where the express lane finds them: whatever comes under another one it leaves to Python."""
        self._seen: set[bytes] = set()

    def __contains__(self, ssrc: int) -> bool:
        return ssrc.to_bytes(4, "big") in self._seen

    def admits(self, ssrc: bytes) -> bool:
        """Tell whether a packet under these 4 bytes may be looked at: they were seen, or there is room for more."""
        return ssrc in self._seen or len(self._seen) < SSRCS_MAX

    def note(self, ssrc: bytes) -> None:
        """Remember the SSRC of an authentic packet that was admitted."""
        if ssrc not in self._seen:
            self._seen.add(ssrc)
            self._state.ssrcs[self._state.ssrcs_count] = int.from_bytes(ssrc, "big")
            self._state.ssrcs_count += 1
