"""Correlated columns: a Gaussian copula from a public matrix of rank correlations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth.errors import ConfigurationError

__all__ = ["RankCorrelation"]

Array = np.ndarray[Any, Any]
_ALMOST_ZERO = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class RankCorrelation:
    """Spearman correlations between columns of numbers, dates or ordered categories.

    Each column keeps its own distribution: normal numbers with the correlation 2 sin(pi r / 6) are turned
    into uniform ones, which have the rank correlation r (Pearson, 1907), and those into values. Rounding
    and categories with few values weaken it, and constraints may change it.

    Attributes:
        columns: Two or more columns.
        matrix: Rank correlations, 1 on the diagonal, symmetric.
    """

    columns: tuple[str, ...]
    matrix: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        count = len(self.columns)
        if count < 2 or len(set(self.columns)) < count:
            raise ConfigurationError(
                f"Expected two or more different correlated columns, got {self.columns}."
            )
        object.__setattr__(self, "matrix", _plain(self.matrix, count))
        self._check()

    def _check(self) -> None:
        ranks = np.array(self.matrix)
        if (ranks != ranks.T).any() or (np.diag(ranks) != 1).any() or (np.abs(ranks) > 1).any():
            raise ConfigurationError(
                "Expected a symmetric matrix of rank correlations from -1 to 1 with 1 on its diagonal."
            )
        least = float(np.linalg.eigvalsh(self._pearson())[0])
        if least < -_ALMOST_ZERO:
            raise ConfigurationError(
                f"No columns can have the correlations between {list(self.columns)}: their matrix has the "
                f"eigenvalue {least:.4g}, and none may be below 0. Move the correlations towards 0."
            )

    def _pearson(self) -> Array:
        pearson: Array = 2.0 * np.sin(np.pi * np.array(self.matrix) / 6.0)
        np.fill_diagonal(pearson, 1.0)
        return pearson

    def uniforms(self, rows: int, rng: np.random.Generator) -> Mapping[str, Array]:
        """Correlated uniform numbers for each column."""
        from scipy.special import ndtr

        # A matrix without full rank has no Cholesky factor: a billionth of independence gives it one.
        share = 2 * _ALMOST_ZERO
        factor = np.linalg.cholesky((1 - share) * self._pearson() + share * np.eye(len(self.columns)))
        normals = rng.standard_normal((rows, len(self.columns)))
        found = {}
        for place, column in enumerate(self.columns):
            mixed = np.zeros(rows)
            for other in range(place + 1):  # summed in a fixed order: a product of matrices has none
                mixed += factor[place, other] * normals[:, other]
            found[column] = np.minimum(ndtr(mixed), 1.0 - 2.0**-53)
        return found


def _plain(matrix: object, count: int) -> tuple[tuple[float, ...], ...]:
    try:
        numbers = np.array(matrix, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if (
        numbers.shape != (count, count)
        or not np.isfinite(numbers).all()
        or isinstance(matrix, (str, Mapping))
    ):
        raise ConfigurationError(f"Expected a matrix of {count} rows of {count} rank correlations.")
    return tuple(tuple(float(number) for number in row) for row in numbers)
