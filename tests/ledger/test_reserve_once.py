"""Runs that several processes continue: one reservation for one name, one draw at each position."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpsynth.errors import BudgetExceededError, ConfigurationError, LedgerError
from dpsynth.ledger import Account, Cap, Ledger, Spend, Standing

UNIT = "adding or removing one row"


def open_account(ledger: Ledger, *, cap: Cap | None = None) -> Account:
    return ledger.account("people", UNIT, cap=cap)


def test_a_run_of_one_name_is_reserved_once(tmp_path: Path) -> None:
    words = {"method": "mst", "plan_digest": "abc", "label": "run 1"}
    spend = Spend(epsilon=0.4, delta=1e-9)
    with Ledger.open(tmp_path / "l.db") as ledger:
        account = open_account(ledger, cap=Cap(epsilon=0.5, delta=1e-6))
        first = ledger.reserve_once(account, spend, **words)
        assert (first.events, first.committed) == ((), False)
        ledger.draw(first.reservation, {"type": "x"}, position=0)
    with Ledger.open(tmp_path / "l.db") as ledger:
        account = open_account(ledger)
        other = ledger.reserve(account, Spend(epsilon=0.01), method="mst", plan_digest="abc")
        ledger.draw(other, {"type": "of another run"})
        ledger.draw(first.reservation, {"type": "y"}, position=1)
        second = ledger.reserve_once(account, spend, **words)
        assert second == Standing(reservation=first.reservation, events=({"type": "x"}, {"type": "y"}))
        ledger.commit(first.reservation)
        assert ledger.reserve_once(account, spend, **words).committed
        assert [run.epsilon for run in ledger.statement()[0].runs] == [0.4, 0.01]
        with pytest.raises(BudgetExceededError):
            ledger.reserve_once(account, spend, **(words | {"label": "run 2"}))
        assert ledger.verify().ok


def test_a_run_of_one_name_keeps_its_words() -> None:
    words = {"method": "mst", "plan_digest": "abc", "label": "run 1"}
    with Ledger.in_memory() as ledger:
        account = open_account(ledger)
        made = ledger.reserve_once(account, Spend(epsilon=0.4), **words)
        before = ledger.head()
        for more in ({"method": "aim"}, {"plan_digest": "abd"}):
            with pytest.raises(LedgerError, match="another account, price, method or plan"):
                ledger.reserve_once(account, Spend(epsilon=0.4), **(words | more))
        with pytest.raises(LedgerError, match="another account, price"):
            ledger.reserve_once(account, Spend(epsilon=0.3), **words)
        assert ledger.head() == before
        elsewhere = ledger.account("others", UNIT)
        with pytest.raises(LedgerError, match="another account"):
            ledger.reserve_once(elsewhere, Spend(epsilon=0.4), **words)
        with pytest.raises(ConfigurationError, match="label"):
            ledger.reserve_once(account, Spend(epsilon=0.4), **(words | {"label": ""}))
        ledger.release(made.reservation)
        with pytest.raises(LedgerError, match="released"):
            ledger.reserve_once(account, Spend(epsilon=0.4), **words)


def test_a_draw_has_its_position() -> None:
    with Ledger.in_memory() as ledger:
        run = ledger.reserve(open_account(ledger), Spend(epsilon=0.4), method="mst", plan_digest="abc")
        for position in (1, -1):
            with pytest.raises(LedgerError, match="does not stand where it was left"):
                ledger.draw(run, {"type": "x"}, position=position)
        ledger.draw(run, {"type": "x"}, position=0)
        with pytest.raises(LedgerError, match="another process continues it, or a draw failed"):
            ledger.draw(run, {"type": "x"}, position=0)
        ledger.draw(run, {"type": "x"}, position=1)
        ledger.commit(run)
        with pytest.raises(LedgerError, match="already committed"):
            ledger.draw(run, {"type": "x"}, position=2)
        assert ledger.statement()[0].runs[0].draws == 2
