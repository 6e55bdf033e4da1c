"""The load generator against the media worker, in short: the benchmark's counts must be right."""

import os

from tests.load.clip import load_clip
from tests.load.ours import Ours
from tests.load.trial import try_out


async def test_one_hearing_under_load_loses_no_packet_and_is_in_the_journal_whole() -> None:
    outcome = await try_out(Ours, 1, 2.0, load_clip(), core=min(os.sched_getaffinity(0)), checked_one_in=1)
    assert outcome.sent > 1000
    assert (outcome.lost, outcome.lost_warming_up, outcome.duplicated) == (0, 0, 0)
    assert outcome.counts["checked"] == outcome.sent
    assert not {"not_authentic", "unstamped", "misplaced"} & outcome.counts.keys()
    assert len(outcome.delays_ms) > 500
    assert outcome.journal_complete
    assert outcome.profile == "SRTP_AEAD_AES_128_GCM"
