"""How far off are the counts that people ask a table for?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from dpsynth.evaluation.anchors import Anchors, Label, Score
from dpsynth.evaluation.results import Result
from dpsynth.evaluation.tables import Rows, Tables

__all__ = ["Query", "queries", "query_errors", "random_queries"]

_SEED = 20_240_229  # public, and the same in all evaluations: what is asked does not follow from the data
_MOST_COLUMNS = 3


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Query:
    """Count the rows whose codes are all among those that are asked for.

    Attributes:
        kind: `range` for intervals of numbers and sets of categories, `group` for one cell of each column.
        places: Positions of the columns.
        asked: For each of them which of its codes count.
    """

    kind: str
    places: tuple[int, ...]
    asked: tuple[np.ndarray[Any, np.dtype[np.bool_]], ...]

    def share(self, rows: Rows) -> float:
        """The share of rows that are counted."""
        counted = self.asked[0][rows.codes[:, self.places[0]]]
        for place, asked in zip(self.places[1:], self.asked[1:], strict=True):
            counted = counted & asked[rows.codes[:, place]]
        return float(counted.mean())


def random_queries(tables: Tables, count: int) -> tuple[Query, ...]:
    """Half ranges, half groups, on one to three random columns each, from a public seed."""
    rng = np.random.default_rng(_SEED)
    able = [i for i, size in enumerate(tables.sizes) if size > 2]
    found = []
    for number in range(count if able else 0):
        kind = "range" if number % 2 == 0 else "group"
        size = min(1 + number // 2 % _MOST_COLUMNS, len(able))
        places = tuple(sorted(int(place) for place in rng.choice(able, size, replace=False)))
        asked = tuple(_asked(tables, place, kind, rng) for place in places)
        found.append(Query(kind=kind, places=places, asked=asked))
    return tuple(found)


def query_errors(tables: Tables, asked: tuple[Query, ...]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Absolute errors of counts in percent of all rows, synthetic against real."""
    return np.array([100 * abs(one.share(tables.synthetic) - one.share(tables.real)) for one in asked])


def queries(tables: Tables, *, quick: bool = False) -> tuple[Result, Result]:
    """The mean and the 95th percentile of the errors of random counts.

    Error = 100 * |share of synthetic rows - share of real rows| that satisfy the conditions of a query. Read
    it as "a count of this table is off by so many percent of its rows". Counts of single groups are small,
    and so are their errors; the parts tell them from ranges.
    """
    asked = random_queries(tables, 120 if quick else 480)
    known = cache(partial(query_errors, asked=asked))  # two results read them

    def errors(which: Any) -> Any:
        def metric(compared: Tables) -> Score:
            found = known(compared)
            if not len(found):
                return Score(value=float("nan"))
            labels: list[Label] = [(one.kind, _columns(len(one.places))) for one in asked]
            parts = {
                label: which(found[[at for at, one in enumerate(labels) if one == label]])
                for label in sorted(set(labels))
            }
            return Score(value=which(found), parts=parts)

        return metric

    anchors = Anchors.of(tables)
    note = f"{len(asked)} random counts on one to three columns, in percent of rows."
    if not asked:
        note = "There is no column with values to ask for."
    about: dict[str, Any] = {"family": "utility", "note": note}
    return (
        anchors.result(
            errors(lambda found: float(found.mean())),
            name="query_error_mean",
            title="Error of counts, mean (% of rows)",
            **about,
        ),
        anchors.result(
            errors(lambda found: float(np.quantile(found, 0.95))),
            name="query_error_p95",
            title="Error of counts, 95th percentile (% of rows)",
            **about,
        ),
    )


def _columns(count: int) -> str:
    return "1 column" if count == 1 else f"{count} columns"


def _asked(
    tables: Tables, place: int, kind: str, rng: np.random.Generator
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Codes of values only: neither missing nor what has no cell."""
    size = tables.sizes[place]
    found = np.zeros(size, dtype=bool)
    if kind == "group":
        found[rng.integers(1, size - 1)] = True
    elif tables.numeric(tables.columns[place]):
        low, high = np.sort(rng.integers(1, size - 1, 2))
        found[low : high + 1] = True
    else:
        found[1:-1] = rng.random(size - 2) < 0.5
    return found
