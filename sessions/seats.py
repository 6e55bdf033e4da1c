"""The seats of a hearing and what each may do in the room."""

from enum import StrEnum


class SeatRole(StrEnum):
    """What somebody sits in a hearing as."""

    HOST = "host"
    APPLICANT = "applicant"
    FAR_END = "far_end"
    """Staff of the office where the applicant is (相对端); they help to verify."""
    JOINT = "joint"
    """Staff of this or another office who take part (联合接访)."""
    HELPER = "helper"
    """An interpreter, a guardian, a lawyer, somebody of the village: the title says which."""
    OBSERVER = "observer"
    """Whoever watches (旁听): supervisors, leaders, the public. Sees and hears, is neither seen nor heard."""


class SeatAbility(StrEnum):
    """Something a seat may do in the room. The values cross into signaling as plain strings."""

    PUBLISH = "publish"
    """Be seen and heard."""
    ENTER_FREELY = "enter_freely"
    """Come in without being admitted from the waiting room."""
    ADMIT = "admit"
    """Let somebody in from the waiting room; the first time starts the hearing."""
    SEND_BACK = "send_back"
    """Send somebody back to the waiting room."""
    MUTE_OTHERS = "mute_others"
    PROMPT = "prompt"
    """Put a line of text on the applicant's screen."""
    PAUSE = "pause"
    """Begin a recess (休会) and end it."""
    TAKE_STILL = "take_still"
    END = "end"
    WORD = "word"
    """Write a line of text to the host."""
    RAISE_HAND = "raise_hand"


SEEN_MAX = 8
"""How many are seen and heard in one hearing, host and applicant among them."""
WATCHING_MAX = 16
_TAKES_PART = frozenset({SeatAbility.PUBLISH, SeatAbility.ENTER_FREELY, SeatAbility.WORD, SeatAbility.RAISE_HAND})

ABILITIES: dict[SeatRole, frozenset[SeatAbility]] = {
    SeatRole.HOST: frozenset(
        {
            SeatAbility.PUBLISH,
            SeatAbility.ENTER_FREELY,
            SeatAbility.ADMIT,
            SeatAbility.SEND_BACK,
            SeatAbility.MUTE_OTHERS,
            SeatAbility.PROMPT,
            SeatAbility.PAUSE,
            SeatAbility.TAKE_STILL,
            SeatAbility.END,
            SeatAbility.WORD,
        }
    ),
    SeatRole.APPLICANT: frozenset({SeatAbility.PUBLISH, SeatAbility.WORD, SeatAbility.RAISE_HAND}),
    SeatRole.FAR_END: _TAKES_PART | {SeatAbility.TAKE_STILL},
    SeatRole.JOINT: _TAKES_PART,
    SeatRole.HELPER: _TAKES_PART,
    SeatRole.OBSERVER: frozenset({SeatAbility.ENTER_FREELY}),
}


def abilities_of(role: SeatRole) -> frozenset[SeatAbility]:
    """Return what a seat may do in the room."""
    return ABILITIES[role]


def may(role: SeatRole, ability: SeatAbility) -> bool:
    """Tell whether a seat may do something in the room."""
    return ability in ABILITIES[role]
