"""P22: a user's seed, a default seed or the global generator drives mechanism noise."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import random  # noqa: TID251 - to show that it has no influence
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import dpsynth.mechanisms
from dpsynth.mechanisms._gumbel import choose
from dpsynth.mechanisms._noise import rounded_gaussian, rounded_laplace

FORBIDDEN = {"seed", "rng", "random_state", "generator", "random_seed", "key"}
DRAWS = [
    lambda: rounded_gaussian(100.0, 50).tolist(),
    lambda: rounded_laplace(100.0, 50).tolist(),
    lambda: [choose(np.zeros(1000, dtype=np.int64), 1.0, 1) for _ in range(8)],
]


def seeded_parameters(module) -> list[str]:
    """Public callables of `module` with a parameter that could carry a seed."""
    found = []
    for name, member in inspect.getmembers(module):
        if (
            name.startswith("_")
            or getattr(member, "__module__", "") != module.__name__
            or not callable(member)
        ):
            continue
        callables = [member, *(m for n, m in inspect.getmembers(member, callable) if not n.startswith("_"))]
        for item in callables:
            try:
                parameters = inspect.signature(item).parameters
            except (TypeError, ValueError):
                continue
            found += [f"{name}({p})" for p in parameters if p in FORBIDDEN]
    return found


def modules():
    return [
        import_module(f"dpsynth.mechanisms.{info.name}")
        for info in pkgutil.iter_modules(dpsynth.mechanisms.__path__)
    ]


def test_no_public_signature_takes_a_seed() -> None:
    found = {entry for module in modules() for entry in seeded_parameters(module)}
    assert found == set()  # the seed of tests is in dpsynth.testing


def test_a_seed_parameter_is_caught() -> None:
    module = type(inspect)("broken")

    def noisy(table, seed=0):
        return table, seed

    noisy.__module__ = "broken"
    module.noisy = noisy
    assert seeded_parameters(module) == ["noisy(seed)"]


def uses_other_generators(source: str) -> bool:
    """Whether code imports `random` or touches `numpy.random`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import) and any(
            alias.name in ("random", "numpy.random") for alias in node.names
        ):
            return True
        if isinstance(node, ast.ImportFrom) and node.module in ("random", "numpy.random"):
            return True
        if isinstance(node, ast.Attribute) and node.attr == "random" and isinstance(node.value, ast.Name):
            return True
    return False


def test_the_room_holds_no_other_generator() -> None:
    for module in [dpsynth.mechanisms, *modules()]:
        assert not uses_other_generators(Path(module.__file__).read_text(encoding="utf-8"))
    for broken in (
        "import random",
        "import numpy as np\nnp.random.normal()",
        "from numpy.random import default_rng",
    ):
        assert uses_other_generators(broken)


@pytest.mark.parametrize("draw", DRAWS)
def test_global_seeds_change_nothing(draw) -> None:
    def repeated(draw) -> bool:
        results = []
        for _ in range(2):
            random.seed(1)
            np.random.seed(1)  # noqa: NPY002 - the global generator on purpose
            results.append(draw())
        return results[0] == results[1]

    assert not repeated(draw)
    assert repeated(lambda: np.random.normal(size=50).tolist())  # noqa: NPY002
