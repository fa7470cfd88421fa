"""What touches the data says so: a `Privacy:` section with unit, sensitivity, event or price."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("mechanisms", "session")
PRIVATE_TYPES = ("EncodedTable", "PrivateTable", "Source", "Series", "DataFrame")
PROTOCOLS = {"Query", "Mechanism", "Score", "Measurer", "Fits"}
"""They only name what others do; their docstrings say who may call them."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def touches_data(function: Function) -> bool:
    """Whether a parameter is annotated with a type that holds private rows."""
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    annotations = (ast.unparse(argument.annotation) for argument in arguments if argument.annotation)
    return any(name in annotation for annotation in annotations for name in PRIVATE_TYPES)


def silent(tree: ast.Module, *, private: bool = False) -> Iterator[str]:
    """Public functions and classes that touch data and have no `Privacy:` section.

    Functions of a private module are inner parts of public ones, which have the section.
    """
    room = "Privacy:" in (ast.get_docstring(tree) or "")
    for node in tree.body:
        if isinstance(node, Function) and not node.name.startswith("_") and touches_data(node):
            if not private and not room and "Privacy:" not in (ast.get_docstring(node) or ""):
                yield node.name
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name not in PROTOCOLS:
            methods = [item for item in node.body if isinstance(item, Function) and touches_data(item)]
            texts = [node, *methods]
            if (
                methods
                and not room
                and not any("Privacy:" in (ast.get_docstring(item) or "") for item in texts)
            ):
                yield node.name


@pytest.mark.parametrize("room", ROOMS)
def test_whatever_touches_the_data_has_a_privacy_section(room: str) -> None:
    lacking = {
        f"{path.name}: {name}"
        for path in sorted((ROOT / "dpsynth" / room).glob("*.py"))
        for name in silent(ast.parse(path.read_text()), private=path.name.startswith("_"))
    }
    assert lacking == set()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def count(table: EncodedTable) -> int:\n    'Counts.'", ["count"]),
        (
            "def count(table: EncodedTable) -> int:\n    'Counts.\\n\\n    Privacy: one row moves it by one.'",
            [],
        ),
        (
            "class Mean:\n    'A mean.'\n    def run(self, *, table: EncodedTable) -> float:\n        'Runs.'",
            ["Mean"],
        ),
        (
            "class Mean:\n    'A mean.\\n\\n    Privacy: 1/n.'\n    def run(self, table: EncodedTable) -> float: ...",
            [],
        ),
        ("def scale(sigma: float) -> float:\n    'No data.'", []),
        ("def _inner(table: EncodedTable) -> int: ...", []),
    ],
)
def test_the_rule_finds_what_it_is_for(source: str, expected: list[str]) -> None:
    assert list(silent(ast.parse(source))) == expected
