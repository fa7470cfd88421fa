"""What a guarantee means for one person: how well the best attacker can do, in plain words.

The attacker of differential privacy knows everything except whether one unit is in the data. All that
he can do follows from one curve: the largest true positive rate for each false positive rate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from dpsynth.privacy import gdp
from dpsynth.privacy.accountant import Price, Profile, price
from dpsynth.privacy.events import Event

_GRID = (0.0, *np.geomspace(1e-4, 50.0, 160).tolist())


@dataclass(frozen=True, kw_only=True, slots=True)
class Risk:
    """Limits on every attack that tests whether one unit is in the data, rounded up.

    Attributes:
        advantage: Largest true positive rate minus false positive rate.
        tpr_at_1_percent_fpr: Largest share of members found when 1 % of non-members are accused.
        tpr_at_0_1_percent_fpr: The same for 0.1 %.
        basis: What it was computed from: "mu" is exact, "profile" is an upper bound.
        sentences: The same for a reader who is no statistician; the first states the odds.
    """

    advantage: float
    tpr_at_1_percent_fpr: float
    tpr_at_0_1_percent_fpr: float
    basis: str
    sentences: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The odds, in plain words."""
        return self.sentences[0]


def risk(events: Sequence[Event], *, delta: float, adaptive: bool = False) -> Risk:
    """The risk of a run.

    Args:
        events: What was done, or is planned; for an adaptive run the `guarantee` of its filter.
        delta: The delta at which the odds are stated; the other figures do not depend on it.
        adaptive: As for `price`.
    """
    cost = price(events, delta=delta, adaptive=adaptive)
    pairs = _pairs(events, cost, adaptive=adaptive)
    if cost.mu is not None:
        advantage = gdp.advantage(cost.mu)
    else:
        advantage = min(math.tanh(e / 2) + 2 * d / (1 + math.exp(e)) for e, d in pairs)
    at_1_percent, at_0_1_percent = _powers(cost, pairs, (0.01, 0.001))
    figures = (min(1.0, advantage * (1 + 1e-12)), at_1_percent, at_0_1_percent)
    return _risk("profile" if cost.mu is None else "mu", figures, cost.epsilon, delta)


def powers(
    events: Sequence[Event], rates: Sequence[float], *, delta: float, adaptive: bool = False
) -> tuple[float, ...]:
    """The trade-off curve at some points: for each false positive rate the largest true positive rate.

    Args:
        events: As for `risk`.
        rates: False positive rates, in [0, 1].
        delta: As for `risk`; its epsilon is among the bounds.
        adaptive: As for `price`.

    Returns:
        Upper bounds; exact, but for rounding, where all events are Gaussian.
    """
    cost = price(events, delta=delta, adaptive=adaptive)
    return _powers(cost, _pairs(events, cost, adaptive=adaptive), rates)


def _powers(cost: Price, pairs: Sequence[tuple[float, float]], rates: Sequence[float]) -> tuple[float, ...]:
    mu = cost.mu
    found = [_power(pairs, rate) if mu is None else gdp.power(mu, rate) for rate in rates]
    return tuple(min(1.0, power * (1 + 1e-12)) for power in found)


def _pairs(events: Sequence[Event], cost: Price, *, adaptive: bool) -> list[tuple[float, float]]:
    """Points of the curve; none where mu says all of it."""
    if cost.mu is not None:
        return []
    profile = Profile(events, adaptive=adaptive)
    own = (min(cost.epsilon, 700.0), cost.delta)  # beyond it exp overflows, and nothing is promised
    return [*((epsilon, profile.delta(epsilon)) for epsilon in _GRID), own]


def _power(pairs: Sequence[tuple[float, float]], accused: float) -> float:
    """Both rates bound each other, for members and for outsiders (Kairouz, Oh and Viswanath, 2015)."""
    return min(
        min(delta + math.exp(epsilon) * accused, 1 - math.exp(-epsilon) * (1 - accused - delta))
        for epsilon, delta in pairs
    )


def _risk(basis: str, figures: tuple[float, float, float], epsilon: float, delta: float) -> Risk:
    advantage, at_1_percent, at_0_1_percent = figures
    return Risk(
        advantage=advantage,
        tpr_at_1_percent_fpr=at_1_percent,
        tpr_at_0_1_percent_fpr=at_0_1_percent,
        basis=basis,
        sentences=(
            _odds(epsilon, delta),
            "Whoever has to guess whether you are in the data is right 50 times in 100 without the release, "
            f"and with it at most {rounded_up(50 * (1 + advantage))} times in 100.",
            "An attacker who wrongly accuses 10 in 1,000 people outside the data recognises at most "
            f"{rounded_up(1000 * at_1_percent)} in 1,000 people inside it.",
            "An attacker who wrongly accuses 1 in 1,000 people outside the data recognises at most "
            f"{rounded_up(1000 * at_0_1_percent)} in 1,000 people inside it.",
        ),
    )


def _odds(epsilon: float, delta: float) -> str:
    if epsilon > 20 or delta >= 1:
        return "There is no useful limit on how sure somebody can become that you are in the data."
    failure = (
        f", except in a failure of probability at most 1 in {math.floor(1 / Fraction(str(delta))):,}"
        if delta > 0
        else ""
    )
    return (
        "Somebody who holds it 1:1 that you are in the data can, by seeing the release, come to at most "
        f"{rounded_up(math.exp(epsilon))}:1{failure}."
    )


def rounded_up(value: float) -> str:
    """Three significant digits, rounded up."""
    scale = 10.0 ** (2 - math.floor(math.log10(value)))
    return f"{math.ceil(value * scale) / scale:,.10g}"


def assessment(curve: Mapping[float, float]) -> dict[str, str]:
    """What the trade-off curve says about the three risks of the Article 29 Working Party (opinion 05/2014).

    Any attack that succeeds with some probability when a person is not in the data succeeds at most with the
    probability that the curve has there when that person is (Kulynych et al., 2024).

    Args:
        curve: The largest true positive rate by false positive rate; 0.01, 0.1 and 0.5 are used.

    Returns:
        Sentences for singling out, linkability and inference. They are evidence, not a verdict.
    """
    few, some, half = (rounded_up(1000 * min(1.0, curve[rate])) for rate in (0.01, 0.1, 0.5))
    end = " Evidence for your assessment: whether the risk is acceptable is yours to decide."
    return {
        "singling out": "Whoever names one person's presence by chance in 10 of 1,000 cases does so in at "
        f"most {few} of 1,000 with the release.{end}",
        "linkability": "Whoever links two records of one person by chance in 100 of 1,000 cases does so "
        f"in at most {some} of 1,000 with the release.{end}",
        "inference": "Whoever guesses a value of one person right in 500 of 1,000 cases without that "
        f"person's rows in the data does so in at most {half} of 1,000 with them.{end}",
    }
