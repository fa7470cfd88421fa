"""Exact matches: synthetic rows that equal a training row, beside those that equal a row of the holdout.

A diagnostic of copying, and never a proof of privacy. In tables of few coarse columns most synthetic rows
equal some real row, as most new real rows do. So the share means nothing by itself; what counts is by how
much more often a training row is met than a row that the generator never saw (the "exact match score" of
reports, with the comparison that they leave out).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dpsynth.evaluation.anchors import Label
from dpsynth.evaluation.intervals import mean_of_groups
from dpsynth.evaluation.results import Part, Result
from dpsynth.evaluation.samples import NO_HOLDOUT, Samples
from dpsynth.evaluation.tables import Rows, Tables, generator

__all__ = ["DIAGNOSTIC", "exact_matches", "numbered", "share_of_matches"]

DIAGNOSTIC = "A diagnostic of copying, never a proof of privacy."

_MOST_CELLS = 2**62

Numbers = np.ndarray[Any, np.dtype[np.int64]]


def exact_matches(tables: Tables, *, sensitive: Sequence[str] = ()) -> tuple[Result, ...]:
    """How many synthetic rows equal real ones.

    Two results. `exact_match`: the share of synthetic rows whose cells in all columns are those of a training
    row; its ceiling is the share of the rows of the holdout of which that is true, and its floor that of
    independent columns. `exact_match_excess`: by how much it exceeds the share that equals a row of the
    holdout, both tables cut to one size; 0 if nothing is copied. The interval takes into account that
    synthetic rows which are equal match together.

    Args:
        tables: Real and synthetic rows.
        sensitive: Columns that do not identify anybody. The parts tell the same for all the others, by which
            people can be recognised.
    """
    samples = Samples.of(tables)
    return _share(tables, samples, sensitive), _excess(tables, samples, sensitive)


def share_of_matches(rows: Rows, among: Rows, columns: Sequence[int] | None = None) -> float:
    """The share of `rows` that equal one of `among` in the cells of some columns, or of all."""
    ours, theirs = numbered([_cells(rows, columns), _cells(among, columns)])
    return float(np.isin(ours, theirs).mean())


def numbered(several: Sequence[np.ndarray[Any, Any]]) -> list[Numbers]:
    """The number of each row's combination: equal numbers mean equal rows. NaN equals NaN."""
    together = np.concatenate(several)
    whole = np.issubdtype(together.dtype, np.integer)
    numbers, cells = np.zeros(len(together), np.int64), 1
    for column in together.T:
        codes = column if whole else np.unique(column, return_inverse=True)[1]
        size = int(codes.max(initial=0)) + 1
        if cells > _MOST_CELLS // size:  # squeezed before it overflows
            known, numbers = np.unique(numbers, return_inverse=True)
            cells = len(known)
        numbers = numbers * size + codes
        cells *= size
    numbers = np.unique(numbers, return_inverse=True)[1]
    return np.split(numbers, np.cumsum([len(rows) for rows in several])[:-1])


def _share(tables: Tables, samples: Samples | None, sensitive: Sequence[str]) -> Result:
    members = tables.real if samples is None else samples.members
    about = {
        "all columns": None,
        "identifying columns": _identifying(tables, sensitive),
    }
    independent = tables.real.independent(len(tables.synthetic), generator(tables, "independent"))
    parts = [
        Part(
            label=(name,),
            value=share_of_matches(tables.synthetic, members, columns),
            ceiling=None if samples is None else share_of_matches(samples.others, members, columns),
            floor=share_of_matches(independent, members, columns),
        )
        for name, columns in about.items()
    ]
    ours, theirs = numbered([_readings(tables.synthetic), _readings(members)])
    parts.append(Part(label=("to the last digit",), value=float(np.isin(ours, theirs).mean())))
    note = f"{DIAGNOSTIC} " + (
        f"Among all {len(members)} training rows. {NO_HOLDOUT}" if samples is None else samples.note
    )
    return Result(
        name="exact_match",
        family="privacy",
        title="Synthetic rows equal to a training row",
        value=parts[0].value,
        ceiling=parts[0].ceiling,
        floor=parts[0].floor,
        better="neither",
        rows=len(tables.synthetic),
        seed=tables.seed,
        note=note,
        parts=tuple(parts),
    )


def _excess(tables: Tables, samples: Samples | None, sensitive: Sequence[str]) -> Result:
    value, interval = math.nan, None
    parts: tuple[Part, ...] = ()
    if samples is not None:
        value, interval = _difference(samples, None)
        identifying, _ = _difference(samples, _identifying(tables, sensitive))
        found: dict[Label, float] = {
            ("training row",): share_of_matches(samples.synthetic, samples.members),
            ("row of the holdout",): share_of_matches(samples.synthetic, samples.others),
            ("excess, identifying columns",): identifying,
        }
        parts = tuple(Part(label=label, value=one) for label, one in found.items())
    return Result(
        name="exact_match_excess",
        family="privacy",
        title="Synthetic rows equal to a training row rather than to a row of the holdout",
        value=value,
        ceiling=None if samples is None else 0.0,
        interval=interval,
        rows=len(tables.synthetic),
        seed=tables.seed,
        note=NO_HOLDOUT if samples is None else f"{DIAGNOSTIC} {samples.note}",
        parts=parts,
    )


def _difference(samples: Samples, columns: Sequence[int] | None) -> tuple[float, tuple[float, float]]:
    """Training minus holdout, in shares of synthetic rows; rows of one combination are one group."""
    synthetic, members, others = numbered(
        [_cells(rows, columns) for rows in (samples.synthetic, samples.members, samples.others)]
    )
    gaps = np.isin(synthetic, members).astype(np.float64) - np.isin(synthetic, others)
    return mean_of_groups(gaps, synthetic)


def _identifying(tables: Tables, sensitive: Sequence[str]) -> list[int]:
    hidden = {tables.place(name) for name in sensitive}
    kept = [place for place in range(len(tables.columns)) if place not in hidden]
    return kept or list(range(len(tables.columns)))


def _cells(rows: Rows, columns: Sequence[int] | None) -> np.ndarray[Any, Any]:
    return rows.codes if columns is None else rows.codes[:, list(columns)]


def _readings(rows: Rows) -> np.ndarray[Any, Any]:
    return np.stack(list(rows.readings.values()), axis=1)
