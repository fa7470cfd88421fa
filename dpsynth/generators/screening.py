"""Which pairs of a wide table are worth counting: noisy scores of all of them, in one release.

A table of two hundred columns has 19,900 pairs. Divided over all of them, a budget measures none well.
The score of a pair says how far it is from independence; all scores together are one Gaussian release.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from dpsynth.generators.buckets import Groups, bucketed, merged
from dpsynth.graphical.consistency import FloatArray
from dpsynth.mechanisms import MarginalGap, Measurement, NoisyScores, on_grid

__all__ = ["clear_pairs", "scores_of_pairs"]

_BUCKETS = 8
_SIGNIFICANT = 2.0


def scores_of_pairs(
    pairs: Sequence[tuple[str, str]],
    margins: Mapping[str, FloatArray],
    ordered: Mapping[str, int],
    *,
    mu: float,
) -> NoisyScores:
    """The distance of each pair from independence, less what chance alone would make of it.

    Args:
        pairs: Names of the pairs.
        margins: Cleaned counts of the codes of each column.
        ordered: How many of the first codes of each column stand on a scale.
        mu: Price of all scores together.

    Privacy: estimates, buckets and penalties are functions of noisy answers.
    """
    groups: dict[str, Groups] = {
        name: bucketed(counts, ordered[name], number=_BUCKETS, least=0.0) for name, counts in margins.items()
    }
    coarse = {name: merged(counts, groups[name]) for name, counts in margins.items()}
    estimates, penalties = [], []
    for left, right in pairs:
        expected = np.outer(coarse[left], coarse[right]) / max(float(coarse[left].sum()), 1.0)
        estimates.append(on_grid(expected.ravel(), 0))
        # The mean absolute deviation of a count that is Poisson about its expectation.
        penalties.append(round(math.sqrt(2 / math.pi) * float(np.sqrt(expected).sum())))
    score = MarginalGap(
        cliques=tuple(pairs),
        estimates=tuple(estimates),
        penalties=tuple(penalties),
        groups=tuple((groups[left], groups[right]) for left, right in pairs),
    )
    return NoisyScores(score=score, mu=mu)


def clear_pairs(
    pairs: Sequence[tuple[str, str]], measurement: Measurement, *, most: int
) -> tuple[tuple[str, str], ...]:
    """The best pairs, at most `most`, whose score stands out of the noise; at least one."""
    scores, sigma = np.asarray(measurement.values[0], np.float64), measurement.sigmas[0]
    best = np.argsort(-scores, kind="stable")[:most]
    kept = [int(i) for i in best if scores[i] > _SIGNIFICANT * sigma] or [int(best[0])]
    return tuple(pairs[i] for i in sorted(kept))
