"""`dpsynth audit`: does a method keep its promise on made-up tables, as far as an audit can see?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dpsynth.cli.console import Delta, Epsilon, console

if TYPE_CHECKING:
    from dpsynth.auditing import Evidence
    from dpsynth.generators.base import Generator
    from dpsynth.privacy.budget import Budget

__all__ = ["audit"]

_ALL = "all"


def audit(
    method: Annotated[str, typer.Argument(help="Name of the method, for example mst.")],
    level: Annotated[
        str, typer.Option("--level", help="structural, sampler, end-to-end, discovery or all.")
    ] = "structural",
    epsilon: Epsilon = 1.0,
    delta: Delta = 1e-6,
    draws: Annotated[
        int | None, typer.Option("--draws", help="For the sampler: how many draws of noise.")
    ] = None,
    runs: Annotated[
        int | None, typer.Option("--runs", help="End to end: how many independent runs, or canaries.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the evidence as JSON.")] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File for the evidence as JSON.")] = None,
) -> None:
    """Audit a method on made-up tables; exit code 1 if a check fails. No data is opened, nothing is spent."""
    from dpsynth._archive import write_atomically
    from dpsynth._validate import one_of
    from dpsynth.generators.registry import get
    from dpsynth.privacy.budget import Budget

    chosen = one_of("level", level, (*_LEVELS, _ALL))
    generator, budget = get(method), Budget(epsilon=epsilon, delta=delta)
    numbers = {"draws": draws, "runs": runs}
    found = [_LEVELS[name](generator, budget, numbers) for name in (_LEVELS if chosen == _ALL else (chosen,))]
    document = json.dumps([evidence.to_json() for evidence in found], indent=2, sort_keys=True)
    if out is not None:
        write_atomically(out, lambda file: file.write(f"{document}\n".encode()))
    text = document if as_json else "\n\n".join(evidence.in_words() for evidence in found)
    console.print(text, markup=False, highlight=False, soft_wrap=True)
    if not all(evidence.passed for evidence in found):
        raise typer.Exit(1)


Numbers = dict[str, int | None]


def _structural(generator: Generator, budget: Budget, _: Numbers) -> Evidence:
    from dpsynth.auditing import audit_structure

    return audit_structure(generator, budget=budget)


def _discovery(_: Generator, budget: Budget, __: Numbers) -> Evidence:
    from dpsynth.auditing import audit_discovery

    return audit_discovery(budget=budget)


def _sampler(generator: Generator, budget: Budget, numbers: Numbers) -> Evidence:
    from dpsynth.auditing import audit_sampler

    return audit_sampler(generator, budget=budget, **_given("draws", numbers["draws"]))


def _end_to_end(generator: Generator, budget: Budget, numbers: Numbers) -> Evidence:
    """Many runs of a method that counts; one run with as many canaries of one that trains on rows."""
    from dpsynth.auditing import audit_canaries, audit_runs
    from dpsynth.privacy.composition import compose
    from dpsynth.privacy.events import PoissonGaussianEvent
    from dpsynth.testing.cases import cases

    plan = compose(generator.plan(cases()[0].schema, budget).events)
    if any(isinstance(event, PoissonGaussianEvent) for event, _ in plan.others):
        return audit_canaries(generator, budget=budget, **_given("canaries", numbers["runs"]))
    runs = numbers["runs"]
    return (
        audit_runs(generator, budget=budget)
        if runs is None
        else audit_runs(generator, budget=budget, runs=runs)
    )


def _given(name: str, number: int | None) -> dict[str, int]:
    return {} if number is None else {name: number}


_LEVELS: dict[str, Callable[[Generator, Budget, Numbers], Evidence]] = {
    "structural": _structural,
    "discovery": _discovery,
    "sampler": _sampler,
    "end-to-end": _end_to_end,
}
