"""Groups of rows meet their declared totals exactly, in every table, whatever the model draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from brief import brief
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsynth.errors import RulesError
from dpsynth.generators.adhering import Acceptance, adhering_table
from dpsynth.generators.fitted import FittedModel
from dpsynth.generators.totals import _allotted
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.schema import (
    Boolean,
    Categorical,
    Formula,
    FunctionalDependency,
    GroupTotal,
    Identifier,
    Implication,
    InequalityChain,
    Integer,
    Real,
    Schema,
    UniqueKey,
    adherence,
)
from dpsynth.schema.column import Column
from dpsynth.schema.row_rules import RowRule
from dpsynth.session import PrivateTable, Session
from dpsynth.testing.insecure import insecure_noise

DISTRICT = Categorical(name="district", categories=("north", "south", "west"), required=True)
SEATS = Integer(name="seats", minimum=0, maximum=40, cells=5)
COLUMNS: tuple[Column, ...] = (
    Identifier(name="id"),
    DISTRICT,
    Boolean(name="town"),
    SEATS,
    Real(name="spent", minimum=-5.0, maximum=50.0, precision=2, cells=6, required=True),
    Formula(name="double", expression="2 * seats", precision=0),
    Formula(name="full", expression="seats > 20", result="truth"),
)
BY_DISTRICT = GroupTotal(column="seats", by=("district",), totals={"north": 100, "south": 207})
SPENT = GroupTotal(column="spent", by=("district", "town"), total=99.99, repair="shift")
SCHEMA = Schema(columns=COLUMNS, rules=(BY_DISTRICT, SPENT))


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


def sampled(
    schema: Schema, rows: int = 60, seed: int = 0, **fixed: Any
) -> tuple[pd.DataFrame, Acceptance | None]:
    return adhering_table(Even(schema=schema), rows, np.random.default_rng(seed), fixed)  # type: ignore[arg-type]


def cents(values: pd.Series) -> int:
    """An exact sum: pandas adds floats."""
    return sum(round(Fraction(value) * 100) for value in values.dropna())


def test_groups_meet_their_totals_as_anybody_would_add_them_up() -> None:
    made, found = sampled(SCHEMA, 80)
    assert found is not None
    assert len(made) == 80
    assert made.groupby("district")["seats"].sum()[["north", "south"]].tolist() == [100, 207]
    for _, group in made.dropna(subset="town").groupby(["district", "town"]):
        assert cents(group["spent"]) == 9999
    plain, _ = sampled(replace(SCHEMA, rules=()), 80)
    free = plain["district"] == "west"
    pd.testing.assert_series_equal(made["seats"].isna(), plain["seats"].isna())
    pd.testing.assert_series_equal(made["seats"][free], plain["seats"][free])  # not listed
    nowhere = plain["town"].isna()
    assert (made["spent"][nowhere] == plain["spent"][nowhere]).all()  # no group
    assert dict(made.dtypes) == dict(plain.dtypes)
    assert (made["double"].dropna() == 2 * made["seats"].dropna()).all()
    assert (made["full"].dropna() == (made["seats"].dropna() > 20)).all()
    assert set(adherence(SCHEMA, made).values()) == {1.0}
    assert 0 < found.moved <= 80
    assert f"Numbers of {found.moved} rows were moved" in found.in_words()


def test_written_and_read_again_the_totals_still_hold(tmp_path: Any) -> None:
    made, _ = sampled(SCHEMA, 80)
    made.to_csv(tmp_path / "rows.csv", index=False)
    assert set(adherence(SCHEMA, pd.read_csv(tmp_path / "rows.csv")).values()) == {1.0}
    made.loc[made["district"] == "south", "seats"] = 1
    missed = adherence(SCHEMA, made)[str(BY_DISTRICT)]
    assert missed == (made["district"] != "south").mean()
    lacking = made[made["district"] != "south"]
    assert adherence(SCHEMA, lacking)[str(BY_DISTRICT)] == 0.0


@settings(max_examples=60)
@given(data=st.data())
def test_sums_are_exact_within_bounds_and_on_the_lattice(data: st.DataObject) -> None:
    low = data.draw(st.integers(-50, 50))
    step, points = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 60))
    precision = data.draw(st.integers(0, 6))
    whole = data.draw(st.booleans())
    scale = 1 if whole else 10**precision
    column: Integer | Real = (
        Integer(name="x", minimum=low, maximum=low + step * (points - 1), step=step)
        if whole
        else Real(name="x", minimum=low / scale, maximum=(low + points - 1) / scale, precision=precision)
    )
    group = Categorical(name="g", categories=("a", "b"), required=True)
    rows, seed = data.draw(st.integers(1, 25)), data.draw(st.integers(0, 2**32))
    plain_schema = Schema(columns=(group, column))
    plain = adhering_table(Even(schema=plain_schema), rows, np.random.default_rng(seed), {})[0]  # type: ignore[arg-type]
    present = plain[~plain["x"].isna()].groupby("g").size()
    stride = step if whole else 1
    totals = {
        key: (count * low + stride * data.draw(st.integers(0, count * (points - 1)))) / scale
        for key, count in present.items()
    }
    if whole:
        totals = {key: int(total) for key, total in totals.items()}
    if not totals:
        return
    repair = data.draw(st.sampled_from(["scale", "shift"]))
    rule = GroupTotal(column="x", by=("g",), totals=totals, repair=repair)
    schema = replace(plain_schema, rules=(rule,))
    made = sampled(schema, rows, seed)[0]
    assert (made["g"] == plain["g"]).all()
    assert made["x"].isna().equals(plain["x"].isna())
    for key, total in totals.items():
        values = made.loc[made["g"] == key, "x"].dropna()
        assert sum(round(Fraction(v) * scale) for v in values) == round(Fraction(total) * scale)
        assert values.between(column.minimum, column.maximum).all()
        index = column.index_of(values.to_numpy(dtype=float))
        assert (column.values_at(index.astype(int)) == values.to_numpy()).all()
        before = plain.loc[made["g"] == key, "x"].dropna()
        assert (values >= before).all() or (values <= before).all()  # none moves against the others


@settings(max_examples=100)
@given(
    cells=st.lists(st.tuples(st.integers(0, 2**50), st.integers(1, 2**50)), min_size=1, max_size=8),
    share=st.floats(0, 1),
)
def test_steps_are_allotted_whole_and_in_proportion(cells: list[tuple[int, int]], share: float) -> None:
    room, sizes = [a for a, _ in cells], [b for _, b in cells]
    steps = min(int(share * sum(room)), sum(room))
    given = _allotted(steps, room, sizes)
    assert sum(given) == steps
    assert all(0 <= part <= most for part, most in zip(given, room, strict=True))
    open_ = [i for i in range(len(room)) if given[i] < room[i]]
    for i in open_:
        for j in range(len(room)):  # none that has room gets less for its size than another, but for one step
            assert given[j] * sizes[i] - given[i] * sizes[j] <= sizes[i] + sizes[j]


def test_scaling_keeps_zeros_and_proportions_and_shifting_keeps_distances() -> None:
    columns = (Integer(name="x", minimum=0, maximum=1000, cells=1001, required=True),)
    for repair, expected in (("scale", [0, 30, 60, 90]), ("shift", [30, 40, 50, 60])):
        rule = GroupTotal(column="x", total=180, repair=repair)  # type: ignore[arg-type]
        fitted = Listed(schema=Schema(columns=columns, rules=(rule,)), values=[0, 10, 20, 30])
        made, _ = adhering_table(fitted, 4, np.random.default_rng(0), {})  # type: ignore[arg-type]
        assert made["x"].tolist() == expected
    rule = GroupTotal(column="x", total=9)
    zeros = Listed(schema=Schema(columns=columns, rules=(rule,)), values=[0, 0, 0, 0])
    made, _ = adhering_table(zeros, 4, np.random.default_rng(0), {})  # type: ignore[arg-type]
    assert sorted(made["x"]) == [2, 2, 2, 3]


@pytest.mark.parametrize("total", [548, 547, 300])
def test_rows_go_as_far_as_other_rules_allow(total: int) -> None:
    columns = (Integer(name="x", minimum=0, maximum=1000, cells=1001, required=True),)
    rules = (Implication(when="True", then="x <= 137"), GroupTotal(column="x", total=total))
    fitted = Listed(schema=Schema(columns=columns, rules=rules), values=[1, 10, 20, 100])
    made, _ = adhering_table(fitted, 4, np.random.default_rng(0), {})  # type: ignore[arg-type]
    assert made["x"].sum() == total
    assert made["x"].max() <= 137
    beyond = replace(fitted, schema=Schema(columns=columns, rules=(rules[0], replace(rules[1], total=549))))
    with pytest.raises(RulesError, match="for all rows: its numbers cannot rise so far"):
        adhering_table(beyond, 4, np.random.default_rng(0), {})  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Listed:
    """Draws listed codes of the one column."""

    schema: Schema
    values: list[int]
    name = "listed"
    total = 4.0

    def sample_codes(self, rows: int, rng: np.random.Generator, given: Any = None) -> dict[str, np.ndarray]:
        return {self.schema.modelled[0].name: np.resize(self.values, rows).astype(np.int32)}


OTHERS: tuple[RowRule, ...] = (
    InequalityChain(columns=("seats", "spent")),
    Implication(when="town", then="seats == 0 or missing(seats)"),
    UniqueKey(columns=("district", "seats", "town")),
    Implication(when="district == 'north'", then="double < 60"),
)


@settings(max_examples=10)
@given(kept=st.sets(st.sampled_from(OTHERS)), seed=st.integers(0, 2**32))
def test_totals_hold_together_with_any_other_rules(kept: set[RowRule], seed: int) -> None:
    others = tuple(rule for rule in OTHERS if rule in kept)
    schema = replace(SCHEMA, rules=(*others, replace(BY_DISTRICT, totals={"north": 40, "south": 53})))
    try:
        made, _ = sampled(schema, 40, seed)
    except RulesError:  # never a table that breaks a rule, never a short one
        return
    assert len(made) == 40
    assert set(adherence(schema, made).values()) == {1.0}


def test_totals_are_met_although_most_rows_cannot_take_them() -> None:
    rules = (*OTHERS[:2], BY_DISTRICT)
    made, _ = sampled(replace(SCHEMA, rules=rules), 200, 1)
    assert made.groupby("district")["seats"].sum()[["north", "south"]].tolist() == [100, 207]
    assert (made.loc[made["town"].fillna(False), "seats"].dropna() == 0).all()
    assert (made["seats"].dropna() <= made["spent"][made["seats"].notna()]).all()


def test_what_is_given_stays_in_its_cell() -> None:
    rule = GroupTotal(column="seats", total=1200)
    schema = replace(SCHEMA, rules=(rule,))
    cell = 2  # 16 to 23
    low, high = 16, 23
    made, _ = sampled(schema, 60, 3, seats=cell)
    assert made["seats"].between(low, high).all()
    assert made["seats"].sum() == 1200
    with pytest.raises(RulesError, match=r"cannot rise so far .*what is given.*Ask for more rows"):
        sampled(schema, 50, 3, seats=cell)


def test_numbers_that_a_constraint_binds_stay_in_their_cells() -> None:
    edges = (0, 10, 40)
    seats = Integer(name="seats", minimum=0, maximum=40, edges=edges, required=True)
    follows = FunctionalDependency(
        determinants=("district",), dependent="seats", mapping={"north": (0, 9)}, default=(10, 40)
    )
    schema = Schema(
        columns=(DISTRICT, seats), constraints=(follows,), rules=(GroupTotal(column="seats", total=150),)
    )
    codes = {"district": np.array([0, 0, 1, 1, 1, 2]), "seats": np.array([0, 0, 1, 1, 1, 1])}
    fitted = Fixed(schema=schema, codes=codes)
    made, _ = adhering_table(fitted, 6, np.random.default_rng(0), {})  # type: ignore[arg-type]
    assert made["seats"].sum() == 150
    assert made["seats"][:2].max() <= 9
    with pytest.raises(RulesError, match="cannot rise"):
        adhering_table(
            Fixed(schema=replace(schema, rules=(GroupTotal(column="seats", total=180),)), codes=codes),  # type: ignore[arg-type]
            6,
            np.random.default_rng(0),
            {},
        )


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """Gives the codes that it has."""

    schema: Schema
    codes: dict[str, np.ndarray]
    name = "fixed"
    total = 6.0

    def sample_codes(self, rows: int, rng: np.random.Generator, given: Any = None) -> dict[str, np.ndarray]:
        return self.codes


@pytest.mark.parametrize(
    ("rule", "rows", "says"),
    [
        (
            GroupTotal(column="seats", by=("district",), total=1000),
            30,
            r"for a group of district: .*Ask for more rows, raise",
        ),
        (
            GroupTotal(column="spent", by=("district",), total=-200),
            30,
            r"cannot fall .*Ask for fewer rows, lower",
        ),
        (
            GroupTotal(column="seats", by=("town",), totals={None: 3, True: 9999}),
            40,
            r"for town = True: .*rise",
        ),
        (
            GroupTotal(column="seats", by=("district",), total=7),
            1,
            r"are all missing\. Ask for more rows, or decl",
        ),
        (BY_DISTRICT, 1, r"no row is in it\. Ask for more rows, or take the group out"),
    ],
)
def test_a_total_that_cannot_be_met_is_named(rule: GroupTotal, rows: int, says: str) -> None:
    columns = tuple(replace(c, cells=41) if c.name == "seats" else c for c in COLUMNS)  # type: ignore[call-arg]
    fitted = FittedModel(
        model=Even(schema=Schema(columns=columns, rules=(rule,))),  # type: ignore[arg-type]
        guarantee=None,  # type: ignore[arg-type]
    )
    gap = {"seats": None} if "all missing" in says else {}
    with pytest.raises(RulesError, match=rf"The rule '{rule.column} adds up to.*{says}") as caught:
        fitted.sample(rows, given=gap, rng=0)
    assert caught.value.model is fitted
    assert fitted.sample(0).frame.empty


def test_steps_of_the_column_can_forbid_a_total() -> None:
    schema = Schema(
        columns=(Integer(name="x", minimum=1, maximum=21, step=4, required=True),),
        rules=(GroupTotal(column="x", total=34),),
    )
    assert sampled(schema, 6)[0]["x"].sum() == 34
    with pytest.raises(RulesError, match=r"all rows: no numbers on the steps .* Correct the total, the step"):
        sampled(schema, 5)


def test_a_rule_that_no_moved_row_can_meet_is_named() -> None:
    rules = (
        Implication(when="True", then="seats < 5 or missing(seats)"),
        GroupTotal(column="seats", total=300),
    )
    with pytest.raises(RulesError, match=r"'seats adds up to 300' cannot .*other rules"):
        sampled(replace(SCHEMA, rules=rules), 40)


@pytest.mark.parametrize("method", ["independent", "mst", "privbayes", "aim", "allpairs", "auto"])
def test_every_method_gives_tables_that_meet_the_totals(method: str, ledger: Ledger, tmp_path: Any) -> None:
    fitted = _fit(method, ledger)
    made = fitted.sample(300, rng=0).frame
    assert len(made) == 300
    assert made.groupby("district")["seats"].sum()[["north", "south"]].tolist() == [100, 207]
    assert set(adherence(SCHEMA, made).values()) == {1.0}
    fitted.save(tmp_path / "model")
    pd.testing.assert_frame_equal(FittedModel.load(tmp_path / "model").sample(300, rng=0).frame, made)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["hybrid", "dpvae", "dpgan"])
def test_every_deep_method_gives_tables_that_meet_the_totals(method: str, ledger: Ledger) -> None:
    pytest.importorskip("torch")
    made = _fit(method, ledger, replace(SCHEMA, rules=(BY_DISTRICT,))).sample(200, rng=0)
    assert set(adherence(made.model.schema, made.frame).values()) == {1.0}


def test_completed_rows_meet_the_totals_and_keep_what_they_had(ledger: Ledger) -> None:
    fitted = _fit("mst", ledger, replace(SCHEMA, rules=(BY_DISTRICT,)))
    part = pd.DataFrame(
        {"district": ["north"] * 9 + ["south"] * 12, "seats": [7, 40, *[None] * 19]},
        index=list("abcdefghijklmnopqrstu"),
    )
    made = fitted.complete(part, rng=0).frame
    assert list(made.index) == list(part.index)
    assert made["seats"][:2].tolist() == [7, 40]
    assert made.groupby("district")["seats"].sum().tolist() == [100, 207]
    assert (made["double"] == 2 * made["seats"]).all()
    with pytest.raises(RulesError, match="district = north: its numbers cannot"):
        fitted.complete(part.assign(seats=1), rng=0)


def _fit(method: str, ledger: Ledger, schema: Schema = SCHEMA) -> FittedModel:
    private = sampled(replace(SCHEMA, rules=()), 400, 3)[0]
    with insecure_noise(1):
        session = Session.open(
            PrivateTable.load(private, schema),
            budget=Budget(epsilon=3, delta=1e-6),
            ledger=ledger,
            dataset="rows",
        )
        model = session.run(brief(method), rng=0)
    return FittedModel(model=model, guarantee=session.guarantee(), transcript=session.transcript)
