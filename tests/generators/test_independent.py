from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dpsynth.generators.independent import Independent
from dpsynth.generators.one_ways import one_ways
from dpsynth.privacy.accountant import price
from dpsynth.schema.layout import Domain


def test_one_event_that_spends_the_budget(measurer: Callable[..., Any]) -> None:
    rng = np.random.default_rng(0)
    asked = measurer({"a": rng.choice(3, 5_000, p=[0.7, 0.2, 0.1]), "b": rng.integers(0, 2, 5_000)})
    plan = Independent().plan(asked.schema, asked.budget)
    model = Independent().fit(asked)
    assert asked.events == plan.events
    assert price(plan.events, delta=1e-9).epsilon == pytest.approx(1.0, rel=1e-4)
    np.testing.assert_allclose(model.marginal(["a"]), [0.7, 0.2, 0.1], atol=0.03)
    np.testing.assert_allclose(
        model.marginal(["a", "b"]), np.outer(model.marginal(["a"]), model.marginal(["b"])), atol=1e-12
    )


def test_larger_columns_get_more_precision_and_the_total_is_mu() -> None:
    mechanism = one_ways(Domain(columns=("a", "b", "c"), sizes=(8, 64, 1)), 0.5).mechanism
    assert [query.describe()["columns"] for query in mechanism.queries] == [["a"], ["b"]]
    small, large = mechanism.mus
    assert large**2 / small**2 == pytest.approx((64 / 8) ** (2 / 3))
    assert mechanism.event().mu == pytest.approx(0.5)
