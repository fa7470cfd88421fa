from __future__ import annotations

import json
import math
from fractions import Fraction

import numpy as np
import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.mechanisms import (
    GaussianMechanism,
    LaplaceMechanism,
    Marginal,
    MergedMarginal,
    PredictionHits,
    Total,
    gaussian_sigma,
    laplace_scale,
)
from dpsynth.mechanisms._additive import QUERIES
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.events import GaussianEvent, LaplaceEvent
from dpsynth.privacy.unit import Unit
from dpsynth.schema.layout import Domain
from dpsynth.testing.insecure import insecure_noise

QUERIES_ASKED = (Marginal(columns=("a", "b")), Marginal(columns=("c",)), Total())
GAUSSIAN = GaussianMechanism(queries=QUERIES_ASKED, mus=(0.1, 0.2, 0.7))
LAPLACE = LaplaceMechanism(queries=QUERIES_ASKED, epsilons=(0.1, 0.2, 0.7))
BOTH = pytest.mark.parametrize("mechanism", [GAUSSIAN, LAPLACE], ids=["gaussian", "laplace"])
UNITS = [Unit(), Unit(relation="replace_one"), Unit(relation="replace_one", id_column="id", contributions=7)]


def test_the_events_compose_the_queries_outward() -> None:
    event = GAUSSIAN.event()
    assert isinstance(event, GaussianEvent)
    assert Fraction(event.mu) ** 2 >= sum(Fraction(mu) ** 2 for mu in GAUSSIAN.mus)
    assert event.mu == pytest.approx(math.sqrt(0.54))
    paid = LAPLACE.event()
    assert isinstance(paid, LaplaceEvent)
    assert Fraction(paid.epsilon) >= sum(Fraction(epsilon) for epsilon in LAPLACE.epsilons)
    assert paid.epsilon == pytest.approx(1.0)


@pytest.mark.parametrize("unit", UNITS)
def test_scales_are_sensitivity_over_parameter_rounded_up(unit: Unit) -> None:
    for query, mu, sigma in zip(QUERIES_ASKED, GAUSSIAN.mus, GAUSSIAN.sigmas(unit), strict=True):
        assert sigma == gaussian_sigma(query, mu, unit)
        assert Fraction(sigma) * Fraction(mu) >= Fraction(query.sensitivity(unit).l2)
        assert sigma == pytest.approx(query.sensitivity(unit).l2 / mu, rel=1e-15)
    for query, epsilon, scale in zip(QUERIES_ASKED, LAPLACE.epsilons, LAPLACE.scales(unit), strict=True):
        assert scale == laplace_scale(query, epsilon, unit)
        assert Fraction(scale) * Fraction(epsilon) >= Fraction(query.sensitivity(unit).l1)
        assert scale == pytest.approx(query.sensitivity(unit).l1 / epsilon, rel=1e-15)


@BOTH
def test_a_measurement_says_what_was_done(mechanism, table: EncodedTable) -> None:
    measurement = mechanism.run(table, Unit())
    assert measurement.mechanism == mechanism.describe()
    assert measurement.event == mechanism.event()
    assert [value.shape for value in measurement.values] == [(6,), (4,), (1,)]
    for value, sigma in measurement:
        assert value.dtype == np.int64
        assert not value.flags.writeable
        assert sigma > 0
    variance = 1.0 if mechanism is GAUSSIAN else 2.0
    assert measurement.sigmas[0] == pytest.approx(math.sqrt(variance * 100 + 1 / 12))


@BOTH
def test_noise_is_added_to_the_exact_answers(mechanism, table: EncodedTable) -> None:
    exact = table.counts_of([query.counted for query in mechanism.queries])
    with insecure_noise(4):
        first = mechanism.run(table, Unit()).values
    with insecure_noise(4):
        again = mechanism.run(table, Unit()).values
    for one, other, truth in zip(first, again, exact, strict=True):
        np.testing.assert_array_equal(one, other)
        assert np.abs(one - truth).max() < 10 * 40  # forty standard deviations at most
    assert any((one != truth).any() for one, truth in zip(first, exact, strict=True))


@pytest.mark.parametrize(("kind", "name"), [(GaussianMechanism, "mus"), (LaplaceMechanism, "epsilons")])
def test_a_huge_budget_gives_the_exact_answers(kind, name: str, table: EncodedTable) -> None:
    mechanism = kind(queries=QUERIES_ASKED, **{name: (1e6, 1e6, 1e6)})
    exact = table.counts_of([query.counted for query in QUERIES_ASKED])
    for counts, value in zip(exact, mechanism.run(table, Unit()).values, strict=True):
        np.testing.assert_array_equal(value, counts)


@BOTH
def test_descriptions_are_stable_json(mechanism) -> None:
    text = json.dumps(mechanism.describe(), sort_keys=True)
    assert json.loads(text) == mechanism.describe()
    parameters = "mus" if mechanism is GAUSSIAN else "epsilons"
    twin = type(mechanism)(queries=mechanism.queries, **{parameters: getattr(mechanism, parameters)})
    assert twin == mechanism
    assert twin.describe() == mechanism.describe()
    other = type(mechanism)(queries=mechanism.queries[:2], **{parameters: (0.1, 0.2)})
    assert other.describe() != mechanism.describe()


@pytest.mark.parametrize(("kind", "name"), [(GaussianMechanism, "mus"), (LaplaceMechanism, "epsilons")])
def test_each_map_from_codes_to_buckets_is_told_once(kind, name: str) -> None:
    left, right, other = tuple(range(50)), (0, 1) * 25, (1, 0) * 25
    queries = (
        Marginal(columns=("a",)),
        *(MergedMarginal(columns=("b", f"c{i}"), groups=(left, right)) for i in range(40)),
        MergedMarginal(columns=("c0", "b"), groups=(other, left)),
        Total(),
    )
    told = kind(queries=queries, **{name: (0.1,) * len(queries)}).describe()
    assert told["maps"] == [list(left), list(right), list(other)]
    assert told["groups"] == [[], *[[0, 1]] * 40, [2, 0], []]
    assert json.loads(json.dumps(told)) == told
    swapped = (*queries[:1], MergedMarginal(columns=("b", "c0"), groups=(left, other)), *queries[2:])
    assert kind(queries=swapped, **{name: (0.1,) * len(queries)}).describe() != told


class Liar(Marginal):
    """A query that would understate its sensitivity."""


@pytest.mark.parametrize(("kind", "name"), [(GaussianMechanism, "mus"), (LaplaceMechanism, "epsilons")])
def test_impossible_plans_are_refused(kind, name: str, domain: Domain) -> None:
    query = Marginal(columns=("a",))
    for queries, parameters, words in (
        ((), (), "some queries"),
        ((query,), (1.0, 1.0), "some queries"),
        ((query,), (0.0,), "> 0"),
        ((query,), (math.nan,), name),
        ((query,), ("1",), name),
        ((Liar(columns=("a",)),), (1.0,), "Liar"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            kind(queries=queries, **{name: parameters})
    tiny = kind(queries=(query,), **{name: (1e-300,)})
    with pytest.raises(ConfigurationError, match="noise scale"):
        tiny.check(domain, Unit())
    unknown = kind(queries=(Marginal(columns=("salary",)),), **{name: (1.0,)})
    with pytest.raises(ConfigurationError, match="'salary'"):
        unknown.check(domain, Unit())


@BOTH
def test_nothing_is_drawn_for_a_query_that_does_not_fit(mechanism, scripted) -> None:
    empty = EncodedTable(Domain(columns=("a",), sizes=(2,)), {"a": np.array([], dtype=np.int32)}, rows=0)
    with scripted(), pytest.raises(ConfigurationError, match="'b'"):
        mechanism.run(empty, Unit())


def test_the_set_of_queries_is_closed() -> None:
    assert set(QUERIES) == {Marginal, MergedMarginal, Total, PredictionHits}


def test_a_stated_price_must_cover_the_queries() -> None:
    query = (Marginal(columns=("a",)),)
    stated = GaussianMechanism(queries=query, mus=(0.2,), total=0.25)
    assert stated.event() == GaussianEvent(mu=0.25)
    assert stated.describe()["total"] == 0.25
    assert stated.sigmas(Unit()) == GaussianMechanism(queries=query, mus=(0.2,)).sigmas(Unit())
    assert GaussianMechanism(queries=query, mus=(0.2,), total=0.2).event().mu == 0.2
    assert "total" not in GaussianMechanism(queries=query, mus=(0.2,)).describe()
    for total, words in ((math.nextafter(0.2, 0), "covers the mus"), (0.0, "> 0"), (math.inf, "finite")):
        with pytest.raises(ConfigurationError, match=words):
            GaussianMechanism(queries=query, mus=(0.2,), total=total)
