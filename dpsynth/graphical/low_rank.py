"""Take noise out of all pair tables at once: what two columns share has few dimensions, noise has all.

The difference between the table of a pair and what a model expects of it is a matrix of low rank plus
independent noise of a known size. Two facts of random matrices say what to keep. A matrix of pure noise
has no singular value much above sigma (sqrt(rows) + sqrt(columns)); and the shrinker of Gavish and Donoho
(2017), "Optimal shrinkage of singular values", is the best rule in the squared error. A column has the
same few directions in all of its pairs, so these are sought in all of them together, which is where most
of the noise goes: a pair of r and s directions keeps r s noisy numbers instead of one for each cell.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.junction_tree import Edge

__all__ = ["denoised", "shrunk"]

_ROUNDS = 2

NoisyPairs = Mapping[Edge, tuple[FloatArray, float]]
Tables = Mapping[Edge, FloatArray]


def denoised(layers: Sequence[NoisyPairs], expected: Sequence[Tables]) -> list[dict[Edge, FloatArray]]:
    """For each pair its expected counts plus the part of the difference that noise does not explain.

    The difference is looked at without its margins, which are known better from elsewhere.

    Args:
        layers: For each class of rows the noisy counts of its pairs, with the standard deviation of a
            cell. Classes share the directions of a column.
        expected: For each class a model's counts of these pairs.
    """
    differences = [
        {pair: _centred(noisy - known[pair]) for pair, (noisy, _) in layer.items()}
        for layer, known in zip(layers, expected, strict=True)
    ]
    directions = _directions(layers, differences)
    found: list[dict[Edge, FloatArray]] = []
    for layer, known, difference in zip(layers, expected, differences, strict=True):
        estimate = {}
        for (left, right), table in difference.items():
            ours, theirs = directions[left], directions[right]
            core = shrunk(ours.T @ table @ theirs, layer[left, right][1])
            estimate[left, right] = known[left, right] + ours @ core @ theirs.T
        found.append(estimate)
    return found


def shrunk(noisy: FloatArray, sigma: float) -> FloatArray:
    """The matrix with its singular values shrunk optimally for noise of `sigma` on each entry.

    With the larger side n and the smaller m, b = m / n, a singular value y sigma sqrt(n) becomes
    sigma sqrt(n) sqrt((y² - b - 1)² - 4 b) / y, and 0 where y <= 1 + sqrt(b).
    """
    if 0 in noisy.shape:
        return noisy
    left, values, right = np.linalg.svd(noisy, full_matrices=False)
    small, large = sorted(noisy.shape)
    ratio, scale = small / large, sigma * math.sqrt(large)
    edge = 1 + math.sqrt(ratio)
    sizes = np.maximum(values / scale, edge)
    kept = scale * np.sqrt(np.maximum((sizes**2 - ratio - 1) ** 2 - 4 * ratio, 0.0)) / sizes
    kept[sizes == edge] = 0.0  # which rounding would miss by a little
    result: FloatArray = (left * kept) @ right
    return result


def _directions(layers: Sequence[NoisyPairs], differences: Sequence[Tables]) -> dict[int, FloatArray]:
    """For each node an orthonormal basis of the directions in which its pairs differ by more than noise.

    Each pair is divided by its sigma and laid out with the node's codes as rows; beside each other they
    are one matrix. The first round looks at whole partners, the next at their directions only, which
    takes most of the noise out of the comparison.
    """
    beside: dict[int, list[tuple[int, FloatArray]]] = {}
    for layer, difference in zip(layers, differences, strict=True):
        for (left, right), table in difference.items():
            scaled = table / layer[left, right][1]
            beside.setdefault(left, []).append((right, scaled))
            beside.setdefault(right, []).append((left, scaled.T))
    directions = {node: np.eye(len(tables[0][1])) for node, tables in beside.items()}
    for _ in range(_ROUNDS):
        directions = {node: _clear(tables, directions) for node, tables in beside.items()}
    return directions


def _clear(tables: Sequence[tuple[int, FloatArray]], directions: Mapping[int, FloatArray]) -> FloatArray:
    """The left singular vectors above the edge of pure noise; centring took one dimension of each side."""
    side = np.hstack([table @ directions[other] for other, table in tables])
    width = sum(min(directions[other].shape[1], len(directions[other]) - 1) for other, _ in tables)
    left, values, _ = np.linalg.svd(side, full_matrices=False)
    return left[:, values > math.sqrt(len(side) - 1) + math.sqrt(width)]


def _centred(table: FloatArray) -> FloatArray:
    centred: FloatArray = table - table.mean(1, keepdims=True) - table.mean(0, keepdims=True) + table.mean()
    return centred
