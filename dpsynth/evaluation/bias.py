"""Is it fair: whom does the synthetic table show too often, too rarely, or in another light?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from dpsynth import _validate
from dpsynth.errors import ConfigurationError
from dpsynth.evaluation.anchors import Anchors
from dpsynth.evaluation.groups import fidelity_by_group, group_shares, majority_shift, pair_shares
from dpsynth.evaluation.outcomes import outcome_association, outcome_gaps
from dpsynth.evaluation.results import PUBLIC, Part, Result
from dpsynth.evaluation.tables import Tables

__all__ = ["bias", "smallest_group", "smallest_reliable_group"]

_RELATIVE = 0.1
_NORMAL = 1.96
_BANDS = 4


def bias(
    tables: Tables,
    *,
    target: str | None,
    protected: Sequence[str],
    noise: float | None = None,
    quick: bool = False,
) -> tuple[Result, ...]:
    """All results on bias, in the order in which they are shown.

    Args:
        tables: Real, synthetic and, if there are any, holdout rows.
        target: The column whose outcome is decided; None leaves decisions out.
        protected: Columns that say who belongs to which group; none leaves groups out.
        noise: Standard deviation of one noisy cell count, in rows, as the plan forecasts it.
        quick: Smaller models.

    Raises:
        DataError: The schema models no such column.
        ConfigurationError: The target is protected itself, or the noise is negative.
    """
    protected = tuple(dict.fromkeys((protected,) if isinstance(protected, str) else protected))
    for column in (*protected, *([] if target is None else [target])):
        tables.place(column)
    if target in protected:
        raise ConfigurationError(
            f"Column {target!r} is both the target and protected. Leave it out of one of the two."
        )
    reliable = smallest_reliable_group(tables, protected, noise=noise)
    if not protected:
        return (reliable,)
    anchors = Anchors.of(tables)
    results = [
        group_shares(anchors, protected),
        pair_shares(anchors, protected),
        majority_shift(anchors, protected),
        fidelity_by_group(anchors, protected),
    ]
    if target is not None:
        results.append(outcome_association(anchors, target, protected))
        results += outcome_gaps(tables, target, protected, quick=quick)
    return (*results, reliable)


def smallest_group(noise: float, *, cells: int = 1) -> float:
    """Rows of the smallest group whose count is known within 10 % with a probability of 95 %.

    The count of a group that is made of several noisy cells has noise of sqrt(cells) * noise, so the bound is
    1.96 * sqrt(cells) * noise / 0.1.
    """
    _validate.non_negative("noise", noise)
    _validate.count("cells", cells)
    return _NORMAL * math.sqrt(cells) * noise / _RELATIVE


def smallest_reliable_group(tables: Tables, protected: Sequence[str], *, noise: float | None) -> Result:
    """How small may a group be at this noise? A public number: it follows from plan and schema alone.

    As a whole for a group that is one noisy cell. Parts: for each protected column a group that is one value
    of it, or a quarter of the cells of a number, and for each pair of them a group that is read off the table
    of both and so is a sum over the other column. Smaller groups may be right by luck; nobody can know it.
    """
    note = "Rows; 95 % within 10 %, from the noise of one count alone."
    parts: list[Part] = []
    if noise is None:
        note = "The noise of a count is not known. Give `noise` from the plan's expected error."
    else:
        _validate.non_negative("noise", noise)
        for name in protected:
            parts.append(Part(label=(name,), value=smallest_group(noise, cells=_cells(tables, name))))
            for other in protected:
                column = tables.schema.modelled[tables.place(other)]
                if other != name and column.complete:
                    cells = _cells(tables, name) * column.size
                    label = (name, f"summed over {other}")
                    parts.append(Part(label=label, value=smallest_group(noise, cells=cells)))
    return Result(
        name="smallest_reliable_group",
        family="bias",
        title="Smallest group whose size is reliable (rows)",
        value=math.nan if noise is None else smallest_group(noise),
        disclosure=PUBLIC,
        note=note,
        parts=tuple(sorted(parts, key=lambda part: (-part.value, part.label))),
    )


def _cells(tables: Tables, name: str) -> int:
    """Cells of one group by the schema: a value, or a quarter of a number's cells."""
    column = tables.schema.modelled[tables.place(name)]
    if not tables.numeric(name) or not column.complete:
        return 1
    return max(1, math.ceil(column.cell_count / _BANDS))
