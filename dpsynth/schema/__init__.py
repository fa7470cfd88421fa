"""What a table may hold: columns, bounds, missing values, the unit of privacy, and the codecs."""

from __future__ import annotations

from dpsynth.schema.columns import (
    Boolean,
    Categorical,
    Column,
    Datetime,
    Identifier,
    Integer,
    ModelledColumn,
    Real,
    Text,
)
from dpsynth.schema.constraint_tables import allowed_table
from dpsynth.schema.constraints import Constraint, FunctionalDependency, ImpossibleCombinations
from dpsynth.schema.formula_column import Formula
from dpsynth.schema.layout import Domain
from dpsynth.schema.row_checks import adherence
from dpsynth.schema.row_rules import (
    GroupTotal,
    Implication,
    InequalityChain,
    NullTogether,
    OneHot,
    RowRule,
    UniqueKey,
)
from dpsynth.schema.rule_zeros import as_structural_zeros
from dpsynth.schema.schema import Schema

__all__ = [
    "Boolean",
    "Categorical",
    "Column",
    "Constraint",
    "Datetime",
    "Domain",
    "Formula",
    "FunctionalDependency",
    "GroupTotal",
    "Identifier",
    "Implication",
    "ImpossibleCombinations",
    "InequalityChain",
    "Integer",
    "ModelledColumn",
    "NullTogether",
    "OneHot",
    "Real",
    "RowRule",
    "Schema",
    "Text",
    "UniqueKey",
    "adherence",
    "allowed_table",
    "as_structural_zeros",
]
