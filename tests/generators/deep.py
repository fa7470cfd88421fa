"""Small tables and schedules for the tests of the deep methods."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dpsynth import _lazy
from dpsynth.generators.deep import Schedule
from dpsynth.privacy.budget import Budget
from dpsynth.privacy.unit import Unit
from dpsynth.schema.columns import Categorical
from dpsynth.schema.schema import Schema

BUDGET = Budget(epsilon=1.0, delta=1e-6)
BRIEF = Schedule(rounds=2, steps=3, sampling_rate=0.2, thorough=False)
REPLACED = Unit(relation="replace_one")


def schema_of(*sizes: int, unit: Unit = Unit()) -> Schema:  # noqa: B008 - frozen
    columns = tuple(
        Categorical(name=f"c{i}", categories=tuple(range(size)), required=True)
        for i, size in enumerate(sizes)
    )
    return Schema(columns=columns, unit=unit)


def chain(rows: int, *sizes: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Each column mostly follows the one before it."""
    rng = np.random.default_rng(seed)
    codes, last = {}, rng.integers(0, sizes[0], rows)
    for i, size in enumerate(sizes):
        last = np.where(rng.random(rows) < 0.2, rng.integers(0, size, rows), last % size)
        codes[f"c{i}"] = last
    return codes


def shares(codes: dict[str, np.ndarray], names: tuple[str, ...], sizes: tuple[int, ...]) -> np.ndarray:
    """The table of some columns, flat."""
    cells = np.ravel_multi_index(tuple(codes[name] for name in names), sizes)
    return np.bincount(cells, minlength=int(np.prod(sizes))) / len(cells)


def distance(left: np.ndarray, right: np.ndarray) -> float:
    """Total variation distance."""
    return float(np.abs(left.ravel() - right.ravel()).sum() / 2)


def lose(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """As if `package` were not installed."""
    imported = _lazy.importlib.import_module

    def import_module(name: str) -> Any:
        if name.partition(".")[0] == package:
            raise ImportError(name)
        return imported(name)

    monkeypatch.setattr(_lazy, "importlib", SimpleNamespace(import_module=import_module))
