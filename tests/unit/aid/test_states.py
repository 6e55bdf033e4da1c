"""The tables of states: every state can be reached, final ones are final, nothing else moves."""

from itertools import product

import pytest

from aid.states import (
    BATCH_TABLE,
    CASE_TABLE,
    CLOSED_CASE_STATES,
    CONFIRMATION_TABLE,
    ORDER_TABLE,
    CaseEvent,
    CaseState,
    ConfirmationState,
    OrderEvent,
    OrderState,
    advance_case,
    advance_order,
)
from records.refusals import Refusal


@pytest.mark.parametrize("table", [CASE_TABLE, ORDER_TABLE, BATCH_TABLE, CONFIRMATION_TABLE])
def test_every_state_is_in_its_table(table: dict[tuple[object, object], object]) -> None:
    kind = type(next(iter(table.values())))
    used = {state for state, _ in table} | set(table.values()) | {ConfirmationState.NONE}
    assert used >= set(kind)


def test_a_case_moves_only_as_the_table_says() -> None:
    for state, event in product(CaseState, CaseEvent):
        if (state, event) in CASE_TABLE:
            assert advance_case(state, event) is CASE_TABLE[state, event]
        else:
            with pytest.raises(Refusal, match="case_not_ready"):
                advance_case(state, event)


@pytest.mark.parametrize("state", CLOSED_CASE_STATES)
def test_nothing_leads_out_of_a_closed_case(state: CaseState) -> None:
    assert not [event for event in CaseEvent if (state, event) in CASE_TABLE]


@pytest.mark.parametrize("state", [OrderState.PAID, OrderState.RETURNED, OrderState.HELD_BACK, OrderState.CANCELLED])
def test_a_settled_order_stays_settled(state: OrderState) -> None:
    for event in OrderEvent:
        with pytest.raises(Refusal, match="order_not_ready"):
            advance_order(state, event)
