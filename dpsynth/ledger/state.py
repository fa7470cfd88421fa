"""The rules of the book: what each entry means and when it is allowed.

The state of a ledger is the fold of its entries. A writer applies a new entry to the state before it
stores it, and an auditor applies the stored entries one by one, so that what `verify` checks is by
construction what was enforced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, TypeAlias

from dpsynth.errors import DpsynthError, LedgerCorruptError, LedgerError
from dpsynth.ledger.accounts import PERIOD, TIME, AccountState, Run, calendar
from dpsynth.ledger.amounts import LIMITS, SCALES, Units
from dpsynth.ledger.chain import BEFORE_FIRST, Entry, Head, link

FORMAT = "dpsynth-ledger/1"
Content: TypeAlias = "Mapping[str, Any]"

_FIELDS: dict[str, dict[str, tuple[type, ...]]] = {
    "genesis": {"format": (str,), "ledger": (str,)},
    "account": {"dataset": (str,), "unit": (str,), "rule": (str,), "cap": (dict, NoneType)},
    "division": {"account": (str,), "by": (str,), "parts": (list,)},
    "part": {"account": (str,), "part": (str,), "rule": (str,), "cap": (dict, NoneType)},
    "period": {"account": (str,), "period": (str,), "rule": (str,), "cap": (dict, NoneType)},
    "cap": {"account": (str,), "cap": (dict,), "reason": (str,)},
    "elsewhere": {"account": (str,), "spend": (dict,), "source": (str,), "reason": (str,)},
    "reserve": {"account": (str,), "spend": (dict,), "method": (str,), "plan": (str,), "label": (str,)},
    "draw": {"reservation": (str,), "event": (dict,)},
    "commit": {"reservation": (str,)},
    "release": {"reservation": (str,)},
}


class State:
    """Accounts and runs after the entries up to `head`."""

    def __init__(self) -> None:
        self.head: Head = BEFORE_FIRST
        self.identity = ""
        self.accounts: dict[str, AccountState] = {}
        self.runs: dict[str, Run] = {}
        self._handlers: dict[str, Callable[[Entry, Content], None]] = {
            kind: getattr(self, f"_{kind}") for kind in _FIELDS
        }

    def accept(self, entry: Entry) -> None:
        """Fold in a stored entry.

        Raises:
            LedgerCorruptError: It does not follow from the entries before it.
        """
        place = f"Entry {self.head.seq + 1} of the ledger is not what was written:"
        try:
            if entry != link(self.head, entry.body):
                raise LedgerError("its number, digest or link to the entry before it does not match.")
            self.apply(entry)
        except (DpsynthError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise LedgerCorruptError(f"{place} {error}") from error

    def apply(self, entry: Entry) -> None:
        """Fold in a linked entry, or raise and stay as before.

        Raises:
            BudgetExceededError: A reservation that its account has no room for.
            LedgerError: An entry that the entries before it do not allow.
        """
        content = entry.content
        kind = content.get("kind")
        if kind not in _FIELDS or (kind == "genesis") != (entry.seq == 0):
            raise LedgerError(f"an entry of kind {kind!r} cannot stand here.")
        fields = _FIELDS[kind] | {"kind": (str,), "time": (str,)}
        if content.keys() != fields.keys() or any(type(content[name]) not in fields[name] for name in fields):
            raise LedgerError(f"an entry of kind {kind!r} has the fields {sorted(fields)}.")
        if not TIME.fullmatch(content["time"]):
            raise LedgerError("an entry has a time in UTC.")
        self._handlers[kind](entry, content)
        self.head = Head(seq=entry.seq, digest=entry.digest)

    def find(
        self, dataset: str, unit: str, partition: str | None = None, period: str | None = None
    ) -> AccountState | None:
        """The account of this dataset and unit of privacy, of this part of it, for this period."""
        wanted = (dataset, unit, partition, period)
        accounts = self.accounts.values()
        return next((a for a in accounts if (a.dataset, a.unit, a.partition, a.period) == wanted), None)

    def account(self, identity: str) -> AccountState:
        """The account that this entry digest opened."""
        if identity not in self.accounts:
            raise LedgerError(
                "This account is not in this ledger. Get it from this ledger with account(...)."
            )
        return self.accounts[identity]

    def people(self, identity: str) -> AccountState:
        """The account of that name, which is a whole or a part."""
        account = self.account(identity)
        if account.period is not None:
            raise LedgerError(
                f"The account {account} is a limit in time. Spend on the dataset or its part: what is spent "
                "within the period counts there by itself."
            )
        return account

    def admit(self, run: Run) -> list[AccountState]:
        """All accounts in which this run counts, if each of them has room."""
        levels = run.account.levels(run.time)
        for level in levels:
            level.admit(run)
        return levels

    def open_run(self, reservation: str) -> Run:
        """The run that this entry digest reserved, if it may still draw."""
        run = self.runs.get(reservation)
        if run is None:
            raise LedgerError(
                "This reservation is not in this ledger. Reserve in this ledger before drawing."
            )
        if run.status != "reserved":
            raise LedgerError(f"This reservation is already {run.status}. Make a new one with reserve(...).")
        return run

    def _whole(self, identity: str) -> AccountState:
        account = self.people(identity)
        if account.above is not None:
            raise LedgerError(f"The account {account} is a part; only a whole dataset is divided.")
        return account

    def _genesis(self, _: Entry, content: Content) -> None:
        if content["format"] != FORMAT:
            raise LedgerError(f"the format is {content['format']!r}; this version reads {FORMAT!r}.")
        self.identity = content["ledger"]

    def _account(self, entry: Entry, content: Content) -> None:
        self._open(entry, content, content["dataset"], content["unit"])

    def _part(self, entry: Entry, content: Content) -> None:
        whole, part = self._whole(content["account"]), content["part"]
        if all(part not in parts for parts in whole.divisions.values()):
            raise LedgerError(
                f"No division of the account {whole} has the part {part!r}. "
                "Declare it first, with the rule that puts nobody in two parts: divide(...)."
            )
        self._open(entry, content, whole.dataset, whole.unit, partition=part, above=whole)

    def _period(self, entry: Entry, content: Content) -> None:
        of, period = self.people(content["account"]), content["period"]
        if not PERIOD.fullmatch(period):
            raise LedgerError(f"Expected a period like 2026, 2026-Q4 or 2026-11, got {period!r}.")
        opened = AccountState("", of.dataset, of.unit, content["rule"], [], of.partition, period, of)
        for run in of.runs:
            if period in calendar(run.time):
                opened.needs(run)
                opened.count(run)
        counted = {"runs": opened.runs, "sums": opened.sums}
        named = {"partition": of.partition, "period": period, "above": of}
        of.periods.append(self._open(entry, content, of.dataset, of.unit, **named, **counted))

    def _open(self, entry: Entry, content: Content, dataset: str, unit: str, **more: Any) -> AccountState:
        rule, scope = content["rule"], (more.get("partition"), more.get("period"))
        if rule not in LIMITS or self.find(dataset, unit, *scope) is not None:
            raise LedgerError("an account has a known rule and is opened once for its scope.")
        caps = [(entry.seq, content["time"], _limits(rule, content["cap"]), "account opened")]
        opened = AccountState(entry.digest, dataset, unit, rule, caps, **more)
        self.accounts[entry.digest] = opened
        return opened

    def _division(self, _: Entry, content: Content) -> None:
        whole, by, parts = self._whole(content["account"]), content["by"], content["parts"]
        known = [part for named in whole.divisions.values() for part in named]
        if not all(isinstance(part, str) and part for part in parts):
            raise LedgerError("a part has a name.")
        if not parts or len({*known, *parts}) < len(known) + len(parts):
            raise LedgerError("Every part is declared once, in one division: give the new part another name.")
        whole.divisions[by] = (*whole.divisions.get(by, ()), *parts)

    def _cap(self, entry: Entry, content: Content) -> None:
        account = self.account(content["account"])
        account.caps.append(
            (entry.seq, content["time"], _limits(account.rule, content["cap"]), content["reason"])
        )

    def _reserve(self, entry: Entry, content: Content) -> None:
        run = self._run(entry, content, content["method"], content["plan"], content["label"])
        for level in self.admit(run):
            level.count(run)
        self.runs[entry.digest] = run

    def _elsewhere(self, entry: Entry, content: Content) -> None:
        run = self._run(entry, content, content["source"], "", content["reason"])
        run.status = "elsewhere"
        levels = run.account.levels(run.time)
        for level in levels:
            level.needs(run)
        for level in levels:
            level.count(run)

    def _run(self, entry: Entry, content: Content, method: str, plan: str, label: str) -> Run:
        account, spend = self.people(content["account"]), _whole(content["spend"])
        if not {"epsilon", "delta"} <= spend.keys() <= SCALES.keys():
            raise LedgerError("a spend has epsilon, delta and perhaps rho.")
        return Run(entry.seq, content["time"], account, spend, method, plan, label)

    def _draw(self, _: Entry, content: Content) -> None:
        self.open_run(content["reservation"]).draws += 1

    def _commit(self, _: Entry, content: Content) -> None:
        self.open_run(content["reservation"]).status = "committed"

    def _release(self, _: Entry, content: Content) -> None:
        run = self.open_run(content["reservation"])
        if run.draws:
            raise LedgerError(
                "A draw was recorded under this reservation, so that it stays spent. Commit it instead."
            )
        run.status = "released"
        for level in run.account.levels(run.time):
            level.sums = level.added(level.sums, run, sign=-1)


def _limits(rule: str, cap: Any) -> Units | None:
    if cap is not None and set(_whole(cap)) != set(LIMITS[rule]):
        raise LedgerError(f"a cap under the rule {rule!r} limits {' and '.join(LIMITS[rule])}.")
    return cap  # type: ignore[no-any-return]


def _whole(amounts: dict[str, Any]) -> Units:
    if any(type(units) is not int or units < 0 for units in amounts.values()):
        raise LedgerError("amounts are whole numbers of units, never below zero.")
    return amounts
