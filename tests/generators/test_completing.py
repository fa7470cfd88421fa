from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from brief import brief

from dpsynth.errors import ConfigurationError, DataError
from dpsynth.generators.fitted import FittedModel
from dpsynth.generators.registry import names
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.release import fit_table
from dpsynth.schema.encode import encode_column
from dpsynth.testing.cases import cases

PEOPLE = next(case for case in cases() if case.name == "every kind of column")


def fit(method: str) -> FittedModel:
    with Ledger.in_memory() as ledger:
        return fit_table(
            PEOPLE.frame,
            schema=PEOPLE.schema,
            generator=brief(method),
            budget=Budget(epsilon=20.0, delta=1e-6),
            ledger=ledger,
            dataset="people",
        )


@pytest.fixture(scope="module")
def fitted() -> FittedModel:
    return fit("mst")


def partial(fitted: FittedModel, share: float, rows: int = 300) -> pd.DataFrame:
    """Sampled rows of which some values were removed."""
    frame = fitted.sample(rows, rng=0).frame.drop(columns=["id", "note"]).astype(object)
    return frame.mask(np.random.default_rng(1).random(frame.shape) < share)


@pytest.mark.parametrize("method", sorted({*names()} - {"hybrid"}))  # it draws rows only
@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_every_value_is_kept_and_every_gap_filled(method: str, share: float) -> None:
    fitted = fit(method)
    known = partial(fitted, share)
    made = fitted.complete(known, rng=2).frame
    assert list(made.columns) == list(PEOPLE.schema.names)
    for name in known:
        held = known[name].notna().to_numpy()
        assert made[name].notna().all()
        assert (made[name].astype(object)[held] == known[name][held]).all()
    for column in PEOPLE.schema.modelled:
        assert (encode_column(column, made[column.name]) >= 0).all()
        assert made[column.name].dtype == fitted.sample(1).frame[column.name].dtype


def test_the_rest_is_drawn_given_what_is_known(fitted: FittedModel) -> None:
    """In the data "red" is under 30 and every other colour is 40 or older."""
    known = pd.DataFrame({"colour": ["red", "blue"] * 400})
    made = fitted.complete(known, rng=0).frame
    ages = made["age"].astype("Float64")
    assert ages[made["colour"] == "red"].mean() < 30
    assert ages[made["colour"] == "blue"].mean() > 50
    assert made["age"].isna().any()  # a column that is not there is drawn as in a sample


def test_numbers_are_kept_to_the_last_digit(fitted: FittedModel) -> None:
    known = pd.DataFrame(
        {
            "age": ["37", None, 38.0],
            "height": [1.73, np.nan, "1.99"],
            "joined": [pd.Timestamp("2021-02-03"), pd.NaT, "2022-03-04"],
            "colour": ["", "other", "green"],
        },
        index=[7, 3, 5],
    )
    made = fitted.complete(known, rng=0).frame
    assert made.index.tolist() == [7, 3, 5]
    assert made["age"].tolist()[::2] == [37, 38]
    assert made["height"].tolist()[::2] == [1.73, 1.99]
    assert made["joined"].tolist()[::2] == [pd.Timestamp("2021-02-03"), pd.Timestamp("2022-03-04")]
    assert made["colour"].tolist()[1:] == ["other", "green"]
    assert made.loc[3].notna().all()


def test_columns_that_are_not_modelled_are_kept_or_made(fitted: FittedModel) -> None:
    made = fitted.complete(pd.DataFrame({"id": ["x", "y"], "member": [True, None]}), rng=0).frame
    assert made["id"].tolist() == ["x", "y"]
    assert made["note"].tolist() == ["-", "-"]
    assert made["member"].tolist()[0] is True
    made = fitted.complete(pd.DataFrame({"member": [True, False]}), rng=0).frame
    assert made["id"].tolist() == [1, 2]


def test_one_seed_gives_one_table(fitted: FittedModel) -> None:
    known = partial(fitted, 0.5)
    first, second, other = (fitted.complete(known, rng=seed).frame for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, second)
    assert not first.equals(other)


def test_frames_without_rows_or_columns(fitted: FittedModel) -> None:
    assert fitted.complete(pd.DataFrame({"age": []}), rng=0).frame.empty
    assert len(fitted.complete(pd.DataFrame(index=range(5)), rng=0).frame) == 5


def test_the_guarantee_does_not_cover_what_was_given(fitted: FittedModel) -> None:
    table = fitted.complete(pd.DataFrame({"age": [30]}), rng=0)
    assert fitted.guarantee.certifiable
    assert not table.guarantee.certifiable
    assert "NOT CERTIFIABLE: some values were given" in repr(table)


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"age": [5, 1_234]}, "'age'"),
        ({"age": ["old"]}, "'age'"),
        ({"colour": ["red", "ultramarine"]}, "'colour'"),
        ({"grade": [7]}, "'grade'"),
        ({"joined": ["1999-12-31"]}, "'joined'"),
        ({"color": ["red"]}, r"\['color'\]"),
    ],
)
def test_values_outside_the_domain_are_refused_by_column_and_never_shown(
    fitted: FittedModel, known: dict[str, list[Any]], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        fitted.complete(pd.DataFrame(known))
    assert not any(text in str(caught.value) for text in ("1234", "ultramarine", "1999", "old'", "7"))


def test_other_things_than_frames_of_columns_are_refused(fitted: FittedModel) -> None:
    with pytest.raises(ConfigurationError, match="pandas DataFrame, got dict"):
        fitted.complete({"age": [1]})  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="each once"):
        fitted.complete(pd.DataFrame([[1, 2]], columns=["age", "age"]))
    with pytest.raises(DataError, match="'age'"):
        fitted.complete(pd.DataFrame({"age": [pd.Timestamp("2020-01-01")]}))


def test_thousands_of_different_records_are_completed_exactly(fitted: FittedModel) -> None:
    """The share of each colour among the completed rows is that of the model given the age, row by row."""
    ages = np.random.default_rng(3).integers(0, 100, 20_000)
    made = fitted.complete(pd.DataFrame({"age": ages}), rng=4).frame
    pair = fitted.marginal(["age", "colour"])
    for cell in pair["age"].cat.categories[[2, 12]]:
        here = pair[pair["age"] == cell]
        red = here.loc[here["colour"] == "red", "probability"].sum() / here["probability"].sum()
        inside = (ages >= cell.left) & (ages <= cell.right)
        found = (made["colour"][inside] == "red").mean()
        assert found == pytest.approx(red, abs=5 * np.sqrt(0.25 / inside.sum()))
