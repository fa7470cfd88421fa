"""Which rows train, which test, and what is predicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth.evaluation.tables import CodeArray, Rows, Tables, generator

__all__ = ["MOST_CLASSES", "Floats", "Split", "Target", "cut", "split"]

Floats = np.ndarray[Any, np.dtype[np.float64]]

MOST_CLASSES = 20
_TEST_SHARE = 0.3


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Split:
    """Rows for training and for testing.

    Attributes:
        train: Real rows that models may see.
        test: Real rows that no model sees.
        note: What to say where the generator has seen the test rows, else "".
    """

    train: Rows
    test: Rows
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Target:
    """What is predicted from all other columns.

    Attributes:
        name: The column.
        place: Its position.
        inputs: The positions of the other columns.
        classes: The codes that are told apart, by rising code; None where a number is predicted.
        note: What was left out, else "".
    """

    name: str
    place: int
    inputs: tuple[int, ...]
    classes: CodeArray | None
    note: str = ""

    @classmethod
    def of(cls, tables: Tables, name: str) -> Target:
        """Classes are those of the real rows, the 20 commonest; a number of two values is two classes.

        Raises:
            DataError: The schema models no such column.
        """
        place = tables.place(name)
        inputs = tuple(i for i in range(len(tables.columns)) if i != place)
        values = tables.cells[place].values
        if tables.numeric(name) and (values is None or len(values) != 2):
            return cls(name=name, place=place, inputs=inputs, classes=None)
        size = tables.sizes[place]
        counts = np.bincount(tables.real.codes[:, place], minlength=size)[1:-1]
        common = np.argsort(-counts, kind="stable")[:MOST_CLASSES]
        classes = 1 + np.sort(common[counts[common] > 0])
        note = "" if len(counts) <= MOST_CLASSES else f"The {MOST_CLASSES} commonest classes only."
        return cls(name=name, place=place, inputs=inputs, classes=classes, note=note)

    def known(self, rows: Rows) -> Rows:
        """The rows whose target is one of the classes, or a number: nothing is to be learnt from others."""
        if self.classes is None:
            return rows.take(np.flatnonzero(np.isfinite(rows.readings[self.name])))
        return rows.take(np.flatnonzero(np.isin(rows.codes[:, self.place], self.classes)))

    def values(self, rows: Rows) -> Floats:
        """Numbers, or the places of classes among `classes`, of rows that are `known`."""
        if self.classes is None:
            return rows.readings[self.name]
        return np.searchsorted(self.classes, rows.codes[:, self.place]).astype(np.float64)


def split(tables: Tables) -> Split:
    """The real rows and the holdout; without one, 30 % of the real rows test."""
    if tables.holdout is not None:
        return Split(train=tables.real, test=tables.holdout)
    train, test = cut(tables.real, generator(tables, "test rows"))
    note = "Without a holdout, 30 % of the real rows test: the synthetic table may have seen them."
    return Split(train=train, test=test, note=note)


def cut(rows: Rows, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """About 70 % and 30 % of rows; both keep their order."""
    places = rng.permutation(len(rows))
    tests = round(_TEST_SHARE * len(rows))
    return rows.take(np.sort(places[tests:])), rows.take(np.sort(places[:tests]))
