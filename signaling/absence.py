"""For how long a hearing in session waits for its host: docs/decisions/host-absent.md says why so long."""

from datetime import datetime, timedelta

PATIENCE = timedelta(minutes=30)
PATIENCE_IN_RECESS = timedelta(hours=4)
HOST_ABSENT = "host_absent"
"""Why such a hearing ended, in the recording and to whoever is still there."""


def ends_at(since: datetime, *, rests: bool) -> datetime:
    """Return when a hearing ends that has had no host since then; `rests`: it is in recess."""
    return since + (PATIENCE_IN_RECESS if rests else PATIENCE)
