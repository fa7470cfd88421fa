"""The second accountant: what a list of events costs, recomputed by an auditor.

Written apart from the accountant whose claims it checks, from the papers, in pure Python. It answers with
upper bounds: a claim that is below one by more than its `allowance` is not proved here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

from .events import AccountingError, Run, number, read
from .losses import loss_curve
from .normal import gaussian_log_delta, gaussian_power
from .pairs import Pair, gaussian_pair, pair_of
from .renyi import beside_gaussians, by_orders, concentrated_log_delta, orders_tell_more
from .rounding import LogDelta, above, below, lowest, root_above, smallest_epsilon

__all__ = ["AccountingError", "Recomputed", "advantage", "delta", "epsilon", "mu", "power"]

Events = Sequence[Mapping[str, Any]]
_Bound = Callable[[float, float], float]  # of epsilon and delta

GAUSSIAN = "gaussian differential privacy"
CONCENTRATED = "zero-concentrated"
RENYI = "Rényi"
LOSSES = "privacy loss distribution"
PURE = "pure"
NOTHING = "none: a step is not private"

_CLOSED, _NUMERIC = 1e-9, 1e-3
_FAR = 0.7  # of what Rényi orders say: below, they are no guide
_MOST_KINDS = 24  # of steps with different parameters; each costs two Fourier transforms
_GRID = (0.0, *(1e-4 * 1.12**k for k in range(117)))  # to about 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Recomputed:
    """What the second accountant found.

    Attributes:
        epsilon: The run is (epsilon, delta)-DP, rounded up; infinite if a step is not private.
        method: The theorem that gave it.
        allowance: How far, relative to it, a correct claim by the same theorem may lie below `epsilon`.
    """

    epsilon: float
    method: str
    allowance: float


@dataclass(frozen=True, slots=True)
class _Engine:
    method: str
    allowance: float
    log_delta: LogDelta


def epsilon(events: Events, delta: float, *, adaptive: bool, enough: float | None = None) -> Recomputed:
    """The smallest epsilon that some valid engine proves for `events` at `delta`.

    Args:
        events: As JSON objects; of an adaptive run the whole that its filter allowed.
        delta: In [0, 1).
        adaptive: Whether parameters were chosen from earlier answers. Then only theorems that hold for that
            are asked: sums of rho, of mu² and of epsilon.
        enough: Stop at the first engine that proves this epsilon; the loss distribution takes seconds.

    Raises:
        AccountingError: An event cannot be read, `delta` is too small for these events, or no engine knows
            them.
    """
    run = read(events)
    delta = number(delta, "delta")
    if delta >= 1:
        raise AccountingError(f"delta: expected a number below 1, got {delta!r}.")
    if not run.protected:
        return Recomputed(epsilon=math.inf, method=NOTHING, allowance=0.0)
    spare = Fraction(delta) - run.failure
    if spare < 0:
        raise AccountingError(
            f"delta: the events alone fail with {above(run.failure)!r}, more than {delta!r}."
        )
    engines = _engines(run, adaptive=adaptive)
    left = below(spare)
    pure = None if run.squared_mu else run.total(lambda atom: atom.pure)
    found = [] if pure is None else [Recomputed(epsilon=above(pure), method=PURE, allowance=_CLOSED)]
    if left > 0:
        for engine in engines:
            value = smallest_epsilon(engine.log_delta, left)
            found.append(Recomputed(epsilon=value, method=engine.method, allowance=engine.allowance))
    if not found:
        raise AccountingError("delta: Gaussian, zCDP and sampled events need a delta above that of failures.")
    best = min(found, key=lambda answer: answer.epsilon)
    if left > 0 and not adaptive and best.epsilon > (enough or 0.0):
        value = _by_losses(run, left, best.epsilon, enough or 0.0)
        if value < best.epsilon:
            best = Recomputed(epsilon=value, method=LOSSES, allowance=_NUMERIC)
    if best.epsilon == math.inf:
        raise AccountingError("The events are too large: no engine gives a finite epsilon.")
    return best


def delta(events: Events, epsilon: float, *, adaptive: bool) -> float:
    """The smallest delta that some valid engine proves for `events` at `epsilon`, at most 1.

    Raises:
        AccountingError: As for `epsilon`.
    """
    run = read(events)
    epsilon = number(epsilon, "epsilon")
    if not run.protected:
        return 1.0
    engines = _engines(run, adaptive=adaptive)
    least = min(engine.log_delta(epsilon) for engine in engines)
    if not adaptive and least > -math.inf:
        curve = _losses(run, epsilon=epsilon, log_delta=least - math.log(100))
        least = least if curve is None else min(least, curve(epsilon))
    return _with_failure(run, least)


def mu(events: Events, *, adaptive: bool) -> float | None:
    """The mu of the run if it is exactly mu-GDP, rounded up: Gaussians only, adaptive or not; else None."""
    del adaptive  # sums of mu² hold for both
    run = read(events)
    return root_above(run.squared_mu) if _exact(run) else None


def power(
    events: Events, false_positive_rate: float, *, adaptive: bool, enough: float | None = None
) -> float:
    """The largest true positive rate of any test whether a unit is in the data, at a false positive rate.

    Exact for Gaussians. Otherwise each pair (epsilon, delta) bounds it, for those inside and those outside
    (Kairouz, Oh and Viswanath, 2015), and the least bound is taken. A bound of at most `enough` is taken
    before the loss distribution is asked, which takes seconds.
    """
    run = read(events)
    rate = number(false_positive_rate, "false_positive_rate")
    if rate > 1:
        raise AccountingError(f"false_positive_rate: expected a probability, got {rate!r}.")
    if _exact(run):
        return gaussian_power(root_above(run.squared_mu), rate)

    def bound(at: float, delta: float) -> float:
        lifted = math.exp(min(at, 700.0))
        return min(delta + lifted * rate, 1 - (1 - rate - delta) / lifted)

    aim = {"log_delta": math.log(max(rate, 1e-12) / 2)}
    return _least(run, bound, None if adaptive else aim, adaptive=adaptive, enough=enough)


def advantage(events: Events, *, adaptive: bool, enough: float | None = None) -> float:
    """The largest true positive rate less false positive rate of any such test; exact for Gaussians.

    `enough` is as for `power`.
    """
    run = read(events)
    if _exact(run):
        return min(1.0, math.erf(root_above(run.squared_mu) / math.sqrt(8)) * (1 + 1e-14))

    def bound(at: float, delta: float) -> float:
        return math.tanh(at / 2) + 2 * delta / (1 + math.exp(min(at, 700.0)))

    aim = {"epsilon": 0.0, "log_delta": -3.0}
    return _least(run, bound, None if adaptive else aim, adaptive=adaptive, enough=enough)


def _exact(run: Run) -> bool:
    return run.protected and not run.atoms and not run.failure


def _with_failure(run: Run, log_delta: float) -> float:
    value = math.nextafter(math.exp(log_delta) * (1 + 1e-12), math.inf) if log_delta > -math.inf else 0.0
    return min(1.0, above(Fraction(value) + run.failure))


def _least(
    run: Run, bound: _Bound, aim: Mapping[str, float] | None, *, adaptive: bool, enough: float | None
) -> float:
    """The least that `bound` says of any point of the curve of any engine; the loss distribution last."""
    if not run.protected:
        return 1.0
    curves = [engine.log_delta for engine in _engines(run, adaptive=adaptive)]
    least = _lowest_of(run, bound, curves)
    if aim is None or least <= (enough or 0.0):
        return least
    curve = _losses(run, **aim)
    return least if curve is None else min(least, _lowest_of(run, bound, [*curves, curve]))


def _lowest_of(run: Run, bound: _Bound, curves: Sequence[LogDelta]) -> float:
    def value(at: float) -> float:
        return bound(at, _with_failure(run, min(curve(at) for curve in curves)))

    best = min(range(len(_GRID)), key=[value(at) for at in _GRID].__getitem__)
    ends = _GRID[max(best - 1, 0)], _GRID[min(best + 1, len(_GRID) - 1)]
    least = min(value(_GRID[best]), value(lowest(value, *ends, rounds=30)))
    return max(0.0, min(1.0, least * (1 + 1e-12)))


def _engines(run: Run, *, adaptive: bool) -> list[_Engine]:
    """The engines whose theorem covers the run, but for the loss distribution."""
    engines = []
    pure, rho = run.total(lambda atom: atom.pure), run.total(lambda atom: atom.rho)
    squared_mu = run.total(lambda atom: atom.squared_mu)
    if pure is not None and not run.squared_mu:
        engines.append(_Engine(PURE, _CLOSED, partial(_pure_log_delta, above(pure))))
    if squared_mu is not None:
        whole = root_above(run.squared_mu + squared_mu)
        engines.append(_Engine(GAUSSIAN, _CLOSED, partial(gaussian_log_delta, whole)))
    if rho is not None and not (run.squared_mu and not run.atoms):  # it never beats exact Gaussians
        whole = above(run.squared_mu / 2 + rho)
        engines.append(_Engine(CONCENTRATED, _CLOSED, partial(concentrated_log_delta, whole)))
    if not adaptive and run.atoms:
        gaussians = root_above(run.squared_mu)
        if pure is not None and run.squared_mu:
            engines.append(_Engine(GAUSSIAN, _CLOSED, partial(_shifted_log_delta, gaussians, above(pure))))
        if orders_tell_more(run):
            engines.append(_Engine(RENYI, _NUMERIC, by_orders(run)))
        if run.squared_mu:
            engines.append(_Engine(RENYI, _NUMERIC, beside_gaussians(run, gaussians)))
    if not engines:
        kinds = ", ".join(sorted({atom.kind for atom, _ in run.atoms}))
        raise AccountingError(f"No theorem here covers these steps in an adaptive run: {kinds}.")
    return engines


def _pure_log_delta(pure: float, epsilon: float) -> float:
    """Randomised response, the worst of all steps with this epsilon (Kairouz, Oh and Viswanath, 2015)."""
    if epsilon >= pure:
        return -math.inf
    return min(0.0, math.log(-math.expm1(epsilon - pure)) - math.log1p(math.exp(-pure)) + 1e-14)


def _shifted_log_delta(mu: float, pure: float, epsilon: float) -> float:
    """The losses of pure steps are at most their epsilon: what is left of it goes to the Gaussians."""
    return 0.0 if epsilon < pure else gaussian_log_delta(mu, math.nextafter(epsilon - pure, 0.0))


def _by_losses(run: Run, delta: float, known: float, enough: float) -> float:
    """The epsilon of the loss distribution, infinite where it is unknown.

    Its grid is laid out by Rényi orders. Where these are far off, as for rare large losses, it is made finer
    until that changes nothing, or `enough` is proved.
    """
    value = math.inf
    for finer in (1, 8, 64, 512):
        curve = _losses(run, log_delta=math.log(delta), finer=finer)
        found = math.inf if curve is None else smallest_epsilon(curve, delta)
        settled = found > value * (1 - 0.1 * _NUMERIC)
        value = min(value, found)
        if settled or value <= enough or value > _FAR * known:
            break
    return value


def _losses(
    run: Run, *, epsilon: float | None = None, log_delta: float, finer: float = 1.0
) -> LogDelta | None:
    """The curve of the loss distribution; None where it is unknown, or can add nothing."""
    if not run.atoms or len(run.atoms) > _MOST_KINDS or (epsilon is None and _at_the_top(run, log_delta)):
        return None
    curves = []
    sides = (True, False) if any(atom.kind == "poisson" for atom, _ in run.atoms) else (True,)
    for removed in sides:
        parts: list[tuple[Pair, int]] = (
            [(gaussian_pair(root_above(run.squared_mu)), 1)] if run.squared_mu else []
        )
        for atom, times in run.atoms:
            pair = pair_of(atom, removed=removed)
            if pair is None:
                return None
            parts.append((pair, times))
        curve = loss_curve(parts, epsilon=epsilon, log_delta=log_delta, finer=finer)
        if curve is None:
            return None
        curves.append(curve)
    return lambda at: max(curve(at) for curve in curves)


def _at_the_top(run: Run, log_delta: float) -> bool:
    """Whether a loss distribution cannot say a ten thousandth less than the sum of epsilons.

    Laplace noise and randomised response take their largest loss with a chance of at least 1/2. If n steps
    do, delta(epsilon) >= 2^-n (1 - e^(epsilon - sum)), so epsilon >= sum - 2 * 2^n delta when that is small.
    """
    if run.squared_mu or any(atom.kind not in {"laplace", "pure"} for atom, _ in run.atoms):
        return False
    count = sum(times for _, times in run.atoms)
    whole = above(run.total(lambda atom: atom.pure) or Fraction(0))
    return whole > 0 and log_delta + (count + 1) * math.log(2) < math.log(1e-4 * min(whole, 1.0))
