"""P12: check, compute, then spend: whoever crashes after the answer had it for free."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dpsynth.errors import BudgetExceededError, LedgerError
from dpsynth.ledger import Cap, Ledger, Spend


class CrashError(BaseException):
    """The power goes off after the noisy answer left the mechanism."""


def pay(ledger: Ledger) -> None:
    account = ledger.account("people", "one row", cap=Cap(epsilon=1.0))
    run = ledger.reserve(account, Spend(epsilon=0.5), method="m", plan_digest="p")
    ledger.draw(run, {"type": "laplace/1", "epsilon": 0.5})


def spend_afterwards(ledger: Ledger, answer: Callable[[], None]) -> None:
    """The broken twin: check, compute, then spend."""
    (statement,) = ledger.statement() or (None,)
    if statement is not None and statement.remaining is not None and statement.remaining.epsilon == 0.0:
        raise BudgetExceededError
    answer()
    pay(ledger)


def spend_before(ledger: Ledger, answer: Callable[[], None]) -> None:
    """Ours: reserve and record the draw, then compute."""
    pay(ledger)
    answer()


@pytest.mark.parametrize(("order", "answers"), [(spend_afterwards, 10), (spend_before, 2)])
def test_crashing_after_every_answer(
    tmp_path: Path, order: Callable[[Ledger, Callable[[], None]], None], answers: int
) -> None:
    given: list[int] = []

    def answer() -> None:
        given.append(1)
        raise CrashError

    for _ in range(10):
        with Ledger.open(tmp_path / "l.db") as ledger:
            try:
                order(ledger, answer)
            except (CrashError, BudgetExceededError):
                continue
    assert len(given) == answers


def test_a_crash_between_reservation_and_draw_counts_as_spent(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        account = ledger.account("people", "one row", cap=Cap(epsilon=1.0))
        ledger.reserve(account, Spend(epsilon=1.0), method="m", plan_digest="p")
    with Ledger.open(tmp_path / "l.db") as ledger:
        assert ledger.statement()[0].runs[0].status == "reserved"
        with pytest.raises(BudgetExceededError, match="no room"):
            ledger.reserve(account, Spend(epsilon=1e-9), method="m", plan_digest="p")


def test_no_draw_is_ever_given_back(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        account = ledger.account("people", "one row", cap=Cap(epsilon=1.0))
        run = ledger.reserve(account, Spend(epsilon=1.0), method="m", plan_digest="p")
        ledger.draw(run, {"type": "laplace/1", "epsilon": 1.0})
    with Ledger.open(tmp_path / "l.db") as ledger, pytest.raises(LedgerError, match="stays spent"):
        ledger.release(run)
