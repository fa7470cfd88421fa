"""Formulas of plain arithmetic: names of columns, numbers, + - * / and parentheses.

Python's parser gives the tree; what is not listed below is not evaluated, and nothing is compiled.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["arithmetic"]

_SIGNS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_LONGEST, _MOST_NODES = 1000, 200

Formula = Callable[[Mapping[str, Any]], float | None]


def arithmetic(expression: str, columns: set[str]) -> Formula | None:
    """A function of the values of a row; None if the expression is more than plain arithmetic.

    The function gives None where a value is missing or the result is no finite number.
    """
    try:
        tree = ast.parse(expression[: _LONGEST + 1].strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if (
        len(expression) > _LONGEST
        or sum(1 for _ in ast.walk(tree)) > _MOST_NODES
        or not _known(tree, columns)
    ):
        return None

    def evaluate(row: Mapping[str, Any]) -> float | None:
        try:
            value = _value(tree, row)
        except (ArithmeticError, TypeError, ValueError):
            return None
        return value if math.isfinite(value) else None

    return evaluate


def _known(tree: ast.expr, columns: set[str]) -> bool:
    match tree:
        case ast.BinOp():
            return type(tree.op) in _SIGNS and _known(tree.left, columns) and _known(tree.right, columns)
        case ast.UnaryOp(op=ast.USub()):
            return _known(tree.operand, columns)
        case ast.Name():
            return tree.id in columns
        case ast.Constant():
            return type(tree.value) in (int, float) and abs(tree.value) <= 2**53  # type: ignore[arg-type]
        case ast.Call(func=ast.Name(id="col"), args=[ast.Constant(value=str(name))], keywords=[]):
            return name in columns
    return False


def _value(tree: ast.expr, row: Mapping[str, Any]) -> float:
    match tree:
        case ast.BinOp():
            return _SIGNS[type(tree.op)](_value(tree.left, row), _value(tree.right, row))
        case ast.UnaryOp():
            return -_value(tree.operand, row)
        case ast.Name():
            return float(row[tree.id])
        case ast.Constant():
            return float(tree.value)  # type: ignore[arg-type]
        case ast.Call(args=[ast.Constant(value=name)]):
            return float(row[str(name)])
    raise ValueError("not arithmetic")
