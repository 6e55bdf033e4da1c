"""What people's lines were like, added up second by second. Pure.

Kept with the hearing: every ten seconds into the recording, and summed up on record.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from signaling.messages import Json, LinkStats

SECONDS = 10
"""How many seconds are kept as one."""


@dataclass(frozen=True, slots=True)
class Line:
    """One person's line over `measured_s` seconds: sums of one value a second, and the worst of each.

    The round trip was known in `rtt_known_s` of them. A freeze is a far picture, the worst of them, that stood still on
    this person's screen.
    """

    measured_s: int = 0
    loss_pct_sum: float = 0.0
    loss_pct_max: float = 0.0
    rtt_known_s: int = 0
    rtt_ms_sum: int = 0
    rtt_ms_max: int = 0
    jitter_ms_max: int = 0
    kbps_sum: int = 0
    freezes: int = 0
    frozen_ms: int = 0

    def measured(self, stats: LinkStats) -> "Line":
        """Return the line with one second more."""
        rtt_ms = stats.rtt_ms or 0
        return replace(
            self,
            measured_s=self.measured_s + 1,
            loss_pct_sum=self.loss_pct_sum + stats.loss_pct,
            loss_pct_max=max(self.loss_pct_max, stats.loss_pct),
            rtt_known_s=self.rtt_known_s + (stats.rtt_ms is not None),
            rtt_ms_sum=self.rtt_ms_sum + rtt_ms,
            rtt_ms_max=max(self.rtt_ms_max, rtt_ms),
            jitter_ms_max=max(self.jitter_ms_max, stats.jitter_ms or 0),
            kbps_sum=self.kbps_sum + stats.kbps,
        )

    def froze(self, freezes: int, frozen_ms: int) -> "Line":
        """Return the line with what froze meanwhile."""
        return replace(self, freezes=self.freezes + freezes, frozen_ms=self.frozen_ms + frozen_ms)

    def as_json(self) -> Json:
        """Return the line as the recording keeps it."""
        seconds = max(1, self.measured_s)
        return {
            "measured_s": self.measured_s,
            "loss_pct": round(self.loss_pct_sum / seconds, 1),
            "loss_pct_max": self.loss_pct_max,
            "rtt_ms": round(self.rtt_ms_sum / self.rtt_known_s) if self.rtt_known_s else None,
            "jitter_ms_max": self.jitter_ms_max,
            "kbps": round(self.kbps_sum / seconds),
            "freezes": self.freezes,
            "frozen_ms": self.frozen_ms,
        }


Lines = Mapping[str, Line]
"""By seat."""


def with_second(lines: Lines, people: Mapping[str, LinkStats]) -> dict[str, Line]:
    """Return the lines with one second more of everybody who was measured."""
    return {**lines, **{seat_id: lines.get(seat_id, Line()).measured(stats) for seat_id, stats in people.items()}}


def is_full(lines: Lines) -> bool:
    """Tell whether so many seconds have come together that they are to be kept."""
    return max((line.measured_s for line in lines.values()), default=0) >= SECONDS
