"""`auto` chooses by public facts, and says why."""

from __future__ import annotations

import pytest

from dpsynth.errors import ConfigurationError
from dpsynth.generators.allpairs import AllPairs
from dpsynth.generators.choose import Auto, explanation
from dpsynth.generators.independent import Independent
from dpsynth.generators.registry import get
from dpsynth.privacy.budget import Budget
from dpsynth.schema.columns import Categorical
from dpsynth.schema.schema import Schema

BUDGET = Budget(epsilon=1.0, delta=1e-9)


def _schema(*sizes: int) -> Schema:
    return Schema(
        columns=tuple(
            Categorical(name=f"c{i}", categories=tuple(range(size)), required=True)
            for i, size in enumerate(sizes)
        )
    )


def test_pairs_are_kept_in_general() -> None:
    choice = Auto().choose(_schema(3, 4, 5), BUDGET)
    assert choice.generator == AllPairs()
    assert "3 pairs of 3 columns" in choice.reasons[0]


def test_a_target_and_a_memory_limit_are_passed_on() -> None:
    auto = get("auto", target="c1", memory_limit=2**27)
    choice = auto.choose(_schema(3, 4, 5), BUDGET)  # type: ignore[attr-defined]
    assert choice.generator == AllPairs(target="c1", memory_limit=2**27)
    assert any("c1" in reason for reason in choice.reasons)


@pytest.mark.parametrize("sizes", [(1, 1), (1, 7)])
def test_nothing_to_associate_needs_no_pairs(sizes: tuple[int, ...]) -> None:
    assert Auto().choose(_schema(*sizes), BUDGET).generator == Independent()


def test_wide_tables_are_screened() -> None:
    reasons = Auto().choose(_schema(*(2,) * 60), BUDGET).reasons
    assert "Of 1770 pairs" in reasons[0]


def test_too_little_memory_leaves_the_columns_alone() -> None:
    choice = Auto(memory_limit=2**20).choose(_schema(3, 4), BUDGET)
    assert choice.generator == Independent()
    assert "1 MB" in choice.reasons[0]


def test_a_wrong_target_is_refused_with_near_names() -> None:
    with pytest.raises(ConfigurationError, match=r"'c9'.*c0"):
        Auto(target="c9").plan(_schema(2, 2, 2), BUDGET)


def test_a_budget_without_delta_is_refused_with_a_remedy() -> None:
    with pytest.raises(ConfigurationError, match="1e-9"):
        Auto().plan(_schema(2, 2), Budget(epsilon=1.0, delta=0.0))


def test_only_auto_explains_itself() -> None:
    schema = _schema(2, 3)
    assert explanation(AllPairs(), schema, BUDGET) is None
    assert (explanation(Auto(), schema, BUDGET) or "").startswith("auto takes allpairs: All 1 pairs")
    open_schema = Schema(columns=(Categorical(name="c", categories=None),))
    assert explanation(Auto(), open_schema, BUDGET) is None
