"""What a ledger hands to its callers: accounts, receipts, reservations, how a run stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from dpsynth.errors import ConfigurationError
from dpsynth.ledger.accounts import AccountState
from dpsynth.ledger.amounts import Cap
from dpsynth.ledger.chain import Head
from dpsynth.ledger.statement import cap_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """A dataset under one unit of privacy. Whoever holds the data gives it one name and keeps to it.

    `partition` names a part of its people, and `period` a year, quarter or month; None stands for all.
    """

    id: str
    dataset: str
    unit: str
    rule: str
    cap: Cap | None
    partition: str | None = None
    period: str | None = None


Receipt = Head
Event: TypeAlias = "Mapping[str, Any]"
Scope: TypeAlias = "tuple[str, str, str | None, str | None]"  # dataset, unit, part, period


@dataclass(frozen=True, kw_only=True, slots=True)
class Reservation(Head):
    """The full price of one run, set aside. Its digest names it in this ledger."""

    @property
    def id(self) -> str:
        """What draws, commit and release refer to."""
        return self.digest


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """A reservation as it stands: what was drawn under it so far, and whether its run is complete."""

    reservation: Reservation
    events: tuple[Event, ...] = ()
    committed: bool = False


def text(name: str, value: object) -> str:
    """Return `value` if it is a text without spaces around it."""
    if not isinstance(value, str) or not value or value != value.strip():
        raise ConfigurationError(f"Expected {name} to be a text without spaces around it, got {value!r}.")
    return value


def public(account: AccountState) -> Account:
    """An account as callers see it."""
    cap = cap_of(account.cap)
    return Account(
        id=account.id,
        dataset=account.dataset,
        unit=account.unit,
        rule=account.rule,
        cap=cap,
        partition=account.partition,
        period=account.period,
    )
