"""How long the disk still holds recordings: told before it is full, where the day's hearings are looked at."""

import shutil
from pathlib import Path

BYTES_AN_HOUR = 60 * (20 << 20)
"""What a hearing of two people takes, about."""
SHORT_HOURS = 5
"""With less than this a day of hearings may not end well."""


def hours_left(directory: Path) -> int:
    """Return for how many whole hours of one hearing there is space where `directory` lies, or will. Blocking.

    Raises OSError when the disk does not answer.
    """
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    return shutil.disk_usage(directory).free // BYTES_AN_HOUR


def short_hours(directory: Path) -> int | None:
    """Return the same when it is short, or 0 when the disk does not answer; None when there is enough. Blocking."""
    try:
        left = hours_left(directory)
    except OSError:
        return 0
    return left if left < SHORT_HOURS else None
