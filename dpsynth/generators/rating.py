"""A critic whose scores were calibrated: how much likelier private rows are at each score."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dpsynth.generators.deep import CodeTable
from dpsynth.mechanisms import SLOPE, Critic

if TYPE_CHECKING:
    from dpsynth.generators.pretraining import Parameters
    from dpsynth.schema.layout import Domain

__all__ = ["Rating", "score_edges", "score_ratios"]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

_SHARES = np.r_[0.01, 0.02, np.linspace(0.05, 0.95, 19), 0.98, 0.99]
_AT_ONCE = 8192
_DOUBT = 2.0
_SURPRISE = 3.0  # deviations of the sum over all intervals beyond which a critic is believed
_DIGITS = 9


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rating:
    """A critic, and what its scores mean.

    Attributes:
        critic: Scores rows.
        parameters: Of the critic.
        edges: Of intervals of scores.
        ratios: For each interval the density of private rows over that of rows of the counts.
    """

    critic: Critic
    parameters: Parameters
    edges: FloatArray = field(default_factory=lambda: np.zeros(0))
    ratios: FloatArray = field(default_factory=lambda: np.ones(1))

    def __post_init__(self) -> None:
        for array in (self.parameters, self.edges, self.ratios):
            array.setflags(write=False)

    def scores(self, domain: Domain, rows: CodeTable) -> FloatArray:
        """The score of each row: that of `ScoreHistogram`, up to rounding, by matrix products."""
        parts = [
            self._scored(domain, rows[start : start + _AT_ONCE]) for start in range(0, len(rows), _AT_ONCE)
        ]
        return np.concatenate([np.zeros(0), *parts])

    @property
    def flat(self) -> bool:
        """Whether it makes no difference between rows."""
        return bool((self.ratios == self.ratios[0]).all())

    def weights(self, domain: Domain, rows: CodeTable) -> FloatArray:
        """The ratio of each row."""
        found: FloatArray = self.ratios[np.searchsorted(self.edges, self.scores(domain, rows), side="right")]
        return found

    def _scored(self, domain: Domain, rows: CodeTable) -> FloatArray:
        places = rows + np.cumsum([0, *domain.sizes[:-1]])
        values, start = np.zeros((len(rows), 0)), 0
        for layer in self.critic.layers(domain):
            matrix = self.parameters[start : start + layer.size].astype(np.float64)
            matrix = matrix.reshape(layer.inputs + 1, layer.outputs)
            start += layer.size
            if layer.embedding:
                values = matrix[places].sum(axis=1) + matrix[-1]
            else:
                values = np.where(values > 0, values, SLOPE * values) @ matrix[:-1] + matrix[-1]
        return np.nan_to_num(values[:, 0], nan=0.0, posinf=0.0, neginf=0.0)


def score_edges(scores: FloatArray) -> tuple[float, ...]:
    """Edges between intervals that hold about as many public rows each, and finer ones at both ends.

    Every edge lies halfway between two scores that occur: rounding never moves a row over it.
    """
    values = np.unique(np.round(scores, _DIGITS))
    if len(values) < 2:
        return (float(values[0]) + 1.0,) if len(values) else (0.0,)
    places = np.searchsorted(values, np.quantile(scores, _SHARES), side="right").clip(1, len(values) - 1)
    return tuple(float(edge) for edge in np.unique((values[places - 1] + values[places]) / 2))


def score_ratios(
    scores: FloatArray, edges: tuple[float, ...], noisy: np.ndarray[Any, Any], sigma: float
) -> FloatArray:
    """For each interval the share of private rows over that of public ones.

    If all differences together are no more than noise makes likely, every ratio is exactly one. Otherwise
    each is pulled to one by the share of its squared difference that noise explains (James and Stein, 1961).

    Args:
        scores: Of public rows.
        edges: Of the intervals.
        noisy: Noisy counts of private rows.
        sigma: Deviation of their noise.
    """
    public = np.bincount(np.searchsorted(edges, scores, side="right"), minlength=len(edges) + 1) + 0.5
    total = max(float(noisy.sum()), 1.0)
    expected = public * (total / public.sum())
    gaps = noisy - expected
    # Noise of the private counts, and that both tables are samples.
    variance = sigma**2 + expected * (1 + total / public.sum())
    surplus = float((gaps**2 / variance).sum()) - len(gaps)
    if surplus < _SURPRISE * np.sqrt(2 * len(gaps)):
        return np.ones(len(gaps))
    kept = np.maximum(1 - _DOUBT * variance / np.maximum(gaps**2, 1e-12), 0.0)
    ratios: FloatArray = np.maximum(1 + kept * gaps / expected, 0.0) + 1e-3
    return ratios
