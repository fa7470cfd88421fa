"""P11: an accountant in a local variable forgets; two runs on one table are never composed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dpsynth.errors import BudgetExceededError
from dpsynth.ledger import Cap, Ledger, Spend


def local_accountant(_: Path, epsilon: float) -> None:
    """The broken twin: its memory ends with the call."""
    spent = 0.0
    if spent + epsilon > 1.0:
        raise BudgetExceededError
    spent += epsilon


def ledger_run(path: Path, epsilon: float) -> None:
    """One whole program: it opens the ledger, pays and ends."""
    with Ledger.open(path) as ledger:
        account = ledger.account("people", "one row", cap=Cap(epsilon=1.0))
        run = ledger.reserve(account, Spend(epsilon=epsilon), method="m", plan_digest="p")
        ledger.draw(run, {"type": "laplace/1", "epsilon": epsilon})
        ledger.commit(run)


def runs_that_passed(run: Callable[[Path, float], None], path: Path) -> int:
    passed = 0
    for _ in range(5):
        try:
            run(path, 0.4)
        except BudgetExceededError:
            continue
        passed += 1
    return passed


@pytest.mark.parametrize(("run", "passed"), [(local_accountant, 5), (ledger_run, 2)])
def test_five_runs_of_0_4_under_a_cap_of_1(
    tmp_path: Path, run: Callable[[Path, float], None], passed: int
) -> None:
    assert runs_that_passed(run, tmp_path / "l.db") == passed


def test_runs_of_different_methods_and_labels_compose(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        account = ledger.account("people", "one row", cap=Cap(epsilon=1.0))
        ledger.reserve(account, Spend(epsilon=0.5), method="mst", plan_digest="a", label="x")
    with Ledger.open(tmp_path / "l.db") as ledger:
        account = ledger.account("people", "one row")
        ledger.reserve(account, Spend(epsilon=0.5), method="aim", plan_digest="b", label="y")
        with pytest.raises(BudgetExceededError, match="remaining epsilon 0"):
            ledger.reserve(account, Spend(epsilon=0.5), method="dpgan", plan_digest="c", label="z")
