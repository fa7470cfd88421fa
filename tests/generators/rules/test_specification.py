"""Rules as a whole: what is drawn, that it repeats, that constraints hold, and what is refused."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
from generators.rules.orders import orders

from dpsynth.errors import ConfigurationError, DataError
from dpsynth.generators.rules import (
    Case,
    CategoryRule,
    DateRule,
    DerivedRule,
    Distribution,
    Given,
    NumberRule,
    RankCorrelation,
    Rules,
    TextRule,
)
from dpsynth.generators.rules.drawing import BLOCK


@pytest.fixture(scope="module")
def rules() -> Rules:
    return Rules.from_json(orders())


@pytest.fixture(scope="module")
def frame(rules: Rules) -> pd.DataFrame:
    return rules.sample(20_000, seed=3)


def digest(frame: pd.DataFrame) -> str:
    return hashlib.sha256(frame.to_csv(index=False).encode()).hexdigest()


def test_golden_rows_for_a_fixed_seed(rules: Rules) -> None:
    first = rules.sample(3, seed=7)
    assert first.drop(columns=["seen"]).to_csv(index=False) == GOLDEN


def test_a_seed_gives_the_same_bytes_and_another_one_does_not(rules: Rules) -> None:
    assert digest(rules.sample(seed=1)) == digest(rules.sample(seed=1))
    assert digest(rules.sample(seed=1)) != digest(rules.sample(seed=2))
    assert digest(rules.sample()) != digest(rules.sample())


def test_a_simulated_table_shows_its_statement_and_a_few_rows() -> None:
    column = CategoryRule(name="sign", categories=("<b>", "&"))
    table = Rules(name="signs", columns=(column,), rows=30).simulate(seed=1)
    page, text = table._repr_html_(), repr(table)
    assert "epsilon = 0" in page
    assert "epsilon = 0" in text
    assert page.count("<tr") == 6  # a head and five rows
    assert "<b>" not in page.replace("<b>Statement</b>", "")
    assert "5 of 30 simulated rows" in page
    assert text.endswith("(30 simulated rows)")


def test_a_longer_table_begins_with_the_shorter_one(rules: Rules) -> None:
    long, short = rules.sample(BLOCK + 500, seed=1), rules.sample(300, seed=1)
    pd.testing.assert_frame_equal(long.head(300), short, check_names=True)
    assert not long["price"].tail(300).reset_index(drop=True).equals(long["price"].head(300))


def test_another_column_changes_nothing_in_the_others() -> None:
    one, more = orders(), orders()
    more["columns"].insert(0, {"name": "extra", "kind": "number", "minimum": 0, "maximum": 9})
    a, b = Rules.from_json(one).sample(200, seed=5), Rules.from_json(more).sample(200, seed=5)
    pd.testing.assert_frame_equal(a, b.drop(columns="extra"))


def test_no_rows_are_a_table_with_its_types(rules: Rules, frame: pd.DataFrame) -> None:
    empty = rules.sample(0, seed=1)
    assert len(empty) == 0
    assert empty.dtypes.astype(str).to_dict() == frame.dtypes.astype(str).to_dict()


def test_what_is_drawn_follows_the_rules(frame: pd.DataFrame) -> None:
    assert frame["region"].value_counts(normalize=True)["north"] == pytest.approx(0.75, abs=0.02)
    assert frame["stars"].isna().mean() == pytest.approx(0.2, abs=0.02)
    assert set(frame["stars"].dropna()) == {1, 2, 5}
    assert frame["order"].is_unique
    assert frame["order"].iloc[0] == "O-000001"
    assert frame["quantity"].between(1, 20).all()
    assert ((frame["price"] * 20).round(6) % 1 == 0).all()
    assert set(frame["channel"][(frame["region"] == "north") & frame["member"]]) == {"shop"}
    assert set(frame["channel"][(frame["region"] == "south") & ~frame["member"]]) == {"web"}
    assert set(frame["channel"][(frame["region"] == "north") & ~frame["member"]]) == {"web", "shop"}
    assert frame["wait"][frame["stars"].isna()].mean() > 2.5 * frame["wait"][frame["stars"].notna()].mean()
    assert set(frame["tier"]) == {"gold", "s", "m", "l"}
    assert (frame["tier"] == "gold").equals(frame["large"].astype(bool))
    assert frame["phone"].dropna().str.fullmatch(r"#1-\d{3}-[23][A-Z]\d").all()
    assert frame["seen"].dt.minute.nunique() == 60


def test_dates_are_business_days_where_it_is_said(frame: pd.DataFrame) -> None:
    assert (frame["ordered"].dt.day_of_week < 5).all()
    assert (frame["shipped"].dropna().dt.day_of_week < 5).all()
    assert ((frame["due"] - frame["ordered"]).dt.days == 30).all()


def test_missing_values_follow_their_condition(frame: pd.DataFrame) -> None:
    lost = frame["shipped"].isna().groupby(frame["channel"]).mean()
    assert lost["web"] == pytest.approx(0.3, abs=0.03)
    assert lost["shop"] == pytest.approx(0.01, abs=0.01)


def test_ranks_correlate_as_declared() -> None:
    normal = Distribution(name="norm")
    rules = Rules(
        columns=(
            NumberRule(name="a", distribution=normal, decimals=6),
            NumberRule(name="b", distribution=Distribution(name="expon"), decimals=6),
            DateRule(name="c", minimum="1990-01-01", maximum="2020-01-01"),
        ),
        correlation=RankCorrelation(
            columns=("a", "b", "c"), matrix=((1, 0.8, -0.3), (0.8, 1, 0.1), (-0.3, 0.1, 1))
        ),
    )
    frame = rules.sample(40_000, seed=1)
    ranks = frame.assign(c=frame["c"].astype("int64")).corr("spearman").to_numpy()
    assert ranks == pytest.approx(np.array([[1, 0.8, -0.3], [0.8, 1, 0.1], [-0.3, 0.1, 1]]), abs=0.015)
    assert frame["b"].mean() == pytest.approx(1.0, abs=0.03)


def test_a_singular_matrix_is_allowed_and_an_impossible_one_names_its_eigenvalue() -> None:
    ones = RankCorrelation(columns=("a", "b"), matrix=((1, 1), (1, 1)))
    found = ones.uniforms(1000, np.random.default_rng(1))
    assert np.abs(found["a"] - found["b"]).max() < 1e-3
    with pytest.raises(ConfigurationError, match=r"eigenvalue -0\.\d+"):
        RankCorrelation(columns=("a", "b", "c"), matrix=((1, 0.9, -0.9), (0.9, 1, 0.9), (-0.9, 0.9, 1)))


@pytest.mark.parametrize(
    "matrix", [[[1, 2], [2, 1]], [[1, 0.5], [0.4, 1]], [[2, 0], [0, 1]], [[1]], "no", [[1, None], [0, 1]]]
)
def test_a_matrix_that_is_none_is_refused(matrix: Any) -> None:
    with pytest.raises(ConfigurationError, match="matrix"):
        RankCorrelation(columns=("a", "b"), matrix=matrix)


# ---------------------------------------------------------------- constraints


def test_every_constraint_and_formula_holds_in_what_is_written(rules: Rules, frame: pd.DataFrame) -> None:
    table = rules.simulate(5000, seed=2)
    assert 0.5 < table.statement.accepted < 1
    assert set(rules.adherence(table.frame).values()) == {1.0}
    assert (frame["sales"] <= 500).all()
    assert (frame["quantity"][frame["size"] == "l"] >= 2).all()
    assert np.abs(frame["sales"] - (frame["price"] * frame["quantity"]).round(2)).max() < 0.006
    assert (frame["shipped"].dropna() >= frame["ordered"][frame["shipped"].notna()]).all()


def test_a_table_that_somebody_edited_is_found_out(rules: Rules) -> None:
    frame = rules.sample(100, seed=1)
    frame.loc[:9, "sales"] += 0.01
    shares = rules.adherence(frame)
    assert shares["sales = price * quantity"] == pytest.approx(0.9)
    with pytest.raises(DataError, match="no column 'size'"):
        rules.adherence(frame.drop(columns="size"))


def test_a_table_read_from_csv_still_adheres(rules: Rules, tmp_path: Any) -> None:
    rules.simulate(300, seed=1).write(tmp_path / "orders.csv")
    assert set(rules.adherence(pd.read_csv(tmp_path / "orders.csv")).values()) == {1.0}


def test_hopeless_constraints_are_an_error_and_not_a_short_table() -> None:
    column = NumberRule(name="x", minimum=0, maximum=1, decimals=6)
    rules = Rules(columns=(column,), constraints=("x < 0.9", "x < 0.001"), rounds=5)
    with pytest.raises(
        ConfigurationError, match=r"After 5 rounds \d+ of 200 rows .*'x < 0.001'.*% of \d+ drawn"
    ):
        rules.sample(200, seed=1)
    easier = Rules(columns=(column,), constraints=("x < 0.5",))
    table = easier.simulate(4000, seed=1)
    assert len(table.frame) == 4000
    assert (table.frame["x"] < 0.5).all()
    assert table.statement.accepted == pytest.approx(0.5, abs=0.03)


def test_a_constraint_holds_after_rounding() -> None:
    """SDV rounded after it had checked (its issue 2550)."""
    rules = Rules(
        columns=(
            NumberRule(
                name="low",
                minimum=0,
                maximum=2,
                decimals=0,
                distribution=Distribution(name="uniform", parameters={"scale": 2}),
            ),
            NumberRule(
                name="high",
                minimum=0,
                maximum=2,
                decimals=0,
                distribution=Distribution(name="uniform", parameters={"scale": 2}),
            ),
        ),
        constraints=("low < high",),
    )
    frame = rules.sample(2000, seed=1)
    assert (frame["low"] < frame["high"]).all()


def test_a_missing_value_breaks_no_constraint() -> None:
    rules = Rules(
        columns=(NumberRule(name="x", minimum=0, maximum=1, missing=0.5),), constraints=("x < 0.5",)
    )
    frame = rules.sample(1000, seed=1)
    assert frame["x"].isna().mean() == pytest.approx(2 / 3, abs=0.05)
    assert (frame["x"].dropna() < 0.5).all()


# ---------------------------------------------------------------- schema


def test_the_schema_fits_what_is_drawn(rules: Rules, frame: pd.DataFrame) -> None:
    from dpsynth.schema.encode import encode_column

    schema = rules.schema()
    assert schema.complete
    assert schema.names == tuple(frame.columns)
    for column in schema.modelled:
        codes = encode_column(column, frame[column.name])
        if column.required:
            assert (codes >= 0).all()
        else:
            assert ((codes == column.missing_code) == frame[column.name].isna()).all()


def test_a_sample_is_proxy_data_for_a_generator(rules: Rules) -> None:
    import dpsynth

    frame = rules.sample(1000, seed=1)
    with dpsynth.Ledger.in_memory() as ledger:
        table = dpsynth.synthesize(
            frame,
            schema=rules.schema(),
            method="independent",
            epsilon=5.0,
            delta=1e-6,
            ledger=ledger,
            dataset="p",
            rng=1,
        )
    assert set(table.frame["region"]) <= {"north", "south"}


def test_unbounded_numbers_have_no_schema_but_are_drawn() -> None:
    rules = Rules(columns=(NumberRule(name="x", distribution=Distribution(name="norm")),))
    assert rules.sample(100, seed=1)["x"].std() == pytest.approx(1, abs=0.3)
    with pytest.raises(ConfigurationError, match=r"Column 'x': .*minimum and a maximum"):
        rules.schema()


# ---------------------------------------------------------------- statement


def test_the_frame_says_that_no_data_was_read(rules: Rules) -> None:
    said = rules.sample(10, seed=4).attrs["dpsynth"]
    assert said["epsilon"] == 0
    assert said["statement"].startswith("epsilon = 0: no data about people was read")
    assert (said["seed"], said["rows"], said["rules"]) == (4, 10, rules.digest())
    assert "epsilon = 0" in rules.simulate(10, seed=4).statement.in_words()


def test_rules_can_be_written_in_python() -> None:
    taller = Case(values="m", parameters={"loc": 180})
    height = Distribution(name="norm", parameters={"loc": 167, "scale": 6})
    rules = Rules(
        columns=(
            CategoryRule(name="sex", categories=("f", "m")),
            NumberRule(
                name="height", distribution=height, decimals=0, given=Given(columns="sex", cases=(taller,))
            ),
            DerivedRule(name="code", formula="where(sex == 'f', 1, 2)", decimals=0),
            TextRule(name="plate", pattern="??-##"),
        )
    )
    means = rules.sample(2000, seed=1).groupby("sex")["height"].mean()
    assert means.to_dict() == {"f": pytest.approx(167, abs=1), "m": pytest.approx(180, abs=1)}
    frame = rules.sample(50, seed=1)
    assert frame["code"].dtype == "int64"
    assert set(zip(frame["sex"], frame["code"], strict=True)) == {("f", 1), ("m", 2)}


def test_adherence_reads_numbers_of_a_list_and_moments() -> None:
    rules = Rules(
        columns=(
            CategoryRule(name="stars", categories=(5, 1, 2)),
            DateRule(name="start", minimum="2024-01-01T08:00", maximum="2024-01-01T18:00", resolution="m"),
            DerivedRule(name="end", formula="start + stars / 24"),
            TextRule(name="note", pattern="##", missing=0.5),
        ),
        constraints=("implies(stars == 5, missing(note))", "end > start"),
    )
    frame = rules.sample(500, seed=1)
    assert set(rules.adherence(frame).values()) == {1.0}
    assert (
        ((frame["end"] - frame["start"]).dt.total_seconds() / 3600)
        .round(3)
        .equals(frame["stars"].astype(float))
    )
    frame["stars"] = 7
    with pytest.raises(DataError, match="'stars' has values that its rule cannot give"):
        rules.adherence(frame)


GOLDEN = """\
order,region,size,stars,member,quantity,price,channel,wait,sales,large,tier,ordered,shipped,due,phone
O-000001,north,l,,False,2,18.7,web,19.4,37.4,False,l,2024-08-05,,2024-09-04,
O-000002,north,l,5,False,5,9.2,shop,4.7,46.0,False,l,2024-07-17,2024-07-17,2024-08-16,#1-759-2V6
O-000003,south,m,5,True,5,6.85,web,0.5,34.25,False,m,2024-12-27,,2025-01-26,#1-274-2Q1
"""
