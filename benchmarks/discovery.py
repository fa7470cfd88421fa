"""Two ways to buy cells for a numeric column: one noisy histogram, or PrivTree.

    python benchmarks/discovery.py [--rows 2000] [--repeats 12]

Both cost the same in zCDP: Gaussian noise at mu = epsilon against an epsilon-DP tree, each epsilon**2 / 2.
The counts of the cells are then measured with Gaussian noise at the same price, values are drawn uniformly
within cells, and the result is held against the real column over its 32 quantile bins. Reads private data:
for research only.

`PrivTree` (Zhang, Xiao and Xie, SIGMOD 2016, fan-out 2) stops splitting at a threshold that is set for 64
leaves from the true number of rows. That is a favour to it: nobody may know that number. Without the
threshold it grows thousands of leaves.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from dpsynth import datasets
from dpsynth.mechanisms._noise import rounded_gaussian
from dpsynth.schema.columns import Integer
from dpsynth.session._histogram import MOST_BOUGHT_CELLS, near_equal_cells
from dpsynth.session.discover import fine_column

Array = np.ndarray[Any, Any]
BOUNDS = {
    "age": (16, 100),
    "fnlwgt": (0, 2_000_000),
    "capital-gain": (0, 99_999),
    "capital-loss": (0, 5_000),
    "hours-per-week": (1, 99),
}
RNG = np.random.default_rng(0)


def equal(_values: Array, low: int, high: int, _epsilon: float) -> Array:
    column = Integer(name="x", minimum=low, maximum=high, cells=32)
    return low + np.append(column.lattice.starts, column.lattice.points)


def histogram(values: Array, low: int, high: int, epsilon: float) -> Array:
    lattice = fine_column(Integer(name="x", minimum=low, maximum=high)).lattice
    exact = np.bincount(lattice.cell_of(values - low), minlength=lattice.cells)
    noisy = exact + rounded_gaussian(1 / epsilon, lattice.cells)
    starts = lattice.starts[
        near_equal_cells(noisy.astype(float), (lattice.ends - lattice.starts) * 1.0, 1 / epsilon)
    ]
    return low + np.append(starts, lattice.points)


def privtree(values: Array, low: int, high: int, epsilon: float) -> Array:
    scale = 3 / epsilon
    decay = scale * np.log(2)
    threshold = len(values) / MOST_BOUGHT_CELLS
    ordered, leaves, open_nodes = np.sort(values), [], [(low, high + 1, 0)]
    while open_nodes:
        first, end, depth = open_nodes.pop()
        count = np.searchsorted(ordered, end) - np.searchsorted(ordered, first)
        biased = max(count - depth * decay, threshold - decay) + RNG.laplace(0, scale)
        if end - first > 1 and biased > threshold:
            middle = (first + end) // 2
            open_nodes += [(first, middle, depth + 1), (middle, end, depth + 1)]
        else:
            leaves.append(first)
    return np.array([*sorted(leaves), high + 1])


def error(values: Array, edges: Array, epsilon: float) -> float:
    """TVD over the 32 quantile bins (over the values, if there are at most 50) of the real column."""
    counts = np.histogram(values, edges)[0] + rounded_gaussian(1 / epsilon, len(edges) - 1)
    masses = np.maximum(counts, 0) / max(np.maximum(counts, 0).sum(), 1)
    cuts = np.unique(values)[1:]
    if len(cuts) >= 50:
        cuts = np.unique(np.quantile(values, np.linspace(0, 1, 33)))[1:-1]
    real = np.bincount(np.searchsorted(cuts, values, side="right"), minlength=len(cuts) + 1) / len(values)
    decoded = np.interp(cuts, edges, np.append(0, np.cumsum(masses)))
    return float(0.5 * np.abs(real - np.diff([0, *decoded, 1])).sum())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=12)
    arguments = parser.parse_known_args()[0]
    frame = datasets.adult().head(arguments.rows)
    methods: dict[str, Callable[[Array, int, int, float], Array]] = {
        "32 equal cells": equal,
        "histogram": histogram,
        "PrivTree": privtree,
    }
    print(f"{len(frame)} rows; TVD (cells)   " + "  ".join(f"{name:>14}" for name in BOUNDS) + "      mean")
    for epsilon in (0.05, 0.1, 0.2, 0.5, 1.0):
        for name, method in methods.items():
            found = []
            for column, (low, high) in BOUNDS.items():
                values = frame[column].to_numpy()
                edges = [method(values, low, high, epsilon) for _ in range(arguments.repeats)]
                tvd = np.mean([error(values, e, epsilon) for e in edges])
                found.append((tvd, np.mean([len(e) - 1 for e in edges])))
            cells = "  ".join(f"{tvd:8.4f} ({count:3.0f})" for tvd, count in found)
            print(f"epsilon {epsilon:<5} {name:<15} {cells}  {np.mean([tvd for tvd, _ in found]):8.4f}")


if __name__ == "__main__":
    main()
