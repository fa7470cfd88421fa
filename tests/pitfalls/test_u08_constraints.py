"""U08: constraints that the model honours, and the steps after it break."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dpsynth.generators.allpairs import AllPairs
from dpsynth.graphical import junction_model as module
from dpsynth.graphical.row_rules import RowRules
from dpsynth.graphical.zeros import allowed_rows, allowed_tables
from dpsynth.mechanisms.encoded import EncodedTable
from dpsynth.privacy.budget import Budget
from dpsynth.schema import Categorical, ImpossibleCombinations, Integer, Schema

ROWS = 4_000


def schema() -> Schema:
    return Schema(
        columns=(
            Integer(name="age", minimum=0, maximum=99, edges=tuple(range(0, 100, 3)), required=True),
            Categorical(name="status", categories=("single", "married", "widowed"), required=True),
            Categorical(name="work", categories=("none", "part", "full"), required=True),
        ),
        constraints=(
            ImpossibleCombinations(
                columns=("age", "status", "work"),
                combinations=[((0, 14), ["married", "widowed"], ...), ((60, None), "single", "full")],
            ),
        ),
    )


class Answers:
    """A measurer over private rows many of which break the constraint."""

    def __init__(self) -> None:
        self.schema, self.budget = schema(), Budget(epsilon=2.0, delta=1e-6)
        rng = np.random.default_rng(0)
        codes = {
            name: rng.integers(0, size, ROWS)
            for name, size in zip(self.schema.domain.columns, self.schema.domain.sizes, strict=True)
        }
        self._table = EncodedTable(self.schema.domain, codes, rows=ROWS)

    def measure(self, mechanism: Any) -> Any:
        return mechanism.run(self._table, self.schema.unit)

    def select(self, mechanism: Any) -> int:
        raise AssertionError("nothing is selected here")


def share_broken(model: Any) -> float:
    codes = model.sample_codes(ROWS, np.random.default_rng(1))
    rows = np.column_stack([codes[name] for name in model.schema.domain.columns])
    return 1.0 - float(allowed_rows(rows, allowed_tables(model.schema)).mean())


def test_no_step_after_the_model_breaks_a_constraint(monkeypatch: pytest.MonkeyPatch) -> None:
    model = AllPairs().fit(Answers())
    assert share_broken(model) == 0.0
    # Rows that are polished without the rules break it: the mistake that this page names.
    monkeypatch.setattr(module.JunctionModel, "_rules", property(lambda own: RowRules.of_tables((), 3)))
    assert share_broken(model) > 0.0
