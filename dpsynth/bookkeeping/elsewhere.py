"""What other programs spent on the same people, as one amount for `Ledger.record_elsewhere`.

OpenDP gives plain numbers (the privacy map of a measurement, the loss of an odometer): put them into
`Spend` as they are. An accountant of diffprivlib keeps a list, which is added up here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.ledger import Spend

__all__ = ["read_spent_budget", "spend_of_accountant"]


class Accountant(Protocol):
    """What is read of `diffprivlib.BudgetAccountant`; the package is not imported."""

    @property
    def spent_budget(self) -> Iterable[tuple[float, float]]:
        """Epsilon and delta of each query."""
        ...


def spend_of_accountant(accountant: Accountant) -> Spend:
    """The sums of epsilon and delta of everything in an accountant of diffprivlib.

    Its `slack` buys a smaller epsilon by a theorem for budgets that were fixed beforehand; the plain sums
    hold without it, also if later budgets followed earlier answers (Rogers et al., 2016). Where no query
    had a delta, rho is stated too: epsilon-differential privacy is epsilon^2 / 2 zCDP (Bun and Steinke,
    2016, proposition 1.4).

    Raises:
        ConfigurationError: It spent nothing, or an amount that is no finite number.
    """
    return _summed([tuple(pair) for pair in accountant.spent_budget])


def read_spent_budget(path: str | Path) -> Spend:
    """The same from a file: a JSON object whose `spent_budget` is the list of [epsilon, delta].

    Raises:
        ConfigurationError: The file is something else, or the accountant spent nothing.
    """
    try:
        pairs = json.loads(Path(path).read_bytes())["spent_budget"]
        return _summed([tuple(pair) for pair in pairs])
    except (OSError, TypeError, KeyError, RecursionError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f'Expected {path} to be a JSON document like {{"spent_budget": [[0.5, 0.0], [0.1, 1e-9]]}}.'
        ) from error


def _summed(pairs: list[tuple[Any, ...]]) -> Spend:
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise ConfigurationError("Expected a spent budget of at least one pair of epsilon and delta.")
    epsilons = [_exact("epsilon", epsilon) for epsilon, _ in pairs]
    deltas = [_exact("delta", delta) for _, delta in pairs]
    rho = None if any(deltas) else _above(sum((e * e / 2 for e in epsilons), Fraction(0)))
    return Spend(epsilon=_above(sum(epsilons, Fraction(0))), delta=_above(sum(deltas, Fraction(0))), rho=rho)


def _exact(name: str, value: Any) -> Fraction:
    # The shortest decimal that names the float, as `dpsynth.ledger.amounts` reads it.
    return Fraction(repr(_validate.non_negative(f"spent {name}", value)))


def _above(value: Fraction) -> float:
    """A float next to `value` whose decimal is not below it."""
    try:
        found = float(value)
    except OverflowError as error:
        raise ConfigurationError("Expected a spent budget whose sums are finite numbers.") from error
    while Fraction(repr(found)) < value:
        found = math.nextafter(found, math.inf)
    return found
