"""The ledger as its users see it: accounts, reservations, draws, statements."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dpsynth.errors import BudgetExceededError, ConfigurationError, LedgerError
from dpsynth.ledger import Account, Cap, Head, Ledger, Reservation, Spend
from dpsynth.ledger.amounts import Amount

UNIT = "adding or removing one row"


def open_account(ledger: Ledger, *, cap: Cap | None = None, rule: str | None = None) -> Account:
    return ledger.account("people", UNIT, cap=cap, rule=rule)


def reserve(ledger: Ledger, account: Account, epsilon: float = 0.4, **more: float) -> Reservation:
    return ledger.reserve(account, Spend(epsilon=epsilon, **more), method="mst", plan_digest="abc")


def test_a_run_is_reserved_drawn_and_committed() -> None:
    with Ledger.in_memory() as ledger:
        account = open_account(ledger, cap=Cap(epsilon=1.0, delta=1e-6))
        run = ledger.reserve(
            account, Spend(epsilon=0.4, delta=1e-9), method="mst", plan_digest="abc", label="July"
        )
        receipt = ledger.draw(run, {"type": "gaussian/1", "mu": 0.2})
        done = ledger.commit(run)
        assert (run.seq, receipt.seq, done.seq) == (2, 3, 4)
        assert run.id == run.digest
        assert ledger.head() == done
        assert [e.content["kind"] for e in ledger.entries()] == [
            "genesis",
            "account",
            "reserve",
            "draw",
            "commit",
        ]
        assert ledger.entries(since=3)[0].digest == receipt.digest
        assert ledger.entries()[3].content["event"] == {"type": "gaussian/1", "mu": 0.2}
        (statement,) = ledger.statement("people")
        assert statement.unit == UNIT
        assert statement.cap == Cap(epsilon=1.0, delta=1e-6)
        assert statement.spent == Amount(epsilon=0.4, delta=1e-9)
        assert statement.remaining == Amount(epsilon=0.6, delta=9.99e-7)
        (line,) = statement.runs
        assert (line.method, line.label, line.plan_digest, line.status, line.draws) == (
            "mst",
            "July",
            "abc",
            "committed",
            1,
        )
        assert (line.epsilon, line.delta, line.rho, line.remaining) == (0.4, 1e-9, None, statement.remaining)
        assert line.time.endswith("+00:00")
        assert ledger.verify().ok


def test_the_cap_is_exact_and_a_refusal_records_nothing() -> None:
    with Ledger.in_memory() as ledger:
        account = open_account(ledger, cap=Cap(epsilon=1.0, delta=1e-6))
        for _ in range(10):
            reserve(ledger, account, 0.1, delta=1e-7)
        before = ledger.head()
        with pytest.raises(
            BudgetExceededError, match=r"requested epsilon 1e-09.*remaining epsilon 0, delta 0.*set_cap"
        ):
            reserve(ledger, account, 1e-9)
        with pytest.raises(BudgetExceededError, match="requested epsilon 0, delta 1e-18"):
            reserve(ledger, account, 0.0, delta=1e-18)
        assert ledger.head() == before
        assert ledger.verify().ok


def test_room_for_several_runs_is_tested_without_a_record() -> None:
    with Ledger.in_memory() as ledger:
        account = ledger.account("people", "rows", cap=Cap(epsilon=1.0, delta=1e-6))
        head = ledger.head()
        fits = [Spend(epsilon=0.7, delta=5e-7, rho=0.1), Spend(epsilon=0.3, delta=5e-7)]
        ledger.require_room(account, fits)
        for more in (Spend(epsilon=0.300000001, delta=1e-9), Spend(epsilon=0.1, delta=6e-7)):
            ledger.require_room(account, [more])
            with pytest.raises(BudgetExceededError, match="people"):
                ledger.require_room(account, [fits[0], more])
        assert ledger.head() == head


def test_rho_adds_up_under_the_zcdp_rule() -> None:
    with Ledger.in_memory() as ledger:
        account = open_account(ledger, cap=Cap(rho=0.5))
        assert account.rule == "zcdp"
        reserve(ledger, account, 5.0, delta=0.5, rho=0.3)
        with pytest.raises(BudgetExceededError, match=r"requested rho 0\.3; remaining rho 0\.2"):
            reserve(ledger, account, 5.0, rho=0.3)
        with pytest.raises(LedgerError, match="adds rho"):
            reserve(ledger, account, 0.1)
        (statement,) = ledger.statement()
        assert statement.spent == Amount(epsilon=5.0, delta=0.5, rho=0.3)
        assert statement.remaining == Amount(rho=0.2)
        assert statement.cap == Cap(rho=0.5)


def test_a_run_without_rho_is_refused_under_zcdp_even_without_a_cap() -> None:
    with Ledger.in_memory() as ledger:
        account = open_account(ledger, rule="zcdp")
        with pytest.raises(LedgerError, match="adds rho"):
            reserve(ledger, account)


def test_without_a_cap_everything_is_recorded() -> None:
    with Ledger.in_memory() as ledger:
        account = open_account(ledger)
        reserve(ledger, account, 1000.0, rho=1.0)
        (statement,) = ledger.statement()
        assert account.cap is None
        assert (statement.cap, statement.remaining, statement.runs[0].remaining) == (None, None, None)
        assert statement.spent == Amount(epsilon=1000.0, delta=0.0)
        assert statement.runs[0].rho == 1.0


def test_accounts_are_separate_and_found_again() -> None:
    with Ledger.in_memory() as ledger:
        first = open_account(ledger, cap=Cap(epsilon=1.0))
        other = ledger.account("people", "replacing one row", cap=Cap(epsilon=2.0))
        third = ledger.account("places", UNIT)
        reserve(ledger, first, 1.0)
        reserve(ledger, other, 2.0)
        assert open_account(ledger) == first == open_account(ledger, cap=Cap(epsilon=1.0), rule="basic")
        assert len({first.id, other.id, third.id}) == 3
        assert [s.dataset for s in ledger.statement()] == ["people", "people", "places"]
        assert [s.unit for s in ledger.statement("people")] == [UNIT, "replacing one row"]
        assert ledger.statement("nobody") == ()


def test_cap_and_rule_of_an_account_never_change_in_silence() -> None:
    with Ledger.in_memory() as ledger:
        account = open_account(ledger, cap=Cap(epsilon=1.0))
        with pytest.raises(LedgerError, match="set_cap"):
            open_account(ledger, cap=Cap(epsilon=2.0))
        with pytest.raises(LedgerError, match="rule 'basic'"):
            open_account(ledger, cap=Cap(rho=1.0))
        with pytest.raises(LedgerError, match="rule 'basic'"):
            open_account(ledger, rule="zcdp")
        assert open_account(ledger) == account
        assert len(ledger.entries()) == 2


def test_a_cap_is_changed_on_record() -> None:
    with Ledger.in_memory() as ledger:
        account = open_account(ledger, cap=Cap(epsilon=1.0))
        reserve(ledger, account, 1.0)
        raised = ledger.set_cap(account, Cap(epsilon=1.5), reason="board, 3 May")
        assert raised.cap == Cap(epsilon=1.5)
        reserve(ledger, account, 0.5)
        ledger.set_cap(account, Cap(epsilon=0.5), reason="stop")
        with pytest.raises(BudgetExceededError, match="remaining epsilon 0"):
            reserve(ledger, account, 0.1)
        (statement,) = ledger.statement()
        assert [(c.cap, c.reason) for c in statement.caps] == [
            (Cap(epsilon=1.0), "account opened"),
            (Cap(epsilon=1.5), "board, 3 May"),
            (Cap(epsilon=0.5), "stop"),
        ]
        assert statement.remaining == Amount(epsilon=0.0, delta=0.0)
        with pytest.raises(LedgerError, match="limits epsilon and delta"):
            ledger.set_cap(account, Cap(rho=1.0), reason="wrong rule")
        assert ledger.verify().ok


def test_only_a_run_that_drew_nothing_is_released() -> None:
    with Ledger.in_memory() as ledger:
        account = open_account(ledger, cap=Cap(epsilon=1.0))
        unused, used = reserve(ledger, account, 0.5), reserve(ledger, account, 0.5)
        ledger.draw(used, {"type": "x"})
        with pytest.raises(LedgerError, match="stays spent"):
            ledger.release(used)
        ledger.release(unused)
        (statement,) = ledger.statement()
        assert [line.status for line in statement.runs] == ["released", "reserved"]
        assert [line.remaining for line in statement.runs] == [
            Amount(epsilon=1.0, delta=0.0),
            Amount(epsilon=0.5, delta=0.0),
        ]
        reserve(ledger, account, 0.5)
        with pytest.raises(BudgetExceededError, match="no room"):
            reserve(ledger, account, 0.5)


@pytest.mark.parametrize("close", ["commit", "release"])
@pytest.mark.parametrize("then", ["draw", "commit", "release"])
def test_a_closed_run_stays_closed(close: str, then: str) -> None:
    with Ledger.in_memory() as ledger:
        run = reserve(ledger, open_account(ledger))
        getattr(ledger, close)(run)
        arguments = [{"type": "x"}] if then == "draw" else []
        with pytest.raises(LedgerError, match=r"already (committed|released)"):
            getattr(ledger, then)(run, *arguments)
        assert ledger.verify().ok


def test_accounts_and_reservations_of_another_ledger_are_refused() -> None:
    with Ledger.in_memory() as ledger, Ledger.in_memory() as other:
        account = open_account(other)
        run = reserve(other, account)
        assert ledger.identity != other.identity
        with pytest.raises(LedgerError, match="account is not in this ledger"):
            reserve(ledger, account)
        with pytest.raises(LedgerError, match="reservation is not in this ledger"):
            ledger.draw(run, {})


@pytest.mark.parametrize("wrong", ["", "  ", " people", None, 3])
def test_names_are_texts(wrong: str) -> None:
    with Ledger.in_memory() as ledger:
        account = open_account(ledger)
        with pytest.raises(ConfigurationError, match="dataset"):
            ledger.account(wrong, UNIT)
        with pytest.raises(ConfigurationError, match="unit"):
            ledger.account("people", wrong)
        with pytest.raises(ConfigurationError, match="method"):
            ledger.reserve(account, Spend(epsilon=1.0), method=wrong, plan_digest="abc")
        with pytest.raises(ConfigurationError, match="plan_digest"):
            ledger.reserve(account, Spend(epsilon=1.0), method="mst", plan_digest=wrong)
        with pytest.raises(ConfigurationError, match="reason"):
            ledger.set_cap(account, Cap(epsilon=1.0), reason=wrong)


def test_rule_and_cap_must_agree() -> None:
    with Ledger.in_memory() as ledger:
        with pytest.raises(ConfigurationError, match="limits rho"):
            open_account(ledger, cap=Cap(epsilon=1.0), rule="zcdp")
        with pytest.raises(ConfigurationError, match="rule"):
            open_account(ledger, rule="hope")


def test_an_event_that_is_no_json_is_refused_before_it_is_drawn() -> None:
    with Ledger.in_memory() as ledger:
        run = reserve(ledger, open_account(ledger))
        with pytest.raises(ConfigurationError, match="plain, finite JSON"):
            ledger.draw(run, {"mu": float("inf")})
        ledger.release(run)


def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "a strange #name?.ledger.db"
    with Ledger.open(path) as ledger:
        assert ledger.path == path
        run = reserve(ledger, open_account(ledger, cap=Cap(epsilon=1.0)), 0.7)
        before = ledger.statement(), ledger.head(), ledger.identity
    with Ledger.open(path, create=False) as ledger:
        assert (ledger.statement(), ledger.head(), ledger.identity) == before
        assert ledger.verify(contains=run).ok
        with pytest.raises(BudgetExceededError, match=r"remaining epsilon 0\.3"):
            reserve(ledger, open_account(ledger), 0.7)
        ledger.draw(run, {})
    assert Ledger.in_memory().path is None


def test_two_connections_see_each_other(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db") as one, Ledger.open(tmp_path / "l.db") as two:
        account = open_account(one, cap=Cap(epsilon=1.0))
        run = reserve(two, open_account(two), 0.7)
        with pytest.raises(BudgetExceededError, match=r"remaining epsilon 0\.3"):
            reserve(one, account, 0.7)
        one.release(run)
        reserve(two, account, 0.7)
        assert one.statement() == two.statement()
        assert one.verify() == two.verify()


def test_threads_share_one_ledger() -> None:
    refused = []
    with Ledger.in_memory() as ledger:
        account = open_account(ledger, cap=Cap(epsilon=1.0))

        def work() -> None:
            for _ in range(10):
                try:
                    reserve(ledger, account, 0.05)
                except BudgetExceededError:
                    refused.append(1)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 20
        assert ledger.statement()[0].remaining == Amount(epsilon=0.0, delta=0.0)
        assert ledger.verify().entries == 22


def test_a_closed_ledger_says_so(tmp_path: Path) -> None:
    ledger = Ledger.open(tmp_path / "l.db")
    ledger.close()
    ledger.close()
    for use in (ledger.head, ledger.entries, ledger.verify, lambda: open_account(ledger)):
        with pytest.raises(LedgerError, match="closed"):
            use()


def test_another_process_must_open_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger.open(tmp_path / "l.db")
    parent = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: parent + 1)
    for use in (ledger.head, ledger.entries, ledger.verify, lambda: open_account(ledger)):
        with pytest.raises(LedgerError, match="before a fork"):
            use()
    ledger.close()  # leaves the connection to its owner
    monkeypatch.undo()
    open_account(ledger)
    ledger.close()


FORK = """
import os, sys
from dpsynth.errors import LedgerError
from dpsynth.ledger import Ledger, Spend
ledger = Ledger.open(sys.argv[1])
account = ledger.account("people", "one row")
child = os.fork()
if child == 0:
    try:
        ledger.head()
    except LedgerError:
        ledger.close()
        with Ledger.open(sys.argv[1]) as mine:
            mine.reserve(mine.account("people", "one row"), Spend(epsilon=1.0), method="m", plan_digest="p")
        os._exit(7)
    os._exit(1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
ledger.reserve(account, Spend(epsilon=2.0), method="m", plan_digest="p")
assert ledger.statement()[0].spent.epsilon == 3.0
assert ledger.verify().ok
ledger.close()
"""


def test_a_forked_child_opens_its_own_connection(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", FORK, str(tmp_path / "l.db")], check=True, timeout=60)


def test_heads_of_other_ledgers_are_missed(tmp_path: Path) -> None:
    with Ledger.in_memory() as ledger, Ledger.in_memory() as other:
        open_account(ledger)
        assert ledger.verify(contains=Head(seq=0, digest=ledger.entries()[0].digest)).ok
        found = ledger.verify(contains=other.head())
        assert (found.ok, found.entries, found.first_bad_seq) == (False, 2, 0)
        assert "It was replaced, or is a copy" in found.reason
