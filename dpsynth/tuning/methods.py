"""The methods of a sweep, configured, and what a run of each promises at an epsilon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.evaluation.bias import smallest_group
from dpsynth.generators.derived import with_constraints
from dpsynth.generators.registry import get
from dpsynth.privacy.accountant import price
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.risk import risk

if TYPE_CHECKING:
    from dpsynth.generators.base import Generator, Plan
    from dpsynth.schema.schema import Schema

__all__ = ["Methods", "Promise", "configured", "promised", "swept"]

Methods = str | Sequence["str | Generator"] | Mapping[str, "str | Generator"]
"""Names with commas, names and configured generators, or those by a label."""

_ONE_WAY = "noise of a one-way count (rows)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """What a run means for one person, from its plan alone.

    Attributes:
        plan: What would be asked.
        mu: It is exactly mu-GDP; None where that is not known.
        advantage: The largest of any attack.
        odds: A sentence.
        reliable: Rows of the smallest group whose count is known within 10 %; None where the plan does not
            say how noisy a count is.
    """

    plan: Plan
    mu: float | None
    advantage: float
    odds: str
    reliable: float | None


def configured(methods: Methods, *, schema: Schema, target: str | None = None) -> dict[str, Generator]:
    """The generators of a sweep by their labels.

    Args:
        methods: See `Methods`.
        schema: Its constraints are held by every method, or the method is refused.
        target: A column that is predicted later, for the methods that can favour one.

    Raises:
        ConfigurationError: There is none, two have one label, or one cannot hold a constraint.
    """
    if isinstance(methods, str):
        methods = [name.strip() for name in methods.split(",") if name.strip()]
    if isinstance(methods, Mapping):
        labelled = list(methods.items())
    else:
        labelled = [(one if isinstance(one, str) else one.name, one) for one in methods]
    found: dict[str, Generator] = {}
    for label, one in labelled:
        if label in found:
            raise ConfigurationError(
                f"Two methods are called {label!r}. Give a mapping from labels to configured generators."
            )
        found[label] = with_constraints(_named(one, target) if isinstance(one, str) else one, schema)
    if not found:
        raise ConfigurationError("Expected at least one method.")
    return found


def swept(epsilons: Sequence[float]) -> tuple[float, ...]:
    """The epsilons of a sweep, sorted, each once.

    Raises:
        ConfigurationError: There is none, or one is not positive.
    """
    found = tuple(sorted({_validate.positive("epsilons", one) for one in epsilons}))
    if not found:
        raise ConfigurationError("Expected at least one epsilon.")
    return found


def promised(generator: Generator, schema: Schema, *, epsilon: float, delta: float) -> Promise:
    """What a run of `generator` would promise. No data is opened.

    Raises:
        ConfigurationError: The method has no plan for this budget.
    """
    plan = generator.plan(schema, Budget(epsilon=epsilon, delta=delta))
    found = risk(plan.events, delta=delta, adaptive=plan.adaptive)
    noise = plan.expected_error.get(_ONE_WAY)
    return Promise(
        plan=plan,
        mu=price(plan.events, delta=delta, adaptive=plan.adaptive).mu,
        advantage=found.advantage,
        odds=found.sentence,
        reliable=None if noise is None else smallest_group(noise),
    )


def _named(name: str, target: str | None) -> Generator:
    plain = get(name)
    return get(name, target=target) if target is not None and hasattr(plain, "target") else plain
