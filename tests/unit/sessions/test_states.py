"""The states of a session: every pair is decided, nothing leaves the end, refusals are named."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.refusals import Refusal
from sessions.seats import ABILITIES, SeatAbility, SeatRole, abilities_of, may
from sessions.states import OVER, REFUSALS, TRANSITIONS, SessionEvent, SessionState, advance

PAIRS = list(itertools.product(SessionState, SessionEvent))


def test_every_pair_of_state_and_event_is_either_a_step_or_a_named_refusal() -> None:
    assert set(TRANSITIONS) | set(REFUSALS) == set(PAIRS)
    assert not set(TRANSITIONS) & set(REFUSALS)


def test_every_state_is_reached_and_every_event_leads_somewhere() -> None:
    assert set(TRANSITIONS.values()) | {SessionState.BOOKED} == set(SessionState)
    assert {event for _, event in TRANSITIONS} == set(SessionEvent)


@pytest.mark.parametrize(("state", "event"), PAIRS)
def test_a_step_is_taken_or_refused_by_its_name(state: SessionState, event: SessionEvent) -> None:
    try:
        assert advance(state, event) is TRANSITIONS[state, event]
    except Refusal as refusal:
        assert refusal.code == REFUSALS[state, event]


@given(st.lists(st.sampled_from(list(SessionEvent)), max_size=12))
def test_whatever_happens_nothing_happens_twice_and_the_end_is_the_end(events: list[SessionEvent]) -> None:
    state = SessionState.BOOKED
    happened: list[SessionEvent] = []
    for event in events:
        before = state
        try:
            state = advance(state, event)
        except Refusal:
            assert state is before
            continue
        happened.append(event)
        assert before is not state
        assert before not in OVER or (before, event) == (SessionState.ENDED, SessionEvent.SEALED)
    assert len(happened) == len(set(happened))


def test_every_role_has_its_abilities() -> None:
    assert set(ABILITIES) == set(SeatRole)
    assert {ability for role in SeatRole for ability in abilities_of(role)} == set(SeatAbility)


@pytest.mark.parametrize("ability", [SeatAbility.ADMIT, SeatAbility.END, SeatAbility.MUTE_OTHERS, SeatAbility.PROMPT])
def test_only_the_host_rules_the_room(ability: SeatAbility) -> None:
    assert [role for role in SeatRole if may(role, ability)] == [SeatRole.HOST]


def test_an_applicant_waits_to_be_let_in() -> None:
    assert not may(SeatRole.APPLICANT, SeatAbility.ENTER_FREELY)
