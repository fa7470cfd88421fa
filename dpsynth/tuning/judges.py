"""Private scores of models: what selection and budget raising decide by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dpsynth import _validate
from dpsynth.evaluation.pair_gaps import pair_gaps
from dpsynth.privacy.calibrate import mu_of
from dpsynth.privacy.events import GaussianEvent
from dpsynth.session import Plan, Step

if TYPE_CHECKING:
    from dpsynth.generators.base import Model
    from dpsynth.privacy.budget import Budget
    from dpsynth.schema.schema import Schema
    from dpsynth.session import Measurer

__all__ = ["PairJudge"]

_SEED = 0  # of the rows that are compared: every model is judged in the same way


@dataclass(frozen=True, kw_only=True, slots=True)
class PairJudge:
    """Rates a model by its pair accuracy: 1 - mean total variation distance of all tables of two columns.

    The distances are between the private rows and rows that the model draws, on the cells of the schema, each
    with Gaussian noise. The noise of their mean falls with the number of pairs, and with the number of rows.

    Attributes:
        most_rows: Draw so many rows at most; the score is that much coarser.

    Privacy: one `NoisyScores` over all pairs. Model and number of rows follow from paid answers.
    """

    name: ClassVar[str] = "pair accuracy"

    most_rows: int = 50_000

    def __post_init__(self) -> None:
        _validate.count("most_rows", self.most_rows)

    def plan(self, schema: Schema, budget: Budget) -> Plan:
        """One question, of all that the budget has."""
        del schema  # which pairs there are does not change the price
        step = Step(label="distances of pairs", event=GaussianEvent(mu=_mu(budget)))
        return Plan(method=self.name, steps=(step,))

    def score(self, model: Model, measurer: Measurer) -> float:
        """The noisy pair accuracy; noise may lift it above 1."""
        rows = max(model.total, 1.0)
        codes = model.sample_codes(max(1, min(round(rows), self.most_rows)), np.random.default_rng(_SEED))
        asked = pair_gaps(codes, measurer.schema, rows=rows, mu=_mu(measurer.budget))
        gaps = measurer.measure(asked).values[0]
        return 1.0 - float(np.mean(gaps)) / (2 * rows)

    def deviation(self, schema: Schema, budget: Budget, *, rows: float) -> float:
        """Standard deviation of the noise of a score, for a table of so many rows. Uses no data."""
        codes = {name: np.zeros(1, dtype=np.int64) for name in schema.domain.columns}
        asked = pair_gaps(codes, schema, rows=1.0, mu=_mu(budget))
        return asked.sigma(schema.unit) / math.sqrt(len(asked.score.cliques)) / (2 * rows)


def _mu(budget: Budget) -> float:
    return mu_of(budget) * (1 - 1e-9)  # a plan of it costs less than the budget, whatever is rounded
