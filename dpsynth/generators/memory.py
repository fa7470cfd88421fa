"""How a declared memory limit is divided over the tables of a fit, before any of them is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dpsynth.errors import ConfigurationError
from dpsynth.graphical.expansion import BYTES as EXPANSION_BYTES
from dpsynth.schema.layout import Domain

__all__ = ["DEFAULT_LIMIT", "MemoryPlan", "fitting"]

DEFAULT_LIMIT = 256 * 2**20

_CLIQUE_BYTES = 64  # belief, messages, and what one step of the fit needs beside them
_PAIR_BYTES = 128  # noisy, expected, fitted, denoised, wanted and present counts of one cell
_CODE_BYTES = 64
_LEAST_PAIR_CELLS = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryPlan:
    """Bounds on what a fit and its sampling may hold; rows and the cache of exact counts are not in it.

    Attributes:
        clique_cells: Of the cliques of the fitted tree, triangulation included.
        pair_cells: Of the tables of all pairs.
        finer_cells: Of the tables of pairs that are counted again.
        bytes: All of them together, with what the columns need.
    """

    clique_cells: int
    pair_cells: int
    finer_cells: int
    bytes: int

    @classmethod
    def of(cls, domain: Domain, *, limit: int, most_cells: int) -> MemoryPlan:
        """Divide `limit` bytes.

        Raises:
            ConfigurationError: They are too few for columns of these sizes.
        """
        fixed = EXPANSION_BYTES + _CODE_BYTES * sum(domain.sizes)
        needed = fixed + 4 * _PAIR_BYTES * _LEAST_PAIR_CELLS
        if limit < needed:
            raise ConfigurationError(
                f"Expected a memory limit of at least {needed:,} bytes for these columns, got {limit:,}."
            )
        free = limit - fixed
        cliques = min(most_cells, free // 4 // _CLIQUE_BYTES)
        finer = free // 8 // _PAIR_BYTES
        pairs = (free - _CLIQUE_BYTES * cliques - _PAIR_BYTES * finer) // _PAIR_BYTES
        whole = fixed + _CLIQUE_BYTES * cliques + _PAIR_BYTES * (finer + pairs)
        return cls(clique_cells=cliques, pair_cells=pairs, finer_cells=finer, bytes=whole)


def fitting(sizes: Iterable[int], cells: int) -> int:
    """How many of the first tables of these sizes have at most `cells` cells together."""
    number = 0
    for size in sizes:
        cells -= size
        if cells < 0:
            break
        number += 1
    return number
