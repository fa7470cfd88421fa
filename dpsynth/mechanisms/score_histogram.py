"""How private rows spread over the scores of a trained critic: what calibrates it.

A critic that was trained on clipped gradients says too much or too little. The share of private rows in each
interval of its scores, divided by the share of public rows there, is the ratio that it should have said.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms._additive import rounded_deviation
from dpsynth.mechanisms._noise import check_scale, rounded_gaussian
from dpsynth.mechanisms._outward import quotient_up
from dpsynth.mechanisms.base import Json, Measurement
from dpsynth.mechanisms.networks import SLOPE, Critic, parameter_count
from dpsynth.mechanisms.queries import check_names, marginal_sensitivity
from dpsynth.privacy.events import GaussianEvent

if TYPE_CHECKING:
    from dpsynth.mechanisms.encoded import EncodedTable
    from dpsynth.privacy.unit import Unit
    from dpsynth.schema.layout import Domain

__all__ = ["ScoreHistogram", "row_scores"]

_BLOCK = 512

FloatArray = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ScoreHistogram:
    """Counts rows by the interval in which their score lies, with rounded Gaussian noise on every count.

    Attributes:
        critic: Scores each row by itself.
        parameters: Of the critic. Public.
        edges: Ascending; k of them make k + 1 intervals.
        mu: L2 sensitivity divided by sigma.
        columns: What the critic reads, by name; all modelled columns if there are none.

    Privacy: unit as given to `run`. A row's score is a function of that row and public numbers: it is
        computed operation by operation in the same order for every row, so that not even its last bit depends
        on other rows. Each row counts in one interval, so sensitivities are those of a marginal. Event:
        `GaussianEvent(mu)` (Dong, Roth and Su, 2022).
    """

    critic: Critic
    parameters: np.ndarray[Any, np.dtype[np.float32]]
    edges: tuple[float, ...]
    mu: float
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if type(self.critic) is not Critic:
            raise ConfigurationError(f"Expected a Critic, got {type(self.critic).__name__}.")
        _validate.positive("mu", self.mu)
        edges = [_validate.number("edges", edge) for edge in self.edges]
        if not edges or sorted(set(edges)) != edges:
            raise ConfigurationError("Expected edges that ascend.")

    def event(self) -> GaussianEvent:
        """The price."""
        return GaussianEvent(mu=self.mu)

    def describe(self) -> Json:
        """Public JSON; the parameters by their digest."""
        return {
            "type": "score-histogram/1",
            "critic": self.critic.describe(),
            "parameters": hashlib.sha256(self.parameters.astype("<f4").tobytes()).hexdigest(),
            "edges": [float(edge) for edge in self.edges],
            "mu": float(self.mu),
            "columns": list(self.columns),
        }

    def sigma(self, unit: Unit) -> float:
        """The sigma of the continuous noise on each count, rounded up; needs no data."""
        l2 = marginal_sensitivity(unit).l2
        check_scale(l2 / self.mu)
        return quotient_up(l2, self.mu)

    def check(self, domain: Domain, unit: Unit) -> None:
        """Refuse what cannot run, before anything is spent; needs no data."""
        self.sigma(unit)
        check_names(self.columns, domain)
        if self.parameters.shape != (parameter_count(self.critic, domain.only(self.columns)),):
            raise ConfigurationError("Expected the parameters of a critic of this table.")

    def run(self, table: EncodedTable, unit: Unit) -> Measurement:
        """Score, count and add noise. Called by a session only, after the price is reserved."""
        self.check(table.domain, unit)
        read, cells = table.domain.only(self.columns), len(self.edges) + 1
        counts = np.zeros(cells, np.int64)
        for start in range(0, table.private_rows, _BLOCK):
            block = [table.codes(name)[start : start + _BLOCK] for name in read.columns]
            scores = row_scores(self.critic, read, self.parameters, np.stack(block, axis=1))
            counts += np.bincount(np.searchsorted(self.edges, scores, side="right"), minlength=cells)
        sigma = self.sigma(unit)
        noisy = counts + rounded_gaussian(sigma, cells)
        noisy.setflags(write=False)
        return Measurement(
            mechanism=self.describe(),
            event=self.event(),
            values=(noisy,),
            sigmas=(rounded_deviation(sigma**2),),
        )


def row_scores(
    critic: Critic,
    domain: Domain,
    parameters: np.ndarray[Any, Any],
    codes: np.ndarray[Any, Any],
) -> FloatArray:
    """The score of each row of codes, by elementwise products and sums in a fixed order.

    A matrix product may treat the rows at the end of a block differently; this does not. What is no number
    counts as zero.
    """
    values: FloatArray | None = None
    start, offsets = 0, np.cumsum([0, *domain.sizes[:-1]])
    for layer in critic.layers(domain):
        matrix = parameters[start : start + layer.size].astype(np.float64)
        matrix = matrix.reshape(layer.inputs + 1, layer.outputs)
        start += layer.size
        found = np.repeat(matrix[-1:], len(codes), axis=0)
        if values is None:
            for column, offset in zip(codes.T, offsets, strict=True):
                found += matrix[offset + column.astype(np.int64)]
        else:
            active = np.where(values > 0, values, SLOPE * values)
            for place in range(layer.inputs):
                found += active[:, place : place + 1] * matrix[place]
        values = found
    scores = np.zeros(len(codes)) if values is None else values[:, 0]
    return np.where(np.isfinite(scores), scores, 0.0)
