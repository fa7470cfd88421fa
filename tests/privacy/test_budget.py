from __future__ import annotations

import math

import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.privacy.budget import Budget


@pytest.mark.parametrize(
    "arguments",
    [{"epsilon": 1.0}, {"epsilon": 1, "delta": 1e-9}, {"rho": 0.1, "delta": 1e-9}],
)
def test_a_budget_holds_what_it_was_given(arguments: dict[str, float]) -> None:
    budget = Budget(**arguments)
    assert {name: getattr(budget, name) for name in arguments} == arguments


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"epsilon": 1.0, "rho": 1.0},
        {"epsilon": 0.0},
        {"epsilon": -1.0},
        {"epsilon": math.inf},
        {"epsilon": math.nan},
        {"epsilon": True},
        {"epsilon": "1"},
        {"epsilon": 1.0, "delta": -1e-9},
        {"epsilon": 1.0, "delta": 1.0},
        {"epsilon": 1.0, "delta": math.nan},
        {"rho": 0.1},
        {"rho": 0.0, "delta": 1e-9},
    ],
)
def test_an_impossible_budget_is_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=r"[Ee]xpected|needs"):
        Budget(**arguments)
