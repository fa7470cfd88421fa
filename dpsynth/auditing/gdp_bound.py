"""From an attacker's guesses to a lower bound on what a mechanism gives away.

The attacker sees one release at a time and says whether the row was there. Half of the releases were made
with it. *Theorem.* If every release is mu-GDP and all are independent, the number of right guesses among N
exceeds a number c >= N Phi(mu/2) with a probability of at most that of a binomial variable of N trials at
Phi(mu/2).
*Proof.* Let a guess have false positive rate a and true positive rate b. mu-GDP bounds the sum of both errors
a + (1 - b) from below by 2 Phi(-mu/2), the least value of x + G_mu(x) (Dong, Roth and Su, 2022, section 2.3).
So of one guess with and one without the row, the mean number that is right is 1 - a + b <= 2 Phi(mu/2), and
the mean of all N is at most N Phi(mu/2). Of independent trials with one sum of means, equal ones are
likeliest to exceed a number at or above that sum (Hoeffding, 1956, theorem 4); and a binomial variable grows
with its probability. q.e.d.

So the smallest mu that this test does not reject, at level 1 - confidence, is a lower confidence bound: two
times Phi^-1 of the Clopper-Pearson bound on the share of right guesses. The guesses may follow any rule that
was fixed before the releases that it judges. The usual pair of bounds on both rates (Nasr et al., 2023) needs
a Bonferroni correction and, at the threshold in the middle, 2.8 times as many runs for the same bound.

For (epsilon, delta)-DP the same argument holds with (e^epsilon + delta) / (1 + e^epsilon) in place of
Phi(mu/2) (Kairouz, Oh and Viswanath, 2015).
"""

from __future__ import annotations

import math

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.privacy import gdp
from dpsynth.privacy.composition import compose, root_up
from dpsynth.session import Plan

__all__ = ["claimed_mu", "epsilon_bound", "epsilon_of", "mu_bound", "rate_bound"]


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


def mu_bound(right: int, guesses: int, *, confidence: float = 0.95) -> float:
    """The lower confidence bound on mu, at least 0; with `right` = `guesses` the ceiling of an audit."""
    from scipy.special import ndtri

    return max(0.0, 2 * float(ndtri(rate_bound(right, guesses, confidence=confidence))))


def epsilon_bound(right: int, guesses: int, *, delta: float, confidence: float = 0.95) -> float:
    """The lower confidence bound on epsilon at `delta`, at least 0, for mechanisms with any trade-off."""
    rate = rate_bound(right, guesses, confidence=confidence)
    return max(0.0, math.log((rate - delta) / (1 - rate))) if rate > delta else 0.0


def epsilon_of(mu: float, delta: float) -> float:
    """The epsilon at `delta` of a mechanism whose trade-off is that of mu-GDP."""
    return gdp.epsilon(mu, delta) if mu > 0 else 0.0


def claimed_mu(plan: Plan) -> float | None:
    """The mu that the events of a plan promise together; None if not all of them promise one."""
    composition = compose(plan.events)
    known = composition.gdp if composition.failure == 0 and composition.protected else None
    return None if known is None else root_up(known)
