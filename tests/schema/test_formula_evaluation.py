"""Formulas against Python's own arithmetic, and the bounds that are worked out before a draw."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsynth.errors import ConfigurationError
from dpsynth.schema.formulas.evaluation import Values, evaluate, holds, violated
from dpsynth.schema.formulas.facts import Facts, facts_of
from dpsynth.schema.formulas.syntax import parse

FACTS = {
    "a": Facts(kind="number", low=-5.0, high=5.0),
    "b": Facts(kind="number", low=1.0, high=9.0),
    "lost": Facts(kind="number", low=0.0, high=1.0, gaps=True),
    "flag": Facts(kind="truth"),
    "unsure": Facts(kind="truth", gaps=True),
    "size": Facts(kind="text", texts=("s", "m", "l")),
    "other": Facts(kind="text", texts=("m", "xl")),
    "start": Facts(kind="date", low=0.0, high=86_400.0 * 30),
    "end": Facts(kind="date", low=0.0, high=86_400.0 * 60),
    "key": Facts(kind="free"),
}


def values(kind: Any, data: list[Any], gaps: list[bool] | None = None, texts: tuple[str, ...] = ()) -> Values:
    none = [False] * len(data)
    return Values(kind=kind, data=np.array(data), gaps=np.array(gaps or none), texts=texts)


def seconds(text: str) -> float:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()


COLUMNS = {
    "a": values("number", [-5.0, 0.0, 2.5, 5.0]),
    "b": values("number", [1.0, 3.0, 9.0, 2.0]),
    "lost": values("number", [0.5, 0.0, 1.0, 0.5], [False, True, False, True]),
    "flag": values("truth", [True, False, True, False]),
    "unsure": values("truth", [True, True, False, False], [False, True, True, False]),
    "size": values("text", [0, 1, 2, 1], texts=("s", "m", "l")),
    "other": values("text", [0, 0, 1, 1], texts=("m", "xl")),
    "start": values("date", [seconds(t) for t in ("2024-01-01", "2024-02-29", "2023-12-31", "1969-12-31")]),
    "end": values("date", [seconds(t) for t in ("2024-01-08", "2024-03-01", "2024-01-01", "1970-01-01")]),
    "key": values("free", [0, 0, 0, 0], [False, True, False, False]),
}


def result(text: str) -> list[Any]:
    node = parse(text, where="x")
    facts = facts_of(node, FACTS, where="x")
    found = evaluate(node, COLUMNS, 4)
    assert found.kind == facts.kind
    read = [found.texts[place] for place in found.data] if found.kind == "text" else found.data.tolist()
    return [None if gap else value for value, gap in zip(read, found.gaps, strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b * 2", [-3, 6, 20.5, 9]),
        ("-a", [5, 0, -2.5, -5]),
        ("+a", [-5, 0, 2.5, 5]),
        ("b / a", [-0.2, None, 3.6, 0.4]),
        ("7 // b", [7, 2, 0, 3]),
        ("7 % b", [0, 1, 7, 1]),
        ("b ** 2", [1, 9, 81, 4]),
        ("b ** 999", [1, None, None, 2.0**999]),
        ("sqrt(a)", [None, 0, math.sqrt(2.5), math.sqrt(5)]),
        ("log(b - 1)", [None, math.log(2), math.log(8), 0]),
        ("exp(0 * a)", [1, 1, 1, 1]),
        ("round(a / 2)", [-2, 0, 1, 2]),
        ("round(b / 7, 2)", [0.14, 0.43, 1.29, 0.29]),
        ("abs(a) + floor(a) + ceil(a)", [-5, 0, 7.5, 15]),
        ("min(a, b, 2)", [-5, 0, 2, 2]),
        ("max(a, lost)", [0.5, None, 2.5, None]),
        ("lost + 1", [1.5, None, 2, None]),
        ("where(flag, a, b)", [-5, 3, 2.5, 2]),
        ("where(unsure, a, b)", [-5, None, None, 2]),
        ("where(flag, 'yes', size)", ["yes", "m", "yes", "m"]),
        ("size == 'm'", [False, True, False, True]),
        ("size != other", [True, False, True, True]),
        ("size in ['s', 'l']", [True, False, True, False]),
        ("size not in ['s', 'l']", [False, True, False, True]),
        ("b in [1, 9]", [True, False, True, False]),
        ("flag == True", [True, False, True, False]),
        ("0.1 + 0.2 == 0.3 + 0 * a", [True] * 4),
        ("0.1 + 0.2 > 0.3 + 0 * a", [False] * 4),
        ("-5 < a <= 2.5", [False, True, True, False]),
        ("flag and unsure", [True, False, None, False]),
        ("flag or unsure", [True, None, True, False]),
        ("not unsure", [False, None, None, True]),
        ("implies(unsure, flag)", [True, None, True, True]),
        ("missing(lost) or missing(key)", [False, True, False, True]),
        ("end - start", [7, 1, 1, 1]),
        ("(start + 1) == end", [False, True, True, True]),
        ("start < date('1970-01-01')", [False, False, False, True]),
        ("year(start)", [2024, 2024, 2023, 1969]),
        ("month(start)", [1, 2, 12, 12]),
        ("weekday(start)", [0, 3, 6, 2]),
        ("max(start, end - 1) == end - 1", [True] * 4),
        ("year(start + 9999999)", [None] * 4),
    ],
)
def test_what_formulas_give(text: str, expected: list[Any]) -> None:
    found = result(text)
    assert found == [None if value is None else pytest.approx(value) for value in expected]


@pytest.mark.parametrize(
    "text",
    [
        "a + flag",
        "a + size",
        "size + 'x'",
        "size < 'm'",
        "flag < True",
        "a == 'm'",
        "size == 'huge'",
        "size in ['huge']",
        "where(a, 1, 2)",
        "where(flag, 1, 'x')",
        "not a",
        "a and flag",
        "start + end",
        "start * 2",
        "3 - start",
        "year(a)",
        "sqrt(start)",
        "min(size, other)",
        "min(flag, flag)",
        "nothing + 1",
        "key == 'x'",
        "key + 1",
        "start == '2024-01-01'",
    ],
)
def test_what_does_not_fit_is_refused_before_a_draw(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"Column 'x'.*refused"):
        facts_of(parse(text, where="Column 'x'"), FACTS, where="Column 'x'")


def test_a_condition_is_held_broken_or_unknown() -> None:
    node = parse("lost > 0.7", where="x")
    assert holds(node, COLUMNS, 4).tolist() == [False, False, True, False]
    assert violated(node, COLUMNS, 4).tolist() == [True, False, False, False]


NUMBERS = st.sampled_from(["a", "b", "lost", "2", "0.5", "-3", "0"])
FORMULAS = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "**"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        st.tuples(st.sampled_from(["abs", "ceil", "floor", "round", "sqrt", "log", "exp"]), inner).map(
            lambda t: f"{t[0]}({t[1]})"
        ),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"where({t[0]} < {t[1]}, {t[1]}, {t[2]})"),
    ),
    max_leaves=8,
)


@given(text=FORMULAS, seed=st.integers(0, 2**32 - 1))
def test_values_lie_within_the_bounds_that_are_worked_out_before(text: str, seed: int) -> None:
    node = parse(text, where="x")
    facts = facts_of(node, FACTS, where="x")
    rng, rows = np.random.default_rng(seed), 50
    columns = {
        "a": Values(kind="number", data=rng.integers(-5, 6, rows) * 1.0, gaps=np.zeros(rows, dtype=bool)),
        "b": Values(kind="number", data=rng.uniform(1, 9, rows), gaps=np.zeros(rows, dtype=bool)),
        "lost": Values(kind="number", data=rng.random(rows), gaps=rng.random(rows) < 0.2),
    }
    found = evaluate(node, columns, rows)
    seen = found.data[~found.gaps]
    slack = 1e-9 * np.maximum(np.abs(seen), 1.0)
    assert (seen >= facts.low - slack).all()
    assert (seen <= facts.high + slack).all()
    assert facts.gaps or not found.gaps.any()
    assert np.isfinite(seen).all()


WORDS = st.text(alphabet="ab.()[]{}'\"_,:=+-*/<>!~@ 0123456789\\\n#", max_size=40)


@given(text=WORDS)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        facts_of(parse(text, where="x"), FACTS, where="x")
    except ConfigurationError:
        return
    assert result(text) is not None
