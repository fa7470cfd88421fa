"""What a scope has spent is the most that any one person met, counted by another program than the ledger's."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.errors import BudgetExceededError
from dpsynth.ledger import Account, Cap, Ledger, Reservation, Spend, database

DIVISIONS = {"hospital": ("north", "south"), "age": ("young", "old")}
PEOPLE = list(product(*DIVISIONS.values()))
PARTS = [None, "north", "south", "young", "old"]
CAPS = {(part, period): 4 + len(part or "") for part in PARTS for period in (None, "2026", "2026-02")}

runs = st.lists(
    st.tuples(
        st.sampled_from(PARTS), st.integers(1, 5), st.integers(1, 4), st.sampled_from(["keep", "release"])
    ),
    max_size=30,
)


class Clock:
    """February or another month of 2026."""

    month = 1

    def now(self, _: object) -> datetime:
        return datetime(2026, self.month, 1, tzinfo=UTC)


def most(spent: list[tuple[str | None, int, int]], period: str | None) -> int:
    """The most that was spent on one person within the period."""
    return max(
        sum(units for of, month, units in spent if of in (None, *person) and inside(month, period))
        for person in PEOPLE
    )


def inside(month: int, period: str | None) -> bool:
    return month == 2 if period == "2026-02" else True


@settings(max_examples=100, deadline=None)
@given(plan=runs, late=st.booleans())
def test_no_person_meets_more_than_any_cap(
    plan: list[tuple[str | None, int, int, str]], *, late: bool
) -> None:
    clock, spent = Clock(), list[tuple[str | None, int, int]]()
    with pytest.MonkeyPatch.context() as patch, Ledger.in_memory() as ledger:
        patch.setattr(database, "datetime", clock)
        whole = ledger.account("patients", "row", cap=Cap(epsilon=CAPS[None, None]))
        for by, parts in DIVISIONS.items():
            ledger.divide(whole, by=by, parts=parts)
        accounts = {part: ledger.account("patients", "row", partition=part) for part in PARTS}
        kept: list[tuple[Reservation, tuple[str | None, int, int]]] = []
        if not late:
            limit(ledger, accounts)
        for part, units, month, then in plan:
            clock.month = month
            fits = try_run(ledger, accounts[part], units)
            after = [*spent, (part, month, units)]
            if not late:
                assert (fits is not None) == all(
                    upper(after, *scope) <= cap
                    for scope, cap in CAPS.items()
                    if scope[0] in (None, part) and inside(month, scope[1])
                )
            if fits is not None:
                spent = after
                kept.append((fits, after[-1]))
            if then == "release" and kept:
                run, line = kept.pop()
                ledger.release(run)
                spent.remove(line)
        if late:
            limit(ledger, accounts)
        for statement in ledger.statement():
            assert statement.spent.epsilon == upper(spent, statement.partition, statement.period)
            if statement.partition is None:  # the account of a part leaves out what was spent on all
                assert statement.spent.epsilon == most(spent, statement.period)
        assert ledger.verify().ok


def limit(ledger: Ledger, accounts: dict[str | None, Account]) -> None:
    """Set all caps."""
    for (part, period), cap in CAPS.items():
        if period is None:
            ledger.set_cap(accounts[part], Cap(epsilon=cap), reason="r")
        else:
            ledger.account("patients", "row", partition=part, period=period, cap=Cap(epsilon=cap))


def upper(spent: list[tuple[str | None, int, int]], part: str | None, period: str | None) -> int:
    """Of a whole: everybody's, and the largest part of each division. Of a part: what was spent on it."""
    sums = {
        of: sum(units for named, month, units in spent if named == of and inside(month, period))
        for of in PARTS
    }
    if part is not None:
        return sums[part]
    return sums[None] + sum(max(sums[name] for name in parts) for parts in DIVISIONS.values())


def try_run(ledger: Ledger, account: Account, units: int) -> Reservation | None:
    try:
        return ledger.reserve(account, Spend(epsilon=units), method="m", plan_digest="p")
    except BudgetExceededError:
        return None
