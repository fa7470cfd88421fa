"""From an attacker's guesses to a lower bound on what a mechanism gives away.

Fair coins say which rows are in a table; the attacker sees the release and guesses the coins. *Lemma.* If
the release is mu-GDP for adding or removing a row, a guess is right with a probability of at most Phi(mu/2),
whatever the other coins are. *Proof.* Fix the other coins. Let the guess have false positive rate a and true
positive rate b. mu-GDP bounds the sum of both errors a + (1 - b) from below by 2 Phi(-mu/2), the least value
of x + G_mu(x) (Dong, Roth and Su, 2022, section 2.3). So (1 - a + b) / 2 <= Phi(mu/2). q.e.d.

*One row.* Guesses about independent runs are independent, so the number of right ones is stochastically at
most binomial at Phi(mu/2). The bound on mu is two times Phi^-1 of the Clopper-Pearson bound on the share of
right guesses. The guess may follow any rule that was fixed before the releases that it judges. The usual pair
of bounds on both error rates (Nasr et al., 2023) needs a Bonferroni correction and, at the threshold in the
middle, 2.8 times as many runs for the same bound.

*Several rows.* Let X_t be the share of right guesses about run t. Guesses about one run may depend on each
other in any way, but the mean of X_t is at most Phi(mu/2), given all runs before. So if m >= Phi(mu/2), the
capital of a bettor, the product of 1 + l_t (X_t - m) with stakes l_t in [0, 1/m) that are fixed before run t,
is never negative and does not grow on average: it ever reaches 20 with a probability of at most 5 % (Ville,
1939). The bound is the smallest m at which it does not (Waudby-Smith and Ramdas, 2024). It costs half as much
again in width as a normal approximation would; k rows give up to k times as many guesses. The capital falls
as m rises, so that the bound is found by halving.

For (epsilon, delta)-DP the same holds with (e^epsilon + delta) / (1 + e^epsilon) in place of Phi(mu/2)
(Kairouz, Oh and Viswanath, 2015).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dpsynth import _validate
from dpsynth.auditing.laws import FloatArray
from dpsynth.errors import ConfigurationError
from dpsynth.privacy import gdp
from dpsynth.privacy.composition import compose, root_up
from dpsynth.session import Plan

__all__ = ["betting_bound", "claimed_mu", "epsilon_bound", "epsilon_of", "mu_bound", "rate_bound"]

_HALVINGS = 40
_MOST_STAKED = 0.75  # of the capital that one bet can lose


def rate_bound(right: int, guesses: int, *, confidence: float = 0.95) -> float:
    """The one-sided lower confidence bound of Clopper and Pearson on the share of right guesses.

    Raises:
        ConfigurationError: There are no guesses, or more right ones than guesses.
    """
    from scipy.stats import beta

    _validate.fraction("confidence", confidence)
    _validate.count("guesses", guesses)
    if _validate.count("right", right, least=0) > guesses:
        raise ConfigurationError(f"Expected at most {guesses} right guesses, got {right}.")
    return float(beta.ppf(1 - confidence, right, guesses - right + 1)) if right else 0.0


def betting_bound(shares: Sequence[float] | FloatArray, *, confidence: float = 0.95) -> float:
    """The lower confidence bound on the mean of numbers in [0, 1], each given those before it.

    The stake follows from the spread of the numbers before (Waudby-Smith and Ramdas, 2024, section 4).
    """
    _validate.fraction("confidence", confidence)
    found = np.asarray(shares, np.float64)
    if not found.size or not ((found >= 0) & (found <= 1)).all():
        raise ConfigurationError("Expected some numbers between 0 and 1.")
    before = np.arange(found.size)
    mean = (0.5 + np.concatenate([[0.0], np.cumsum(found)[:-1]])) / (before + 1)
    spread = (0.25 + np.concatenate([[0.0], np.cumsum((found - mean) ** 2)[:-1]])) / (before + 1)
    stakes = np.sqrt(2 * math.log(1 / (1 - confidence)) / (found.size * spread))

    def rejected(level: float) -> bool:
        capital = np.cumsum(np.log1p(np.minimum(stakes, _MOST_STAKED / level) * (found - level)))
        return bool(capital.max() >= math.log(1 / (1 - confidence)))

    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rejected(middle) else (low, middle)
    return low


def mu_bound(rate: float) -> float:
    """The lower bound on mu, at least 0, that follows from one on the share of right guesses."""
    from scipy.special import ndtri

    return max(0.0, 2 * float(ndtri(rate)))


def epsilon_bound(rate: float, *, delta: float) -> float:
    """The lower bound on epsilon at `delta`, at least 0, for mechanisms with any trade-off."""
    return max(0.0, math.log((rate - delta) / (1 - rate))) if rate > delta else 0.0


def epsilon_of(mu: float, delta: float) -> float:
    """The epsilon at `delta` of a mechanism whose trade-off is that of mu-GDP."""
    return gdp.epsilon(mu, delta) if mu > 0 else 0.0


def claimed_mu(plan: Plan) -> float | None:
    """The mu that the events of a plan promise together; None if not all of them promise one."""
    composition = compose(plan.events)
    known = composition.gdp if composition.failure == 0 and composition.protected else None
    return None if known is None else root_up(known)
