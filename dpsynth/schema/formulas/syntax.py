"""Formulas and conditions, read from text into a small tree. Nothing here runs what it reads.

Python's parser gives the tree of the text, and only what stands in the tables below is taken from it;
all else is refused: attributes, subscripts, names that are no columns, calls of anything but the listed
functions, lambdas, comprehensions, formatted texts. The text is never compiled.
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from dpsynth.errors import ConfigurationError
from dpsynth.schema.canonical import seconds_of

__all__ = ["FUNCTIONS", "Node", "columns_of", "parse"]

FUNCTIONS: dict[str, tuple[int, int]] = {
    "abs": (1, 1),
    "add_months": (2, 2),
    "ceil": (1, 1),
    "exp": (1, 1),
    "floor": (1, 1),
    "implies": (2, 2),
    "log": (1, 1),
    "max": (2, 20),
    "min": (2, 20),
    "missing": (1, 1),
    "month": (1, 1),
    "round": (1, 2),
    "sqrt": (1, 1),
    "weekday": (1, 1),
    "where": (3, 3),
    "year": (1, 1),
}
"""The functions of formulas, with the least and the largest number of their arguments."""

_PER_DAY = {"days": 1.0, "hours": 24.0, "minutes": 1_440.0, "seconds": 86_400.0}
"""Spans of time, which are numbers of days: `hours(36)` is 1.5."""

_ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
_LONGEST = 4_000
_MOST_NODES = 400
_DEEPEST = 100
_LARGEST = 2**53  # numbers are floats: up to here whole ones are exact
_MOST_PLACES = 15


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One operation.

    Attributes:
        op: `number`, `text`, `truth`, `date` or `column`, which have a `value`; `in`, whose value is a
            tuple of constants; or the sign or name of what is done to `parts`.
        value: A number, a text, a truth value, seconds from 1970 for a date, the name of a column.
        parts: What the operation works on.
    """

    op: str
    value: float | str | bool | tuple[float | str | bool, ...] = 0.0
    parts: tuple[Node, ...] = ()


def parse(text: str, *, where: str) -> Node:
    """Read a formula or a condition.

    Args:
        text: Arithmetic, comparisons, `and`, `or`, `not`, `in [...]`, names of columns, constants and the
            listed functions. A column whose name is no Python name is `col("its name")`; a date is
            `date("2024-12-31")`.
        where: What the text belongs to, for messages.

    Raises:
        ConfigurationError: Something else stands in the text, or it is too long or too deep.
    """
    if not isinstance(text, str) or not text.strip():
        raise ConfigurationError(f"{where}: expected an expression such as 'price * quantity', got {text!r}.")
    if len(text) > _LONGEST:
        raise ConfigurationError(
            f"{where}: the expression has {len(text)} characters. Split it: at most {_LONGEST} are allowed."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the parser remarks on texts that we refuse anyway
            tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigurationError(
            f"{where}: cannot read {text!r}. Write it as in Python, for example 'where(age >= 18, 1, 0)'."
        ) from error
    return _Reader(where).read(tree, 0)


def columns_of(node: Node) -> Iterator[str]:
    """The names of the columns that a formula uses, with repetitions."""
    if node.op == "column":
        yield str(node.value)
    for part in node.parts:
        yield from columns_of(part)


class _Reader:
    """Copies what is allowed from Python's tree into ours."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._nodes = 0

    def read(self, tree: ast.expr, depth: int) -> Node:  # noqa: PLR0911 - a table of cases
        self._nodes += 1
        if self._nodes > _MOST_NODES or depth > _DEEPEST:
            self._refuse("it is too large; split it into derived columns")
        below = depth + 1
        # `type(...) is` and not `isinstance`: what is not listed is refused, subclasses included.
        match tree:
            case ast.Constant():
                return self._constant(tree.value)
            case ast.Name():
                return Node(op="column", value=tree.id)
            case ast.BinOp() if type(tree.op) in _ARITHMETIC:
                parts = (self.read(tree.left, below), self.read(tree.right, below))
                return Node(op=_ARITHMETIC[type(tree.op)], parts=parts)
            case ast.UnaryOp():
                return self._unary(tree, below)
            case ast.BoolOp():
                name = "and" if type(tree.op) is ast.And else "or"
                return Node(op=name, parts=tuple(self.read(value, below) for value in tree.values))
            case ast.Compare():
                return self._comparison(tree, below)
            case ast.Call():
                return self._call(tree, below)
        return self._refuse(f"{type(tree).__name__} is not allowed; {_ALLOWED}")

    def _constant(self, value: object) -> Node:
        if isinstance(value, bool):
            return Node(op="truth", value=value)
        if isinstance(value, (int, float)):
            if not math.isfinite(value) if isinstance(value, float) else abs(value) > _LARGEST:
                self._refuse("a number in it is too large")
            return Node(op="number", value=float(value))
        if isinstance(value, str):
            return Node(op="text", value=value)
        return self._refuse(f"the constant {value!r} is not allowed; {_ALLOWED}")

    def _unary(self, tree: ast.UnaryOp, depth: int) -> Node:
        part = self.read(tree.operand, depth)
        if type(tree.op) is ast.Not:
            return Node(op="not", parts=(part,))
        if type(tree.op) is ast.USub:
            negative = part.op == "number" and isinstance(part.value, float)
            return Node(op="number", value=-float(part.value)) if negative else Node(op="neg", parts=(part,))  # type: ignore[arg-type]
        if type(tree.op) is ast.UAdd:
            return Node(op="+", parts=(Node(op="number", value=0.0), part))
        return self._refuse(f"{type(tree.op).__name__} is not allowed; {_ALLOWED}")

    def _comparison(self, tree: ast.Compare, depth: int) -> Node:
        """A chain `a < b <= c` as `a < b and b <= c`."""
        found, left = [], tree.left
        for operator, right in zip(tree.ops, tree.comparators, strict=True):
            if type(operator) in (ast.In, ast.NotIn):
                inside = Node(op="in", value=self._choices(right, depth), parts=(self.read(left, depth),))
                found.append(inside if type(operator) is ast.In else Node(op="not", parts=(inside,)))
            elif type(operator) in _COMPARISONS:
                parts = (self.read(left, depth), self.read(right, depth))
                found.append(Node(op=_COMPARISONS[type(operator)], parts=parts))
            else:
                self._refuse(f"{type(operator).__name__} is not allowed; {_ALLOWED}")
            left = right
        return found[0] if len(found) == 1 else Node(op="and", parts=tuple(found))

    def _choices(self, tree: ast.expr, depth: int) -> tuple[float | str | bool, ...]:
        if not isinstance(tree, (ast.List, ast.Tuple, ast.Set)) or not tree.elts:
            self._refuse("after 'in' comes a list of constants, such as ['north', 'south']")
        nodes = [self.read(element, depth) for element in tree.elts]
        kinds = {node.op for node in nodes}
        if len(kinds) != 1 or not kinds <= {"number", "text", "truth"}:
            self._refuse("a list after 'in' holds constants of one kind")
        return tuple(node.value for node in nodes)  # type: ignore[misc]

    def _call(self, tree: ast.Call, depth: int) -> Node:
        name = tree.func.id if isinstance(tree.func, ast.Name) else None
        if tree.keywords or any(isinstance(argument, ast.Starred) for argument in tree.args):
            self._refuse("arguments of functions stand one after the other, without names and stars")
        if name in ("col", "date"):
            return self._named(name, tree.args)
        if name not in FUNCTIONS and name not in _PER_DAY:
            self._refuse(f"there is no such function; known are {_KNOWN}")
        least, most = FUNCTIONS.get(name, (1, 1))
        if not least <= len(tree.args) <= most:
            self._refuse(f"{name}() takes {least} to {most} arguments, got {len(tree.args)}")
        parts = tuple(self.read(argument, depth) for argument in tree.args)
        if name in _PER_DAY:
            return Node(op="/", parts=(*parts, Node(op="number", value=_PER_DAY[name])))
        if name == "round" and len(parts) == 2:
            places = parts[1].value
            if parts[1].op != "number" or places not in range(_MOST_PLACES + 1):
                self._refuse(f"round() takes a whole number of decimals from 0 to {_MOST_PLACES}")
        return Node(op=name, parts=parts)

    def _named(self, name: str, arguments: list[ast.expr]) -> Node:
        """`col("a name")` and `date("2024-12-31")`."""
        value = arguments[0].value if len(arguments) == 1 and isinstance(arguments[0], ast.Constant) else None
        if not isinstance(value, str):
            self._refuse(f"{name}() takes one text in quotes")
        if name == "col":
            return Node(op="column", value=value)
        seconds = seconds_of(value)
        if not math.isfinite(seconds):
            self._refuse("date() takes a date in ISO 8601, such as '2024-12-31'")
        return Node(op="date", value=float(seconds))

    def _refuse(self, message: str) -> NoReturn:
        raise ConfigurationError(f"{self._where}: the expression is refused: {message}.")


_KNOWN = sorted([*FUNCTIONS, *_PER_DAY, "col", "date"])
_ALLOWED = (
    "use arithmetic, comparisons, and/or/not, in [...], columns, constants and the functions "
    + ", ".join(_KNOWN)
)
