"""Expressions are data: what is not in the list of allowed things is refused, and nothing is ever run."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.schema.formulas.syntax import FUNCTIONS, columns_of, parse

ATTACKS = [
    "__import__('os').system('touch owned')",
    "().__class__.__bases__[0].__subclasses__()",
    "price.__class__",
    "price.real",
    "price[0]",
    "price[:]",
    "eval('1')",
    "exec('1')",
    "open('file')",
    "getattr(price, 'data')",
    "globals()",
    "breakpoint()",
    "(lambda: 1)()",
    "lambda x: x",
    "[x for x in (1, 2)]",
    "{x for x in (1, 2)}",
    "{1: 2}",
    "(x for x in price)",
    "f'{price}'",
    "f'{price.__class__}'",
    "(y := 3)",
    "1 if price else 2",
    "await price",
    "yield price",
    "b'bytes'",
    "1j",
    "None",
    "...",
    "[1, 2]",
    "(1, 2)",
    "*price",
    "where(*price)",
    "where(price, 1, no=2)",
    "min(**price)",
    "price @ price",
    "price << 3",
    "price | price",
    "price ^ price",
    "~price",
    "price is price",
    "price in price",
    "price in []",
    "price in [quantity]",
    "price in ['a', 1]",
    "'%s' in 'abc'",
    "col(price)",
    "col('a', 'b')",
    "col(col('a'))",
    "col.name('a')",
    "(where)(1, 2, 3)(4)",
    "min(1)",
    "where(1, 2)",
    "round(price, quantity)",
    "round(price, 99)",
    "date('yesterday')",
    "date(2024)",
    "1e999",
    "9" * 400,
    "import os",
    "price = 3",
    "price; quantity",
    "price\nquantity",
    "",
    "   ",
    "(" * 300 + ")" * 300,
    "-" * 3000 + "1",
    "not " * 900 + "True",
    "+".join(["1"] * 1000),
    "1 " * 5000,
    "price\0",
    "'\\ud800' == price +",
    "'unfinished",
]


@pytest.mark.parametrize("text", ATTACKS, ids=lambda text: repr(text[:40]))
def test_what_is_not_allowed_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="Column 'x'"):
        parse(text, where="Column 'x'")


@pytest.mark.parametrize("given", [None, 3, ["price"], b"price"])
def test_an_expression_is_a_text(given: object) -> None:
    with pytest.raises(ConfigurationError, match="expected an expression"):
        parse(given, where="Column 'x'")  # type: ignore[arg-type]


def test_the_source_of_expressions_runs_no_code() -> None:
    """No eval, exec, compile or getattr in the files that read and evaluate expressions."""
    import ast
    import inspect

    from dpsynth.schema.formulas import evaluation, facts, syntax

    for module in (syntax, facts, evaluation):
        calls = [
            node.func for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Call)
        ]
        names = {call.id for call in calls if isinstance(call, ast.Name)}
        assert names.isdisjoint(
            {"eval", "exec", "compile", "getattr", "__import__", "open", "globals", "setattr"}
        )


def test_deep_nesting_does_not_kill_the_process() -> None:
    code = (
        "from dpsynth.errors import ConfigurationError\n"
        "from dpsynth.schema.formulas.syntax import parse\n"
        "for text in ('-' * 3999 + '1', '(' * 2000 + ')' * 1999, 'a' + '.b' * 1900, 'f(' * 1900, 'a' + '+a' * 1900,\n"
        "             'a' + '**a' * 1300, '[' * 3900, 'not ' * 990 + 'a', 'a if a else ' * 300 + 'a'):\n"
        "    try:\n        parse(text, where='here')\n    except ConfigurationError:\n        continue\n"
        "    raise SystemExit(3)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_columns_are_found() -> None:
    node = parse('where(age >= 18 and col("hours per week") > 0, price * quantity, -price)', where="x")
    assert set(columns_of(node)) == {"age", "hours per week", "price", "quantity"}


def test_a_chain_is_a_conjunction() -> None:
    node = parse("1 < price <= 3", where="x")
    assert node.op == "and"
    assert [part.op for part in node.parts] == ["<", "<="]


def test_every_function_can_be_called() -> None:
    for name, (least, _) in FUNCTIONS.items():
        assert parse(f"{name}({', '.join(['a'] * least)})", where="x").op == name
