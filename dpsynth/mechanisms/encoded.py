"""The encoded table: what mechanisms count, and nobody else sees."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from dpsynth.errors import DataError, RawAccessError
from dpsynth.mechanisms._counting import Group, Kept, Pass, plan_passes, walked
from dpsynth.mechanisms.base import IntArray

if TYPE_CHECKING:
    from dpsynth.schema.layout import Domain

__all__ = ["ROWS_LIMIT", "EncodedTable"]

ROWS_LIMIT = 2**32  # lets scores promise, without looking, that they fit 64 bits

_COUNT_BYTES = 64 * 2**20
_CODE_BYTES = 256 * 2**20
_COMPILED_STEPS = 2**26  # numpy needs half a second for so many
_THREADS = 2


class EncodedTable:
    """Codes of a private table, one array for each column. Trusted: for mechanisms and sessions only.

    Args:
        domain: The public columns and how many codes each has.
        columns: For each column of `domain` its codes, `0 <= code < size`, one for each row.
        rows: How many rows there are. Private, like everything but `domain`.

    Privacy: a table releases nothing. It has no length, no iteration, no conversion, no pickling and
        a representation that shows the domain alone. `codes`, `counts_of`, `marginal_counts` and
        `private_rows` give exact answers to mechanisms, which add the noise. Counts and fused codes are
        remembered, within bounds, as long as the table lives, and never leave it otherwise.
    """

    __slots__ = ("_codes", "_counts", "_groups", "_lock", "_rows", "domain")

    def __init__(self, domain: Domain, columns: Mapping[str, np.ndarray[Any, Any]], rows: int) -> None:
        if set(columns) != set(domain.columns):
            raise DataError(
                f"Expected codes for exactly the columns {list(domain.columns)}, got {list(columns)}."
            )
        if rows >= ROWS_LIMIT:
            raise DataError("Expected fewer than 2^32 rows. Split the table by disjoint groups of people.")
        self.domain = domain
        self._rows = rows
        self._codes = {
            name: _packed(name, columns[name], domain.size_of(name), rows) for name in domain.columns
        }
        self._counts = Kept(_COUNT_BYTES)
        self._groups = Kept(_CODE_BYTES)
        self._lock = threading.Lock()

    @property
    def private_rows(self) -> int:
        """The exact number of rows, which is private (pitfall P01)."""
        return self._rows

    def codes(self, name: str) -> np.ndarray[Any, Any]:
        """The read-only codes of one column."""
        return self._codes[name]

    def marginal_counts(self, columns: tuple[str, ...]) -> IntArray:
        """Exact counts of every declared combination of codes: flat, C order over `domain.shape(columns)`."""
        return self.counts_of([tuple((name, None) for name in columns)])[0]

    def counts_of(self, marginals: Sequence[Group]) -> list[IntArray]:
        """Exact counts of every combination of codes, or of buckets of codes, for each marginal.

        Cells that no row has are there, with a zero (pitfall P05). Counts are whole numbers of 64 bits,
        so no order of summation matters and none overflows (pitfall P25).

        Args:
            marginals: For each its columns, different ones, each with the bucket of each of its codes
                (numbered from 0 without gaps), or with None for the codes themselves.

        Returns:
            For each marginal a read-only array: flat, in C order over its columns.
        """
        with self._lock:
            answers = self._counts.find(marginals, self._counted)
        return [answers[marginal] for marginal in marginals]

    def _counted(self, marginals: Sequence[Group]) -> Iterable[IntArray]:
        """Count what is not remembered, in as few passes over the rows as there need be."""
        columns = dict.fromkeys(column for marginal in marginals for column in marginal)
        sizes = {(name, groups): self._size(name, groups) for name, groups in columns}
        groups, passes = plan_passes(marginals, sizes, self._rows)
        compiled = len(passes) * self._rows > _COMPILED_STEPS
        counts: dict[Group, IntArray] = {}
        with ThreadPoolExecutor(_THREADS) as threads:  # the kernels do not hold the interpreter's lock
            codes = self._groups.find(groups, lambda lacking: threads.map(self._fused, lacking))

            def walk(one: Pass) -> dict[Group, IntArray]:
                left, right = (
                    codes[side] if side in codes else self._fused(side) for side in (one.left, one.right)
                )
                return walked(one, left, right, sizes, compiled=compiled)

            for found in threads.map(walk, passes):
                counts.update(found)
        return [counts[marginal] for marginal in marginals]

    def _size(self, name: str, groups: tuple[int, ...] | None) -> int:
        return self.domain.size_of(name) if groups is None else max(groups) + 1

    def _fused(self, group: Group) -> np.ndarray[Any, Any]:
        """For each row one code for its combination of codes, in C order over the columns of `group`."""
        if len(group) == 1 and group[0][1] is None:
            return self._codes[group[0][0]]
        step = math.prod(self._size(*column) for column in group)
        fused = np.zeros(self._rows, np.min_scalar_type(step - 1))
        for name, groups in group:
            step //= self._size(name, groups)
            buckets = np.arange(self.domain.size_of(name)) if groups is None else np.array(groups)
            fused += (step * buckets).astype(fused.dtype).take(self._codes[name])
        return fused

    def __repr__(self) -> str:
        return f"EncodedTable({self.domain!r}, rows private)"

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise RawAccessError("An encoded table shows nothing. Measure it through a Session.")

    __len__ = __iter__ = __getitem__ = __contains__ = __array__ = _refuse
    __reduce__ = __reduce_ex__ = __copy__ = __deepcopy__ = _refuse


def _packed(name: str, codes: np.ndarray[Any, Any], size: int, rows: int) -> np.ndarray[Any, Any]:
    """`codes` in the narrowest unsigned type, read-only."""
    if codes.shape != (rows,) or (rows and not 0 <= codes.min() <= codes.max() < size):
        raise DataError(
            f"The codes of column {name!r} do not fit the table: expected one below {size} for each row."
        )
    packed = codes.astype(np.min_scalar_type(size - 1))
    packed.setflags(write=False)
    return packed
