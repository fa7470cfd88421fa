"""Rules about values as structural zeros: never a zero that some values could meet, and all that none can."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from dpsynth.generators.allpairs import AllPairs
from dpsynth.generators.derived import with_constraints
from dpsynth.generators.fitted import FittedModel
from dpsynth.ledger import Ledger
from dpsynth.privacy.budget import Budget
from dpsynth.schema import (
    Boolean,
    Categorical,
    Datetime,
    Formula,
    Implication,
    InequalityChain,
    Integer,
    NullTogether,
    OneHot,
    Real,
    Schema,
    UniqueKey,
    adherence,
    allowed_table,
    as_structural_zeros,
)
from dpsynth.schema.decode import decode_table
from dpsynth.schema.row_checks import violations
from dpsynth.schema.row_rules import RowRule
from dpsynth.session import PrivateTable, Session

COLUMNS = (
    Integer(name="age", minimum=0, maximum=11, edges=(0, 3, 6, 11)),
    Integer(name="years", minimum=0, maximum=9, step=3),
    Real(name="pay", minimum=0.0, maximum=99_999.99, precision=2, cells=3),
    Datetime(name="born", minimum="2000-01", maximum="2000-08", resolution="M", cells=8),
    Datetime(name="seen", minimum="2000-03-01", maximum="2000-12-31", cells=3),
    Boolean(name="red", required=True),
    Boolean(name="green"),
    Categorical(name="blue", categories=(0, 1)),
    Categorical(name="kind", categories=("a", "b"), out_of_domain="other"),
    Formula(name="twice", expression="2 * age"),
)
RULES: tuple[RowRule, ...] = (
    InequalityChain(columns=("years", "age")),
    InequalityChain(columns=("years", "age"), strict=True),
    InequalityChain(columns=("age", "years", "pay")),
    InequalityChain(columns=("born", "seen")),
    InequalityChain(columns=("seen", "born"), strict=True),
    OneHot(columns=("red", "green", "blue")),
    NullTogether(columns=("age", "pay", "kind")),
    Implication(when="age < 6", then="missing(pay)"),
    Implication(when="age < 5", then="missing(pay) and kind != 'other'"),
    Implication(when="kind == 'other'", then="not missing(green)"),
    Implication(when="age < 12", then="blue == 0 or years > 3"),
)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_zeros_are_what_no_values_can_meet(rule: RowRule) -> None:
    schema = Schema(columns=COLUMNS, rules=(rule,))
    (zeros,) = as_structural_zeros(schema)
    assert zeros.columns == rule.columns
    assert zeros.description == str(rule)
    table = allowed_table(replace(schema, constraints=(zeros,)), zeros)
    sizes = {column.name: column.size for column in schema.modelled}
    cells = np.array(list(itertools.product(*(range(sizes[name]) for name in rule.columns))))
    codes = {name: np.zeros(40 * len(cells), np.int32) for name in sizes}
    for place, name in enumerate(rule.columns):
        codes[name] = np.repeat(cells[:, place], 40).astype(np.int32)
    frame = decode_table(replace(schema, rules=()), codes, 40 * len(cells), np.random.default_rng(0))
    met = ~violations(schema, frame)[str(rule)].reshape(-1, 40)
    assert (met.any(axis=1) == table[tuple(cells.T)]).all()


def test_rules_that_zeros_cannot_say_are_left_to_rows() -> None:
    rules = (
        UniqueKey(columns=("age", "years")),
        InequalityChain(columns=("age", "twice")),
        Implication(when="True", then="pay > 3"),
        Implication(when="pay > 3", then="red"),
        NullTogether(columns=("age", "years", "pay", "born", "seen")),
        Implication(when="age < 6", then="age < 20"),
        Implication(when="age < 6", then="years < 20"),
    )
    assert as_structural_zeros(Schema(columns=COLUMNS, rules=rules)) == ()
    open_columns = (Integer(name="a"), Integer(name="b"), Categorical(name="c"))
    rules = (InequalityChain(columns=("a", "b")), NullTogether(columns=("b", "c")))
    assert as_structural_zeros(Schema(columns=open_columns, rules=rules)) == ()


def test_a_method_that_holds_zeros_draws_no_row_again(ledger: Ledger) -> None:
    schema = Schema(columns=COLUMNS, rules=(RULES[5], RULES[6], RULES[7]))
    schema = replace(schema, constraints=as_structural_zeros(schema))
    rng = np.random.default_rng(0)
    codes = {column.name: rng.integers(0, column.size, 400).astype(np.int32) for column in schema.modelled}
    frame = decode_table(schema, codes, 400, rng)
    session = Session.open(
        PrivateTable.load(frame, schema), budget=Budget(epsilon=3, delta=1e-6), ledger=ledger, dataset="rows"
    )
    model = session.run(with_constraints(AllPairs(), schema), rng=0)
    fitted = FittedModel(model=model, guarantee=session.guarantee(), transcript=session.transcript)
    made = fitted.sample(300, rng=0)
    assert made.acceptance is not None
    assert (made.acceptance.rate, made.acceptance.repaired) == (1.0, 0)
    assert set(adherence(schema, made.frame).values()) == {1.0}
