"""What is left of a hearing after the blows: held against what its people sent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from records.journal_reading import KeyedJournal, read_journal
from records.journal_records import Packet
from records.manifests import survey
from records.signing import VerifyKey
from records.verifier import verify_recording
from tests.load.crash_people import Sent

_RTP_KINDS = range(96, 128)


@dataclass(frozen=True, slots=True)
class Loss:
    """What of one way's packets is missing: the seconds before the blow that ended it, and packets in between."""

    seconds: float
    packets: int


def faults_of(journal: Path, key: VerifyKey) -> list[str]:
    """Return what is wrong with a sealed journal; a torn tail, which a crash leaves, is not."""
    found = [f"{fault.code} {fault.segment}" for fault in survey(journal).faults if fault.code != "segment_torn"]
    found += [f"{finding.code} {dict(finding.params)}" for finding in verify_recording(journal, key) if not finding.ok]
    return found


def names_in(journal: Path | KeyedJournal) -> set[tuple[int, int]]:
    """Return SSRC and sequence number of every RTP packet of a journal."""
    return {
        (int.from_bytes(record.data[8:12], "big"), int.from_bytes(record.data[2:4], "big"))
        for record in read_journal(journal)
        if isinstance(record, Packet) and record.data[1] & 0x7F in _RTP_KINDS
    }


def losses_of(sent: Sequence[Sent], ended_us: int, kept: set[tuple[int, int]]) -> Iterable[Loss]:
    """Return what is missing of each stream of one way that a blow ended at `ended_us`.

    What was sent before the relay knew the stream, or after the blow, was never the journal's.
    """
    for ssrc in {packet.ssrc for packet in sent}:
        packets = [packet for packet in sent if packet.ssrc == ssrc and packet.at_us <= ended_us]
        there = [index for index, packet in enumerate(packets) if (packet.ssrc, packet.sequence) in kept]
        if not there:
            # Struck before anything of it was accepted: all that was sent is missing.
            yield Loss((ended_us - packets[0].at_us) / 1e6 if packets else 0.0, 0)
            continue
        tail = packets[there[-1] + 1 :]
        names = {(packet.ssrc, packet.sequence) for packet in packets[there[0] : there[-1] + 1]}
        yield Loss((ended_us - tail[0].at_us) / 1e6 if tail else 0.0, len(names - kept))
