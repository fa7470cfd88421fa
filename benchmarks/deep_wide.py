"""A wide table whose structure of three and four columns is known: what `deep.py --wide` measures on.

104 columns of 2 to 8 codes, 50,000 rows. 78 columns are a tree: each depends on an earlier one, in a way of
its own. The other 26 hold the planted groups:

- *parity of 2*, four times: the third bit is the parity of two others, wrong in 10 % of the rows;
- *parity of 3*, twice: the fourth bit is the parity of three others, wrong in 10 % of the rows;
- *condition*, twice: a bit says which of two permutations leads from one column of four codes to another,
  wrong in 20 % of the rows. Pairs show that there are two, not which one holds when.

The error of a group is the total variation distance of its table of three or four columns.
"""

from __future__ import annotations

import itertools
import statistics
from typing import Any

import numpy as np
import pandas as pd
from quality_cases import Table

from dpsynth import Categorical, Schema

__all__ = ["KINDS", "wide", "wide_scores"]

Codes = np.ndarray[Any, np.dtype[np.int64]]

ROWS, TREE = 50_000, 78
SIZES = (2, 3, 4, 5, 2, 8)
PAIRS = 600
WRONG, ASTRAY = 0.1, 0.2
REPEATS = {"parity of 2": 4, "parity of 3": 2, "condition": 2}
KINDS = tuple(REPEATS)


def wide() -> Table:
    rng = np.random.default_rng(11)
    parts = [_tree(rng)]
    for kind, number in REPEATS.items():
        parts += [_planted(kind, rng) for _ in range(number)]
    codes = np.concatenate(parts, axis=1)
    names = [f"c{i}" for i in range(codes.shape[1])]
    columns = tuple(
        Categorical(name=name, categories=tuple(range(int(size))), required=True)
        for name, size in zip(names, codes.max(axis=0) + 1, strict=True)
    )
    return Table(real=pd.DataFrame(codes, columns=names), schema=Schema(name="wide", columns=columns))


def _tree(rng: np.random.Generator) -> Codes:
    sizes = [SIZES[i % len(SIZES)] for i in range(TREE)]
    codes = np.zeros((ROWS, TREE), np.int64)
    codes[:, 0] = rng.integers(0, sizes[0], ROWS)
    for at in range(1, TREE):
        parent = int(rng.integers(max(0, at - 8), at))
        shares = rng.dirichlet(np.full(sizes[at], 1.5), sizes[parent])
        edges = np.cumsum(shares, axis=1)[codes[:, parent], :-1]
        codes[:, at] = (rng.random(ROWS)[:, None] > edges).sum(axis=1)
    return codes


def _planted(kind: str, rng: np.random.Generator) -> Codes:
    if kind == "condition":
        switch, first = rng.integers(0, 2, ROWS), rng.integers(0, 4, ROWS)
        ways = np.stack([rng.permutation(4), np.zeros(4, np.int64)])
        ways[1] = (ways[0] + 2) % 4
        second = np.where(rng.random(ROWS) < ASTRAY, rng.integers(0, 4, ROWS), ways[switch, first])
        return np.stack([switch, first, second], axis=1)
    parents = rng.integers(0, 2, (ROWS, int(kind[-1])))
    child = parents.sum(axis=1) % 2 ^ (rng.random(ROWS) < WRONG)
    return np.concatenate([parents, child[:, None]], axis=1)


def groups() -> dict[str, list[tuple[int, ...]]]:
    """The columns of each planted group."""
    found: dict[str, list[tuple[int, ...]]] = {}
    start = TREE
    for kind, number in REPEATS.items():
        width = 4 if kind == "parity of 3" else 3
        found[kind] = [tuple(range(start + width * i, start + width * (i + 1))) for i in range(number)]
        start += width * number
    return found


def wide_scores(real: pd.DataFrame, synthetic: pd.DataFrame) -> dict[str, float]:
    left, right = real.to_numpy(), synthetic[list(real)].to_numpy()
    sizes = left.max(axis=0) + 1

    def distance(group: tuple[int, ...]) -> float:
        shape = tuple(int(sizes[i]) for i in group)
        cells = [np.ravel_multi_index(tuple(t[:, group].T), shape) for t in (left, right)]
        shares = [np.bincount(cell, minlength=int(np.prod(shape))) / len(cell) for cell in cells]
        return float(np.abs(shares[0] - shares[1]).sum() / 2)

    pairs = list(itertools.combinations(range(len(sizes)), 2))
    chosen = np.random.default_rng(0).choice(len(pairs), PAIRS, replace=False)
    found = {kind: statistics.mean(map(distance, members)) for kind, members in groups().items()}
    every = [distance(group) for members in groups().values() for group in members]
    tvd2 = statistics.mean(distance(pairs[i]) for i in chosen)
    return {"tvd2": tvd2, **found, "planted": statistics.mean(every)}
