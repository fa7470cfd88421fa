"""The certified limit: how well any attack can do, from the guarantee alone.

Measured attacks show failures and never show privacy: a better attack may come. The guarantee speaks
about all attacks, of today and later, so its limits come first. They follow from the trade-off curve of
the mechanism, the largest true positive rate at each false positive rate (Dong, Roth and Su, 2022). Nothing
of the data is in them: they are public.

What they limit: the test whether one unit is in the data, by somebody who knows everything else, on
average over the noise of the run. A single run may lie a little above by chance. An area that is measured
within one run compares a member with an outsider of the same run. For noise on tables of counts, replacing
a row is sqrt(2) times as far as removing one, and the limit of that comparison is the same Phi(mu/sqrt 2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.evaluation.results import PUBLIC, Result
from dpsynth.privacy.accountant import Profile, price
from dpsynth.session.guarantee import Guarantee

__all__ = ["Limits", "area_of_mu", "area_of_pairs", "certified", "limits"]

_LEVELS = (0.0, *np.geomspace(1e-4, 50.0, 160).tolist())
_RATES = np.concatenate([[0.0], np.geomspace(1e-9, 1.0, 4_000)])
_LARGEST = 700.0
_REMEDY = (
    "There is no guarantee, so nothing limits what an attack can do. Generate the rows by dpsynth and hand "
    "over `table.guarantee`, or read it from the folder of the release."
)
_OF_WHAT = {
    "mu": "exact for this mechanism",
    "profile": "an upper bound from the whole curve of the mechanism",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What no attack exceeds; NaN without a guarantee.

    Attributes:
        advantage: True positive rate minus false positive rate.
        tpr_at_1_percent: Share of members found when 1 % of the others are accused.
        tpr_at_0_1_percent: When 0.1 % are.
        area: Area under the curve of these rates.
        note: From what it was computed, and about whom it speaks.
    """

    advantage: float = math.nan
    tpr_at_1_percent: float = math.nan
    tpr_at_0_1_percent: float = math.nan
    area: float = math.nan
    note: str = _REMEDY


def limits(guarantee: Guarantee | None) -> Limits:
    """The limits on every attack, rounded up."""
    if guarantee is None:
        return Limits()
    found = guarantee.risk()
    note = f"Holds for every attack on the presence of one unit ({guarantee.unit}); {_OF_WHAT[found.basis]}."
    if not guarantee.certifiable:
        note += " NOT CERTIFIABLE: " + "; ".join(guarantee.taints)
    return Limits(
        advantage=found.advantage,
        tpr_at_1_percent=found.tpr_at_1_percent_fpr,
        tpr_at_0_1_percent=found.tpr_at_0_1_percent_fpr,
        area=_area(guarantee, found.basis),
        note=note,
    )


def certified(guarantee: Guarantee | None) -> tuple[Result, ...]:
    """The limits as results that anybody may see.

    Advantage is (true minus false positive rate), 0 for guessing; the area is 0.5 for guessing. For mu-GDP
    they are 2 Phi(mu/2) - 1, Phi(Phi^-1(alpha) + mu) and Phi(mu/sqrt 2).
    """
    found = limits(guarantee)
    shown = (
        ("certified_advantage", "Largest advantage of any attack", found.advantage, 0.0),
        ("certified_tpr_1", "Most members found at 1 % false alarms", found.tpr_at_1_percent, 0.01),
        ("certified_tpr_01", "Most members found at 0.1 % false alarms", found.tpr_at_0_1_percent, 0.001),
        ("certified_auc", "Largest area under the curve of any attack", found.area, 0.5),
    )
    return tuple(
        Result(
            name=name,
            family="privacy",
            title=title,
            value=value,
            ceiling=guess,
            better="lower",
            disclosure=PUBLIC,
            note=found.note,
        )
        for name, title, value, guess in shown
    )


def area_of_mu(mu: float) -> float:
    """The largest area of any attack on a mu-GDP mechanism: Phi(mu/sqrt 2), exact."""
    from scipy.special import ndtr

    return min(1.0, float(ndtr(_validate.non_negative("mu", mu) / math.sqrt(2))) * (1 + 1e-12))


def area_of_pairs(pairs: Sequence[tuple[float, float]]) -> float:
    """An upper bound of the area of any attack on what is (epsilon, delta)-private for each pair.

    At each false positive rate a pair bounds the true positive rate by two lines (Kairouz, Oh and
    Viswanath, 2015). On each piece of a grid the integral of the lowest line is an upper bound of the
    integral of the lower envelope, so the sum is one of the area.
    """
    if not pairs:
        raise ConfigurationError("Expected at least one pair (epsilon, delta).")
    intercepts, slopes = [1.0], [0.0]
    for epsilon, delta in pairs:
        level = _validate.non_negative("epsilon", min(epsilon, _LARGEST))
        missed = _validate.non_negative("delta", delta)
        intercepts += [missed, 1 - math.exp(-level) * (1 - missed)]
        slopes += [math.exp(level), math.exp(-level)]
    below, above = _RATES[:-1], _RATES[1:]
    middle, width = (below + above) / 2, above - below
    lowest = (np.array(intercepts)[:, None] + np.array(slopes)[:, None] * middle).min(axis=0)
    return min(1.0, float((lowest * width).sum()) * (1 + 1e-12))


def _area(guarantee: Guarantee, basis: str) -> float:
    own = (guarantee.epsilon, guarantee.delta)
    events, adaptive = guarantee.committed.events, guarantee.adaptive
    mu = price(events, delta=guarantee.delta, adaptive=adaptive).mu
    if basis == "mu" and mu is not None:
        return area_of_mu(mu)
    profile = Profile(events, adaptive=adaptive)
    return area_of_pairs([own, *((level, profile.delta(level)) for level in _LEVELS)])
