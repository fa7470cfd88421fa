"""Parts and periods: what counts where, and that a run needs room at every level."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from dpsynth.errors import BudgetExceededError, ConfigurationError, LedgerError
from dpsynth.ledger import Account, Amount, Cap, Ledger, Reservation, Spend, database
from dpsynth.ledger.accounts import PERIOD, calendar

UNIT = "adding or removing one row"


class Clock:
    """What the ledger takes for the time."""

    moment = datetime(2026, 2, 3, tzinfo=UTC)

    def now(self, _: object) -> datetime:
        return self.moment


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(database, "datetime", made)
    return made


def divided(ledger: Ledger, *, cap: Cap | None = None, **more: Any) -> Account:
    whole = ledger.account("patients", UNIT, cap=cap, **more)
    ledger.divide(whole, by="hospital of first admission", parts=["north", "south"])
    return whole


def part(ledger: Ledger, name: str, **more: Any) -> Account:
    return ledger.account("patients", UNIT, partition=name, **more)


def reserve(ledger: Ledger, account: Account, epsilon: float, **more: float) -> Reservation:
    return ledger.reserve(account, Spend(epsilon=epsilon, **more), method="mst", plan_digest="abc")


def spent(ledger: Ledger, **scope: str | None) -> float | None:
    wanted = {"partition": None, "period": None} | scope
    (found,) = (s for s in ledger.statement("patients") if (s.partition, s.period) == tuple(wanted.values()))
    return found.spent.epsilon


def test_a_dataset_spends_what_all_spent_and_its_largest_part() -> None:
    with Ledger.in_memory() as ledger:
        whole = divided(ledger, cap=Cap(epsilon=2.0))
        north, south = part(ledger, "north"), part(ledger, "south")
        assert (north.partition, north.rule, north.cap) == ("north", "basic", None)
        reserve(ledger, whole, 0.5)
        reserve(ledger, north, 1.0)
        reserve(ledger, south, 1.25)
        assert spent(ledger) == 1.75
        assert (spent(ledger, partition="north"), spent(ledger, partition="south")) == (1.0, 1.25)
        reserve(ledger, north, 0.5)  # the largest part is now the north
        assert spent(ledger) == 2.0
        with pytest.raises(BudgetExceededError, match=r"'patients' \(.*remaining epsilon 0, "):
            reserve(ledger, north, 1e-9)
        reserve(ledger, south, 0.25)  # level with the north
        with pytest.raises(BudgetExceededError, match="no room"):
            reserve(ledger, south, 1e-9)
        assert ledger.verify().ok
        (line,) = [run for run in ledger.statement("patients")[0].runs if run.partition == "south"][:1]
        assert line.remaining == Amount(epsilon=0.25, delta=0.0)


def test_two_divisions_add_up() -> None:
    with Ledger.in_memory() as ledger:
        whole = divided(ledger, cap=Cap(epsilon=2.0))
        ledger.divide(whole, by="year of birth", parts=["before 1980", "since 1980"])
        reserve(ledger, part(ledger, "north"), 1.0)
        reserve(ledger, part(ledger, "before 1980"), 0.5)
        reserve(ledger, part(ledger, "since 1980"), 0.75)
        assert spent(ledger) == 1.75  # somebody of the north was born since 1980


def test_delta_and_rho_of_parts_are_bounded_number_by_number() -> None:
    with Ledger.in_memory() as ledger:
        divided(ledger, rule="zcdp")
        north = part(ledger, "north", cap=Cap(rho=0.5))
        south = part(ledger, "south", cap=Cap(epsilon=1.0, delta=1e-6))
        assert (north.rule, south.rule) == ("zcdp", "basic")
        reserve(ledger, north, 1.0, delta=1e-9, rho=0.125)
        reserve(ledger, south, 0.5, delta=1e-7, rho=0.25)
        whole = ledger.statement("patients")[0]
        assert whole.spent == Amount(epsilon=1.0, delta=1e-7, rho=0.25)
        with pytest.raises(LedgerError, match=r"'patients' .*adds rho"):  # the whole needs rho, the part not
            reserve(ledger, south, 0.1)
        with pytest.raises(BudgetExceededError, match=r"part 'south'.*remaining epsilon 0.5"):
            reserve(ledger, south, 0.6, rho=0.01)


def test_a_refusal_by_any_level_counts_nowhere() -> None:
    with Ledger.in_memory() as ledger:
        divided(ledger, cap=Cap(epsilon=1.0))
        north = part(ledger, "north", cap=Cap(epsilon=3.0))
        before = ledger.head()
        with pytest.raises(BudgetExceededError):
            reserve(ledger, north, 2.0)
        assert ledger.head() == before
        assert spent(ledger, partition="north") == 0.0
        ledger.release(reserve(ledger, north, 1.0))
        assert (spent(ledger), spent(ledger, partition="north")) == (0.0, 0.0)
        reserve(ledger, north, 1.0)


def test_parts_are_declared_first_and_once() -> None:
    with Ledger.in_memory() as ledger:
        whole = divided(ledger)
        with pytest.raises(LedgerError, match=r"No division .* has the part 'west'.*divide"):
            part(ledger, "west")
        with pytest.raises(LedgerError, match="No division"):
            ledger.account("others", UNIT, partition="west")
        assert ledger.statement("others") == ()  # the whole was not left behind
        before = ledger.head()
        ledger.divide(whole, by="hospital of first admission", parts=["south", "north"])
        assert ledger.head() == before
        ledger.divide(whole, by="hospital of first admission", parts=["south", "west"])
        part(ledger, "west")
        for by, parts in (("ward", ["west"]), ("ward", ["a", "a"]), ("ward", [])):
            with pytest.raises(LedgerError, match="declared once"):
                ledger.divide(whole, by=by, parts=parts)
        with pytest.raises(LedgerError, match="only a whole"):
            ledger.divide(part(ledger, "north"), by="ward", parts=["x"])
        for wrong in ("", " x", 7):
            with pytest.raises(ConfigurationError, match="without spaces"):
                ledger.divide(whole, by="ward", parts=[wrong])  # type: ignore[list-item]
            with pytest.raises(ConfigurationError, match="without spaces"):
                part(ledger, wrong)  # type: ignore[arg-type]


def test_a_period_limits_what_is_spent_within_it(clock: Clock) -> None:
    with Ledger.in_memory() as ledger:
        whole = ledger.account("patients", UNIT, cap=Cap(epsilon=3.0))
        reserve(ledger, whole, 0.25)
        year = ledger.account("patients", UNIT, period="2026", cap=Cap(epsilon=1.0))
        assert (year.period, year.rule) == ("2026", "basic")
        assert spent(ledger, period="2026") == 0.25  # also what was spent before the limit was set
        ledger.release(reserve(ledger, whole, 0.5))
        kept = reserve(ledger, whole, 0.75)
        with pytest.raises(BudgetExceededError, match=r"period 2026.*remaining epsilon 0, "):
            reserve(ledger, whole, 1e-9)
        clock.moment = datetime(2027, 1, 1, tzinfo=UTC)
        with pytest.raises(BudgetExceededError, match="by periods, and none is open for 2027-01"):
            reserve(ledger, whole, 0.5)
        ledger.account("patients", UNIT, period="2027", cap=Cap(epsilon=5.0))
        reserve(ledger, whole, 2.0)
        with pytest.raises(BudgetExceededError, match=r"'patients' \("):  # the cap over all periods
            reserve(ledger, whole, 0.5)
        lifetime, first, second = ledger.statement("patients")
        assert (first.period, first.spent.epsilon, second.spent.epsilon) == ("2026", 1.0, 2.0)
        assert first.lifetime == second.lifetime == lifetime.lifetime == lifetime.spent
        assert lifetime.spent.epsilon == 3.0
        ledger.release(kept)  # in the period in which it was reserved
        assert (spent(ledger), spent(ledger, period="2026")) == (2.25, 0.25)
        assert ledger.verify().ok


def test_a_period_of_all_counts_the_largest_part(clock: Clock) -> None:
    with Ledger.in_memory() as ledger:
        divided(ledger)
        ledger.account("patients", UNIT, period="2026-Q1", cap=Cap(epsilon=1.0))
        north = part(ledger, "north")
        month = part(ledger, "north", period="2026-02", cap=Cap(epsilon=0.5))
        assert (month.partition, month.period) == ("north", "2026-02")
        reserve(ledger, part(ledger, "south"), 0.75)
        reserve(ledger, north, 0.5)
        assert (spent(ledger, period="2026-Q1"), spent(ledger)) == (0.75, 0.75)
        with pytest.raises(BudgetExceededError, match="part 'north', period 2026-02"):
            reserve(ledger, north, 0.1)
        clock.moment = datetime(2026, 3, 1, tzinfo=UTC)
        with pytest.raises(BudgetExceededError, match=r"part 'north'.*none is open for 2026-03"):
            reserve(ledger, north, 0.1)
        part(ledger, "north", period="2026-03")
        reserve(ledger, north, 0.5)
        assert (spent(ledger, period="2026-Q1"), spent(ledger, partition="north", period="2026-02")) == (
            1.0,
            0.5,
        )
        with pytest.raises(BudgetExceededError, match=r"'patients', period 2026-Q1"):
            reserve(ledger, north, 0.1)
        assert ledger.verify().ok


def test_nobody_spends_on_a_period_itself(clock: Clock) -> None:
    with Ledger.in_memory() as ledger:
        year = ledger.account("patients", UNIT, period="2026")
        with pytest.raises(LedgerError, match="limit in time"):
            reserve(ledger, year, 0.1)
        with pytest.raises(LedgerError, match="limit in time"):
            ledger.record_elsewhere(year, Spend(epsilon=1.0), source="s", reason="r")
        with pytest.raises(LedgerError, match="limit in time"):
            ledger.divide(year, by="ward", parts=["x"])
        raised = ledger.set_cap(year, Cap(epsilon=1.0), reason="board")
        assert (raised.period, raised.cap) == ("2026", Cap(epsilon=1.0))


def test_a_period_that_adds_rho_needs_it_of_what_was_spent(clock: Clock) -> None:
    with Ledger.in_memory() as ledger:
        reserve(ledger, ledger.account("patients", UNIT), 1.0)
        with pytest.raises(LedgerError, match="adds rho"):
            ledger.account("patients", UNIT, period="2026", cap=Cap(rho=1.0))
        ledger.account("patients", UNIT, period="2025", cap=Cap(rho=1.0))


@pytest.mark.parametrize(
    "wrong", ["26", "2026-Q5", "2026-13", "2026-00", "2026-1", "next year", "2026-11-03"]
)
def test_a_period_is_one_of_the_calendar(wrong: str) -> None:
    with Ledger.in_memory() as ledger, pytest.raises(LedgerError, match="period like 2026"):
        ledger.account("patients", UNIT, period=wrong)


def test_every_month_lies_in_its_quarter_and_year() -> None:
    for month in range(1, 13):
        names = calendar(f"2026-{month:02}-03T04:05:06+00:00")
        assert names == ("2026", f"2026-Q{1 + (month - 1) // 3}", f"2026-{month:02}")
        assert all(PERIOD.fullmatch(name) for name in names)


def test_spending_elsewhere_counts_and_is_never_refused() -> None:
    with Ledger.in_memory() as ledger:
        whole = divided(ledger, cap=Cap(epsilon=1.0, delta=1e-9))
        receipt = ledger.record_elsewhere(
            whole, Spend(epsilon=0.5, delta=2e-9), source="diffprivlib", reason="study of 2024"
        )
        (line,) = ledger.statement("patients")[0].runs
        assert (line.seq, line.status, line.method, line.label) == (
            receipt.seq,
            "elsewhere",
            "diffprivlib",
            "study of 2024",
        )
        assert ledger.statement("patients")[0].remaining == Amount(epsilon=0.5, delta=0.0)
        for account in (whole, part(ledger, "north")):
            with pytest.raises(BudgetExceededError, match="More is spent than the cap allows"):
                reserve(ledger, account, 0.1)  # delta is beyond the cap: also what has none
        with pytest.raises(LedgerError, match="not in this ledger"):
            ledger.commit(Reservation(seq=receipt.seq, digest=receipt.digest))
        assert ledger.verify().ok


def test_spending_elsewhere_on_a_part_counts_in_every_level(clock: Clock) -> None:
    with Ledger.in_memory() as ledger:
        divided(ledger)
        north = part(ledger, "north", cap=Cap(rho=0.5))
        ledger.account("patients", UNIT, period="2025")
        with pytest.raises(LedgerError, match=r"part 'north'.*adds rho"):
            ledger.record_elsewhere(north, Spend(epsilon=1.0), source="s", reason="r")
        ledger.account("patients", UNIT, period="2026")
        ledger.record_elsewhere(north, Spend(epsilon=1.0, rho=0.5), source="s", reason="r")
        assert spent(ledger) == spent(ledger, partition="north") == spent(ledger, period="2026") == 1.0
        assert spent(ledger, period="2025") == 0.0
        for wrong in ({"source": "", "reason": "r"}, {"source": "s", "reason": ""}):
            with pytest.raises(ConfigurationError, match="without spaces"):
                ledger.record_elsewhere(north, Spend(epsilon=1.0), **wrong)


def test_room_is_asked_for_at_every_level() -> None:
    with Ledger.in_memory() as ledger:
        divided(ledger, cap=Cap(epsilon=1.0))
        north, half = part(ledger, "north", cap=Cap(epsilon=3.0)), Spend(epsilon=0.5)
        ledger.require_room(north, [half, half])
        with pytest.raises(BudgetExceededError, match=r"'patients' \("):
            ledger.require_room(north, [half, half, half])
