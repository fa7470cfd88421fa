"""The law that an answer must have, from the price that was paid and the exact counts of a made-up table.

The auditor derives it again: sensitivities from the unit of privacy, scales from the event in the ledger,
scores and probabilities from its own counts. Nothing is taken from what the mechanism says about its noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dpsynth.auditing.worst_cases import MadeUp
from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms import (
    DpSgd,
    ExponentialMechanism,
    GaussianMechanism,
    LaplaceMechanism,
    Marginal,
    MarginalGap,
    Measurement,
    Mechanism,
    NoisyScores,
    Query,
    ScoreHistogram,
    Total,
)
from dpsynth.mechanisms.base import CodedColumn
from dpsynth.mechanisms.score_histogram import row_scores
from dpsynth.privacy.events import ExponentialEvent, GaussianEvent, LaplaceEvent
from dpsynth.privacy.unit import Unit

__all__ = ["Chosen", "FloatArray", "Law", "Noisy", "laws", "log_likelihood"]

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

_SLACK = 1 + 1e-9  # what rounding outward may add to a scale


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Noisy:
    """Whole numbers with additive noise, rounded to whole numbers.

    Attributes:
        exact: What was asked, exactly.
        scale: Of the noise before rounding: sigma of a Gaussian, b of a Laplace law.
        law: Which.
    """

    exact: FloatArray
    scale: float
    law: Literal["gaussian", "laplace"] = "gaussian"

    def log_likelihood(self, values: FloatArray) -> float:
        """Of noisy values, up to a constant that only the scale decides."""
        if self.law == "laplace":
            return -float(np.abs(values - self.exact).sum()) / self.scale
        return -float(((values - self.exact) ** 2).sum()) / (2 * (self.scale**2 + 1 / 12))

    def uniforms(self, values: FloatArray, between: FloatArray) -> FloatArray:
        """Independent uniform numbers exactly if the noise has this law.

        The distribution function at a whole number jumps; `between`, uniform itself, says where in the jump
        to stand (the randomised probability integral transform).
        """
        noise = values - self.exact
        low, high = self._below(noise - 0.5), self._below(noise + 0.5)
        uniform: FloatArray = low + between * (high - low)
        return uniform

    def _below(self, noise: FloatArray) -> FloatArray:
        from scipy.special import ndtr

        scaled = noise / self.scale
        if self.law == "laplace":
            tail = np.exp(-np.abs(scaled)) / 2
            return np.where(scaled < 0, tail, 1 - tail)
        below: FloatArray = ndtr(scaled)
        return below


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Chosen:
    """One of several candidates.

    Attributes:
        log_weights: Logarithms of their probabilities.
    """

    log_weights: FloatArray

    def log_likelihood(self, values: FloatArray) -> float:
        """Of the candidate that was chosen."""
        return float(self.log_weights[int(values[0])])

    def uniforms(self, values: FloatArray, between: FloatArray) -> FloatArray:
        """One uniform number, small for likely candidates, exactly if the probabilities are these."""
        order = np.argsort(-self.log_weights, kind="stable")
        place = int(np.flatnonzero(order == int(values[0]))[0])
        shares = np.exp(self.log_weights[order])
        uniform: FloatArray = shares[:place].sum() + between * shares[place]
        return uniform


Law = Noisy | Chosen


def laws(mechanism: Mechanism, measurement: Measurement, made: MadeUp) -> tuple[Law, ...]:
    """The law of each array that `mechanism` answered with; none for training, whose answers are states.

    Raises:
        ConfigurationError: The auditor does not know the mechanism, or its price.
    """
    event, unit = measurement.event, made.unit
    match mechanism, event:
        case GaussianMechanism(), GaussianEvent(mu=mu):
            stretch = math.hypot(*mechanism.mus) / mu
            stretch = stretch if stretch > _SLACK else 1.0  # asked for more than was paid
            return tuple(
                Noisy(exact=_exact(made, query), scale=stretch * _l2(query, unit) / each)
                for query, each in zip(mechanism.queries, mechanism.mus, strict=True)
            )
        case LaplaceMechanism(), LaplaceEvent(epsilon=epsilon):
            stretch = sum(mechanism.epsilons) / epsilon
            stretch = stretch if stretch > _SLACK else 1.0
            return tuple(
                Noisy(exact=_exact(made, query), scale=stretch * _l1(query, unit) / each, law="laplace")
                for query, each in zip(mechanism.queries, mechanism.epsilons, strict=True)
            )
        case ExponentialMechanism(), ExponentialEvent(epsilon=epsilon):
            scores, moved = _scores(mechanism.score, made)
            logits = scores * (epsilon / (2 * moved))
            return (Chosen(log_weights=logits - _log_sum(logits)),)
        case NoisyScores(), GaussianEvent(mu=mu):
            scores, moved = _scores(mechanism.score, made)
            return (Noisy(exact=scores, scale=math.sqrt(len(scores)) * moved / mu),)
        case ScoreHistogram(), GaussianEvent(mu=mu):
            return (Noisy(exact=_histogram(mechanism, made), scale=_moved(unit)[1] / mu),)
        case DpSgd(), _:
            return ()
    raise ConfigurationError(
        f"The audit knows no law of {type(mechanism).__name__} at the price {event}. Add it to `laws`."
    )


def log_likelihood(mechanism: Mechanism, measurement: Measurement, made: MadeUp) -> float:
    """How likely an answer is on a made-up table, up to a constant that no table changes."""
    known = laws(mechanism, measurement, made)
    return sum(
        law.log_likelihood(np.asarray(values, np.float64))
        for law, values in zip(known, measurement.values[: len(known)], strict=True)
    )


def _exact(made: MadeUp, query: Query) -> FloatArray:
    return made.counts(counted_by(query)).astype(np.float64)


def counted_by(query: Query) -> tuple[CodedColumn, ...]:
    """The columns whose combinations a query counts.

    Raises:
        ConfigurationError: It counts something else, which this audit does not know.
    """
    if not isinstance(query, Marginal | Total):
        raise ConfigurationError(f"This audit does not know the law of answers to {type(query).__name__}.")
    return query.counted


def _moved(unit: Unit) -> tuple[float, float]:
    """How far the counts of one marginal move between neighbours, in L1 and L2."""
    rows = unit.contributions
    return (rows, rows) if unit.relation == "add_remove" else (2 * rows, math.sqrt(2) * rows)


def _l1(query: Query, unit: Unit) -> float:
    return unit.contributions if isinstance(query, Total) else _moved(unit)[0]


def _l2(query: Query, unit: Unit) -> float:
    return unit.contributions if isinstance(query, Total) else _moved(unit)[1]


def _scores(score: MarginalGap, made: MadeUp) -> tuple[FloatArray, float]:
    """The exact scores, and how far one can move."""
    gaps = [
        np.abs(made.counts(query.counted) * 2**score.bits - estimate).sum()
        for query, estimate in zip(score.queries, score.estimates, strict=True)
    ]
    found = np.array(score.weights) * (np.array(gaps) - np.array(score.penalties))
    return found.astype(np.float64), max(score.weights) * _moved(made.unit)[0] * 2**score.bits


def _histogram(mechanism: ScoreHistogram, made: MadeUp) -> FloatArray:
    """How many rows score in each interval."""
    read = made.schema.domain.only(mechanism.columns)
    codes = made.rows[:, [made.names.index(name) for name in read.columns]]
    places = np.searchsorted(
        mechanism.edges, row_scores(mechanism.critic, read, mechanism.parameters, codes), side="right"
    )
    return np.bincount(places, minlength=len(mechanism.edges) + 1).astype(np.float64)


def _log_sum(logits: FloatArray) -> float:
    top = float(logits.max())
    return top + math.log(float(np.exp(logits - top).sum()))
