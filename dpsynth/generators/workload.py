"""Which sets of columns matter, and how much: from what somebody wants to candidates with whole weights.

McKenna, Mullins, Sheldon and Miklau (2022): a workload is a list of sets of columns with weights; what may
be measured is every subset of one of them, weighted by the sum of its overlaps with all of them.
"""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.generators.one_ways import varied_columns
from dpsynth.schema.layout import Domain

__all__ = [
    "Clique",
    "Workload",
    "candidates",
    "checked_column",
    "checked_target",
    "every_way",
    "given_workload",
]

Clique = tuple[str, ...]
"""Names of columns, in the order of the schema."""

Workload = tuple[tuple[Clique, float], ...]
"""Sets of columns with their weights."""

_RESOLUTION = 240  # of the largest weight; many small ratios are exact
_MOST_COLUMNS = 6
_MOST_CANDIDATES = 50_000


def given_workload(wanted: Mapping[Clique, float] | Iterable[tuple[Clique, float]]) -> Workload:
    """Sets of columns with weights, in one form.

    Raises:
        ConfigurationError: A set is empty, too large or names a column twice, or a weight is not positive.
    """
    items = tuple(wanted.items()) if isinstance(wanted, Mapping) else tuple(wanted)
    workload = []
    for item in items:
        if not isinstance(item, tuple) or len(item) != 2 or isinstance(item[0], str):
            raise ConfigurationError(
                f"Expected a workload of pairs ((column, ...), weight), got {item!r} in it."
            )
        columns, weight = tuple(item[0]), item[1]
        if not 0 < len(set(columns)) == len(columns) <= _MOST_COLUMNS:
            raise ConfigurationError(
                f"Expected from 1 to {_MOST_COLUMNS} different columns in each set of the workload, "
                f"got {list(columns)}."
            )
        workload.append((columns, float(_validate.positive("weight", weight))))
    if not workload:
        raise ConfigurationError("Expected at least one set of columns in the workload.")
    return tuple(workload)


def every_way(columns: Sequence[str], degree: int) -> Workload:
    """All sets of `degree` columns, alike; of all columns if there are fewer."""
    return tuple((clique, 1.0) for clique in itertools.combinations(columns, min(degree, len(columns))))


def candidates(
    domain: Domain, workload: Workload, *, target: str | None = None, target_weight: float = 1.0
) -> dict[Clique, int]:
    """All subsets of the workload of two columns or more, with whole weights.

    The weight of a set r is the sum over the workload of c |r and s|, which is the sum over the columns of
    r of the weights of the sets that hold them. Weights are put on a grid here, before a sensitivity
    is derived from them (pitfall P42). Columns with one code have nothing to tell and are left out.

    Args:
        domain: The columns.
        workload: Sets of columns and weights.
        target: A column whose sets count more.
        target_weight: How much more.

    Raises:
        ConfigurationError: The workload names a column that `domain` lacks, or has too many subsets.
    """
    varied = varied_columns(domain)
    of_column = dict.fromkeys(varied, 0.0)
    found: dict[Clique, None] = {}
    for columns, weight in workload:
        for name in columns:
            checked_column("in the workload", name, domain)
        clique = tuple(name for name in varied if name in columns)
        for name in clique:
            of_column[name] += weight * (target_weight if target in columns else 1.0)
        for size in range(2, len(clique) + 1):
            found.update(dict.fromkeys(itertools.combinations(clique, size)))
        if len(found) > _MOST_CANDIDATES:
            raise ConfigurationError(
                f"The workload has more than {_MOST_CANDIDATES} subsets. Take fewer columns in fewer sets."
            )
    place = {name: i for i, name in enumerate(varied)}
    ranked = sorted(found, key=lambda clique: (len(clique), [place[name] for name in clique]))
    return _whole({clique: math.fsum(of_column[name] for name in clique) for clique in ranked})


def checked_target(target: str | None, domain: Domain) -> None:
    """Refuse a target that is no modelled column, with the names that are near."""
    if target is not None:
        checked_column("as target", target, domain)


def checked_column(where: str, name: str, domain: Domain) -> None:
    """Refuse a name that `domain` lacks, with the names that are near."""
    if name not in domain.columns:
        near = difflib.get_close_matches(str(name), domain.columns, n=3) or list(domain.columns)
        raise ConfigurationError(
            f"Expected a modelled column {where}, got {name!r}. Did you mean one of {near}?"
        )


def _whole(weights: Mapping[Clique, float]) -> dict[Clique, int]:
    largest = max(weights.values(), default=1.0)
    rounded = {clique: max(1, round(_RESOLUTION * weight / largest)) for clique, weight in weights.items()}
    divisor = math.gcd(*rounded.values())
    return {clique: weight // divisor for clique, weight in rounded.items()}
