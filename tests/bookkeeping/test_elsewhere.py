"""What diffprivlib spent becomes one amount, never less than it was."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.bookkeeping import read_spent_budget, spend_of_accountant
from dpsynth.errors import ConfigurationError
from dpsynth.ledger import Spend


class Accountant:
    """As much of `diffprivlib.BudgetAccountant` as is read."""

    def __init__(self, *spent: tuple[float, float], slack: float = 0.0) -> None:
        self.spent_budget, self.slack = list(spent), slack


def test_epsilons_and_deltas_are_added_exactly() -> None:
    assert spend_of_accountant(Accountant(*[(0.1, 1e-9)] * 10)) == Spend(epsilon=1.0, delta=1e-8)
    assert spend_of_accountant(Accountant((0.5, 1e-9), slack=1e-3)) == Spend(epsilon=0.5, delta=1e-9)


def test_pure_differential_privacy_states_rho_too() -> None:
    assert spend_of_accountant(Accountant((1.0, 0.0), (2.0, 0))) == Spend(epsilon=3.0, rho=2.5)


@given(spent=st.lists(st.tuples(st.floats(1e-6, 1e3), st.floats(0, 1e-3)), min_size=1, max_size=20))
def test_no_sum_is_below_the_truth(spent: list[tuple[float, float]]) -> None:
    found = spend_of_accountant(Accountant(*spent))
    assert Fraction(repr(found.epsilon)) >= sum(Fraction(repr(epsilon)) for epsilon, _ in spent)
    assert Fraction(repr(found.delta)) >= sum(Fraction(repr(delta)) for _, delta in spent)
    assert found.epsilon == pytest.approx(sum(epsilon for epsilon, _ in spent))


def test_a_file_holds_the_same_list(tmp_path: Path) -> None:
    place = tmp_path / "spent.json"
    place.write_text(json.dumps({"spent_budget": [[0.5, 0.0], [0.25, 1e-9]], "slack": 0.0}))
    assert read_spent_budget(place) == Spend(epsilon=0.75, delta=1e-9)
    for wrong in ("{}", "[]", "7", "{", '{"spent_budget": 7}', '{"spent_budget": [7]}', "\xff"):
        place.write_bytes(wrong.encode("latin-1"))
        with pytest.raises(ConfigurationError, match="JSON document like"):
            read_spent_budget(place)
    with pytest.raises(ConfigurationError, match="JSON document like"):
        read_spent_budget(tmp_path / "nothing.json")


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        [(1.0,)],
        [(1.0, 0.0, 0.0)],
        [("1", 0.0)],
        [(-1.0, 0.0)],
        [(float("inf"), 0.0)],
        [(1.0, 0.6), (1.0, 0.6)],
        [(1e300, 0.0), (1e300, 0.0)],
        [(0.0, 0.0)],
    ],
)
def test_what_is_no_spending_is_refused(wrong: list[tuple[float, float]]) -> None:
    with pytest.raises(ConfigurationError, match="Expected"):
        spend_of_accountant(Accountant(*wrong))
