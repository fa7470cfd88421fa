"""Every method that we ship passes the structural audit."""

from __future__ import annotations

import dataclasses
import importlib.util
import json

import pytest
from auditing.broken_generators import Training
from auditing.structural_mutants import ROW
from auditing.test_structural_mutants import only
from brief import brief

from dpsynth.auditing import Evidence, audit_discovery, audit_structure, configuration_digest
from dpsynth.auditing.structural import CHECKS
from dpsynth.errors import ConfigurationError
from dpsynth.generators.base import Generator
from dpsynth.generators.hybrid import Hybrid
from dpsynth.generators.pretraining import Pretraining
from dpsynth.generators.registry import names
from dpsynth.privacy.budget import Budget

DEEP = ("dpgan", "dpvae", "hybrid")


def small(method: str) -> Generator:
    """The brief configuration; pretraining, which sees no rows, as short as it gets."""
    generator = brief(method)
    if hasattr(generator, "pretraining"):
        return dataclasses.replace(generator, points=64, pretraining=Pretraining(rows=300, epochs=1))  # type: ignore[type-var]
    return dataclasses.replace(generator, public_rows=200) if isinstance(generator, Hybrid) else generator


@pytest.mark.parametrize("method", names())
def test_every_method_passes(method: str) -> None:
    if method in DEEP and importlib.util.find_spec("torch") is None:
        pytest.skip("needs the extra deep")
    generator = small(method)
    evidence = audit_structure(generator)
    assert evidence.failed == ()
    assert {check.name for check in evidence.checks} == set(CHECKS)
    assert (evidence.method, evidence.level) == (method, "structural")
    assert evidence.configuration == configuration_digest(generator)
    assert Evidence.from_json(json.loads(json.dumps(evidence.to_json()))) == evidence


def test_discovery_passes() -> None:
    assert audit_discovery().failed == ()


def test_the_same_audit_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, ROW)
    first, second = (audit_structure(brief("independent")) for _ in range(2))
    assert first == second


def test_a_method_that_takes_no_table_is_refused() -> None:
    class Nothing(Training):
        def plan(self, schema: object, budget: object) -> object:  # type: ignore[override]
            raise ConfigurationError("Not this one.")

    with pytest.raises(ConfigurationError, match="takes none of the made-up tables"):
        audit_structure(Nothing(), budget=Budget(epsilon=8.0, delta=1e-6))  # type: ignore[arg-type]
