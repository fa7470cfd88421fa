"""Scores of many synthetic tables against the same rows, between the same yardsticks.

For rows that may be read for free (public, simulated, drawn from a paid model), or whose owner looks at them
outside any account. What is computed here from private rows is confidential.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dpsynth.evaluation import marginals
from dpsynth.evaluation.direct import direct
from dpsynth.evaluation.groups import LEAST_ROWS, Groups, group_distances
from dpsynth.evaluation.learners import fit
from dpsynth.evaluation.scoring import score, trivial
from dpsynth.evaluation.splits import Split, Target, split
from dpsynth.evaluation.tables import Rows, Tables

if TYPE_CHECKING:
    import pandas as pd

    from dpsynth.schema.schema import Schema

__all__ = ["METRICS", "Scores"]

METRICS: Mapping[str, str] = {
    "k_marginal": "1 - mean total variation distance of tables of three columns",
    "pair_accuracy": "1 - mean total variation distance of tables of two columns",
    "tstr": "AUC or R² of a model that is trained on synthetic rows and tested on others",
}
_WAYS = {"k_marginal": 3, "pair_accuracy": 2}
_FAMILY = "gradient_boosting"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scores:
    """The rows that synthetic ones are compared with, read once.

    Attributes:
        tables: The rows, cut into cells.
        aim: What a model predicts; None for no model.
        rows: Which rows train and which test.
        groups: The groups whose rows are also compared by themselves.
    """

    tables: Tables
    aim: Target | None
    rows: Split | None
    groups: tuple[Groups, ...]

    @classmethod
    def of(
        cls,
        frame: pd.DataFrame,
        schema: Schema,
        *,
        holdout: pd.DataFrame | None = None,
        target: str | None = None,
        protected: Sequence[str] = (),
        seed: int = 0,
    ) -> Scores:
        """Read the rows.

        Raises:
            DataError: They lack a column, or the schema models no such target or protected column.
        """
        tables = Tables.read(frame, frame, schema, holdout=holdout, seed=seed)
        return cls(
            tables=tables,
            aim=None if target is None else Target.of(tables, target),
            rows=None if target is None else split(tables),
            groups=tuple(Groups.of(tables, column) for column in protected),
        )

    def utility(self, synthetic: pd.DataFrame) -> dict[str, float]:
        """All metrics of a synthetic table; higher is better."""
        tables = self.tables.with_frame(synthetic)
        return self._pairs_and_triples(tables) | self._trained(lambda _: tables.synthetic)

    def worst_group(self, synthetic: pd.DataFrame) -> float | None:
        """The pair accuracy of the protected group that fares worst, of those with 30 rows or more."""
        tables, found = self.tables.with_frame(synthetic), []
        for groups in self.groups:
            counts = np.bincount(groups.codes(tables, tables.real), minlength=len(groups.labels))
            found += (1 - group_distances(groups, tables)[counts >= LEAST_ROWS]).tolist()
        return min(found, default=None)

    def ceiling(self) -> dict[str, float]:
        """What a second sample of the rows gets, and what the model gets that is trained on the rows."""
        return self._pairs_and_triples(self.tables.ceiling()) | self._trained(lambda rows: rows.train)

    def floor(self) -> dict[str, float]:
        """What independent columns get, and what the model gets that says the same of everybody."""
        found = self._pairs_and_triples(self.tables.floor())
        if self.aim is None or self.rows is None:
            return found
        train, test = (self.aim.values(self.aim.known(one)) for one in (self.rows.train, self.rows.test))
        return found | {"tstr": trivial(self.aim, train, test)}

    def direct(self, epsilon: float) -> float:
        """The better of two models that are trained with privacy on the rows; NaN if there is none."""
        if self.aim is None or self.rows is None:
            return math.nan
        found = direct(self.tables, self.aim, self.rows, epsilon=epsilon, quick=True)
        return max((one.value for one in found if math.isfinite(one.value)), default=math.nan)

    def equivalent(self, accuracies: Sequence[float]) -> list[float]:
        """Of which share a subsample of the rows has each pair accuracy."""
        return marginals.equivalent_subsample(self.tables, [1 - one for one in accuracies], draws=1)

    def _pairs_and_triples(self, tables: Tables) -> dict[str, float]:
        found = {name: marginals.total_variation(tables, ways=ways).value for name, ways in _WAYS.items()}
        return {name: 1 - value for name, value in found.items() if math.isfinite(value)}

    def _trained(self, chosen: Callable[[Split], Rows]) -> dict[str, float]:
        """The score of a model that was trained on the chosen rows, on rows that it has not seen."""
        if self.aim is None or self.rows is None:
            return {}
        test = self.aim.known(self.rows.test)
        predicted = fit(self.tables, self.aim, _FAMILY, chosen(self.rows), quick=True).scores(test)
        return {"tstr": float(score(self.aim, predicted, self.aim.values(test))[0])}
