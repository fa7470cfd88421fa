"""Accounts: the people of a dataset, the parts that they are divided into, and periods of the calendar.

Three kinds of account hold a limit each, and a run is admitted only if all that it meets have room:

    the whole   all people of a dataset, under one unit of privacy
    a part      some of these people; nobody is in two parts of one division
    a period    a year, quarter or month, in which the people of a whole or of a part may lose so much

What one person may have lost is what was spent on all, and in each division what was spent on that
person's part: at most the largest sum of a part (parallel composition, McSherry, 2009). Periods add up,
for the people stay the same. Units of privacy are separate books: a promise for rows and one for
households are not amounts of one thing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from dpsynth.errors import BudgetExceededError, LedgerError
from dpsynth.ledger.amounts import LIMITS, SCALES, Units, describe

Sums: TypeAlias = "dict[str, Units]"

WHOLE = ""  # the key of what was spent on everybody in a scope; no part has an empty name
PERIOD = re.compile(r"[0-9]{4}(-Q[1-4]|-0[1-9]|-1[0-2])?")
TIME = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-.*[+]00:00")


@dataclass(slots=True)
class Run:
    """A reservation and what became of it, or spending elsewhere. All that is not released is spent."""

    seq: int
    time: str
    account: AccountState
    spend: Units
    method: str
    plan: str
    label: str
    status: str = "reserved"
    draws: int = 0


@dataclass(slots=True)
class AccountState:
    """One account: its limits over time (entry number, time, cap, reason), its runs and their sums.

    `above` is the whole of a part, and what a period is a period of. `runs` are all that count here, those
    on parts too.
    """

    id: str
    dataset: str
    unit: str
    rule: str
    caps: list[tuple[int, str, Units | None, str]]
    partition: str | None = None
    period: str | None = None
    above: AccountState | None = None
    divisions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    periods: list[AccountState] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    sums: Sums = field(default_factory=dict)

    def __str__(self) -> str:
        part = "" if self.partition is None else f", part {self.partition!r}"
        period = "" if self.period is None else f", period {self.period}"
        return f"{self.dataset!r}{part}{period} ({self.unit})"

    @property
    def cap(self) -> Units | None:
        """The limits in force; None if there are none."""
        return self.caps[-1][2]

    @property
    def spent(self) -> Units:
        """What one person may have lost here."""
        return self.total(self.sums)

    def total(self, sums: Sums) -> Units:
        """What one person may have lost by these sums."""
        divided = self.above if self.period is not None and self.above else self
        return _most(sums, divided.divisions.values())

    def remaining(self, spent: Units) -> Units | None:
        """What the cap leaves beside `spent`, never below zero; None without a cap."""
        return (
            None
            if self.cap is None
            else {name: max(0, most - spent[name]) for name, most in self.cap.items()}
        )

    def levels(self, time: str) -> list[AccountState]:
        """All accounts in which a run on this one at `time` counts."""
        people = [self] if self.above is None else [self, self.above]
        return [level for scope in people for level in (scope, *scope.current(time))]

    def current(self, time: str) -> list[AccountState]:
        """The accounts of the periods in which `time` lies."""
        return [account for account in self.periods if account.period in calendar(time)]

    def added(self, sums: Sums, run: Run, *, sign: int = 1) -> Sums:
        """`sums` with this run."""
        key = WHOLE if run.account.partition == self.partition else str(run.account.partition)
        before = sums.get(key, dict.fromkeys(SCALES, 0))
        return sums | {key: {name: before[name] + sign * run.spend.get(name, 0) for name in SCALES}}

    def needs(self, run: Run) -> None:
        """Refuse spending that does not state what this account adds."""
        if not run.spend.keys() >= set(LIMITS[self.rule]):
            raise LedgerError(
                f"The account {self} adds rho (rule 'zcdp') and this spending states none. "
                "Use a method with a zCDP price, or an account with the rule 'basic'."
            )

    def admit(self, run: Run) -> None:
        """Refuse a run that this account cannot take."""
        self.needs(run)
        if self.periods and not self.current(run.time):
            raise BudgetExceededError(
                f"The account {self} spends by periods, and none is open for {run.time[:7]}. "
                "Open it: account(..., period=...), or `dpsynth ledger account --period`."
            )
        if self.cap is None:
            return
        after = self.total(self.added(self.sums, run))
        if any(after[name] > most for name, most in self.cap.items()):
            spent = self.spent
            over = any(spent[name] > most for name, most in self.cap.items())
            raise BudgetExceededError(
                f"The account {self} has no room for this run: "
                f"requested {describe({name: run.spend[name] for name in self.cap})}; "
                f"remaining {describe(self.remaining(spent) or {})}. "
                f"{'More is spent than the cap allows, so that nothing fits. ' if over else ''}"
                "Ask for less, or let the owner of the data raise the cap (set_cap, or `dpsynth ledger cap`)."
            )

    def count(self, run: Run) -> None:
        """Count a run here."""
        self.runs.append(run)
        if run.status != "released":
            self.sums = self.added(self.sums, run)


def calendar(time: str) -> tuple[str, str, str]:
    """Year, quarter and month of a time in UTC: ``2026``, ``2026-Q4`` and ``2026-11``."""
    year, month = time[:4], time[5:7]
    return year, f"{year}-Q{(int(month) + 2) // 3}", f"{year}-{month}"


def _most(sums: Mapping[str, Units], divisions: Iterable[Sequence[str]]) -> Units:
    total = dict(sums.get(WHOLE, dict.fromkeys(SCALES, 0)))
    for parts in divisions:
        spent = [sums[part] for part in parts if part in sums]
        for name in total:
            total[name] += max([units[name] for units in spent], default=0)
    return total
