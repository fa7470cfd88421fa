"""What a ledger tells people: statements of account."""

from __future__ import annotations

from dataclasses import dataclass

from dpsynth.ledger.accounts import AccountState, Sums
from dpsynth.ledger.amounts import LIMITS, Amount, Cap, Units, numbers


@dataclass(frozen=True, kw_only=True, slots=True)
class StatementLine:
    """One run. `status` is reserved, committed, released or elsewhere; only a released run costs nothing.

    For spending elsewhere, `method` is its source and `label` the reason that was given. `partition` names
    the part of the people; None for all. `remaining` is what the cap of today leaves after this run and
    those before it; None without a cap.
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
    partition: str | None
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
    """Everything that one account spent, like a statement from a bank.

    Attributes:
        dataset: The people.
        unit: The unit of privacy, in words.
        partition: The part of the people; None for all.
        period: The year, quarter or month; None for always.
        rule: What is added up.
        cap: The limit of today; None if there is none.
        spent: What one person may have lost here: on everybody, and on the part that spent most.
        remaining: What the cap leaves; accounts above may leave less.
        lifetime: What the same people may have lost in all periods together: never less than `spent`.
        runs: Everything that counts here, that on parts too.
        caps: The limits that were set.
    """

    dataset: str
    unit: str
    partition: str | None
    period: str | None
    rule: str
    cap: Cap | None
    spent: Amount
    remaining: Amount | None
    lifetime: Amount
    runs: tuple[StatementLine, ...]
    caps: tuple[CapChange, ...]


def cap_of(units: Units | None) -> Cap | None:
    """Stored limits as a cap."""
    return None if units is None else Cap(**numbers(units))


def account_statement(account: AccountState) -> AccountStatement:
    """The statement of one account."""
    lines: list[StatementLine] = []
    sums: Sums = {}
    for run in account.runs:
        if run.status != "released":
            sums = account.added(sums, run)
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
                partition=run.account.partition,
                remaining=_left(account, account.total(sums)),
            )
        )
    always = account.above if account.period and account.above else account
    return AccountStatement(
        dataset=account.dataset,
        unit=account.unit,
        partition=account.partition,
        period=account.period,
        rule=account.rule,
        cap=cap_of(account.cap),
        spent=_amount(account, account.spent),
        remaining=_left(account, account.spent),
        lifetime=_amount(account, always.spent),
        runs=tuple(lines),
        caps=tuple(CapChange(seq=s, time=t, cap=cap_of(c), reason=r) for s, t, c, r in account.caps),
    )


def _amount(account: AccountState, spent: Units) -> Amount:
    names = {"epsilon", "delta", *LIMITS[account.rule]}
    return Amount(**numbers({name: spent[name] for name in names}))


def _left(account: AccountState, spent: Units) -> Amount | None:
    left = account.remaining(spent)
    return None if left is None else Amount(**numbers(left))
