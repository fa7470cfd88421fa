"""Any sequence of operations keeps every sum within its cap and leaves a ledger that verifies."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.errors import BudgetExceededError, LedgerError
from dpsynth.ledger import Account, Cap, Ledger, Reservation, Spend

amounts = st.sampled_from([0.1, 0.2, 0.3, 1 / 3, 1e-9, 1e-12, 5e-324]) | st.floats(
    min_value=0, max_value=2, exclude_min=True
)
caps = st.floats(min_value=1e-6, max_value=3)
operations = st.lists(
    st.tuples(st.just("reserve"), st.integers(0, 1), amounts, st.floats(min_value=0, max_value=1e-6))
    | st.tuples(st.sampled_from(["draw", "commit", "release"]), st.integers(0, 9))
    | st.tuples(st.just("cap"), st.integers(0, 1), caps),
    max_size=25,
)


def units(value: float, step: str, rounding: str) -> Decimal:
    """The amount on the grid, by another arithmetic than the ledger's."""
    with localcontext() as context:
        context.prec = 1200
        return Decimal(repr(value)).quantize(Decimal(step), rounding=rounding)


class Model:
    """What a ledger should do, written as simply as possible."""

    def __init__(self, ledger: Ledger, first: float, second: float) -> None:
        self.ledger = ledger
        self.accounts: list[Account] = [
            ledger.account("a", "row", cap=Cap(epsilon=first, delta=1e-6)),
            ledger.account("b", "row", cap=Cap(rho=second)),
        ]
        self.names = ["epsilon", "rho"]
        self.steps = ["1e-9", "1e-12"]
        self.caps = [units(first, "1e-9", ROUND_FLOOR), units(second, "1e-12", ROUND_FLOOR)]
        self.runs: list[tuple[Reservation, int, Decimal, Decimal]] = []
        self.status: list[str] = []
        self.draws: list[int] = []

    def total(self, account: int, part: int) -> Decimal:
        runs = zip(self.runs, self.status, strict=True)
        return sum(
            (run[part] for run, status in runs if run[1] == account and status != "released"), Decimal(0)
        )

    def reserve(self, account: int, amount: float, delta: float) -> None:
        price = units(amount, self.steps[account], ROUND_CEILING)
        failure = units(delta, "1e-18", ROUND_CEILING)
        fits = self.total(account, 2) + price <= self.caps[account]
        if account == 0:
            fits = fits and self.total(0, 3) + failure <= Decimal("1e-6")
        spend = Spend(epsilon=amount, delta=delta, rho=amount)
        try:
            run = self.ledger.reserve(self.accounts[account], spend, method="m", plan_digest="p")
        except BudgetExceededError:
            assert not fits
            return
        assert fits
        self.runs.append((run, account, price, failure))
        self.status.append("reserved")
        self.draws.append(0)

    def step(self, kind: str, index: int) -> None:
        if index >= len(self.runs):
            return
        allowed = self.status[index] == "reserved" and not (kind == "release" and self.draws[index])
        arguments: list[Any] = [{"type": "x"}] if kind == "draw" else []
        try:
            getattr(self.ledger, kind)(self.runs[index][0], *arguments)
        except LedgerError:
            assert not allowed
            return
        assert allowed
        if kind == "draw":
            self.draws[index] += 1
        else:
            self.status[index] = {"commit": "committed", "release": "released"}[kind]

    def cap(self, account: int, value: float) -> None:
        cap = Cap(epsilon=value, delta=1e-6) if account == 0 else Cap(rho=value)
        self.accounts[account] = self.ledger.set_cap(self.accounts[account], cap, reason="r")
        self.caps[account] = units(value, self.steps[account], ROUND_FLOOR)


@settings(max_examples=150, deadline=None)
@given(first=caps, second=caps, plan=operations)
def test_any_sequence_of_operations_obeys_the_model(
    first: float, second: float, plan: list[tuple[Any, ...]]
) -> None:
    with Ledger.in_memory() as ledger:
        model = Model(ledger, first, second)
        for kind, *arguments in plan:
            if kind in ("draw", "commit", "release"):
                model.step(kind, *arguments)
            else:
                getattr(model, kind)(*arguments)
        assert ledger.verify().ok
        for index, statement in enumerate(ledger.statement()):
            mine = [i for i, run in enumerate(model.runs) if run[1] == index]
            assert [(r.status, r.draws) for r in statement.runs] == [
                (model.status[i], model.draws[i]) for i in mine
            ]
            assert getattr(statement.spent, model.names[index]) == float(model.total(index, 2))
            left = max(Decimal(0), model.caps[index] - model.total(index, 2))
            assert getattr(statement.remaining, model.names[index]) == float(left)
