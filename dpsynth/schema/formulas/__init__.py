"""Formulas and conditions over columns: read from text, checked by kind, evaluated many rows at a time."""

from __future__ import annotations

from dpsynth.schema.formulas.evaluation import Values, evaluate, violated
from dpsynth.schema.formulas.facts import Facts, facts_of
from dpsynth.schema.formulas.syntax import Node, columns_of, parse

__all__ = ["Facts", "Node", "Values", "columns_of", "evaluate", "facts_of", "parse", "violated"]
