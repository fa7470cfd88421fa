"""What the accounts of a ledger had spent, and whether their caps allowed it.

A dataset's whole, the parts of a division and periods of the calendar each have an account. What one person
may have lost is the spending on everybody, and in each division the largest of its parts (parallel
composition, McSherry, 2009).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from .book import Entry, LedgerError

__all__ = ["Account", "Reserved", "State", "fold"]

Units: TypeAlias = "dict[str, int]"

LIMITS = {"basic": ("epsilon", "delta"), "zcdp": ("rho",)}


@dataclass(slots=True, eq=False)
class Account:
    """One account; `part` and `period` are None for the whole, `above` is what it belongs to."""

    dataset: str
    unit: str
    rule: str
    cap: Units | None
    part: str | None = None
    period: str | None = None
    above: Account | None = None
    divisions: dict[str, list[str]] = field(default_factory=dict)


@dataclass(slots=True)
class Reserved:
    """A reservation, or spending that was recorded from elsewhere."""

    seq: int
    time: str
    account: Account
    spend: Units
    method: str = ""
    plan: str = ""
    status: str = "reserved"
    closed: int | None = None
    draws: list[tuple[int, dict[str, Any]]] = field(default_factory=list)


@dataclass(slots=True)
class State:
    """Accounts and runs by the digest of the entry that opened them.

    `beyond` tells whether the watched run, when it was reserved, exceeded a cap that it meets.
    """

    watched: str = ""
    beyond: bool = False
    name: str = ""
    accounts: dict[str, Account] = field(default_factory=dict)
    runs: dict[str, Reserved] = field(default_factory=dict)


def fold(entries: Iterable[Entry], *, watched: str) -> State:
    """The state after all entries.

    Args:
        entries: From `book.read`.
        watched: Digest of the reservation whose caps are to be checked.

    Raises:
        LedgerError: An entry is of an unknown kind, lacks a field or names what is not there.
    """
    state = State(watched=watched)
    for entry in entries:
        try:
            _KINDS[entry.body["kind"]](state, entry, entry.body)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise LedgerError(
                f"Entry {entry.seq} of the ledger cannot stand there, or is of a kind that this program does "
                "not know."
            ) from error
    return state


def _genesis(state: State, entry: Entry, body: dict[str, Any]) -> None:
    if entry.seq != 0 or body["format"] != "dpsynth-ledger/1":
        raise ValueError("a ledger begins once")
    state.name = str(body["ledger"])


def _account(state: State, entry: Entry, body: dict[str, Any]) -> None:
    _open(state, entry, Account(body["dataset"], body["unit"], body["rule"], _cap(body)))


def _part(state: State, entry: Entry, body: dict[str, Any]) -> None:
    whole = state.accounts[body["account"]]
    if all(body["part"] not in parts for parts in whole.divisions.values()):
        raise ValueError("a part is declared first")
    opened = Account(whole.dataset, whole.unit, body["rule"], _cap(body), part=body["part"], above=whole)
    _open(state, entry, opened)


def _period(state: State, entry: Entry, body: dict[str, Any]) -> None:
    of = state.accounts[body["account"]]
    opened = Account(of.dataset, of.unit, body["rule"], _cap(body), of.part, str(body["period"]), of)
    _open(state, entry, opened)


def _open(state: State, entry: Entry, account: Account) -> None:
    scope = (account.dataset, account.unit, account.part, account.period)
    if any(
        (known.dataset, known.unit, known.part, known.period) == scope for known in state.accounts.values()
    ):
        raise ValueError("an account is opened once")
    state.accounts[entry.digest] = account


def _division(state: State, _: Entry, body: dict[str, Any]) -> None:
    whole, parts = state.accounts[body["account"]], [str(part) for part in body["parts"]]
    known = [part for division in whole.divisions.values() for part in division]
    if whole.above is not None or len({*known, *parts}) < len(known) + len(parts):
        raise ValueError("a part is declared once, in one division")
    whole.divisions.setdefault(body["by"], []).extend(parts)


def _set_cap(state: State, _: Entry, body: dict[str, Any]) -> None:
    account = state.accounts[body["account"]]
    account.cap = _units(body["cap"])
    _limited(account.rule, account.cap)


def _reserve(state: State, entry: Entry, body: dict[str, Any]) -> None:
    run = _spending(state, entry, body)
    run.method, run.plan = str(body["method"]), str(body["plan"])
    state.runs[entry.digest] = run
    if entry.digest == state.watched:
        state.beyond = _over(state, run)


def _elsewhere(state: State, entry: Entry, body: dict[str, Any]) -> None:
    run = _spending(state, entry, body)
    run.status = "elsewhere"
    state.runs[entry.digest] = run


def _spending(state: State, entry: Entry, body: dict[str, Any]) -> Reserved:
    account = state.accounts[body["account"]]
    if account.period is not None:
        raise ValueError("spending is on people")
    return Reserved(entry.seq, str(body["time"]), account, _units(body["spend"]))


def _draw(state: State, entry: Entry, body: dict[str, Any]) -> None:
    _open_run(state, body).draws.append((entry.seq, dict(body["event"])))


def _commit(state: State, entry: Entry, body: dict[str, Any]) -> None:
    run = _open_run(state, body)
    run.status, run.closed = "committed", entry.seq


def _release(state: State, entry: Entry, body: dict[str, Any]) -> None:
    run = _open_run(state, body)
    if run.draws:
        raise ValueError("what was drawn stays spent")
    run.status, run.closed = "released", entry.seq


def _open_run(state: State, body: dict[str, Any]) -> Reserved:
    run = state.runs[body["reservation"]]
    if run.status != "reserved":
        raise ValueError("the run is closed")
    return run


def _over(state: State, run: Reserved) -> bool:
    """Whether this run and all before it are more than the cap of an account in which it counts."""
    people = [run.account, *([run.account.above] if run.account.above else [])]
    for level in state.accounts.values():
        timely = level.period is None or level.period in _calendar(run.time)
        meets = (level.above if level.period is not None else level) in people
        if timely and meets and level.cap is not None:
            spent = _spent(state, level)
            if any(spent[name] > most for name, most in level.cap.items()):
                return True
    return False


def _spent(state: State, level: Account) -> Units:
    """What one person may have lost in this account so far."""
    scope = level.above if level.period is not None and level.above else level
    sums: dict[str | None, Units] = {}
    for run in state.runs.values():
        inside = run.account is scope or (run.account.above is scope and scope.part is None)
        timely = level.period is None or level.period in _calendar(run.time)
        if inside and timely and run.status != "released":
            total = sums.setdefault(None if run.account is scope else run.account.part, {})
            for name in ("epsilon", "delta", "rho"):
                total[name] = total.get(name, 0) + run.spend.get(name, 0)
    spent = dict(sums.get(None, {}))
    for name in ("epsilon", "delta", "rho"):
        spent.setdefault(name, 0)
        for parts in scope.divisions.values():
            spent[name] += max((sums[part][name] for part in parts if part in sums), default=0)
    return spent


def _calendar(time: str) -> tuple[str, str, str]:
    year, month = time[:4], time[5:7]
    return year, f"{year}-Q{(int(month) + 2) // 3}", f"{year}-{month}"


def _cap(body: dict[str, Any]) -> Units | None:
    cap = None if body["cap"] is None else _units(body["cap"])
    _limited(body["rule"], cap)
    return cap


def _limited(rule: str, cap: Units | None) -> None:
    if rule not in LIMITS or (cap is not None and set(cap) != set(LIMITS[rule])):
        raise ValueError("a cap limits what its rule adds")


def _units(amounts: dict[str, Any]) -> Units:
    if not amounts.keys() <= {"epsilon", "delta", "rho"}:
        raise ValueError("unknown amounts")
    if any(type(units) is not int or units < 0 for units in amounts.values()):
        raise ValueError("amounts are whole numbers")
    return dict(amounts)


_KINDS = {
    "genesis": _genesis,
    "account": _account,
    "part": _part,
    "period": _period,
    "division": _division,
    "cap": _set_cap,
    "elsewhere": _elsewhere,
    "reserve": _reserve,
    "draw": _draw,
    "commit": _commit,
    "release": _release,
}
