"""What a ledger tells people: statements of account and the result of a verification."""

from __future__ import annotations

from dataclasses import dataclass

from dpsynth.ledger.amounts import LIMITS, Amount, Cap, Units, numbers
from dpsynth.ledger.state import AccountState


@dataclass(frozen=True, kw_only=True, slots=True)
class StatementLine:
    """One run. `status` is reserved, committed or released; only a released run costs nothing.

    `remaining` is what the cap of today leaves after this run and those before it; None without a cap.
    """

    seq: int
    time: str
    method: str
    label: str
    plan_digest: str
    epsilon: float
    delta: float
    rho: float | None
    status: str
    draws: int
    remaining: Amount | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CapChange:
    """A limit that was set, with the reason that was given; None for an account without a limit."""

    seq: int
    time: str
    cap: Cap | None
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountStatement:
    """Everything that one account spent, like a statement from a bank."""

    dataset: str
    unit: str
    rule: str
    cap: Cap | None
    spent: Amount
    remaining: Amount | None
    runs: tuple[StatementLine, ...]
    caps: tuple[CapChange, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """The result of recomputing a ledger from its first entry.

    Attributes:
        ok: Nothing is wrong.
        entries: How many entries are sound, counted from the first.
        first_bad_seq: The number of the first entry that is wrong or missing (0 if the tables themselves
            are wrong); None if `ok`.
        reason: What is wrong; empty if `ok`.
    """

    ok: bool
    entries: int
    first_bad_seq: int | None = None
    reason: str = ""


def cap_of(units: Units | None) -> Cap | None:
    """Stored limits as a cap."""
    return None if units is None else Cap(**numbers(units))


def account_statement(account: AccountState) -> AccountStatement:
    """The statement of one account."""
    lines, sums = [], dict.fromkeys(account.spent, 0)
    for run in account.runs:
        if run.status != "released":
            sums.update({name: sums[name] + units for name, units in run.spend.items()})
        price = {"rho": None} | numbers(run.spend)
        lines.append(
            StatementLine(
                seq=run.seq,
                time=run.time,
                method=run.method,
                label=run.label,
                plan_digest=run.plan,
                **price,  # type: ignore[arg-type]
                status=run.status,
                draws=run.draws,
                remaining=_left(account, sums),
            )
        )
    names = {"epsilon", "delta", *LIMITS[account.rule]}
    return AccountStatement(
        dataset=account.dataset,
        unit=account.unit,
        rule=account.rule,
        cap=cap_of(account.cap),
        spent=Amount(**numbers({name: account.spent[name] for name in names})),
        remaining=_left(account, account.spent),
        runs=tuple(lines),
        caps=tuple(CapChange(seq=s, time=t, cap=cap_of(c), reason=r) for s, t, c, r in account.caps),
    )


def _left(account: AccountState, spent: Units) -> Amount | None:
    left = account.remaining(spent)
    return None if left is None else Amount(**numbers(left))
