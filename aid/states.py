"""The states of a case, an order and a batch: tables `(state, event) -> state` with one door each.

PAYMENTS.md says the same in words; a test holds the two equal. Nothing else in the package assigns a state.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

from records.refusals import Refusal


class CaseState(StrEnum):
    """Where an aid case stands, seen from what is needed next."""

    AWAITING_HEARING = "awaiting_hearing"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    IN_FLIGHT = "in_flight"
    PAID = "paid"
    RETURNED = "returned"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class CaseEvent(StrEnum):
    """What happened to a case."""

    SIGNED = "signed"
    CONFIRMATION_VOIDED = "confirmation_voided"
    APPROVED = "approved"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    RELEASED = "released"
    PAID = "paid"
    RETURNED = "returned"
    REOPENED = "reopened"


class OrderState(StrEnum):
    """Where one payment order stands. An order lives in one batch and is sent at most once."""

    DRAFTED = "drafted"
    HELD_BACK = "held_back"
    CANCELLED = "cancelled"
    RELEASED = "released"
    PAID = "paid"
    RETURNED = "returned"


class OrderEvent(StrEnum):
    """What happened to an order."""

    RELEASED = "released"
    HELD_BACK = "held_back"
    CANCELLED = "cancelled"
    PAID = "paid"
    RETURNED = "returned"


class BatchState(StrEnum):
    """Where a batch stands: one batch is one bank file."""

    DRAFTED = "drafted"
    RELEASED = "released"
    SENT_BACK = "sent_back"


class BatchEvent(StrEnum):
    """What happened to a batch."""

    RELEASED = "released"
    SENT_BACK = "sent_back"


class ConfirmationState(StrEnum):
    """How far the applicant's confirmation in a hearing has come."""

    NONE = "none"
    ASKED = "asked"
    CONFIRMED = "confirmed"
    SIGNED = "signed"
    OBJECTED = "objected"


class ConfirmationEvent(StrEnum):
    """What the applicant did with the question put to her."""

    CONFIRMED = "confirmed"
    SIGNED = "signed"
    OBJECTED = "objected"


State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)

CASE_TABLE: Final[Mapping[tuple[CaseState, CaseEvent], CaseState]] = {
    (CaseState.AWAITING_HEARING, CaseEvent.SIGNED): CaseState.AWAITING_APPROVAL,
    (CaseState.AWAITING_HEARING, CaseEvent.CONFIRMATION_VOIDED): CaseState.AWAITING_HEARING,
    (CaseState.AWAITING_HEARING, CaseEvent.WITHDRAWN): CaseState.WITHDRAWN,
    (CaseState.AWAITING_APPROVAL, CaseEvent.CONFIRMATION_VOIDED): CaseState.AWAITING_HEARING,
    (CaseState.AWAITING_APPROVAL, CaseEvent.APPROVED): CaseState.APPROVED,
    (CaseState.AWAITING_APPROVAL, CaseEvent.DECLINED): CaseState.DECLINED,
    (CaseState.AWAITING_APPROVAL, CaseEvent.WITHDRAWN): CaseState.WITHDRAWN,
    # What was approved was this amount to this account: a change sends the case back to its hearing, and the
    # reserved money stays reserved until the new approval, a refusal or a withdrawal.
    (CaseState.APPROVED, CaseEvent.CONFIRMATION_VOIDED): CaseState.AWAITING_HEARING,
    (CaseState.APPROVED, CaseEvent.RELEASED): CaseState.IN_FLIGHT,
    (CaseState.APPROVED, CaseEvent.WITHDRAWN): CaseState.WITHDRAWN,
    (CaseState.IN_FLIGHT, CaseEvent.PAID): CaseState.PAID,
    (CaseState.IN_FLIGHT, CaseEvent.RETURNED): CaseState.RETURNED,
    (CaseState.RETURNED, CaseEvent.REOPENED): CaseState.AWAITING_HEARING,
    (CaseState.RETURNED, CaseEvent.WITHDRAWN): CaseState.WITHDRAWN,
}

ORDER_TABLE: Final[Mapping[tuple[OrderState, OrderEvent], OrderState]] = {
    (OrderState.DRAFTED, OrderEvent.RELEASED): OrderState.RELEASED,
    (OrderState.DRAFTED, OrderEvent.HELD_BACK): OrderState.HELD_BACK,
    (OrderState.DRAFTED, OrderEvent.CANCELLED): OrderState.CANCELLED,
    # Only an answer of the bank moves an order that was sent; silence moves nothing.
    (OrderState.RELEASED, OrderEvent.PAID): OrderState.PAID,
    (OrderState.RELEASED, OrderEvent.RETURNED): OrderState.RETURNED,
}

BATCH_TABLE: Final[Mapping[tuple[BatchState, BatchEvent], BatchState]] = {
    (BatchState.DRAFTED, BatchEvent.RELEASED): BatchState.RELEASED,
    (BatchState.DRAFTED, BatchEvent.SENT_BACK): BatchState.SENT_BACK,
}

CONFIRMATION_TABLE: Final[Mapping[tuple[ConfirmationState, ConfirmationEvent], ConfirmationState]] = {
    (ConfirmationState.ASKED, ConfirmationEvent.CONFIRMED): ConfirmationState.CONFIRMED,
    (ConfirmationState.ASKED, ConfirmationEvent.OBJECTED): ConfirmationState.OBJECTED,
    # Before she has signed she may still change her mind.
    (ConfirmationState.CONFIRMED, ConfirmationEvent.OBJECTED): ConfirmationState.OBJECTED,
    (ConfirmationState.CONFIRMED, ConfirmationEvent.SIGNED): ConfirmationState.SIGNED,
}

LIVE_ORDER_STATES: Final = (OrderState.DRAFTED, OrderState.RELEASED, OrderState.PAID)
"""While an order is in one of these its instalment can have no other (a unique index says so, too)."""

CLOSED_CASE_STATES: Final = (CaseState.PAID, CaseState.DECLINED, CaseState.WITHDRAWN)
"""Nothing leads out of these."""


def _advance(what: str, table: Mapping[tuple[State, Event], State], state: State, event: Event) -> State:
    following = table.get((state, event))
    if following is None:
        raise Refusal(f"{what}_not_ready", state=state.value, event=event.value)
    return following


def advance_case(state: CaseState, event: CaseEvent) -> CaseState:
    """Return the state after `event`; raise `Refusal("case_not_ready")` when the table has no such step."""
    return _advance("case", CASE_TABLE, state, event)


def advance_order(state: OrderState, event: OrderEvent) -> OrderState:
    """Return the state after `event`; raise `Refusal("order_not_ready")` when the table has no such step."""
    return _advance("order", ORDER_TABLE, state, event)


def advance_batch(state: BatchState, event: BatchEvent) -> BatchState:
    """Return the state after `event`; raise `Refusal("batch_not_ready")` when the table has no such step."""
    return _advance("batch", BATCH_TABLE, state, event)


def advance_confirmation(state: ConfirmationState, event: ConfirmationEvent) -> ConfirmationState:
    """Return the state after `event`; raise `Refusal("confirmation_not_ready")` when the table has no such step."""
    return _advance("confirmation", CONFIRMATION_TABLE, state, event)
