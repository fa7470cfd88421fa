"""Fill in records of which a column that follows from others may be known.

What a known code says for certain about single bases is passed on to the model inside, which draws the
rest. Where several combinations of the bases lead to the code, records are drawn again until they agree:
that is exact. A record that has not agreed after many draws, because its code is rare given all else that
it says, gets bases that lead to its code in proportion to their marginal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dpsynth.errors import ConfigurationError
from dpsynth.generators.base import ExactModel
from dpsynth.generators.derivations import Derivation
from dpsynth.graphical.completion import FREE, PRESENT, records
from dpsynth.schema.constraint_tables import MOST_COMBINATIONS
from dpsynth.schema.schema import Schema

__all__ = ["completed_codes"]

_ROUNDS = 32

_Array = np.ndarray[Any, Any]
_Columns = dict[str, _Array]
"""By column the code of each record, also `FREE` or `PRESENT`."""


def completed_codes(
    inner: ExactModel,
    derivations: Sequence[Derivation],
    schema: Schema,
    known: Mapping[str, _Array],
    *,
    rows: int,
    rng: np.random.Generator,
) -> _Columns:
    """The codes of the model inside, in agreement with what is `known` where that agrees with itself.

    Raises:
        ConfigurationError: A column is not modelled, codes do not fit it, or too much follows at once.
    """
    columns = dict(zip(schema.domain.columns, records(schema, rows, known).T, strict=True))
    inside = {name: columns[name].copy() for name in inner.schema.domain.columns}
    told = _Told.of(schema, [each for each in derivations if each.column in known], columns)
    told.fix_certain(inside)
    codes, off = {name: np.zeros(rows, np.int32) for name in inside}, np.arange(rows)
    for _ in range(_ROUNDS):
        _draw(inner, inside, codes, off, rng)
        off = told.disagreeing(codes, told.undecided(inside))
        if not len(off):
            return codes
    told.fix_likely(inner, inside, off, rng)
    _draw(inner, inside, codes, off, rng)
    return codes


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Told:
    """What records say about columns that follow.

    Attributes:
        derivations: How these columns follow.
        wanted: One row for each record, one column for each of them: the code, or `PRESENT`.
        axes: All their bases.
        shape: How many codes the bases have.
        missing: By column the code for missing values, -1 if there is none.
    """

    derivations: Sequence[Derivation]
    wanted: _Array
    axes: Sequence[str]
    shape: tuple[int, ...]
    missing: Mapping[str, int]

    @classmethod
    def of(cls, schema: Schema, derivations: Sequence[Derivation], columns: _Columns) -> _Told:
        """What `columns` say about those that `derivations` tell of."""
        found = {base for derivation in derivations for base in derivation.bases}
        axes = [name for name in schema.domain.columns if name in found]
        if schema.domain.cells(axes) > MOST_COMBINATIONS:
            names = [derivation.column for derivation in derivations]
            raise ConfigurationError(f"{names} follow from too many columns together. Give fewer.")
        rows = len(next(iter(columns.values())))
        wanted = [columns[derivation.column] for derivation in derivations]
        return cls(
            derivations=derivations,
            wanted=np.array(wanted, np.int64).reshape(len(wanted), rows).T,
            axes=axes,
            shape=schema.domain.shape(axes),
            missing={c.name: -1 if c.missing_code is None else c.missing_code for c in schema.modelled},
        )

    def undecided(self, inside: _Columns) -> _Array:
        """The records of which a base is open."""
        is_open = np.zeros(len(self.wanted), dtype=bool)
        for name in self.axes:
            is_open |= inside[name] < 0
        return np.flatnonzero(is_open)

    def disagreeing(self, codes: _Columns, rows: _Array) -> _Array:
        """Those of `rows` that do not lead to what is wanted."""
        agree = np.ones(len(rows), dtype=bool)
        for derivation, wanted in zip(self.derivations, self.wanted[rows].T, strict=True):
            follows = derivation.codes[tuple(codes[name][rows] for name in derivation.bases)]
            present = follows != self.missing[derivation.column]
            agree &= np.where(wanted == PRESENT, present, follows == wanted)
        return rows[~agree]

    def fix_certain(self, inside: _Columns) -> None:
        """Give each open base the code that every combination has which leads to what is wanted."""
        for mine, leads in self._cases(inside, self.undecided(inside)):
            for axis, name in enumerate(self.axes):
                possible = np.flatnonzero(leads.any(axis=tuple(a for a in range(leads.ndim) if a != axis)))
                if len(possible) == 1:
                    inside[name][mine] = possible[0]

    def fix_likely(self, inner: ExactModel, inside: _Columns, rows: _Array, rng: np.random.Generator) -> None:
        """Draw the bases of `rows` from their marginal, among what leads to what is wanted."""
        shares = np.asarray(inner.marginal(self.axes))
        for mine, leads in self._cases(inside, rows):
            if leads.any():
                weights = np.where(leads, shares, 0.0).ravel()
                weights = weights if weights.any() else leads.ravel().astype(np.float64)
                cells = rng.choice(weights.size, len(mine), p=weights / weights.sum())
                for name, drawn in zip(self.axes, np.unravel_index(cells, self.shape), strict=True):
                    inside[name][mine] = drawn

    def _cases(self, inside: _Columns, rows: _Array) -> Iterator[tuple[_Array, _Array]]:
        """Those of `rows` that say the same, with the combinations of bases that lead to it."""
        if not len(rows):
            return
        said = np.stack([*self.wanted[rows].T, *(inside[name][rows] for name in self.axes)], axis=1)
        cases, member = np.unique(said, axis=0, return_inverse=True)
        for number, case in enumerate(cases.tolist()):
            leads = np.ones(self.shape, dtype=bool)
            for derivation, code in zip(self.derivations, case, strict=False):
                leads &= _meant(derivation.along(self.axes), code, self.missing[derivation.column])
            for axis, (name, code) in enumerate(zip(self.axes, case[len(self.derivations) :], strict=True)):
                own = np.arange(self.shape[axis]).reshape([-1 if a == axis else 1 for a in range(leads.ndim)])
                leads &= _meant(own, code, self.missing[name])
            yield rows[member.ravel() == number], leads


def _meant(codes: _Array, known: int, missing: int) -> _Array:
    """Which of `codes` fit what is known: a code, `FREE` or `PRESENT`."""
    if known == FREE:
        return np.ones(codes.shape, dtype=bool)
    return np.asarray(codes != missing if known == PRESENT else codes == known)


def _draw(
    inner: ExactModel, inside: _Columns, codes: _Columns, rows: _Array, rng: np.random.Generator
) -> None:
    """Draw the records `rows` into `codes`. A model takes a column as known for all or for none of them."""
    listed = np.stack([column[rows] != FREE for column in inside.values()], axis=1)
    kinds, kind = np.unique(listed, axis=0, return_inverse=True)
    for number, known in enumerate(kinds):
        mine = rows[kind.ravel() == number]
        chosen = [name for name, is_known in zip(inside, known, strict=True) if is_known]
        given = {name: np.maximum(inside[name][mine], -1) for name in chosen}
        for name, drawn in inner.complete_codes(len(mine), given, rng).items():
            codes[name][mine] = drawn
