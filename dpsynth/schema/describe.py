"""A schema in words, for people who read terminals and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpsynth.schema.column import Column, ModelledColumn
from dpsynth.schema.columns import Categorical, Identifier, Text
from dpsynth.schema.constraints import FunctionalDependency
from dpsynth.schema.formula_column import Formula
from dpsynth.schema.numeric import Datetime, NumericColumn

if TYPE_CHECKING:
    from dpsynth.schema.constraints import Combination, Constraint, Entry
    from dpsynth.schema.schema import Schema

__all__ = ["code_labels", "describe"]

_WIDEST = 36
_WIDEST_CONSTRAINT = 110
_HEAD = ("column", "kind", "values", "codes", "outside", "missing", "origin")


def describe(schema: Schema) -> str:
    """One line for each column, under a head, with the unit of privacy above and the constraints below."""
    rows = [_HEAD, *(_row(column) for column in schema.columns)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(_HEAD))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    title = f"{schema.name}: {schema.title}" if schema.title else schema.name
    rule = "  ".join("-" * width for width in widths)
    constraints = ["", "constraints", *map(_constraint, schema.constraints)] if schema.constraints else []
    rules = ["", "rules of rows", *(_cut(str(rule)) for rule in schema.rules)] if schema.rules else []
    return "\n".join(
        [title, f"unit of privacy: {schema.unit}", "", lines[0], rule, *lines[1:], *constraints, *rules]
    )


def _row(column: Column) -> tuple[str, ...]:
    if not isinstance(column, ModelledColumn):
        return (column.name, column.kind, _plain_values(column), "", "", "", column.origin)
    size = str(column.size) if column.complete else "?"
    missing = "no" if column.required else "yes"
    return (column.name, column.kind, _values(column), size, column.out_of_domain, missing, column.origin)


def _plain_values(column: Column) -> str:
    if isinstance(column, Text):
        return "left out" if column.rule == "drop" else f"always {column.filler!r}"
    if isinstance(column, Formula):
        return f"= {column.expression}"
    pattern = column.pattern if isinstance(column, Identifier) else None
    return f"new ones, {pattern or '1, 2, 3, ...'}"


def _values(column: ModelledColumn) -> str:
    if not column.complete:
        return "unknown"
    if isinstance(column, NumericColumn):
        return f"{column.minimum} to {column.maximum} in {column.cell_count} cells"
    text = ", ".join(code_labels(column)[: column.cell_count])
    return text if len(text) <= _WIDEST else text[: _WIDEST - 4] + " ..."


def code_labels(column: ModelledColumn) -> tuple[str, ...]:
    """A text for each code: the category or the range of the cell, "other", "missing".

    Raises:
        SchemaError: Categories or bounds are not known yet.
    """
    if isinstance(column, NumericColumn):
        cells = _cell_labels(column)
    elif isinstance(column, Categorical):
        cells = list(column.labels or (str(category) for category in column.known_categories))
    else:
        cells = ["false", "true"]
    other = [] if column.other_code is None or not isinstance(column, Categorical) else [column.other_label]
    return (*cells, *other, *([] if column.required else ["missing"]))


def _cell_labels(column: NumericColumn) -> list[str]:
    lows = column.values_at(column.lattice.starts)
    highs = column.values_at(column.lattice.ends - 1)
    if isinstance(column, Datetime):
        unit = f"datetime64[{column.resolution}]"
        lows, highs = lows.astype(unit), highs.astype(unit)
    return [str(low) if low == high else f"{low} to {high}" for low, high in zip(lows, highs, strict=True)]


def _constraint(constraint: Constraint) -> str:
    if isinstance(constraint, FunctionalDependency):
        otherwise = "" if constraint.default is ... else f", otherwise {_entry(constraint.default)}"
        lines = [f"{_combination(names)} gives {_entry(value)}" for names, value in constraint.mapping]
        said = f"{constraint.dependent} follows from {', '.join(constraint.determinants)}: {', '.join(lines)}"
        return _cut(said + otherwise)
    word = "never" if constraint.allowed is None else "only"
    listed = constraint.combinations if constraint.allowed is None else constraint.allowed
    said = ", ".join(_combination(combination) for combination in listed or ())
    return _cut(f"{', '.join(constraint.columns)}: {word} {said}")


def _combination(combination: Combination) -> str:
    return f"({', '.join(_entry(entry) for entry in combination)})"


def _entry(entry: Entry) -> str:
    if isinstance(entry, frozenset):
        return " or ".join(sorted(_entry(choice) for choice in entry))
    if isinstance(entry, tuple):
        low, high = entry
        if low is None or high is None:
            return "any value" if low is high else f"up to {high}" if low is None else f"from {low}"
        return f"{low} to {high}"
    return "anything" if entry is ... else "missing" if entry is None else str(entry)


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST_CONSTRAINT else text[: _WIDEST_CONSTRAINT - 4] + " ..."
