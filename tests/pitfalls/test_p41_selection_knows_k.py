"""P41: the contribution bound k reaches sigma, the threshold, delta and every step of discovery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import pandas as pd
import pytest

from dpsynth.mechanisms.partition import LabelledColumn, PartitionSelection
from dpsynth.privacy.unit import Unit
from dpsynth.schema.columns import Categorical, Identifier, Integer
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable
from dpsynth.session._vault import content_of
from dpsynth.session.discover import plan_discovery

RELATIONS: Any = ["add_remove", "replace_one"]
PARAMETERS = {"column": "c", "mu": 0.02, "delta": 1e-4}  # much noise, so that whole numbers hide nothing


@dataclass(frozen=True, kw_only=True, slots=True)
class ForgetsInSigma(PartitionSelection):
    def sigma(self, unit: Unit) -> float:
        return 1 / self.mu


@dataclass(frozen=True, kw_only=True, slots=True)
class ForgetsInThreshold(PartitionSelection):
    def threshold(self, unit: Unit) -> int:
        z = mpmath.sqrt(2) * mpmath.erfinv(1 - 2 * mpmath.mpf(self.delta))
        return int(mpmath.ceil(1.5 + z * self.sigma(unit)))


def keeps_its_promise(mechanism: PartitionSelection, unit: Unit) -> bool:
    """The two inequalities of the proof, computed afresh."""
    changed = unit.contributions * (2 if unit.relation == "replace_one" else 1)
    sigma = mpmath.mpf(mechanism.sigma(unit))
    leak = changed * mpmath.erfc((mechanism.threshold(unit) - 1.5) / sigma / mpmath.sqrt(2)) / 2
    return bool(mpmath.sqrt(changed) / sigma <= mechanism.mu * (1 + 1e-12) and leak <= mechanism.delta)


@pytest.mark.parametrize("relation", RELATIONS)
@pytest.mark.parametrize("k", [2, 3, 30])
def test_k_reaches_sigma_threshold_and_delta(k: int, relation: Any) -> None:
    one, many = (Unit(id_column="id", contributions=c, relation=relation) for c in (1, k))
    ours = PartitionSelection(**PARAMETERS)  # type: ignore[arg-type]
    assert keeps_its_promise(ours, one)
    assert keeps_its_promise(ours, many)
    assert ours.sigma(many) > ours.sigma(one)
    in_sigmas = [(ours.threshold(unit) - 1.5) / ours.sigma(unit) for unit in (one, many)]
    assert in_sigmas[1] > in_sigmas[0] + 0.1
    for twin in (ForgetsInSigma, ForgetsInThreshold):
        assert not keeps_its_promise(twin(**PARAMETERS), many)  # type: ignore[arg-type]


def test_replacing_costs_more_than_adding() -> None:
    ours = PartitionSelection(**PARAMETERS)  # type: ignore[arg-type]
    add, swap = (Unit(relation=relation) for relation in RELATIONS)
    assert ours.sigma(swap) == pytest.approx(2**0.5 * ours.sigma(add))
    assert ours.threshold(swap) > ours.threshold(add)


@pytest.mark.parametrize("k", [1, 3])
def test_one_unit_moves_at_most_k_counts_by_one(k: int) -> None:
    rng = np.random.default_rng(k)
    labels = rng.choice(list("abcdefgh"), 60)
    units = np.repeat(np.arange(10), 6)
    whole = LabelledColumn(labels, units)
    for _ in range(20):
        names, counts = whole.counts(k)
        assert counts.sum() <= 10 * k
        assert counts.max() <= 10
        mine = LabelledColumn(labels[units == 4], units[units == 4]).counts(k)[1]
        assert mine.sum() <= k
        assert mine.max() == 1
    assert len(names) == 8


def test_k_reaches_every_step_of_discovery() -> None:
    frame = pd.DataFrame({"id": np.repeat(np.arange(200), 3), "age": 30, "town": "ulm"})
    sigmas: dict[int, list[float]] = {}
    for k in (1, 3):
        columns = (Identifier(name="id"), Integer(name="age"), Categorical(name="town", categories=None))
        schema = Schema(columns=columns, unit=Unit(id_column="id", contributions=k))
        content = content_of(PrivateTable.load(frame, schema))
        town, age = schema.column("town"), Integer(name="age", minimum=0, maximum=99)
        plan = plan_discovery(schema, rho=0.5, delta=1e-6)
        tables = {"bounds": content.encode([age]), "categories": content.labels(town)}  # type: ignore[arg-type]
        answers = [item.mechanism().run(tables[item.what], schema.unit) for item in plan.items]  # type: ignore[arg-type]
        sigmas[k] = [answer.sigmas[0] for answer in answers]
    # A unit can put all its k rows into one cell of a histogram; a label counts it once.
    assert [many / one for many, one in zip(sigmas[3], sigmas[1], strict=True)] == pytest.approx(
        [3, 3**0.5], rel=0.15
    )
