"""Scores of many models are unbiased, and as noisy as they say."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms import Measurement, NoisyScores
from dpsynth.mechanisms.base import Mechanism
from dpsynth.schema.columns import Categorical
from dpsynth.schema.encode import encode_column
from dpsynth.schema.schema import Schema
from dpsynth.tuning.charged import Cells, Codes, require_metric, scored

ROWS = 5000
TEXT = tuple("abcd")


def plain(columns: int = 3, codes: tuple[str, ...] = TEXT) -> Schema:
    return Schema(
        columns=tuple(Categorical(name=f"c{i}", categories=codes, required=True) for i in range(columns))
    )


def rows(schema: Schema, seed: int) -> Codes:
    rng = np.random.default_rng(seed)
    first = rng.choice(np.array(TEXT), ROWS)
    frame = pd.DataFrame(
        {c.name: np.where(rng.random(ROWS) < 0.5, first, rng.choice(TEXT, ROWS)) for c in schema.modelled}
    )
    return {c.name: encode_column(c, frame[c.name], schema.missing_values) for c in schema.modelled}


class Exact:
    """Answers with the distances of some rows and simulated noise."""

    def __init__(self, schema: Schema, cells: Cells, codes: Codes) -> None:
        self.schema, self._real, self._rng = schema, cells.counts(codes), np.random.default_rng(5)

    def measure(self, mechanism: Mechanism) -> Measurement:
        assert isinstance(mechanism, NoisyScores)
        estimates, sigma = mechanism.score.estimates, mechanism.sigma(self.schema.unit)
        real = self._real * (len(estimates) // len(self._real))
        exact = [np.abs(own - other).sum() for own, other in zip(real, estimates, strict=True)]
        noisy = np.array(exact) + np.rint(sigma * self._rng.standard_normal(len(exact)))
        return Measurement(
            mechanism=mechanism.describe(), event=mechanism.event(), values=(noisy,), sigmas=(sigma,)
        )


def test_scores_are_unbiased_and_their_deviation_is_right() -> None:
    schema = plain()
    real, other = rows(schema, 1), rows(schema, 2)
    cells = Cells.of(schema, real, models=2)
    assert cells.metrics.count("pair_accuracy") == 3
    assert cells.metrics.count("k_marginal") == 1
    measurer, counts = Exact(schema, cells, real), cells.counts(other)
    truth = np.mean(
        [
            1 - np.abs(own - told).sum() / (2 * ROWS)
            for own, told, metric in zip(cells.counts(real), counts, cells.metrics, strict=True)
            if metric == "pair_accuracy"
        ]
    )
    drawn = [
        scored(measurer, cells, [counts, cells.counts(real)], mu=0.02, rows=ROWS)  # type: ignore[arg-type]  # all that is asked
        for _ in range(600)
    ]
    values = np.array([one["pair_accuracy"].value for one, _ in drawn])
    deviation = drawn[0][0]["pair_accuracy"].deviation
    assert abs(values.mean() - truth) < 4 * deviation / math.sqrt(len(values))
    assert values.std() == pytest.approx(deviation, rel=0.12)
    assert np.mean([both[1]["k_marginal"].value for both in drawn]) == pytest.approx(1.0, abs=0.01)


def test_the_ceiling_is_what_a_second_sample_gets() -> None:
    schema = plain()
    one, two = rows(schema, 3), rows(schema, 4)
    cells = Cells.of(schema, one, models=1)
    counts = zip(cells.counts(one), cells.counts(two), cells.metrics, strict=True)
    found = [1 - np.abs(a - b).sum() / (2 * ROWS) for a, b, metric in counts if metric == "pair_accuracy"]
    assert cells.ceiling(cells.counts(one))["pair_accuracy"] == pytest.approx(np.mean(found), abs=0.008)


def test_columns_with_many_codes_are_cut_and_many_models_get_fewer_tables() -> None:
    wide = plain(columns=9, codes=tuple(f"v{i}" for i in range(100)))
    rng = np.random.default_rng(6)
    codes = {name: rng.integers(0, 100, ROWS) for name in wide.domain.columns}
    cells = Cells.of(wide, codes, models=10)
    sizes = [max(own) + 1 for own in cells.buckets[0]]
    assert all(8 <= size <= 32 for size in sizes)
    assert len(Cells.of(wide, codes, models=1000).cliques) < len(cells.cliques)


def test_metrics_that_cannot_be_had_are_refused() -> None:
    require_metric(plain(2), "pair_accuracy")
    with pytest.raises(ConfigurationError, match="needs 3 modelled columns"):
        require_metric(plain(2), "k_marginal")
    with pytest.raises(ConfigurationError, match="metric"):
        require_metric(plain(), "tstr")
