"""What a run came to: packets lost, delay added, processor time and memory of the server."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.load.descriptions import VIDEO_TYPE
from tests.load.person import FIRST_SEQUENCE, KINDS, Person
from tests.load.run import WARM_UP_S, Ran


@dataclass(slots=True)
class Outcome:
    """One contender's run.

    `cpu`: share of a core over the steady window, all threads. `lost` counts packets sent after the warm-up that never
    came out at the other side. `journal_complete` is None where there is no journal to count.
    """

    contender: str
    hearings: int
    seconds: float
    cpu: float = 0.0
    cpu_user: float = 0.0
    rss_mib: float = 0.0
    sent: int = 0
    lost: int = 0
    lost_warming_up: int = 0
    duplicated: int = 0
    delays_ms: list[float] = field(default_factory=list)
    frames_share: float | None = None
    journal_complete: bool | None = None
    recorded_bytes: int = 0
    generator_cpu: float = 0.0
    late_ms_p99: float = 0.0
    profile: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    @property
    def cpu_per_hearing(self) -> float:
        """Share of a core."""
        return self.cpu / self.hearings

    def delay_ms(self, share: float) -> float | None:
        """Return a quantile of the added delay, or None when none was measured."""
        return quantile(self.delays_ms, share)


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the value below which `share` of them lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None


def take_counts(outcome: Outcome, people: Sequence[Person], ran: Ran) -> None:
    """Compare what came out with what went in, stream by stream."""
    outcome.counts = ran.counts
    outcome.generator_cpu = ran.generator_cpu
    outcome.late_ms_p99 = ran.late_ms_p99
    outcome.seconds = ran.steady_s
    if ran.not_sent:
        outcome.notes.append(f"the generator could not send {ran.not_sent} packets")
    for ear in ran.ears:
        received = {(stream.sender, stream.kind): stream for stream in ear.streams.values()}
        for sender in people:
            if sender.hearing != ear.person.hearing or sender is ear.person:
                continue
            for kind in KINDS:
                stream = received.get((sender.number, kind))
                ranks = (
                    [(number - FIRST_SEQUENCE - stream.shift) & 0xFFFF for number in stream.sequences] if stream else []
                )
                seen = set(ranks)
                outcome.duplicated += len(ranks) - len(seen)
                for rank, place in enumerate(sender.streams[kind].places[: _sent_of(sender, kind)]):
                    outcome.sent += 1
                    if rank not in seen:
                        if sender.dues_us[place] - sender.dues_us[0] < WARM_UP_S * 1e6:
                            outcome.lost_warming_up += 1
                        else:
                            outcome.lost += 1
        outcome.delays_ms += [
            (arrived_ns - people[number].sent_ns[place]) / 1e6
            for number, place, arrived_ns in ear.delays_ns
            if people[number].dues_us[place] - people[number].dues_us[0] >= WARM_UP_S * 1e6
        ]


def take_frames(outcome: Outcome, people: Sequence[Person], ran: Ran) -> None:
    """Count frames only, for a server that encodes anew: its packets are not those that went in."""
    outcome.counts = ran.counts
    outcome.generator_cpu = ran.generator_cpu
    outcome.seconds = ran.steady_s
    sent = sum(len({person.dues_us[place] for place in person.streams["video"].places}) for person in people)
    frames = sum(
        stream.frames for ear in ran.ears for stream in ear.streams.values() if stream.payload_type == VIDEO_TYPE
    )
    outcome.frames_share = frames / sent if sent else None


def _sent_of(sender: Person, kind: str) -> int:
    return sum(place < sender.sent for place in sender.streams[kind].places)
