"""The contract suite catches generators that break it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest

from dpsynth.errors import PrivacyError
from dpsynth.generators.base import Generator, Plan, Rng, random_generator
from dpsynth.generators.independent import Independent
from dpsynth.graphical.tree import TreeModel
from dpsynth.mechanisms import Marginal, Measurement
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.events import GaussianEvent
from dpsynth.schema.schema import Schema
from dpsynth.session.measurer import Measurer
from dpsynth.testing import GeneratorContract, check_generator
from dpsynth.testing.cases import PRIVATE_ROWS


@dataclass(frozen=True, kw_only=True)
class Honest:
    """Delegates everything; the twins below each break one promise."""

    name: ClassVar[str] = "independent"
    inner: Independent = field(default_factory=Independent)

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        return self.inner.plan(schema, budget)

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> TreeModel:
        return self.inner.fit(measurer, rng=rng)


@dataclass(frozen=True, kw_only=True)
class Moody(Honest):
    """Plans something else every time."""

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        return dataclasses.replace(
            super().plan(schema, budget), memory_bytes=int(np.random.default_rng().integers(1 << 40))
        )


@dataclass(frozen=True, kw_only=True)
class Renamed(Honest):
    def plan(self, schema: Schema, budget: Budget) -> Plan:
        return dataclasses.replace(super().plan(schema, budget), method="something")


@dataclass(frozen=True, kw_only=True)
class Greedy(Honest):
    """Plans more than the budget."""

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        plan = super().plan(schema, budget)
        step = dataclasses.replace(plan.steps[0], event=GaussianEvent(mu=3.0))
        return dataclasses.replace(plan, steps=(step,))


@dataclass(frozen=True, kw_only=True)
class Unfinished(Honest):
    """Plans a second step and never takes it."""

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        half = Budget(epsilon=(budget.epsilon or 0.1) / 4, delta=budget.delta)
        plan = super().plan(schema, half)
        return dataclasses.replace(plan, steps=plan.steps * 2)

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> TreeModel:
        class Quarter:
            schema = measurer.schema
            budget = Budget(epsilon=(measurer.budget.epsilon or 0.1) / 4, delta=measurer.budget.delta)
            measure = staticmethod(measurer.measure)
            select = staticmethod(measurer.select)

        return super().fit(Quarter(), rng=rng)


@dataclass(frozen=True, kw_only=True)
class Unplanned(Honest):
    """Measures once more than planned."""

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> TreeModel:
        super().fit(measurer, rng=rng)
        return super().fit(measurer, rng=rng)


@dataclass(frozen=True, kw_only=True)
class Unseeded(Honest):
    """Its model depends on more than measurements and seed."""

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> TreeModel:
        model = super().fit(measurer, rng=rng)
        return dataclasses.replace(model, total=model.total + random_generator(None).random())


@dataclass(frozen=True, kw_only=True)
class Adaptive(Honest):
    """Plans a whole instead of steps."""

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        plan = super().plan(schema, budget)
        return dataclasses.replace(plan, adaptive=True)


def schema_cells(schema: Schema, query: Any) -> int:
    return schema.domain.cells(query.columns) if isinstance(query, Marginal) else 1


@dataclass(frozen=True, kw_only=True)
class Silent(Adaptive):
    """Plans a whole and asks nothing."""

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> TreeModel:
        class Guess:
            schema, budget = measurer.schema, measurer.budget

            @staticmethod
            def measure(mechanism: Any) -> Measurement:
                return Measurement(
                    mechanism=mechanism.describe(),
                    event=mechanism.event(),
                    values=tuple(np.ones(schema_cells(measurer.schema, q)) for q in mechanism.queries),
                    sigmas=mechanism.sigmas(measurer.schema.unit),
                )

        return self.inner.fit(Guess(), rng=rng)  # type: ignore[arg-type]


class Outside(TreeModel):
    """Draws codes that no column has."""

    def sample_codes(
        self, rows: int, rng: np.random.Generator, given: Mapping[str, int] | None = None
    ) -> dict[str, np.ndarray[Any, Any]]:
        return {name: codes + 1 for name, codes in super().sample_codes(rows, rng, given).items()}


class Deaf(TreeModel):
    """Does not hear `given`."""

    def sample_codes(
        self, rows: int, rng: np.random.Generator, given: Mapping[str, int] | None = None
    ) -> dict[str, np.ndarray[Any, Any]]:
        return super().sample_codes(rows, rng)


class Hoarder(TreeModel):
    """Has kept one number for each private row."""

    cache: ClassVar[Any]

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
        header, arrays = super().state()
        return header, arrays | {"cache": np.zeros(PRIVATE_ROWS)}


@dataclass(frozen=True, kw_only=True)
class With(Honest):
    """Returns another kind of model."""

    kind: type[TreeModel] = TreeModel

    def fit(self, measurer: Measurer, *, rng: Rng = None) -> TreeModel:
        model = super().fit(measurer, rng=rng)
        parts = {item.name: getattr(model, item.name) for item in dataclasses.fields(model)}
        return self.kind(**parts)


@pytest.mark.parametrize("generator", [Honest(), Adaptive()], ids=["steps", "a whole"])
def test_an_honest_generator_passes(generator: Generator) -> None:
    check_generator(generator)


@dataclass(frozen=True, kw_only=True)
class Boastful(Honest):
    """Says that it holds structural zeros, and does not."""

    holds_zeros: ClassVar[bool] = True


class Forgetful(TreeModel):
    """Draws rows that obey, and gives answers that do not."""

    def sample_codes(
        self, rows: int, rng: np.random.Generator, given: Mapping[str, int] | None = None
    ) -> dict[str, np.ndarray[Any, Any]]:
        codes = super().sample_codes(rows, rng, given)
        if "grade" in codes and "age" in codes and len(self.schema.domain.columns) == 3:
            codes["grade"][codes["age"] == 0] = 4  # nothing but missing
        return codes


@dataclass(frozen=True, kw_only=True)
class Half(Boastful):
    def fit(self, measurer: Measurer, *, rng: Rng = None) -> TreeModel:
        model = super().fit(measurer, rng=rng)
        return Forgetful(**{item.name: getattr(model, item.name) for item in dataclasses.fields(model)})


BROKEN: list[tuple[Generator, str, str]] = [
    (Moody(), "test_the_plan_is_deterministic", "differ"),
    (Renamed(), "test_the_plan_is_deterministic", "another method"),
    (Greedy(), "test_the_plan_stays_within_the_budget", "exceeds"),
    (Silent(), "test_fit_asks_exactly_what_was_planned", "or nothing"),
    (Unseeded(), "test_replay_gives_the_identical_model", "not measured"),
    (With(kind=Outside), "test_samples_are_in_the_domain", "outside its domain"),
    (With(kind=Deaf), "test_given_values_are_honoured", "given"),
    (Boastful(), "test_constraints_hold", "rows break the one on"),
    (Half(), "test_constraints_hold", "answers break"),
    (With(kind=Hoarder), "test_the_model_holds_no_rows", "each private row"),
]


@pytest.mark.parametrize(
    ("generator", "check", "message"), BROKEN, ids=[type(g).__name__ + check for g, check, _ in BROKEN]
)
def test_a_broken_generator_is_caught(generator: Generator, check: str, message: str) -> None:
    contract = type("Broken", (GeneratorContract,), {"generator": generator})()
    with pytest.raises(AssertionError, match=message):
        getattr(contract, check)()


@pytest.mark.parametrize("generator", [Unplanned(), Unfinished()], ids=["asks more", "asks less"])
def test_the_session_refuses_a_fit_that_leaves_its_plan(generator: Generator) -> None:
    with pytest.raises(PrivacyError):
        check_generator(generator)


def test_a_model_that_holds_a_frame_is_caught() -> None:
    import pandas as pd

    @dataclass(frozen=True, kw_only=True, eq=False)
    class Cached(TreeModel):
        frame: Any = None

    @dataclass(frozen=True, kw_only=True)
    class Caching(Honest):
        def fit(self, measurer: Measurer, *, rng: Rng = None) -> TreeModel:
            model = super().fit(measurer, rng=rng)
            parts = {item.name: getattr(model, item.name) for item in dataclasses.fields(model)}
            return Cached(**parts, frame=[{"inner": pd.DataFrame({"a": [1]})}])

    contract = type("Broken", (GeneratorContract,), {"generator": Caching()})()
    with pytest.raises(AssertionError, match="holds a DataFrame"):
        contract.test_the_model_holds_no_rows()
