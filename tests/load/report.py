"""The table and the JSON line of a benchmark."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from tests.load.outcome import Outcome, quantile

_COLUMNS = (
    ("contender", 12),
    ("hearings", 8),
    ("CPU %/hearing", 14),
    ("CPU %", 7),
    ("lost", 8),
    ("p50 ms", 7),
    ("p99 ms", 8),
    ("RSS MiB", 8),
    ("journal", 9),
    ("generator %", 11),
)


def heading() -> str:
    """Return the table's first line."""
    return "  ".join(name.rjust(width) for name, width in _COLUMNS)


def row(outcome: Outcome) -> str:
    """Return one run as a line of the table."""
    cells = (
        outcome.contender,
        str(outcome.hearings),
        f"{100 * outcome.cpu_per_hearing:.2f}",
        f"{100 * outcome.cpu:.1f}",
        str(outcome.lost) if outcome.frames_share is None else "-",
        _ms(outcome.delay_ms(0.5)),
        _ms(outcome.delay_ms(0.99)),
        f"{outcome.rss_mib:.0f}",
        {True: "complete", False: "NOT WHOLE", None: "-"}[outcome.journal_complete],
        f"{100 * outcome.generator_cpu:.1f}",
    )
    line = "  ".join(cell.rjust(width) for cell, (_, width) in zip(cells, _COLUMNS, strict=True))
    notes = [*outcome.notes]
    if outcome.frames_share is not None:
        notes.append(f"delivered {100 * outcome.frames_share:.0f} % of the frames")
    if outcome.lost_warming_up:
        notes.append(f"lost in the warm-up: {outcome.lost_warming_up}")
    strange = {name: outcome.counts[name] for name in ("not_authentic", "misplaced", "nacks") if outcome.counts[name]}
    notes += [f"{name}: {count}" for name, count in strange.items()]
    return line + "".join(f"\n{'':14}{note}" for note in notes)


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


@dataclass(frozen=True, slots=True)
class Limits:
    """The last run of each before the first packet was lost; None when there was none, or it was not tried.

    A server with large buffers can lose nothing and be late by half a second: so the delay there is told, too.
    """

    ours: Outcome | None
    janus: Outcome | None


def summary(outcomes: Sequence[Outcome], limits: Limits | None) -> str:
    """Return the JSON line: means over the rounds for processor time, all rounds together for loss and delay."""
    ours = [outcome for outcome in outcomes if outcome.contender == "jiefang"]
    janus = _cpu_per_hearing(outcomes, "Janus")
    own = _cpu_per_hearing(outcomes, "jiefang")
    delays = [delay for outcome in ours for delay in outcome.delays_ms]
    values: dict[str, object] = {
        "hearings": ours[0].hearings if ours else None,
        "cpu_per_hearing": own,
        "cpu_per_hearing_janus": janus,
        "ratio_to_janus": round(own / janus, 3) if own is not None and janus else None,
        "cpu_per_hearing_aiortc": _cpu_per_hearing(outcomes, "aiortc"),
        "packets_lost": sum(outcome.lost for outcome in ours),
        "delay_ms_p50": _rounded(quantile(delays, 0.5)),
        "delay_ms_p99": _rounded(quantile(delays, 0.99)),
        "rss_mib": round(max((outcome.rss_mib for outcome in ours), default=0.0), 1),
        "journal_complete": all(outcome.journal_complete for outcome in ours),
        "packets_lost_janus": sum(outcome.lost for outcome in outcomes if outcome.contender == "Janus"),
        "frames_delivered_aiortc": next(
            (_rounded(outcome.frames_share) for outcome in outcomes if outcome.contender == "aiortc"), None
        ),
    }
    if limits is not None:
        for name, outcome in (("", limits.ours), ("_janus", limits.janus)):
            values[f"limit{name}"] = outcome.hearings if outcome else None
            values[f"delay_ms_p99_at_limit{name}"] = _rounded(outcome.delay_ms(0.99)) if outcome else None
    return json.dumps(values)


def _cpu_per_hearing(outcomes: Sequence[Outcome], contender: str) -> float | None:
    shares = [outcome.cpu_per_hearing for outcome in outcomes if outcome.contender == contender]
    return round(fmean(shares), 5) if shares else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
