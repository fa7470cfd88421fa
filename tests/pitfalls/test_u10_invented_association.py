"""U10: noise between independent columns comes out as an association."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from dpsynth.generators.allpairs import AllPairs
from dpsynth.generators.mst import MST
from dpsynth.generators.refinement import _least_risk
from dpsynth.graphical.consistency import project_to_simplex, rake
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.schema.columns import Categorical
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable, Session

NAMES = ("a", "b", "c", "d")
SCHEMA = Schema(columns=tuple(Categorical(name=n, categories=tuple(range(8)), required=True) for n in NAMES))
ROWS = 2_000


def independent() -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(0).integers(0, 8, (ROWS, 4)), columns=list(NAMES))


def association(pair: np.ndarray) -> float:
    """Total variation distance of a table from the product of its margins."""
    share = pair / pair.sum()
    return float(0.5 * np.abs(share - np.outer(share.sum(1), share.sum(0))).sum())


def test_u10_independent_columns_stay_nearly_independent_at_a_low_budget() -> None:
    found = []
    for _ in range(6):
        with Ledger.in_memory() as ledger:
            table = PrivateTable.load(independent(), SCHEMA)
            session = Session.open(
                table, budget=Budget(epsilon=0.1, delta=1e-9), ledger=ledger, dataset="u10"
            )
            model = session.run(MST())
        edges = [(parent, name) for name, parent in model.order if parent is not None]
        found += [association(model.marginal(edge)) for edge in edges]
    assert len(found) == 18
    # Noise passes for an association in less than one of a thousand pairs.
    assert sum(strength > 0.05 for strength in found) <= 1


@pytest.mark.parametrize(("epsilon", "mean", "most"), [(0.1, 0.0, 0.0), (1.0, 0.04, 0.25)])
def test_u10_of_all_pairs_none_is_given_an_association(epsilon: float, mean: float, most: float) -> None:
    """Where noise would drown all pairs, none at all; else hardly more than the sample itself has (0.056)."""
    found = []
    for _ in range(6):
        with Ledger.in_memory() as ledger:
            table = PrivateTable.load(independent(), SCHEMA)
            budget = Budget(epsilon=epsilon, delta=1e-9)
            session = Session.open(table, budget=budget, ledger=ledger, dataset="u10")
            model = session.run(AllPairs())
        drawn = model.sample_codes(20_000, np.random.default_rng(0))
        for left, right in itertools.combinations(NAMES, 2):
            found.append(association(model.marginal([left, right])))
            counts = np.bincount(drawn[left] * 8 + drawn[right], minlength=64).reshape(8, 8)
            assert association(counts) < found[-1] + 0.02  # sampling invents none either
    assert np.mean(found) <= mean + 1e-9
    assert max(found) <= most + 1e-9


def test_u10_fitting_the_noise_would_invent_strong_ones() -> None:
    rng = np.random.default_rng(1)
    exact = np.full((8, 8), ROWS / 64)
    fitted = project_to_simplex(exact + rng.normal(0, 150, (8, 8)), ROWS)
    margin = np.full(8, ROWS / 8)
    assert association(rake(fitted, margin, margin)) > 0.3


@pytest.mark.parametrize("sigma", [100.0, 400.0, 1500.0])
def test_a_second_look_keeps_what_is_known_unless_another_table_is_clearly_better(sigma: float) -> None:
    """Without the two standard deviations a quarter to a half of these tables would be replaced."""
    rng = np.random.default_rng(3)
    known = np.full((24, 24), 20_000 / 576)
    kept = [
        np.allclose(_least_risk(known + rng.normal(size=known.shape) * sigma, sigma, known), known)
        for _ in range(60)
    ]
    assert np.mean(kept) >= 0.85
