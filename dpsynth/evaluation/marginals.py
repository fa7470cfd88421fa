"""How far tables of counts of one, two and three columns are apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from dpsynth.evaluation.anchors import Anchors, Score
from dpsynth.evaluation.results import Part, Result
from dpsynth.evaluation.tables import CodeArray, Tables, generator
from dpsynth.evaluation.yardsticks import sample, without_floor

__all__ = ["distances", "equivalent_subsample", "groups", "marginals", "total_variation"]

Group = tuple[int, ...]
Shares = np.ndarray[Any, np.dtype[np.float64]]
Floats = np.ndarray[tuple[int, int], np.dtype[np.float64]]

_MOST_TRIPLES = 200
_MOST_PAIRS = 5_000
_DENSE = 1 << 21  # cells that are counted in an array; more are counted by sorting
_SHARES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.6, 0.9, 0.99)
_FEWEST = 5  # rows of a subsample
_DRAWS = 3  # subsamples of each size
_WORDS = {1: ("One", "columns"), 2: ("Two", "pairs of columns"), 3: ("Three", "triples of columns")}


def groups(columns: int, ways: int, *, most: int | None = None) -> tuple[Group, ...]:
    """All groups of so many different columns, or a fixed random choice where there are too many.

    The choice depends on the number of columns alone, so that scores of different tables, seeds and days
    compare. No group comes twice, and no column is paired with itself.
    """
    limit = {2: _MOST_PAIRS, 3: _MOST_TRIPLES}.get(ways, columns)
    if most is not None and ways > 1:
        limit = min(limit, most)
    total = math.comb(columns, ways)
    if total <= limit:
        return tuple(combinations(range(columns), ways))
    chosen = set(np.random.default_rng(0).choice(total, limit, replace=False).tolist())
    return tuple(group for place, group in enumerate(combinations(range(columns), ways)) if place in chosen)


def distances(
    real: CodeArray, others: Sequence[CodeArray], sizes: Sequence[int], chosen: Sequence[Group]
) -> Floats:
    """Total variation distance of several tables from the real one: a row for each, a column for each group.

    Half the sum of absolute differences between the shares of all cells: the largest difference in the share
    of rows that any question about these columns can have.
    """
    tables = [np.asfortranarray(table, dtype=np.int32) for table in (real, *others)]  # columns lie together
    found = np.zeros((len(others), len(chosen)))
    for at, group in enumerate(chosen):
        first, *rest = _shares(tables, sizes, group)
        for place, shares in enumerate(rest):
            found[place, at] = np.abs(first - shares).sum() / 2
    return found


def total_variation(tables: Tables, *, ways: int, most: int | None = None) -> Score:
    """Mean total variation distance over all (or the chosen) tables of `ways` columns.

    The mean of pairs is the k-marginal score of NIST on its scale of 0 to 1. Numbers are cut at quantiles of
    the real rows, missing values are a cell of their own.
    """
    chosen = groups(len(tables.columns), ways, most=most)
    if not chosen:
        return Score(value=math.nan)
    (found,) = distances(tables.real.codes, [tables.synthetic.codes], tables.sizes, chosen)
    labels = [tuple(tables.columns[i] for i in group) for group in chosen]
    return Score(value=float(found.mean()), parts=dict(zip(labels, found.tolist(), strict=True)))


def equivalent_subsample(
    tables: Tables, several: Sequence[float], *, most: int | None = None, draws: int = _DRAWS
) -> list[float]:
    """Of which share a random subsample of the real rows is as far from them as each distance of pairs says.

    A few subsamples of each of some sizes give the curve; it is read between them. A subsample without
    replacement has a variance in proportion to (1 - x) / x, so the logarithm of the distance is nearly a
    line in the logarithm of x / (1 - x). What is nearer than a subsample of 99 % is 1; what is farther than
    the smallest subsample has the share of that one. The idea is SDNist's (Task et al. 2023).
    """
    real = tables.real.codes
    shares = [share for share in _SHARES if round(share * len(real)) >= _FEWEST]
    chosen = groups(len(tables.columns), 2, most=most)
    if not shares or not chosen:
        return [math.nan for _ in several]
    rng = generator(tables, "subsamples")
    drawn = [sample(real, round(share * len(real)), rng) for share in shares for _ in range(draws)]
    exact = np.array([len(one) / len(real) for one in drawn[::draws]])
    curve = distances(real, drawn, tables.sizes, chosen).mean(axis=1).reshape(-1, draws).mean(axis=1)
    kept = (curve > 0) & (exact < 1)
    if not kept.any():
        return [1.0 if distance == 0 else math.nan for distance in several]
    odds = np.log(exact[kept] / (1 - exact[kept]))
    falling = np.minimum.accumulate(np.log(curve[kept]))
    return [_read(falling, odds, distance) for distance in several]


def marginals(anchors: Anchors, *, quick: bool = False) -> tuple[Result, ...]:
    """Results tvd1, tvd2, tvd3, k_marginal and equivalent_subsample."""
    most = 300 if quick else None
    found = [
        anchors.result(
            partial(total_variation, ways=ways, most=most),
            name=f"tvd{ways}",
            family="fidelity",
            title=f"{_WORDS[ways][0]}-way total variation distance",
            note=_note(len(anchors.tables.columns), ways, most),
        )
        for ways in (1, 2, 3)
    ]
    return (without_floor(found[0]), *found[1:], *_of_pairs(anchors, found[1], most, 1 if quick else _DRAWS))


def _of_pairs(anchors: Anchors, pairs: Result, most: int | None, draws: int) -> tuple[Result, Result]:
    yardsticks = [math.nan if one is None else one for one in (pairs.value, pairs.ceiling, pairs.floor)]
    shares = equivalent_subsample(anchors.tables, yardsticks, most=most, draws=draws)
    reading = f"Looks like a random {_percent(shares[0])} subsample of the real rows."
    score = replace(
        pairs,
        name="k_marginal",
        title="k-marginal score",
        better="higher",
        value=_score(yardsticks[0]),
        ceiling=_score(yardsticks[1]),
        floor=_score(yardsticks[2]),
        parts=tuple(_scored(part) for part in pairs.parts),
        note=f"1000 (1 - mean distance of pairs): 1000 is a copy. {reading}" if shares[0] > 0 else pairs.note,
    )
    share = replace(
        pairs,
        name="equivalent_subsample",
        title="Equivalent subsample",
        better="higher",
        value=shares[0],
        ceiling=shares[1],
        floor=shares[2],
        parts=(),
        note=f"{reading} A second sample of the same size reads as about a third, as both samples vary."
        if shares[0] > 0
        else "Not defined: there are too few rows, or there is no pair of columns.",
    )
    return score, share


def _shares(tables: Sequence[np.ndarray[Any, Any]], sizes: Sequence[int], group: Group) -> list[Shares]:
    """Of each table the shares of rows in the cells of some columns."""
    keys, cells = [table[:, group[0]].astype(np.int64) for table in tables], sizes[group[0]]
    for column in group[1:]:
        if cells > (1 << 62) // sizes[column]:  # squeezed before it overflows
            keys, cells = _squeezed(keys)
        keys = [key * sizes[column] + table[:, column] for key, table in zip(keys, tables, strict=True)]
        cells *= sizes[column]
    if cells > _DENSE:
        keys, cells = _squeezed(keys)
    return [np.bincount(key, minlength=cells) / len(key) for key in keys]


def _squeezed(keys: Sequence[CodeArray]) -> tuple[list[CodeArray], int]:
    """The same keys numbered from 0."""
    known, places = np.unique(np.concatenate(keys), return_inverse=True)
    ends = np.cumsum([len(key) for key in keys])[:-1]
    return np.split(places, ends), len(known)


def _read(falling: np.ndarray, odds: np.ndarray, distance: float) -> float:
    """The curve read backwards."""
    if not math.isfinite(distance):
        return math.nan
    if distance <= math.exp(falling[-1]):
        return 1.0
    return float(1 / (1 + np.exp(-np.interp(math.log(distance), falling[::-1], odds[::-1]))))


def _score(distance: float) -> float:
    return 1000 * (1 - distance)


def _scored(part: Part) -> Part:
    ceiling, floor = (None if one is None else _score(one) for one in (part.ceiling, part.floor))
    return replace(part, value=_score(part.value), ceiling=ceiling, floor=floor)


def _percent(share: float) -> str:
    return "99 % or larger" if share > 0.99 else f"{100 * share:.2g} %"


def _note(columns: int, ways: int, most: int | None) -> str:
    chosen, total = len(groups(columns, ways, most=most)), math.comb(columns, ways)
    if not chosen:
        return f"Not defined: there are no {_WORDS[ways][1]}."
    which = "all" if chosen == total else f"{chosen} fixed random"
    return f"Mean over {which} {_WORDS[ways][1]}: half the sum of differences of shares. 0 is equal."
