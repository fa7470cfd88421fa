"""Rules about values hold in every row of every table, whatever the model draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from brief import brief
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.errors import ConfigurationError, RulesError
from dpsynth.generators.adhering import MOST_ROUNDS, adhering_table
from dpsynth.generators.derived import with_constraints
from dpsynth.generators.fitted import FittedModel
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.schema import (
    Boolean,
    Categorical,
    Datetime,
    Formula,
    FunctionalDependency,
    Identifier,
    Implication,
    InequalityChain,
    Integer,
    NullTogether,
    OneHot,
    Real,
    Schema,
    UniqueKey,
    adherence,
)
from dpsynth.schema.row_checks import violations
from dpsynth.schema.row_rules import RowRule
from dpsynth.session import PrivateTable, Session
from dpsynth.testing.insecure import insecure_noise

COLUMNS = (
    Identifier(name="id"),
    Integer(name="low", minimum=0, maximum=99, cells=5),
    Integer(name="middle", minimum=0, maximum=120, cells=6, required=True),
    Real(name="high", minimum=0.0, maximum=99.5, precision=1, cells=4),
    Datetime(name="born", minimum="2000-01-01", maximum="2003-12-31", temporal="date", cells=6),
    Datetime(name="seen", minimum="2000-01-01", maximum="2005-12-31", temporal="date", cells=5),
    Boolean(name="red", required=True),
    Boolean(name="green"),
    Categorical(name="blue", categories=(0, 1)),
    Categorical(name="colour", categories=("a", "b", "c"), out_of_domain="other", ordered=True),
    Real(name="price", minimum=0.0, maximum=9.99, precision=2, cells=5),
    Formula(name="sales", expression="price * middle", precision=2, maximum=1000.0),
    Formula(name="share", expression="low / middle", precision=3, out_of_domain="missing", maximum=1.0),
)
RULES: tuple[RowRule, ...] = (
    InequalityChain(columns=("low", "middle", "high")),
    InequalityChain(columns=("born", "seen"), strict=True),
    OneHot(columns=("red", "green", "blue")),
    NullTogether(columns=("price", "colour")),
    Implication(when="colour == 'a'", then="low < 50 and not missing(low)"),
    Implication(when="seen > date('2003-06-30')", then="year(born) >= 2001 or sales > 5"),
    UniqueKey(columns=("middle", "price")),
)
SCHEMA = Schema(columns=COLUMNS, rules=RULES)


@dataclass(frozen=True, kw_only=True)
class Even:
    """Draws every code as often as any other."""

    schema: Schema
    name = "even"
    total = 50.0

    def sample_codes(
        self, rows: int, rng: np.random.Generator, given: Mapping[str, Any] | None = None
    ) -> dict[str, np.ndarray]:
        codes = {c.name: rng.integers(0, c.size, rows).astype(np.int32) for c in self.schema.modelled}
        for name, fixed in (given or {}).items():
            codes[name] = rng.choice(np.atleast_1d(fixed), rows).astype(np.int32)
        return codes


def table(schema: Schema, rows: int = 60, seed: int = 0, **fixed: Any) -> pd.DataFrame:
    return adhering_table(Even(schema=schema), rows, np.random.default_rng(seed), fixed)[0]  # type: ignore[arg-type]


@pytest.mark.slow
@settings(max_examples=40)
@given(kept=st.sets(st.sampled_from(RULES)), rows=st.integers(0, 80), seed=st.integers(0, 2**32))
def test_any_rules_hold_in_every_row(kept: set[RowRule], rows: int, seed: int) -> None:
    schema = replace(SCHEMA, rules=tuple(rule for rule in RULES if rule in kept))
    made = table(schema, rows, seed)
    assert len(made) == rows
    assert list(made) == list(schema.names)
    assert set(adherence(schema, made).values()) == {1.0}
    assert list(made["id"]) == list(range(1, rows + 1))
    plain = table(replace(SCHEMA, rules=()), rows, seed)
    assert dict(made.dtypes) == dict(plain.dtypes)


def test_the_rules_hold_as_anybody_would_check_them() -> None:
    made = table(SCHEMA, 300, 1)
    chain = made[["low", "middle", "high"]].astype(float)
    for left, right in (("low", "middle"), ("middle", "high"), ("low", "high")):
        both = chain[[left, right]].dropna()
        assert (both[left] <= both[right]).all()
    dates = made[["born", "seen"]].dropna()
    assert (dates["born"] < dates["seen"]).all()
    flags = made[["red", "green", "blue"]].astype(float)
    assert (flags.sum(axis=1) <= 1).all()
    assert (flags.dropna().sum(axis=1) == 1).all()
    assert (made["price"].isna() == made["colour"].isna()).all()
    assert (made.loc[made["colour"] == "a", "low"] < 50).all()
    keys = made[["middle", "price"]].dropna()
    assert not keys.duplicated().any()
    sold = made[["price", "middle", "sales"]].dropna()
    assert np.allclose(sold["price"] * sold["middle"], sold["sales"], atol=0.005 + 1e-9)
    assert made["sales"].isna().equals(made["price"].isna())
    assert (made["sales"].dropna() <= 1000).all()
    assert made["share"].dropna().between(0, 1).all()
    assert made.isna().any().any()


@pytest.mark.parametrize("rule", RULES[:5], ids=str)
def test_written_and_read_again_the_rules_still_hold(rule: RowRule, tmp_path: Any) -> None:
    schema = replace(SCHEMA, rules=(rule,))
    table(schema, 200).to_csv(tmp_path / "rows.csv", index=False)
    read = pd.read_csv(tmp_path / "rows.csv")
    assert set(adherence(schema, read).values()) == {1.0}


def test_a_schema_without_rules_draws_what_it_drew() -> None:
    schema = Schema(columns=COLUMNS[:11])
    frame, acceptance = adhering_table(Even(schema=schema), 5, np.random.default_rng(0), {})  # type: ignore[arg-type]
    assert acceptance is None
    assert list(frame) == list(schema.names)


def test_acceptance_says_how_rows_were_found() -> None:
    schema = replace(SCHEMA, rules=(Implication(when="True", then="red"),))
    _, found = adhering_table(Even(schema=schema), 1000, np.random.default_rng(0), {})  # type: ignore[arg-type]
    assert found is not None
    assert found.rate == pytest.approx(0.5, abs=0.2)
    assert 1 < found.rounds < MOST_ROUNDS
    assert found.repaired == 0
    assert found.broken["red when True"] == pytest.approx(0.5, abs=0.05)
    assert found.drawn > 1500


def test_values_are_redrawn_inside_their_cells_first() -> None:
    """Where cells allow an order nothing moves between cells, so the codes that were drawn stay."""
    schema = Schema(
        columns=(
            Integer(name="a", minimum=0, maximum=99, cells=1, required=True),
            Integer(name="b", minimum=0, maximum=99, cells=1, required=True),
        ),
        rules=(InequalityChain(columns=("a", "b"), repair="redraw"),),
    )
    frame, found = adhering_table(Even(schema=schema), 4000, np.random.default_rng(0), {})  # type: ignore[arg-type]
    assert found is not None
    assert (found.repaired, found.rounds, found.rate) == (0, 1, 1.0)
    assert found.broken["a <= b"] == pytest.approx(0.5, abs=0.05)
    assert frame["a"].mean() == pytest.approx(33, abs=1.5)  # of the smaller of two


def test_sorting_needs_no_second_round_and_redrawing_moves_nothing() -> None:
    columns = tuple(Integer(name=name, minimum=0, maximum=9, required=True) for name in "ab")
    for repair, moved in (("sort", True), ("redraw", False)):
        rule = InequalityChain(columns=("a", "b"), repair=repair)  # type: ignore[arg-type]
        schema = Schema(columns=columns, rules=(rule,))
        _, found = adhering_table(Even(schema=schema), 500, np.random.default_rng(0), {})  # type: ignore[arg-type]
        assert found is not None
        assert (found.repaired > 0, found.rounds == 1) == (moved, moved)


def test_what_is_given_stays_as_it_is() -> None:
    code = 3  # 60 to 79
    made = table(SCHEMA, 100, 2, low=code, red=1, price=SCHEMA.modelled[9].missing_code)
    assert made["low"].between(60, 79).all()
    assert made["red"].all()
    assert made["price"].isna().all()
    assert set(adherence(SCHEMA, made).values()) == {1.0}


def test_repairs_leave_columns_of_constraints_alone() -> None:
    follows = FunctionalDependency(determinants=("green",), dependent="flag", mapping={True: 1}, default=0)
    columns = (
        Boolean(name="red", required=True),
        Boolean(name="green", required=True),
        Integer(name="flag", minimum=0, maximum=1, required=True),
    )
    schema = Schema(columns=columns, constraints=(follows,), rules=(OneHot(columns=("red", "green")),))
    made, found = adhering_table(Even(schema=schema), 50, np.random.default_rng(0), {})  # type: ignore[arg-type]
    assert found is not None
    assert found.repaired == 0
    assert set(adherence(schema, made).values()) == {1.0}


def test_a_rule_that_no_row_meets_is_named() -> None:
    schema = replace(SCHEMA, rules=(Implication(when="True", then="middle > 120"),))
    with pytest.raises(ConfigurationError, match=r"Only 0 of 60 rows .* 'middle > 120 when True' was broken"):
        table(schema)
    assert table(schema, 0).empty


def test_the_error_has_the_model_which_is_paid_for() -> None:
    schema = replace(SCHEMA, rules=(UniqueKey(columns=("middle",)),))
    fitted = FittedModel(model=Even(schema=schema), guarantee=None)  # type: ignore[arg-type]
    with pytest.raises(RulesError, match=r"Only 1.* of 500 rows") as caught:
        fitted.sample(500)
    assert caught.value.model is fitted
    assert len(caught.value.model.sample(20).frame) == 20


def test_a_key_with_too_few_values_is_named() -> None:
    schema = replace(SCHEMA, rules=(UniqueKey(columns=("red", "blue")),))
    with pytest.raises(ConfigurationError, match=r"'\(red, blue\) unique' was broken most often"):
        table(
            replace(
                schema, columns=tuple(replace(c, required=True) if c.name == "blue" else c for c in COLUMNS)
            )
        )


def test_an_implication_that_says_what_to_write_is_written() -> None:
    """The share of `when` stays that of the model; drawing rows again would lower it."""
    rules = (
        Implication(
            when="red", then="missing(price) and low == 7 and colour == 'b' and born == date('2001-02-03')"
        ),
        Implication(when="not red", then="green == True and blue == 1"),
    )
    schema = replace(SCHEMA, rules=rules, columns=COLUMNS[:11])
    made, found = adhering_table(Even(schema=schema), 2000, np.random.default_rng(0), {})  # type: ignore[arg-type]
    assert found is not None
    assert (found.rounds, found.rate) == (1, 1.0)
    assert made["red"].mean() == pytest.approx(0.5, abs=0.05)
    red = made[made["red"]]
    assert red["price"].isna().all()
    assert set(red["low"].dropna()) == {7}
    assert set(red["colour"].dropna()) == {"b"}
    assert set(red["born"].dropna().astype(str)) == {"2001-02-03"}
    assert made.loc[~made["red"], ["green", "blue"]].astype(float).ne(0).all(axis=None)
    assert dict(made.dtypes) == dict(table(replace(schema, rules=())).dtypes)
    redrawn = replace(schema, rules=(replace(rules[1], repair="redraw"),))
    _, found = adhering_table(Even(schema=redrawn), 2000, np.random.default_rng(0), {})  # type: ignore[arg-type]
    assert found is not None
    assert (found.repaired, found.rate < 0.8) == (0, True)


@pytest.mark.parametrize(
    "then",
    [
        "low == 7.5",
        "low == 100",
        "missing(middle)",
        "missing(sales)",
        "colour == 'other'",
        "low == middle",
        "low < 5",
    ],
)
def test_what_cannot_be_written_is_drawn_again(then: str) -> None:
    rule = Implication(when="red and low > 90", then=then)
    schema = replace(SCHEMA, rules=(rule,))
    made, found = adhering_table(Even(schema=schema), 300, np.random.default_rng(0), {})  # type: ignore[arg-type]
    assert found is not None
    assert found.repaired == 0
    assert adherence(schema, made)[str(rule)] == 1.0


def test_completed_rows_meet_the_rules(ledger: Ledger) -> None:
    with insecure_noise(1):  # what may be drawn above 70 depends on the noise
        fitted = _fit("mst", ledger)
    part = pd.DataFrame({"low": [70, None, 10, 3], "colour": ["b", "a", None, None]}, index=list("wxyz"))
    made = fitted.complete(part, rng=0).frame
    assert list(made.index) == list("wxyz")
    assert made["low"][["w", "y", "z"]].tolist() == [70, 10, 3]
    assert made["colour"][:2].tolist() == ["b", "a"]
    assert set(adherence(SCHEMA, made).values()) == {1.0}


@pytest.mark.slow
def test_what_is_given_against_a_rule_is_named(ledger: Ledger) -> None:
    fitted = _fit("independent", ledger, replace(SCHEMA, rules=RULES[4:5]))
    with pytest.raises(ConfigurationError, match=r"low < 50 and not missing\(low\) when .* broken most"):
        fitted.complete(pd.DataFrame({"low": [70, 10], "colour": ["a", "a"]}), rng=0)
    with pytest.raises(ConfigurationError, match=r"'sales = price \* middle' was broken"):
        fitted.complete(pd.DataFrame({"sales": [1.0], "price": [2.0], "middle": [2]}), rng=0)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_shuffled_rows_break_the_same_rules(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plain = table(replace(SCHEMA, rules=()), 40, seed)
    order = rng.permutation(40)
    schema = replace(SCHEMA, rules=RULES[:6])
    shuffled = violations(schema, plain.iloc[order])
    for text, broken in violations(schema, plain).items():
        assert (broken[order] == shuffled[text]).all()


@pytest.mark.parametrize("method", ["independent", "mst", "privbayes", "aim", "allpairs", "auto"])
def test_every_method_gives_tables_that_meet_the_rules(method: str, ledger: Ledger, tmp_path: Any) -> None:
    fitted = _fit(method, ledger)
    made = fitted.sample(300, rng=0)
    assert made.acceptance is not None
    assert set(adherence(SCHEMA, made.frame).values()) == {1.0}
    fitted.save(tmp_path / "model")
    again = FittedModel.load(tmp_path / "model").sample(300, rng=0)
    pd.testing.assert_frame_equal(again.frame, made.frame)
    fixed = fitted.sample(40, given={"colour": "b"}, rng=0).frame
    assert (fixed["colour"] == "b").all()
    assert set(adherence(SCHEMA, fixed).values()) == {1.0}


@pytest.mark.parametrize("method", ["hybrid", "dpvae", "dpgan"])
def test_every_deep_method_gives_tables_that_meet_the_rules(method: str, ledger: Ledger) -> None:
    pytest.importorskip("torch")
    made = _fit(method, ledger).sample(100, rng=0)
    assert set(adherence(SCHEMA, made.frame).values()) == {1.0}


def _fit(method: str, ledger: Ledger, schema: Schema = SCHEMA) -> FittedModel:
    """A model of rows that break all rules: they were drawn without them, and sales are wrong."""
    private = table(replace(SCHEMA, rules=()), 500, 3).assign(sales=1.0, share=-1.0)
    session = Session.open(
        PrivateTable.load(private, schema),
        budget=Budget(epsilon=3, delta=1e-6),
        ledger=ledger,
        dataset="rows",
    )
    model = session.run(brief(method), rng=0)
    return FittedModel(model=model, guarantee=session.guarantee(), transcript=session.transcript)


def test_rules_stand_beside_columns_that_follow(ledger: Ledger, tmp_path: Any) -> None:
    """A formula may use a column that is not measured because it follows from another."""
    schema = Schema(
        columns=(
            Categorical(name="size", categories=("s", "m", "l"), required=True),
            Integer(name="weight", minimum=1, maximum=3, required=True),
            Integer(name="count", minimum=0, maximum=9, required=True),
            Formula(name="load", expression="weight * count", precision=0, maximum=20),
        ),
        constraints=(
            FunctionalDependency(
                determinants=("size",), dependent="weight", mapping={"s": 1, "m": 2, "l": 3}
            ),
        ),
        rules=(Implication(when="size == 'l'", then="load > 3"), UniqueKey(columns=("size", "count"))),
    )
    rng = np.random.default_rng(0)
    private = pd.DataFrame({"size": rng.choice(list("sml"), 300), "count": rng.integers(0, 10, 300)})
    private = private.assign(weight=private["size"].map({"s": 1, "m": 2, "l": 3}), load=0)
    session = Session.open(
        PrivateTable.load(private, schema),
        budget=Budget(epsilon=5, delta=1e-6),
        ledger=ledger,
        dataset="loads",
    )
    model = session.run(with_constraints(brief("mst"), schema), rng=0)
    FittedModel(model=model, guarantee=session.guarantee()).save(tmp_path / "model")
    fitted = FittedModel.load(tmp_path / "model")
    made = fitted.sample(15, rng=0).frame
    assert made["load"].tolist() == (made["weight"] * made["count"]).tolist()
    assert made["load"].dtype == "int64"
    assert set(adherence(schema, made).values()) == {1.0}
    with pytest.raises(ConfigurationError, match="modelled columns, got 'load'"):
        fitted.sample(5, given={"load": 3})
