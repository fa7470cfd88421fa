from __future__ import annotations

import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.privacy.unit import Unit


@pytest.mark.parametrize(
    ("unit", "rows", "words"),
    [
        (Unit(), 1, "adding or removing one row"),
        (Unit(relation="replace_one"), 2, "replacing one row"),
        (
            Unit(id_column="person", contributions=3),
            3,
            "adding or removing all rows (at most 3) of one person",
        ),
        (
            Unit(relation="replace_one", id_column="person", contributions=3),
            6,
            "replacing all rows (at most 3) of one person",
        ),
    ],
)
def test_a_unit_says_what_it_protects(unit: Unit, rows: int, words: str) -> None:
    assert unit.rows_changed == rows
    assert str(unit) == words


@pytest.mark.parametrize(
    "arguments",
    [
        {"relation": "swap"},
        {"id_column": "person", "contributions": 0},
        {"id_column": "person", "contributions": True},
        {"contributions": 2},
    ],
)
def test_an_impossible_unit_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match="unit"):
        Unit(**arguments)  # type: ignore[arg-type]
