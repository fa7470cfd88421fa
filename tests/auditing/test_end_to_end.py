"""Audits of whole runs: what they report, what they refuse to pass, and how close they come to the claim."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from dpsynth.auditing.canaries import audit_canaries
from dpsynth.auditing.end_to_end import audit_runs
from dpsynth.auditing.evidence import Evidence
from dpsynth.auditing.worst_cases import alone, balanced, crowd
from dpsynth.errors import ConfigurationError
from dpsynth.generators.base import Plan
from dpsynth.generators.deep import Schedule
from dpsynth.generators.independent import Independent
from dpsynth.generators.pretraining import Pretraining
from dpsynth.generators.registry import get
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.unit import Unit
from dpsynth.testing import insecure_noise

SCHEDULE = Schedule(rounds=4, steps=1, sampling_rate=1.0, thorough=False, public_weight=0.0, clip=0.05)
SMALL: dict[str, Any] = {
    "hidden": (16,),
    "latent": 3,
    "points": 256,
    "pretraining": Pretraining(rows=2_000, epochs=3),
}
TRAINED: dict[str, dict[str, Any]] = {
    "dpgan": {**SMALL, "critic_hidden": (16,), "generator_steps": 3},
    "dpvae": SMALL,
    "hybrid": {"hidden": (16,), "public_rows": 500},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Whimsical:
    """Adds to its answers something that does not follow from them."""

    name: ClassVar[str] = "whimsical"

    def plan(self, schema: Any, budget: Budget) -> Plan:
        return replace(Independent().plan(schema, budget), method=self.name)

    def fit(self, measurer: Any, *, rng: Any = None) -> Any:
        model = Independent().fit(measurer, rng=rng)
        return replace(model, total=model.total + float(np.random.default_rng().random()))


def failed(found: Evidence) -> set[str]:
    return {check.name for check in found.checks if not check.passed}


@pytest.mark.parametrize("case", [crowd(), alone(), balanced(), alone(Unit(relation="replace_one"))])
def test_an_audit_reports_claim_bound_and_ceiling(case: Any) -> None:
    with insecure_noise(1):
        found = audit_runs(Independent(), runs=30, case=case, rng=1)
    assert failed(found) == set()
    assert 0 <= found.lower_bound_mu <= found.claim.mu == pytest.approx(0.5325, abs=1e-4)
    assert found.claim.mu < found.ceiling_mu
    assert found.lower_bound <= found.claim.epsilon == pytest.approx(1, abs=1e-6)
    assert case.name in found.threat_model
    assert str(case.base.unit) in found.threat_model
    assert "deterministic noise of tests" in found.threat_model
    assert Evidence.from_json(found.to_json()) == found


def test_a_model_that_holds_more_than_the_answers_fails() -> None:
    with insecure_noise(1):
        found = audit_runs(Whimsical(), runs=4, rng=1)
    assert "nothing beside the answers" in failed(found)


def test_an_audit_that_could_not_have_failed_does_not_pass() -> None:
    with insecure_noise(1):
        found = audit_runs(Independent(), runs=4, case=alone(), budget=Budget(epsilon=9.0, delta=1e-6), rng=1)
    assert failed(found) == {"could have failed"}


def test_little_noise_is_no_copy_of_itself() -> None:
    with insecure_noise(1):
        found = audit_runs(
            Independent(), runs=4, case=alone(), budget=Budget(epsilon=500.0, delta=1e-6), rng=1
        )
    assert failed(found) == {"could have failed"}


def test_without_a_mu_the_bound_is_on_epsilon() -> None:
    with insecure_noise(1):
        found = audit_runs(get("aim"), runs=6, case=balanced(), budget=Budget(rho=0.05, delta=1e-2), rng=1)
    assert found.claim.mu is None
    assert found.lower_bound_mu is None is found.ceiling_mu
    assert 0 <= found.lower_bound < found.ceiling


def test_few_runs_and_wide_shares_are_refused() -> None:
    with pytest.raises(ConfigurationError):
        audit_runs(Independent(), runs=2)
    with pytest.raises(ConfigurationError):
        crowd(Unit(relation="replace_one"))
    with pytest.raises(ConfigurationError):
        audit_canaries(get("dpvae"), canaries=100, guessed=1.5)


@pytest.mark.parametrize("method", ["dpvae", "hybrid"])
def test_canaries_of_methods_that_train_stay_within_the_claim(method: str) -> None:
    generator = get(method, schedule=SCHEDULE, training_share=0.8, **TRAINED[method])
    with insecure_noise(1):
        found = audit_canaries(generator, canaries=200, rng=1)
    assert failed(found) == set()
    assert 0 <= found.lower_bound <= 1 < found.ceiling
    assert "deterministic noise of tests" in found.threat_model
    assert Evidence.from_json(found.to_json()) == found


@pytest.mark.slow
@pytest.mark.parametrize("method", ["dpgan", "dpvae", "hybrid"])
def test_a_thousand_canaries_at_a_large_epsilon_say_something(method: str) -> None:
    generator = get(method, schedule=SCHEDULE, training_share=0.5, **TRAINED[method])
    with insecure_noise(1):
        found = audit_canaries(generator, budget=Budget(epsilon=4.0, delta=1e-5), canaries=2000, rng=1)
    assert failed(found) == set()
    assert 0.2 < found.lower_bound <= 4 < found.ceiling


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "runs", "share"),
    [
        ("mst", 4000, 0.85),
        ("aim", 3000, 0.8),
        ("independent", 1000, 0.75),
        ("privbayes", 1000, 0.7),
        ("allpairs", 1000, 0.75),
    ],
)
def test_the_bound_comes_close_to_the_claim_and_not_above(method: str, runs: int, share: float) -> None:
    with insecure_noise(1):
        found = audit_runs(get(method), runs=runs, rng=1)
    assert failed(found) == set()
    assert share <= found.lower_bound_mu / found.claim.mu <= 1
