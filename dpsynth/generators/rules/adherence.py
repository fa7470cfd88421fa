"""Reads a written table back and counts which rows meet constraints, formulas and rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dpsynth.generators.rules.derived import DerivedRule, written
from dpsynth.generators.rules.frames import read_column
from dpsynth.generators.rules.obeying import Obedience
from dpsynth.schema.formulas.evaluation import Values, evaluate, violated
from dpsynth.schema.formulas.facts import Facts
from dpsynth.schema.formulas.syntax import columns_of, parse

if TYPE_CHECKING:
    from dpsynth.generators.rules.specification import Rules

__all__ = ["adherence"]


def adherence(rules: Rules, frame: pd.DataFrame) -> dict[str, float]:
    """The share of rows that meets each constraint, formula and rule of `rules`."""
    rows, known = len(frame), rules.facts
    nodes = {text: parse(text, where=f"Constraint {text!r}") for text in rules.constraints}
    derived = [rule for rule in rules.columns if isinstance(rule, DerivedRule)]
    formulas = {rule.name: parse(rule.formula, where=f"Column {rule.name!r}") for rule in derived}
    needed = {name for node in (*nodes.values(), *formulas.values()) for name in columns_of(node)} | {
        *formulas
    }
    columns = {
        rule.name: read_column(rule, known[rule.name], frame) for rule in rules.columns if rule.name in needed
    }
    shares = {text: 1.0 - _share(violated(node, columns, rows)) for text, node in nodes.items()}
    for rule in derived:
        expected = written(rule, known[rule.name], evaluate(formulas[rule.name], columns, rows))
        shares[f"{rule.name} = {rule.formula}"] = 1.0 - _share(
            _differs(rule, expected, columns[rule.name], known)
        )
    if rules.obeys is not None:
        obedience = Obedience(rules)
        broken = obedience.broken(frame) | obedience.repeats(frame)
        shares |= {text: 1.0 - _share(mask) for text, mask in broken.items()}
    return shares


def _share(wrong: np.ndarray[Any, Any]) -> float:
    return float(wrong.mean()) if len(wrong) else 0.0


def _differs(
    rule: DerivedRule, expected: Values, found: Values, known: Mapping[str, Facts]
) -> np.ndarray[Any, Any]:
    """Where a value is not what the formula gives; a gap is wrong only if the rule itself makes none."""
    scale = 0.25 * 10.0**-rule.decimals if expected.kind == "number" else 0.0  # of the last digit
    equal = np.abs(expected.data.astype(np.float64) - found.data.astype(np.float64)) <= scale
    wrong = (~found.gaps & (expected.gaps | ~equal)) | (found.gaps & ~expected.gaps & (rule.gaps is None))
    limits = known[rule.name]
    if expected.kind == "number":
        wrong |= ~found.gaps & ((found.data < limits.low - scale) | (found.data > limits.high + scale))
    return np.asarray(wrong)
