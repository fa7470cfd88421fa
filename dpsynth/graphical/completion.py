"""Fill in records of which something is known: exact draws given what each record says, many at once.

Messages go up the chain of conditionals, one for each *distinct* evidence below a conditional, on the
cells that the evidence leaves open; then values are drawn down the chain (Lauritzen and Spiegelhalter,
1988). Records that agree where it matters share their messages and their distributions, so thousands of
different records take one pass over each table, not thousands of calibrations.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dpsynth.errors import ConfigurationError
from dpsynth.graphical.conditionals import Conditional
from dpsynth.graphical.consistency import FloatArray

if TYPE_CHECKING:
    from dpsynth.schema.schema import Schema

__all__ = ["FREE", "PRESENT", "completed", "present_codes", "records"]

FREE, PRESENT = -1, -2
"""In place of a code: draw any; draw any that `present` allows, for example all but "missing"."""

_MESSAGE_CELLS = 2**24
_CELLS_AT_ONCE = 2**21
_SOFT = 1e-6

Records = np.ndarray[Any, np.dtype[np.int64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
Weights = Mapping[int, FloatArray]


def records(schema: Schema, rows: int, known: Mapping[str, np.ndarray[Any, Any]]) -> Records:
    """One row for each record, one column for each modelled column.

    Args:
        schema: The schema of the codes.
        rows: How many records.
        known: By column its codes, -1 where one is to be drawn that is not missing. Columns that are not
            listed are free.

    Raises:
        ConfigurationError: A column is not modelled, or codes do not fit it.
    """
    domain = schema.domain
    table = np.full((rows, len(domain.columns)), FREE, np.int64)
    for name, given in known.items():
        codes = np.asarray(given)
        size = domain.size_of(name) if name in domain.columns else 0
        if (
            codes.shape != (rows,)
            or codes.dtype.kind not in "iu"
            or not ((codes >= -1) & (codes < size)).all()
        ):
            raise ConfigurationError(f"Column {name!r}: expected {rows} codes, -1 where one is to be drawn.")
        table[:, domain.columns.index(name)] = np.where(codes < 0, PRESENT, codes)
    return table


def present_codes(schema: Schema) -> dict[int, FloatArray]:
    """For each modelled column, by place, a one for each code but "missing", where there are others."""
    weights = {}
    for node, column in enumerate(schema.modelled):
        weights[node] = np.ones(column.size)
        if column.missing_code is not None and column.size > 1:
            weights[node][column.missing_code] = 0.0
    return weights


def completed(
    chain: Sequence[Conditional],
    known: Records,
    present: Weights,
    rng: np.random.Generator,
    *,
    strict: bool = False,
) -> Records:
    """Draw what is open in each record given all that is known of it.

    Records that the chain rules out are completed from a softened one, in which a little is possible
    everywhere: what speaks least against the known codes.

    Args:
        chain: The distribution.
        known: One row for each record, one column for each node: a code, `FREE` or `PRESENT`.
        present: For each node that is `PRESENT` somewhere the weight of each code.
        rng: Source of the draws.
        strict: Refuse such records: some are ruled out by constraints.

    Raises:
        ConfigurationError: `strict`, and the chain rules a record out.
    """
    given_cells = sum(math.prod(each.table.shape[: len(each.given)]) for each in chain)
    step = max(1, _MESSAGE_CELLS // given_cells)
    _, number = np.unique(known, axis=0, return_inverse=True)  # equal records side by side, in one block
    order = np.argsort(number.ravel(), kind="stable")
    edges = np.searchsorted(number.ravel()[order], np.arange(0, number.max(initial=-1) + 1 + step, step))
    drawn = np.empty_like(known)
    for start, end in itertools.pairwise(edges):
        rows = order[start:end]
        drawn[rows] = _block(chain, known[rows], present, rng, strict=strict)
    return drawn


def _block(
    chain: Sequence[Conditional],
    known: Records,
    present: Weights,
    rng: np.random.Generator,
    *,
    strict: bool,
) -> Records:
    messages, possible = _upward(chain, known, present)
    if possible.all():
        return _downward(chain, known, messages, present, rng)
    if strict:
        raise ConfigurationError(
            "Records to complete have values that the constraints of the schema rule out together. "
            "Leave out records that break a constraint, or give fewer of their columns."
        )
    drawn = np.empty_like(known)
    for rows, tables in ((possible, chain), (~possible, [_softened(each) for each in chain])):
        messages, _ = _upward(tables, known[rows], present)
        drawn[rows] = _downward(tables, known[rows], messages, present, rng)
    return drawn


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Message:
    """What is known below a conditional says about its `given` nodes.

    Attributes:
        place: For each record the row of `values` that is its own; row 0 says nothing.
        values: Likelihoods up to a factor, one axis for the rows, then one for each given node. Where a
            record knows a given node, only the cells with its code count.
    """

    place: np.ndarray[Any, Any]
    values: FloatArray


_Messages = dict[int, _Message]


def _upward(chain: Sequence[Conditional], known: Records, present: Weights) -> tuple[_Messages, Mask]:
    """The messages by place in the chain, and which records are possible at all."""
    messages: _Messages = {}
    possible = np.ones(len(known), dtype=bool)
    for place in reversed(range(len(chain))):
        conditional = chain[place]
        below = _below(chain, messages, place)
        said: Mask = np.any(known[:, conditional.fresh] != FREE, axis=1)
        for _, message in below:
            said = said | (message.place > 0)
        if not said.any():
            continue
        shape = conditional.table.shape[: len(conditional.given)]
        values, places = [np.ones((1, *shape))], np.zeros(len(known), np.int64)
        for group in _groups(conditional, known, known, below, said):
            likelihood = _summed(conditional, group, below, present)
            peak = likelihood.reshape(len(likelihood), -1).max(axis=1)
            possible[group.rows[peak[group.member] <= 0]] = False
            places[group.rows] = sum(len(each) for each in values) + group.member
            scale = np.where(peak > 0, peak, 1.0).reshape(-1, *[1] * len(shape))
            values.append(likelihood / scale)
        messages[place] = _Message(place=places, values=np.concatenate(values))
    return messages, possible


def _downward(
    chain: Sequence[Conditional],
    known: Records,
    messages: _Messages,
    present: Weights,
    rng: np.random.Generator,
) -> Records:
    drawn = known.copy()
    for place, conditional in enumerate(chain):
        below = _below(chain, messages, place)
        left_open: Mask = np.any(known[:, conditional.fresh] < 0, axis=1)
        for group in _groups(conditional, known, drawn, below, left_open):
            shape = [conditional.table.shape[axis] for axis in group.free]
            cells = np.empty(len(group.rows), np.int64)
            order = np.argsort(group.member, kind="stable")
            for start, part in _pieces(conditional, group, below, present):
                first, last = np.searchsorted(group.member[order], [start, start + len(part)])
                rows = order[first:last]
                cells[rows] = _drawn_cells(part, group.member[rows] - start, rng)
            for axis, codes in zip(group.free, np.unravel_index(cells, shape), strict=True):
                drawn[group.rows, conditional.nodes[axis]] = codes
    return drawn


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Group:
    """Records that know the same nodes of a conditional, by what they know.

    Attributes:
        rows: The records.
        member: For each of them the distinct case that it is.
        codes: For each case the code of each node, where it is known.
        places: For each case the rows of the messages from below.
        free: Axes of the table that are open.
        partial: Those of them that are open to some codes only.
    """

    rows: np.ndarray[Any, Any]
    member: np.ndarray[Any, Any]
    codes: Records
    places: np.ndarray[Any, Any]
    free: tuple[int, ...]
    partial: tuple[int, ...]


_Below = list[tuple[Conditional, _Message]]


def _below(chain: Sequence[Conditional], messages: _Messages, place: int) -> _Below:
    return [(chain[child], message) for child, message in messages.items() if chain[child].parent == place]


def _groups(
    conditional: Conditional,
    known: Records,
    codes: Records,
    below: _Below,
    chosen: Mask,
) -> Iterator[_Group]:
    """The `chosen` records by what they know in `codes`; `known` says which nodes are open to some only."""
    rows = np.flatnonzero(chosen)
    nodes = np.array(conditional.nodes)
    own = codes[np.ix_(rows, nodes)]
    fresh = np.arange(len(nodes)) >= len(conditional.given)  # a weight counts where its node is fresh, once
    partial = (known[np.ix_(rows, nodes)] == PRESENT) & fresh
    states = np.where(own >= 0, 0, np.where(partial, 2, 1))
    places = (
        np.array([message.place[rows] for _, message in below], np.int64).reshape(len(below), len(rows)).T
    )
    kinds, kind = np.unique(states, axis=0, return_inverse=True)
    for number, state in enumerate(kinds):
        inside = np.flatnonzero(kind.ravel() == number)
        case = np.concatenate([np.where(state == 0, own[inside], 0), places[inside]], axis=1)
        first, member = _distinct(case)
        yield _Group(
            rows=rows[inside],
            member=member,
            codes=own[inside][first],
            places=places[inside][first],
            free=tuple(np.flatnonzero(state > 0).tolist()),
            partial=tuple(np.flatnonzero(state == 2).tolist()),
        )


def _summed(conditional: Conditional, group: _Group, below: _Below, present: Weights) -> FloatArray:
    """For each case the likelihood of its evidence, one axis for each given node; 0 off the known codes."""
    given = len(conditional.given)
    shape = conditional.table.shape[:given]
    fixed = [axis for axis in range(given) if axis not in group.free]
    opened = [axis for axis in range(given) if axis in group.free]
    likelihood = np.zeros((len(group.codes), *shape))
    turned = likelihood.transpose([0, *(1 + axis for axis in (*fixed, *opened))])
    for start, part in _pieces(conditional, group, below, present):
        cases = np.arange(start, start + len(part))
        sums = part.reshape(len(part), *(shape[axis] for axis in opened), -1).sum(axis=-1)
        turned[(cases, *(group.codes[cases, axis] for axis in fixed))] = sums
    return likelihood


def _pieces(
    conditional: Conditional, group: _Group, below: _Below, present: Weights
) -> Iterator[tuple[int, FloatArray]]:
    """For some cases at a time: the number of the first, and for each the weights of its open cells, flat."""
    free = group.free
    shape = [conditional.table.shape[axis] for axis in free]
    fixed = [axis for axis in range(conditional.table.ndim) if axis not in free]
    table = conditional.table.transpose([*fixed, *free])
    for axis in group.partial:
        table = table * present[conditional.nodes[axis]].reshape(
            [-1 if other == axis else 1 for other in (*fixed, *free)]
        )
    step = max(1, _CELLS_AT_ONCE // max(math.prod(shape), 1))
    for start in range(0, len(group.codes), step):
        codes = group.codes[start : start + step]
        cells = table[tuple(codes[:, axis] for axis in fixed)] if fixed else table[None]
        for (child, message), place in zip(below, group.places[start : start + step].T, strict=True):
            cells = cells * _seen_from(conditional, child, message.values, (codes, place, free))
        yield start, np.broadcast_to(cells, (len(codes), *shape)).reshape(len(codes), -1)


def _seen_from(
    conditional: Conditional,
    child: Conditional,
    values: FloatArray,
    case: tuple[Records, np.ndarray[Any, Any], tuple[int, ...]],
) -> FloatArray:
    """A message from below on the open axes of `conditional`, of size one where it does not say anything."""
    codes, place, free = case
    axes = [conditional.nodes.index(node) for node in child.given]
    fixed = [i for i, axis in enumerate(axes) if axis not in free]
    opened = sorted((i for i, axis in enumerate(axes) if axis in free), key=lambda i: axes[i])
    turned = values.transpose([0, *(1 + i for i in (*fixed, *opened))])
    seen = turned[(place, *(codes[:, axes[i]] for i in fixed))]
    sizes = [conditional.table.shape[axis] if axis in axes else 1 for axis in free]
    spread: FloatArray = seen.reshape(len(codes), *sizes)
    return spread


def _drawn_cells(weights: FloatArray, member: Records, rng: np.random.Generator) -> Records:
    """A cell for each entry of `member`, by the weights of its case."""
    possible = weights.sum(axis=1, keepdims=True) > 0  # an unreachable row of a table may be empty
    edges = np.cumsum(np.where(possible, weights, 1.0), axis=1)
    edges = edges / edges[:, -1:] + np.arange(len(edges))[:, None]
    cells = np.searchsorted(edges.ravel(), member + rng.random(len(member)), side="right")
    width = weights.shape[1]
    drawn: Records = np.clip(cells - member * width, 0, width - 1)
    return drawn


def _distinct(cases: Records) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """A row of each distinct case, and for each row its case."""
    keys = np.zeros(len(cases), np.int64)
    first = np.zeros(min(len(cases), 1), np.int64)
    for column in cases.T:
        if column.size and (column != column[0]).any():
            merged = keys * (int(column.max()) + 1) + column
            _, first, keys = np.unique(merged, return_index=True, return_inverse=True)
    return first, keys.ravel()


def _softened(conditional: Conditional) -> Conditional:
    cells = math.prod(conditional.table.shape[len(conditional.given) :])
    return replace(conditional, table=(1 - _SOFT) * conditional.table + _SOFT / cells)
