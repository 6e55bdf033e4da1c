"""What a link remembers of checks and SSRCs: nothing is forgotten that could be turned against it; it stays small."""

import os
import random
import string

from hypothesis import given
from hypothesis import strategies as st

from signaling.media.seen import FILTER_BITS, RECENT_MAX, SeenChecks, SeenSsrcs
from signaling.media.shared_state import SSRCS_MAX, UplinkState

LETTERS = (string.ascii_letters + string.digits + "+/").encode()
"""What Chromium writes its transactions in."""


@given(
    transactions=st.lists(st.binary(min_size=12, max_size=12), unique=True, max_size=60),
    between=st.integers(0, 3 * RECENT_MAX),
    seed=st.integers(0, 1 << 32),
)
def test_a_check_that_was_seen_is_known_for_good(transactions: list[bytes], between: int, seed: int) -> None:
    checks, dice = SeenChecks(), random.Random(seed)
    for number, transaction in enumerate(transactions):
        checks.note(transaction, ("phone", number))
    for _ in range(between):
        checks.note(dice.randbytes(12), "elsewhere")
    assert all(transaction in checks for transaction in transactions)
    for number, transaction in enumerate(transactions):
        forgotten = len(transactions) - number + between > RECENT_MAX
        assert checks.origin(transaction) == (None if forgotten else ("phone", number))


@given(st.binary(min_size=12, max_size=12))
def test_nothing_is_known_to_who_has_seen_nothing(transaction: bytes) -> None:
    checks = SeenChecks()
    assert transaction not in checks
    assert checks.origin(transaction) is None


def test_three_hours_of_chromiums_checks_leave_nearly_every_new_one_new() -> None:
    checks, dice = SeenChecks(), random.Random(20261125)

    def transaction() -> bytes:
        return bytes(dice.choices(LETTERS, k=12))

    for _ in range(20_000):
        checks.note(transaction(), "phone")
    # Some 6 are to be expected: were only half of a transaction's bits used, it would be some 200.
    assert sum(transaction() in checks for _ in range(5000)) < 40


def test_what_is_remembered_of_checks_does_not_grow() -> None:
    checks = SeenChecks()
    for _ in range(5 * RECENT_MAX):
        checks.note(os.urandom(12), "phone")
    assert len(checks._recent) == RECENT_MAX
    assert len(checks._filter) == FILTER_BITS // 8 == 65536


@given(count=st.integers(0, 6 * SSRCS_MAX), different=st.integers(1, 2 * SSRCS_MAX), seed=st.integers(0, 1 << 32))
def test_ssrcs_are_let_in_until_there_are_enough_and_the_express_lane_knows_the_same(
    count: int, different: int, seed: int
) -> None:
    dice = random.Random(seed)
    ssrcs_there_are = [dice.randbytes(4) for _ in range(different)]
    came = dice.choices(ssrcs_there_are, k=count)
    state = UplinkState()
    ssrcs = SeenSsrcs(state)
    known: list[bytes] = []
    for ssrc in came:
        assert ssrcs.admits(ssrc) == (ssrc in known or len(known) < SSRCS_MAX)
        if ssrcs.admits(ssrc):
            ssrcs.note(ssrc)
            known += [ssrc] * (ssrc not in known)
    assert [number.to_bytes(4, "big") for number in state.ssrcs[: state.ssrcs_count]] == known
    assert [ssrc for ssrc in ssrcs_there_are if int.from_bytes(ssrc, "big") in ssrcs] == [
        ssrc for ssrc in ssrcs_there_are if ssrc in known
    ]


def test_an_ssrc_that_did_not_prove_authentic_takes_no_place() -> None:
    state = UplinkState()
    ssrcs = SeenSsrcs(state)
    for number in range(10 * SSRCS_MAX):
        assert ssrcs.admits(number.to_bytes(4, "big"))
    assert state.ssrcs_count == 0
