"""`dpsynth audit`: does a method keep its promise on made-up tables, as far as an audit can see?"""

from __future__ import annotations

import importlib
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
    runs: Annotated[int | None, typer.Option("--runs", help="End to end: how many independent runs.")] = None,
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


def _counted(module: str, function: str, number: str) -> Callable[[Generator, Budget, Numbers], Evidence]:
    """An audit that takes how often it repeats something."""

    def act(generator: Generator, budget: Budget, numbers: Numbers) -> Evidence:
        audited: Callable[..., Evidence] = getattr(importlib.import_module(module), function)
        given = numbers[number]
        return audited(generator, budget=budget, **({} if given is None else {number: given}))

    return act


_LEVELS: dict[str, Callable[[Generator, Budget, Numbers], Evidence]] = {
    "structural": _structural,
    "discovery": _discovery,
    "sampler": _counted("dpsynth.auditing.sampler", "audit_sampler", "draws"),
    "end-to-end": _counted("dpsynth.auditing.end_to_end", "audit_runs", "runs"),
}
