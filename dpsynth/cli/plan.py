"""`dpsynth plan`: split, expected error and memory, without opening the data."""

from __future__ import annotations

from itertools import groupby

from rich.table import Table

from dpsynth.cli.console import Delta, Epsilon, Method, SchemaPath, console

__all__ = ["plan"]


def plan(schema: SchemaPath, method: Method = "mst", epsilon: Epsilon = 1.0, delta: Delta = 1e-9) -> None:
    """Show what a run would ask and how noisy its answers would be. No data is opened."""
    from dpsynth.generators.derived import with_constraints
    from dpsynth.generators.registry import get
    from dpsynth.privacy.accountant import price
    from dpsynth.privacy.budget import Budget
    from dpsynth.schema.schema import Schema

    known = Schema.load(schema)
    made = with_constraints(get(method), known).plan(known, Budget(epsilon=epsilon, delta=delta))
    cost = price(made.events, delta=delta, adaptive=made.adaptive)
    rhos = [price((step.event,), delta=delta).rho or 0.0 for step in made.steps]
    lines = [(s.label, str(s.event), s.detail, rho) for s, rho in zip(made.steps, rhos, strict=True)]
    table = Table(
        "step",
        "times",
        "event",
        "share",
        "detail",
        title=f"{method}: {len(made.steps)} paid steps",
        title_justify="left",
    )
    for (label, event, detail, rho), group in groupby(lines):
        times = len(list(group))
        table.add_row(label, str(times), event, f"{times * rho / (sum(rhos) or 1):.1%}", detail)
    console.print(table)
    console.print(
        f"Price: epsilon = {cost.epsilon:.6g} at delta = {delta:.3g} ({cost.engine}), for {known.unit}."
    )
    for what, value in made.expected_error.items():
        console.print(f"Expected {what}: {value:,.4g}", highlight=False)
    console.print(f"Memory of the model and its largest tables: at most {made.memory_bytes / 2**20:,.1f} MB.")
