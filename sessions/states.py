"""What a hearing session can be, and the one door through which it changes."""

from enum import StrEnum

from records.refusals import Refusal


class SessionState(StrEnum):
    """Where a session stands."""

    BOOKED = "booked"
    IN_SESSION = "in_session"
    ENDED = "ended"
    SEALED = "sealed"
    CANCELLED = "cancelled"


class SessionEvent(StrEnum):
    """What can happen to a session."""

    STARTED = "started"
    ENDED = "ended"
    SEALED = "sealed"
    CANCELLED = "cancelled"


TRANSITIONS: dict[tuple[SessionState, SessionEvent], SessionState] = {
    (SessionState.BOOKED, SessionEvent.STARTED): SessionState.IN_SESSION,
    (SessionState.BOOKED, SessionEvent.CANCELLED): SessionState.CANCELLED,
    (SessionState.IN_SESSION, SessionEvent.ENDED): SessionState.ENDED,
    (SessionState.ENDED, SessionEvent.SEALED): SessionState.SEALED,
}

REFUSALS: dict[tuple[SessionState, SessionEvent], str] = {
    (SessionState.BOOKED, SessionEvent.ENDED): "session_not_started",
    (SessionState.BOOKED, SessionEvent.SEALED): "session_not_started",
    (SessionState.IN_SESSION, SessionEvent.STARTED): "session_already_started",
    (SessionState.IN_SESSION, SessionEvent.SEALED): "session_still_running",
    (SessionState.IN_SESSION, SessionEvent.CANCELLED): "session_already_started",
    (SessionState.ENDED, SessionEvent.STARTED): "session_over",
    (SessionState.ENDED, SessionEvent.ENDED): "session_over",
    (SessionState.ENDED, SessionEvent.CANCELLED): "session_over",
    (SessionState.SEALED, SessionEvent.STARTED): "session_over",
    (SessionState.SEALED, SessionEvent.ENDED): "session_over",
    (SessionState.SEALED, SessionEvent.SEALED): "recording_already_sealed",
    (SessionState.SEALED, SessionEvent.CANCELLED): "session_over",
    (SessionState.CANCELLED, SessionEvent.STARTED): "session_cancelled",
    (SessionState.CANCELLED, SessionEvent.ENDED): "session_cancelled",
    (SessionState.CANCELLED, SessionEvent.SEALED): "session_cancelled",
    (SessionState.CANCELLED, SessionEvent.CANCELLED): "session_cancelled",
}

OVER = frozenset({SessionState.ENDED, SessionState.SEALED, SessionState.CANCELLED})
"""Nobody enters a session in one of these."""


def advance(state: SessionState, event: SessionEvent) -> SessionState:
    """Return the state after `event`. Raises Refusal with the code that REFUSALS names for it."""
    following = TRANSITIONS.get((state, event))
    if following is None:
        raise Refusal(REFUSALS[state, event])
    return following
