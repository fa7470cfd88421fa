"""P07: an invalid record is never repaired with values of other records."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dpsynth.schema.constraints import ImpossibleCombinations
from dpsynth.schema.schema import Schema
from dpsynth.session import PrivateTable
from dpsynth.session._vault import content_of


@pytest.mark.parametrize("rule", ["clip", "missing", "drop"])
def test_one_record_touches_one_record(rule: str, frame: pd.DataFrame, schema: Schema) -> None:
    """Break row 0 in every way: all counts move by at most one record going and one coming."""
    columns = schema.replace_columns({"age": replace(schema.column("age"), out_of_domain=rule)})
    whole = content_of(PrivateTable.load(frame, columns)).encode(columns.modelled)
    for bad in (10**9, None, "?"):
        broken = frame.astype({"age": object})
        broken.loc[0, "age"] = bad
        table = content_of(PrivateTable.load(broken, columns)).encode(columns.modelled)
        for pair in (("age", "colour"), ("colour", "joined")):
            change = np.abs(table.marginal_counts(pair) - whole.marginal_counts(pair)).sum()
            assert change <= 2


def test_rows_that_violate_a_constraint_are_counted_as_they_are(frame: pd.DataFrame, schema: Schema) -> None:
    """A declared constraint binds the model; nothing is moved or dropped among the rows."""
    rule = ImpossibleCombinations(columns=("colour", "member"), combinations=[("red", True)])
    plain, bound = (
        content_of(PrivateTable.load(frame, known)).encode(known.modelled)
        for known in (schema, replace(schema, constraints=(rule,)))
    )
    assert ((frame.colour == "red") & frame.member).any()
    for pair in (("colour", "member"), ("age", "joined")):
        assert (plain.marginal_counts(pair) == bound.marginal_counts(pair)).all()
