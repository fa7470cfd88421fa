from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from brief import brief

from dpsynth.errors import ConfigurationError
from dpsynth.generators.fitted import FittedModel
from dpsynth.generators.independent import Independent
from dpsynth.generators.marginals import MOST_ROWS, marginal_frame, values_of_codes
from dpsynth.generators.registry import names
from dpsynth.graphical.tree import TreeModel
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.release import fit_table
from dpsynth.schema.columns import Categorical, Integer
from dpsynth.schema.schema import Schema


def fit(frame: pd.DataFrame, schema: Schema, method: str) -> FittedModel:
    with Ledger.in_memory() as ledger:
        return fit_table(
            frame,
            schema=schema,
            generator=brief(method),
            budget=Budget(epsilon=5.0, delta=1e-6),
            ledger=ledger,
            dataset="people",
        )


@pytest.mark.parametrize("method", sorted({*names()} - {"hybrid"}))  # it draws rows only
def test_a_marginal_of_any_columns_agrees_with_rows(frame: pd.DataFrame, schema: Schema, method: str) -> None:
    fitted = fit(frame, schema, method)
    table = fitted.marginal(["age", "colour", "member"])
    assert list(table.columns) == ["age", "colour", "member", "probability", "count"]
    assert table["probability"].sum() == pytest.approx(1.0)
    np.testing.assert_allclose(table["count"], table["probability"] * fitted.model.total)
    rows = 4_000
    drawn = fitted.sample(rows, rng=0).frame
    red = table[(table["colour"] == "red") & ~table["member"].to_numpy(bool)]
    in_range = red[[cell.right < 40 for cell in red["age"].cat.categories[red["age"].cat.codes]]]
    found = ((drawn["colour"] == "red") & (drawn["age"] < 40) & ~drawn["member"].to_numpy(bool)).mean()
    # `allpairs` and `aim` polish rows to pairs, so rows follow the tree less closely than chance would.
    assert found == pytest.approx(in_range["probability"].sum(), abs=0.03)


def test_cells_are_intervals_and_missing_is_missing(frame: pd.DataFrame, schema: Schema) -> None:
    fitted = fit(frame, schema, "independent")
    ages = fitted.marginal("age")
    assert ages["age"].iloc[3] == pd.Interval(30, 39, closed="both")
    assert ages["age"].isna().tolist() == [False] * 10 + [True]
    dates = fitted.marginal("joined")["joined"].cat.categories
    assert dates[0].left == pd.Timestamp("2020-01-01")
    assert dates[-1].right == pd.Timestamp("2023-12-31")
    assert (dates[1:].left - dates[:-1].right == pd.Timedelta(days=1)).all()
    colours = fitted.marginal("colour")
    assert colours["colour"].dtype == fitted.sample(5).frame["colour"].dtype
    assert colours["colour"].tolist()[:3] == ["red", "green", "blue"]
    assert fitted.marginal("member")["member"].tolist() == [False, True]


def test_values_with_a_cell_of_their_own_are_told_as_they_are() -> None:
    column = Integer(name="n", minimum=3, maximum=6, required=True)
    assert values_of_codes(column).tolist() == [3, 4, 5, 6]
    wide = Integer(name="n", minimum=0, maximum=9, edges=(0, 1, 9), required=True)
    assert values_of_codes(wide).tolist() == [
        pd.Interval(0, 0, closed="both"),
        pd.Interval(1, 9, closed="both"),
    ]


def model_of(columns: Mapping[str, int]) -> TreeModel:
    schema = Schema(
        columns=tuple(
            Categorical(name=name, categories=tuple(range(size)), required=True)
            for name, size in columns.items()
        )
    )
    tables = {name: np.full(size, 1 / size) for name, size in columns.items()}
    return TreeModel(schema=schema, total=10.0, order=tuple((name, None) for name in columns), tables=tables)


@pytest.mark.parametrize("asked", [[], ["a", "a"], ["nothing"], ["a", "count"]])
def test_what_is_no_set_of_columns_is_refused(asked: list[str]) -> None:
    with pytest.raises(ConfigurationError, match=r"columns|names"):
        marginal_frame(model_of({"a": 2, "b": 2, "count": 2}), asked)


def test_frames_beyond_memory_are_refused_before_they_are_made() -> None:
    with pytest.raises(ConfigurationError, match=str(MOST_ROWS)):
        marginal_frame(model_of({"a": 2**12, "b": 2**12}), ["a", "b"])


class Opaque:
    """A model of somebody else that can only draw rows."""

    name: ClassVar[str] = "opaque"
    schema = model_of({"a": 2}).schema
    total = 5.0

    def sample_codes(self, rows: int, rng: Any, given: Any = None) -> dict[str, np.ndarray]:
        return {"a": np.zeros(rows, np.int32)}

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return {}, {}

    @classmethod
    def from_state(cls, schema: Schema, header: Any, arrays: Any) -> Opaque:
        return cls()


def test_a_model_that_only_draws_rows_says_so() -> None:
    with pytest.raises(ConfigurationError, match="'opaque' give no exact answers"):
        marginal_frame(Opaque(), ["a"])


def test_the_name_of_one_column_will_do(frame: pd.DataFrame, schema: Schema, ledger: Ledger) -> None:
    fitted = fit_table(
        frame,
        schema=schema,
        generator=Independent(),
        budget=Budget(epsilon=1.0, delta=1e-6),
        ledger=ledger,
        dataset="d",
    )
    pd.testing.assert_frame_equal(fitted.marginal("colour"), fitted.marginal(["colour"]))
