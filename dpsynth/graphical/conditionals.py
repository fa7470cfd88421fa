"""One form for every model: a chain of conditional tables, each given nodes that one earlier table holds.

A tree, a network whose parents share a table, and a calibrated junction tree all factor in this way, and
the families of such a chain (what is given, then what is fresh) form a junction tree themselves. So exact
marginals, probabilities and completion are written once, for chains.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dpsynth.graphical.calibration import ratio, sum_to
from dpsynth.graphical.consistency import FloatArray
from dpsynth.graphical.junction_tree import JunctionTree

__all__ = ["Conditional", "chain_of_network", "chain_of_tree", "needed"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Conditional:
    """The distribution of some nodes given others.

    Attributes:
        given: Nodes that earlier conditionals of the chain brought.
        fresh: Nodes that this one brings.
        table: Probabilities of `fresh` for each combination of `given`; axes in that order, `given` first.
        parent: Place in the chain of an earlier conditional whose nodes include `given`; -1 if none is given.
    """

    given: tuple[int, ...]
    fresh: tuple[int, ...]
    table: FloatArray
    parent: int

    @property
    def nodes(self) -> tuple[int, ...]:
        """The axes of the table."""
        return (*self.given, *self.fresh)


def chain_of_network(
    columns: Sequence[str], order: Sequence[tuple[str, tuple[str, ...]]], tables: Mapping[str, FloatArray]
) -> list[Conditional]:
    """A network as a chain; node i is the i-th of `columns`.

    Args:
        columns: The names of the nodes.
        order: Every column with its parents, which share a table (see `share_a_table`).
        tables: For each column its distributions: one axis for each parent, then its own.
    """
    node = {name: i for i, name in enumerate(columns)}
    place = {name: i for i, (name, _) in enumerate(order)}
    return [
        Conditional(
            given=tuple(node[parent] for parent in parents),
            fresh=(node[name],),
            table=tables[name],
            parent=place[parents[-1]] if parents else -1,
        )
        for name, parents in order
    ]


def chain_of_tree(tree: JunctionTree, beliefs: Sequence[FloatArray]) -> list[Conditional]:
    """A calibrated junction tree as a chain: each clique given what it shares with its parent."""
    chain = []
    for i, (clique, separator) in enumerate(zip(tree.cliques, tree.separators, strict=True)):
        fresh = tuple(node for node in clique if node not in separator)
        joint = sum_to(beliefs[i], clique, (*separator, *fresh))
        shared = joint.sum(axis=tuple(range(len(separator), len(clique))), keepdims=True)
        table = ratio(joint, np.broadcast_to(shared, joint.shape))
        parent = tree.parents[i] if separator else -1
        chain.append(Conditional(given=separator, fresh=fresh, table=table, parent=parent))
    return chain


def needed(chain: Sequence[Conditional], wanted: Collection[int]) -> list[Conditional]:
    """The conditionals that the marginal of `wanted` depends on: all others sum to one."""
    kept: list[Conditional] = []
    nodes = set(wanted)
    for conditional in reversed(chain):
        if nodes & set(conditional.fresh):
            kept.append(conditional)
            nodes |= set(conditional.given)
    return kept[::-1]
