"""The events of a run as a certificate lists them: read strictly, then merged in exact numbers.

Every JSON number is a rational number. Amounts are added exactly and rounded once, outward, when a bound is
computed, so neither order nor grouping nor tiny amounts matter.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

__all__ = ["AccountingError", "Atom", "Run", "number", "read"]

_DEEPEST = 32
_MOST = 10**30
_MOST_RUNS = 1e6
_RANGE = (1e-150, 1e150)  # sizes beyond have no use and would leave the range of floats when squared


class AccountingError(ValueError):
    """What is stated cannot be accounted for. The message names the event, counted from 1."""


@dataclass(frozen=True, slots=True, order=True)
class Atom:
    """One kind of step that is not a plain Gaussian.

    Attributes:
        kind: Which theorem covers it: `laplace`, `exponential`, `pure`, `zcdp`, `poisson` or `best`.
        size: epsilon, rho, for `poisson` the noise multiplier, for `best` the mean number of runs.
        rate: The sampling rate of `poisson`; 1 otherwise.
        shape: For `best` that of the law of the number of runs: infinite for a Poisson law.
        runs: For `best` what one run may be: one of these.
    """

    kind: str
    size: float
    rate: float = 1.0
    shape: float = 0.0
    runs: tuple[Run, ...] = ()

    @property
    def pure(self) -> Fraction | None:
        """The epsilon of an atom that is epsilon-DP with delta = 0."""
        return Fraction(self.size) if self.kind in {"laplace", "exponential", "pure"} else None

    @property
    def rho(self) -> Fraction | None:
        """The rho of zero-concentrated privacy.

        Bounded range epsilon gives epsilon²/8 (Cesar and Rogers, 2021): by Hoeffding's lemma for losses in
        a window of that length. Any epsilon-DP step gives epsilon²/2 (Bun and Steinke, 2016).
        """
        if self.kind == "zcdp":
            return Fraction(self.size)
        return None if self.pure is None else self.pure**2 / (8 if self.kind == "exponential" else 2)

    @property
    def squared_mu(self) -> Fraction | None:
        """The mu² of a Gaussian that a step of bounded range is a post-processing of.

        The worst trade-off of bounded range epsilon is that of logistic noise moved by epsilon. A Gaussian
        moved by mu raises the log-odds of any tail by at least 4 mu / sqrt(2 pi), hence
        mu² = pi epsilon² / 8.
        """
        return self.rho * _PI_ABOVE if self.kind == "exponential" and self.rho is not None else None


_PI_ABOVE = Fraction(3141592653589794, 10**15)


@dataclass(frozen=True, slots=True, order=True)
class Run:
    """All events of a run, merged.

    Attributes:
        squared_mu: Sum of mu² over the Gaussians: together they are one (Dong, Roth and Su, 2022).
        atoms: Every other kind of step with its number of occurrences.
        failure: Sum of the deltas of (epsilon, delta)-DP steps. Such a step is an epsilon-DP step except with
            probability delta, so the deltas come off first and the rest is priced at what remains.
        protected: False if a step gives no guarantee at all.
    """

    squared_mu: Fraction
    atoms: tuple[tuple[Atom, int], ...]
    failure: Fraction
    protected: bool

    def total(self, amount: Callable[[Atom], Fraction | None]) -> Fraction | None:
        """The sum of an amount over the atoms; None if one has none."""
        whole = Fraction(0)
        for atom, times in self.atoms:
            part = amount(atom)
            if part is None:
                return None
            whole += times * part
        return whole


def read(events: Sequence[Mapping[str, Any]]) -> Run:
    """Read and merge the events of a run.

    Raises:
        AccountingError: An event or a field is unknown, missing or out of range.
    """
    if isinstance(events, (str, bytes, Mapping)) or not isinstance(events, Sequence):
        raise AccountingError("Expected the events as a list of JSON objects.")
    return _merged(enumerate(events, start=1), "Event {}", _DEEPEST)


def _merged(events: Iterable[tuple[int, object]], where: str, depth: int) -> Run:
    mus: Counter[float] = Counter()
    atoms: Counter[Atom] = Counter()
    squared, failure, protected = Fraction(0), Fraction(0), True
    for place, event in events:
        for name, fields, times in _leaves(event, where.format(place), 1, depth):
            match name:
                case "gaussian/1":
                    mus[fields["mu"]] += times
                case "non-private/1":
                    protected = False
                case "approximate/1":
                    failure += times * Fraction(fields["delta"])
                    if fields["epsilon"] > 0:
                        atoms[Atom("pure", fields["epsilon"])] += times
                case "poisson-gaussian/1" if fields["sampling_rate"] == 1:
                    squared += times * fields["steps"] / Fraction(fields["noise_multiplier"]) ** 2
                case "poisson-gaussian/1":
                    step = Atom("poisson", fields["noise_multiplier"], fields["sampling_rate"])
                    atoms[step] += times * fields["steps"]
                case "repeat-select/1":
                    atoms[_best(**fields, where=where.format(place))] += times
                case _:
                    atoms[Atom(name.partition("/")[0], next(iter(fields.values())))] += times
    return Run(squared + _sum_of_squares(mus), tuple(sorted(atoms.items())), failure, protected)


def number(value: object, where: str) -> float:
    """A finite number that is not negative; truth values are no numbers.

    Raises:
        AccountingError: It is something else. The message starts with `where`.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise AccountingError(f"{where}: expected a number, got {type(value).__name__}.")
    if isinstance(value, int) and abs(value) > _RANGE[1]:
        raise AccountingError(f"{where}: the number is too large.")
    if not (math.isfinite(value) and value >= 0):
        raise AccountingError(f"{where}: expected a finite number that is not negative, got {value!r}.")
    return float(value)


def _size(value: object, where: str) -> float:
    size = number(value, where)
    if not _RANGE[0] <= size <= _RANGE[1]:
        raise AccountingError(f"{where}: expected a number from {_RANGE[0]} to {_RANGE[1]}, got {value!r}.")
    return size


def _rate(value: object, where: str) -> float:
    rate = _size(value, where)
    if rate > 1:
        raise AccountingError(f"{where}: expected a probability, got {value!r}.")
    return rate


def _count(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST:
        raise AccountingError(f"{where}: expected a whole number from 1 to {_MOST:.0e}.")
    return value


def _words(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise AccountingError(f"{where}: expected text, got {type(value).__name__}.")
    return value


def _listed(value: object, where: str) -> Sequence[object]:
    if not isinstance(value, (list, tuple)):
        raise AccountingError(f"{where}: expected a list.")
    return value


def _best(events: Sequence[Run], distribution: str, mean: float, eta: float, *, where: str) -> Atom:
    """The best of a random number of runs. A run may not fail: failures of all runs would add up."""
    least = {"negative-binomial": 1.0, "poisson": 0.0}.get(distribution)
    if least is None:
        raise AccountingError(f"{where}: unknown law {distribution!r} of the number of runs.")
    if not (least <= mean <= _MOST_RUNS and eta <= (_MOST_RUNS if least else 0)):
        raise AccountingError(f"{where}: mean or eta out of range for the law of the number of runs.")
    if not events or any(run.failure or not run.protected for run in events):
        raise AccountingError(f"{where}: expected at least one kind of run, and none that may fail.")
    return Atom("best", mean, shape=eta if least else math.inf, runs=tuple(sorted(set(events))))


_FIELDS: dict[str, dict[str, Callable[[object, str], Any]]] = {
    "gaussian/1": {"mu": _size},
    "laplace/1": {"epsilon": _size},
    "exponential/1": {"epsilon": _size},
    "zcdp/1": {"rho": _size},
    "approximate/1": {"epsilon": number, "delta": number},
    "poisson-gaussian/1": {"sampling_rate": _rate, "noise_multiplier": _size, "steps": _count},
    "non-private/1": {"reason": _words},
    "repeat-select/1": {"events": _listed, "distribution": _words, "mean": _size, "eta": number},
}
_FOLDS = {"repeated/1": {"event", "times"}, "composed/1": {"events"}}


def _leaves(event: object, where: str, times: int, depth: int) -> Iterator[tuple[str, dict[str, Any], int]]:
    """The steps inside an event, each with its fields and how often it happens."""
    if not isinstance(event, Mapping):
        raise AccountingError(f"{where}: expected a JSON object, got {type(event).__name__}.")
    name = event.get("type")
    if not isinstance(name, str) or (name not in _FIELDS and name not in _FOLDS):
        known = ", ".join(sorted([*_FIELDS, *_FOLDS]))
        raise AccountingError(f"{where}: unknown type {name!r}; known are {known}.")
    expected = {"type", *(_FOLDS.get(name) or _FIELDS[name])}
    if set(event) != expected:
        odd = ", ".join(sorted(map(repr, set(event) ^ expected)))
        raise AccountingError(f"{where} ({name}): missing or unknown fields: {odd}.")
    if depth == 0:
        raise AccountingError(f"{where}: events nested more than {_DEEPEST} deep.")
    if name in _FIELDS:
        fields = {key: rule(event[key], f"{where} ({name}), {key}") for key, rule in _FIELDS[name].items()}
        if name == "repeat-select/1":
            runs = enumerate(fields["events"], start=1)
            fields["events"] = [_merged([run], f"{where}, run {{}}", depth - 1) for run in runs]
        yield name, fields, times
        return
    if name == "repeated/1":
        times = _count(
            times * _count(event["times"], f"{where} ({name}), times"), f"{where}, repeated in all"
        )
    inner = (
        [event["event"]] if name == "repeated/1" else _listed(event["events"], f"{where} ({name}), events")
    )
    for part in inner:
        yield from _leaves(part, where, times, depth - 1)


def _sum_of_squares(counts: Mapping[float, int]) -> Fraction:
    """Floats are whole numbers over powers of two: one common denominator makes thousands of terms quick."""
    ratios = [(*value.as_integer_ratio(), times) for value, times in counts.items()]
    base = max((bottom for _, bottom, _ in ratios), default=1)
    return Fraction(sum(times * (top * (base // bottom)) ** 2 for top, bottom, times in ratios), base * base)
