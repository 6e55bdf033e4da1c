"""What a hearing's room writes into the server's log: identifiers, never what people say or are called."""

import logging
import traceback


class HearingLog:
    """Lines of one hearing."""

    def __init__(self, hearing_id: str) -> None:
        self._hearing_id = hearing_id
        self._log = logging.getLogger("signaling.room")

    def info(self, message: str, **details: str | int) -> None:
        """Write what happened."""
        self._write(logging.INFO, message, details)

    def error(self, message: str, **details: str | int) -> None:
        """Write what should not have happened."""
        self._write(logging.ERROR, message, details)

    def failed(self, wanted: str, error: Exception) -> None:
        """Write that something wanted could not be done."""
        # Its type and place, not its text: an error of the database may quote what somebody wrote.
        frames = traceback.extract_tb(error.__traceback__)[-3:]
        at = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
        self.error("failed", wanted=wanted, error=type(error).__name__, at=at)

    def _write(self, level: int, message: str, details: dict[str, str | int]) -> None:
        values = {"hearing_id": self._hearing_id, **details}
        self._log.log(level, "%s %s", message, " ".join(f"{key}={value}" for key, value in values.items()))
