"""Distributions by name, truncated: bounds hold, shapes are right, tails keep their digits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dpsynth.errors import ConfigurationError
from dpsynth.generators.rules import Distribution

LAWS = [
    Distribution(name="norm", parameters={"loc": 3, "scale": 2}),
    Distribution(name="lognorm", parameters={"s": 0.7, "scale": 4}),
    Distribution(name="gamma", parameters={"a": 2.0, "scale": 3}),
    Distribution(name="beta", parameters={"a": 2.0, "b": 5.0, "scale": 20}),
    Distribution(name="uniform", parameters={"loc": -4, "scale": 12}),
    Distribution(name="poisson", parameters={"mu": 4}),
    Distribution(name="binom", parameters={"n": 12, "p": 0.4}),
    Distribution(name="geom", parameters={"p": 0.2}),
    Distribution(name="randint", parameters={"low": -3, "high": 9}),
]
UNIFORMS = np.linspace(0, 1, 401)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
@given(low=st.floats(1, 4), width=st.floats(0.5, 5))
def test_quantiles_are_those_of_the_truncated_distribution(
    law: Distribution, low: float, width: float
) -> None:
    high = low + width
    if law.discrete:
        low, high = np.floor(low), np.floor(low) + np.ceil(width)
    found = law.quantiles(UNIFORMS, low, high)
    assert ((found >= low) & (found <= high)).all()
    assert (np.diff(found) >= 0).all()
    exact = getattr(stats, law.name)(**dict(law.parameters))
    below = exact.cdf(low - 1) if law.discrete else exact.cdf(low)
    inside = (exact.cdf(found) - below) / (exact.cdf(high) - below)
    if law.discrete:  # the distribution function jumps: at a quantile it is at least u
        assert (inside >= UNIFORMS - 1e-9).all()
    else:
        assert inside == pytest.approx(UNIFORMS, abs=1e-6)


def test_far_tails_keep_their_digits() -> None:
    law = Distribution(name="norm")
    upper, lower = law.quantiles(UNIFORMS, 9.0, 10.0), law.quantiles(UNIFORMS, -10.0, -9.0)
    assert len(np.unique(upper)) > 390
    assert upper == pytest.approx(-lower[::-1], rel=1e-9)
    assert (
        stats.kstest(
            law.quantiles(np.random.default_rng(1).random(2000), 9.0, 99.0) - 9.0, "expon", (0, 1 / 9.1)
        ).pvalue
        > 1e-3
    )


def test_a_discrete_distribution_with_a_long_tail_needs_a_maximum() -> None:
    """scipy would sum a billion probabilities."""
    zipf = Distribution(name="zipf", parameters={"a": 1.5})
    with pytest.raises(ConfigurationError, match="closer bounds"):
        zipf.quantiles(UNIFORMS, 1, 2.0**50)
    assert zipf.quantiles(UNIFORMS, 1, 10**5).max() == 10**5
    with pytest.raises(ConfigurationError, match="closer bounds"):
        Distribution(name="randint", parameters={"low": 0, "high": 10**9}).quantiles(UNIFORMS, -1, 2.0**50)
    wide = Distribution(name="poisson", parameters={"mu": 1e6}).quantiles(UNIFORMS, 0, 2.0**50)
    assert wide[200] == pytest.approx(1e6, abs=2)


def test_ends_are_finite() -> None:
    assert np.isfinite(Distribution(name="cauchy").quantiles(np.array([0.0, 1.0]), -(2.0**50), 2.0**50)).all()


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("nrom", {}, r"no distribution 'nrom'. Did you mean one of \['norm'"),
        ("kstest", {}, "no distribution"),
        ("rv_continuous", {}, "no distribution"),
        ("gamma", {}, r"has the parameters \['a', 'loc', 'scale'\]; it lacks \['a'\]"),
        ("norm", {"sigma": 1}, r"it does not have \['sigma'\]"),
        ("poisson", {"mu": 1, "scale": 2}, "does not have"),
        ("norm", {"scale": -1}, "does not exist"),
        ("beta", {"a": -1, "b": 2}, "does not exist"),
    ],
)
def test_what_scipy_does_not_have_is_refused(name: str, parameters: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Distribution(name=name, parameters=parameters).check()


@pytest.mark.parametrize("name", ["__class__", "stats.norm", "_stats", "", "norm()", 3])
def test_a_name_is_a_plain_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match="name of a distribution"):
        Distribution(name=name)


def test_parameters_are_finite_numbers() -> None:
    with pytest.raises(ConfigurationError, match="norm: loc"):
        Distribution(name="norm", parameters={"loc": float("nan")})


@pytest.mark.parametrize(
    ("law", "low", "high"),
    [
        (Distribution(name="uniform"), 2.0, 3.0),
        (Distribution(name="randint", parameters={"low": 0, "high": 5}), 7.0, 9.0),
        (Distribution(name="norm"), 99.0, 100.0),
        (Distribution(name="poisson", parameters={"mu": 3}), 0.2, 0.8),
    ],
)
def test_no_mass_between_the_bounds_is_refused(law: Distribution, low: float, high: float) -> None:
    with pytest.raises(ConfigurationError, match="no mass between"):
        law.quantiles(UNIFORMS, low, high)
