"""The encoded table: what mechanisms count, and nobody else sees."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from dpsynth.errors import DataError, RawAccessError
from dpsynth.mechanisms.base import IntArray

if TYPE_CHECKING:
    from dpsynth.schema.layout import Domain

__all__ = ["ROWS_LIMIT", "EncodedTable"]

ROWS_LIMIT = 2**32  # lets scores promise, without looking, that they fit 64 bits

_CACHE_BYTES = 64 * 2**20


class EncodedTable:
    """Codes of a private table, one array for each column. Trusted: for mechanisms and sessions only.

    Args:
        domain: The public columns and how many codes each has.
        columns: For each column of `domain` its codes, `0 <= code < size`, one for each row.
        rows: How many rows there are. Private, like everything but `domain`.

    Privacy: a table releases nothing. It has no length, no iteration, no conversion, no pickling and
        a representation that shows the domain alone. `codes`, `marginal_counts`, `merged_counts` and
        `private_rows` give exact answers to mechanisms, which add the noise.
    """

    __slots__ = ("_buckets", "_cache", "_cached_bytes", "_codes", "_rows", "domain")

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
        self._cache: OrderedDict[tuple[Any, ...], IntArray] = OrderedDict()
        self._cached_bytes = 0
        self._buckets: dict[str, tuple[tuple[int, ...], np.ndarray[Any, Any]]] = {}

    @property
    def private_rows(self) -> int:
        """The exact number of rows, which is private (pitfall P01)."""
        return self._rows

    def codes(self, name: str) -> np.ndarray[Any, Any]:
        """The read-only codes of one column."""
        return self._codes[name]

    def marginal_counts(self, columns: tuple[str, ...]) -> IntArray:
        """Exact counts of every declared combination of codes: flat, C order over `domain.shape(columns)`.

        Cells that no row has are there, with a zero (pitfall P05). Counts are 64-bit integers, so no
        order of summation matters and none overflows (pitfall P25).
        """
        if columns in self._cache:
            self._cache.move_to_end(columns)
            return self._cache[columns]
        first, *others = columns
        cells = self._codes[first].astype(np.int64)
        for name in others:
            cells *= self.domain.size_of(name)
            cells += self._codes[name]
        counts = np.bincount(cells, minlength=self.domain.cells(columns)).astype(np.int64, copy=False)
        counts.setflags(write=False)
        self._remember(columns, counts)
        return counts

    def merged_counts(self, columns: tuple[str, ...], groups: tuple[tuple[int, ...], ...]) -> IntArray:
        """Exact counts of every combination of buckets; `groups` has the bucket of each code.

        Each column is merged once for all the tables of a run, so a table costs one fused count.
        """
        key = (*columns, groups)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        cells = np.zeros(self._rows, np.int64)
        for name, group in zip(columns, groups, strict=True):
            if self._buckets.get(name, ((), cells))[0] != group:  # the last merging of a column is kept
                self._buckets[name] = group, np.array(group, np.uint16)[self._codes[name]]
            cells *= max(group) + 1
            cells += self._buckets[name][1]
        counts = np.bincount(cells, minlength=math.prod(max(group) + 1 for group in groups))
        counts = counts.astype(np.int64, copy=False)
        counts.setflags(write=False)
        self._remember(key, counts)
        return counts

    def _remember(self, columns: tuple[Any, ...], counts: IntArray) -> None:
        self._cache[columns] = counts
        self._cached_bytes += counts.nbytes
        while self._cached_bytes > _CACHE_BYTES:
            self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes

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
