"""The rules of the book: what each entry means and when it is allowed.

The state of a ledger is the fold of its entries. A writer applies a new entry to the state before it
stores it, and an auditor applies the stored entries one by one, so that what `verify` checks is by
construction what was enforced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, TypeAlias

from dpsynth.errors import BudgetExceededError, DpsynthError, LedgerCorruptError, LedgerError
from dpsynth.ledger.amounts import LIMITS, SCALES, Units, describe
from dpsynth.ledger.chain import BEFORE_FIRST, Entry, Head, link

FORMAT = "dpsynth-ledger/1"
Content: TypeAlias = "Mapping[str, Any]"

_FIELDS: dict[str, dict[str, tuple[type, ...]]] = {
    "genesis": {"format": (str,), "ledger": (str,)},
    "account": {"dataset": (str,), "unit": (str,), "rule": (str,), "cap": (dict, NoneType)},
    "cap": {"account": (str,), "cap": (dict,), "reason": (str,)},
    "reserve": {"account": (str,), "spend": (dict,), "method": (str,), "plan": (str,), "label": (str,)},
    "draw": {"reservation": (str,), "event": (dict,)},
    "commit": {"reservation": (str,)},
    "release": {"reservation": (str,)},
}


@dataclass(slots=True)
class Run:
    """A reservation and what became of it. Everything that is not released counts as spent."""

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
    """One account: its limits over time (entry number, time, cap, reason), its runs and their sum."""

    id: str
    dataset: str
    unit: str
    rule: str
    caps: list[tuple[int, str, Units | None, str]]
    runs: list[Run] = field(default_factory=list)
    spent: Units = field(default_factory=lambda: dict.fromkeys(SCALES, 0))

    @property
    def cap(self) -> Units | None:
        """The limits in force; None if there are none."""
        return self.caps[-1][2]

    def remaining(self, spent: Units) -> Units | None:
        """What the cap leaves beside `spent`, never below zero; None without a cap."""
        return (
            None
            if self.cap is None
            else {name: max(0, most - spent[name]) for name, most in self.cap.items()}
        )

    def admit(self, spend: Units) -> None:
        """Refuse a spend that this account cannot take."""
        missing = [name for name in LIMITS[self.rule] if name not in spend]
        if missing:
            raise LedgerError(
                f"The account {self.dataset!r} adds rho (rule 'zcdp') and this run states none. "
                "Use a method with a zCDP price, or an account with the rule 'basic'."
            )
        left = self.remaining(self.spent)
        if left is not None and any(spend[name] > left[name] for name in left):
            requested = {name: spend[name] for name in left}
            raise BudgetExceededError(
                f"The account {self.dataset!r} ({self.unit}) has no room for this run: "
                f"requested {describe(requested)}; remaining {describe(left)}. "
                "Ask for less, or let the owner of the data raise the cap (set_cap, or `dpsynth ledger cap`)."
            )


class State:
    """Accounts and runs after the entries up to `head`."""

    def __init__(self) -> None:
        self.head: Head = BEFORE_FIRST
        self.identity = ""
        self.accounts: dict[str, AccountState] = {}
        self.runs: dict[str, Run] = {}
        self._handlers: dict[str, Callable[[Entry, Content], None]] = {
            "genesis": self._genesis,
            "account": self._account,
            "cap": self._cap,
            "reserve": self._reserve,
            "draw": self._draw,
            "commit": self._commit,
            "release": self._release,
        }

    def accept(self, entry: Entry) -> None:
        """Fold in a stored entry.

        Raises:
            LedgerCorruptError: It does not follow from the entries before it.
        """
        place = f"Entry {self.head.seq + 1} of the ledger is not what was written:"
        if entry != link(self.head, entry.body):
            raise LedgerCorruptError(
                f"{place} its number, digest or link to the entry before it does not match."
            )
        try:
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
        self._handlers[kind](entry, content)
        self.head = Head(seq=entry.seq, digest=entry.digest)

    def find(self, dataset: str, unit: str) -> AccountState | None:
        """The account of this dataset and unit of privacy."""
        return next((a for a in self.accounts.values() if (a.dataset, a.unit) == (dataset, unit)), None)

    def account(self, identity: str) -> AccountState:
        """The account that this entry digest opened."""
        if identity not in self.accounts:
            raise LedgerError(
                "This account is not in this ledger. Get it from this ledger with account(...)."
            )
        return self.accounts[identity]

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

    def _genesis(self, _: Entry, content: Content) -> None:
        if content["format"] != FORMAT:
            raise LedgerError(f"the format is {content['format']!r}; this version reads {FORMAT!r}.")
        self.identity = content["ledger"]

    def _account(self, entry: Entry, content: Content) -> None:
        dataset, unit, rule = content["dataset"], content["unit"], content["rule"]
        if rule not in LIMITS or self.find(dataset, unit) is not None:
            raise LedgerError("an account has a known rule and is opened once for a dataset and unit.")
        caps = [(entry.seq, content["time"], _limits(rule, content["cap"]), "account opened")]
        self.accounts[entry.digest] = AccountState(entry.digest, dataset, unit, rule, caps)

    def _cap(self, entry: Entry, content: Content) -> None:
        account = self.account(content["account"])
        account.caps.append(
            (entry.seq, content["time"], _limits(account.rule, content["cap"]), content["reason"])
        )

    def _reserve(self, entry: Entry, content: Content) -> None:
        account, spend = self.account(content["account"]), _whole(content["spend"])
        if not {"epsilon", "delta"} <= spend.keys() <= SCALES.keys():
            raise LedgerError("a spend has epsilon, delta and perhaps rho.")
        account.admit(spend)
        method, plan, label = content["method"], content["plan"], content["label"]
        run = Run(entry.seq, content["time"], account, spend, method, plan, label)
        self.runs[entry.digest] = run
        account.runs.append(run)
        account.spent.update({name: account.spent[name] + units for name, units in spend.items()})

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
        run.account.spent.update({name: run.account.spent[name] - units for name, units in run.spend.items()})


def _limits(rule: str, cap: Any) -> Units | None:
    if cap is not None and set(_whole(cap)) != set(LIMITS[rule]):
        raise LedgerError(f"a cap under the rule {rule!r} limits {' and '.join(LIMITS[rule])}.")
    return cap  # type: ignore[no-any-return]


def _whole(amounts: dict[str, Any]) -> Units:
    if any(type(units) is not int or units < 0 for units in amounts.values()):
        raise LedgerError("amounts are whole numbers of units, never below zero.")
    return amounts
