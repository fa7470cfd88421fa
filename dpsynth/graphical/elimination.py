"""Exact marginals of any nodes: multiply tables and sum the other nodes out, one after the other.

Variable elimination, as in Zhang and Poole (1994). The next node is always the one whose elimination
leaves the smallest table. The whole order is worked out on the shapes alone and refused if any table of
it is too large, before the first one is made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dpsynth.errors import ConfigurationError
from dpsynth.graphical.conditionals import Conditional, needed
from dpsynth.graphical.consistency import FloatArray

if TYPE_CHECKING:
    from dpsynth.schema.layout import Domain

__all__ = ["CELLS_LIMIT", "Factor", "chain_marginal", "eliminated", "expanded", "nodes_of"]

CELLS_LIMIT = 2**27
"""Most cells of a table: one gibibyte."""

Factor = tuple[tuple[int, ...], FloatArray]
"""Nodes, and a table that has one axis for each of them."""


def nodes_of(columns: Sequence[str], domain: Domain, *, limit: int = CELLS_LIMIT) -> tuple[int, ...]:
    """The places in `domain` of the columns of a marginal.

    Raises:
        ConfigurationError: No columns, one twice, one that is not modelled, or more than `limit` cells.
    """
    names = tuple(columns)
    if isinstance(columns, str) or not names or len(set(names)) < len(names):
        raise ConfigurationError(f"Expected a list of different modelled columns, got {columns!r}.")
    unknown = [name for name in names if name not in domain.columns]
    if unknown:
        raise ConfigurationError(
            f"Expected modelled columns, got {unknown}; they are {list(domain.columns)}."
        )
    _require_room(domain.cells(names), limit)
    return tuple(domain.columns.index(name) for name in names)


def chain_marginal(
    chain: Sequence[Conditional], wanted: Sequence[int], *, limit: int = CELLS_LIMIT
) -> FloatArray:
    """The probabilities of the nodes `wanted`, axes in that order.

    Raises:
        ConfigurationError: A table would have more than `limit` cells.
    """
    factors = [(conditional.nodes, conditional.table) for conditional in needed(chain, wanted)]
    return eliminated(factors, wanted, limit=limit)


def eliminated(factors: Sequence[Factor], wanted: Sequence[int], *, limit: int = CELLS_LIMIT) -> FloatArray:
    """The product of `factors`, summed over all nodes that are not `wanted`.

    Args:
        factors: Tables that agree on the sizes of their nodes and together hold all nodes in `wanted`.
        wanted: The axes of the result.
        limit: Bound on the cells of every table on the way.

    Raises:
        ConfigurationError: A table would have more than `limit` cells.
    """
    sizes = {node: size for nodes, table in factors for node, size in zip(nodes, table.shape, strict=True)}
    order = _order([frozenset(nodes) for nodes, _ in factors], sizes, wanted, limit)
    left = list(factors)
    for node in order:
        touching = [factor for factor in left if node in factor[0]]
        left = [factor for factor in left if node not in factor[0]]
        left.append(_without(node, sorted(touching, key=lambda factor: factor[1].size)))
    joint = np.ones([sizes[node] for node in wanted])
    for nodes, table in left:
        joint *= _turned(nodes, table, wanted)
    return joint


def expanded(
    table: FloatArray,
    buckets: Sequence[np.ndarray[Any, Any]],
    details: Sequence[FloatArray],
) -> FloatArray:
    """From the probabilities of buckets to those of codes, axis by axis.

    Args:
        table: One axis for each column.
        buckets: For each column the bucket of each code.
        details: For each column the probability of each code within its bucket.
    """
    for axis, (places, shares) in enumerate(zip(buckets, details, strict=True)):
        column = [1] * table.ndim
        column[axis] = len(shares)
        table = np.take(table, places, axis=axis) * shares.reshape(column)
    return table


def _order(
    scopes: Sequence[frozenset[int]], sizes: Mapping[int, int], wanted: Sequence[int], limit: int
) -> list[int]:
    """The nodes to sum out, each the cheapest when its turn comes; refused if any table is too large."""
    left = list(scopes)
    _require_room(_cells(sizes, wanted), limit)

    def around(node: int) -> frozenset[int]:
        return frozenset().union(*(scope for scope in left if node in scope)) - {node}

    costs = {node: _cells(sizes, around(node)) for node in sizes if node not in wanted}
    order = []
    while costs:
        node = min(costs, key=costs.__getitem__)
        neighbours = around(node)
        touching = sorted((scope for scope in left if node in scope), key=lambda scope: _cells(sizes, scope))
        # The last two tables are multiplied and summed in one step: their product is never made.
        made = [neighbours] if len(touching) < 3 else [neighbours, frozenset().union(*touching[:-1])]
        _require_room(max(_cells(sizes, scope) for scope in made), limit)
        del costs[node]
        left = [*(scope for scope in left if node not in scope), neighbours]
        costs |= {other: _cells(sizes, around(other)) for other in neighbours if other in costs}
        order.append(node)
    return order


def _without(node: int, factors: Sequence[Factor]) -> Factor:
    """The product of `factors`, all of which have `node`, summed over it."""
    nodes, table = factors[0]
    for other_nodes, other in factors[1:-1]:
        union = (*nodes, *(extra for extra in other_nodes if extra not in nodes))
        table = _turned(nodes, table, union) * _turned(other_nodes, other, union)
        nodes = union
    if len(factors) == 1:
        axis = nodes.index(node)
        return (*nodes[:axis], *nodes[axis + 1 :]), table.sum(axis=axis)
    return _contracted((nodes, table), factors[-1], node)


def _contracted(left: Factor, right: Factor, node: int) -> Factor:
    """The product of two tables summed over `node`, which both have, as a product of matrices."""
    both = tuple(n for n in left[0] if n in right[0] and n != node)
    only_left = tuple(n for n in left[0] if n not in right[0])
    only_right = tuple(n for n in right[0] if n not in left[0])
    one, two = (
        _turned(*left, (*both, *only_left, node)),
        _turned(*right, (*both, node, *only_right)),
    )
    shape = (*one.shape[:-1], *two.shape[len(both) + 1 :])
    batch, inner = one.shape[: len(both)], one.shape[-1]
    rows = one.reshape(math.prod(batch), -1, inner)
    product = rows @ two.reshape(math.prod(batch), inner, -1)
    return (*both, *only_left, *only_right), product.reshape(shape)


def _turned(nodes: Sequence[int], table: FloatArray, target: Sequence[int]) -> FloatArray:
    """`table` with its axes in the order of `target`, and an axis of size one where it lacks a node."""
    present = [node for node in target if node in nodes]
    turned = table.transpose([nodes.index(node) for node in present])
    shape = iter(turned.shape)
    return turned.reshape([next(shape) if node in nodes else 1 for node in target])


def _cells(sizes: Mapping[int, int], nodes: Iterable[int]) -> int:
    return math.prod(sizes[node] for node in nodes)


def _require_room(cells: int, limit: int) -> None:
    if cells > limit:
        raise ConfigurationError(
            f"This needs a table of {cells} cells, and at most {limit} fit. Ask for fewer columns."
        )
