"""P08: several rows of one person are one unit, not several."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms.gaussian import gaussian_sigma
from dpsynth.mechanisms.queries import Marginal
from dpsynth.privacy.unit import Unit
from dpsynth.schema.columns import Categorical, Identifier
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable
from dpsynth.session._vault import content_of


def people(k: int) -> Schema:
    return Schema(
        columns=(Identifier(name="person"), Categorical(name="visit", categories=("a", "b"))),
        unit=Unit(id_column="person", contributions=k),
    )


@pytest.mark.parametrize("k", [1, 2, 4])
def test_a_person_moves_the_counts_by_k_at_most(k: int) -> None:
    """The heaviest person of all is added: the change stays within the declared sensitivity."""
    rng = np.random.default_rng(0)
    others = pd.DataFrame({"person": rng.integers(0, 50, 300), "visit": rng.choice(["a", "b"], 300)})
    heavy = pd.DataFrame({"person": [999] * 40, "visit": ["a"] * 40})
    query = Marginal(columns=("visit",))
    counts = [
        content_of(PrivateTable.load(f, people(k)))
        .encode(people(k).modelled)
        .marginal_counts(("visit",))
        .sum()
        for f in (others, pd.concat([others, heavy]))
    ]
    assert counts[1] - counts[0] == k  # a twin without the cut would give 40
    assert query.sensitivity(people(k).unit).l1 == k


def test_the_bound_reaches_the_noise() -> None:
    query, mu = Marginal(columns=("visit",)), 0.5
    sigma = {k: gaussian_sigma(query, mu, people(k).unit) for k in (1, 4)}
    assert sigma[4] == pytest.approx(4 * sigma[1])


def test_rows_of_a_person_need_the_id_column() -> None:
    with pytest.raises(ConfigurationError, match="id column"):
        Unit(contributions=3)
