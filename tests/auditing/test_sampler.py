"""The laws that the auditor derives, and the tests of numbers that should be uniform."""

from __future__ import annotations

import math

import numpy as np
import pytest
from brief import brief
from scipy.special import ndtr

from dpsynth.auditing import copies, sampler
from dpsynth.auditing.evidence import Evidence
from dpsynth.auditing.laws import Chosen, Noisy, laws, log_likelihood
from dpsynth.auditing.recorded import asked_again
from dpsynth.auditing.sampler import audit_sampler
from dpsynth.auditing.uniformity import LEVEL, Draw, checks_of_choices, checks_of_noise
from dpsynth.auditing.worst_cases import MadeUp, alone, balanced, empty_like, skewed
from dpsynth.errors import ConfigurationError
from dpsynth.generators.registry import get
from dpsynth.mechanisms import (
    ExponentialMechanism,
    GaussianMechanism,
    LaplaceMechanism,
    Marginal,
    MarginalGap,
    MergedMarginal,
    NoisyScores,
    PartitionSelection,
    Total,
)
from dpsynth.privacy.unit import Unit
from dpsynth.testing import insecure_noise

REPLACED = Unit(relation="replace_one")


def drawn(uniform: np.ndarray, cells: int = 20) -> list[list[Draw]]:
    empty = np.arange(cells) % 2 == 0
    return [[Draw(uniform=row, empty=empty) for row in uniform.reshape(-1, cells)]]


def failed(series: list[list[Draw]]) -> set[str]:
    return {check.name for check in checks_of_noise(series) if not check.passed}


UNIFORM = np.random.default_rng(1).random(8000)
NORMAL = np.random.default_rng(2).normal(size=8000)


def test_uniform_numbers_pass() -> None:
    assert failed(drawn(UNIFORM)) == set()


@pytest.mark.parametrize(
    ("normal", "expected"),
    [
        (NORMAL * 0.9, {"scale", "scale on empty cells", "scale on occupied cells"}),
        (NORMAL * 1.1, {"scale", "scale on empty cells", "scale on occupied cells"}),
        (NORMAL + 0.1, {"centre"}),
        (np.where(np.arange(8000) % 2 == 0, NORMAL * 0.8, NORMAL), {"scale on empty cells"}),
        (np.where(np.arange(8000) % 2 == 1, NORMAL * 0.8, NORMAL), {"scale on occupied cells"}),
        (np.repeat(NORMAL[:4000], 2), {"neighbouring cells"}),
        (np.tile(NORMAL[:20], 400), {"answers one after the other"}),
        (np.sign(NORMAL) * math.sqrt(1.0), {"law"}),
    ],
    ids=["smaller", "larger", "moved", "empty", "occupied", "pairs", "repeated", "two values"],
)
def test_each_departure_is_seen(normal: np.ndarray, expected: set[str]) -> None:
    assert expected <= failed(drawn(ndtr(normal)))


def test_false_alarms_are_as_rare_as_stated() -> None:
    """At a level a hundred thousand times as high, where they can be counted."""
    rng, alarms, audits = np.random.default_rng(4), 0, 150
    for _ in range(audits):
        checks = checks_of_noise(drawn(rng.random(400)))
        tails = [float(check.detail.rsplit("p = ")[-1]) for check in checks]
        alarms += sum(tail < 1e5 * LEVEL for tail in tails)
    assert alarms <= audits * len(checks) * 1e5 * LEVEL * 1.25


def test_choices_that_are_too_often_the_likely_ones_are_seen() -> None:
    empty = np.zeros(1, bool)
    honest = [Draw(uniform=UNIFORM[i : i + 1], empty=empty) for i in range(4000)]
    greedy = [Draw(uniform=UNIFORM[i : i + 1] ** 1.2, empty=empty) for i in range(4000)]
    assert all(check.passed for check in checks_of_choices(honest))
    assert not all(check.passed for check in checks_of_choices(greedy))


@pytest.mark.parametrize("law", ["gaussian", "laplace"])
@pytest.mark.parametrize("scale", [0.4, 3.0])
def test_rounded_noise_becomes_uniform(law: str, scale: float) -> None:
    rng = np.random.default_rng(6)
    noise = rng.normal(0, scale, 20_000) if law == "gaussian" else rng.laplace(0, scale, 20_000)
    noisy = Noisy(exact=np.full(20_000, 7.0), scale=scale, law=law)  # type: ignore[arg-type]
    uniform = noisy.uniforms(7 + np.rint(noise), rng.random(20_000))
    assert failed(drawn(uniform)) == set()
    assert "scale" in failed(drawn(noisy.uniforms(7 + np.rint(1.1 * noise), rng.random(20_000))))


def test_choices_become_uniform() -> None:
    rng, shares = np.random.default_rng(7), np.array([0.2, 0.5, 0.3])
    law = Chosen(log_weights=np.log(shares))
    picks = rng.choice(3, 5000, p=shares)
    uniform = np.array([law.uniforms(np.array([pick]), rng.random(1)) for pick in picks]).ravel()
    assert failed(drawn(uniform)) == set()
    assert law.log_likelihood(np.array([1.0])) == pytest.approx(math.log(0.5))


def test_the_auditor_counts_as_the_session_does() -> None:
    made = skewed()
    asked = GaussianMechanism(
        queries=(
            Marginal(columns=("c1", "c0")),
            MergedMarginal(columns=("c2", "c1"), groups=((0, 0, 1, 1), (1, 0, 0, 2, 2))),
            Total(),
        ),
        mus=(1e3, 1e3, 1e3),
    )
    (found,) = asked_again(asked, made, times=1)
    known = laws(asked, found, made)
    assert [law.exact.tolist() for law in known] == [values.tolist() for values in found.values]


def test_scales_follow_from_the_unit_and_the_price() -> None:
    made, replaced = alone().present, alone(REPLACED).present
    asked = GaussianMechanism(queries=(Marginal(columns=("c0",)), Total()), mus=(0.3, 0.4))
    for table, expected in ((made, [1 / 0.3, 1 / 0.4]), (replaced, [math.sqrt(2) / 0.3, 1 / 0.4])):
        (found,) = asked_again(asked, table, times=1)
        assert [law.scale for law in laws(asked, found, table)] == pytest.approx(expected)
        assert found.sigmas == pytest.approx([math.hypot(each, math.sqrt(1 / 12)) for each in expected])
    laplace = LaplaceMechanism(queries=(Marginal(columns=("c0",)),), epsilons=(0.5,))
    (found,) = asked_again(laplace, replaced, times=1)
    assert [law.scale for law in laws(laplace, found, replaced)] == [4.0]


def test_probabilities_of_choices_follow_from_scores() -> None:
    made = balanced().present
    gap = MarginalGap(
        cliques=(("c0",), ("c1", "c2")),
        estimates=(np.array([190, 210]), np.array([100, 100, 100, 100])),
        weights=(2, 1),
        penalties=(0, 300),
    )
    choice = ExponentialMechanism(score=gap, epsilon=0.1)
    (found,) = asked_again(choice, made, times=1)
    (law,) = laws(choice, found, made)
    first, second = 2 * (abs(200 - 190) + abs(201 - 210)), 2 * 100 + 100 + 99 - 300
    ratio = math.exp(0.1 * (first - second) / (2 * 2))
    assert np.exp(law.log_weights) == pytest.approx([ratio / (1 + ratio), 1 / (1 + ratio)])
    scores = NoisyScores(score=gap, mu=0.2)
    (found,) = asked_again(scores, made, times=1)
    (law,) = laws(scores, found, made)
    assert law.exact.tolist() == [first, second]
    assert law.scale == pytest.approx(math.sqrt(2) * 2 / 0.2)


def test_likelihoods_prefer_the_table_that_answered() -> None:
    case = alone()
    asked = GaussianMechanism(queries=(Marginal(columns=("c0",)),), mus=(8.0,))
    for table, sign in ((case.present, 1), (case.without, -1)):
        (found,) = asked_again(asked, table, times=1)
        ratio = log_likelihood(asked, found, case.present) - log_likelihood(asked, found, case.without)
        assert sign * ratio > 0


def test_what_the_auditor_does_not_know_is_refused() -> None:
    made = alone().present
    asked = GaussianMechanism(queries=(Total(),), mus=(1.0,))
    (found,) = asked_again(asked, made, times=1)
    with pytest.raises(ConfigurationError, match="PartitionSelection"):
        laws(PartitionSelection(column="c0", mu=1.0, delta=1e-6), found, made)


def test_made_up_tables_are_what_they_say() -> None:
    for case in (alone(), balanced(), alone(REPLACED), balanced(REPLACED)):
        surplus = {}
        for table, sign in ((case.present, 1), (case.without, -1)):
            for row in table.rows.tolist():
                surplus[tuple(row)] = surplus.get(tuple(row), 0) + sign
        changed = [value for value in surplus.values() if value]
        assert sorted(changed) == ([1] if case.present.unit.relation == "add_remove" else [-1, 1])
    assert len(empty_like(skewed()).rows) == 0
    with pytest.raises(ConfigurationError):
        alone(Unit(id_column="c0"))
    with pytest.raises(ConfigurationError):
        MadeUp(sizes=(2,), rows=np.zeros((3, 2), np.int64))


@pytest.mark.parametrize("method", ["independent", "mst", "allpairs"])
def test_our_noise_has_the_law_that_was_paid(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "checks_of_copies", tuple)
    with insecure_noise(1):
        found = audit_sampler(get(method), draws=2000, rng=1)
    assert found.verdict == "pass", found.in_words()
    assert "deterministic noise of tests" in found.threat_model
    assert 0.7 < found.lower_bound_mu / found.claim.mu < 1 < found.ceiling_mu / found.claim.mu
    assert Evidence.from_json(found.to_json()) == found


def test_a_process_that_starts_from_a_seed_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys; sys.stdout.write(bytes(range(99)).hex())"
    monkeypatch.setattr(copies, "_FRESH", (copies._FRESH[0], "-c", code))
    assert [check.name for check in copies.checks_of_copies() if not check.passed] == ["two processes"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", ["independent", "mst", "aim", "privbayes", "allpairs", "dpgan", "dpvae", "hybrid"]
)
def test_the_noise_of_every_method_has_the_law_that_was_paid(method: str) -> None:
    found = audit_sampler(brief(method))
    assert found.verdict == "pass", found.in_words()
