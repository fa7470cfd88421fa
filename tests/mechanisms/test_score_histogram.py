"""Scores of private rows: each row alone, one noisy count for each interval."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms import Autoencoder, Critic, ScoreHistogram
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.mechanisms.score_histogram import row_scores
from dpsynth.privacy.events import GaussianEvent
from dpsynth.privacy.unit import Unit
from dpsynth.schema.layout import Domain

from .deep import DOMAIN, batch_of, losses_of, parameters_of

CRITIC = Critic(hidden=(8, 5))
PARAMETERS = parameters_of(CRITIC, DOMAIN).numpy()
EDGES = (-1.0, 0.0, 0.5)


def asked(**more: Any) -> ScoreHistogram:
    return ScoreHistogram(**{"critic": CRITIC, "parameters": PARAMETERS, "edges": EDGES, "mu": 1.0} | more)


def rows_of(count: int, *, seed: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, size, count) for size in DOMAIN.sizes], axis=1)


def table_of(rows: np.ndarray) -> EncodedTable:
    return EncodedTable(DOMAIN, dict(zip(DOMAIN.columns, rows.T, strict=True)), rows=len(rows))


def test_scores_are_those_of_the_critic() -> None:
    codes, noise = batch_of(CRITIC, DOMAIN, 40)
    rows = codes.numpy() - np.cumsum([0, *DOMAIN.sizes[:-1]])
    expected = losses_of(CRITIC, DOMAIN, parameters_of(CRITIC, DOMAIN), codes, noise, public=True)
    found = row_scores(CRITIC, DOMAIN, PARAMETERS, rows)
    assert np.logaddexp(0, found) == pytest.approx(expected.numpy(), rel=1e-5)


@pytest.mark.parametrize("size", [1, 7, 511, 513])
def test_not_even_the_last_bit_of_a_score_depends_on_other_rows(size: int) -> None:
    rows = rows_of(size)
    together = row_scores(CRITIC, DOMAIN, PARAMETERS, rows)
    alone = np.concatenate([row_scores(CRITIC, DOMAIN, PARAMETERS, row[None]) for row in rows])
    assert together.tobytes() == alone.tobytes()
    assert row_scores(CRITIC, DOMAIN, PARAMETERS, rows[::-1])[::-1].tobytes() == alone.tobytes()


def test_what_is_no_number_counts_as_zero() -> None:
    broken = PARAMETERS.copy()
    broken[-1] = np.nan
    assert not row_scores(CRITIC, DOMAIN, broken, rows_of(5)).any()


def test_every_row_counts_once_in_its_interval() -> None:
    rows = rows_of(1300)
    measured = asked(mu=1e6).run(table_of(rows), Unit())
    scores = row_scores(CRITIC, DOMAIN, PARAMETERS, rows)
    expected = [((low <= scores) & (scores < high)).sum() for low, high in zip((-9e9, *EDGES), (*EDGES, 9e9))]  # noqa: B905
    assert measured.values[0].tolist() == expected
    assert not measured.values[0].flags.writeable
    assert measured.event == GaussianEvent(mu=1e6)


def test_noise_is_as_large_as_stated() -> None:
    """400 tables without rows: a scale that is off by a fifth is rejected."""
    mechanism = asked(mu=0.01)
    noise = np.concatenate([mechanism.run(table_of(rows_of(0)), Unit()).values[0] for _ in range(400)])
    for scale, right in ((1.0, True), (0.8, False), (1.25, False)):
        assert (abs(noise.std() * scale * 0.01 - 1) < 5 / math.sqrt(2 * noise.size)) == right


@pytest.mark.parametrize(
    ("unit", "l2"),
    [
        (Unit(), 1.0),
        (Unit(id_column="id", contributions=3), 3.0),
        (Unit(relation="replace_one"), math.sqrt(2)),
    ],
)
def test_sigma_is_that_of_a_marginal(unit: Unit, l2: float) -> None:
    assert asked(mu=0.5).sigma(unit) == pytest.approx(2 * l2, rel=1e-12)


def test_neighbours_differ_by_one_in_one_interval() -> None:
    rows = rows_of(600)
    scores = [
        asked(mu=1e6).run(table_of(part), Unit()).values[0] for part in (rows, np.delete(rows, 3, axis=0))
    ]
    assert np.abs(scores[0] - scores[1]).sum() == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"critic": Autoencoder()},
        {"mu": 0.0},
        {"edges": ()},
        {"edges": (1.0, 0.0)},
        {"edges": (0.0, 0.0)},
        {"edges": (0.0, math.nan)},
    ],
)
def test_what_is_no_histogram_of_scores_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="Expected"):
        asked(**wrong)


def test_a_critic_of_another_table_is_refused_before_anything_is_drawn() -> None:
    with pytest.raises(ConfigurationError, match="critic of this table"):
        asked().check(Domain(columns=("x",), sizes=(2,)), Unit())


def test_the_description_changes_with_every_parameter() -> None:
    other = PARAMETERS.copy()
    other[0] += 1
    told = [asked(**more).describe() for more in ({}, {"parameters": other}, {"edges": (0.0,)}, {"mu": 2.0})]
    assert len({str(each) for each in told}) == 4
    assert asked().describe() == told[0]


def test_only_the_columns_that_are_named_are_read() -> None:
    part = Domain(columns=("c", "a"), sizes=(4, 2))
    parameters = parameters_of(CRITIC, part).numpy()
    rows = rows_of(500)
    measured = asked(parameters=parameters, columns=part.columns, mu=1e6).run(table_of(rows), Unit())
    scores = row_scores(CRITIC, part, parameters, rows[:, [2, 0]])
    expected = np.bincount(np.searchsorted(EDGES, scores, side="right"), minlength=4)
    assert measured.values[0].tolist() == expected.tolist()
    with pytest.raises(ConfigurationError, match="modelled columns"):
        asked(columns=("c", "x")).check(DOMAIN, Unit())
