"""A formula of a schema as a derived column of rules."""

from __future__ import annotations

from dpsynth.generators.rules.derived import LARGEST_UNITS, DerivedRule
from dpsynth.generators.rules.parts import quoted, refuse
from dpsynth.schema.column import Column
from dpsynth.schema.formula_column import Formula, expression_tree
from dpsynth.schema.formulas.syntax import columns_of

__all__ = ["derived_rule", "formula_conditions", "in_order_of_use"]

_NONE = "0 / 0"  # what is written where a formula has no result


def derived_rule(column: Formula) -> DerivedRule:
    """The column that gives what the formula gives: rounded alike, missing alike, within its bounds.

    Raises:
        ConfigurationError: Dates that are clipped, or emptied, at a bound.
    """
    bounds = [bound for bound in (column.minimum, column.maximum) if bound is not None]
    if column.result == "date":
        if bounds and column.out_of_domain != "redraw":
            refuse(
                column.name, "dates outside their bounds can only be drawn again; set out_of_domain='redraw'"
            )
        return DerivedRule(name=column.name, formula=column.expression, resolution=column.resolution)
    low, high = (one if isinstance(one, (int, float)) else None for one in (column.minimum, column.maximum))
    return DerivedRule(
        name=column.name, formula=_text(column), decimals=column.precision, minimum=low, maximum=high
    )


def formula_conditions(column: Formula) -> tuple[str, ...]:
    """What rows have to meet beside the bounds of the derived column."""
    name = quoted(column.name)
    found = [f"not missing({name})"] if column.required else []
    if column.result == "date":
        ends = ((">=", column.minimum), ("<=", column.maximum))
        found += [f'{name} {sign} date("{bound}")' for sign, bound in ends if bound is not None]
    return tuple(found)


def in_order_of_use(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The columns in their order, but each formula after the columns that it uses."""
    placed: list[Column] = []
    waiting: list[Formula] = []
    for column in columns:
        if isinstance(column, Formula):
            waiting.append(column)
        else:
            placed.append(column)
        for formula in tuple(waiting):  # formulas use those before them: one pass is enough
            names = {one.name for one in placed}
            if names.issuperset(columns_of(expression_tree(formula))):
                placed.append(formula)
                waiting.remove(formula)
    return (*placed, *waiting)


def _text(column: Formula) -> str:
    """The expression, with what becomes of a result outside the bounds."""
    bounded = column.minimum is not None or column.maximum is not None
    if not bounded or column.out_of_domain == "redraw":
        return column.expression
    if column.out_of_domain == "missing":  # rounding comes first: what rounds to a bound is within
        value = f"round({column.expression}, {column.precision})"
        tests = [
            f"{value} {sign} {bound!r}"
            for sign, bound in ((">=", column.minimum), ("<=", column.maximum))
            if bound is not None
        ]
        return f"where({' and '.join(tests)}, {value}, {_NONE})"
    value = f"({column.expression})"
    if column.minimum is not None:
        value = f"max({value}, {column.minimum!r})"
    if column.maximum is not None:
        value = f"min({value}, {column.maximum!r})"
    most = LARGEST_UNITS / 10.0**column.precision  # a result that is not exact is missing, not clipped
    return f"where(abs({column.expression}) <= {most!r}, {value}, {_NONE})"
