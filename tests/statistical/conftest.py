"""Goodness-of-fit tests at a nominal level of 1e-10.

Cells are joined until each expects 100 draws; there the chi-square tail understates the true one by
less than a factor of 50 (Poisson, mean 100). The hundred tests of this folder so raise fewer than one
false alarm in a million runs, and every broken twin is far beyond that level.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import chi2, chi2_contingency

LEVEL = 1e-10
LEAST_EXPECTED = 100.0


def merged(observed: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Join neighbouring cells until each is expected to hold at least `LEAST_EXPECTED`."""
    groups, held = np.zeros(expected.size, dtype=int), 0.0
    for index in range(1, expected.size):
        held += expected[index - 1]
        enough = held >= LEAST_EXPECTED and expected[index:].sum() >= LEAST_EXPECTED
        groups[index] = groups[index - 1] + enough
        held = 0.0 if enough else held
    return np.bincount(groups, weights=observed), np.bincount(groups, weights=expected)


@pytest.fixture
def fits() -> Callable[[np.ndarray, np.ndarray], bool]:
    """Whether counts are compatible with probabilities (chi-square)."""

    def decide(observed: np.ndarray, probabilities: np.ndarray) -> bool:
        assert probabilities.sum() == pytest.approx(1.0, abs=1e-9)
        counts, expected = merged(observed, observed.sum() * probabilities)
        with np.errstate(divide="ignore"):
            statistic = ((counts - expected) ** 2 / expected).sum()
        return bool(chi2.sf(statistic, max(counts.size - 1, 1)) > LEVEL)

    return decide


@pytest.fixture
def alike() -> Callable[[np.ndarray, np.ndarray], bool]:
    """Whether two samples can come from one law (two-sample chi-square on 24 coarse cells)."""

    def decide(left: np.ndarray, right: np.ndarray) -> bool:
        edges = np.quantile(np.concatenate([left, right]), np.linspace(0, 1, 25)[1:-1])
        table = [np.bincount(np.searchsorted(edges, sample), minlength=24) for sample in (left, right)]
        return bool(chi2_contingency(np.array(table)).pvalue > LEVEL)

    return decide
