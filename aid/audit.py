"""The ledger computed again from its entries, and compared with everything that stands beside it.

Empty means: every fund adds up, no balance is negative, every hold was resolved at most once, what is reserved, in
flight and paid is what cases and orders say, and no order passed through the same hands twice.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from aid.books import MOVEMENTS, Account, EntryKind
from aid.states import LIVE_ORDER_STATES, CaseState, OrderState
from aid.tables import AidCase, Balance, BankAnswerLine, Entry, Hold, Order, PayeeAccount

_STANDING = (OrderState.RELEASED, OrderState.PAID)
_EXPECTED = {CaseState.IN_FLIGHT: OrderState.RELEASED, CaseState.PAID: OrderState.PAID}
_FUNDED = (CaseState.APPROVED, CaseState.IN_FLIGHT, CaseState.PAID)
_UNFUNDED = (CaseState.DECLINED, CaseState.WITHDRAWN, CaseState.RETURNED)
_ENDINGS = {
    ("reservation", "posted"): EntryKind.RELEASED,
    ("reservation", "voided"): EntryKind.FREED,
    ("flight", "posted"): EntryKind.PAID,
    ("flight", "voided"): EntryKind.RETURNED,
}


async def audit(db: AsyncSession) -> list[str]:
    """Return what does not agree, as `code:subject`, sorted; an empty list when everything does."""
    entries = (await db.scalars(select(Entry))).all()
    balances = (await db.scalars(select(Balance))).all()
    holds = (await db.scalars(select(Hold))).all()
    orders = (await db.scalars(select(Order))).all()
    cases = (await db.scalars(select(AidCase))).all()
    lines = (await db.scalars(select(BankAnswerLine))).all()
    accounts = {account.id: account for account in await db.scalars(select(PayeeAccount))}
    return sorted(
        {
            *_check_balances(entries, balances),
            *_check_corrections(entries),
            *_check_holds(entries, holds),
            *_check_cases(holds, orders, cases),
            *_check_orders(entries, orders, lines),
            *_check_grounds(orders, cases, accounts),
        }
    )


def _check_balances(entries: Sequence[Entry], balances: Sequence[Balance]) -> Iterator[str]:
    computed: dict[tuple[str, str], int] = defaultdict(int)
    for entry in entries:
        if (Account(entry.from_account), Account(entry.to_account)) != MOVEMENTS[EntryKind(entry.kind)]:
            yield f"entry_moves_wrongly:{entry.id}"
        if entry.amount_fen <= 0:
            yield f"entry_not_positive:{entry.id}"
        computed[entry.fund_id, entry.from_account] -= entry.amount_fen
        computed[entry.fund_id, entry.to_account] += entry.amount_fen
    kept = {(balance.fund_id, balance.account): balance.balance_fen for balance in balances}
    for fund_id, account in kept.keys() | computed.keys():
        fen = computed[fund_id, account]
        if kept.get((fund_id, account)) != fen:
            yield f"balance_differs:{fund_id}/{account}"
        if account != Account.SOURCE and fen < 0:
            yield f"balance_negative:{fund_id}/{account}"
    for fund_id in {fund for fund, _ in kept}:
        if sum(fen for (fund, _), fen in kept.items() if fund == fund_id) != 0:
            yield f"fund_does_not_sum_to_zero:{fund_id}"


def _check_corrections(entries: Sequence[Entry]) -> Iterator[str]:
    by_id = {entry.id: entry for entry in entries}
    for entry in entries:
        if entry.corrects_id is None:
            continue
        original = by_id.get(entry.corrects_id)
        if original is None or (original.amount_fen, original.fund_id) != (entry.amount_fen, entry.fund_id):
            yield f"correction_without_original:{entry.id}"


def _check_holds(entries: Sequence[Entry], holds: Sequence[Hold]) -> Iterator[str]:
    endings = Counter(
        entry.hold_id for entry in entries if entry.hold_id is not None and entry.kind != EntryKind.RESERVED
    )
    kinds = {(entry.hold_id, entry.kind): entry.amount_fen for entry in entries}
    reserved: Counter[tuple[str, str]] = Counter()
    for hold in holds:
        expected = 0 if hold.outcome is None else 1
        if endings[hold.id] != expected:
            yield f"hold_resolved_{endings[hold.id]}_times:{hold.id}"
        if hold.outcome is None:
            account = Account.RESERVED if hold.kind == "reservation" else Account.IN_FLIGHT
            reserved[hold.fund_id, account] += hold.amount_fen
        elif kinds.get((hold.id, _ENDINGS[hold.kind, hold.outcome])) != hold.amount_fen:
            yield f"hold_ends_wrongly:{hold.id}"
    standing: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        for name, sign in ((entry.from_account, -1), (entry.to_account, 1)):
            if name in (Account.RESERVED, Account.IN_FLIGHT):
                standing[entry.fund_id, name] += sign * entry.amount_fen
    for place in reserved.keys() | standing.keys():
        if reserved[place] != standing[place]:
            yield f"holds_differ_from_balance:{place[0]}/{place[1]}"


def _check_cases(holds: Sequence[Hold], orders: Sequence[Order], cases: Sequence[AidCase]) -> Iterator[str]:
    bound = Counter({hold.case_id: hold.amount_fen for hold in holds if hold.outcome is None})
    bound.update({order.case_id: order.amount_fen for order in orders if order.state is OrderState.PAID})
    live = Counter(order.case_id for order in orders if order.state in LIVE_ORDER_STATES)
    states = {order.case_id: order.state for order in orders if order.state in _STANDING}
    for case in cases:
        if bound[case.id] > case.amount_fen:
            yield f"award_exceeded:{case.id}"
        if live[case.id] > 1:
            yield f"two_live_orders:{case.id}"
        if states.get(case.id) != _EXPECTED.get(case.state):
            yield f"case_differs_from_order:{case.id}"
        if case.state in _FUNDED and bound[case.id] != case.amount_fen:
            yield f"case_without_money:{case.id}"
        if case.state in _UNFUNDED and bound[case.id]:
            yield f"closed_case_with_money:{case.id}"
        if case.state in _UNFUNDED and live[case.id]:
            yield f"closed_case_with_order:{case.id}"


def _check_orders(entries: Sequence[Entry], orders: Sequence[Order], lines: Sequence[BankAnswerLine]) -> Iterator[str]:
    moved = {(entry.order_id, entry.kind): entry.amount_fen for entry in entries if entry.order_id is not None}
    said = Counter((line.order_id, line.outcome) for line in lines)
    for order in orders:
        expected = {
            OrderState.RELEASED: {EntryKind.RELEASED},
            OrderState.PAID: {EntryKind.RELEASED, EntryKind.PAID},
            OrderState.RETURNED: {EntryKind.RELEASED, EntryKind.RETURNED},
        }.get(order.state, set())
        found = {EntryKind(kind) for order_id, kind in moved if order_id == order.id}
        if found != expected or any(moved[order.id, kind] != order.amount_fen for kind in found):
            yield f"order_differs_from_entries:{order.id}"
        for state in (OrderState.PAID, OrderState.RETURNED):
            if said[order.id, state.value] != (order.state is state):
                yield f"order_differs_from_bank:{order.id}"


def _check_grounds(
    orders: Sequence[Order], cases: Sequence[AidCase], accounts: dict[str, PayeeAccount]
) -> Iterator[str]:
    handlers = {case.id: case.handler_id for case in cases}
    for order in orders:
        if order.released_at is None:
            continue
        account = accounts.get(order.account_id or "")
        if account is None or account.case_id != order.case_id:
            yield f"order_without_account:{order.id}"
        apart = [order.approver_id, order.releaser_id]
        hands = [*apart, *([order.reconciler_id] if order.reconciler_id else [])]
        if len({*hands, order.handler_id}) != len(hands) + 1 or order.handler_id != handlers[order.case_id]:
            yield f"same_hands:{order.id}"
        if order.drafter_id in (*apart, order.handler_id):
            yield f"same_hands:{order.id}"
