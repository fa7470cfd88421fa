from __future__ import annotations

import pytest

from dpsynth.errors import SchemaError
from dpsynth.privacy.unit import Unit
from dpsynth.schema import (
    Boolean,
    Categorical,
    Datetime,
    Identifier,
    Integer,
    ModelledColumn,
    Real,
    Schema,
    Text,
)
from dpsynth.schema.describe import code_labels, describe


@pytest.mark.parametrize(
    ("column", "labels"),
    [
        (Categorical(name="c", categories=(1, 2), labels=("one", "two")), ("one", "two", "missing")),
        (Categorical(name="c", categories=("a",), out_of_domain="other", required=True), ("a", "other")),
        (Boolean(name="b"), ("false", "true", "missing")),
        (Integer(name="i", minimum=0, maximum=4, edges=(0, 1, 4), required=True), ("0", "1 to 4")),
        (Real(name="r", minimum=0, maximum=1, cells=2, required=True), ("0.0 to 0.49", "0.5 to 1.0")),
        (
            Datetime(name="d", minimum="2020-01-01", maximum="2020-01-02", required=True),
            ("2020-01-01", "2020-01-02"),
        ),
        (
            Datetime(name="d", minimum="2020", maximum="2023", resolution="Y", cells=2, required=True),
            ("2020 to 2021", "2022 to 2023"),
        ),
    ],
)
def test_a_label_for_every_code(column: ModelledColumn, labels: tuple[str, ...]) -> None:
    assert code_labels(column) == labels
    assert len(labels) == column.size


def test_what_is_unknown_has_no_labels() -> None:
    with pytest.raises(SchemaError, match="not known yet"):
        code_labels(Categorical(name="c"))


def test_one_line_for_each_column() -> None:
    schema = Schema(
        name="people",
        title="All of them",
        unit=Unit(id_column="person", contributions=3),
        columns=(
            Identifier(name="person", pattern="P##"),
            Identifier(name="row"),
            Categorical(name="state", categories=tuple(f"state {k}" for k in range(50)), origin="dp"),
            Categorical(name="open", required=True),
            Integer(name="age", minimum=0, maximum=99, cells=10, out_of_domain="drop"),
            Text(name="note"),
            Text(name="remark", rule="regenerate", filler="-"),
        ),
    )
    lines = describe(schema).splitlines()
    assert lines[0] == "people: All of them"
    assert "at most 3" in lines[1]
    assert len(lines) == 5 + len(schema.columns)
    shown = {line.split()[0]: line for line in lines[5:]}
    assert "P##" in shown["person"]
    assert "1, 2, 3" in shown["row"]
    assert "..." in shown["state"]
    assert shown["state"].endswith("dp")
    assert "unknown" in shown["open"]
    assert "?" in shown["open"]
    assert " no " in shown["open"]
    assert "0 to 99 in 10 cells" in shown["age"]
    assert "drop" in shown["age"]
    assert "left out" in shown["note"]
    assert "'-'" in shown["remark"]
    assert max(map(len, lines)) < 140
