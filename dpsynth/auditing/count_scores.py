"""How much likelier noisy answers are with a row than without: an attacker's scores for many rows at once."""

from __future__ import annotations

import numpy as np

from dpsynth.auditing.laws import FloatArray, Noisy, counted_by, laws
from dpsynth.auditing.worst_cases import MadeUp
from dpsynth.mechanisms import GaussianMechanism, Measurement, Mechanism
from dpsynth.mechanisms.base import IntArray

__all__ = ["count_scores", "log_ratios"]

_LEAST_NOISE = 1e-4  # of what is claimed, in variance


def count_scores(
    mechanism: Mechanism, measurement: Measurement, base: MadeUp, rows: IntArray, *, trusting: bool = True
) -> FloatArray:
    """For each of some rows that may be in beside a base, the log-likelihood ratio from Gaussian counts.

    In a cell with others, each of these is taken to be in with a probability of one half. Other answers than
    counts say nothing here; any scores make a valid audit, good ones make a sharp one.

    Args:
        mechanism: What was asked.
        measurement: What came back.
        base: All other rows.
        rows: Those in question.
        trusting: Whether the attacker believes the noise that is claimed, or what he sees (`log_ratios`).
    """
    found = np.zeros(len(rows))
    if not isinstance(mechanism, GaussianMechanism):
        return found
    known = laws(mechanism, measurement, base)
    for query, law, values in zip(mechanism.queries, known, measurement.values, strict=True):
        if not isinstance(law, Noisy):
            continue
        cells, _ = base.places(rows, counted_by(query))
        together = np.bincount(cells)[cells]
        surplus = values[cells] - law.exact[cells] - together / 2
        variance = law.scale**2 + 1 / 12 + (together - 1) / 4
        if trusting:
            found += surplus / variance
        else:
            found += log_ratios(surplus[:, None], np.ones((len(rows), 1)), variance[:, None])
    return found


def log_ratios(surplus: FloatArray, signal: FloatArray, variance: FloatArray) -> FloatArray:
    """Log-likelihood ratios of Gaussian numbers around plus or minus half a signal, a line for each row.

    The attacker believes the noise that he sees, not the one that is claimed: where there is less, this part
    of the release weighs more.
    """
    seen = float((surplus**2 - signal**2 / 4).sum() / variance.sum())
    ratio: FloatArray = (surplus * signal / variance).sum(axis=1) / max(seen, _LEAST_NOISE)
    return ratio
