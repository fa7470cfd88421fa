"""`dpsynth plan`: split, expected error and memory, without opening the data."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from dpsynth.cli.console import Delta, Epsilon, Memory, Method, SchemaPath, Target, configured, console
from dpsynth.errors import ConfigurationError

if TYPE_CHECKING:
    from dpsynth.generators.base import Generator
    from dpsynth.schema.schema import Schema

__all__ = ["plan"]


def plan(
    schema: SchemaPath,
    method: Method = "auto",
    epsilon: Epsilon = 1.0,
    delta: Delta = 1e-9,
    target: Target = None,
    memory: Memory = None,
    frontier: Annotated[
        bool, typer.Option("--frontier", help="Show the expected accuracy by epsilon as well.")
    ] = False,
    rows: Annotated[
        int | None,
        typer.Option("--rows", "-n", help="With --frontier: a public or assumed number of rows."),
    ] = None,
) -> None:
    """Show what a run would ask and how noisy its answers would be. No data is opened."""
    from dpsynth.generators.choose import explanation
    from dpsynth.generators.derived import with_constraints
    from dpsynth.privacy.accountant import price
    from dpsynth.privacy.budget import Budget
    from dpsynth.schema.schema import Schema

    known = Schema.load(schema)
    generator, budget = (
        with_constraints(configured(method, target, memory), known),
        Budget(epsilon=epsilon, delta=delta),
    )
    made = generator.plan(known, budget)
    cost = price(made.events, delta=delta, adaptive=made.adaptive, thorough=made.thorough)
    rhos = [price((step.event,), delta=delta).rho or 0.0 for step in made.steps]
    lines = [(s.label, str(s.event), s.detail, rho) for s, rho in zip(made.steps, rhos, strict=True)]
    table = Table(
        "step",
        "times",
        "event",
        "share",
        "detail",
        title=f"{made.method}: {len(made.steps)} paid steps",
        title_justify="left",
    )
    for (label, event, detail, rho), group in groupby(lines):
        times = len(list(group))
        table.add_row(label, str(times), event, f"{times * rho / (sum(rhos) or 1):.1%}", detail)
    why = explanation(generator, known, budget)
    if why:
        console.print(why, markup=False, highlight=False)
    console.print(table)
    console.print(
        f"Price: epsilon = {cost.epsilon:.6g} at delta = {delta:.3g} ({cost.engine}), for {known.unit}."
    )
    others = [f"{engine} {epsilon:.6g}" for engine, epsilon in cost.candidates if engine != cost.engine]
    if others:
        console.print(f"Other accountants say: epsilon = {', '.join(others)}.", highlight=False)
    for what, value in made.expected_error.items():
        console.print(f"Expected {what}: {value:,.4g}", highlight=False)
    console.print(f"Memory of the model and its largest tables: at most {made.memory_bytes / 2**20:,.1f} MB.")
    if made.seconds:
        console.print(
            f"Training 100,000 rows takes about {max(made.seconds / 60, 1):,.0f} min on two processor cores.",
            highlight=False,
        )
    if frontier:
        _show_frontier(generator, known, delta, rows)


def _show_frontier(generator: Generator, schema: Schema, delta: float, rows: int | None) -> None:
    from dpsynth.cli.sweep import show
    from dpsynth.tuning.analytic import analytic
    from dpsynth.tuning.modes import EPSILONS

    if rows is None:
        raise ConfigurationError(
            "--frontier needs --rows: a public or an assumed number, not the private count."
        )
    console.print()
    show(analytic(schema, methods=[generator], epsilons=EPSILONS, delta=delta, rows=rows))
