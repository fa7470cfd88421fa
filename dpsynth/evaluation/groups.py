"""Groups of people by protected columns: their names, their shares, and how well each is imitated."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dpsynth.evaluation import marginals
from dpsynth.evaluation.anchors import Anchors, Label, Score
from dpsynth.evaluation.results import Part, Result
from dpsynth.evaluation.tables import CodeArray, Rows, Tables
from dpsynth.schema.columns import Boolean, Categorical

__all__ = [
    "LEAST_ROWS",
    "Groups",
    "fidelity_by_group",
    "group_distances",
    "group_shares",
    "majority_shift",
    "mean_pair_distance",
    "pair_shares",
    "share_differences",
    "signed",
]

Floats = np.ndarray[Any, np.dtype[np.float64]]

_BANDS = 4
LEAST_ROWS = 30
_MOST_PARTS = 200
_MOST_PAIRS = 200
_MISSING, _FOREIGN = "(missing)", "(other)"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Groups:
    """The groups of one protected column, or of two together.

    Attributes:
        columns: Their names.
        names: By column what its groups are called.
        cuts: By column the numbers that part its groups; None where each value is a group.
    """

    columns: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    cuts: tuple[Floats | None, ...]

    @classmethod
    def of(cls, tables: Tables, *columns: str) -> Groups:
        """Values are groups; numbers and dates of many values are cut into four bands of real rows.

        Raises:
            DataError: The schema models no such column.
        """
        names, cuts = zip(*(_names(tables, tables.place(column)) for column in columns), strict=True)
        return cls(columns=columns, names=names, cuts=cuts)

    @property
    def labels(self) -> tuple[Label, ...]:
        """The column and the group, or both columns together and both groups."""
        column = " x ".join(self.columns)
        return tuple((column, " x ".join(each)) for each in itertools.product(*self.names))

    def codes(self, tables: Tables, rows: Rows) -> CodeArray:
        """The group of each row, a place in `labels`."""
        found = np.zeros(len(rows), np.int64)
        for column, names, cuts in zip(self.columns, self.names, self.cuts, strict=True):
            own = rows.codes[:, tables.place(column)]
            if cuts is not None:
                readings = rows.readings[column]
                own = 1 + np.searchsorted(cuts, readings, side="right")
                own = np.where(np.isnan(readings), 0, np.where(np.isinf(readings), len(cuts) + 2, own))
            found = found * len(names) + own
        return found

    def shares(self, tables: Tables, rows: Rows) -> Floats:
        """The share of each group."""
        return np.bincount(self.codes(tables, rows), minlength=len(self.labels)) / len(rows)


def signed(anchors: Anchors, metric: Any, **about: Any) -> Result:
    """Like `Anchors.result`, but the parts have signs and are sorted by their size."""
    result = anchors.result(metric, most_parts=10**6, **about)
    parts = sorted(result.parts, key=lambda part: (-abs(np.nan_to_num(part.value)), part.label))
    return replace(result, parts=tuple(parts[:_MOST_PARTS]))


def share_differences(tables: Tables, several: Sequence[Groups]) -> Score:
    """Synthetic minus real share of each group; as a whole the largest difference, without its sign."""
    parts: dict[Label, float] = {}
    for groups in several:
        real, synthetic = (groups.shares(tables, rows) for rows in (tables.real, tables.synthetic))
        there = (real > 0) | (synthetic > 0)
        labels = groups.labels
        parts |= {labels[i]: float(synthetic[i] - real[i]) for i in np.flatnonzero(there)}
    return Score(value=max((abs(one) for one in parts.values()), default=float("nan")), parts=parts)


def group_shares(anchors: Anchors, protected: Sequence[str]) -> Result:
    """Which groups grew, which shrank.

    Share of synthetic rows minus share of real rows, by group: positive is over-represented. The floor is
    that of independent columns, which keep the shares of single columns: here it is about the ceiling.
    """
    several = [Groups.of(anchors.tables, column) for column in protected]
    return signed(
        anchors,
        lambda tables: share_differences(tables, several),
        name="group_shares",
        family="bias",
        title="Shares of groups: largest difference",
        note="Parts: synthetic minus real share; positive is over-represented.",
    )


def pair_shares(anchors: Anchors, protected: Sequence[str]) -> Result:
    """The same for groups of two protected columns together: who is small in both is easily lost."""
    several = [Groups.of(anchors.tables, *pair) for pair in itertools.combinations(protected, 2)]
    note = "Parts: synthetic minus real share; positive is over-represented."
    if not several:
        note = "There are no two protected columns."
    return signed(
        anchors,
        lambda tables: share_differences(tables, several),
        name="group_pair_shares",
        family="bias",
        title="Shares of groups of two columns: largest difference",
        note=note,
    )


def majority_shift(anchors: Anchors, protected: Sequence[str]) -> Result:
    """Do large groups grow at the cost of small ones (Matthew), or the other way round (Robin Hood)?

    For each column the sum of the differences of shares of the groups that are larger than the equal share.
    Positive: the majority grew. Noise that is cut off at 0 gives to small groups (Ganev, Oprisanu,
    De Cristofaro 2022). As a whole the largest shift, without its sign.
    """
    several = {column: Groups.of(anchors.tables, column) for column in protected}

    def metric(tables: Tables) -> Score:
        parts: dict[Label, float] = {}
        for column, groups in several.items():
            real, synthetic = (groups.shares(tables, rows) for rows in (tables.real, tables.synthetic))
            there = np.flatnonzero(real > 0)
            large = there[real[there] > 1 / len(there)]
            parts[column,] = float((synthetic - real)[large].sum())
        return Score(value=max((abs(one) for one in parts.values()), default=float("nan")), parts=parts)

    return signed(
        anchors,
        metric,
        name="majority_shift",
        family="bias",
        title="Shift of shares to the larger groups",
        note="Parts with their sign: positive, the larger groups grew (Matthew); negative, the smaller ones "
        "did (Robin Hood).",
    )


def mean_pair_distance(tables: Tables, real: Rows, synthetic: Rows) -> float:
    """The mean total variation distance of pairs of columns (tvd2); 1 where one side has no rows.

    Of all pairs, or of 200 fixed random ones.
    """
    if not len(real) or not len(synthetic):
        return 1.0
    chosen = marginals.groups(len(tables.columns), 2, most=_MOST_PAIRS)
    if not chosen:
        return float("nan")
    return float(marginals.distances(real.codes, [synthetic.codes], tables.sizes, chosen).mean())


def fidelity_by_group(anchors: Anchors, protected: Sequence[str]) -> Result:
    """How well each group is imitated: tvd2 of its synthetic rows against its real rows.

    Small groups are far from themselves by chance alone, so each has a ceiling of its own: two samples of its
    real rows. As a whole the group that is farthest above its ceiling. Groups of fewer than 30 real rows are
    left out: their ceiling says nothing.
    """
    tables = anchors.tables
    parts = []
    for column in protected:
        groups = Groups.of(tables, column)
        found = {
            label: group_distances(groups, one)
            for label, one in {"own": tables, "ceiling": anchors.ceiling, "floor": anchors.floor}.items()
        }
        counts = np.bincount(groups.codes(tables, tables.real), minlength=len(groups.labels))
        parts += [
            Part(label=label, **{"value" if k == "own" else k: float(v[i]) for k, v in found.items()})
            for i, label in enumerate(groups.labels)
            if counts[i] >= LEAST_ROWS
        ]
    parts.sort(key=lambda part: (-(part.value - (part.ceiling or 0.0)), part.label))
    worst = parts[0] if parts else Part(label=(), value=float("nan"))
    return Result(
        name="fidelity_by_group",
        family="bias",
        title="Fidelity by group: distance of pairs of columns (tvd2), worst group",
        value=worst.value,
        ceiling=worst.ceiling,
        floor=worst.floor,
        rows=min(len(tables.real), len(tables.synthetic)),
        seed=tables.seed,
        note=f"The group farthest above its own ceiling; groups of {LEAST_ROWS} real rows or more."
        if parts
        else f"There is no group of {LEAST_ROWS} real rows.",
        parts=tuple(parts),
    )


def group_distances(groups: Groups, tables: Tables) -> Floats:
    """The mean distance of pairs (tvd2) of each group, in the order of its labels."""
    sides = []
    for rows in (tables.real, tables.synthetic):
        codes = groups.codes(tables, rows)
        sides.append([rows.take(np.flatnonzero(codes == i)) for i in range(len(groups.labels))])
    return np.array([mean_pair_distance(tables, *pair) for pair in zip(*sides, strict=True)])


def _names(tables: Tables, place: int) -> tuple[tuple[str, ...], Floats | None]:
    """What the groups of a column are called, and where its bands are cut."""
    column, cells = tables.schema.modelled[place], tables.cells[place]
    values = np.array(cells.values if cells.values is not None else [])
    if tables.numeric(column.name) and (cells.edges is not None or len(values) > 2 * _BANDS):
        readings = tables.real.readings[column.name]
        known = readings[np.isfinite(readings)]
        cuts = np.unique(np.quantile(known, np.arange(1, _BANDS) / _BANDS, method="higher"))
        cuts = cuts[cuts > known.min()]
        written = [_number(column, value) for value in cuts]
        bands = [f"below {written[0]}"] if written else ["all"]
        bands += [f"{low} to below {high}" for low, high in itertools.pairwise(written)]
        bands += [f"{written[-1]} or more"] if written else []
        return (_MISSING, *bands, _FOREIGN), cuts
    if isinstance(column, Categorical):
        known_values = [str(column.known_categories[int(value)]) for value in values]
    elif isinstance(column, Boolean):
        known_values = [str(bool(value)) for value in values]
    else:
        known_values = [_number(column, value) for value in values]
    return (_MISSING, *known_values, _FOREIGN), None


def _number(column: Any, value: float) -> str:
    if column.kind == "datetime":
        return str(np.datetime64(int(value), "s").astype(f"datetime64[{column.resolution}]"))
    return f"{value:g}"
